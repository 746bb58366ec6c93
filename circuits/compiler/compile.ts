import { BudgetError, CompileError, InvalidModelError, UnsupportedError } from "./errors.ts";
import type { ErrorStatement } from "./error.ts";
import { importModel } from "./import/model.ts";
import { canonicalText, graphHash } from "./integer/canonical.ts";
import { assignWires, finish, type IntGraph, type Lane } from "./integer/finish.ts";
import type { IntNode } from "./integer/graph.ts";
import { drawInputs, SEED, subjectOf } from "./observe.ts";
import type { CompileOptions } from "./options.ts";
import { inputBoxes, inputRows } from "./quantise/box.ts";
import { calibrate } from "./quantise/calibrate.ts";
import { extraBits } from "./quantise/grain.ts";
import { Lowerer } from "./quantise/lower.ts";
import { defaults, type InputScale, type QuantiseOptions } from "./quantise/options.ts";
import { roundOutput } from "./quantise/output.ts";
import { packLanes, type LaneSource } from "./quantise/pack.ts";
import { statusOf } from "./quantise/status.ts";
import { state } from "./state.ts";
import type { PieceClaim } from "./quantise/piece.ts";
import type { Quantity } from "./quantise/quantity.ts";
import { realInputs, sampleInputs } from "./quantise/samples.ts";
import { spareBits } from "./quantise/spare.ts";
import { isConst, RealGraph, type Real, type Val } from "./real/graph.ts";
import { foldSums, plantTrees, reachable } from "./real/passes.ts";
import { referenceOf, type Reference } from "./reference.ts";
import { rowsByLayer } from "./rows.ts";
import { trace, type Traced } from "./trace/trace.ts";
import { bytesOf, checkWeights, planWeights, takesWeights, weightBytes, weightLanes, weightWords, type WeightPlan, type WeightTensor } from "./weights.ts";

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
  /** True for the layers of a chain that hand a commitment on. */
  readonly hashedOutput?: boolean;
  /** Public weights as a commitment. */
  readonly hashedWeights?: boolean;
  /** Of a universal circuit: how weights are written, and those of this file. Nothing else here depends on them but `reference`. */
  readonly weights?: { readonly tensors: readonly WeightTensor[]; readonly bytes: Int8Array };
  /** Real-valued model, kept for the float64 oracle. */
  readonly reference: Reference;
}

const DEFAULT_MAX_ROWS = 1 << 21;

/** Samples that calibrate the scales, and how many more a small model is observed on. */
const SAMPLES = 16;
const MORE_SAMPLES = 48;
const SMALL_ROWS = 1 << 15;

/** Inputs that a search for a worse one tries: as many as take about so many terms together, within limits. */
const TRIED_TERMS = 40_000_000;
const FEWEST_TRIES = 96;
const MOST_TRIES = 400;

/** Bits that are added to the usual ones, one after the other, while the stated error says nothing and the circuit stays small. */
const FINER = [4, 8];

export function compileModel(onnx: Uint8Array, options: CompileOptions = {}): CompiledModel {
  const given = Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined)) as CompileOptions;
  const source = prepare(onnx, options);
  const usual = { ...defaults, ...given };
  const first = compileAt(source, usual, options);
  const chosen = (["inputBits", "weightBits", "activationBits", "pieceBits"] as const).filter((k) => given[k] === undefined);
  const vacuous = (m: CompiledModel): boolean => m.errors.some((e) => e.vacuous);
  // How precise a universal circuit is, its options say: it serves models that nobody has trained yet.
  if (takesWeights(options) || !vacuous(first) || first.rows.total > SMALL_ROWS || chosen.length === 0) return first;
  for (const more of FINER) {
    const bits = Object.fromEntries(chosen.map((k) => [k, usual[k] + more]));
    const next = finer(source, { ...usual, ...bits, outputBits: usual.outputBits + (given.outputBits === undefined ? 4 * more : 0) }, options);
    if (!next) break;
    if (!vacuous(next)) {
      const list = chosen.map((k) => `${k} ${usual[k] + more}`).join(", ");
      return { ...next, warnings: [...next.warnings, `at the usual precision the stated error says nothing: compiled with ${list}`] };
    }
  }
  return first;
}

/** A finer circuit may be too large, or need digits that no piece has: then there is none. */
function finer(source: Source, precision: QuantiseOptions, options: CompileOptions): CompiledModel | undefined {
  try {
    return compileAt(source, precision, options);
  } catch (error: unknown) {
    if (error instanceof CompileError) return undefined;
    throw error;
  }
}

