import { functionSpec, type FunctionSpec } from "../real/functions.ts";
import { bitLength, signedBits, type IntBuilder } from "../integer/graph.ts";
import { ceilLog2, scaleRound, toReal, up } from "./dyadic.ts";
import { centreOf, fit, type Piecewise } from "./fit.ts";
import type { Quantities, Quantity } from "./quantity.ts";

/** Bits of a piece's domain: all of it is enumerated, here and by the checker. */
const MAX_BITS = 16;

/** A claim that the checker enumerates: for each m in the domain, node `y` is within `error` of the function. */
export interface PieceClaim {
  readonly fn: string;
  /** Digits that index the domain, and the node that holds the result before tail and symmetry. */
  readonly y: number;
  readonly bits: number;
  readonly from: number;
  readonly n: number;
  /** The point of digit value m is (m + half/2 + origin) 2^e. */
  readonly e: number;
  readonly origin: string;
  readonly half: number;
  /** Subtracted from the function: the centre of an odd one. */
  readonly centre: number;
  readonly ey: number;
  readonly error: number;
}

const fits = new Map<string, Piecewise>();

function cachedFit(key: string, f: (m: number) => number, n: number, target: number): Piecewise {
  const known = fits.get(key) ?? fit(f, n, target);
  fits.set(key, known);
  return known;
}

/** Evaluates a piecewise polynomial on given segment bits and a given low part. */
function circuit(int: IntBuilder, p: Piecewise, segment: readonly number[], low: number): number {
  // Monomials of the segment bits, by subset; coefficients follow by Moebius inversion.
  const monomial: number[] = [int.constant(1n)];
  for (let s = 1; s < 1 << p.t; s++) {
    const top = 31 - Math.clz32(s);
    const rest = s ^ (1 << top);
    monomial[s] = rest === 0 ? (segment[top] as number) : int.mul(segment[top] as number, monomial[rest] as number);
  }
  const coefficient = (k: number): number => {
    const alpha = p.coefficients.map((c) => c[k] as bigint);
    for (let i = 0; i < p.t; i++) {
      for (let s = 0; s < alpha.length; s++) if (s & (1 << i)) alpha[s] = (alpha[s] as bigint) - (alpha[s ^ (1 << i)] as bigint);
    }
    return int.lin(monomial.slice(1), alpha.slice(1), alpha[0] as bigint);
  };
  const v = int.lin([low], [1n], -centreOf(p.u));
  let y = coefficient(p.d);
  for (let k = p.d - 1; k >= 0; k--) {
    const product = int.mul(y, v);
    y = int.lin([product, coefficient(k)], [1n, 1n]);
  }
  return y;
}

export class Pieces {
  readonly claims: PieceClaim[] = [];
  readonly #q: Quantities;
  readonly #bits: number;

  constructor(q: Quantities, pieceBits: number) {
    this.#q = q;
    this.#bits = pieceBits;
  }

  /** `typical` is the usual size of the result, for functions that have no amplitude of their own. */
  lower(name: string, x: Quantity, typical: number): Quantity {
    const spec = functionSpec(name);
    return spec.shape === "plain" ? this.#plain(name, spec, x, typical) : this.#folded(name, spec, x);
  }

