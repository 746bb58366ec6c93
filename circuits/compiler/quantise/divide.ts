import { bitLength } from "../integer/graph.ts";
import { floorDiv } from "../integer/evaluate.ts";
import { toReal, up } from "./dyadic.ts";
import type { Quantities, Quantity } from "./quantity.ts";

/** q = floor(a / b) for integer nodes, b > 0: hint, product, two range facts that sum to b - 1, and the quotient's own range. */
export function floorQuotient(q: Quantities, a: number, b: number): number {
  const num = q.int.at(a);
  const den = q.int.at(b);
  if (den.lo <= 0n) throw new RangeError("a divisor may be zero");
  const lo = num.lo >= 0n ? num.lo / den.hi : floorDiv(num.lo, den.lo);
  const hi = num.hi >= 0n ? num.hi / den.lo : floorDiv(num.hi, den.hi);
  const hint = q.int.hint("div", [a, b], lo, hi);
  const product = q.int.mul(hint, b);
  const rest = q.int.bound(q.int.lin([a, product], [1n, -1n]), "remainder", 0n, den.hi - 1n, [hint, b]);
  const room = q.int.bound(q.int.lin([b, a, product], [1n, -1n, 1n], -1n), "remainder", 0n, den.hi - 1n, [hint, b]);
  q.guard(hint, [q.rangeCheck(rest), q.rangeCheck(room), q.int.bits(hint, -lo, Math.max(1, bitLength(hi - lo)))]);
  return hint;
}

/** a / b to the scale 2^e. */
export function lowerQuotient(q: Quantities, a: Quantity, b: Quantity, e: number): Quantity {
  const k = a.e - b.e - e;
  const num = k >= 0 ? q.int.lin([a.node], [1n << BigInt(k)]) : a.node;
  const den = k >= 0 ? b.node : q.int.lin([b.node], [1n << BigInt(-k)]);
  const node = floorQuotient(q, num, den);
  const least = q.range(b).lo;
  const spare = least - b.err;
  const err = spare > 0 ? up(a.err / spare + (q.magnitude(a) * b.err) / (least * spare) + toReal(1n, e)) : Infinity;
  return { node, e, err };
}

/** floor(sqrt(x 2^k)): R^2 <= V and V <= (R+1)^2 - 1. */
export function lowerSqrt(q: Quantities, x: Quantity, e: number): Quantity {
  // R = floor(sqrt(V)), V = x.node * 2^(x.e - 2e).
  const shift = x.e - 2 * e;
  const fine = shift >= 0 ? x : q.cut(x, -shift);
  const v = shift >= 0 ? q.int.lin([x.node], [1n << BigInt(shift)]) : fine.node;
  const { hi } = q.int.at(v);
  const top = 1n << BigInt((bitLength(hi) + 1) >> 1);
  const root = q.int.hint("isqrt", [v], 0n, top);
  const square = q.int.mul(root, root);
  const rest = q.int.bound(q.int.lin([v, square], [1n, -1n]), "root", 0n, 2n * top, [root]);
  const room = q.int.bound(q.int.lin([root, v, square], [2n, -1n, 1n]), "root", 0n, 2n * top, [root]);
  q.guard(root, [q.rangeCheck(rest), q.rangeCheck(room), q.rangeCheck(root)]);
  const least = Math.max(0, q.range(x).lo - fine.err);
  // |sqrt a - sqrt b| <= |a - b| / sqrt(a) and <= sqrt |a - b|.
  const moved = fine.err === 0 ? 0 : Math.min(Math.sqrt(fine.err), least > 0 ? fine.err / Math.sqrt(least) : Infinity);
  return { node: root, e, err: up(moved + toReal(1n, e)) };
}

/** floor(2^k / sqrt(V)): R^2 V <= 2^2k < (R+1)^2 V. */
export function lowerInverseSqrt(q: Quantities, x: Quantity, e: number): Quantity {
  // R 2^e = 1 / sqrt(V 2^xe)  =>  R^2 V = 2^(-2e - xe).
  const even = (x.e + 2 * e) % 2 === 0 ? x : { ...q.align(x, x.e - 1) };
  const k = -2 * e - even.e;
  const v = q.int.at(even.node);
  if (v.lo <= 0n || k < 0) throw new RangeError("an inverse square root needs a positive operand");
  const top = 1n << BigInt(k);
  const bound = (bitLength(top / v.lo) + 1) >> 1;
  const root = q.int.hint("rsqrt", [even.node], 0n, 1n << BigInt(bound), 0n, [k]);
  const u = q.int.mul(root, even.node);
  const w = q.int.mul(root, u);
  const limit = 2n * (1n << BigInt(bound)) * v.hi + v.hi;
  const rest = q.int.bound(q.int.lin([w], [-1n], top), "root", 0n, limit, [root]);
  const room = q.int.bound(q.int.lin([w, u, even.node], [1n, 2n, 1n], -1n - top), "root", 0n, limit, [root]);
  q.guard(root, [q.rangeCheck(rest), q.rangeCheck(room), q.rangeCheck(root)]);
  const least = q.range(even).lo;
  const spare = least - x.err;
  const moved = x.err === 0 ? 0 : spare > 0 ? (0.5 * x.err) / (spare * Math.sqrt(spare)) : Infinity;
  return { node: root, e, err: up(moved + toReal(1n, e)) };
}
