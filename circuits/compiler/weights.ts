/**
 * Universal mode: float constants of the model are signed bytes in the last public words instead of coefficients of the circuit, so that
 * every model of the same architecture has the same circuit and key. Groth16Fold packs the bytes and folds the words into the key.
 */
import { foldKey, packWeights } from "../setup/fold.ts";
import type { VerifyingKey } from "../setup/zkey.ts";
import { lanesHeader } from "./emit/sponge.ts";
import { spongeHash } from "./hash/sponge.ts";
import { P } from "./integer/field.ts";
import { CompileError, UnsupportedError } from "./errors.ts";
import type { IntGraph, Lane } from "./integer/finish.ts";
import type { IntBuilder } from "./integer/graph.ts";
import { quantise } from "./quantise/box.ts";
import { ceilLog2 } from "./quantise/dyadic.ts";
import type { InputScale } from "./quantise/options.ts";
import type { Quantities, Quantity } from "./quantise/quantity.ts";
import type { Real } from "./real/graph.ts";
import type { TracedWeight } from "./trace/trace.ts";

/** A byte each, 31 to a word: as many as fit beside the sign. */
export const WEIGHT_LANES = { lanes: 31, laneBits: 8 } as const;

const BYTE = 8;
/** Weights of a tensor with two dimensions or more take `weightBits`; biases and other vectors a byte more. */
const VECTOR_BYTES = 1;
/** A vector's elements are below this, unless told otherwise. */
const VECTOR_RANGE = 4;
/** A weight is below this many standard deviations of the usual initialisation sqrt(2 / fan-in), unless told otherwise. */
const DEVIATIONS = 8;

export interface WeightOptions {
  /**
   * `baked`: coefficients of the circuit (the default). `public`: packed public inputs, the same circuit for every model of the architecture.
   * `committed`: the same, but the public input is a salted commitment to the words, which stay private.
   */
  readonly weights?: "baked" | "public" | "committed";
  /** Public weights: what the elements of a tensor stay below in magnitude, by the tensor's name. Part of the architecture. */
  readonly weightRanges?: Readonly<Record<string, number>>;
}

export const takesWeights = ({ weights }: WeightOptions): boolean => weights === "public" || weights === "committed";

/** The weights of one model; `salt` where they are committed to. */
export interface ModelWeights {
  readonly bytes: Int8Array;
  readonly salt?: bigint;
}

export interface WeightTensor {
  readonly name: string;
  readonly shape: number[];
  /** An element is an integer of so many balanced base-256 digits, low digit first, times 2^exponent. */
  readonly bytes: number;
  readonly exponent: number;
}

interface Place {
  readonly at: number;
  readonly bytes: number;
}

/** Where every live element lies. All of it follows from the architecture and the options. */
export interface WeightPlan {
  readonly tensors: readonly WeightTensor[];
  /** Box of every element, live or not, in the order of the traced inputs. */
  readonly boxes: readonly InputScale[];
  /** Index of a live element among the weights, to its first byte and how many it has. */
  readonly place: ReadonlyMap<number, Place>;
  readonly count: number;
}

/** Largest and smallest integer of so many balanced digits. */
function digits(bytes: number): { lo: bigint; hi: bigint } {
  const unit = ((1n << BigInt(BYTE * bytes)) - 1n) / 255n;
  return { lo: -128n * unit, hi: 127n * unit };
}

