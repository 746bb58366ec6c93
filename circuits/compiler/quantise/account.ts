import type { Drift, Step } from "../affine/analysis.ts";
import { moved, transfer } from "../affine/transfer.ts";
import type { Real } from "../real/graph.ts";
import { up } from "./dyadic.ts";
import type { Quantities, Quantity } from "./quantity.ts";

/** What became of each real node, and what each step by itself adds to the error. */
export class Account {
  readonly #q: Quantities;
  readonly #of = new Map<Real, Quantity>();
  readonly #own = new Map<Real, number>();
  readonly #drift = new Map<Real, Drift>();

  constructor(q: Quantities) {
    this.#q = q;
  }

  /** @param made With the error of this step alone; what its arguments bring, by plain intervals, is added here. */
  enter(n: Real, made: Quantity): void {
    this.#own.set(n, made.err);
    const before = n.args.map((a) => ({ ...this.#q.range(this.get(a)), err: this.get(a).err }));
    this.#of.set(n, { ...made, err: up(made.err + moved(before, transfer(n, before, (r) => this.#own.get(r) as number))) });
  }

  /** Of a sum: how its own error comes about. */
  drift(n: Real, drift: Drift): void {
    this.#drift.set(n, drift);
  }

  /** A node's quantity, with the whole error. */
  get(n: Real): Quantity {
    return this.#of.get(n) as Quantity;
  }

  /** What a sum and its terms round: what a fact about the integer program's own terms may be off by. */
  rounding(n: Real): number {
    const terms = n.op === "lin" ? n.args.map((a, i) => Math.abs(n.w[i] as number) * (this.#own.get(a) as number)) : [];
    return up(terms.reduce((sum, v) => sum + v, this.#own.get(n) as number));
  }

  /** What an error analysis reads of a node. */
  step(n: Real): Step {
    const drift = this.#drift.get(n);
    return { ...this.#q.range(this.get(n)), own: this.#own.get(n) as number, ...(drift ? { drift } : {}) };
  }
}
