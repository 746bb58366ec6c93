import { InputError } from "./errors.ts";
import type { CompiledModel, TensorInfo } from "./compile.ts";
import { evaluateNodes } from "./integer/evaluate.ts";
import type { IntGraph, Lane } from "./integer/finish.ts";
import { quantise } from "./quantise/box.ts";
import { toReal } from "./quantise/dyadic.ts";
import type { InputScale } from "./quantise/options.ts";
import { packWords, wordCount } from "./quantise/pack.ts";
import { wordsFor } from "./weights.ts";

export type Inputs = Readonly<Record<string, ArrayLike<number>>>;

/** What an interpreter of a compiled model needs: enough to load from the published files. */
export interface Interface {
  readonly inputs: readonly (TensorInfo & { readonly offset: number })[];
  readonly boxes: readonly InputScale[];
}

export interface QuantisedInput {
  /** One integer for each element of each input tensor, in order. */
  readonly values: bigint[];
  /** Elements that lay outside of the box and were moved to its edge. */
  readonly saturated: number;
}

/** The published quantiser: clamp(round_half_even(x / 2^e), lo, hi). Done by the client, re-done by the keeper. */
export function quantizeInput(model: Interface, inputs: Inputs): QuantisedInput {
  const values: bigint[] = [];
  let saturated = 0;
  for (const t of model.inputs) {
    const given = inputs[t.name];
    const size = t.shape.reduce((a, b) => a * b, 1);
    if (!given) throw new InputError(`"${t.name}" is missing`);
    if (given.length !== size) throw new InputError(`"${t.name}" has ${given.length} elements, not ${size}`);
    for (let i = 0; i < size; i++) {
      const made = quantise(given[i] as number, model.boxes[t.offset + i] as InputScale);
      if (made.saturated) saturated += 1;
      values.push(made.value);
    }
  }
  return { values, saturated };
}

export function checkBox(boxes: readonly InputScale[], values: readonly bigint[]): void {
  if (values.length !== boxes.length) throw new InputError(`${values.length} integers for ${boxes.length} elements`);
  values.forEach((v, i) => {
    const { lo, hi } = boxes[i] as InputScale;
    if (v < lo || v > hi) throw new InputError(`element ${i} is ${v}, outside of [${lo}, ${hi}]`);
  });
}

/**
 * The integers that public input words hold, one for each element.
 * @throws InputError When the words are too few or too many, hold a value outside of its box, or bits beside the lanes: one input has one text.
 */
export function inputOfWords(model: { readonly graph: IntGraph; readonly boxes: readonly InputScale[] }, words: readonly bigint[]): bigint[] {
  const lanes = model.graph.inputs;
  if (words.length !== wordCount(lanes)) throw new InputError(`${words.length} words, not ${wordCount(lanes)}`);
  const values = lanes.map((l) => (((words[l.word] as bigint) >> BigInt(l.shift)) & ((1n << BigInt(l.w)) - 1n)) + l.lo);
  checkBox(model.boxes, values);
  const of = new Map(lanes.map((l, i) => [l, values[i] as bigint]));
  packWords(lanes, (l) => of.get(l) as bigint).forEach((word, i) => {
    if (word !== words[i]) throw new InputError(`word ${i} has bits where no element is`);
  });
  return values;
}

export interface IntegerResult {
  readonly nodes: bigint[];
  readonly outputWords: bigint[];
  readonly inputWords: bigint[];
}

/** F itself: the exact integer function that a proof is about. `weights`: the bytes of a model, where the circuit is universal. */
export function evaluateInteger(graph: IntGraph, values: readonly bigint[], weights?: Int8Array): IntegerResult {
  const nodes = evaluateNodes(graph, [...values, ...wordsFor(graph, weights)]);
  const of = (l: Lane): bigint => nodes[l.node] as bigint;
  return { nodes, outputWords: packWords(graph.outputs, of), inputWords: packWords(graph.inputs, of) };
}

export interface DecodedOutput {
  readonly status: number;
  readonly tensors: Record<string, number[]>;
}

/** Decodes public output words: ((word >> shift) & mask) + lo, times 2^e. */
export function decodeOutput(lanes: readonly Lane[], words: readonly bigint[]): DecodedOutput {
  const tensors: Record<string, number[]> = {};
  let status = 0;
  for (const l of lanes) {
    const v = (((words[l.word] as bigint) >> BigInt(l.shift)) & ((1n << BigInt(l.w)) - 1n)) + l.lo;
    if (l.kind === "status") status = Number(v);
    else (tensors[l.tensor] ??= []).push(toReal(v, l.e));
  }
  return { status, tensors };
}

/** Real-valued run of the integer model: quantise, evaluate, decode. */
export function runInteger(model: CompiledModel, inputs: Inputs): DecodedOutput & { readonly saturated: number } {
  const { values, saturated } = quantizeInput(model, inputs);
  return { ...decodeOutput(model.graph.outputs, evaluateInteger(model.graph, values, model.weights?.bytes).outputWords), saturated };
}
