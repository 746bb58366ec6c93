import { FLAGS, isConst, type Real, type RealGraph, type Val } from "./graph.ts";

/** Functions that are never negative. */
const POSITIVE: ReadonlySet<string> = new Set(["sigmoid", "exp", "expneg", "sqrt", "rsqrt", "softplus", "cosh"]);
/** Functions that stay at or below 1, so that 1 less their value is never negative. */
const AT_MOST_ONE: ReadonlySet<string> = new Set(["sigmoid", "expneg", "tanh", "erf"]);

const DEPTH = 6;

/** True where the shape of the expression alone says that the value is never negative. */
export function nonNegative(v: Val, depth = 0): boolean {
  if (isConst(v)) return v >= 0;
  if (v.op === "relu" || v.op === "gap" || FLAGS.has(v.op)) return true;
  if (depth > DEPTH) return false;
  const all = (): boolean => v.args.every((a) => nonNegative(a, depth + 1));
  switch (v.op) {
    case "fn":
      return POSITIVE.has(v.fn);
    case "mul":
      return v.args[0] === v.args[1] || all();
    case "div":
      return v.args.length === 1 ? v.c >= 0 && all() : all();
    case "max2":
    case "maxn":
      return v.args.some((a) => nonNegative(a, depth + 1));
    case "bound":
      return nonNegative(v.args[0] as Real, depth + 1);
    case "lin":
      return v.args.length === 1 && v.w[0] === -1 && v.c === 1 ? atMostOne(v.args[0] as Real) : v.c >= 0 && v.w.every((w) => w >= 0) && all();
    default:
      return false;
  }
}

const atMostOne = (v: Real): boolean => FLAGS.has(v.op) || (v.op === "fn" && AT_MOST_ONE.has(v.fn));

const unbound = (v: Real): Real => (v.op === "bound" ? unbound(v.args[0] as Real) : v);

/** True for the values of one Softmax, all of them: each is its part of their sum, so that they add up to 1. */
function shares(values: readonly Val[]): boolean {
  const parts = values.map((v) => (isConst(v) || v.op !== "mul" ? undefined : v.args));
  const [first] = parts;
  const inverse = first?.find((a) => a.op === "div" && a.args.length === 1 && a.c === 1);
  if (!inverse) return false;
  const sum = unbound(inverse.args[0] as Real);
  if (sum.op !== "lin" || sum.c !== 0 || sum.args.length !== values.length || sum.w.some((w) => w !== 1)) return false;
  const own = new Set(parts.map((p) => (p?.[0] === inverse ? p[1] : p?.[1] === inverse ? p[0] : undefined)));
  return own.size === values.length && sum.args.every((a) => own.has(a));
}

/** Sum of sizes: of the parts of a whole it is 1, whatever intervals say about each. */
export function sumOfSizes(r: RealGraph, values: readonly Val[], abs: (v: Val) => Val): Val {
  if (shares(values)) return 1;
  const sizes = values.map(abs);
  return r.lin(sizes, sizes.map(() => 1));
}
