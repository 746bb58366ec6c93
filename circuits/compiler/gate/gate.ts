import type { R1cs } from "../emit/r1cs.ts";
import { deriveIntervals, refined, type Interval, type Intervals } from "./intervals.ts";
import { readSystem, type Linear, type System } from "./system.ts";
import { Uniqueness } from "./uniqueness.ts";

export interface GateInput {
  /** Wires that the statement quantifies over: ctx, the input lanes, the salt. */
  readonly given: readonly number[];
  /** Lanes of the input with the box that the packing relies on. */
  readonly lanes: readonly { readonly wire: number; readonly lo: bigint; readonly hi: bigint }[];
  /** Wires of the input hash: field elements, determined but not integers. */
  readonly field: ReadonlySet<number>;
}

export interface GateReport {
  readonly wires: number;
  /** Wires that the rows do not determine. */
  readonly undetermined: number[];
  /** Rows that are not integer identities for want of small intervals. */
  readonly wrapping: number[];
  /** Input lanes whose range the rows do not enforce. */
  readonly unranged: number[];
  /** How many wires each rule determined. */
  readonly rules: Record<string, number>;
  readonly ok: boolean;
}

/**
 * The determinism gate. From the rows alone: every wire is a function of the input lanes, every row is an identity over the integers,
 * every input lane is within its box. What it cannot see is whether the function is the right one; that is the differential test's work.
 */
export function runGate(r1cs: R1cs, input: GateInput): GateReport {
  const system = readSystem(r1cs);
  const intervals = deriveIntervals(system);
  const within = (v: Interval | undefined, l: GateInput["lanes"][number]): boolean => v !== undefined && v.lo >= l.lo && v.hi <= l.hi;
  const unranged = input.lanes.filter((l) => !within(intervals.get(l.wire), l) && !within(refined(system, intervals, l.wire), l));
  const unique = new Uniqueness(system, intervals, [0, ...input.given]);
  const inverse = unique.run();
  const wrapping = notLifted(system, intervals, input.field, inverse);
  const undetermined: number[] = [];
  for (let w = 0; w < system.wires; w++) if (!unique.known.has(w)) undetermined.push(w);
  return {
    wires: system.wires,
    undetermined,
    wrapping,
    unranged: unranged.map((l) => l.wire),
    rules: unique.rules,
    ok: undetermined.length === 0 && wrapping.length === 0 && unranged.length === 0,
  };
}

/**
 * A row is an identity over the integers when its two sides differ by less than the field. Exempt are rows about the input hash, and the
 * rows of an is-zero gadget, whose argument is over the field to begin with.
 */
function notLifted(s: System, intervals: Intervals, field: ReadonlySet<number>, inverse: ReadonlySet<number>): number[] {
  const bad: number[] = [];
  const exempt = (f: Linear): boolean => [...f.terms.keys()].some((w) => field.has(w));
  const small = (lo: bigint, hi: bigint): boolean => hi < s.prime && -lo < s.prime;
  for (const l of s.linear) {
    if (exempt(l.form)) continue;
    const v = intervals.range(l.form);
    if (!v || !small(v.lo, v.hi)) bad.push(l.row);
  }
  for (const p of s.products) {
    if (inverse.has(p.row) || exempt(p.a) || exempt(p.b) || exempt(p.c)) continue;
    const product = intervals.product(p.a, p.b);
    const right = intervals.range(p.c);
    if (!product || !right || !small(product.lo - right.hi, product.hi - right.lo)) bad.push(p.row);
  }
  return bad;
}

