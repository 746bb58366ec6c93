/**
 * The functions that become certified pieces. `shape` says how the domain folds:
 * - odd: f(x) = centre + g(x), g odd, g -> tail; even: f(x) = g(|x|), g -> 0; decay: x >= 0, f -> 0; plain: enumerated on its interval.
 */
export interface FunctionSpec {
  readonly shape: "odd" | "even" | "decay" | "plain";
  readonly value: (x: number) => number;
  /** An upper bound of |f'| on the interval. */
  readonly slope: (lo: number, hi: number) => number;
  readonly centre: number;
  /** Limit of g for large x. */
  readonly tail: number;
  /** The full function is max(0, x) plus this one, which is even; both parts share their digits. */
  readonly ramp: boolean;
  /** Open lower end of the natural domain (plain only). */
  readonly above: number;
  /** Closed ends of the natural domain: what lies outside of them is a violation. */
  readonly from: number;
  readonly to: number;
  /** An upper bound of |f(x + h) - f(x)| where the slope has none. */
  readonly change: (h: number) => number;
}

/** erf to double precision: Taylor series below 3, continued fraction of erfc above. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 3) {
    let term = a;
    let sum = a;
    for (let n = 1; n < 200 && Math.abs(term) > 1e-18 * sum; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let tail = 0;
  for (let k = 60; k > 0; k--) tail = k / 2 / (a + tail);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + tail));
}

export const sigmoid = (x: number): number => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
const gelu = (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2));
const geluTanh = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

type Part = Partial<FunctionSpec> & Pick<FunctionSpec, "shape" | "value" | "slope">;
const spec = (part: Part): FunctionSpec => ({ centre: 0, tail: 0, ramp: false, above: -Infinity, from: -Infinity, to: Infinity, change: () => Infinity, ...part });
/** f(x) - max(0, x) for the functions that follow the ramp: even, and 0 far out. */
const ramp = (value: (x: number) => number, slope: number): FunctionSpec => spec({ shape: "even", value, slope: () => slope, ramp: true });
const odd = (value: (x: number) => number, slope: number, tail: number, centre = 0): FunctionSpec =>
  spec({ shape: "odd", value, slope: () => slope, tail, centre });
const plain = (value: (x: number) => number, slope: (lo: number, hi: number) => number, above = -Infinity): FunctionSpec =>
  spec({ shape: "plain", value, slope, above });

/** Steep without bound at both ends of [-1, 1], where it changes most. */
const arc = (value: (x: number) => number): FunctionSpec => ({
  ...plain((x) => value(Math.min(1, Math.max(-1, x))), (lo, hi) => 1 / Math.sqrt(Math.max(1e-12, 1 - Math.max(lo * lo, hi * hi)))),
  from: -1, to: 1, change: (h) => Math.acos(1 - Math.min(2, h)),
});

const table: Record<string, FunctionSpec> = {
  sigmoid: odd(sigmoid, 0.25, 0.5, 0.5),
  tanh: odd(Math.tanh, 1, 1),
  erf: odd(erf, 1.1284, 1),
  softplus: ramp((x) => Math.log1p(Math.exp(-Math.abs(x))), 0.5),
  gelu: ramp((x) => -Math.abs(gelu(-Math.abs(x))), 0.63),
  geluTanh: ramp((x) => -Math.abs(geluTanh(-Math.abs(x))), 0.63),
  silu: ramp((x) => -Math.abs(x) * sigmoid(-Math.abs(x)), 0.6),
  expneg: spec({ shape: "decay", value: (x) => Math.exp(-x), slope: () => 1 }),
  exp: plain(Math.exp, (_, hi) => Math.exp(hi)),
  log: plain(Math.log, (lo) => 1 / lo, 0),
  sqrt: plain(Math.sqrt, (lo) => 0.5 / Math.sqrt(lo), 0),
  rsqrt: plain((x) => 1 / Math.sqrt(x), (lo) => 0.5 * lo ** -1.5, 0),
  reciprocal: plain((x) => 1 / x, (lo) => 1 / (lo * lo), 0),
  sin: plain(Math.sin, () => 1),
  cos: plain(Math.cos, () => 1),
  tan: plain(Math.tan, (lo, hi) => 1 + Math.max(Math.tan(lo) ** 2, Math.tan(hi) ** 2)),
  atan: plain(Math.atan, () => 1),
  asin: arc(Math.asin),
  acos: arc(Math.acos),
  sinh: plain(Math.sinh, (lo, hi) => Math.cosh(Math.max(-lo, hi))),
  cosh: plain(Math.cosh, (lo, hi) => Math.abs(Math.sinh(Math.max(-lo, hi)))),
  asinh: plain(Math.asinh, () => 1),
  acosh: {
    ...plain((x) => Math.acosh(Math.max(1, x)), (lo) => 1 / Math.sqrt(Math.max(1e-12, lo * lo - 1))),
    from: 1, change: (h) => Math.acosh(1 + h),
  },
  atanh: { ...plain(Math.atanh, (lo, hi) => 1 / Math.max(1e-12, 1 - Math.max(lo * lo, hi * hi))), from: -1 + 2 ** -12, to: 1 - 2 ** -12 },
  softsign: plain((x) => x / (1 + Math.abs(x)), () => 1),
  mish: plain((x) => x * Math.tanh(Math.log1p(Math.exp(x))), () => 1.1),
};

/** The function itself: with the ramp where `value` is only what lies above it. */
export function functionValue(name: string, x: number): number {
  const f = functionSpec(name);
  return f.ramp ? Math.max(0, x) + f.value(x) : f.value(x);
}

export function functionSpec(name: string): FunctionSpec {
  const known = table[name];
  if (!known) throw new RangeError(`no function ${name}`);
  return known;
}
