import { ceilLog2, lowExponent, scale, scaleRound, toReal, up } from "./dyadic.ts";
import type { Drift } from "../affine/analysis.ts";
import type { Quantities, Quantity } from "./quantity.ts";

/**
 * sum w_j x_j + c with weights rounded to integers on one scale. Weights that are exact on the scale of their operands stay exact;
 * otherwise the scale leaves `weightBits` to the weight with the largest contribution, and the constant takes back what their rounding moves
 * the sum by on average.
 * @param mean Of each x_j, over the samples.
 */
export function lowerSum(q: Quantities, args: readonly Quantity[], w: readonly number[], c: number, weightBits: number, mean: readonly number[]): { made: Quantity; drift: Drift } {
  const finest = args.reduce((m, a) => Math.min(m, a.e), Infinity);
  const weightsExact = args.reduce((m, a, i) => Math.min(m, a.e + lowExponent(w[i] as number)), Infinity);
  // Weights like 1 and -1 cost nothing; the constant then takes at most three bits more than the finest operand has.
  let e = weightsExact >= finest ? Math.min(finest, Math.max(lowExponent(c), finest - 3)) : scaleOf(q, args, w, c, weightBits, weightsExact);
  // A sum of what is never negative plus a small positive constant: the constant keeps it away from zero and must survive.
  const floor = c > 0 && args.every((a, i) => (w[i] as number) > 0 && q.at(a).lo >= 0n);
  if (floor) e = Math.min(e, ceilLog2(c) - 4);
  e = Math.max(e, coarsest(q, args, w, c));
  const k: bigint[] = [];
  const of = new Float64Array(args.length);
  // Between these the rounded weights move the sum: values that are never negative move it one way for each weight.
  let [low, high, gross, rest, moved] = [0, 0, 0, 0, 0];
  // And between these lies the sum itself.
  let [least, most] = [c, c];
  for (let i = 0; i < args.length; i++) {
    const a = args[i] as Quantity;
    const weight = w[i] as number;
    const factor = scaleRound(weight, e - a.e);
    k.push(factor);
    const drift = toReal(factor, e - a.e) - weight;
    of[i] = drift;
    rest += Math.abs(weight) * a.err;
    const { lo, hi } = q.range(a);
    least += weight * (weight > 0 ? lo : hi);
    most += weight * (weight > 0 ? hi : lo);
    if (drift === 0) continue;
    moved += drift * (mean[i] as number);
    low += drift * (drift > 0 ? lo : hi);
    high += drift * (drift > 0 ? hi : lo);
    gross += Math.abs(drift) * q.magnitude(a);
  }
  // A sum that never changes its sign keeps it.
  const constant = scaleRound(least < 0 && most > 0 ? c - within(moved, low + high) : c, e);
  const offset = toReal(constant, e) - c;
  const node = q.int.lin(args.map((a) => a.node), k, constant);
  // The two sums cancel, and what doubles lose then is a share of their terms and not of themselves.
  const err = up(rest + Math.max(Math.abs(low + offset), Math.abs(high + offset)) + gross * 2 ** -38);
  return { made: { node, e, err }, drift: { of, offset, rest: up(rest) } };
}

/** What the constant may take back of a sum that rounding moves by [low, high]: anything up to low + high widens neither side. */
const within = (moved: number, sum: number): number => (sum > 0 ? Math.min(Math.max(moved, 0), sum) : Math.max(Math.min(moved, 0), sum));

/** Digits beyond these do not fit the field next to the largest term: what is smaller is rounded away, and counted as error. */
const SUM_BITS = 180;

function coarsest(q: Quantities, args: readonly Quantity[], w: readonly number[], c: number): number {
  let top = Math.abs(c);
  for (let i = 0; i < args.length; i++) top = Math.max(top, Math.abs(w[i] as number) * q.magnitude(args[i] as Quantity));
  return top > 0 && Number.isFinite(top) ? ceilLog2(top) - SUM_BITS : -Infinity;
}

function scaleOf(q: Quantities, args: readonly Quantity[], w: readonly number[], c: number, weightBits: number, exact: number): number {
  let widest = 0;
  let contribution = 0;
  for (let i = 0; i < args.length; i++) {
    const a = args[i] as Quantity;
    const size = q.magnitude(a);
    contribution = Math.max(contribution, Math.abs(w[i] as number) * size);
    widest = Math.max(widest, scale(size, -a.e));
  }
  contribution = Math.max(contribution, Math.abs(c) / Math.max(1, args.length));
  if (contribution === 0 || !Number.isFinite(contribution)) return exact;
  // Operands that the box leaves no choice: only the constant is left.
  if (widest === 0) return Math.min(exact, ceilLog2(contribution) - 2 * weightBits);
  const rounded = ceilLog2(contribution / widest) - (weightBits - 1);
  // A few bits more are a fair price for weights without any rounding.
  return exact >= rounded - 2 && Number.isFinite(exact) ? Math.min(exact, Math.max(rounded, lowExponent(c))) : rounded;
}

/** x y; operands too wide for the field are narrowed first. */
export function lowerProduct(q: Quantities, x: Quantity, y: Quantity, limit: number): Quantity {
  let [a, b] = [x, y];
  const same = x.node === y.node;
  if (q.width(a) + q.width(b) > limit) {
    a = q.narrow(a, Math.max(limit >> 1, limit - q.width(b)));
    b = same ? a : q.narrow(b, limit - q.width(a));
  }
  const times = (size: number, err: number): number => (size === 0 || err === 0 ? 0 : size * err);
  const err = up(times(q.magnitude(a), b.err) + times(q.magnitude(b), a.err) + times(a.err, b.err));
  return { node: q.int.mul(a.node, b.node), e: a.e + b.e, err };
}