export function planWeights(weights: readonly TracedWeight[], order: readonly Real[], inputs: number, bits: number, options: WeightOptions): WeightPlan {
  if (bits % BYTE !== 0 || bits < BYTE || bits > 3 * BYTE) throw new CompileError("WEIGHT_BITS", `public weights are whole bytes: weightBits is 8, 16 or 24, not ${bits}`);
  const unknown = Object.keys(options.weightRanges ?? {}).find((name) => !weights.some((w) => w.name === name));
  if (unknown !== undefined) {
    throw new CompileError("WEIGHT_RANGE", `weightRanges names "${unknown}", which is no weight: ${weights.map((w) => w.name).join(", ")}`);
  }
  const live = new Set(order.filter((n) => n.op === "input").map((n) => (n.p[0] as number) - inputs));
  const boxes: InputScale[] = [];
  const place = new Map<number, { at: number; bytes: number }>();
  let count = 0;
  const tensors = weights.map(({ name, shape, values }): WeightTensor => {
    const vector = shape.length < 2;
    const bytes = bits / BYTE + (vector ? VECTOR_BYTES : 0);
    const usual = Math.sqrt(2 / fanIn(shape));
    const range = options.weightRanges?.[name] ?? (vector ? VECTOR_RANGE : DEVIATIONS * usual);
    if (!(range > 0) || !Number.isFinite(range)) throw new CompileError("WEIGHT_RANGE", `the range of "${name}" is ${range}: give a positive number`);
    const exponent = ceilLog2(range) - (BYTE * bytes - 1);
    const { lo, hi } = digits(bytes);
    // Scales are calibrated on weights as a trained model has them; intervals hold for all of [lo, hi].
    const size = BigInt(Math.max(1, Math.floor(Math.min(Number(hi), (vector ? range / 8 : 1.75 * usual) / 2 ** exponent))));
    const box: InputScale = { lo, hi, e: exponent, whole: false, inner: [-size, size] };
    for (let i = 0; i < values.length; i++) {
      if (live.has(boxes.length)) {
        place.set(boxes.length, { at: count, bytes });
        count += bytes;
      }
      boxes.push(box);
    }
    return { name, shape: [...shape], bytes, exponent };
  });
  if (count === 0) throw new CompileError("WEIGHTS_NONE", "the model has no weights that an output reads: compile it with baked weights");
  return { tensors, boxes, place, count };
}

function fanIn(shape: readonly number[]): number {
  const size = shape.reduce((a, b) => a * b, 1);
  // A matrix may stand either way round.
  return Math.max(1, shape.length > 2 ? size / (shape[0] as number) : Math.sqrt(size));
}

/** Weights may stand in sums, and in products with what is no weight: anything else would need a circuit for functions of weights. */
export function checkWeights(order: readonly Real[], inputs: number, layers: readonly { operator: string; node: string }[]): void {
  const pure = new Set<Real>();
  for (const n of order) {
    if (n.op === "input" ? (n.p[0] as number) < inputs : !n.args.some((a) => pure.has(a))) continue;
    const all = n.args.every((a) => pure.has(a));
    const sum = n.op === "input" || n.op === "lin";
    if (!sum && (n.op !== "mul" || all)) {
      throw new UnsupportedError(
        layers[n.layer] ?? { operator: n.op, node: "" },
        "it takes weights other than as terms of a sum or factors of an activation, so they cannot be public inputs",
        "Fold it into the layer before it when exporting (batch normalisation), or compile with baked weights",
      );
    }
    if (all) pure.add(n);
  }
}

/** An integer as balanced digits to the base 256, low digit first. */
function write(out: Int8Array, { at, bytes }: Place, value: bigint): void {
  let rest = value;
  for (let k = 0; k < bytes; k++) {
    const digit = BigInt.asIntN(BYTE, rest);
    out[at + k] = Number(digit);
    rest = (rest - digit) >> BigInt(BYTE);
  }
}

/** The bytes of one model: what is folded into the key. */
export function weightBytes(plan: WeightPlan, weights: readonly TracedWeight[]): Int8Array {
  const out = new Int8Array(plan.count);
  let index = 0;
  for (const { name, values } of weights) {
    for (const [i, v] of values.entries()) {
      const box = plan.boxes[index] as InputScale;
      const place = plan.place.get(index++);
      if (!place) continue;
      const made = Number.isFinite(v) ? quantise(v, { ...box, lo: box.lo - 1n, hi: box.hi + 1n }).value : box.hi + 1n;
      if (made < box.lo || made > box.hi) {
        const range = [box.lo, box.hi].map((b) => Number(b) * 2 ** box.e);
        throw new CompileError(
          "WEIGHT_RANGE",
          `weight "${name}"[${i}] is ${v}, outside of [${range}]: scale the model, or give the architecture a wider range (weightRanges, --weight-range ${name}=...), which needs a new key`,
        );
      }
      write(out, place, made);
    }
  }
  return out;
}

/** The bytes for given integers, one for each element: what calibration runs on. */
export function bytesOf(plan: WeightPlan, values: readonly bigint[]): Int8Array {
  const out = new Int8Array(plan.count);
  for (const [index, place] of plan.place) write(out, place, values[index] as bigint);
  return out;
}

