import { UnsupportedError } from "../errors.ts";
import { IntBuilder, bitLength } from "../integer/graph.ts";
import { isConst, type Real, type Val } from "../real/graph.ts";
import { ceilLog2, scaleRound, toReal, up } from "./dyadic.ts";
import { lowerInverseSqrt, lowerQuotient, lowerSqrt, floorQuotient } from "./divide.ts";
import { lowerProduct, lowerSum } from "./linear.ts";
import type { QuantiseOptions } from "./options.ts";
import { Steps } from "./steps.ts";
import { Pieces } from "./piece.ts";
import { Quantities, type Quantity } from "./quantity.ts";

/** How wide a product may grow: well below the field, so that every later row stays an integer identity. */
const PRODUCT_BITS = 160;

/** An input element: its integer box and scale. */
export interface InputScale {
  readonly lo: bigint;
  readonly hi: bigint;
  readonly e: number;
  readonly whole: boolean;
}

/** Lowers real nodes to integer nodes, one at a time, in topological order. */
export class Lowerer {
  readonly int = new IntBuilder();
  readonly q = new Quantities(this.int);
  readonly pieces: Pieces;
  /** Flags that are 1 where an element left a function's domain. */
  readonly violations: number[] = [];
  readonly #of = new Map<Real, Quantity>();
  readonly #options: QuantiseOptions;
  readonly #inputs: readonly InputScale[];
  /** Typical magnitude by real id. */
  readonly #typical: Float64Array;
  readonly #layers: readonly { operator: string; node: string }[];
  readonly #steps = new Steps(this.q);
  /** Divisions by the same node, so that many of them share one reciprocal. */
  readonly #divisions = new Map<Real, number>();

  constructor(
    options: QuantiseOptions,
    inputs: readonly InputScale[],
    typical: Float64Array,
    layers: readonly { operator: string; node: string }[],
  ) {
    this.#options = options;
    this.#inputs = inputs;
    this.#typical = typical;
    this.#layers = layers;
    this.pieces = new Pieces(this.q, options.pieceBits);
  }

  run(order: readonly Real[]): void {
    for (const n of order) {
      const divisor = n.op === "div" ? n.args[n.args.length - 1] : undefined;
      if (divisor) this.#divisions.set(divisor, (this.#divisions.get(divisor) ?? 0) + 1);
    }
    this.#steps.collect(order);
    for (const n of order) {
      this.int.layer = n.layer;
      try {
        this.#of.set(n, this.#lower(n));
      } catch (error: unknown) {
        if (!(error instanceof RangeError)) throw error;
        const place = this.#layers[n.layer] ?? { operator: n.op, node: "" };
        throw new UnsupportedError(place, error.message, "Narrow the input box, clip the operand, or use fewer bits");
      }
    }
  }

  get(v: Val | undefined): Quantity {
    if (v === undefined) throw new RangeError("missing operand");
    if (isConst(v)) return v === 0 ? this.q.constant(0, 0) : this.q.constant(v, ceilLog2(v) - 24);
    return this.#of.get(v) as Quantity;
  }

  #lower(n: Real): Quantity {
    const { q } = this;
    const args = n.args.map((a) => this.get(a));
    const [a, b] = args as [Quantity, Quantity];
    switch (n.op) {
      case "input":
        return this.#input(n.p[0] as number);
      case "lin":
        return lowerSum(q, args.map((x) => (q.width(x) > PRODUCT_BITS ? q.narrow(x, PRODUCT_BITS) : x)), n.w, n.c, this.#options.weightBits);
      case "mul":
        return lowerProduct(q, a, b, PRODUCT_BITS);
      case "relu":
        return this.#relu(a, this.#scaleFor(n));
      case "ge0":
        return this.#sign(a);
      case "step":
        return this.#steps.lower(n, a);
      case "eq0":
        return { node: this.int.eqz(a.node), e: 0, err: a.err > 0 ? 1 : 0 };
      case "max2":
        return this.#max2(a, b);
      case "maxn":
        return this.#maxn(args);
      case "fn":
        return this.#function(n, a);
      case "div":
        return this.#division(n, args);
      case "floordiv":
        return this.#floorDivision(a, n.p[0] as number);
      case "seam":
        return this.#seam(n, a);
      case "bound":
        return this.#bound(n, a, args.slice(1));
    }
  }

