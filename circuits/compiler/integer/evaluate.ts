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

/** The value of every node for integer inputs (by lane): the reference semantics of the compiled model. */
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
