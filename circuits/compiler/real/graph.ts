import { BudgetError } from "../errors.ts";
import { cosine, keptFromZero, normalisedLimit, normsIn } from "./variance.ts";

/**
 * The model over the reals, one node per scalar. Layout operators leave no trace here (they only move references), linear
 * operators become one `lin` node per output element, and everything else is one of a handful of primitives. Nodes are hash-consed,
 * so common subexpressions are one node from the start; constants never become nodes.
 */
export type RealOp = "input" | "lin" | "mul" | "relu" | "ge0" | "eq0" | "max2" | "maxn" | "fn" | "div" | "floordiv" | "bound" | "seam" | "step" | "gap" | "bitwise";

export interface Real {
  readonly id: number;
  readonly op: RealOp;
  readonly args: Real[];
  /** Coefficients of a `lin`, in the order of `args`. */
  readonly w: number[];
  /** Constant of a `lin`. */
  readonly c: number;
  /** Name of a function, or the rule of a bound. */
  readonly fn: string;
  /** Parameters: index of an input, bounds, rank. */
  readonly p: number[];
  /** Index into `layers`: the ONNX node this came from. */
  readonly layer: number;
  /** True when the value is an integer for every admissible input (indices, flags, integer tensors). */
  readonly whole: boolean;
}

export type Val = number | Real;

export type BitOperation = "and" | "or" | "xor";

export function bitwiseValue(fn: string, a: number, b: number): number {
  const [x, y] = [BigInt(Math.round(a)), BigInt(Math.round(b))];
  return Number(fn === "and" ? x & y : fn === "or" ? x | y : x ^ y);
}

export const isConst = (v: Val): v is number => typeof v === "number";

/** Larger graphs do not fit the memory: they are refused before they fill it. */
const MAX_TERMS = 60_000_000;

/** Longer sums than this are not looked up: equal ones are rare and the key would be long. */
const CSE_TERMS = 256;

/** Nodes that are 0 or 1. */
export const FLAGS: ReadonlySet<string> = new Set(["ge0", "step", "eq0"]);

const view = new DataView(new ArrayBuffer(8));

/** The next double above. */
function following(v: number): number {
  if (v === 0) return Number.MIN_VALUE;
  view.setFloat64(0, v);
  view.setBigInt64(0, view.getBigInt64(0) + (v > 0 ? 1n : -1n));
  return view.getFloat64(0);
}

/** Constants that close a place: as additions or as choices they stand for minus infinity, and no other number must be folded into them. */
export const MASK = -1e4;
const HUGE = 1e30;

/** Below this a lower limit of a norm is no part of what the model means. */
const SAFETY = 1e-6;

export class RealGraph {
  readonly nodes: Real[] = [];
  readonly layers: { operator: string; node: string }[] = [];
  layer = 0;
  /** Inputs whose box is 0 to 1 and whole: as good as flags. */
  readonly binary = new Set<Real>();
  readonly #known = new Map<string, Real>();
  #terms = 0;

  at(operator: string, node: string): void {
    this.layer = this.layers.push({ operator, node }) - 1;
  }

  #node(op: RealOp, args: Real[], more: Partial<Omit<Real, "id" | "op" | "args" | "layer">> = {}): Real {
    const { w = [], c = 0, fn = "", p = [], whole = false } = more;
    const key = args.length <= CSE_TERMS ? `${op}|${fn}|${c}|${p.join()}|${args.map((a) => a.id).join()}|${w.join()}` : "";
    const known = key ? this.#known.get(key) : undefined;
    if (known) return known;
    this.#terms += args.length;
    if (this.#terms > MAX_TERMS) throw new BudgetError("the number of terms", this.#terms, MAX_TERMS);
    const node: Real = { id: this.nodes.length, op, args, w, c, fn, p, layer: this.layer, whole };
    this.nodes.push(node);
    if (key) this.#known.set(key, node);
    return node;
  }

  input(index: number, whole: boolean): Real {
    return this.#node("input", [], { p: [index], whole });
  }

