import { functionSpec } from "../real/functions.ts";
import type { Real } from "../real/graph.ts";

/** An argument as an error analysis sees it: where the integer program's value lies, and how far the real one may be from it. */
export interface Operand {
  readonly lo: number;
  readonly hi: number;
  readonly err: number;
}

/**
 * What a step makes of errors that its arguments have: |error| <= sum slopes_i |error_i| + extra, or the largest of them where `largest`
 * says so. Its own rounding comes on top. The integer program's value lies in [lo, hi] and the real one within err of that, so a slope is
 * taken over [lo - err, hi + err].
 */
export interface Transfer {
  readonly slopes: readonly number[];
  readonly extra: number;
  readonly largest?: boolean;
  /** No error is larger than this, whatever its arguments' are: both values lie in a known interval. */
  readonly cap?: number;
}

/** What a step adds to the error by itself. */
export type OwnError = (n: Real) => number;

const size = (v: Operand): number => Math.max(Math.abs(v.lo), Math.abs(v.hi));
/** Steepest slope of the functions that follow the ramp max(0, x): GELU's, near 1.4. */
const RAMP_SLOPE = 1.13;

/** A product of bounds in which nothing times infinity is nothing. */
const times = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);

const jump = (happens: boolean): Transfer => ({ slopes: [], extra: happens ? 1 : 0 });

/**
 * Rules whose own error is the whole one. A class or a place that is reported as certain is the real model's, and where it is not the status
 * byte says so; sorting moves no value by more than the largest error of what it sorts.
 */
export const WHOLE: ReadonlySet<string> = new Set(["sure", "apart", "side", "sorted"]);

/** @param own Reads the roundings inside of a selection, see `selection`. */
export function transfer(n: Real, args: readonly Operand[], own: OwnError): Transfer {
  const [a, b] = args as [Operand, Operand];
  const exact = args.every((v) => v.err === 0);
  switch (n.op) {
    case "input":
      return { slopes: [], extra: 0 };
    case "lin":
      return { slopes: n.w.map(Math.abs), extra: 0 };
    case "mul":
      return { slopes: [size(b), size(a)], extra: times(a.err, b.err) };
    case "relu":
      return { slopes: [a.hi + a.err <= 0 ? 0 : 1], extra: 0 };
    case "ge0":
      return jump(a.err > 0 && a.lo <= a.err && a.hi >= -a.err);
    case "step":
      return jump(a.err > 0 && a.lo - a.err < (n.p[0] as number) && a.hi + a.err >= (n.p[0] as number));
    case "eq0":
      return jump(a.err > 0);
    case "max2":
    case "maxn":
      return { slopes: args.map(() => 1), extra: 0, largest: true };
    case "gap":
      return { slopes: [1, 1], extra: 0 };
    case "seam":
      return { slopes: [1], extra: 0 };
    case "bound":
      if (WHOLE.has(n.fn)) return { slopes: [], extra: 0 };
      if (n.fn === "select") return selection(n, args, own) ?? { slopes: [1], extra: 0 };
      return { slopes: [1], extra: 0, ...(n.fn === "cauchy" ? { cap: size(a) + Math.max(...n.p.map(Math.abs)) } : {}) };
    case "fn":
      return a.err === 0 ? { slopes: [0], extra: 0 } : ofFunction(n, a);
    case "div":
      return exact ? { slopes: args.map(() => 0), extra: 0 } : ofQuotient(n, args);
    case "floordiv":
      if (exact) return { slopes: [], extra: 0 };
      return n.p.length > 0 ? { slopes: [1 / (n.p[0] as number)], extra: 1 } : { slopes: [], extra: Infinity };
    case "bitwise":
      return { slopes: [], extra: exact ? 0 : Infinity };
  }
}

