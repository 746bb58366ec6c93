import type { Real, RealGraph, Val } from "./graph.ts";

/** A sum of squares with weights above zero and a constant that is not negative, as normalisations put under a root. */
interface Squares {
  /** Weight of each squared node. */
  readonly of: ReadonlyMap<Real, number>;
}

const squared = (n: Real): Real | undefined => (n.op === "mul" && n.args[0] === n.args[1] ? n.args[0] : undefined);

/** Sums of sums of squares are looked through: a mean of squares is often a node of its own. */
export function squaresIn(v: Real, weight = 1, depth = 0): Squares | undefined {
  if (depth > 3) return undefined;
  const own = squared(v);
  if (own) return { of: new Map([[own, weight]]) };
  if (v.op !== "lin" || v.c < 0) return undefined;
  const of = new Map<Real, number>();
  for (const [i, a] of v.args.entries()) {
    const w = v.w[i] as number;
    const inner = w > 0 ? squaresIn(a, weight * w, depth + 1) : undefined;
    if (!inner) return undefined;
    for (const [r, k] of inner.of) of.set(r, (of.get(r) ?? 0) + k);
  }
  return { of };
}

/**
 * E[x^2] - E[x]^2 as the mean of (x - E[x])^2: the same number, but a sum of squares, which intervals know to be positive and which
 * loses nothing to cancellation.
 */
export function centred(r: RealGraph, v: Val): Val {
  if (typeof v === "number" || v.op !== "lin") return v;
  if (v.args.length === 1) {
    const inner = centred(r, v.args[0] as Real);
    return inner === v.args[0] ? v : r.lin([inner], [v.w[0] as number], v.c);
  }
  const at = v.args.findIndex((a, i) => v.w[i] === -1 && squared(a)?.op === "lin");
  const mean = at < 0 ? undefined : (squared(v.args[at] as Real) as Real);
  if (!mean || mean.c !== 0) return v;
  const rest = squaresIn({ ...v, args: v.args.filter((_, i) => i !== at), w: v.w.filter((_, i) => i !== at), c: 0 });
  const n = mean.args.length;
  const share = (w: number | undefined): boolean => w !== undefined && Math.abs(w * n - 1) < 1e-6;
  if (!rest || rest.of.size !== n || !mean.args.every((x, i) => share(mean.w[i]) && share(rest.of.get(x)))) return v;
  const squares = mean.args.map((x) => r.sub(x, mean)).map((d) => r.mul(d, d));
  return r.lin(squares, squares.map(() => 1 / n), v.c);
}

const known = new WeakMap<Real, Squares>();

/** The largest |a| / sqrt(v) can be when v holds w a^2: 1 / sqrt(w), by Cauchy and Schwarz, whatever the rest of v is. */
export function normalisedLimit(a: Real, v: Real): number | undefined {
  const squares = known.get(v) ?? squaresIn(v) ?? { of: new Map<Real, number>() };
  known.set(v, squares);
  const w = squares.of.get(a);
  return w === undefined ? undefined : 1 / Math.sqrt(w);
}

/** Is x one of the values that the maximum m was taken of? */
export function belongsTo(m: Real, x: Real, depth = 0): boolean {
  if (m === x) return true;
  return (m.op === "max2" || m.op === "maxn") && depth < 12 && m.args.some((a) => belongsTo(a, x, depth + 1));
}

const rootOf = (v: Real, name: string): Real | undefined => (v.op === "fn" && v.fn === name ? v.args[0] : undefined);

/**
 * The two sums of squares under a product of norms, written as one root of their product or as a product of two roots; a constant that only
 * keeps the product from zero goes into both.
 */
export function normsIn(r: RealGraph, b: Real, safety: number): readonly [Real, Real] | undefined {
  const under = rootOf(b, "sqrt");
  if (under === undefined) {
    const roots = b.op === "mul" ? b.args.map((a) => rootOf(a, "sqrt")) : [];
    return roots[0] && roots[1] && roots[0] !== roots[1] ? [roots[0], roots[1]] : undefined;
  }
  const guarded = under.op === "lin" && under.args.length === 1 && under.w[0] === 1 && under.c > 0 && under.c <= safety * safety;
  const product = guarded ? (under.args[0] as Real) : under;
  if (product.op !== "mul" || product.args[0] === product.args[1]) return undefined;
  const sums = product.args.map((a) => (guarded ? r.lin([a], [1], Math.sqrt(under.c)) : a)) as [Real, Real];
  return sums.every((s) => squaresIn(s)) ? sums : undefined;
}

/** max(|x|, c) and max(|x| |y|, c), with a c that only keeps a divisor from zero, as roots of what is never zero. */
export function keptFromZero(r: RealGraph, v: Real, c: number): Val | undefined {
  const under = rootOf(v, "sqrt");
  if (under) return r.fn("sqrt", r.lin([under], [1], c * c) as Real);
  const roots = v.op === "mul" ? v.args.map((a) => rootOf(a, "sqrt")) : [];
  if (!roots[0] || !roots[1]) return undefined;
  return r.mul(...(roots.map((s) => r.fn("sqrt", r.lin([s as Real], [1], c) as Real)) as [Real, Real]));
}

/** sum a_i b_i over the norms of a and b: each vector is brought to length 1 first, since what intervals know of the quotient is nothing. */
export function cosine(r: RealGraph, dot: Val, norms: readonly [Real, Real]): Val | undefined {
  if (typeof dot === "number") return undefined;
  const [p, q] = norms.map((v) => ({ squares: squaresIn(v)?.of, inverse: r.fn("rsqrt", v) })) as [{ squares?: ReadonlyMap<Real, number>; inverse: Real }, { squares?: ReadonlyMap<Real, number>; inverse: Real }];
  const sum = dot.op === "lin" ? dot : { args: [dot], w: [1], c: 0 };
  const pairs = sum.args.map((a) => {
    if (a.op !== "mul") return undefined;
    const [u, v] = a.args as [Real, Real];
    if (p.squares?.has(u) && q.squares?.has(v)) return [u, v] as const;
    return p.squares?.has(v) && q.squares?.has(u) ? ([v, u] as const) : undefined;
  });
  if (sum.c !== 0 || pairs.some((pair) => pair === undefined)) return undefined;
  return r.lin(pairs.map((pair) => r.mul(r.mul((pair as readonly [Real, Real])[0], p.inverse), r.mul((pair as readonly [Real, Real])[1], q.inverse))), sum.w);
}
