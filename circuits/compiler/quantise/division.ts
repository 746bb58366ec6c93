import { floorDiv } from "../integer/evaluate.ts";
import { bitLength } from "../integer/graph.ts";
import type { Real } from "../real/graph.ts";
import { floorQuotient, lowerQuotient } from "./divide.ts";
import { ceilLog2, dyadic, scaleRound, up } from "./dyadic.ts";
import { lowerProduct } from "./linear.ts";
import { PRODUCT_BITS } from "./options.ts";
import type { Quantities, Quantity } from "./quantity.ts";

/** What divides: positive, with the sign of the given one apart, and what to do with the quotient where it was none. */
interface Divisor {
  readonly divisor: Quantity;
  readonly positive: number | undefined;
  readonly keep: (r: Quantity) => Quantity;
}

/** Quotients by values that may be negative or zero, and floors of quotients. */
export class Divisions {
  readonly #q: Quantities;
  readonly #violations: number[];
  /** Divisions by the same node, so that many of them share one reciprocal. */
  readonly #readers = new Map<Real, number>();

  constructor(q: Quantities, violations: number[]) {
    this.#q = q;
    this.#violations = violations;
  }

  collect(order: readonly Real[]): void {
    for (const n of order) {
      const divisor = n.op === "div" ? n.args[n.args.length - 1] : undefined;
      if (divisor) this.#readers.set(divisor, (this.#readers.get(divisor) ?? 0) + 1);
    }
  }

  /**
   * a / b, or c / b where the numerator is a constant. Where the divisor may come so near to zero that a quotient needs more than `widest`
   * digits, such a divisor counts as zero: digits that only a degenerate input needs would be taken from all others.
   */
  quotient(n: Real, args: readonly Quantity[], e: number, widest: number): Quantity {
    const q = this.#q;
    const given = args[args.length - 1] as Quantity;
    const most = args.length === 1 ? Math.abs(n.c) : q.magnitude(args[0] as Quantity);
    const { divisor: b, positive, keep } = this.#divisor(given, most > 0 ? scaleRound(most, e + widest + given.e) : 0n);
    const restore = (r: Quantity): Quantity =>
      keep(positive === undefined ? r : { ...r, node: q.int.mul(q.int.lin([positive], [2n], -1n), r.node) });
    if (args.length === 1) return restore(lowerQuotient(q, q.constant(n.c, Math.min(e + b.e, ceilLog2(n.c) - 8)), b, e));
    const a = args[0] as Quantity;
    if ((this.#readers.get(n.args[1] as Real) ?? 0) < 3) return restore(lowerQuotient(q, a, b, e));
    // One reciprocal, then a product each: fine enough for the largest numerator.
    const size = q.magnitude(a);
    const fine = size > 0 ? e - Math.max(0, ceilLog2(size)) : e;
    const one = lowerQuotient(q, q.constant(1, Math.min(0, fine + b.e)), b, fine);
    // Where the divisor comes near zero the reciprocal is too wide for a product without losing the digits of the usual case.
    if (q.width(a) + q.width(one) > PRODUCT_BITS) return restore(lowerQuotient(q, a, b, e));
    return restore(lowerProduct(q, a, one, PRODUCT_BITS));
  }

  /**
   * A divisor that is positive everywhere: the size of the given one, and 1 (or `least`, where that is more) where that is 0 (or below
   * `least`); then the element counts as a violation and `keep` makes the result 0. `positive` is the flag of its sign where the data
   * decides it.
   */
  #divisor(b: Quantity, least = 0n): Divisor {
    const q = this.#q;
    const { int } = q;
    const { lo, hi } = q.at(b);
    const same = (r: Quantity): Quantity => r;
    if (lo > 0n) return { divisor: b, positive: undefined, keep: same };
    if (hi < 0n) return { divisor: { ...b, node: int.lin([b.node], [-1n]) }, positive: int.constant(0n), keep: same };
    if (lo === 0n && hi === 0n) throw new RangeError("the divisor is 0");
    if (least > 1n && least <= (hi > -lo ? hi : -lo)) return this.#away(b, least);
    const zero = int.eqz(b.node);
    this.#violations.push(zero);
    const keep = (r: Quantity): Quantity => ({ ...r, node: int.mul(int.lin([zero], [-1n], 1n), r.node), err: Infinity });
    if (lo === 0n) {
      const node = int.bound(int.lin([b.node, zero], [1n, 1n]), "nonzero", 1n, hi, [zero]);
      return { divisor: { ...b, node }, positive: undefined, keep };
    }
    const bits = int.signed(b.node);
    const size = int.lin([int.relu(bits, 0), b.node, zero], [2n, -1n, 1n]);
    const node = int.bound(size, "nonzero", 1n, hi > -lo ? hi : -lo, [zero]);
    return { divisor: { ...b, node }, positive: int.bit(bits, (int.at(bits).n[0] as number) - 1), keep };
  }

  /** The size of a divisor where it is at least `least`, else `least` and a violation. */
  #away(b: Quantity, least: bigint): Divisor {
    const { int } = this.#q;
    const { lo } = this.#q.at(b);
    const top = (bits: number): number => int.bit(bits, (int.at(bits).n[0] as number) - 1);
    const sign = lo < 0n ? int.signed(b.node) : undefined;
    const size = sign === undefined ? b.node : int.lin([int.relu(sign, 0), b.node], [2n, -1n]);
    const beyond = int.signed(int.lin([size], [1n], -least));
    const valid = top(beyond);
    this.#violations.push(int.lin([valid], [-1n], 1n));
    return {
      divisor: { ...b, node: int.lin([int.relu(beyond, 0)], [1n], least) },
      positive: sign === undefined ? undefined : top(sign),
      keep: (r) => ({ ...r, node: int.mul(valid, r.node) }),
    };
  }

  /** floor(x / n), n = m 2^t: both sides on the finer of their scales. */
  floor(given: Quantity, n: number): Quantity {
    const q = this.#q;
    const { int } = q;
    const { m, e: t } = dyadic(n);
    const x = given.e > t ? q.align(given, t) : given;
    const divisor = m << BigInt(t - x.e);
    const err = x.err > 0 ? up(1 + x.err / n) : 0;
    const [low, high] = [floorDiv(q.at(x).lo, divisor), floorDiv(q.at(x).hi, divisor)];
    if (low === high) return { node: int.constant(low), e: 0, err };
    if ((divisor & (divisor - 1n)) === 0n) return { ...q.floorShift(x, bitLength(divisor) - 1), e: 0, err };
    return { node: floorQuotient(q, x.node, int.constant(divisor)), e: 0, err };
  }

  /** floor(a / b), b from the data: the sign of b goes to the numerator. */
  floorRatio(n: Real, args: readonly Quantity[]): Quantity {
    const q = this.#q;
    const { int } = q;
    const b = args[args.length - 1] as Quantity;
    const own = args.length === 1 ? q.constant(n.c, Math.min(b.e, Number.isInteger(n.c) ? 0 : b.e)) : (args[0] as Quantity);
    const e = Math.min(own.e, b.e);
    const { divisor, positive, keep } = this.#divisor(q.align(b, e));
    const a = q.align(own, e);
    const turned = positive === undefined ? a.node : int.mul(int.lin([positive], [2n], -1n), a.node);
    const made = keep({ node: floorQuotient(q, turned, divisor.node), e: 0, err: 0 });
    return { ...made, err: args.some((v) => v.err > 0) ? Infinity : 0 };
  }
}
