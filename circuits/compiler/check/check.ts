import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";

import { UNPROVED_RULES } from "./bounds.ts";
import { demand, PRIME, readGraph, readNames, readRows, type PlainRow, type PublishedGraph, type Sum } from "./format.ts";
import { checkNoOverflow } from "./intervals.ts";
import { checkPieces, type Claim, type PieceReport } from "./pieces.ts";
import { commitment } from "./poseidon.ts";
import { checkLifting, spelling, wantedRows, type Starts, wireKey, wordKey, type WantedRow } from "./rows.ts";

/** The published files of one model. */
export interface Published {
  readonly graph: string;
  readonly publicJson: string;
  readonly certificate: string;
  readonly sym: string;
  readonly r1cs: Uint8Array;
}

export interface CheckReport {
  readonly graphHash: string;
  /** Lifting: rows that are integer identities, and rows that reason in the field. */
  readonly lifting: { readonly lifted: number; readonly overField: number };
  /** No overflow: bounds by rule; those of `trusted` rules are not proved by this program. */
  readonly noOverflow: { readonly bounds: Record<string, number>; readonly trusted: number };
  /** Weights: rows of the circuit that equal the rows of the published graph, and rows of the input hash. */
  readonly rows: { readonly equal: number; readonly hash: number };
  readonly pieces: PieceReport;
  /** Hash over everything that was checked: what a registry stores. */
  readonly hash: string;
}

const keccak = (bytes: Uint8Array): Uint8Array => keccak_256(bytes);

/** Checks both claims of a certificate, that the circuit is the published graph, and every piece. Throws at the first thing that fails. */
export function checkModel(p: Published): CheckReport {
  const g = readGraph(p.graph);
  const pub = JSON.parse(p.publicJson) as { graphHash: string; inputMode: string; outputMode?: string; outputStart?: number; weightMode?: string; weightStart?: number; names: string[] };
  const certificate = JSON.parse(p.certificate) as { graphHash: string; pieces: Claim[] };
  const graphHash = `0x${bytesToHex(keccak(utf8ToBytes(p.graph)))}`;
  demand(pub.graphHash === graphHash && certificate.graphHash === graphHash, "identity", () => "the files name different graphs");
  // Where the wires of an output commitment start is a claim like any other: rows that stand elsewhere are missing.
  const starts: Starts = {
    ...(pub.inputMode === "hash" ? { in: g.wires } : {}),
    ...(pub.outputMode === "hash" ? { out: pub.outputStart ?? g.wires } : {}),
    ...(pub.weightMode === "hash" ? { weights: pub.weightStart ?? g.wires } : {}),
  };
  checkLanes(g);
  checkWeightWords(g);
  const { bounds } = checkNoOverflow(g);
  const wanted = wantedRows(g, starts);
  const lifting = checkLifting(g, wanted, starts);
  const rows = checkRows(g, wanted, readRows(p.r1cs).rows, readNames(p.sym), pub.names, starts);
  const pieces = checkPieces(g, certificate.pieces);
  const trusted = UNPROVED_RULES.reduce((sum, r) => sum + (bounds[r] ?? 0), 0);
  const hash = `0x${bytesToHex(keccak(concatBytes(...[p.graph, p.publicJson, p.certificate].map((t) => keccak(utf8ToBytes(t))), keccak(p.r1cs))))}`;
  return { graphHash, lifting, noOverflow: { bounds, trusted }, rows, pieces, hash };
}

/** Lanes lie side by side without overlap, within 248 bits, and hold every value of their node. */
function checkLanes(g: PublishedGraph): void {
  for (const lanes of [g.inputs, g.outputs]) {
    let [word, end] = [0, 0];
    for (const l of lanes) {
      if (l.word !== word) [word, end] = [l.word, 0];
      const n = g.nodes[l.node];
      demand(l.shift >= end && l.shift + l.w <= 248, "lanes", () => `lane at ${l.word}:${l.shift} overlaps or overflows`);
      demand(n !== undefined && n.lo >= l.lo && n.hi - l.lo < 1n << BigInt(l.w), "lanes", () => `lane at ${l.word}:${l.shift} is too narrow`);
      end = l.shift + l.w;
    }
  }
}

/**
 * Each word of weights is one input whose box is that of all sums of signed bytes, so every model that the chain can fold has a witness; its
 * digits are in the rows (lifting), so there is one way to read a word.
 */
