import { stateError, type ErrorStatement } from "../error.ts";
import { CompileError, UnsupportedError } from "../errors.ts";
import { prepare, type CompiledModel, type TensorInfo } from "../compile.ts";
import { evaluateNodes, integerProgram } from "../integer/evaluate.ts";
import type { IntGraph, Lane } from "../integer/finish.ts";
import { drawInputs, observe, searchWorst, SEED, type Place, type Subject } from "../observe.ts";
import type { CompileOptions } from "../options.ts";
import { inputBoxes } from "../quantise/box.ts";
import { toReal } from "../quantise/dyadic.ts";
import { defaults, type InputScale } from "../quantise/options.ts";
import { realInputs, sampleInputs } from "../quantise/samples.ts";
import { realProgram } from "../real/evaluate.ts";
import { referenceOf, type Reference } from "../reference.ts";
import { RealGraph, type Real, type Val } from "../real/graph.ts";
import { rebuild } from "../real/passes.ts";
import { takesWeights } from "../weights.ts";
import { calculateWitness, type Witness } from "../witness.ts";
import { cutLayers } from "./cut.ts";
import { compileLayer, crossing, STATUS_BOX, type Layer } from "./layer.ts";

/** A model in several circuits. Each layer is a folder like any model's; the first takes the model's inputs, the last has its outputs. */
export interface ChainModel {
  readonly layers: readonly CompiledModel[];
  readonly inputs: CompiledModel["inputs"];
  readonly outputs: TensorInfo[];
  readonly boxes: readonly InputScale[];
  readonly errors: readonly ErrorStatement[];
}

const SAMPLES = 16;
/** Inputs that a search for a worse one tries. */
const TRIES = 64;
const MAX_ROWS = 1 << 21;

/** Cuts the model into at most `count` layers with public inputs (ctx, h_(i-1), h_i), as Groth16Chain.sol links them. */
export function compileChain(onnx: Uint8Array, count: number, options: CompileOptions = {}): ChainModel {
  const given = Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined)) as CompileOptions;
  if (takesWeights(options)) {
    throw new CompileError("CHAIN_WEIGHTS", "the layers of a chain have baked weights: compile the model as one circuit, or leave the weights baked");
  }
  const { traced, real, outputs, order } = prepare(onnx, options);
  const precision = { ...defaults, ...given };
  const first = inputBoxes(traced, precision);
  const grid = sampleInputs(first, options.sampleCount ?? SAMPLES);
  const samples = options.samples?.length ? options.samples.map((s) => [...s]) : grid.map((s) => realInputs(s, first));
  const run = realProgram(order, real.nodes.length);
  const values = samples.map((s) => run(s).slice());
  const cuts = cutLayers(order, outputs, count);
  if (cuts.length < 2) throw new UnsupportedError({ operator: "model", node: "" }, "there is no place to cut it", "Compile it as one circuit");
  const names = traced.outputs.flatMap((t) => t.values.data.map((_, index) => ({ tensor: t.name, index, kind: t.kind === "float" ? ("value" as const) : ("class" as const) })));
  const inputNames = traced.inputs.flatMap((t) => Array.from({ length: t.shape.reduce((a, b) => a * b, 1) }, (_, index) => ({ tensor: t.name, index })));
  const layers: Layer[] = [];
  let boxes: readonly InputScale[] = first;
  cuts.forEach((cut, k) => {
    const fresh = new RealGraph();
    fresh.layers.push(...real.layers);
    const image = new Map<Real, Val>(cut.carried.map((n, i) => [n, fresh.input(i, n.whole)]));
    const reads = new Uint32Array(real.nodes.length);
    for (const n of cut.nodes) {
      fresh.layer = n.layer;
      image.set(n, rebuild(n, (r) => image.get(r as Real) as Val, fresh, reads));
    }
    const next = cuts[k + 1];
    const out = (next ? next.carried : outputs).map((v) => (typeof v === "number" ? v : (image.get(v) as Val)));
    const own = k === 0 ? samples : values.map((v) => [...cut.carried.map((n) => v[n.id] as number), 0]);
    const layer = compileLayer(
      { real: fresh, outputs: out, boxes, samples: own, names: next ? undefined : names, first: k === 0, inputNames: k === 0 ? inputNames : [] },
      precision, options.maxRows ?? MAX_ROWS,
    );
    layers.push(layer);
    boxes = [...layer.graph.outputs.slice(1).map((l, i) => crossing(l, layer.proved[i] as number)), STATUS_BOX];
  });
  const reference = referenceOf(order, real.nodes.length, outputs, traced);
  const model = {
    inputs: traced.inputs.map(({ name, shape, kind, offset }) => ({ name, shape, kind, offset })),
    outputs: traced.outputs.map(({ name, shape, kind }) => ({ name, shape, kind })),
    boxes: first,
  };
  const last = layers.length - 1;
  const errors = stated(subjectOfChain(layers, first, reference), model.outputs, (layers[last] as Layer).proved, options.sampleCount ?? SAMPLES);
  const inner = (n: number, name: string): CompiledModel["inputs"] => [{ name, shape: [n], kind: "int", offset: 0 }];
  return {
    ...model,
    errors,
    layers: layers.map((l, k) => ({
      ...l,
      inputs: k === 0 ? model.inputs : inner(l.boxes.length, "carried"),
      outputs: k === last ? model.outputs : inner(l.graph.outputs.length, "carried").map(({ name, shape, kind }) => ({ name, shape, kind })),
      errors: k === last ? errors : [],
      warnings: k === 0 ? [...traced.warnings, ...l.warnings] : l.warnings,
      reference,
    })),
  };
}