/** The model over the reals, after all passes that do not depend on precision. */
export function prepare(onnx: Uint8Array, options: CompileOptions): Source {
  const traced = trace(importModel(onnx), options);
  const { real, outputs } = folded(traced);
  return { traced, real, outputs, order: reachable(real, outputs) };
}

export interface Source {
  readonly traced: Traced;
  readonly real: RealGraph;
  readonly outputs: Val[];
  readonly order: Real[];
}

/** One attempt at a given precision. */
function compileAt(source: Source, precision: QuantiseOptions, options: CompileOptions): CompiledModel {
  const { traced, real, outputs, order } = source;
  const usual = inputBoxes(traced, precision);
  const boxes = takesWeights(options) || options.inputBits !== undefined ? usual : inputBoxes(traced, precision, grainOf(source, usual, precision, options));
  const plan = takesWeights(options) ? planFor(source, boxes.length, options) : undefined;
  const all = plan ? [...boxes, ...plan.boxes] : boxes;
  const given = withWeights(options.samples ?? [], plan);
  const samples = given.length > 0 ? given : sampleInputs(all, options.sampleCount ?? SAMPLES).map((s) => realInputs(s, all));
  const calibration = calibrate(order, samples, real.nodes.length);
  const limit = options.maxRows ?? DEFAULT_MAX_ROWS;
  const lowerer = new Lowerer(precision, boxes, calibration, spareBits(order, outputs, inputRows(boxes), precision.activationBits), traced.real.layers, limit, plan);
  lowerer.run(order);
  const packed = packOutputs(lowerer, traced, outputs, precision.outputBits, plan && options.outputBits === undefined ? (made, v) => roundOutput(lowerer.q, made, v, calibration.typical, precision.activationBits) : undefined);
  const { graph, image } = finishGraph(lowerer, packed.lanes, traced, boxes, plan);
  const hashedInput = graph.inputs.some((l) => l.word > 0) && options.inputMode !== "words";
  const hashedWeights = options.weights === "committed";
  const layers = rowsByLayer(graph, hashedInput, false, hashedWeights);
  const total = layers.reduce((sum, l) => sum + l.rows, 0);
  if (total > limit) throw new BudgetError("the number of rows", total, limit);
  const graphText = canonicalText(graph);
  const reference = referenceOf(order, real.nodes.length, outputs, traced);
  const read = (ints: readonly bigint[]): readonly bigint[] => (plan ? [...ints.slice(0, boxes.length), ...weightWords(bytesOf(plan, ints.slice(boxes.length)))] : ints);
  const run = { ...subjectOf(graph, all, reference, boxes.length, read), given, traced, ...drawFor(all, order, total, options, plan !== undefined) };
  const own = traced.weights.flatMap((w) => w.values);
  return {
    graph,
    graphText,
    graphHash: graphHash(graphText),
    inputs: traced.inputs.map(({ name, shape, kind, offset }) => ({ name, shape, kind, offset })),
    outputs: traced.outputs.map(({ name, shape, kind }) => ({ name, shape, kind })),
    boxes,
    errors: state(run, { order, lowerer, outputs, cuts: packed.cuts }),
    pieces: lowerer.pieces.claims
      .filter((p) => image[p.y] !== -1 && image[p.bits] !== -1)
      .map((p) => ({ ...p, y: image[p.y] as number, bits: image[p.bits] as number })),
    rows: { total, layers },
    warnings: [...traced.warnings, ...lowerer.warnings],
    hashedInput,
    hashedWeights,
    ...(plan ? { weights: { tensors: plan.tensors, bytes: weightBytes(plan, traced.weights) } } : {}),
    reference: plan ? (inputs) => reference([...inputs, ...own]) : reference,
  };
}

/** Without the caller's samples nothing is known of how large sums are, but thresholds are. */
function grainOf({ order, real }: Source, boxes: readonly InputScale[], precision: QuantiseOptions, options: CompileOptions): number[] {
  const given = options.samples ?? [];
  return extraBits(order, boxes, precision.inputBits, given.length > 0 ? calibrate(order, given.map((s) => [...s]), real.nodes.length).typical : undefined);
}

