import { bitLength } from "../integer/graph.ts";
import type { Real } from "../real/graph.ts";
import { dyadic } from "./dyadic.ts";
import type { Quantities, Quantity } from "./quantity.ts";

/** Least integer m with m 2^e >= v. */
function ceilScale(v: number, e: number): bigint {
  const d = dyadic(v);
  const shift = d.e - e;
  return shift >= 0 ? d.m << BigInt(shift) : -(-d.m >> BigInt(-shift));
}

/**
 * Comparisons of one value with many constants: one boolean per distinct threshold, monotone, and the value sandwiched between the
 * thresholds that the booleans select. Two rows a threshold, and the sandwich is the value's range check as well.
 */
export class Steps {
  readonly #q: Quantities;
  readonly #thresholds = new Map<Real, number[]>();
  readonly #made = new Map<string, number>();
  readonly #built = new Set<number>();

  constructor(q: Quantities) {
    this.#q = q;
  }

  collect(order: readonly Real[]): void {
    for (const n of order) {
      if (n.op !== "step") continue;
      const of = n.args[0] as Real;
      this.#thresholds.set(of, [...(this.#thresholds.get(of) ?? []), n.p[0] as number]);
    }
  }

  lower(n: Real, x: Quantity): Quantity {
    const { int } = this.#q;
    const { lo, hi } = this.#q.at(x);
    const at = ceilScale(n.p[0] as number, x.e);
    const err = x.err > 0 ? 1 : 0;
    if (at <= lo) return { node: int.constant(1n), e: 0, err };
    if (at > hi) return { node: int.constant(0n), e: 0, err };
    this.#build(x, this.#thresholds.get(n.args[0] as Real) ?? []);
    return { node: this.#made.get(`${x.node}:${at}`) as number, e: 0, err };
  }

  #build(x: Quantity, values: readonly number[]): void {
    if (this.#built.has(x.node)) return;
    this.#built.add(x.node);
    const { int } = this.#q;
    const { lo, hi } = this.#q.at(x);
    const list = [...new Set(values.map((v) => ceilScale(v, x.e)))].filter((t) => t > lo && t <= hi).sort((a, b) => (a < b ? -1 : 1));
    if (list.length === 1) {
      const t = list[0] as bigint;
      const bits = int.signed(int.lin([x.node], [1n], -t));
      this.#made.set(`${x.node}:${t}`, int.bit(bits, (int.at(bits).n[0] as number) - 1));
      return;
    }
    const flags = list.map((t) => int.hint("ge", [x.node], 0n, 1n, t));
    list.forEach((t, i) => this.#made.set(`${x.node}:${t}`, flags[i] as number));
    const edges = [lo, ...list, hi + 1n];
    const gaps = list.map((t, i) => t - (edges[i] as bigint));
    const next = list.map((t, i) => (edges[i + 2] as bigint) - t);
    const widest = edges.slice(1).reduce((m, t, i) => (t - (edges[i] as bigint) > m ? t - (edges[i] as bigint) : m), 0n) - 1n;
    const above = int.bound(int.lin([x.node, ...flags], [1n, ...gaps.map((g) => -g)], -lo), "thermometer", 0n, widest, flags);
    const below = int.bound(int.lin([...flags, x.node], [...next, -1n], (edges[1] as bigint) - 1n), "thermometer", 0n, widest, flags);
    const width = Math.max(1, bitLength(widest));
    const monotone = flags.slice(1).map((f, i) => int.zero([f, int.lin([flags[i] as number], [-1n], 1n)]));
    const sandwich = [int.bits(above, 0n, width), int.bits(below, 0n, width)];
    for (const f of flags) this.#q.guard(f, [...monotone, ...sandwich, ...flags]);
    // The sandwich keeps an input within its box: its own digits are then only needed where something else reads them.
    if (int.at(x.node).op === "input") this.#q.guards.set(x.node, [...sandwich, ...monotone]);
  }
}

