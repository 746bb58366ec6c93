import { cauchyHolds } from "./cauchy.ts";
import type { Node, PublishedGraph } from "./format.ts";

/** The node behind names: a bound is only another name. */
export function strip(g: PublishedGraph, id: number): number {
  const n = g.nodes[id] as Node;
  return n.op === "bound" ? strip(g, n.args[0] as number) : id;
}

/** A sum as a map from stripped nodes to weights, one level deep. */
export function terms(g: PublishedGraph, id: number): { of: Map<number, bigint>; c: bigint } {
  const n = g.nodes[strip(g, id)] as Node;
  if (n.op !== "lin") return { of: new Map([[strip(g, id), 1n]]), c: 0n };
  const of = new Map<number, bigint>();
  n.args.forEach((a, i) => of.set(strip(g, a), (of.get(strip(g, a)) ?? 0n) + (n.k[i] as bigint)));
  return { of, c: n.c };
}

/** Does the rule of a bound give the interval it claims? Pieces are enumerated elsewhere: here only their place is checked. */
export function boundHolds(g: PublishedGraph, n: Node): boolean {
  const at = (i: number): Node => g.nodes[n.args[i] as number] as Node;
  const x = at(0);
  // A claim is the intersection of what the rule gives and what arithmetic gave before.
  const inside = (lo: bigint, hi: bigint): boolean => n.lo <= (lo > x.lo ? lo : x.lo) && n.hi >= (hi < x.hi ? hi : x.hi);
  switch (n.rule) {
    case "max": {
      // b + relu(a - b)
      const [a, b] = [at(1), at(2)];
      const lo = a.lo > b.lo ? a.lo : b.lo;
      const hi = a.hi > b.hi ? a.hi : b.hi;
      return inside(lo, hi) && isMaximum(g, n);
    }
    case "below-max": {
      // m - x_j where m is the maximum of a list that holds x_j.
      const m = at(1);
      if (m.op !== "max") return false;
      const top = strip(g, n.args[1] as number);
      return m.args.some((j) => differs(g, n.args[0] as number, top, j)) && inside(0n, x.hi);
    }
    case "remainder":
      // The quotient is a floor by definition of the hint; what is left is below the divisor.
      return at(1).op === "div" && inside(0n, at(2).hi - 1n) && isRemainder(g, n);
    case "root":
      return (at(1).op === "isqrt" || at(1).op === "rsqrt") && inside(0n, rootLeftover(g, n));
    case "thermometer":
      return n.args.slice(1).every((a) => (g.nodes[a] as Node).op === "ge") && isGap(g, n);
    case "piece":
      return at(1).op === "bits" && n.n.length === 1;
    case "flip":
    case "fold":
    case "clamp":
    case "select": {
      const r = caseHull(g, n.args[0] as number);
      return r !== undefined && inside(r.lo, r.hi);
    }
    case "nonzero":
      return inside(1n, n.hi) && neverZero(g, n);
    case "cauchy":
      return cauchyHolds(g, n);
    // Rules below are weaker claims of the compiler that this program does not prove: it reports how often they are used.
    case "clip":
    case "softmax":
    case "index":
      return true;
    default:
      return false;
  }
}

export const UNPROVED_RULES = ["clip", "softmax", "index"];

/** v + [v = 0] for v >= 0, or |v| + [v = 0] written 2 max(v, 0) - v + [v = 0]: at least 1, and at most the larger end of v. */
function neverZero(g: PublishedGraph, n: Node): boolean {
  const zero = g.nodes[n.args[1] as number] as Node;
  if (zero.op !== "eqz") return false;
  const v = deep(g, zero.args[0] as number);
  const own = g.nodes[zero.args[0] as number] as Node;
  const flag = { of: new Map([[strip(g, n.args[1] as number), 1n]]), c: 0n };
  const rest = combination([[deep(g, n.args[0] as number), 1n], [flag, -1n]], 0n);
  if (same(rest, v)) return own.lo >= 0n && n.hi >= (own.hi > 1n ? own.hi : 1n);
  const ramp = [...rest.of].find(([id, k]) => k === 2n && (g.nodes[id] as Node).op === "relu");
  if (!ramp) return false;
  const relu = g.nodes[ramp[0]] as Node;
  const bits = g.nodes[relu.args[0] as number] as Node;
  const most = own.hi > -own.lo ? own.hi : -own.lo;
  return (
    relu.n[0] === 0 && bits.c === 1n << BigInt((bits.n[0] as number) - 1) && same(deep(g, bits.args[0] as number), v) &&
    same(combination([[rest, 1n], [{ of: new Map([[ramp[0], 2n]]), c: 0n }, -1n], [v, 1n]], 0n), { of: new Map(), c: 0n }) && n.hi >= most
  );
}

