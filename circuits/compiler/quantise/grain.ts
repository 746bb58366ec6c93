import type { Real } from "../real/graph.ts";
import { ceilLog2 } from "./dyadic.ts";
import type { InputScale } from "./options.ts";

/** More than this is a box that does not fit its data. */
const MOST = 14;

/** Steps between two thresholds of a tree, and steps that a threshold is away from zero: an input is rarely within one step of either. */
const BETWEEN_THRESHOLDS = 8;
const TO_ZERO = 14;

/**
 * Digits that an input element needs beyond the usual ones. A table of features has one box, but its columns are of very different sizes: a
 * step that suits the widest column says nothing about the others. What reads an element tells how fine it must be: the thresholds of trees,
 * and sums whose typical size is known.
 */
export function extraBits(order: readonly Real[], boxes: readonly InputScale[], bits: number, typical?: Float64Array): number[] {
  const finest = boxes.map((b) => b.e);
  const need = (index: number, step: number): void => {
    const e = step > 0 && Number.isFinite(step) ? ceilLog2(step) : Infinity;
    finest[index] = Math.min(finest[index] as number, e);
  };
  for (const [index, list] of thresholds(order)) need(index, thresholdStep(list));
  for (const n of typical ? order : []) {
    const size = typical?.[n.id] as number;
    if (n.op !== "lin" || !(size > 0)) continue;
    n.args.forEach((a, i) => {
      if (a.op === "input") need(a.p[0] as number, (size * 2 ** (2 - bits)) / Math.abs(n.w[i] as number));
    });
  }
  return boxes.map((b, i) => (b.whole ? 0 : Math.min(MOST, Math.max(0, b.e - (finest[i] as number)))));
}

function thresholds(order: readonly Real[]): Map<number, number[]> {
  const out = new Map<number, number[]>();
  for (const n of order) {
    const of = n.args[0];
    if (n.op !== "step" || of?.op !== "input") continue;
    const index = of.p[0] as number;
    const list = out.get(index);
    if (list) list.push(n.p[0] as number);
    else out.set(index, [n.p[0] as number]);
  }
  return out;
}

/** Thresholds that differ by less than a few floats are one. */
function thresholdStep(list: readonly number[]): number {
  const sorted = [...list].sort((a, b) => a - b);
  const least = Math.max(Math.abs(sorted[0] as number), Math.abs(sorted.at(-1) as number)) * 2 ** -20;
  let step = Number.POSITIVE_INFINITY;
  sorted.forEach((t, i) => {
    const gap = i === 0 ? 0 : t - (sorted[i - 1] as number);
    if (gap > least) step = Math.min(step, gap * 2 ** -BETWEEN_THRESHOLDS);
    if (Math.abs(t) > least) step = Math.min(step, Math.abs(t) * 2 ** -TO_ZERO);
  });
  return step;
}
