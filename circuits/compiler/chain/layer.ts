import { BudgetError, CompileError } from "../errors.ts";
import { canonicalText, graphHash } from "../integer/canonical.ts";
import { assignWires, finish, type IntGraph, type Lane } from "../integer/finish.ts";
import type { IntNode } from "../integer/graph.ts";
import { inputRows } from "../quantise/box.ts";
import { calibrate } from "../quantise/calibrate.ts";
import { Lowerer } from "../quantise/lower.ts";
import type { InputScale, QuantiseOptions } from "../quantise/options.ts";
import { packLanes, wordCount, type LaneSource } from "../quantise/pack.ts";
import { statusOf } from "../quantise/status.ts";
import { spareBits } from "../quantise/spare.ts";
import { reachable } from "../real/passes.ts";
import type { RealGraph, Val } from "../real/graph.ts";
import type { CompiledModel } from "../compile.ts";
import { rowsByLayer } from "../rows.ts";

/** One layer over the reals: its inputs are the values that cross into it. */
export interface LayerSource {
  readonly real: RealGraph;
  readonly outputs: readonly Val[];
  readonly boxes: readonly InputScale[];
  /** Real inputs that calibrate its scales. */
  readonly samples: readonly number[][];
  /** Tensor and index of each output of the last layer; the others have none. */
  readonly names: readonly { tensor: string; index: number; kind: Lane["kind"] }[] | undefined;
  readonly first: boolean;
  readonly inputNames: readonly { tensor: string; index: number }[];
}

export type Layer = Pick<CompiledModel, "graph" | "graphText" | "graphHash" | "boxes" | "pieces" | "rows" | "warnings" | "hashedInput" | "hashedOutput"> & {
  /** Proved error of each output. */
  readonly proved: readonly number[];
};

/** Fraction bits beyond an activation's that a value keeps when it crosses. */
const SPARE_BITS = 8;

/** A status box: one byte, of which three bits are used. The last box of every layer but the first. */
export const STATUS_BOX: InputScale = { lo: 0n, hi: 255n, e: 0, whole: true };

/**
 * Compiles one layer. What crosses is packed in the same lanes on both sides, so that both commitments hash the same words; the status
 * byte crosses as well, and the last layer's holds everything that happened on the way.
 */
export function compileLayer(source: LayerSource, options: QuantiseOptions, maxRows: number): Layer {
  const order = reachable(source.real, source.outputs);
  const calibration = calibrate(order, source.samples, source.real.nodes.length);
  const spare = spareBits(order, source.outputs, inputRows(source.boxes), options.activationBits);
  const lowerer = new Lowerer(options, source.boxes, calibration, spare, source.real.layers, maxRows);
  lowerer.run(order);
  const { int, q } = lowerer;
  const inputs = source.first ? [] : source.boxes.map((_, k) => lowerer.input(k).node);
  const before = inputs[inputs.length - 1];
  if (before !== undefined) {
    const digits = int.bits(before, 0n, 8);
    [lowerer.violations, lowerer.saturations, lowerer.ties].forEach((list, i) => list.push(int.bit(digits, i)));
  }
  const sources: LaneSource[] = [{ tensor: "status", index: 0, node: statusOf(lowerer), e: 0, kind: "status" }];
  const proved: number[] = [];
  source.outputs.forEach((o, k) => {
    const made = lowerer.get(o);
    const width = source.names ? options.outputBits || 240 : options.activationBits + SPARE_BITS;
    const v = q.narrow(made, width);
    proved.push(v.err);
    const name = source.names?.[k] ?? { tensor: "carried", index: k, kind: "value" as const };
    sources.push({ ...name, node: v.node, e: v.e });
  });
  const lanes = packLanes(int, sources);
  if (source.names && wordCount(lanes) > 1) {
    throw new CompileError("CHAIN_OUTPUT", `the output takes ${wordCount(lanes)} words and a chain has one: fewer outputBits, or fewer outputs`);
  }
  const { nodes, image } = finish(int.nodes, [...lanes.map((l) => l.node), ...inputs], q.guards);
  const graph: IntGraph = {
    nodes, inputs: inputLanes(source, nodes), outputs: lanes.map((l) => ({ ...l, node: image[l.node] as number })), weights: [], layers: source.real.layers, ...assignWires(nodes),
  };
  const hashedInput = !source.first || wordCount(graph.inputs) > 1;
  const hashedOutput = source.names === undefined;
  const layers = rowsByLayer(graph, hashedInput, hashedOutput);
  const total = layers.reduce((sum, l) => sum + l.rows, 0);
  if (total > maxRows) throw new BudgetError("the number of rows of a layer", total, maxRows);
  const graphText = canonicalText(graph);
  return {
    graph, graphText, graphHash: graphHash(graphText), boxes: source.boxes, rows: { total, layers }, warnings: lowerer.warnings, hashedInput, hashedOutput, proved,
    pieces: lowerer.pieces.claims.filter((p) => image[p.y] !== -1 && image[p.bits] !== -1).map((p) => ({ ...p, y: image[p.y] as number, bits: image[p.bits] as number })),
  };
}

/** The lanes of the layer before, in its order: status first. The first layer has the model's own inputs, dead ones left out. */
function inputLanes(source: LayerSource, nodes: readonly IntNode[]): Lane[] {
  const own = new Map(nodes.filter((n) => n.op === "input").map((n) => [n.n[0] as number, n.id]));
  const status = source.boxes.length - 1;
  const order = source.first ? source.boxes.map((_, k) => k) : [status, ...source.boxes.keys()].slice(0, source.boxes.length);
  const lanes = order.filter((k) => own.has(k)).map((k): LaneSource => {
    const isStatus = !source.first && k === status;
    const name = isStatus ? { tensor: "status", index: 0 } : (source.inputNames[k] ?? { tensor: "carried", index: k });
    return { ...name, node: own.get(k) as number, e: (source.boxes[k] as InputScale).e, kind: isStatus ? "status" : "value" };
  });
  return packLanes({ at: (id: number) => nodes[id] as IntNode } as Lowerer["int"], lanes);
}

/** Box of a value on the other side of a cut: exactly what its lane can hold. */
export function crossing(lane: Lane, proved: number): InputScale {
  return { lo: lane.lo, hi: lane.lo + (1n << BigInt(lane.w)) - 1n, e: lane.e, whole: false, err: proved };
}