/** id = top - x_j */
function differs(g: PublishedGraph, id: number, top: number, j: number): boolean {
  const t = terms(g, id);
  const x = terms(g, j);
  if (t.of.get(top) !== 1n) return false;
  const rest = new Map(t.of);
  rest.delete(top);
  // x_j may itself be a scaled copy that was dissolved into the difference.
  if (rest.size === 1 && rest.get(strip(g, j)) === -1n && t.c === 0n) return true;
  return rest.size === x.of.size && t.c === -x.c && [...x.of].every(([w, k]) => rest.get(w) === -k);
}

function isMaximum(g: PublishedGraph, n: Node): boolean {
  const sum = deep(g, n.args[0] as number);
  const [a, b] = [deep(g, n.args[1] as number), deep(g, n.args[2] as number)];
  return [...sum.of].some(([id, k]) => {
    const ramp = g.nodes[id] as Node;
    if (k !== 1n || ramp.op !== "relu" || ramp.n[0] !== 0) return false;
    const bits = g.nodes[ramp.args[0] as number] as Node;
    if (bits.c !== 1n << BigInt((bits.n[0] as number) - 1)) return false;
    // sum - relu = b and difference = a - b, term by term.
    const difference = combination([[a, 1n], [b, -1n]], 0n);
    return same(combination([[sum, 1n], [{ of: new Map([[id, 1n]]), c: 0n }, -1n]], 0n), b) && same(deep(g, bits.args[0] as number), difference);
  });
}

/** A sum over what is not a sum itself. */
function deep(g: PublishedGraph, id: number, k = 1n, out: { of: Map<number, bigint>; c: bigint } = { of: new Map(), c: 0n }): { of: Map<number, bigint>; c: bigint } {
  const at = strip(g, id);
  const n = g.nodes[at] as Node;
  if (n.op === "lin") {
    out.c += k * n.c;
    n.args.forEach((a, i) => deep(g, a, k * (n.k[i] as bigint), out));
  } else out.of.set(at, (out.of.get(at) ?? 0n) + k);
  return out;
}

/** a - q b, or b - 1 - a + q b, with q = floor(a / b): found by putting both together and seeing that nothing is left. */
function isRemainder(g: PublishedGraph, n: Node): boolean {
  const hint = g.nodes[n.args[1] as number] as Node;
  const q = strip(g, n.args[1] as number);
  const [a, b, t] = [deep(g, hint.args[0] as number), deep(g, hint.args[1] as number), deep(g, n.args[0] as number)];
  const product = [...t.of.keys()].find((id) => {
    const p = g.nodes[id] as Node;
    return p.op === "mul" && p.args.some((v, i) => strip(g, v) === q && same(deep(g, p.args[1 - i] as number), b));
  });
  // A constant divisor makes the product a multiple of the quotient.
  const qb = product !== undefined ? { of: new Map([[product, 1n]]), c: 0n } : b.of.size === 0 ? { of: new Map([[q, b.c]]), c: 0n } : undefined;
  if (!qb) return false;
  const rest = combination([[a, 1n], [qb, -1n]], 0n);
  const room = combination([[b, 1n], [a, -1n], [qb, 1n]], -1n);
  return same(t, rest) || same(t, room);
}

function combination(parts: readonly (readonly [{ of: Map<number, bigint>; c: bigint }, bigint])[], c: bigint): { of: Map<number, bigint>; c: bigint } {
  const out = { of: new Map<number, bigint>(), c };
  for (const [s, k] of parts) {
    out.c += k * s.c;
    for (const [w, f] of s.of) out.of.set(w, (out.of.get(w) ?? 0n) + k * f);
  }
  return out;
}

function same(a: { of: Map<number, bigint>; c: bigint }, b: { of: Map<number, bigint>; c: bigint }): boolean {
  const difference = combination([[a, 1n], [b, -1n]], 0n);
  return difference.c === 0n && [...difference.of.values()].every((k) => k === 0n);
}

/** Leftovers of a root are within twice the root (times the radicand): the interval is generous, the identity is in the rows. */
function rootLeftover(g: PublishedGraph, n: Node): bigint {
  const hint = g.nodes[n.args[1] as number] as Node;
  const v = g.nodes[hint.args[0] as number] as Node;
  return hint.op === "isqrt" ? 2n * isqrtUp(v.hi) : (2n * hint.hi + 1n) * v.hi;
}

function isqrtUp(v: bigint): bigint {
  let x = 1n << BigInt((v.toString(2).length + 1) >> 1);
  while ((x - 1n) * (x - 1n) >= v && x > 0n) x = (x + v / x) >> 1n;
  return x;
}

