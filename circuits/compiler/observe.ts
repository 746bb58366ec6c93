import type { Domain } from "./affine/analysis.ts";
import { integerProgram } from "./integer/evaluate.ts";
import type { IntGraph, Lane } from "./integer/finish.ts";
import { quantise } from "./quantise/box.ts";
import { toReal } from "./quantise/dyadic.ts";
import type { InputScale } from "./quantise/options.ts";
import { offGrid, realInputs, sampleInputs, seeded } from "./quantise/samples.ts";
import type { Reference } from "./reference.ts";

/** A compiled program next to the model it stands for. */
export interface Subject {
  readonly boxes: readonly InputScale[];
  /** How many of them a search may move: the weights of a universal circuit, behind the inputs, stay as they were drawn. */
  readonly movable: number;
  readonly reference: Reference;
  /** Status byte and output elements of the integer program, all tensors in order. */
  readonly program: (ints: readonly bigint[]) => { readonly status: bigint; readonly values: readonly number[] };
}

/** @param read What the graph reads for an integer each for every input and weight. */
export function subjectOf(graph: IntGraph, boxes: readonly InputScale[], reference: Reference, movable = boxes.length, read = (ints: readonly bigint[]): readonly bigint[] => ints): Subject {
  const run = integerProgram(graph);
  const [status, ...lanes] = graph.outputs as [Lane, ...Lane[]];
  const program: Subject["program"] = (ints) => {
    const value = run(read(ints));
    return { status: value[status.node] as bigint, values: lanes.map((l) => toReal(value[l.node] as bigint, l.e)) };
  };
  return { boxes, movable, reference, program };
}

/** Of the inputs that errors are observed on and of the search among them: others than those that calibrate. */
export const SEED = 11;

/** Inputs over the reals, off the quantiser's grid as a user's are. */
export const drawInputs = (boxes: readonly InputScale[], count: number, seed = SEED): number[][] =>
  sampleInputs(boxes, count, seed).map((ints, k) => offGrid(ints, boxes, k + 1));

/** Of one output tensor, over the inputs that were tried. */
export interface Observation {
  /** Largest distance to the model over the reals. */
  readonly error: number;
  /** Least and largest value of the model over the reals. */
  readonly lo: number;
  readonly hi: number;
}

/** Where a distance is taken: at the given input or the quantised one. */
export interface Place {
  readonly at: Domain;
  /**
   * Of each tensor, on the grid: an output that moves by less than this between the given input and the quantised one counts with its distance
   * to both.
   */
  readonly jump: readonly number[];
}

/** Distances of one input, by tensor; what is not finite over the reals has none. */
function compare(subject: Subject, reals: readonly number[], { at, jump }: Place): { status: bigint; seen: Observation[] } {
  const ints = reals.map((v, i) => quantise(v, subject.boxes[i] as InputScale).value);
  const { status, values } = subject.program(ints);
  const direct = subject.reference(reals);
  const wanted = at === "grid" ? subject.reference(realInputs(ints, subject.boxes)) : direct;
  let next = 0;
  const seen = wanted.map((list, t) => {
    let [error, lo, hi] = [0, Infinity, -Infinity];
    for (const [i, want] of list.entries()) {
      const got = values[next++] as number;
      if (!Number.isFinite(want)) continue;
      const plain = (direct[t] as number[])[i] as number;
      error = Math.max(error, Math.abs(got - want), Math.abs(plain - want) < (jump[t] as number) ? Math.abs(got - plain) : 0);
      lo = Math.min(lo, want);
      hi = Math.max(hi, want);
    }
    return { error, lo, hi };
  });
  return { status, seen };
}

const merge = (a: Observation, b: Observation): Observation => ({ error: Math.max(a.error, b.error), lo: Math.min(a.lo, b.lo), hi: Math.max(a.hi, b.hi) });

/** The integer program next to the real one on each of the inputs, by tensor. */
export function observe(subject: Subject, inputs: readonly (readonly number[])[], place: Place): Observation[] {
  let all: Observation[] = place.jump.map(() => ({ error: 0, lo: Infinity, hi: -Infinity }));
  for (const x of inputs) {
    const { seen } = compare(subject, x, place);
    all = all.map((o, t) => merge(o, seen[t] as Observation));
  }
  return all;
}

/**
 * Looks for a worse input than those that were tried, from the worst of them: a block of elements moves to an end of the box, to the edge of
 * its rounding cell, anywhere, or all to one place, where what is normalised has no spread; what makes the error larger stays. Blocks go from
 * half of the elements to a single one and back. Where the status byte is not 0 nothing is stated, so that an input whose status is 0 is never left for one whose is not.
 * @param ranges What an error of each tensor is measured by.
 * @param tries Inputs to try.
 * @returns The largest error of each tensor, over what was tried here.
 */
export function searchWorst(subject: Subject, inputs: readonly (readonly number[])[], place: Place, ranges: readonly number[], tries: number, seed: number): number[] {
  const next = seeded(seed);
  const score = (seen: readonly Observation[]): number => seen.reduce((m, o, t) => Math.max(m, o.error / (ranges[t] as number)), 0);
  let best: { x: readonly number[]; score: number; clean: boolean } | undefined;
  let most: number[] = place.jump.map(() => 0);
  const look = (x: readonly number[]): void => {
    const { status, seen } = compare(subject, x, place);
    const clean = status === 0n;
    if (best?.clean && !clean) return;
    most = most.map((m, t) => Math.max(m, (seen[t] as Observation).error));
    const own = score(seen);
    if (!best || (clean && !best.clean) || own > best.score) best = { x, score: own, clean };
  };
  for (const x of inputs) look(x);
  const count = subject.movable;
  const halvings = Math.max(1, Math.ceil(Math.log2(count)));
  for (let k = 0; k < tries && best; k++) {
    const x = [...best.x];
    const block = Math.max(1, count >> ((k % halvings) + 1));
    const together = next() < 0.25;
    const [first, share] = [Math.floor(next() * count), next()];
    for (let j = 0; j < block; j++) {
      // Neighbours come together, others one by one.
      const i = together ? (first + j) % count : Math.floor(next() * count);
      const box = subject.boxes[i] as InputScale;
      x[i] = together ? near(box, share, next) : moved(box, x[i] as number, next);
    }
    look(x);
  }
  return most;
}

/** The reals of a box. The upper end of one that is a power of two lies a step beyond the grid. */
function ends(box: InputScale): { lo: number; hi: number; step: number } {
  const step = toReal(1n, box.e);
  const [low, high] = box.inner ?? [box.lo, box.hi];
  return { lo: toReal(low, box.e), hi: toReal(high, box.e) + (box.slack === 1 ? step : 0), step };
}

/** Within a step of the place at `share` of the box. */
function near(box: InputScale, share: number, next: () => number): number {
  const { lo, hi, step } = ends(box);
  const v = Math.min(hi, Math.max(lo, lo + share * (hi - lo) + (next() - 0.5) * step));
  return box.whole ? Math.round(v) : v;
}

/** Another place for one element within its box. Half a step short of the next cell rounds the most. */
function moved(box: InputScale, v: number, next: () => number): number {
  const { lo, hi, step } = ends(box);
  const at = next();
  const anywhere = lo + next() * (hi - lo);
  const cell = Math.round(v / step) * step;
  const made = at < 0.3 ? lo : at < 0.6 ? hi : box.whole || at < 0.75 ? anywhere : cell + (at < 0.875 ? 0.49 : -0.49) * step;
  const kept = Math.min(hi, Math.max(lo, made));
  return box.whole ? Math.round(kept) : kept;
}