/** Integers that enter the next layer: the values that cross, then the status byte. */
function handedOn(graph: IntGraph, nodes: readonly bigint[]): bigint[] {
  const [status, ...rest] = graph.outputs.map((l) => nodes[l.node] as bigint) as [bigint, ...bigint[]];
  return [...rest, status];
}

/** All layers, one after the other, next to the whole model. */
function subjectOfChain(layers: readonly Layer[], boxes: readonly InputScale[], reference: Reference): Subject {
  const programs = layers.map((l) => ({ graph: l.graph, run: integerProgram(l.graph) }));
  const program: Subject["program"] = (given) => {
    let ints = [...given];
    let out: { status: bigint; values: number[] } = { status: 0n, values: [] };
    for (const { graph, run } of programs) {
      const nodes = run(ints);
      const [status, ...lanes] = graph.outputs as [Lane, ...Lane[]];
      out = { status: nodes[status.node] as bigint, values: lanes.map((l) => toReal(nodes[l.node] as bigint, l.e)) };
      ints = handedOn(graph, nodes);
    }
    return out;
  };
  return { boxes, movable: boxes.length, reference, program };
}

/** By plain intervals, which the layers hand on; else what was seen. */
function stated(subject: Subject, outputs: ChainModel["outputs"], proved: readonly number[], count: number): ErrorStatement[] {
  const place: Place = { at: "input", jump: outputs.map(() => 0) };
  const drawn = drawInputs(subject.boxes, count);
  const seen = observe(subject, drawn, place);
  const ranges = seen.map((o) => (o.hi > o.lo ? o.hi - o.lo : Math.abs(o.hi) || 1));
  const nothing = { proved: Infinity, affine: Infinity };
  let at = 0;
  const worst = outputs.map((t) => proved.slice(at, (at += t.shape.reduce((a, b) => a * b, 1))).reduce((m, e) => Math.max(m, e), 0));
  const make = (errors: readonly number[], searched: number): ErrorStatement[] =>
    outputs.map((t, i) =>
      stateError(
        { tensor: t.name, samples: count + searched, searched, seed: SEED, range: ranges[i] as number, at: "input", observed: errors[i] as number },
        { input: { ...nothing, proved: worst[i] as number }, grid: nothing },
      ),
    );
  const first = make(seen.map((o) => o.error), 0);
  if (first.every((e) => e.kind !== "empirical")) return first;
  const searched = make(searchWorst(subject, drawn, place, ranges, TRIES, SEED), TRIES);
  return first.map((e, i) => (e.kind === "empirical" ? (searched[i] as ErrorStatement) : e));
}

/** What a layer's witness needs; a loaded folder has it. */
export interface ChainLayer {
  readonly graph: IntGraph;
  readonly boxes: readonly InputScale[];
  readonly hashedInput: boolean;
  readonly hashedOutput?: boolean;
  readonly sym: ReadonlyMap<string, number>;
}

/**
 * Witnesses of all layers. `salts[0]` hides the input, `salts[i]` what layer i - 1 hands to layer i: whoever knows a salt and the model can
 * try values against a commitment.
 */
export function calculateChain(layers: readonly ChainLayer[], inputs: readonly bigint[], ctx: bigint, salts: readonly bigint[]): Witness[] {
  let ints = [...inputs];
  return layers.map((layer, k) => {
    const made = calculateWitness(layer, layer.sym, ints, ctx, salts[k] ?? 0n, salts[k + 1] ?? 0n);
    ints = handedOn(layer.graph, evaluateNodes(layer.graph, ints));
    return made;
  });
}

/** The witness of layer `k` alone: what a prover of one layer needs. */
export function calculateLayer(layers: readonly ChainLayer[], k: number, inputs: readonly bigint[], ctx: bigint, salts: readonly bigint[]): Witness {
  const layer = layers[k] as ChainLayer;
  return calculateWitness(layer, layer.sym, enteringLayer(layers, k, inputs), ctx, salts[k] ?? 0n, salts[k + 1] ?? 0n);
}

/** The integers that layer `k` is given, for integers of the first. */
export function enteringLayer(layers: readonly { graph: IntGraph }[], k: number, inputs: readonly bigint[]): bigint[] {
  return layers.slice(0, k).reduce((ints, { graph }) => handedOn(graph, evaluateNodes(graph, ints)), [...inputs]);
}
