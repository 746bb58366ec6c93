import { InputError } from "../errors.ts";
import { bitLength } from "../integer/graph.ts";
import type { Traced } from "../trace/trace.ts";
import { ceilLog2, dyadic, lowExponent, scaleRound } from "./dyadic.ts";
import type { InputScale, QuantiseOptions } from "./options.ts";

/** The integer box of every input element, with `extra` digits where the caller gives no number of them. Float boxes are widened to a power of two of steps, so that the range check is exact. */
export function inputBoxes(traced: Traced, options: QuantiseOptions, extra: readonly number[] = []): InputScale[] {
  const out: InputScale[] = [];
  for (const t of traced.inputs) {
    const given = options.inputs[t.name] ?? {};
    const size = t.shape.reduce((a, b) => a * b, 1);
    const lo = given.lo ?? (t.kind === "float" ? -1 : 0);
    const hi = given.hi ?? (t.kind === "bool" ? 1 : t.kind === "int" ? 255 : 1);
    if (!(lo <= hi) || !Number.isFinite(lo) || !Number.isFinite(hi)) throw new InputError(`box [${lo}, ${hi}] of "${t.name}"`);
    const made = new Map<number, InputScale>();
    for (let i = 0; i < size; i++) {
      const more = given.bits === undefined ? (extra[t.offset + i] ?? 0) : 0;
      const box = made.get(more) ?? (t.kind === "float" ? floatBox(lo, hi, (given.bits ?? options.inputBits) + more) : wholeBox(lo, hi));
      made.set(more, box);
      out.push(box);
    }
  }
  return out;
}

function wholeBox(lo: number, hi: number): InputScale {
  const low = BigInt(Math.floor(lo));
  let bits = 1;
  while (low + (1n << BigInt(bits)) - 1n < BigInt(Math.ceil(hi))) bits++;
  return { lo: low, hi: low + (1n << BigInt(bits)) - 1n, e: 0, whole: true };
}

function floatBox(lo: number, hi: number, bits: number): InputScale {
  const steps = (1n << BigInt(bits)) - 1n;
  const span = hi - lo;
  // Whole pixel values and the like: a step of 1 (or of the box's own grain) is exact.
  const size = Math.max(Math.abs(lo), Math.abs(hi));
  if (size === 0) return { lo: 0n, hi: steps, e: -bits, whole: false };
  let e = ceilLog2(span > 0 ? span : size) - bits;
  for (;;) {
    const low = scaleRound(lo, e);
    const top = scaleRound(hi, e);
    if (top - low <= steps || e > ceilLog2(size)) {
      return { lo: low, hi: low + steps, e, whole: false, ...(top > low && top - low < steps ? { inner: [low, top] as const } : {}) };
    }
    // The upper end is a power of two more often than not: it is worth one saturated step, not a whole bit. There the input is off by 1.
    if (top - low === steps + 1n && lowExponent(hi) >= e) return { lo: low, hi: low + steps, e, whole: false, slack: 1 };
    e += 1;
  }
}

/** What the range checks of the inputs cost. */
export const inputRows = (boxes: readonly InputScale[]): number => boxes.reduce((sum, b) => sum + Math.max(1, bitLength(b.hi - b.lo)) + 1, 0);

/** Half to even, as the published quantiser says; saturates at the box. */
export function quantise(v: number, box: InputScale): { value: bigint; saturated: boolean } {
  if (!Number.isFinite(v)) throw new InputError(`${v} is not a number`);
  const d = dyadic(v);
  const shift = d.e - box.e;
  let value: bigint;
  if (shift >= 0) value = d.m << BigInt(shift);
  else {
    const s = BigInt(-shift);
    const floor = d.m >> s;
    const twice = (d.m - (floor << s)) * 2n;
    const one = 1n << s;
    value = twice > one || (twice === one && (floor & 1n) === 1n) ? floor + 1n : floor;
  }
  if (value < box.lo) return { value: box.lo, saturated: true };
  if (value > box.hi) return { value: box.hi, saturated: value > box.hi + 1n };
  return { value, saturated: false };
}
