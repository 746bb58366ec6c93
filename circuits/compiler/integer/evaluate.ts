import type { IntNode } from "./graph.ts";
import type { IntGraph } from "./finish.ts";
import { P, inverse } from "./field.ts";

/** Floor of the square root. */
export function isqrt(v: bigint): bigint {
  if (v < 2n) return v;
  let x = 1n << BigInt((v.toString(2).length + 1) >> 1);
  for (;;) {
    const y = (x + v / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}

export const floorDiv = (a: bigint, b: bigint): bigint => (a >= 0n ? a / b : -((-a + b - 1n) / b));

/** Shorter sums are taken as they stand. */
const LONG_SUM = 8;
/** Doubles hold every integer up to here. */
const EXACT = 2 ** 53;

/** The value of every node for integer inputs (by lane). */
export type IntegerProgram = (inputs: readonly bigint[]) => bigint[];

/**
 * The reference semantics of the compiled model. Long sums are laid out once, so that many runs pay: where the terms of one and everything
 * on the way to it stay below 2^53 doubles are exact, and that is looked at in each run and never assumed.
 */
export function integerProgram({ nodes }: Pick<IntGraph, "nodes">): IntegerProgram {
  const near = new Float64Array(nodes.length);
  const sums = nodes.map((n) =>
    n.op === "lin" && n.args.length >= LONG_SUM ? { idx: Int32Array.from(n.args), k: Float64Array.from(n.k.map(Number)), c: Number(n.c) } : undefined,
  );
  return (inputs) => {
    const value = new Array<bigint>(nodes.length);
    for (const n of nodes) {
      const sum = sums[n.id];
      const quick = sum ? exactSum(sum, near) : undefined;
      value[n.id] = quick === undefined ? evaluateNode(n, value, inputs, nodes) : BigInt(quick);
      near[n.id] = quick ?? Number(value[n.id]);
    }
    return value;
  };
}

/** The sum where doubles have it exactly: every term and the sizes of all of them together are below 2^53, and so is each number in them. */
function exactSum({ idx, k, c }: { idx: Int32Array; k: Float64Array; c: number }, near: Float64Array): number | undefined {
  let sum = c;
  let gross = Math.abs(c);
  for (let i = 0; i < idx.length; i++) {
    const term = (k[i] as number) * (near[idx[i] as number] as number);
    sum += term;
    gross += Math.abs(term);
  }
  return gross < EXACT ? sum : undefined;
}

/** One run: what a witness needs. */
export function evaluateNodes(graph: IntGraph, inputs: readonly bigint[]): bigint[] {
  const value = new Array<bigint>(graph.nodes.length);
  for (const n of graph.nodes) value[n.id] = evaluateNode(n, value, inputs, graph.nodes);
  return value;
}

function evaluateNode(n: IntNode, value: bigint[], inputs: readonly bigint[], nodes: readonly IntNode[]): bigint {
  const arg = (i: number): bigint => value[n.args[i] as number] as bigint;
  switch (n.op) {
    case "input":
      return inputs[n.n[0] as number] as bigint;
    case "lin": {
      let sum = n.c;
      for (let i = 0; i < n.args.length; i++) sum += (n.k[i] as bigint) * arg(i);
      return sum;
    }
    case "mul":
      return arg(0) * arg(1);
    case "bits":
      return arg(0) + n.c;
    case "bit":
      return (arg(0) >> BigInt(n.n[0] as number)) & 1n;
    case "field":
      return (arg(0) >> BigInt(n.n[0] as number)) & ((1n << BigInt((n.n[1] as number) - (n.n[0] as number))) - 1n);
    case "relu": {
      const x = arg(0) - (nodes[n.args[0] as number] as IntNode).c;
      return x > 0n ? x >> BigInt(n.n[0] as number) : 0n;
    }
    case "eqz":
      return arg(0) === 0n ? 1n : 0n;
    case "zero":
      return 0n;
    case "max":
      return n.args.reduce((m, _, i) => (arg(i) > m ? arg(i) : m), arg(0));
    case "div":
      return floorDiv(arg(0), arg(1));
    case "isqrt":
      return isqrt(arg(0));
    case "rsqrt":
      return isqrt((1n << BigInt(n.n[0] as number)) / arg(0));
    case "ge":
      return arg(0) >= n.c ? 1n : 0n;
    case "bound":
      return arg(0);
  }
}

/** All wires of the circuit for given node values, as field elements. */
export function wireValues(graph: IntGraph, value: readonly bigint[]): bigint[] {
  const out = new Array<bigint>(graph.wires);
  const mod = (v: bigint): bigint => (v % P + P) % P;
  for (const n of graph.nodes) {
    const at = graph.wireOf[n.id] as number;
    if (at < 0) continue;
    const v = value[n.id] as bigint;
    if (n.op === "bits") {
      for (let i = 0; i < (n.n[0] as number); i++) out[at + i] = (v >> BigInt(i)) & 1n;
    } else if (n.op === "eqz") {
      const x = mod(value[n.args[0] as number] as bigint);
      out[at] = x === 0n ? 0n : inverse(x);
      out[at + 1] = v;
    } else if (n.op === "zero") {
      let product = mod(value[n.args[0] as number] as bigint);
      for (let i = 1; i < n.args.length - 1; i++) {
        product = (product * mod(value[n.args[i] as number] as bigint)) % P;
        out[at + i - 1] = product;
      }
    } else out[at] = mod(v);
  }
  return out;
}