/** Distance of a value to the threshold below (or above) it: below the widest gap between neighbouring thresholds. */
function isGap(g: PublishedGraph, n: Node): boolean {
  const flags = n.args.slice(1).map((a) => g.nodes[a] as Node);
  const x = g.nodes[flags[0]?.args[0] as number] as Node;
  const ordered = flags.every((f, i) => i === 0 || f.c > (flags[i - 1] as Node).c);
  const edges = [x.lo, ...flags.map((f) => f.c), x.hi + 1n];
  const t = terms(g, n.args[0] as number);
  const upward = t.of.get(strip(g, flags[0]?.args[0] as number)) === 1n;
  const weights = flags.every((_, i) => {
    const gap = upward ? -((edges[i + 1] as bigint) - (edges[i] as bigint)) : (edges[i + 2] as bigint) - (edges[i + 1] as bigint);
    return t.of.get(n.args[1 + i] as number) === gap;
  });
  const start = upward ? t.c === -x.lo : t.c === (edges[1] as bigint) - 1n;
  const widest = edges.slice(1).reduce((m, e, i) => (e - (edges[i] as bigint) > m ? e - (edges[i] as bigint) : m), 0n) - 1n;
  const own = g.nodes[n.args[0] as number] as Node;
  return ordered && weights && start && n.lo <= 0n && n.hi >= (widest < own.hi ? widest : own.hi);
}

type Affine = { of: Map<number, bigint>; c: bigint };

const isFlag = (n: Node): boolean => n.op === "bit" || n.op === "eqz" || n.op === "ge";

/**
 * Interval of a node that combines values by flags: for every setting of the flags the node is an affine form of what lies below, and the
 * hull over all settings is exact where plain interval arithmetic forgets that a flag is the same flag everywhere.
 */
function caseHull(g: PublishedGraph, id: number): { lo: bigint; hi: bigint } | undefined {
  const flags: number[] = [];
  const collect = (v: number, depth: number): void => {
    const n = g.nodes[v] as Node;
    if (isFlag(n)) {
      if (!flags.includes(v)) flags.push(v);
    } else if (depth < 12 && (n.op === "lin" || n.op === "mul")) {
      for (const a of n.args) collect(a, depth + 1);
    }
  };
  // Only flags that multiply something are worth a case; the others are ordinary values between 0 and 1.
  const multiply = (v: number, depth: number): void => {
    const n = g.nodes[v] as Node;
    if (depth > 12) return;
    if (n.op === "mul") for (const a of n.args) if (onlyFlags(g, a)) collect(a, 0);
    if (n.op === "mul" || n.op === "lin") for (const a of n.args) multiply(a, depth + 1);
  };
  multiply(id, 0);
  if (flags.length > 6) return undefined;
  let out: { lo: bigint; hi: bigint } | undefined;
  for (let s = 0; s < 1 << flags.length; s++) {
    const fixed = new Map(flags.map((f, i) => [f, BigInt((s >> i) & 1)] as const));
    const form = affine(g, id, fixed, 0);
    const r = weightedHull(g, form.of);
    const [lo, hi] = [r.lo + form.c, r.hi + form.c];
    out = out ? { lo: lo < out.lo ? lo : out.lo, hi: hi > out.hi ? hi : out.hi } : { lo, hi };
  }
  return out;
}

function onlyFlags(g: PublishedGraph, id: number): boolean {
  const n = g.nodes[id] as Node;
  return isFlag(n) || (n.op === "lin" && n.args.length > 0 && n.args.every((a) => onlyFlags(g, a)));
}

function affine(g: PublishedGraph, id: number, fixed: ReadonlyMap<number, bigint>, depth: number): Affine {
  const n = g.nodes[id] as Node;
  const known = fixed.get(id);
  if (known !== undefined) return { of: new Map(), c: known };
  const leaf = { of: new Map([[id, 1n]]), c: 0n };
  if (depth > 14) return leaf;
  if (n.op === "lin") {
    const of = new Map<number, bigint>();
    let c = n.c;
    n.args.forEach((a, i) => {
      const part = affine(g, a, fixed, depth + 1);
      const k = n.k[i] as bigint;
      c += k * part.c;
      for (const [w, f] of part.of) of.set(w, (of.get(w) ?? 0n) + k * f);
    });
    return { of, c };
  }
  if (n.op === "mul") {
    const [a, b] = n.args.map((v) => affine(g, v, fixed, depth + 1)) as [Affine, Affine];
    const [scale, form] = a.of.size === 0 ? [a.c, b] : [b.c, a];
    if (a.of.size > 0 && b.of.size > 0) return leaf;
    return { of: new Map([...form.of].map(([w, k]) => [w, k * scale])), c: form.c * scale };
  }
  return leaf;
}

function weightedHull(g: PublishedGraph, of: ReadonlyMap<number, bigint>): { lo: bigint; hi: bigint } {
  let [lo, hi] = [0n, 0n];
  for (const [w, k] of of) {
    const x = g.nodes[w] as Node;
    lo += k > 0n ? k * x.lo : k * x.hi;
    hi += k > 0n ? k * x.hi : k * x.lo;
  }
  return { lo, hi };
}