function checkWeightWords(g: PublishedGraph): void {
  g.weights.forEach((l, i) => {
    const n = g.nodes[l.node];
    const unit = ((1n << BigInt(l.w)) - 1n) / 255n;
    demand(l.word === i && l.shift === 0 && l.lo === 0n && l.w % 8 === 0 && l.w > 0 && l.w <= 248, "weights", () => `word ${i} is not a word of bytes`);
    demand(i === g.weights.length - 1 || l.w === 248, "weights", () => `word ${i} is not full and not the last`);
    demand(n?.op === "input" && n.lo === -128n * unit && n.hi === 127n * unit, "weights", () => `word ${i} does not range over all signed bytes`);
    const read = g.nodes.some((b) => b.op === "bits" && b.args[0] === l.node && b.c === 128n * unit && b.n[0] === l.w);
    demand(read, "weights", () => `word ${i} is not read byte by byte`);
  });
}

/** The rows of the circuit are the rows of the graph: no more, no fewer, weights included. */
function checkRows(
  g: PublishedGraph,
  wanted: readonly WantedRow[],
  rows: readonly PlainRow[],
  names: ReadonlyMap<string, number>,
  publicNames: readonly string[],
  starts: Starts,
): { equal: number; hash: number } {
  publicNames.forEach((name, i) => demand(names.get(name) === i + 1, "rows", () => `public input ${i} is not ${name}`));
  const keyOf = new Map<number, number>([[0, 0]]);
  const dropped = new Set<number>();
  const place = (key: number, name: string): void => {
    const at = names.get(name);
    demand(at !== undefined, "rows", () => `the circuit has no signal ${name}`);
    if (at === undefined || at < 0) dropped.add(key);
    else if (!keyOf.has(at)) keyOf.set(at, key);
  };
  const words = (lanes: PublishedGraph["inputs"]): number => lanes.reduce((m, l) => Math.max(m, l.word + 1), 0);
  for (let i = 0; i < (starts.in === undefined ? words(g.inputs) : 1); i++) place(wordKey("in", i), `in[${i}]`);
  for (let i = 0; i < (starts.out === undefined ? words(g.outputs) : 1); i++) place(wordKey("out", i), `out[${i}]`);
  for (let i = 0; i < (starts.weights === undefined ? g.weights.length : 1); i++) place(wordKey("weights", i), `weights[${i}]`);
  let last = g.wires;
  while (names.has(`w[${last}]`)) last += 1;
  for (let i = 0; i < last; i++) place(wireKey(i), `w[${i}]`);
  const rename = renames(wanted, dropped);
  const placeOf = new Map([...keyOf].map(([at, key]) => [key, at]));
  const indexOf = (wire: number): number => placeOf.get(rename.get(wireKey(wire)) ?? wireKey(wire)) as number;
  const mapped = (s: Sum): Sum => {
    const out: Sum = new Map();
    for (const [key, k] of s) {
      const to = rename.get(key) ?? key;
      out.set(to, (out.get(to) ?? 0n) + k);
    }
    return out;
  };
  const want = new Map<string, number>();
  for (const r of wanted) {
    const text = spelling({ a: mapped(r.a), b: mapped(r.b), c: mapped(r.c) });
    if (text !== "0|") want.set(text, (want.get(text) ?? 0) + 1);
  }
  const seen = new Set<string>();
  const rest: PlainRow[] = [];
  const named = (s: Sum): Sum => new Map([...s].map(([at, k]) => [keyOf.get(at) ?? -1_000_000 - at, k]));
  for (const r of rows) {
    const text = spelling({ a: named(r.a), b: named(r.b), c: named(r.c) });
    if (want.has(text)) seen.add(text);
    else rest.push(r);
  }
  const missing = [...want.keys()].find((t) => !seen.has(t));
  demand(missing === undefined, "rows", () => `the circuit lacks the row ${missing?.slice(0, 200)}`);
  const hashes: Hash[] = [];
  if (starts.in !== undefined) hashes.push({ name: "in[0]", start: starts.in, lanes: g.inputs });
  if (starts.out !== undefined) hashes.push({ name: "out[0]", start: starts.out, lanes: g.outputs });
  if (starts.weights !== undefined) hashes.push({ name: "weights[0]", start: starts.weights, lanes: g.weights });
  if (hashes.length === 0) demand(rest.length === 0, "rows", () => `${rest.length} rows of the circuit are not in the graph`);
  else checkHashes(hashes, rest, names, indexOf);
  return { equal: rows.length - rest.length, hash: rest.length };
}

