import { isConst, MASK, type Real, type RealGraph, type Val } from "../../real/graph.ts";

/**
 * A place of a softmax. Attention masks choose or add a number so large that the exponential is 0 in every float format; as a number it
 * would cost the scores all their precision, so the mask is taken apart again.
 */
export interface Place {
  /** 1 where the place counts, 0 where it is covered; a flag where the data decides. */
  readonly open: Val;
  /** The value without its mask. */
  readonly value: Val;
  /** What is left where every place is covered: an addition shifted all alike, a choice made all equal, infinity is no value. */
  readonly covered: "shifted" | "equal" | "infinite";
}

/** What a flag chooses between, where one side is covered. */
function choice(v: Real): { flag: Val; yes: Val; no: Val } | undefined {
  if (v.op !== "bound" || v.fn !== "select") return undefined;
  const [yes, no] = v.p as [number, number];
  const rest = v.args.slice(2);
  const side = (given: number): Val => (Number.isNaN(given) ? (rest.shift() as Real) : given);
  const [a, b] = [side(yes), side(no)];
  return { flag: v.args[1] as Real, yes: a, no: b };
}

const inverse = (r: RealGraph, flag: Val): Val => r.lin([flag], [-1], 1);

/** The flag that adds a covering number to a sum, and what the sum is without it. */
function addition(r: RealGraph, v: Real): { open: Val; value: Val; finite: boolean } | undefined {
  for (const [i, a] of v.args.entries()) {
    const w = v.w[i] as number;
    const without = (c: number): Val => r.lin(v.args.filter((_, k) => k !== i), v.w.filter((_, k) => k !== i), c);
    if (r.isFlag(a) && w <= MASK && v.c > MASK) return { open: inverse(r, a), value: without(v.c), finite: Number.isFinite(w) };
    if (r.isFlag(a) && w >= -MASK && v.c <= MASK) return { open: a, value: without(v.c + w), finite: true };
    const chosen = w > 0 ? choice(a) : undefined;
    for (const [cover, other, open] of chosen ? [[chosen.yes, chosen.no, inverse(r, chosen.flag)], [chosen.no, chosen.yes, chosen.flag]] as const : []) {
      if (!isConst(cover) || !isConst(other) || cover * w > MASK || other * w <= MASK) continue;
      return { open, value: without(v.c + other * w), finite: Number.isFinite(cover) };
    }
    // A flag that was scaled before it was added: (1 - mask) times the lowest number of a format.
    const single = w > 0 && a.op === "lin" && a.args.length === 1 ? addition(r, a) : undefined;
    if (single && isConst(single.value)) return { open: single.open, value: without(v.c + single.value * w), finite: single.finite };
  }
  return undefined;
}

export function placeOf(r: RealGraph, v: Val): Place {
  if (isConst(v)) return { open: v <= MASK ? 0 : 1, value: v, covered: "equal" };
  const chosen = choice(v);
  if (chosen) {
    const [yes, no] = [placeOf(r, chosen.yes), placeOf(r, chosen.no)];
    if (yes.open === 1 && no.open === 1) return { open: 1, value: v, covered: "equal" };
    const open = r.select(chosen.flag, yes.open, no.open);
    const value = yes.open === 0 ? no.value : no.open === 0 ? yes.value : r.select(chosen.flag, yes.value, no.value);
    const infinite = [chosen.yes, chosen.no, yes.covered, no.covered].some((c) => c === -Infinity || c === "infinite");
    return { open, value, covered: infinite ? "infinite" : "equal" };
  }
  if (v.op === "lin") {
    const added = addition(r, v);
    if (added) {
      const inner = placeOf(r, added.value);
      return { open: r.mul(added.open, inner.open), value: inner.value, covered: added.finite ? "shifted" : "infinite" };
    }
    // A constant addition covers; a sum that other terms of its own size can lift again does not.
    if (v.c <= MASK && v.w.every((w) => Math.abs(w) < Math.abs(v.c) / 100)) return { open: 0, value: v, covered: "shifted" };
  }
  return { open: 1, value: v, covered: "equal" };
}

/**
 * The values among which the maximum is taken, covered ones as low as the lowest, and what each part of the sum is multiplied by. Where all
 * are covered every part counts, so that the sum is at least 1; `none` is the flag of that case where floats have no value for it.
 */
export function uncovered(r: RealGraph, places: readonly Place[]): { values: Val[]; open: Val[]; none: Val } {
  if (places.every((p) => p.open === 1)) return { values: places.map((p) => p.value), open: places.map(() => 1), none: 0 };
  const free = places.some((p) => p.open === 1);
  const none = free ? 0 : places.map((p) => inverse(r, p.open)).reduce((a, b) => r.mul(a, b));
  const open = places.map((p) => r.add(p.open, none));
  const least = r.mul(-1, r.maxn(places.map((p) => r.mul(-1, p.value))));
  const values = places.map((p, i) => r.select(p.covered === "shifted" ? (open[i] as Val) : p.open, p.value, least));
  return { values, open, none: places.some((p) => p.covered === "infinite") ? none : 0 };
}