function ofFunction(n: Real, a: Operand): Transfer {
  const spec = functionSpec(n.fn);
  // A function that settles moves by no more than from one limit to the other.
  const cap = spec.shape === "odd" ? { cap: 2 * Math.abs(spec.tail) } : {};
  const lo = Math.max(a.lo - a.err, Math.min(a.lo, floorOf(n.args[0])));
  const hi = a.hi + a.err;
  if (spec.ramp) return { slopes: [RAMP_SLOPE], extra: 0 };
  // |sqrt a - sqrt b| <= sqrt |a - b| as well.
  if (n.fn === "sqrt") return steeper(lo > 0 ? 0.5 / Math.sqrt(lo) : Infinity, Math.sqrt(a.err), a.err);
  if (n.fn === "expneg") return { slopes: [Math.exp(-Math.max(0, lo))], extra: 0, cap: 1 };
  // Beyond the end of the domain, or with a pole of the tangent in between, there is no slope.
  const pole = n.fn === "tan" && Math.floor(lo / Math.PI + 0.5) !== Math.floor(hi / Math.PI + 0.5);
  if (lo <= spec.above || pole) return { slopes: [], extra: Infinity };
  const top = n.fn === "rsqrt" ? { cap: 1 / Math.sqrt(lo) } : cap;
  return { ...steeper(spec.slope(lo, hi), spec.change(a.err), a.err), ...top };
}

/** What the real value is never below: the constant behind a sum of squares, the largest term of a softmax. */
function floorOf(n: Real | undefined): number {
  if (n?.op === "bound" && n.fn === "softmax") return n.p[0] as number;
  const squares = n?.op === "lin" && n.args.every((a, i) => (n.w[i] as number) > 0 && a.op === "mul" && a.args[0] === a.args[1]);
  return squares ? n.c : -Infinity;
}

/**
 * c ? a : b, written as b + c (a - b). With a flag c that is right, the error is that of the side which was chosen and not of both: the larger
 * of the two, plus what the steps between them and the result round. Undefined where the flag may be wrong, or the steps are others.
 */
function selection(n: Real, args: readonly Operand[], own: OwnError): Transfer | undefined {
  const sides = new Set(n.args.slice(1));
  if (args[1]?.err !== 0) return undefined;
  const rounding = (r: Real): number => {
    if (sides.has(r)) return 0;
    if (r.op === "lin") return r.args.reduce((sum, a, i) => sum + times(Math.abs(r.w[i] as number), rounding(a)), own(r));
    // The flag is a factor of at most one.
    if (r.op === "mul" && r.args.includes(n.args[1] as Real)) return r.args.reduce((sum, a) => sum + rounding(a), own(r));
    return Infinity;
  };
  const extra = rounding(n.args[0] as Real);
  if (!Number.isFinite(extra)) return undefined;
  return { slopes: n.args.map((_, i) => (i < 2 ? 0 : 1)), extra, largest: true };
}

/** By the slope, or by what the function can move at most, whichever says more. */
function steeper(slope: number, moved: number, err: number): Transfer {
  return slope * err <= moved ? { slopes: [slope], extra: 0 } : { slopes: [], extra: moved };
}

/** a/b off by |da| / |b| + |a| |db| / (|b| |b + db|), where b is the integer program's and b + db the real one. */
function ofQuotient(n: Real, args: readonly Operand[]): Transfer {
  const b = args[args.length - 1] as Operand;
  const least = b.lo > 0 ? b.lo : b.hi < 0 ? -b.hi : 0;
  const spare = Math.max(least - b.err, b.lo > 0 ? Math.min(b.lo, floorOf(n.args[args.length - 1])) : 0);
  if (spare <= 0) return { slopes: [], extra: Infinity };
  if (args.length === 1) return { slopes: [Math.abs(n.c) / (least * spare)], extra: 0 };
  return { slopes: [1 / spare, size(args[0] as Operand) / (least * spare)], extra: 0 };
}

/** The error bound of a step, its own rounding not included, when nothing is known of how its arguments' errors hang together. */
export function moved(args: readonly Operand[], { slopes, extra, largest, cap = Infinity }: Transfer): number {
  let sum = 0;
  for (let i = 0; i < slopes.length; i++) {
    const part = times(slopes[i] as number, (args[i] as Operand).err);
    sum = largest ? Math.max(sum, part) : sum + part;
  }
  return Math.min(cap, sum + extra);
}
