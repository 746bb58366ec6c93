import { scaleRound, up } from "./dyadic.ts";
import { flagHull } from "./hull.ts";
import { PRODUCT_BITS } from "./options.ts";
import type { Quantities, Quantity } from "./quantity.ts";

/**
 * What is known of a value for another reason than its operands' intervals: the rule's name is what the checker takes on trust or proves.
 * @param limits Real bounds of the value; for "rounded" `hi` is the relative error, for "softmax" the number of parts.
 * @param because Values that the rule reads.
 */
export function bounded(q: Quantities, rule: string, limits: { lo: number; hi: number }, x: Quantity, because: readonly Quantity[], pieceBits: number): Quantity {
  const { int } = q;
  const { lo, hi } = limits;
  const nodes = because.map((b) => b.node);
  if (rule === "kept") return x;
  // Exact as long as no product on the way had to be narrowed.
  if (rule === "sorted") return because.every((b) => q.width(b) < PRODUCT_BITS / 2) ? { ...x, err: Math.min(x.err, because.reduce((m, b) => Math.max(m, b.err), 0)) } : x;
  if (rule === "rounded") return { ...x, err: up(hi * q.magnitude(x)) };
  if (rule === "select") {
    // A selection lies within the hull of both sides, whatever the rounding of their constants.
    const hull = flagHull(int, x.node);
    return { ...x, node: hull ? int.bound(x.node, rule, hull.lo, hull.hi, nodes) : x.node, err: 0 };
  }
  // Two units of slack: either side of a clip may have been rounded.
  const low = Number.isFinite(lo) ? scaleRound(lo, x.e) - 2n : q.at(x).lo;
  const high = Number.isFinite(hi) ? scaleRound(hi, x.e) + 2n : q.at(x).hi;
  if (rule === "softmax") {
    // The largest part is exp(0), whichever it is: only the piece's own rounding can move it, and never what its flags are in doubt about.
    const most = BigInt(hi) * scaleRound(2 ** -Math.min(6, pieceBits - 2), x.e);
    const own = x.err === Infinity ? most : scaleRound(x.err, x.e) + 1n;
    const off = own < most ? own : most;
    if (q.at(x).hi < low - off) throw new RangeError("the operand spreads too far for an exponential");
    return { ...x, node: int.bound(x.node, rule, low - off / BigInt(hi) - 1n, high + off, nodes), err: 0 };
  }
  const slack = rule === "clip" || rule === "cauchy" ? 0n : BigInt(Math.ceil(x.err === Infinity ? 0 : Number(scaleRound(x.err, x.e))));
  return { ...x, node: int.bound(x.node, rule, low - slack, high + slack, nodes), err: 0 };
}