/** Public words as the integers that the circuit knows them by: sums of signed bytes. */
export function weightWords(bytes: Int8Array): bigint[] {
  return packWeights(bytes, WEIGHT_LANES).map((v) => (v > P / 2n ? v - P : v));
}

/** The key that a model's proofs verify under: its circuit's own, or what folding its weights into that makes. */
export const foldedKey = (key: VerifyingKey, model: { readonly graph: IntGraph; readonly weights?: ModelWeights }): VerifyingKey =>
  model.weights ? foldKey(key, foldedWords(model.graph, model.weights)) : key;

/** What a key holds of a model: its packed weights, or the commitment to them. */
export function foldedWords(graph: IntGraph, { bytes, salt }: ModelWeights): bigint[] {
  const words = packWeights(bytes, WEIGHT_LANES);
  return salt === undefined ? words : [spongeHash(lanesHeader(graph.weights), salt, words)];
}

/** Takes weights out of their words, each of which is an input of the circuit with the digits of all its bytes. */
export class WeightReader {
  readonly #plan: WeightPlan;
  readonly #int: IntBuilder;
  readonly #q: Quantities;
  readonly #inputs: number;
  readonly #words = new Map<number, number>();

  /** @param inputs Elements of the model's own inputs: words are numbered behind them. */
  constructor(plan: WeightPlan, q: Quantities, inputs: number) {
    this.#plan = plan;
    this.#int = q.int;
    this.#q = q;
    this.#inputs = inputs;
  }

  read(index: number): Quantity {
    const place = this.#plan.place.get(index);
    const box = this.#plan.boxes[index];
    if (!place || !box) throw new RangeError(`weight ${index} has no place`);
    const bytes = Array.from({ length: place.bytes }, (_, k) => this.#byte(place.at + k));
    const powers = bytes.map((_, k) => 1n << BigInt(BYTE * k));
    const node = this.#int.lin(bytes, powers, -128n * powers.reduce((a, b) => a + b, 0n));
    return { node, e: box.e, err: 2 ** (box.e - 1) };
  }

  /** The nodes of all words that were read, in order. */
  words(): number[] {
    return [...this.#words.entries()].sort(([a], [b]) => a - b).map(([, node]) => node);
  }

  /** A byte plus 128. Digits of a sum of signed bytes with 128 added to each are those of the bytes: there is one way to write it. */
  #byte(at: number): number {
    const { lanes } = WEIGHT_LANES;
    const word = Math.floor(at / lanes);
    const width = BYTE * Math.min(lanes, this.#plan.count - word * lanes);
    const { lo, hi } = digits(width / BYTE);
    const node = this.#int.input(this.#inputs + word, lo, hi);
    const bits = this.#int.bits(node, -lo, width);
    if (!this.#words.has(word)) this.#q.guard(node, [bits]);
    this.#words.set(word, node);
    const from = BYTE * (at - word * lanes);
    return this.#int.field(bits, from, from + BYTE);
  }
}

/** The words of the weights in a finished graph: each is all of its public input, sign included. */
export function weightLanes(graph: Pick<IntGraph, "nodes">, plan: WeightPlan, inputs: number): Lane[] {
  const { lanes } = WEIGHT_LANES;
  const own = new Map(graph.nodes.filter((n) => n.op === "input").map((n) => [n.n[0] as number, n.id]));
  return Array.from({ length: Math.ceil(plan.count / lanes) }, (_, word): Lane => ({
    tensor: "weights", index: word, node: own.get(inputs + word) as number, word, shift: 0, w: BYTE * Math.min(lanes, plan.count - word * lanes), lo: 0n, e: 0, kind: "value",
  }));
}

/** How many bytes a graph's words hold; 0 for baked weights. */
export const weightCount = (graph: IntGraph): number => graph.weights.reduce((sum, l) => sum + l.w / BYTE, 0);

/** @throws CompileError WEIGHTS_MISSING when the graph has public weights and `bytes` are not exactly those of one model. */
export function wordsFor(graph: IntGraph, bytes: Int8Array | undefined): bigint[] {
  const count = weightCount(graph);
  if ((bytes?.length ?? 0) !== count) {
    throw new CompileError("WEIGHTS_MISSING", `the circuit takes ${count} bytes of weights, ${bytes?.length ?? 0} are given: load the model's weights.json`);
  }
  return bytes ? weightWords(bytes) : [];
}
