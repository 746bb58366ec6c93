import { BudgetError, UnsupportedError } from "../errors.ts";
import { IntBuilder, bitLength } from "../integer/graph.ts";
import { functionSpec } from "../real/functions.ts";
import { isConst, type Real, type Val } from "../real/graph.ts";
import type { Drift } from "../affine/analysis.ts";
import { Account } from "./account.ts";
import { ceilLog2, scaleRound, toReal, up } from "./dyadic.ts";
import { lowerBitwise } from "./bitwise.ts";
import { bounded } from "./bounds.ts";
import type { Calibration } from "./calibrate.ts";
import { Certainty } from "./certainty.ts";
import { lowerInverseSqrt, lowerSqrt } from "./divide.ts";
import { Divisions } from "./division.ts";
import { lowerProduct, lowerSum } from "./linear.ts";
import { PRODUCT_BITS, type InputScale, type QuantiseOptions } from "./options.ts";
import { Steps } from "./steps.ts";
import { Pieces } from "./piece.ts";
import { Quantities, type Quantity } from "./quantity.ts";
import { WeightReader, type WeightPlan } from "../weights.ts";

const flipped = (int: IntBuilder, x: Quantity): Quantity => ({ ...x, node: int.lin([x.node], [-1n]) });

/** Lowers real nodes to integer nodes, one at a time, in topological order. */
export class Lowerer {
  readonly int = new IntBuilder();
  readonly q = new Quantities(this.int);
  readonly pieces: Pieces;
  readonly weights: WeightReader | undefined;
  /** Flags that are 1 where an element left a function's domain. */
  readonly violations: number[] = [];
  /** Flags that are 1 where a value was saturated. */
  readonly saturations: number[] = [];
  /** Flags that are 1 where another class comes within twice the proved error of the chosen one. */
  readonly ties: number[] = [];
  readonly warnings: string[] = [];
  readonly account = new Account(this.q);
  readonly #maxRows: number;
  readonly #options: QuantiseOptions;
  readonly #inputs: readonly InputScale[];
  readonly #typical: Float64Array;
  readonly #mean: Float64Array;
  readonly #spare: ReadonlyMap<number, number>;
  readonly #layers: readonly { operator: string; node: string }[];
  /** Per layer: rectifiers in it, and sums that read them. */
  readonly #members = new Map<number, number>();
  readonly #readers = new Map<number, number>();
  /** Differences between a maximum and what it was taken of. */
  readonly #gaps = new Map<string, Quantity>();
  readonly #steps = new Steps(this.q);
  readonly #divisions = new Divisions(this.q, this.violations);
  readonly #certainty = new Certainty(this.q, this.ties, this.warnings, (x) => this.#sign(x));

  constructor(
    options: QuantiseOptions,
    inputs: readonly InputScale[],
    { typical, mean }: Calibration,
    spare: ReadonlyMap<number, number>,
    layers: readonly { operator: string; node: string }[],
    maxRows = Infinity,
    weights?: WeightPlan,
  ) {
    this.weights = weights && new WeightReader(weights, this.q, inputs.length);
    this.#maxRows = maxRows;
    this.#options = options;
    this.#inputs = inputs;
    this.#typical = typical;
    this.#mean = mean;
    this.#spare = spare;
    this.#layers = layers;
    this.pieces = new Pieces(this.q, options.pieceBits);
  }