/** Signals that circom renamed: an equality of two wires, one of which has no place in the witness. */
function renames(wanted: readonly WantedRow[], dropped: ReadonlySet<number>): Map<number, number> {
  const out = new Map<number, number>();
  for (const r of wanted) {
    const terms = [...r.c].filter(([, k]) => k !== 0n);
    if (r.a.size > 0 || terms.length !== 2) continue;
    const [[x, p], [y, q]] = terms as [[number, bigint], [number, bigint]];
    if (p !== -q || (p !== 1n && p !== -1n)) continue;
    if (dropped.has(x) && y !== 0) out.set(x, y);
    else if (dropped.has(y) && x !== 0) out.set(y, x);
  }
  return out;
}

/** A commitment to packed lanes: the public word that holds it, and its first wire, the salt. */
interface Hash {
  readonly name: string;
  readonly start: number;
  readonly lanes: PublishedGraph["inputs"];
}

/** Runs the rows of the commitments forwards on two made-up messages: they must compute them, and nothing may stay open. */
function checkHashes(hashes: readonly Hash[], rows: readonly PlainRow[], names: ReadonlyMap<string, number>, indexOf: (wire: number) => number): void {
  for (const seed of [3n, 1234567n]) {
    const value = new Map<number, bigint>([[0, 1n]]);
    const wanted = hashes.map((h, k) => {
      const count = h.lanes.reduce((m, l) => Math.max(m, l.word + 1), 0);
      const bits = h.lanes.reduce((sum, l) => sum + l.w, 0);
      // A word of one narrow lane may be that lane's own wire: any number will do, the hash is over the field. A lane that passes
      // straight through is one wire in both messages.
      const words = Array.from({ length: count }, (_, i) => {
        const at = indexOf(h.start + 1 + i);
        const v = value.get(at) ?? (seed ** BigInt(i + 40 + 31 * k)) % (1n << 248n);
        value.set(at, v);
        return v;
      });
      const salt = seed ** BigInt(90 + k) % PRIME;
      value.set(indexOf(h.start), salt);
      return { name: h.name, want: commitment(h.lanes.length, bits, salt, words) };
    });
    const sum = (s: Sum): bigint | undefined => {
      let v = 0n;
      for (const [w, k] of s) {
        const x = value.get(w);
        if (x === undefined) return undefined;
        v += k * x;
      }
      return ((v % PRIME) + PRIME) % PRIME;
    };
    let waiting = [...rows];
    while (waiting.length > 0) {
      const next = waiting.filter((r) => !solve(r, value, sum));
      demand(next.length < waiting.length, "hash", () => `${next.length} rows of a commitment do not follow from the words`);
      waiting = next;
    }
    for (const { name, want } of wanted) {
      demand(value.get(names.get(name) as number) === want, "hash", () => `the rows do not compute the commitment ${name}`);
    }
  }
}

/** Gives the one open wire of a row its value; a row without an open wire must hold. */
function solve(r: PlainRow, value: Map<number, bigint>, sum: (s: Sum) => bigint | undefined): boolean {
  const [a, b] = [sum(r.a), sum(r.b)];
  if (a === undefined || b === undefined) return false;
  const open = [...r.c].filter(([w]) => !value.has(w));
  if (open.length > 1) return false;
  const known = sum(new Map([...r.c].filter(([w]) => value.has(w)))) as bigint;
  const rest = (((a * b - known) % PRIME) + PRIME) % PRIME;
  if (open.length === 0) {
    demand(rest === 0n, "hash", () => "a row of a commitment contradicts another");
    return true;
  }
  const [wire, k] = open[0] as [number, bigint];
  value.set(wire, (rest * inverse(((k % PRIME) + PRIME) % PRIME)) % PRIME);
  return true;
}

function inverse(v: bigint): bigint {
  let [a, b, x, y] = [PRIME, v, 0n, 1n];
  while (b !== 0n) {
    const q = a / b;
    [a, b, x, y] = [b, a - q * b, y, x - q * y];
  }
  return ((x % PRIME) + PRIME) % PRIME;
}