  /** Functions that settle for large |x|: symmetric ones fold, what lies beyond the domain is the limit. */
  #folded(name: string, spec: FunctionSpec, x: Quantity): Quantity {
    const { int } = this.#q;
    const reach = this.#q.magnitude(x);
    const amplitude = Math.min(1, (spec.ramp ? reach : Math.abs(spec.value(Math.min(reach, 8)) - spec.value(0))) || 1);
    const target = amplitude * 2 ** -this.#bits;
    const slope = spec.slope(0, reach);
    // Beyond 2^n steps the function is its limit to within half the target.
    const settled = (v: number): boolean => Math.abs(spec.value(v) - spec.centre - spec.tail) <= target / 2;
    // However far an interval reaches, digits are only spent on where the function has not settled.
    let far = 1;
    while (far < reach && !settled(far)) far *= 2;
    const e = Math.max(Math.floor(Math.log2(target / slope)), ceilLog2(Math.max(Math.min(reach, far), target)) - MAX_BITS, -60);
    let n = 1;
    while (n < MAX_BITS && toReal(1n << BigInt(n), e) < reach * 1.0001 && !settled(toReal(1n << BigInt(n), e))) n++;
    const decay = spec.shape === "decay";
    const scaled = x.e > e ? this.#q.align(x, e) : x;
    const shift = e - scaled.e;
    const node = int.at(scaled.node);
    const width = Math.max(decay ? Math.max(1, bitLength(node.hi)) : signedBits(node.lo, node.hi), shift + n + (decay ? 0 : 1));
    const bits = int.bits(scaled.node, decay ? 0n : 1n << BigInt(width - 1), width);
    const half = decay && shift === 0 ? 0 : 1;
    const f = (m: number): number => spec.value((m + half / 2) * 2 ** e) - spec.centre;
    const p = cachedFit(`${name}|${e}|${n}|${target}|${half}`, f, n, target / 2);
    const sign = decay ? undefined : int.bit(bits, width - 1);
    const flip = (b: number): number =>
      sign === undefined ? b : int.lin([b, sign, int.mul(b, sign)], [-1n, -1n, 2n], 1n);
    const segment = Array.from({ length: p.t }, (_, i) => flip(int.bit(bits, shift + p.u + i)));
    const y = circuit(int, p, segment, this.#low(bits, shift, p.u, sign));
    const magnitude = int.bound(y, "piece", p.lo, p.hi, [bits], [this.claims.length]);
    const origin = "0";
    this.claims.push({ fn: name, y, bits, from: shift, n, e, origin, half, centre: spec.centre, ey: p.e, error: p.error });
    const tail = scaleRound(spec.tail, p.e);
    const kept = this.#tail(magnitude, bits, shift + n, decay ? width : width - 1, sign, tail);
    const centre = scaleRound(spec.centre, p.e);
    const out =
      spec.shape === "odd"
        ? int.lin([int.mul(sign as number, kept), kept], [2n, -1n], centre)
        : int.lin([kept], [1n], centre);
    // Rounding to the midpoint, the fit, the tail and the constants' own rounding.
    const rounding = shift === 0 && half === 0 ? 0 : slope * 2 ** (e - 1);
    const tails = shift + n < (decay ? width : width - 1) ? target / 2 + 2 ** (p.e - 1) : 0;
    const err = up(slope * x.err + Math.max(p.error + rounding, tails) + 2 ** p.e);
    const limit = this.#outputBound(spec, p, tail, centre);
    if (spec.ramp) return this.#withRamp(spec, { node: int.bound(out, "fold", limit.lo, limit.hi, [magnitude]), e: p.e, err }, bits, scaled.e, x.err, target);
    return { node: int.bound(out, "fold", limit.lo, limit.hi, [magnitude]), e: p.e, err };
  }

