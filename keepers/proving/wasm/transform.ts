/**
 * From values over a domain of 2^k points to values over the coset between them, in place: an inverse transform that leaves the
 * coefficients in bit-reversed order, one product each, and a forward transform that takes them in that order.
 */
import { inverse, mod, rootOfUnity, TWO_ADICITY } from "../../../circuits/setup/field.ts";
import { FIELD } from "./arithmetic.ts";
import type { Arithmetic } from "./arithmetic.ts";

export interface Transform {
  toCoset(values: number): void;
}

export function openTransform(arithmetic: Arithmetic, exponent: number): Transform {
  if (exponent >= TWO_ADICITY) throw new RangeError(`a domain of 2^${exponent} has no coset of the same roots`);
  const { call, constant, grow } = arithmetic;
  const [add, sub, mul, copy] = [call.frm_add!, call.frm_sub!, call.frm_mul!, call.frm_copy!];
  const size = 2 ** exponent;
  const root = rootOfUnity(exponent);
  const temporary = grow(FIELD);

  /** powers[h + j] = base_h^j for j < h, base_h the root of order 2h: each level of a transform reads its part in sequence. */
  const levels = (base: bigint): number => {
    const table = grow(size * FIELD);
    const top = table + (size >> 1) * FIELD;
    fillPowers(top, 1n, base, size >> 1);
    for (let half = size >> 2; half >= 1; half >>= 1) {
      for (let j = 0; j < half; j++) copy(table + 2 * (half + j) * FIELD, table + (half + j) * FIELD);
    }
    return table;
  };
  const fillPowers = (at: number, first: bigint, base: bigint, count: number): void => {
    const step = constant(base);
    if (count > 0) copy(constant(first), at);
    for (let i = 1; i < count; i++) mul(at + (i - 1) * FIELD, step, at + i * FIELD);
  };

  const forward = levels(root);
  const backward = levels(inverse(root));
  // Coefficient i times shift^i / size, where it stands: at the reversed index.
  const ordered = grow(size * FIELD);
  const shifts = grow(size * FIELD);
  fillPowers(ordered, inverse(BigInt(size)), mod(rootOfUnity(exponent + 1)), size);
  for (let i = 0; i < size; i++) copy(ordered + i * FIELD, shifts + reversed(i, exponent) * FIELD);

  return {
    toCoset(values) {
      const end = values + size * FIELD;
      for (let half = size >> 1; half >= 1; half >>= 1) {
        const stride = half * FIELD;
        const roots = backward + stride;
        for (let block = values; block < end; block += 2 * stride) {
          for (let j = 0; j < stride; j += FIELD) {
            const low = block + j;
            const high = low + stride;
            sub(low, high, temporary);
            add(low, high, low);
            mul(temporary, roots + j, high);
          }
        }
      }
      for (let i = 0; i < size * FIELD; i += FIELD) mul(values + i, shifts + i, values + i);
      for (let half = 1; half < size; half <<= 1) {
        const stride = half * FIELD;
        const roots = forward + stride;
        for (let block = values; block < end; block += 2 * stride) {
          for (let j = 0; j < stride; j += FIELD) {
            const low = block + j;
            const high = low + stride;
            mul(high, roots + j, temporary);
            sub(low, temporary, high);
            add(low, temporary, low);
          }
        }
      }
    },
  };
}

function reversed(index: number, bits: number): number {
  let result = 0;
  for (let i = 0; i < bits; i++) result = (result << 1) | ((index >> i) & 1);
  return result;
}