  /** sum w_i v_i + c. Constants fold, equal references merge, single-term sums inside are dissolved. */
  lin(values: readonly Val[], weights: readonly number[], constant = 0): Val {
    const sum = new Map<Real, number>();
    let c = constant;
    for (let i = 0; i < values.length; i++) {
      const v = values[i] as Val;
      const k = weights[i] as number;
      if (k === 0) continue;
      if (isConst(v)) c += v * k;
      else if (v.op === "lin" && v.args.length === 1 && Math.abs(v.c) < HUGE) {
        const inner = v.args[0] as Real;
        sum.set(inner, (sum.get(inner) ?? 0) + k * (v.w[0] as number));
        c += k * v.c;
      } else sum.set(v, (sum.get(v) ?? 0) + k);
    }
    const [only] = sum;
    // A shifted count of flags stays a count of flags: equalities with it are conjunctions.
    if (sum.size === 1 && only && only[0].op === "lin" && only[0].args.every((v) => FLAGS.has(v.op))) {
      const [inner, k] = only;
      return this.lin(inner.args, inner.w.map((w) => w * k), c + k * inner.c);
    }
    const args: Real[] = [];
    const w: number[] = [];
    for (const [v, k] of sum) {
      if (k === 0) continue;
      args.push(v);
      w.push(k);
    }
    if (args.length === 0) return c;
    if (args.length === 1 && w[0] === 1 && c === 0) return args[0] as Real;
    const whole = Number.isInteger(c) && args.every((a, i) => a.whole && Number.isInteger(w[i]));
    return this.#node("lin", args, { w, c, whole });
  }

  add(a: Val, b: Val): Val {
    return this.lin([a, b], [1, 1]);
  }

  sub(a: Val, b: Val): Val {
    return this.lin([a, b], [1, -1]);
  }

  mul(a: Val, b: Val): Val {
    if (isConst(a)) return isConst(b) ? a * b : this.lin([b], [a]);
    if (isConst(b)) return this.lin([a], [b]);
    const [x, y] = a.id <= b.id ? [a, b] : [b, a];
    const product = this.#node("mul", [x, y], { whole: a.whole && b.whole });
    for (const [d, root] of [[x, y], [y, x]] as const) {
      const limit = root.op === "fn" && root.fn === "rsqrt" ? normalisedLimit(d, root.args[0] as Real) : undefined;
      if (limit !== undefined) return this.bound(product, "cauchy", -limit, limit, [root.args[0] as Real, root, d]);
    }
    return product;
  }

  relu(a: Val): Val {
    if (isConst(a)) return Math.max(0, a);
    if (a.op === "relu") return a;
    return this.#node("relu", [a], { whole: a.whole });
  }

  /** True for values that are 0 or 1 whatever the input, one less such a value included. */
  isFlag(v: Val): boolean {
    if (isConst(v)) return v === 0 || v === 1;
    if (v.op === "lin" && v.args.length === 1) {
      return ((v.w[0] === -1 && v.c === 1) || (v.w[0] === 1 && v.c === 0)) && this.isFlag(v.args[0] as Real);
    }
    return FLAGS.has(v.op) || this.binary.has(v) || (v.op === "mul" && v.args.every((a) => this.isFlag(a)));
  }

  /** 1 when a >= 0, else 0. */
  ge0(a: Val): Val {
    if (isConst(a)) return Number(a >= 0);
    // A comparison with a constant shares the thermometer of its value: x >= t, or x <= t as not (x >= what follows t).
    const x = a.op === "lin" && a.args.length === 1 && Math.abs(a.w[0] as number) === 1 ? (a.args[0] as Real) : undefined;
    if (x && !FLAGS.has(x.op)) {
      if (a.w[0] === 1) return this.step(x, -a.c);
      return this.lin([this.step(x, following(a.c))], [-1], 1);
    }
    return this.#node("ge0", [a], { whole: true });
  }

  /** 1 when a >= threshold, else 0. Steps of one value share a thermometer. */
  step(a: Val, threshold: number): Val {
    return isConst(a) ? Number(a >= threshold) : this.#node("step", [a], { p: [threshold], whole: true });
  }

  /** c ? a : b for a flag c: the interval is the hull of both sides, which arithmetic alone would not see. */
  select(c: Val, a: Val, b: Val): Val {
    if (isConst(c)) return c ? a : b;
    if (a === b) return a;
    const out = this.add(b, this.mul(c, this.sub(a, b)));
    if (isConst(a) && isConst(b) && Math.min(a, b) > MASK) return out;
    const because = [c, a, b].filter((v): v is Real => !isConst(v));
    return this.bound(out, "select", isConst(a) ? a : NaN, isConst(b) ? b : NaN, because);
  }

  eq0(a: Val): Val {
    if (isConst(a)) return Number(a === 0);
    // A sum of flags that cannot come to zero: a path of a tree that contradicts itself.
    if (a.op === "lin" && a.args.every((v) => FLAGS.has(v.op))) {
      const [lo, hi] = [Math.min, Math.max].map((f) => a.w.reduce((s, k) => s + f(0, k), a.c)) as [number, number];
      if (lo > 0 || hi < 0) return 0;
    }
    return this.#node("eq0", [a], { whole: true });
  }

