import { demand, type Node, type PublishedGraph } from "./format.ts";
import { exactFunctions, fixed, scaled, SLACK } from "./exact.ts";

/** A piece as the certificate states it. */
export interface Claim {
  readonly fn: string;
  readonly y: number;
  readonly bits: number;
  readonly from: number;
  readonly n: number;
  readonly e: number;
  readonly origin: string;
  readonly half: number;
  readonly centre: number;
  readonly ey: number;
  readonly error: number;
}

export interface PieceReport {
  readonly claims: number;
  /** Different pieces: equal ones are enumerated once. */
  readonly distinct: number;
  readonly points: number;
  readonly unchecked: string[];
}

/** Evaluates the nodes between the digits and the result, for one value of the digits. */
class Slice {
  readonly order: number[] = [];
  readonly #g: PublishedGraph;
  readonly #bits: number;

  constructor(g: PublishedGraph, bits: number, y: number) {
    this.#g = g;
    this.#bits = bits;
    const seen = new Set<number>();
    const visit = (id: number): void => {
      if (seen.has(id) || id === bits) return;
      seen.add(id);
      const n = g.nodes[id] as Node;
      demand(["lin", "mul", "bit", "field", "bound"].includes(n.op), "pieces", () => `a piece contains ${n.op} (node ${id})`);
      const args = n.op === "bound" ? n.args.slice(0, 1) : n.args;
      if (n.op === "bit" || n.op === "field") demand(n.args[0] === bits, "pieces", () => `node ${id} reads other digits`);
      for (const a of args) visit(a);
      this.order.push(id);
    };
    visit(y);
  }

  /** The same text for slices that compute the same function. */
  text(): string {
    const name = new Map<number, number>([[this.#bits, -1]]);
    return this.order.map((id, i) => {
      name.set(id, i);
      const n = this.#g.nodes[id] as Node;
      const args = (n.op === "bound" ? n.args.slice(0, 1) : n.args).map((a) => name.get(a));
      return `${n.op}:${args.join()}:${n.k.join()}:${n.c}:${n.op === "bound" ? "" : n.n.join()}`;
    }).join(";");
  }

  value(digits: bigint): bigint {
    const v = new Map<number, bigint>();
    for (const id of this.order) {
      const n = this.#g.nodes[id] as Node;
      const arg = (i: number): bigint => v.get(n.args[i] as number) as bigint;
      if (n.op === "bound") v.set(id, arg(0));
      else if (n.op === "lin") v.set(id, n.args.reduce((s, _, i) => s + (n.k[i] as bigint) * arg(i), n.c));
      else if (n.op === "mul") v.set(id, arg(0) * arg(1));
      else {
        const from = BigInt(n.n[0] as number);
        const width = n.op === "bit" ? 1n : BigInt(n.n[1] as number) - from;
        v.set(id, (digits >> from) & ((1n << width) - 1n));
      }
    }
    return v.get(this.order[this.order.length - 1] as number) as bigint;
  }
}

/**
 * Enumerates every piece over its whole domain, both signs where it folds, and compares with the function in exact arithmetic: the value
 * is within the stated error, and within the interval of the bound that carries it.
 */
export function checkPieces(g: PublishedGraph, claims: readonly Claim[]): PieceReport {
  const bounds = new Map<number, Node>();
  g.nodes.forEach((n) => {
    if (n.op === "bound" && n.rule === "piece") bounds.set(n.args[0] as number, n);
  });
  const done = new Set<string>();
  const unchecked = new Set<string>();
  let points = 0;
  const claimed = new Set(claims.map((c) => c.y));
  for (const y of bounds.keys()) demand(claimed.has(y), "pieces", () => `node ${y} has a piece's interval but no claim`);
  for (const c of claims) {
    const bits = g.nodes[c.bits] as Node;
    demand(bits?.op === "bits", "pieces", () => `${c.fn}: node ${c.bits} is not a digit group`);
    const slice = new Slice(g, c.bits, c.y);
    const bound = bounds.get(c.y);
    const key = [c.fn, c.from, c.n, c.e, c.origin, c.half, c.centre, c.ey, c.error, bits.n[0], (g.nodes[bits.args[0] as number] as Node).hi + bits.c, bound?.lo, bound?.hi, slice.text()].join("|");
    if (done.has(key)) continue;
    done.add(key);
    const f = exactFunctions[c.fn];
    if (!f) unchecked.add(c.fn);
    const x = g.nodes[bits.args[0] as number] as Node;
    points += enumerate(c, slice, bits, bound, x.hi + bits.c, f);
  }
  return { claims: claims.length, distinct: done.size, points, unchecked: [...unchecked].sort() };
}

function enumerate(c: Claim, slice: Slice, bits: Node, bound: Node | undefined, highest: bigint, f: ((x: bigint) => bigint) | undefined): number {
  const width = bits.n[0] as number;
  const signed = bits.c !== 0n && bits.c === 1n << BigInt(width - 1) && c.origin === "0";
  const top = 1n << BigInt(width - 1);
  // On an interval: digit values beyond it never occur, and the function may not exist there.
  const last = signed ? 1n << BigInt(c.n) : highest >> BigInt(c.from);
  const limit = fixed(c.error) + SLACK;
  let count = 0;
  for (let m = 0n; m < 1n << BigInt(c.n); m++) {
    const low = m << BigInt(c.from);
    // Digits of a non-negative value, and the complement of a negative one: both fold to m.
    const settings = signed ? [top | low, (top - 1n) ^ low] : [low];
    for (const digits of settings) {
      const y = slice.value(digits);
      count += 1;
      if (bound) demand(y >= bound.lo && y <= bound.hi, "pieces", () => `${c.fn} at ${m} is ${y}, outside of [${bound.lo}, ${bound.hi}]`);
      if (!f || m > last) continue;
      const point = scaled(2n * (m + BigInt(c.origin)) + BigInt(c.half), c.e - 1);
      const want = f(point) - fixed(c.centre);
      const off = scaled(y, c.ey) - want;
      demand((off < 0n ? -off : off) <= limit, "pieces", () => `${c.fn} at ${m} is further from the function than ${c.error}`);
    }
  }
  return count;
}
