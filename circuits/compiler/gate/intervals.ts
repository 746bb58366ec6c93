import { same, type Linear, type System } from "./system.ts";

export interface Interval {
  readonly lo: bigint;
  readonly hi: bigint;
}

/** Integer intervals of wires, derived from rows alone: booleans, sums with one unknown, products. */
export class Intervals {
  readonly #of = new Map<number, Interval>();
  readonly #limit: bigint;

  constructor(prime: bigint) {
    this.#limit = prime >> 1n;
  }

  get(wire: number): Interval | undefined {
    return this.#of.get(wire);
  }

  /** Range of a form, or undefined if a wire has none. `except` is left out. */
  range(f: Linear, except = -1): Interval | undefined {
    let [lo, hi] = [f.c, f.c];
    for (const [wire, k] of f.terms) {
      if (wire === except) continue;
      const v = this.#of.get(wire);
      if (!v) return undefined;
      lo += k > 0n ? k * v.lo : k * v.hi;
      hi += k > 0n ? k * v.hi : k * v.lo;
    }
    return { lo, hi };
  }

  product(a: Linear, b: Linear): Interval | undefined {
    const x = this.range(a);
    const y = this.range(b);
    if (!x || !y) return undefined;
    const corners = [x.lo * y.lo, x.lo * y.hi, x.hi * y.lo, x.hi * y.hi];
    const lo = corners.reduce((p, q) => (q < p ? q : p));
    const hi = corners.reduce((p, q) => (q > p ? q : p));
    // A square is never negative.
    return same(a, b) && lo < 0n ? { lo: 0n, hi } : { lo, hi };
  }

  set(wire: number, v: Interval): boolean {
    const size = -v.lo > v.hi ? -v.lo : v.hi;
    // Beyond half of the field a wire is not the integer that its row seems to say.
    if (size >= this.#limit || this.#of.has(wire)) return false;
    this.#of.set(wire, v);
    return true;
  }
}

/** The tightest interval that any single row gives a wire. */
export function refined(s: System, intervals: Intervals, wire: number): Interval | undefined {
  let best = intervals.get(wire);
  for (const { form } of s.linear) {
    const k = form.terms.get(wire);
    const rest = k === 1n || k === -1n ? intervals.range(form, wire) : undefined;
    if (!rest || !best) continue;
    const [lo, hi] = k === 1n ? [-rest.hi, -rest.lo] : [rest.lo, rest.hi];
    best = { lo: lo > best.lo ? lo : best.lo, hi: hi < best.hi ? hi : best.hi };
  }
  return best;
}

/** Derives what can be derived. Every wire of every row is looked at again only when one of its neighbours became known. */
export function deriveIntervals(s: System): Intervals {
  const intervals = new Intervals(s.prime);
  for (const b of s.booleans) intervals.set(b, { lo: 0n, hi: 1n });
  // Over a field x is zero or has an inverse: out is 1 or 0 whatever x is.
  for (const z of s.zeros) intervals.set(z.out, { lo: 0n, hi: 1n });
  for (const h of s.oneHots) for (const w of h.selectors) intervals.set(w, { lo: 0n, hi: 1n });
  // A row is worth looking at when at most one of its wires has no interval.
  const steps: { open: number; readonly solve: () => number | undefined }[] = [];
  const rowsOf = new Map<number, number[]>();
  const queue: number[] = [];
  const watch = (wires: ReadonlySet<number>, solve: () => number | undefined): void => {
    const step = { open: 0, solve };
    for (const w of wires) {
      if (intervals.get(w)) continue;
      step.open += 1;
      const list = rowsOf.get(w);
      if (list) list.push(steps.length);
      else rowsOf.set(w, [steps.length]);
    }
    if (step.open <= 1) queue.push(steps.length);
    steps.push(step);
  };
  for (const { form } of s.linear) watch(new Set(form.terms.keys()), () => solveLinear(form, intervals));
  for (const p of s.products) {
    watch(new Set([...p.a.terms.keys(), ...p.b.terms.keys(), ...p.c.terms.keys()]), () => {
      const value = intervals.product(p.a, p.b);
      return value ? single(p.c, value, intervals) : undefined;
    });
  }
  for (let at = 0; at < queue.length; at++) {
    const wire = (steps[queue[at] as number] as (typeof steps)[number]).solve();
    if (wire === undefined) continue;
    for (const row of rowsOf.get(wire) ?? []) {
      const step = steps[row] as (typeof steps)[number];
      step.open -= 1;
      if (step.open <= 1) queue.push(row);
    }
  }
  return intervals;
}

/** sum = 0 with one wire of unknown interval whose coefficient is 1 or -1. */
function solveLinear(form: Linear, intervals: Intervals): number | undefined {
  let unknown = -1;
  for (const wire of form.terms.keys()) {
    if (intervals.get(wire)) continue;
    if (unknown !== -1) return undefined;
    unknown = wire;
  }
  if (unknown === -1) return undefined;
  const k = form.terms.get(unknown) as bigint;
  const rest = intervals.range(form, unknown);
  if (!rest || (k !== 1n && k !== -1n)) return undefined;
  const value = k === 1n ? { lo: -rest.hi, hi: -rest.lo } : rest;
  return intervals.set(unknown, value) ? unknown : undefined;
}

/** product = c, where c is one wire plus what is known. */
function single(c: Linear, value: Interval, intervals: Intervals): number | undefined {
  const form: Linear = c;
  let unknown = -1;
  for (const wire of form.terms.keys()) {
    if (intervals.get(wire)) continue;
    if (unknown !== -1) return undefined;
    unknown = wire;
  }
  if (unknown === -1) return undefined;
  const k = form.terms.get(unknown) as bigint;
  const rest = intervals.range(form, unknown);
  if (!rest || (k !== 1n && k !== -1n)) return undefined;
  const [lo, hi] = [value.lo - rest.hi, value.hi - rest.lo];
  return intervals.set(unknown, k === 1n ? { lo, hi } : { lo: -hi, hi: -lo }) ? unknown : undefined;
}