  max(a: Val, b: Val): Val {
    if (isConst(a) && isConst(b)) return Math.max(a, b);
    if (a === b || b === -Infinity) return a;
    if (a === -Infinity) return b;
    for (const [v, c] of [[a, b], [b, a]] as const) {
      const kept = isConst(c) && !isConst(v) && c > 0 && c <= SAFETY ? keptFromZero(this, v, c) : undefined;
      if (kept) return kept;
    }
    // max(v, constant): the constant's side is a plain ReLU.
    if (isConst(a)) return this.lin([this.relu(this.lin([b], [1], -a))], [1], a);
    if (isConst(b)) return this.lin([this.relu(this.lin([a], [1], -b))], [1], b);
    return this.#node("max2", [a, b], { whole: a.whole && b.whole });
  }

  min(a: Val, b: Val): Val {
    return this.mul(-1, this.max(this.mul(-1, a), this.mul(-1, b)));
  }

  clip(a: Val, lo: number, hi: number): Val {
    if (isConst(a)) return Math.min(hi, Math.max(lo, a));
    if (lo === -Infinity && hi === Infinity) return a;
    if (lo === -Infinity) return this.min(a, hi);
    if (hi === Infinity) return this.max(a, lo);
    const low = this.relu(this.lin([a], [1], -lo));
    const high = this.relu(this.lin([a], [1], -hi));
    return this.bound(this.lin([low, high], [1, -1], lo), "clip", lo, hi, []);
  }

  /** Maximum of many at once: every difference m - x_j is range-checked, which is what Softmax needs anyway. */
  maxn(values: readonly Val[]): Val {
    const refs = values.filter((v): v is Real => !isConst(v));
    if (refs.length < values.length || refs.length < 2) return values.reduce((a, b) => this.max(a, b));
    return this.#node("maxn", refs, { whole: refs.every((r) => r.whole) });
  }

  /** top - a for a maximum `top` that a took part in: never negative, and its digits are shared with the maximum's own check. */
  gap(top: Val, a: Val): Val {
    if (isConst(top) || isConst(a) || top.op !== "maxn" || !top.args.includes(a)) return this.relu(this.sub(top, a));
    return this.#node("gap", [top, a]);
  }

  fn(name: string, a: Real): Real {
    return this.#node("fn", [a], { fn: name });
  }

  /** a / b for b > 0 everywhere; a constant numerator stands in `c`. */
  div(a: Val, b: Val): Val {
    if (isConst(b)) return this.mul(a, 1 / b);
    const norms = normsIn(this, b, SAFETY);
    const made = norms && cosine(this, a, norms);
    if (made !== undefined) return made;
    // A quotient by a root is a product with the inverse root: cheaper, and its bounds are known.
    if (b.op === "fn" && b.fn === "sqrt") return this.mul(a, this.fn("rsqrt", b.args[0] as Real));
    if (isConst(a)) return a === 0 ? 0 : this.#node("div", [b], { c: a });
    return this.#node("div", [a, b]);
  }

  /** floor(a / n) for a positive constant n. */
  floordiv(a: Val, n: number): Val {
    return isConst(a) ? Math.floor(a / n) : this.#node("floordiv", [a], { p: [n], whole: true });
  }

  /** Bit by bit on two's complement digits of whole numbers; `fn` names the operation. */
  bitwise(fn: BitOperation, a: Val, b: Val): Val {
    if (isConst(a) && isConst(b)) return bitwiseValue(fn, a, b);
    if (isConst(a)) return this.bitwise(fn, b, a);
    return this.#node("bitwise", isConst(b) ? [a] : [a, b], { fn, p: isConst(b) ? [b] : [], whole: true });
  }

  /** floor(a / b) for a b that the data decides; 0, and a violation, where b is 0. */
  ratio(a: Val, b: Real): Val {
    if (a === 0) return 0;
    return this.#node("floordiv", isConst(a) ? [b] : [a, b], { c: isConst(a) ? a : 0, whole: true });
  }

  /** The same value; a good place to round to the usual precision, because products follow. */
  seam(a: Val): Val {
    return isConst(a) || a.op === "input" || a.whole ? a : this.#node("seam", [a]);
  }

  /**
   * The same value as a node of its own, which no sum dissolves: a value and the maximum that it took part in are compared exactly, so both
   * readers must see one rounding of its factor and its constant.
   */
  kept(a: Val): Val {
    if (isConst(a) || a.op !== "lin" || a.args.length > 1 || (a.c === 0 && Math.abs(a.w[0] as number) === 1)) return a;
    return this.bound(a, "kept", -Infinity, Infinity, []);
  }

  /** The same value with a tighter interval than arithmetic finds, and the rule that justifies it. */
  bound(a: Val, rule: string, lo: number, hi: number, because: readonly Real[]): Val {
    return isConst(a) ? a : this.#node("bound", [a, ...because], { fn: rule, p: [lo, hi], whole: a.whole });
  }
}