/** The inputs that an error is observed on, and how many more are tried for a worse one: fewer of a program that takes long, or of an architecture whose weights are drawn as well. */
function drawFor(boxes: readonly InputScale[], order: readonly Real[], rows: number, { sampleCount }: CompileOptions, universal: boolean): { drawn: number[][]; tries: number; seed: number } {
  const terms = order.reduce((sum, n) => sum + 1 + n.args.length, rows);
  const tries = sampleCount ?? Math.min(universal ? FEWEST_TRIES : MOST_TRIES, Math.max(FEWEST_TRIES, Math.floor(TRIED_TERMS / terms)));
  const count = sampleCount ?? (rows <= SMALL_ROWS ? SAMPLES + MORE_SAMPLES : SAMPLES);
  return { drawn: drawInputs(boxes, count), tries, seed: SEED };
}

/** Public weights of a model that takes them only in sums and products. */
function planFor({ traced, real, order }: Source, inputs: number, options: CompileOptions): WeightPlan {
  checkWeights(order, inputs, real.layers);
  return planWeights(traced.weights, order, inputs, options.weightBits ?? 8, options);
}

/** The caller's samples with seeded weights behind them. */
function withWeights(samples: readonly (readonly number[])[], plan: WeightPlan | undefined): number[][] {
  if (!plan) return samples.map((s) => [...s]);
  const seeds = sampleInputs(plan.boxes, samples.length, 13);
  return samples.map((s, i) => [...s, ...realInputs(seeds[i] as bigint[], plan.boxes)]);
}

function folded(traced: Traced): { real: RealGraph; outputs: Val[] } {
  const real = new RealGraph();
  const flat = traced.outputs.flatMap((o) => o.values.data);
  for (const v of flat) if (isConst(v) && !Number.isFinite(v)) throw new InvalidModelError("a constant output is not finite");
  const planted = new RealGraph();
  const trees = plantTrees(traced.real, flat, planted);
  return { real, outputs: trees ? foldSums(planted, trees, real) : foldSums(traced.real, flat, real) };
}

function packOutputs(lowerer: Lowerer, traced: Traced, outputs: readonly Val[], outputBits: number, round?: (made: Quantity, v: Val) => Quantity): { lanes: Lane[]; cuts: number[] } {
  const { int, q } = lowerer;
  const sources: LaneSource[] = [{ tensor: "status", index: 0, node: statusOf(lowerer), e: 0, kind: "status" }];
  const cuts: number[] = [];
  let at = 0;
  for (const t of traced.outputs) {
    t.values.data.forEach((_, index) => {
      const output = outputs[at++] as Val;
      const all = lowerer.get(output);
      // A constant's own rounding stays with it: no node accounts for it.
      const made = isConst(output) ? all : { ...all, err: 0 };
      int.layer = int.at(made.node).layer;
      const v: Quantity = round ? q.narrow(round(made, output), 240) : q.narrow(made, outputBits || 240);
      cuts.push(v.err);
      sources.push({ tensor: t.name, index, node: v.node, e: v.e, kind: t.kind === "float" ? "value" : "class" });
    });
  }
  return { lanes: packLanes(int, sources), cuts };
}

function finishGraph(lowerer: Lowerer, lanes: readonly Lane[], traced: Traced, boxes: readonly InputScale[], plan?: WeightPlan): { graph: IntGraph; image: Int32Array } {
  const { int, q } = lowerer;
  const { nodes, image } = finish(int.nodes, [...lanes.map((l) => l.node), ...(lowerer.weights?.words() ?? [])], q.guards);
  const sources = traced.inputs.flatMap((t) =>
    Array.from({ length: t.shape.reduce((a, b) => a * b, 1) }, (_, index) => ({ tensor: t.name, index, input: t.offset + index })),
  );
  const own = new Map(nodes.filter((n): n is IntNode => n.op === "input").map((n) => [n.n[0] as number, n.id]));
  const live = sources
    .filter((s) => own.has(s.input))
    .map((s): LaneSource => ({ tensor: s.tensor, index: s.index, node: own.get(s.input) as number, e: (boxes[s.input] as InputScale).e, kind: "value" }));
  const inputs = packLanes({ at: (id: number) => nodes[id] as IntNode } as Lowerer["int"], live);
  const outputs = lanes.map((l) => ({ ...l, node: image[l.node] as number }));
  const weights = plan ? weightLanes({ nodes }, plan, boxes.length) : [];
  return { graph: { nodes, inputs, outputs, weights, layers: traced.real.layers, ...assignWires(nodes) }, image };
}

export { UnsupportedError };
