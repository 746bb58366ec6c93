/**
 * The checker's own readers. Nothing in this directory imports the compiler: a mistake there must not be able to hide here.
 */
export const PRIME = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

export class CheckError extends Error {
  constructor(claim: string, detail: string) {
    super(`${claim}: ${detail}`);
    this.name = "CheckError";
  }
}

/** Throws unless the condition holds: every check is one of these, named after the claim it belongs to. */
export function demand(condition: boolean, claim: string, detail: () => string): void {
  if (!condition) throw new CheckError(claim, detail());
}

export interface Node {
  readonly op: string;
  readonly args: number[];
  readonly k: bigint[];
  readonly c: bigint;
  readonly n: number[];
  readonly lo: bigint;
  readonly hi: bigint;
  readonly rule: string;
  readonly wire: boolean;
}

export interface LaneInfo {
  readonly node: number;
  readonly word: number;
  readonly shift: number;
  readonly w: number;
  readonly lo: bigint;
}

export interface PublishedGraph {
  readonly nodes: Node[];
  readonly inputs: LaneInfo[];
  readonly outputs: LaneInfo[];
  /** Words of public weights. */
  readonly weights: LaneInfo[];
  /** First wire of each node, -1 for none. */
  readonly wire: number[];
  readonly wires: number;
}

export function readGraph(text: string): PublishedGraph {
  const json = JSON.parse(text) as { format: string; nodes: unknown[][]; inputs: unknown[][]; outputs: unknown[][]; weights?: unknown[][] };
  demand(json.format === "og-integer-graph/1", "format", () => String(json.format));
  const nodes = json.nodes.map((r, id): Node => {
    const [op, args, k, c, n, lo, hi, , rule, wire] = r as [string, number[], string[], string, number[], string, string, number, string, number];
    demand(args.every((a) => a >= 0 && a < id), "format", () => `node ${id} reads a later one`);
    return { op, args, k: k.map(BigInt), c: BigInt(c), n, lo: BigInt(lo), hi: BigInt(hi), rule, wire: wire === 1 };
  });
  const lane = (r: unknown[]): LaneInfo => ({
    node: r[2] as number, word: r[3] as number, shift: r[4] as number, w: r[5] as number, lo: BigInt(r[6] as string),
  });
  const wire = new Array<number>(nodes.length).fill(-1);
  let wires = 0;
  // Values first, digits after them.
  for (const digits of [false, true]) {
    nodes.forEach((node, id) => {
      if ((node.op === "bits") !== digits) return;
      const owned = ownedWires(node);
      if (owned === 0) return;
      wire[id] = wires;
      wires += owned;
    });
  }
  return { nodes, inputs: json.inputs.map(lane), outputs: json.outputs.map(lane), weights: (json.weights ?? []).map(lane), wire, wires };
}

function ownedWires(n: Node): number {
  if (n.op === "bits") return n.n[0] as number;
  if (n.op === "eqz") return 2;
  if (n.op === "zero") return Math.max(0, n.args.length - 2);
  return n.wire ? 1 : 0;
}

export type Sum = Map<number, bigint>;
/** a * b = c over witness indices; index 0 is the constant one. */
export interface PlainRow {
  readonly a: Sum;
  readonly b: Sum;
  readonly c: Sum;
}

export function readRows(bytes: Uint8Array): { rows: PlainRow[]; wires: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  demand(view.getUint32(0, true) === 0x73633172, "format", () => "not an r1cs file");
  let at = 12;
  const start: number[] = [];
  for (let i = view.getUint32(8, true); i > 0; i--) {
    start[view.getUint32(at, true)] = at + 12;
    at += 12 + Number(view.getBigUint64(at + 4, true));
  }
  const header = start[1] as number;
  const size = view.getUint32(header, true);
  const number = (p: number): bigint => {
    let v = 0n;
    for (let i = size - 8; i >= 0; i -= 8) v = (v << 64n) | view.getBigUint64(p + i, true);
    return v;
  };
  demand(number(header + 4) === PRIME, "format", () => "another field");
  const count = view.getUint32(header + 4 + size + 24, true);
  let p = start[2] as number;
  const sum = (): Sum => {
    const out: Sum = new Map();
    const terms = view.getUint32(p, true);
    p += 4;
    for (let i = 0; i < terms; i++, p += 4 + size) {
      const v = number(p + 4);
      if (v !== 0n) out.set(view.getUint32(p, true), v > PRIME / 2n ? v - PRIME : v);
    }
    return out;
  };
  const rows = Array.from({ length: count }, () => ({ a: sum(), b: sum(), c: sum() }));
  return { rows, wires: view.getUint32(header + 4 + size, true) };
}

/** Witness index of each signal; -1 for those that circom renamed away. */
export function readNames(text: string): Map<string, number> {
  return new Map(text.split("\n").filter((l) => l !== "").map((l) => {
    const [, index, , name] = l.split(",");
    return [(name ?? "").trim().replace("main.", ""), Number(index)] as const;
  }));
}
