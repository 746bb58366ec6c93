/**
 * Sums of multiples of fixed points. Witnesses of our circuits are mostly zeros and ones, then small numbers of either sign: zeros
 * are skipped, ones only added, and what is past the middle of the field is taken as the negative that it stands for. The rest
 * goes through buckets of signed windows, as wide as the scalars that are really there make best.
 */
import { R } from "../../../circuits/setup/field.ts";
import { groupOf } from "./arithmetic.ts";
import type { Arithmetic, Group } from "./arithmetic.ts";

const LIMBS = 8;
const ORDER = limbs(R);
const HALF = limbs(R >> 1n);
const MAX_WINDOW = 15;
/** Bits of a scalar below R / 2, and one for the carry of signed digits. */
const MAX_BITS = 254;
/** One bucket costs two full additions at the end; one digit costs a mixed one. */
const BUCKET_COST = 2.9;

/** Points of a key in this thread's memory; those at infinity are known. */
export interface PointSet {
  group: Group;
  pointer: number;
  count: number;
  /** Which points are not at infinity. */
  present: Uint32Array;
}

export function loadPoints(arithmetic: Arithmetic, index: 1 | 2, bytes: Uint8Array): PointSet {
  const group = groupOf(arithmetic, index);
  const pointer = arithmetic.grow(bytes.length);
  new Uint8Array(arithmetic.memory.buffer).set(bytes, pointer);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  const width = group.affine >> 2;
  const present: number[] = [];
  for (let i = 0; i * width < words.length; i++) {
    if (words.subarray(i * width, (i + 1) * width).some((word) => word !== 0)) present.push(i);
  }
  return { group, pointer, count: bytes.length / group.affine, present: Uint32Array.from(present) };
}

export interface Multiexp {
  /** `scalars`: 32 bytes each, plain, for every point of the set. The sum: Jacobian, Montgomery form. */
  sum(points: PointSet, scalars: Uint8Array): Uint8Array;
}

export function openMultiexp(arithmetic: Arithmetic): Multiexp {
  const buckets = arithmetic.grow((2 ** (MAX_WINDOW - 1) + 1) * 192);
  const windowSums = arithmetic.grow((MAX_BITS + 1) * 192);
  const [result, running] = [arithmetic.grow(192), arithmetic.grow(192)];

  return {
    sum({ group, pointer, present }, scalars) {
      const { add, addMixed, subMixed, double, zero, affine, jacobian } = group;
      const words = new Uint32Array(scalars.buffer, scalars.byteOffset, scalars.byteLength >> 2);
      zero(result);
      const [points, normal, negative] = [new Uint32Array(present.length), new Uint32Array(present.length * LIMBS), new Uint8Array(present.length)];
      const byLength = new Uint32Array(MAX_BITS + 1);
      let count = 0;
      for (const index of present) {
        const at = index * LIMBS;
        const small = (words[at + 1]! | words[at + 2]! | words[at + 3]! | words[at + 4]! | words[at + 5]! | words[at + 6]! | words[at + 7]!) === 0;
        if (small && words[at]! <= 1) {
          if (words[at] === 1) addMixed(result, pointer + index * affine, result);
          continue;
        }
        const minus = normalise(words, at, normal, count * LIMBS);
        const bits = bitLength(normal, count * LIMBS);
        if (bits === 1) {
          subMixed(result, pointer + index * affine, result);
          continue;
        }
        [points[count], negative[count]] = [pointer + index * affine, minus ? 1 : 0];
        byLength[bits]!++;
        count++;
      }
      const { window, windows } = bestWindow(byLength);

      const half = 2 ** (window - 1);
      const carries = new Uint8Array(count);
      for (let w = 0; w < windows; w++) {
        for (let b = 0; b < half; b++) zero(buckets + b * jacobian);
        for (let i = 0; i < count; i++) {
          let digit = windowAt(normal, i * LIMBS, w * window, window) + carries[i]!;
          carries[i] = digit > half ? 1 : 0;
          if (digit > half) digit -= 2 * half;
          if (digit === 0) continue;
          const bucket = buckets + (Math.abs(digit) - 1) * jacobian;
          if (digit < 0 === (negative[i] === 1)) addMixed(bucket, points[i]!, bucket);
          else subMixed(bucket, points[i]!, bucket);
        }
        // Bucket b counts b + 1 times: running sums from the highest down add up to that.
        const total = windowSums + w * jacobian;
        zero(running);
        zero(total);
        for (let b = half - 1; b >= 0; b--) {
          add(running, buckets + b * jacobian, running);
          add(total, running, total);
        }
      }
      zero(running);
      for (let w = windows - 1; w >= 0; w--) {
        for (let i = 0; i < window; i++) double(running, running);
        add(running, windowSums + w * jacobian, running);
      }
      add(result, running, result);
      return new Uint8Array(arithmetic.memory.buffer).slice(result, result + jacobian);
    },
  };
}

function bestWindow(byLength: Uint32Array): { window: number; windows: number } {
  const longest = byLength.findLastIndex((count) => count > 0);
  if (longest < 0) return { window: 1, windows: 0 };
  let best = { window: 1, windows: 0, cost: Infinity };
  for (let window = 2; window <= MAX_WINDOW; window++) {
    // A carry may need one more bit.
    const digits = (bits: number) => Math.floor(bits / window) + 1;
    const windows = digits(longest);
    const cost = byLength.reduce((sum, count, bits) => sum + count * digits(bits), 0) + windows * 2 ** (window - 1) * BUCKET_COST;
    if (cost < best.cost) best = { window, windows, cost };
  }
  return best;
}

/** The scalar, or its negative where that is smaller: then true. */
function normalise(words: Uint32Array, at: number, out: Uint32Array, to: number): boolean {
  let i = LIMBS - 1;
  while (i > 0 && words[at + i] === HALF[i]) i--;
  if (words[at + i]! <= HALF[i]!) {
    for (let j = 0; j < LIMBS; j++) out[to + j] = words[at + j]!;
    return false;
  }
  let borrow = 0;
  for (let j = 0; j < LIMBS; j++) {
    const difference = ORDER[j]! - words[at + j]! - borrow;
    borrow = difference < 0 ? 1 : 0;
    out[to + j] = difference;
  }
  return true;
}

function bitLength(words: Uint32Array, at: number): number {
  for (let i = LIMBS - 1; i >= 0; i--) if (words[at + i] !== 0) return 32 * (i + 1) - Math.clz32(words[at + i]!);
  return 0;
}

function windowAt(words: Uint32Array, at: number, start: number, window: number): number {
  const limb = start >> 5;
  const offset = start & 31;
  if (limb >= LIMBS) return 0;
  let value = words[at + limb]! >>> offset;
  if (offset + window > 32 && limb + 1 < LIMBS) value |= words[at + limb + 1]! << (32 - offset);
  return value & (2 ** window - 1);
}

function limbs(value: bigint): Uint32Array {
  return Uint32Array.from({ length: LIMBS }, (_, i) => Number((value >> BigInt(32 * i)) & 0xffffffffn));
}
