import type { Intervals } from "./intervals.ts";
import { enumerated } from "./enumerate.ts";
import { divisionOrRoot, isZero, maximum, oneHot, thermometer } from "./rules.ts";
import type { Linear, System } from "./system.ts";

/** Propagates "is a function of the given wires" through the rows, rule by rule, until nothing new follows. */
export class Uniqueness {
  readonly system: System;
  readonly intervals: Intervals;
  readonly known: Set<number>;
  readonly rules: Record<string, number> = {};
  /** Rows of recognised gadgets that reason in the field: is-zero, and products that are zero. */
  readonly inverse = new Set<number>();
  readonly #readers = new Map<number, number[]>();
  /** Unknown wires of each row, booleans aside: digits are read off together. */
  readonly #open: number[] = [];
  readonly #rows: { a?: Linear; b?: Linear; c: Linear }[] = [];

  constructor(system: System, intervals: Intervals, given: readonly number[]) {
    this.system = system;
    this.intervals = intervals;
    this.known = new Set(given);
    const watch = (f: Linear, row: number): void => {
      this.#open[row] ??= 0;
      for (const w of f.terms.keys()) {
        if (!this.known.has(w) && !system.booleans.has(w)) this.#open[row] = (this.#open[row] as number) + 1;
        const list = this.#readers.get(w);
        if (list) list.push(row);
        else this.#readers.set(w, [row]);
      }
    };
    for (const l of system.linear) {
      watch(l.form, this.#rows.length);
      this.#rows.push({ c: l.form });
    }
    for (const p of system.products) {
      for (const f of [p.a, p.b, p.c]) watch(f, this.#rows.length);
      this.#rows.push(p);
    }
  }

  learn(rule: string, wires: Iterable<number>): number[] {
    const fresh: number[] = [];
    for (const w of wires) {
      if (this.known.has(w)) continue;
      this.known.add(w);
      fresh.push(w);
    }
    if (fresh.length > 0) this.rules[rule] = (this.rules[rule] ?? 0) + fresh.length;
    return fresh;
  }

  unknown(f: Linear): number[] {
    return [...f.terms.keys()].filter((w) => !this.known.has(w));
  }

  run(): ReadonlySet<number> {
    let queue = this.#rows.map((_, i) => i);
    for (;;) {
      for (let at = 0; at < queue.length; at++) {
        for (const w of this.#row(queue[at] as number)) this.#touch(w, queue);
      }
      // The hinted wires: each pattern is tried where simple propagation has stopped.
      const fresh = [...isZero(this), ...maximum(this), ...divisionOrRoot(this), ...thermometer(this), ...oneHot(this)];
      // Trying every value is the last resort.
      if (fresh.length === 0) fresh.push(...enumerated(this));
      if (fresh.length === 0) return this.inverse;
      queue = [];
      for (const w of fresh) this.#touch(w, queue);
    }
  }

  #touch(w: number, queue: number[]): void {
    const counted = !this.system.booleans.has(w);
    for (const r of this.#readers.get(w) ?? []) {
      if (counted) this.#open[r] = (this.#open[r] as number) - 1;
      if ((this.#open[r] as number) <= 3) queue.push(r);
    }
  }

  /** R1: one unknown, linear. R2: booleans whose weights grow fast enough to be read off. */
  #row(index: number): number[] {
    // A wire that stands on several sides counts several times; more than three cannot be one wire.
    if ((this.#open[index] as number) > 3) return [];
    const row = this.#rows[index] as { a?: Linear; b?: Linear; c: Linear };
    if (row.a && this.unknown(row.a).length > 0) return [];
    if (row.b && this.unknown(row.b).length > 0) return [];
    const open = this.unknown(row.c);
    if (open.length === 1) return this.learn("R1", open);
    if (open.length > 1 && open.every((w) => this.system.booleans.has(w)) && this.#superIncreasing(row.c, open)) return this.learn("R2", open);
    return [];
  }

  #superIncreasing(f: Linear, open: readonly number[]): boolean {
    const sizes = open.map((w) => {
      const k = f.terms.get(w) as bigint;
      return k < 0n ? -k : k;
    });
    sizes.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    let sum = 0n;
    for (const k of sizes) {
      if (k <= sum) return false;
      sum += k;
    }
    return sum < this.system.prime;
  }
}
