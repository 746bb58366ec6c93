import { FLAGS, isConst, type Real, type RealGraph, type Val } from "./graph.ts";

/**
 * Values that are one of a few things, decided by flags: what Where, index arithmetic and tree traversals are made of. An operator that
 * is costly on an index or a choice is applied to each case instead, and the case is chosen afterwards: chasing indices through tables
 * becomes the decision tree that the tables were made from.
 */
interface Cases {
  readonly flag: Real;
  readonly yes: Val;
  readonly no: Val;
}

export const isFlag = (v: Val): boolean => !isConst(v) && FLAGS.has(v.op);

/** The parts of what `select` made: condition and both sides. */
function selection(v: Real): Cases | undefined {
  if (v.op !== "bound" || v.fn !== "select") return undefined;
  const [flag, ...sides] = v.args.slice(1);
  if (!flag) return undefined;
  const side = (p: number | undefined): Val => (Number.isNaN(p) ? (sides.shift() as Real) : (p as number));
  const yes = side(v.p[0]);
  return { flag, yes, no: side(v.p[1]) };
}

/** The flag that decides a value first, if one does. */
function decider(v: Val): Real | undefined {
  if (isConst(v)) return undefined;
  if (isFlag(v)) return v;
  const s = selection(v);
  if (s) return isFlag(s.flag) ? s.flag : decider(s.flag);
  if (v.op !== "lin") return undefined;
  for (const a of v.args) {
    const d = decider(a);
    if (d) return d;
  }
  return undefined;
}

/** The value where a flag is known. */
function restrict(r: RealGraph, v: Val, flag: Real, bit: number): Val {
  if (isConst(v)) return v;
  if (v === flag) return bit;
  const s = selection(v);
  if (s) {
    if (s.flag === flag) return restrict(r, bit ? s.yes : s.no, flag, bit);
    const [c, yes, no] = [s.flag, s.yes, s.no].map((p) => restrict(r, p, flag, bit)) as [Val, Val, Val];
    return c === s.flag && yes === s.yes && no === s.no ? v : r.select(c, yes, no);
  }
  if (v.op !== "lin") return v;
  const args = v.args.map((a) => restrict(r, a, flag, bit));
  return args.every((a, i) => a === v.args[i]) ? v : r.lin(args, v.w, v.c);
}

/** Is the value one of at most `limit` constants, chosen by flags? Returns how many, or undefined. */
export function caseCount(r: RealGraph, v: Val, limit: number): number | undefined {
  if (isConst(v)) return 1;
  const flag = decider(v);
  if (!flag) return undefined;
  const [yes, no] = [restrict(r, v, flag, 1), restrict(r, v, flag, 0)];
  const a = yes === v ? undefined : caseCount(r, yes, limit - 1);
  const b = a === undefined || no === v ? undefined : caseCount(r, no, limit - a);
  return a === undefined || b === undefined || a + b > limit ? undefined : a + b;
}

/** f of a value that is chosen among constants, case by case. */
export function perCase(r: RealGraph, v: Val, f: (constant: number) => Val): Val {
  if (isConst(v)) return f(v);
  const flag = decider(v) as Real;
  return r.select(flag, perCase(r, restrict(r, v, flag, 1), f), perCase(r, restrict(r, v, flag, 0), f));
}

/** Is this a choice (not a mere flag) whose condition a flag decides? */
const chosen = (v: Val): boolean => !isConst(v) && selection(v) !== undefined;

/**
 * f of several values where one of them is a choice: both sides of the choice are tried, in each of which the other values are what they
 * are there. Only where all values are choices by the same flag, or constants: otherwise the work would double for nothing.
 */
export function distributed(r: RealGraph, values: readonly Val[], f: (values: readonly Val[]) => Val): Val {
  const flag = values.map((v) => (chosen(v) ? decider(v) : undefined)).find((d) => d !== undefined);
  if (!flag) return f(values);
  const sides = [1, 0].map((bit) => values.map((v) => restrict(r, v, flag, bit))) as [Val[], Val[]];
  if (values.some((v, i) => !isConst(v) && v === sides[0][i])) return f(values);
  return r.select(flag, distributed(r, sides[0], f), distributed(r, sides[1], f));
}
