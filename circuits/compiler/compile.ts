import { BudgetError, UnsupportedError } from "./errors.ts";
import { stateError, type ErrorStatement } from "./error.ts";
import { importModel } from "./import/model.ts";
import { canonicalText, graphHash } from "./integer/canonical.ts";
import { evaluateNodes } from "./integer/evaluate.ts";
import { assignWires, finish, type IntGraph, type Lane } from "./integer/finish.ts";
import type { IntNode } from "./integer/graph.ts";
import type { CompileOptions } from "./options.ts";
import { inputBoxes } from "./quantise/box.ts";
import { toReal } from "./quantise/dyadic.ts";
import { Lowerer, type InputScale } from "./quantise/lower.ts";
import { defaults, type QuantiseOptions } from "./quantise/options.ts";
import { packLanes, type LaneSource } from "./quantise/pack.ts";
import type { PieceClaim } from "./quantise/piece.ts";
import type { Quantity } from "./quantise/quantity.ts";
import { offGrid, realInputs, sampleInputs, typicalMagnitudes } from "./quantise/samples.ts";
import { evaluateReal } from "./real/evaluate.ts";
import { isConst, RealGraph, type Real, type Val } from "./real/graph.ts";
import { foldSums, reachable } from "./real/passes.ts";
import { rowsByLayer } from "./rows.ts";
import { trace, type Traced } from "./trace/trace.ts";

export interface TensorInfo {
  readonly name: string;
  readonly shape: number[];
  readonly kind: "float" | "int" | "bool";
}

/** Everything that follows from the model file and the options, without running circom. */
export interface CompiledModel {
  readonly graph: IntGraph;
  readonly graphText: string;
  readonly graphHash: string;
  readonly inputs: (TensorInfo & { readonly offset: number })[];
  readonly outputs: TensorInfo[];
  readonly boxes: readonly InputScale[];
  readonly errors: ErrorStatement[];
  readonly pieces: readonly PieceClaim[];
  readonly rows: { readonly total: number; readonly layers: { operator: string; node: string; rows: number }[] };
  readonly warnings: string[];
  readonly hashedInput: boolean;
  /** Real-valued model, kept for the float64 oracle. */
  readonly reference: (inputs: readonly number[]) => number[][];
}

const DEFAULT_MAX_ROWS = 1 << 21;

export function compileModel(onnx: Uint8Array, options: CompileOptions = {}): CompiledModel {
  const given = Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined)) as CompileOptions;
  const quantise: QuantiseOptions = { ...defaults, ...given };
  const traced = trace(importModel(onnx), options);
  const { real, outputs } = folded(traced);
  const order = reachable(real, outputs);
  const boxes = inputBoxes(traced, quantise);
  const count = options.sampleCount ?? 16;
  const grid = sampleInputs(boxes, count);
  const samples = [...(options.samples ?? []).map((s) => [...s]), ...(options.samples?.length ? [] : grid.map((s) => realInputs(s, boxes)))];
  const typical = typicalMagnitudes(order, samples, real.nodes.length);
  const lowerer = new Lowerer(quantise, boxes, typical, traced.real.layers);
  lowerer.run(order);
  const packed = packOutputs(lowerer, traced, outputs, quantise);
  const { graph, image } = finishGraph(lowerer, packed.lanes, traced, boxes);
  const hashedInput = graph.inputs.some((l) => l.word > 0) && options.inputMode !== "words";
  const layers = rowsByLayer(graph, hashedInput);
  const total = layers.reduce((sum, l) => sum + l.rows, 0);
  const limit = options.maxRows ?? DEFAULT_MAX_ROWS;
  if (total > limit) throw new BudgetError("the number of rows", total, limit);
  const graphText = canonicalText(graph);
  const reference = (inputs: readonly number[]): number[][] => referenceOutputs(order, real.nodes.length, outputs, traced, inputs);
  return {
    graph,
    graphText,
    graphHash: graphHash(graphText),
    inputs: traced.inputs.map(({ name, shape, kind, offset }) => ({ name, shape, kind, offset })),
    outputs: traced.outputs.map(({ name, shape, kind }) => ({ name, shape, kind })),
    boxes,
    errors: observe(graph, boxes, grid, reference, traced, packed.errors),
    pieces: lowerer.pieces.claims
      .filter((p) => image[p.y] !== -1 && image[p.bits] !== -1)
      .map((p) => ({ ...p, y: image[p.y] as number, bits: image[p.bits] as number })),
    rows: { total, layers },
    warnings: [...traced.warnings, ...lowerer.warnings],
    hashedInput,
    reference,
  };
}

