import type { IntGraph, Lane } from "./integer/finish.ts";
import { commitmentSize } from "./emit/sponge.ts";
import { wordCount } from "./quantise/pack.ts";
import type { IntNode } from "./integer/graph.ts";

/** Rows of one node: the price list of integer/graph.ts. */
export function rowsOf(n: IntNode): number {
  switch (n.op) {
    case "bits":
      return (n.n[0] as number) + 1;
    case "mul":
    case "relu":
    case "ge":
      return 1;
    case "eqz":
      return 3;
    case "zero":
      return Math.max(1, n.args.length - 1);
    case "lin":
    case "field":
      return n.wire ? 1 : 0;
    default:
      return 0;
  }
}

/** Where the rows are. The last entry is the public words. */
export function rowsByLayer(graph: IntGraph, hashed: boolean, hashedOutput = false, hashedWeights = false): { operator: string; node: string; rows: number }[] {
  const rows = new Array<number>(graph.layers.length).fill(0);
  for (const n of graph.nodes) rows[n.layer] = (rows[n.layer] ?? 0) + rowsOf(n);
  const layers = graph.layers.map((l, i) => ({ ...l, rows: rows[i] as number })).filter((l) => l.rows > 0);
  const commitment = (name: "in" | "out" | "weights", lanes: readonly Lane[]): { operator: string; node: string; rows: number } =>
    ({ operator: "Commitment", node: name, rows: commitmentSize(lanes).rows + 1 });
  if (hashedWeights) layers.push(commitment("weights", graph.weights));
  if (hashedOutput) layers.push(commitment("out", graph.outputs));
  const out = hashedOutput ? 0 : wordCount(graph.outputs);
  if (!hashed) return [...layers, { operator: "Public", node: "in, out", rows: wordCount(graph.inputs) + out }];
  return [...layers, commitment("in", graph.inputs), ...(out > 0 ? [{ operator: "Public", node: "out", rows: out }] : [])];
}
