/** Exact conversions between doubles and integers times powers of two. */

const view = new DataView(new ArrayBuffer(8));
/** Doubles below this hold every integer, and above `TINY` any power of two of them that the compiler meets. */
const EXACT = 2 ** 52;
const TINY = 2 ** -900;

/** v = m * 2^e with m odd (or 0). */
export function dyadic(v: number): { m: bigint; e: number } {
  if (!Number.isFinite(v)) throw new RangeError(`${v} is not finite`);
  if (v === 0) return { m: 0n, e: 0 };
  view.setFloat64(0, v);
  const high = view.getUint32(0);
  const exponent = (high >>> 20) & 0x7ff;
  let m = (BigInt(high & 0xfffff) << 32n) | BigInt(view.getUint32(4));
  let e = exponent === 0 ? -1074 : exponent - 1075;
  if (exponent !== 0) m |= 1n << 52n;
  while ((m & 1n) === 0n) {
    m >>= 1n;
    e += 1;
  }
  return { m: high >>> 31 ? -m : m, e };
}

/** Nearest integer to v / 2^e, halves up. */
export function scaleRound(v: number, e: number): bigint {
  const x = scale(v, -e);
  if (Math.abs(x) < EXACT && Math.abs(x) > TINY) {
    // The scaled double is exact, and so is what it has behind the point.
    const floor = Math.floor(x);
    return BigInt(x - floor >= 0.5 ? floor + 1 : floor);
  }
  const d = dyadic(v);
  const shift = d.e - e;
  if (shift >= 0) return d.m << BigInt(shift);
  return (d.m + (1n << BigInt(-shift - 1))) >> BigInt(-shift);
}

/** Exponent of the lowest set bit. */
export function lowExponent(v: number): number {
  if (v === 0) return Infinity;
  view.setFloat64(0, v);
  const [high, low] = [view.getUint32(0), view.getUint32(4)];
  const exponent = (high >>> 20) & 0x7ff;
  if (exponent === 0 || exponent === 0x7ff) return dyadic(v).e;
  return exponent - 1075 + (low !== 0 ? trailingZeros(low) : 32 + trailingZeros((high & 0xfffff) | 0x100000));
}

const trailingZeros = (word: number): number => 31 - Math.clz32(word & -word);

/** Least k with |v| <= 2^k (v != 0). */
export function ceilLog2(v: number): number {
  if (!(Math.abs(v) > 0) || !Number.isFinite(v)) throw new RangeError(`no logarithm of ${v}`);
  const { m, e } = dyadic(Math.abs(v));
  const bits = m.toString(2).length;
  return m === 1n ? e : e + bits;
}

/** v * 2^e for a big integer: the nearest double, Infinity when too large. */
export function toReal(v: bigint, e: number): number {
  const near = Number(v);
  if (Math.abs(near) < EXACT) return scale(near, e);
  const bits = v.toString(2).length;
  if (bits <= 53) return scale(near, e);
  const drop = bits - 60;
  return drop > 0 ? scale(Number(v >> BigInt(drop)), e + drop) : scale(near, e);
}

/** v * 2^e without the overflow of 2^e itself. */
export function scale(v: number, e: number): number {
  let r = v;
  let k = e;
  while (k > 1000) {
    r *= 2 ** 1000;
    k -= 1000;
  }
  while (k < -1000) {
    r *= 2 ** -1000;
    k += 1000;
  }
  return r * 2 ** k;
}

/** Every bound goes through this: doubles round to nearest, a few parts in 2^40 more than cover their drift. */
export const up = (v: number): number => (v === 0 ? 0 : v * (1 + 2 ** -40) + Number.MIN_VALUE);
