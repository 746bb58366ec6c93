import type { IntNode } from "./graph.ts";

/** One number of an input or output word. */
export interface Lane {
  readonly tensor: string;
  readonly index: number;
  readonly node: number;
  /** value = ((word >> shift) & (2^w - 1)) + lo, times 2^e. */
  readonly word: number;
  readonly shift: number;
  readonly w: number;
  readonly lo: bigint;
  readonly e: number;
  readonly kind: "value" | "class" | "flag" | "status";
}

export interface IntGraph {
  readonly nodes: readonly IntNode[];
  readonly inputs: readonly Lane[];
  readonly outputs: readonly Lane[];
  /** Words of public weights; none where they are baked. */
  readonly weights: readonly Lane[];
  readonly layers: readonly { operator: string; node: string }[];
  /** First wire of each node (index into `w`), or -1. */
  readonly wireOf: Int32Array;
  readonly wires: number;
}

/** How many wires a node owns. */
export function wiresOwned(n: IntNode): number {
  switch (n.op) {
    case "bits":
      return n.n[0] as number;
    case "eqz":
      return 2;
    case "zero":
      return Math.max(0, n.args.length - 2);
    default:
      return n.wire ? 1 : 0;
  }
}

/** Sums with more terms than this get a wire when two rows read them, or when a product does. */
const INLINE_TERMS = 2;
const INLINE_FACTOR_TERMS = 12;

/**
 * Drops what nothing reads, renumbers, and decides which sums become wires. `roots` are the outputs and every assertion: range checks
 * and zero products have no reader but must stay when what they constrain stays.
 */
export function finish(
  all: readonly IntNode[],
  roots: readonly number[],
  guards: ReadonlyMap<number, readonly number[]>,
): { nodes: IntNode[]; image: Int32Array } {
  const live = new Uint8Array(all.length);
  const stack = [...roots];
  while (stack.length > 0) {
    const id = stack.pop() as number;
    if (live[id]) continue;
    live[id] = 1;
    for (const a of (all[id] as IntNode).args) stack.push(a);
    for (const g of guards.get(id) ?? []) stack.push(g);
  }
  const image = new Int32Array(all.length).fill(-1);
  const nodes: IntNode[] = [];
  for (const n of all) {
    if (!live[n.id]) continue;
    image[n.id] = nodes.length;
    nodes.push({ ...n, id: nodes.length, args: n.args.map((a) => image[a] as number) });
  }
  placeWires(nodes);
  return { nodes, image };
}

function placeWires(nodes: IntNode[]): void {
  const readers = new Uint32Array(nodes.length);
  const factor = new Uint8Array(nodes.length);
  const reads = (id: number, asFactor: boolean): void => {
    const n = nodes[id] as IntNode;
    // A bound is only another name.
    if (n.op === "bound") return reads(n.args[0] as number, asFactor);
    readers[id] = (readers[id] as number) + 1;
    if (asFactor) factor[id] = 1;
  };
  for (const n of nodes) {
    if (n.op === "bound") continue;
    const isHint = ["max", "div", "isqrt", "rsqrt", "ge"].includes(n.op);
    if (isHint) continue;
    for (const a of n.args) reads(a, n.op === "mul" || n.op === "zero" || n.op === "eqz");
  }
  const terms = new Uint32Array(nodes.length);
  for (const n of nodes) {
    let size = 1;
    if (n.op === "lin") size = n.args.reduce((sum, a) => sum + (terms[a] as number), 0);
    if (n.op === "field") size = (n.n[1] as number) - (n.n[0] as number);
    if (n.op === "bound") size = terms[n.args[0] as number] as number;
    if (n.op === "lin" || n.op === "field") {
      const many = (readers[n.id] as number) > 1 && size > INLINE_TERMS;
      if (many || (factor[n.id] && size > INLINE_FACTOR_TERMS)) n.wire = true;
      if (n.wire) size = 1;
    }
    terms[n.id] = size;
  }
}

/** Values first, digits after them: the neurons of a layer are then neighbours, and so are the terms of the sums that read them. */
export function assignWires(nodes: readonly IntNode[]): { wireOf: Int32Array; wires: number } {
  const wireOf = new Int32Array(nodes.length).fill(-1);
  let wires = 0;
  for (const digits of [false, true]) {
    for (const n of nodes) {
      const owned = wiresOwned(n);
      if (owned === 0 || (n.op === "bits") !== digits) continue;
      wireOf[n.id] = wires;
      wires += owned;
    }
  }
  return { wireOf, wires };
}
