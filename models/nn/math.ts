/**
 * Elementary functions from IEEE additions, products and divisions only.
 *
 * `Math.exp` and friends may differ in the last bit between engines and processors; a model must come out byte for byte
 * the same on each machine, so that its hash can be written down. Accuracy is about 1e-15 relative, which is more than
 * training needs.
 */
const LN2_HIGH = 0.693147180369123816490;
const LN2_LOW = 1.90821492927058770002e-10;

/** 2^k for an integer k, exactly. */
function pow2(k: number): number {
  let result = 1;
  const factor = k < 0 ? 0.5 : 2;
  for (let i = Math.abs(k); i > 0; i--) result *= factor;
  return result;
}

export function exp(x: number): number {
  if (x < -700) return 0;
  if (x > 700) return Number.POSITIVE_INFINITY;
  const k = Math.round(x / Math.LN2);
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  let sum = 1;
  // Horner form of the Taylor series; |r| <= 0.35, so 14 terms pass double precision.
  for (let n = 14; n >= 1; n--) sum = 1 + (sum * r) / n;
  return sum * pow2(k);
}

/** Natural logarithm of a positive number: mantissa to [0.7, 1.4], then 2 atanh((m - 1) / (m + 1)). */
export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? Number.NEGATIVE_INFINITY : Number.NaN;
  let mantissa = x;
  let k = 0;
  for (; mantissa > Math.SQRT2; k++) mantissa /= 2;
  for (; mantissa < Math.SQRT1_2; k--) mantissa *= 2;
  const t = (mantissa - 1) / (mantissa + 1);
  let sum = 0;
  for (let n = 33; n >= 1; n -= 2) sum = sum * t * t + 1 / n;
  return 2 * t * sum + k * LN2_HIGH + k * LN2_LOW;
}

export function sigmoid(x: number): number {
  return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}
