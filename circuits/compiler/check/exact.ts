/**
 * Elementary functions in fixed point with 192 fraction bits. Each result is good to far better than 2^-100; comparisons add 2^-100 to be
 * on the safe side of every truncation below.
 */
export const F = 192n;
export const ONE = 1n << F;
export const SLACK = 1n << (F - 100n);

const mul = (a: bigint, b: bigint): bigint => (a * b) >> F;
const div = (a: bigint, b: bigint): bigint => (a << F) / b;

function squareRoot(v: bigint): bigint {
  // Newton on v * 2^F.
  const n = v << F;
  if (n <= 0n) return 0n;
  let x = 1n << BigInt((n.toString(2).length + 1) >> 1);
  for (;;) {
    const y = (x + n / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}

/** 2 (z + z^3/3 + ...) with z = (m - 1) / (m + 1), for m within a factor of two of one. */
function logNearOne(m: bigint): bigint {
  const z = div(m - ONE, m + ONE);
  const square = mul(z, z);
  let term = z;
  let sum = 0n;
  for (let k = 1n; term !== 0n && term !== -1n; k += 2n) {
    sum += term / k;
    term = mul(term, square);
  }
  return 2n * sum;
}

const LN2 = logNearOne(2n * ONE);

function log(x: bigint): bigint {
  const shift = BigInt(x.toString(2).length) - 1n - F;
  const m = shift >= 0n ? x >> shift : x << -shift;
  return logNearOne(m) + shift * LN2;
}

function exp(x: bigint): bigint {
  const k = x / LN2;
  const r = x - k * LN2;
  let term = ONE;
  let sum = 0n;
  for (let i = 1n; term !== 0n && term !== -1n; i++) {
    sum += term;
    term = mul(term, r) / i;
  }
  return k >= 0n ? sum << k : sum >> -k;
}

/** 2/sqrt(pi) sum (-1)^n x^(2n+1) / (n! (2n+1)). */
function erf(x: bigint): bigint {
  if (x > 9n * ONE) return ONE;
  if (x < -9n * ONE) return -ONE;
  const square = mul(x, x);
  let term = x;
  let sum = 0n;
  for (let n = 0n; term !== 0n && term !== -1n; n++) {
    sum += term / (2n * n + 1n);
    term = -mul(term, square) / (n + 1n);
  }
  return div(2n * sum, squareRoot(PI));
}

/** Machin: pi = 16 atan(1/5) - 4 atan(1/239). */
function inverseTangent(n: bigint): bigint {
  let term = ONE / n;
  let sum = 0n;
  for (let k = 1n; term !== 0n; k += 2n) {
    sum += (k % 4n === 1n ? term : -term) / k;
    term /= n * n;
  }
  return sum;
}
const PI = 16n * inverseTangent(5n) - 4n * inverseTangent(239n);

function series(x: bigint, first: bigint, from: bigint): bigint {
  const square = mul(x, x);
  let term = first;
  let sum = 0n;
  for (let n = from; term !== 0n && term !== -1n; n += 2n) {
    sum += term;
    term = -mul(term, square) / (n * (n + 1n));
  }
  return sum;
}

const logistic = (x: bigint): bigint => div(ONE, ONE + exp(-x));
const tanh = (x: bigint): bigint => {
  const e = exp(-2n * (x < 0n ? -x : x));
  const t = div(ONE - e, ONE + e);
  return x < 0n ? -t : t;
};
const abs = (x: bigint): bigint => (x < 0n ? -x : x);

/** Halved three times, atan x = 2 atan(x / (1 + sqrt(1 + x^2))), then the alternating series. */
function arcTangent(x: bigint): bigint {
  let r = x;
  for (let i = 0; i < 3; i++) r = div(r, ONE + squareRoot(ONE + mul(r, r)));
  const square = mul(r, r);
  let term = r;
  let sum = 0n;
  for (let k = 1n; term !== 0n && term !== -1n; k += 2n) {
    sum += term / k;
    term = -mul(term, square);
  }
  return 8n * sum;
}

/** Beyond the ends of [-1, 1] the value at the end, as the pieces have it. */
function arcSine(x: bigint): bigint {
  if (abs(x) >= ONE) return x < 0n ? -PI / 2n : PI / 2n;
  return arcTangent(div(x, squareRoot(ONE - mul(x, x))));
}

const sine = (x: bigint): bigint => series(x, x, 2n);
const cosine = (x: bigint): bigint => series(x, ONE, 1n);

/** What each named piece approximates; ramps are given without max(0, x). */
export const exactFunctions: Record<string, (x: bigint) => bigint> = {
  exp,
  expneg: (x) => exp(-x),
  sigmoid: logistic,
  tanh,
  erf,
  log,
  sin: sine,
  cos: cosine,
  tan: (x) => div(sine(x), cosine(x)),
  atan: arcTangent,
  asin: arcSine,
  acos: (x) => PI / 2n - arcSine(x),
  sinh: (x) => (exp(x) - exp(-x)) / 2n,
  cosh: (x) => (exp(x) + exp(-x)) / 2n,
  asinh: (x) => (x < 0n ? -1n : 1n) * log(abs(x) + squareRoot(ONE + mul(x, x))),
  acosh: (x) => (x <= ONE ? 0n : log(x + squareRoot(mul(x, x) - ONE))),
  atanh: (x) => log(div(ONE + x, ONE - x)) / 2n,
  mish: (x) => mul(x, tanh(log(ONE + exp(x)))),
  softplus: (x) => log(ONE + exp(-abs(x))),
  silu: (x) => -mul(abs(x), logistic(-abs(x))),
  gelu: (x) => -mul(abs(x), (ONE - erf(div(abs(x), squareRoot(2n * ONE)))) / 2n),
  geluTanh: (x) => {
    const m = abs(x);
    const inner = mul(squareRoot(div(2n * ONE, PI)), m + (mul(mul(m, m), m) * 44715n) / 1000000n);
    return -mul(m, (ONE - tanh(inner)) / 2n);
  },
  softsign: (x) => div(x, ONE + abs(x)),
};

/** A double as fixed point, rounded towards zero: exact for everything of size above 2^-140. */
export function fixed(v: number): bigint {
  if (!Number.isFinite(v)) throw new RangeError(`${v}`);
  let m = v;
  let e = 0;
  while (!Number.isInteger(m)) {
    m *= 2;
    e -= 1;
  }
  return e >= 0 ? BigInt(m) << F : (BigInt(m) << F) >> BigInt(-e);
}

/** v 2^e as fixed point. */
export const scaled = (v: bigint, e: number): bigint => (e >= 0 ? v << (F + BigInt(e)) : (v << F) >> BigInt(-e));