function folded(traced: Traced): { real: RealGraph; outputs: Val[] } {
  const real = new RealGraph();
  const flat = traced.outputs.flatMap((o) => o.values.data);
  for (const v of flat) if (isConst(v) && !Number.isFinite(v)) throw new RangeError("a constant output is not finite");
  return { real, outputs: foldSums(traced.real, flat, real) };
}

function packOutputs(lowerer: Lowerer, traced: Traced, outputs: readonly Val[], options: QuantiseOptions): { lanes: Lane[]; errors: number[] } {
  const { int, q } = lowerer;
  const any = (flags: readonly number[]): number => {
    const count = int.lin(flags, flags.map(() => 1n));
    return flags.length === 0 ? int.constant(0n) : int.lin([int.eqz(count)], [-1n], 1n);
  };
  const status = int.lin([any(lowerer.violations), any(lowerer.saturations), any(lowerer.ties)], [1n, 2n, 4n]);
  const sources: LaneSource[] = [{ tensor: "status", index: 0, node: status, e: 0, kind: "status" }];
  const errors: number[] = [];
  let at = 0;
  for (const t of traced.outputs) {
    t.values.data.forEach((_, index) => {
      const made = lowerer.get(outputs[at++]);
      int.layer = int.at(made.node).layer;
      const v: Quantity = options.outputBits > 0 ? q.narrow(made, options.outputBits) : q.narrow(made, 240);
      errors.push(v.err);
      sources.push({ tensor: t.name, index, node: v.node, e: v.e, kind: t.kind === "float" ? "value" : "class" });
    });
  }
  return { lanes: packLanes(int, sources), errors };
}

function finishGraph(lowerer: Lowerer, lanes: readonly Lane[], traced: Traced, boxes: readonly InputScale[]): { graph: IntGraph; image: Int32Array } {
  const { int, q } = lowerer;
  const { nodes, image } = finish(int.nodes, lanes.map((l) => l.node), q.guards);
  const sources = traced.inputs.flatMap((t) =>
    Array.from({ length: t.shape.reduce((a, b) => a * b, 1) }, (_, index) => ({ tensor: t.name, index, input: t.offset + index })),
  );
  const own = new Map(nodes.filter((n): n is IntNode => n.op === "input").map((n) => [n.n[0] as number, n.id]));
  const live = sources
    .filter((s) => own.has(s.input))
    .map((s): LaneSource => ({ tensor: s.tensor, index: s.index, node: own.get(s.input) as number, e: (boxes[s.input] as InputScale).e, kind: "value" }));
  const inputs = packLanes({ at: (id: number) => nodes[id] as IntNode } as Lowerer["int"], live);
  const outputs = lanes.map((l) => ({ ...l, node: image[l.node] as number }));
  return { graph: { nodes, inputs, outputs, layers: traced.real.layers, ...assignWires(nodes) }, image };
}

function referenceOutputs(order: readonly Real[], size: number, outputs: readonly Val[], traced: Traced, inputs: readonly number[]): number[][] {
  const value = evaluateReal(order, inputs, size);
  let at = 0;
  return traced.outputs.map((t) =>
    t.values.data.map(() => {
      const v = outputs[at++] as Val;
      return isConst(v) ? v : (value[v.id] as number);
    }),
  );
}

/** Runs the integer model next to the real one on the samples and states, for each output tensor, which error holds. */
function observe(
  graph: IntGraph,
  boxes: readonly InputScale[],
  grid: readonly bigint[][],
  reference: (inputs: readonly number[]) => number[][],
  traced: Traced,
  proved: readonly number[],
): ErrorStatement[] {
  const seen = traced.outputs.map(() => ({ error: 0, lo: Infinity, hi: -Infinity }));
  for (const [k, ints] of grid.entries()) {
    const want = reference(offGrid(ints, boxes, k + 1));
    const value = evaluateNodes(graph, ints);
    let at = 1;
    want.forEach((list, t) => {
      const s = seen[t] as { error: number; lo: number; hi: number };
      for (const w of list) {
        const lane = graph.outputs[at++] as Lane;
        const got = toReal(value[lane.node] as bigint, lane.e);
        if (Number.isFinite(w)) {
          s.error = Math.max(s.error, Math.abs(got - w));
          s.lo = Math.min(s.lo, w);
          s.hi = Math.max(s.hi, w);
        }
      }
    });
  }
  let at = 0;
  return traced.outputs.map((t, i) => {
    const worst = t.values.data.reduce((m: number) => Math.max(m, proved[at++] as number), 0);
    const s = seen[i] as { error: number; lo: number; hi: number };
    const range = s.hi > s.lo ? s.hi - s.lo : Math.abs(s.hi) || 1;
    return stateError(t.name, worst, s.error, grid.length, range);
  });
}

export { UnsupportedError };