  run(order: readonly Real[]): void {
    this.#divisions.collect(order);
    this.#steps.collect(order);
    for (const n of order) {
      if (n.op === "relu") this.#members.set(n.layer, (this.#members.get(n.layer) ?? 0) + 1);
      if (n.op !== "lin") continue;
      for (const l of new Set(n.args.filter((a) => a.op === "relu").map((a) => a.layer))) this.#readers.set(l, (this.#readers.get(l) ?? 0) + 1);
    }
    for (const n of order) {
      this.int.layer = n.layer;
      try {
        const { made, drift } = n.op === "lin" ? this.#sum(n) : { made: this.#lower(n), drift: undefined };
        this.account.enter(n, made, drift);
        // What nothing reads is dropped later, but never more than half of it: a model far too large is refused before it takes minutes.
        if (this.int.rows > 2 * this.#maxRows) throw new BudgetError("the number of rows", this.int.rows, this.#maxRows);
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
    return this.account.get(v);
  }

  #sum(n: Real): { made: Quantity; drift?: Drift } {
    const args = n.args.map((a) => {
      const x = this.account.exact(a);
      return this.q.width(x) > PRODUCT_BITS ? this.q.narrow(x, PRODUCT_BITS) : x;
    });
    return lowerSum(this.q, args, n.w, n.c, this.#options.weightBits, n.args.map((a) => this.#mean[a.id] as number));
  }

  #lower(n: Real): Quantity {
    const { q } = this;
    const args = n.args.map((a) => this.account.exact(a));
    const [a, b] = args as [Quantity, Quantity];
    switch (n.op) {
      case "input":
        return this.input(n.p[0] as number);
      case "lin":
        return this.#sum(n).made;
      case "mul":
        return lowerProduct(q, a, b, PRODUCT_BITS);
      case "relu":
        return this.#relu(n, a, this.#scaleFor(n) - (this.#spare.get(n.layer) ?? 0));
      case "ge0":
        return this.#sign(a);
      case "step":
        return this.#steps.lower(n, a);
      case "eq0":
        return { node: this.int.eqz(a.node), e: 0, err: 0 };
      case "max2":
        return this.#max2(a, b);
      case "maxn":
        return this.#maxn(n, args);
      case "gap":
        return this.#gap(n);
      case "fn":
        return this.#function(n, a);
      case "div":
        return this.#divisions.quotient(n, args, Number.isFinite(this.#scaleFor(n)) ? this.#scaleFor(n) - 2 : -this.#options.activationBits, this.#options.outputBits || 2 * this.#options.activationBits);
      case "floordiv":
        return n.p.length > 0 ? this.#divisions.floor(a, n.p[0] as number) : this.#divisions.floorRatio(n, args);
      case "bitwise":
        return lowerBitwise(q, n.fn, a, n.args.length > 1 ? b : BigInt(n.p[0] as number));
      case "seam":
        return this.#seam(n, a);
      case "bound":
        return this.#bound(n, this.get(n.args[0]), n.args.slice(1).map((v) => this.get(v)));
    }
  }

  /** An input element with its range check. */
  input(index: number): Quantity {
    if (this.weights && index >= this.#inputs.length) return this.weights.read(index - this.#inputs.length);
    const box = this.#inputs[index] as InputScale;
    const node = this.int.input(index, box.lo, box.hi);
    this.q.guard(node, [this.int.bits(node, -box.lo, Math.max(1, bitLength(box.hi - box.lo)))]);
    return { node, e: box.e, err: box.err ?? (box.whole ? 0 : (box.slack ?? 0.5) * toReal(1n, box.e)) };
  }

  /** Scale on which a value of this node's typical size keeps `activationBits`. */
  #scaleFor(n: Real): number {
    const t = this.#typical[n.id] as number;
    return t > 0 && Number.isFinite(t) ? ceilLog2(t) - this.#options.activationBits : -Infinity;
  }

  #relu(n: Real, x: Quantity, e: number): Quantity {
    const { lo, hi } = this.q.at(x);
    const shift = Number.isFinite(e) ? Math.max(0, e - x.e) : 0;
    if (hi <= 0n) return { node: this.int.constant(0n), e: x.e, err: x.err };
    if (lo >= 0n) return x;
    if (shift === 0) return { node: this.int.relu(this.int.signed(x.node), 0), e: x.e, err: x.err };
    const half = this.int.lin([x.node], [1n], 1n << BigInt(shift - 1));
    const err = up(x.err + toReal(1n, x.e + shift - 1));
    const bits = this.int.signed(half);
    const clamped = this.#options.clamp ? this.#clamp(n, bits, shift, x.e + shift) : undefined;
    return { node: clamped ?? this.int.relu(bits, shift), e: x.e + shift, err };
  }

  /** Saturates at twice the typical size (6 rows) when the layer's readers save more than that. */
  #clamp(n: Real, bits: number, shift: number, e: number): number | undefined {
    const { int } = this;
    const width = int.at(bits).n[0] as number;
    const keep = ceilLog2((this.#typical[n.id] as number) * 2) - e;
    const saved = width - 1 - shift - keep;
    if (saved < 2 || keep < 1 || (this.#readers.get(n.layer) ?? 0) * saved < 8 * (this.#members.get(n.layer) ?? 1)) return undefined;
    const sign = int.bit(bits, width - 1);
    const high = Array.from({ length: saved }, (_, i) => int.bit(bits, shift + keep + i));
    const over = int.lin([int.mul(sign, int.lin(high, high.map(() => 1n)))], [1n]);
    const inside = int.eqz(over);
    this.saturations.push(int.lin([inside], [-1n], 1n));
    const top = (1n << BigInt(keep)) - 1n;
    const low = int.lin([int.mul(sign, int.field(bits, shift, shift + keep))], [1n], -top);
    return int.bound(int.lin([int.mul(inside, low)], [1n], top), "clamp", 0n, top, [bits]);
  }

  #sign(x: Quantity): Quantity {
    const { lo, hi } = this.q.at(x);
    if (lo >= 0n || hi < 0n) return { node: this.int.constant(lo >= 0n ? 1n : 0n), e: 0, err: 0 };
    const bits = this.int.signed(x.node);
    return { node: this.int.bit(bits, (this.int.at(bits).n[0] as number) - 1), e: 0, err: 0 };
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

  #maxn(n: Real, args: readonly Quantity[]): Quantity {
    const { int, q } = this;
    const e = Math.min(...args.map((a) => a.e));
    const nodes = args.map((a) => q.align(a, e).node);
    const all = nodes.map((a) => int.at(a));
    const lo = all.reduce((m, a) => (a.lo > m ? a.lo : m), all[0]?.lo ?? 0n);
    const hi = all.reduce((m, a) => (a.hi > m ? a.hi : m), all[0]?.hi ?? 0n);
    const top = int.hint("max", nodes, lo, hi);
    const differences = nodes.map((a) => int.bound(int.lin([top, a], [1n, -1n]), "below-max", 0n, hi - int.at(a).lo, [top]));
    q.guard(top, [...differences.map((d) => q.rangeCheck(d)), int.zero(differences)]);
    const err = Math.max(...args.map((a) => a.err));
    n.args.forEach((a, i) => {
      const own = args[i] as Quantity;
      this.#gaps.set(`${n.id}:${a.id}`, { node: differences[i] as number, e, err: up(err + own.err) });
    });
    return { node: top, e, err };
  }

  #gap(n: Real): Quantity {
    const [top, a] = n.args as [Real, Real];
    return this.#gaps.get(`${top.id}:${a.id}`) as Quantity;
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
    const { from, to } = functionSpec(n.fn);
    const inside = (v: Quantity): Quantity => this.pieces.lower(n.fn, v, typical);
    const upper = (v: Quantity): Quantity => (to < Infinity ? this.#within(flipped(this.int, v), -scaleRound(to, x.e), (w) => inside(flipped(this.int, w))) : inside(v));
    return from > -Infinity ? this.#within(x, scaleRound(from, x.e), upper) : upper(x);
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

  /** Rounds to the usual precision where that removes more than a few bits. */
  #seam(n: Real, x: Quantity): Quantity {
    const shift = this.#scaleFor(n) - x.e;
    return Number.isFinite(shift) && shift > 4 ? this.q.cut(x, shift) : x;
  }

  #bound(n: Real, x: Quantity, because: readonly Quantity[]): Quantity {
    const [lo, hi] = n.p as [number, number];
    if (n.fn === "sure") return this.#certainty.sure(this.#layers[n.layer]?.node ?? "", x, because);
    if (n.fn === "apart") return this.#certainty.apart(this.#layers[n.layer]?.node ?? "", x, because);
    if (n.fn === "side") return this.#certainty.side(this.#layers[n.layer]?.node ?? "", x, because[0] as Quantity, lo);
    if (n.fn === "defined") {
      this.violations.push((because[0] as Quantity).node);
      return { ...x, err: 0 };
    }
    return bounded(this.q, n.fn, { lo, hi }, x, because, this.#options.pieceBits);
  }
}