  #input(index: number): Quantity {
    const box = this.#inputs[index] as InputScale;
    const node = this.int.input(index, box.lo, box.hi);
    this.q.guard(node, [this.int.bits(node, -box.lo, Math.max(1, bitLength(box.hi - box.lo)))]);
    return { node, e: box.e, err: box.whole ? 0 : toReal(1n, box.e - 1) };
  }

  /** Scale on which a value of this node's typical size keeps `activationBits`. */
  #scaleFor(n: Real): number {
    const t = this.#typical[n.id] as number;
    return t > 0 && Number.isFinite(t) ? ceilLog2(t) - this.#options.activationBits : -Infinity;
  }

  #relu(x: Quantity, e: number): Quantity {
    const { lo, hi } = this.q.at(x);
    const shift = Number.isFinite(e) ? Math.max(0, e - x.e) : 0;
    if (hi <= 0n) return { node: this.int.constant(0n), e: x.e, err: x.err };
    if (lo >= 0n) return x;
    if (shift === 0) return { node: this.int.relu(this.int.signed(x.node), 0), e: x.e, err: x.err };
    const half = this.int.lin([x.node], [1n], 1n << BigInt(shift - 1));
    const err = up(x.err + toReal(1n, x.e + shift - 1));
    return { node: this.int.relu(this.int.signed(half), shift), e: x.e + shift, err };
  }

  #sign(x: Quantity): Quantity {
    const { lo, hi } = this.q.at(x);
    const { lo: l, hi: h } = this.q.range(x);
    const err = x.err > 0 && l <= x.err && h >= -x.err ? 1 : 0;
    if (lo >= 0n || hi < 0n) return { node: this.int.constant(lo >= 0n ? 1n : 0n), e: 0, err };
    const bits = this.int.signed(x.node);
    return { node: this.int.bit(bits, (this.int.at(bits).n[0] as number) - 1), e: 0, err };
  }

  #max2(x: Quantity, y: Quantity): Quantity {
    const { int, q } = this;
    const e = Math.min(x.e, y.e);
    const a = q.align(x, e);
    const b = q.align(y, e);
    const [p, r] = [q.at(a), q.at(b)];
    const err = Math.max(x.err, y.err);
    if (p.lo >= r.hi) return { ...a, err };
    if (r.lo >= p.hi) return { ...b, err };
    const difference = int.lin([a.node, b.node], [1n, -1n]);
    const sum = int.lin([b.node, int.relu(int.signed(difference), 0)], [1n, 1n]);
    const lo = p.lo > r.lo ? p.lo : r.lo;
    const hi = p.hi > r.hi ? p.hi : r.hi;
    return { node: int.bound(sum, "max", lo, hi, [a.node, b.node]), e, err };
  }

  #maxn(args: readonly Quantity[]): Quantity {
    const { int, q } = this;
    const e = Math.min(...args.map((a) => a.e));
    const nodes = args.map((a) => q.align(a, e).node);
    const all = nodes.map((n) => int.at(n));
    const lo = all.reduce((m, n) => (n.lo > m ? n.lo : m), all[0]?.lo ?? 0n);
    const hi = all.reduce((m, n) => (n.hi > m ? n.hi : m), all[0]?.hi ?? 0n);
    const top = int.hint("max", nodes, lo, hi);
    const differences = nodes.map((n) => {
      const plain = int.lin([top, n], [1n, -1n]);
      const tight = int.bound(plain, "below-max", 0n, hi - int.at(n).lo, [top]);
      q.tighter.set(plain, tight);
      return tight;
    });
    q.guard(top, [...differences.map((d) => q.rangeCheck(d)), int.zero(differences)]);
    return { node: top, e, err: Math.max(...args.map((a) => a.err)) };
  }

  #function(n: Real, x: Quantity): Quantity {
    const typical = this.#typical[n.id] as number;
    if (n.fn === "sqrt" || n.fn === "rsqrt" || n.fn === "log") {
      const least = n.fn === "sqrt" ? 0n : 1n;
      const scale = Number.isFinite(this.#scaleFor(n)) ? this.#scaleFor(n) - 2 : -16;
      return this.#within(x, least, (safe) => {
        if (n.fn === "log") return this.pieces.lower(n.fn, safe, typical);
        return n.fn === "sqrt" ? lowerSqrt(this.q, safe, scale) : lowerInverseSqrt(this.q, safe, scale);
      });
    }
    return this.pieces.lower(n.fn, x, typical);
  }

  /** Elements below `least` leave the domain: they count as violations, and the result is 0 there. */
  #within(x: Quantity, least: bigint, f: (safe: Quantity) => Quantity): Quantity {
    const { int, q } = this;
    if (q.at(x).lo >= least) return f(x);
    const above = int.lin([x.node], [1n], -least);
    if (int.at(above).hi < 0n) throw new RangeError("the operand is never within the function's domain");
    const bits = int.signed(above);
    const valid = int.bit(bits, (int.at(bits).n[0] as number) - 1);
    this.violations.push(int.lin([valid], [-1n], 1n));
    const made = f({ ...x, node: int.lin([int.relu(bits, 0)], [1n], least) });
    return { ...made, node: int.mul(valid, made.node) };
  }

  #division(n: Real, args: readonly Quantity[]): Quantity {
    const { q } = this;
    const scale = Number.isFinite(this.#scaleFor(n)) ? this.#scaleFor(n) - 2 : -this.#options.activationBits;
    let b = args[args.length - 1] as Quantity;
    let negative = false;
    if (q.at(b).hi < 0n) {
      b = { ...b, node: this.int.lin([b.node], [-1n]) };
      negative = true;
    }
    if (q.at(b).lo <= 0n) throw new RangeError("the divisor's interval contains 0");
    const flip = (r: Quantity): Quantity => (negative ? { ...r, node: this.int.lin([r.node], [-1n]) } : r);
    if (args.length === 1) return flip(lowerQuotient(q, this.q.constant(n.c, Math.min(scale + b.e, ceilLog2(n.c) - 8)), b, scale));
    const a = args[0] as Quantity;
    if ((this.#divisions.get(n.args[1] as Real) ?? 0) < 3) return flip(lowerQuotient(q, a, b, scale));
    // One reciprocal, then a product each: fine enough for the largest numerator.
    const size = q.magnitude(a);
    const fine = size > 0 ? scale - Math.max(0, ceilLog2(size)) : scale;
    const one = lowerQuotient(q, this.q.constant(1, Math.min(0, fine + b.e)), b, fine);
    return flip(lowerProduct(q, a, one, PRODUCT_BITS));
  }

  #floorDivision(x: Quantity, n: number): Quantity {
    const { int, q } = this;
    if (x.e > 0) return this.#floorDivision(q.align(x, 0), n);
    const divisor = BigInt(n) << BigInt(-x.e);
    const err = x.err > 0 ? up(1 + x.err / n) : 0;
    if ((divisor & (divisor - 1n)) === 0n) return { ...q.floorShift({ ...x }, bitLength(divisor) - 1), e: 0, err };
    return { node: floorQuotient(q, x.node, int.constant(divisor)), e: 0, err };
  }

  /** Rounds to the usual precision where that removes more than a few bits. */
  #seam(n: Real, x: Quantity): Quantity {
    const shift = this.#scaleFor(n) - x.e;
    return Number.isFinite(shift) && shift > 4 ? this.q.cut(x, shift) : x;
  }

  /** The hull of the two sides of a selection, two units wider: a constant side may have been rounded either way. */
  #hull(x: Quantity, n: Real, because: readonly Quantity[]): Quantity {
    const sides = because.slice(1).map((b) => ({ lo: this.q.at(b).lo, hi: this.q.at(b).hi, e: b.e }));
    if (sides.some((s) => s.e < x.e)) return x;
    const all = sides.map((s) => ({ lo: s.lo << BigInt(s.e - x.e), hi: s.hi << BigInt(s.e - x.e) }));
    for (const c of n.p) if (!Number.isNaN(c)) all.push({ lo: scaleRound(c, x.e), hi: scaleRound(c, x.e) });
    const lo = all.reduce((m, s) => (s.lo < m ? s.lo : m), all[0]?.lo ?? 0n);
    const hi = all.reduce((m, s) => (s.hi > m ? s.hi : m), all[0]?.hi ?? 0n);
    return { ...x, node: this.int.bound(x.node, "select", lo - 2n, hi + 2n, because.map((b) => b.node)) };
  }

  #bound(n: Real, x: Quantity, because: readonly Quantity[]): Quantity {
    const [lo, hi] = n.p as [number, number];
    if (n.fn === "select") return this.#hull(x, n, because);
    // Two units of slack: either side of a clip may have been rounded.
    const low = Number.isFinite(lo) ? scaleRound(lo, x.e) - 2n : this.q.at(x).lo;
    const high = Number.isFinite(hi) ? scaleRound(hi, x.e) + 2n : this.q.at(x).hi;
    const slack = n.fn === "clip" || n.fn === "cauchy" ? 0n : BigInt(Math.ceil(x.err === Infinity ? 0 : Number(scaleRound(x.err, x.e))));
    return { ...x, node: this.int.bound(x.node, n.fn, low - slack, high + slack, because.map((b) => b.node)) };
  }
}
