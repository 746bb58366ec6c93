import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

import type { IntGraph, Lane } from "./finish.ts";
import { assignWires } from "./finish.ts";
import type { IntNode, IntOp } from "./graph.ts";

const lane = (l: Lane): unknown[] => [l.tensor, l.index, l.node, l.word, l.shift, l.w, String(l.lo), l.e, l.kind];

/**
 * The published text of a graph: one line a node, `[op, args, k, c, n, lo, hi, layer, rule, wire]`, integers as decimal strings.
 * The hash of these bytes names the function F of the statement.
 */
export function canonicalText(graph: IntGraph): string {
  const nodes = graph.nodes.map((n) =>
    JSON.stringify([n.op, n.args, n.k.map(String), String(n.c), n.n, String(n.lo), String(n.hi), n.layer, n.rule, n.wire ? 1 : 0]),
  );
  const head = JSON.stringify({ format: "og-integer-graph/1", layers: graph.layers.map((l) => [l.operator, l.node]) }).slice(1, -1);
  const lanes = (list: readonly Lane[]): string => `[\n${list.map((l) => JSON.stringify(lane(l))).join(",\n")}\n]`;
  const weights = graph.weights.length > 0 ? `"weights":${lanes(graph.weights)},\n` : "";
  return `{${head},\n"inputs":${lanes(graph.inputs)},\n"outputs":${lanes(graph.outputs)},\n${weights}"nodes":[\n${nodes.join(",\n")}\n]}\n`;
}

export function graphHash(text: string): string {
  return `0x${bytesToHex(keccak_256(utf8ToBytes(text)))}`;
}

type Row = [IntOp, number[], string[], string, number[], string, string, number, string, number];
type LaneRow = [string, number, number, number, number, number, string, number, Lane["kind"]];

export function parseGraph(text: string): IntGraph {
  const json = JSON.parse(text) as { format: string; layers: [string, string][]; inputs: LaneRow[]; outputs: LaneRow[]; weights?: LaneRow[]; nodes: Row[] };
  if (json.format !== "og-integer-graph/1") throw new TypeError(`graph format ${json.format}`);
  const nodes = json.nodes.map(([op, args, k, c, n, lo, hi, layer, rule, wire], id): IntNode => ({
    id, op, args, k: k.map(BigInt), c: BigInt(c), n, lo: BigInt(lo), hi: BigInt(hi), layer, rule, wire: wire === 1,
  }));
  const lanes = (rows: LaneRow[]): Lane[] =>
    rows.map(([tensor, index, node, word, shift, w, lo, e, kind]) => ({ tensor, index, node, word, shift, w, lo: BigInt(lo), e, kind }));
  const layers = json.layers.map(([operator, node]) => ({ operator, node }));
  return { nodes, inputs: lanes(json.inputs), outputs: lanes(json.outputs), weights: lanes(json.weights ?? []), layers, ...assignWires(nodes) };
}