  /** max(0, x) from the digits that the piece has already: floored half a target finer than the piece. */
  #withRamp(spec: FunctionSpec, tail: Quantity, bits: number, e: number, err: number, target: number): Quantity {
    const { int } = this.#q;
    const shift = Math.max(0, Math.floor(Math.log2(target)) - 1 - e);
    const at = Math.min(e + shift, tail.e);
    const ramp = int.relu(bits, shift);
    const node = int.lin([ramp, tail.node], [1n << BigInt(e + shift - at), 1n << BigInt(tail.e - at)]);
    const floor = shift > 0 ? toReal(1n, e + shift) : 0;
    // The whole function's slope is at most 1.13; the tail's error already counts its own slope.
    return { node, e: at, err: up(tail.err + floor + err) };
  }

  #outputBound(spec: FunctionSpec, p: Piecewise, tail: bigint, centre: bigint): { lo: bigint; hi: bigint } {
    const hi = p.hi > tail ? p.hi : tail;
    const lo = p.lo < tail ? p.lo : tail;
    if (spec.shape !== "odd") return { lo: lo + centre, hi: hi + centre };
    const top = hi > -lo ? hi : -lo;
    return { lo: centre - top, hi: centre + top };
  }

  /** Low digits, complemented for negative values: 1 row. */
  #low(bits: number, from: number, u: number, sign: number | undefined): number {
    const { int } = this.#q;
    const low = int.field(bits, from, from + u);
    if (sign === undefined || u === 0) return low;
    const span = (1n << BigInt(u)) - 1n;
    const turned = int.lin([low, int.mul(sign, int.lin([low], [2n], -span))], [-1n, 1n], span);
    return int.bound(turned, "flip", 0n, span, [bits]);
  }

  /** Digits beyond the domain: where any differs from the sign, the result is the limit. 4 or 5 rows. */
  #tail(y: number, bits: number, from: number, to: number, sign: number | undefined, tail: bigint): number {
    const { int } = this.#q;
    if (to <= from) return y;
    const high = Array.from({ length: to - from }, (_, i) => int.bit(bits, from + i));
    const ones = high.map(() => 1n);
    const count = BigInt(high.length);
    const sum = int.lin(high, ones);
    const differing =
      sign === undefined ? sum : int.bound(int.lin([sum, int.mul(sign, int.lin([sum], [2n], -count))], [-1n, 1n], count), "flip", 0n, count, [bits]);
    const inside = int.eqz(differing);
    const gated = int.mul(inside, int.lin([y], [1n], -tail));
    return int.lin([gated], [1n], tail);
  }

  /** Functions without a limit: the whole interval is the domain. */
  #plain(name: string, spec: FunctionSpec, x: Quantity, typical: number): Quantity {
    const { int } = this.#q;
    const { lo, hi } = this.#q.range(x);
    if (lo <= spec.above) throw new RangeError(`${name} is not defined at ${lo}`);
    const amplitude = typical > 0 ? typical : Math.max(Math.abs(spec.value(lo)), Math.abs(spec.value(hi)));
    const target = amplitude * 2 ** -this.#bits;
    const slope = spec.slope(Math.max(lo - x.err, spec.above > -Infinity ? lo / 2 : -Infinity), hi + x.err);
    const span = Math.max(hi - lo, target / slope);
    const change = (h: number): number => Math.min(slope * h, spec.change(h));
    let grain = Math.floor(Math.log2(target / slope));
    // Where the slope has no bound, the grain is what the function moves by.
    while (change(2 ** (grain + 1)) <= target) grain += 1;
    const e = Math.max(grain, ceilLog2(span) - MAX_BITS + 1);
    const scaled = x.e > e ? this.#q.align(x, e) : x;
    const shift = e - scaled.e;
    const node = int.at(scaled.node);
    const step = 1n << BigInt(shift);
    const origin = node.lo >> BigInt(shift);
    const bits = int.bits(scaled.node, -origin * step, Math.max(1 + shift, bitLength(node.hi - origin * step)));
    const width = int.at(bits).n[0] as number;
    const n = width - shift;
    const half = shift === 0 ? 0 : 1;
    const last = Number((node.hi >> BigInt(shift)) - origin);
    // Past the last admissible digit value the function may not exist: it stays at its last value there.
    const f = (m: number): number => spec.value(Math.max((Math.min(m, last + 1) + half / 2 + Number(origin)) * 2 ** e, lo > 0 ? lo / 2 : -Infinity));
    const p = cachedFit(`${name}|${e}|${n}|${target}|${origin}|${half}|${last}`, f, n, target / 2);
    const segment = Array.from({ length: p.t }, (_, i) => int.bit(bits, shift + p.u + i));
    const y = circuit(int, p, segment, int.field(bits, shift, shift + p.u));
    const out = int.bound(y, "piece", p.lo, p.hi, [bits], [this.claims.length]);
    this.claims.push({ fn: name, y, bits, from: shift, n, e, origin: String(origin), half, centre: 0, ey: p.e, error: p.error });
    return { node: out, e: p.e, err: up(change(x.err + (half ? 2 ** (e - 1) : 0)) + p.error) };
  }
}
