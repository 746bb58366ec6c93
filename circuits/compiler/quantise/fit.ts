import { scaleRound, toReal } from "./dyadic.ts";

/**
 * A piecewise polynomial over the integers 0 .. 2^(t+u)-1: the top t bits choose a segment, the low u bits, centred, enter a
 * polynomial of degree d with integer coefficients on the scale 2^e.
 */
export interface Piecewise {
  readonly t: number;
  readonly u: number;
  readonly d: number;
  readonly e: number;
  /** coefficients[segment][power]. */
  readonly coefficients: bigint[][];
  readonly lo: bigint;
  readonly hi: bigint;
  /** Largest distance to the function at the points themselves. */
  readonly error: number;
}

export function evaluatePiecewise(p: Piecewise, m: bigint): bigint {
  const c = p.coefficients[Number(m >> BigInt(p.u))] as bigint[];
  const v = (m & ((1n << BigInt(p.u)) - 1n)) - centreOf(p.u);
  let y = 0n;
  for (let k = p.d; k >= 0; k--) y = y * v + (c[k] as bigint);
  return y;
}

/** Centred low bits: products stay small. */
export const centreOf = (u: number): bigint => (u === 0 ? 0n : 1n << BigInt(u - 1));

/** Coefficients of the polynomial through Chebyshev points of [-h, h], in powers of v. */
function interpolate(f: (v: number) => number, h: number, d: number): number[] {
  const n = d + 1;
  const x = Array.from({ length: n }, (_, i) => h * Math.cos((Math.PI * (2 * i + 1)) / (2 * n)));
  const divided = x.map(f);
  for (let j = 1; j < n; j++) {
    for (let i = n - 1; i >= j; i--) divided[i] = ((divided[i] as number) - (divided[i - 1] as number)) / ((x[i] as number) - (x[i - j] as number) || 1);
  }
  let poly = [divided[n - 1] as number];
  for (let i = n - 2; i >= 0; i--) {
    const next = new Array<number>(poly.length + 1).fill(0);
    poly.forEach((c, k) => {
      next[k + 1] = (next[k + 1] as number) + c;
      next[k] = (next[k] as number) - c * (x[i] as number);
    });
    next[0] = (next[0] as number) + (divided[i] as number);
    poly = next;
  }
  return poly;
}

/** Sum of |c_k| h^k: a cheap look at whether a polynomial is close enough before its integers are made. */
function trialError(f: (m: number) => number, t: number, u: number, d: number): number {
  const size = 2 ** u;
  const h = size / 2;
  let worst = 0;
  for (let s = 0; s < 2 ** t; s++) {
    const centre = s * size + h;
    const poly = interpolate((v) => f(centre + v), Math.max(h, 0.5), d);
    for (let i = 0; i <= 12; i++) {
      const v = Math.round(-h + ((size - 1) * i) / 12);
      worst = Math.max(worst, Math.abs(poly.reduceRight((y, c) => y * v + c, 0) - f(centre + v)));
    }
  }
  return worst;
}

/** Rows of the shape itself: shared monomials of the segment bits and Horner's products. */
const cost = (t: number, u: number, d: number): number => 2 ** t - t - 1 + d + (u * d) / 3;

/**
 * The cheapest piecewise polynomial within `target` of f on 0 .. 2^n - 1 (f takes the integer). When none is close enough, the closest
 * is returned: the error it states is the error it has.
 */
export function fit(f: (m: number) => number, n: number, target: number): Piecewise {
  const shapes: { t: number; d: number; price: number }[] = [];
  for (let t = 0; t <= Math.min(6, n); t++) for (let d = 0; d <= 6; d++) shapes.push({ t, d, price: cost(t, n - t, d) });
  shapes.sort((a, b) => a.price - b.price);
  let best = shapes[shapes.length - 1] as { t: number; d: number };
  let least = Infinity;
  for (const shape of shapes) {
    if (shape.d > 0 && n === shape.t) continue;
    const error = trialError(f, shape.t, n - shape.t, shape.d);
    if (error < least) {
      least = error;
      best = shape;
    }
    if (error <= 0.75 * target) break;
  }
  return round(f, n, best.t, best.d, Math.max(target, least));
}

function round(f: (m: number) => number, n: number, t: number, d: number, target: number): Piecewise {
  const u = n - t;
  const h = 2 ** u / 2;
  // Every coefficient is off by at most half a unit, times v^k: the sum stays within a sixth of the target.
  const spread = Array.from({ length: d + 1 }, (_, k) => h ** k).reduce((a, b) => a + b, 0);
  const e = Math.floor(Math.log2(target / 3 / spread));
  const coefficients = Array.from({ length: 2 ** t }, (_, s) => {
    const centre = s * 2 ** u + (u === 0 ? 0 : h);
    return interpolate((v) => f(centre + v), Math.max(h, 0.5), d).map((c) => scaleRound(c, e));
  });
  const shape = { t, u, d, e, coefficients };
  let [lo, hi] = [0n, 0n];
  let error = 0;
  for (let m = 0n; m < 1n << BigInt(n); m++) {
    const y = evaluatePiecewise({ ...shape, lo: 0n, hi: 0n, error: 0 }, m);
    if (m === 0n || y < lo) lo = y;
    if (m === 0n || y > hi) hi = y;
    error = Math.max(error, Math.abs(toReal(y, e) - f(Number(m))));
  }
  // What doubles lose on the way is far below this.
  return { ...shape, lo, hi, error: error * (1 + 2 ** -30) + 2 ** -45 };
}
