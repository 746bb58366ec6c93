import type { Drift, Step } from "../affine/analysis.ts";
import { moved, transfer, type Operand } from "../affine/transfer.ts";
import type { Real } from "../real/graph.ts";
import { up } from "./dyadic.ts";
import type { Quantities, Quantity } from "./quantity.ts";

/** What became of each real node, and what each step by itself adds to the error. */
export class Account {
  readonly #q: Quantities;
  readonly #of = new Map<Real, Entry>();

  constructor(q: Quantities) {
    this.#q = q;
  }

  /**
   * @param made With the error of this step alone; what its arguments bring, by plain intervals, is added here.
   * @param drift Of a sum: how its own error comes about.
   */
  enter(n: Real, made: Quantity, drift?: Drift): void {
    const before = n.args.map((a) => this.#entry(a).operand);
    const err = up(made.err + moved(before, transfer(n, before, (r) => this.#entry(r).step.own)));
    const range = this.#q.range(made);
    this.#of.set(n, {
      whole: { ...made, err }, exact: { ...made, err: 0 }, operand: { ...range, err }, step: { ...range, own: made.err, ...(drift ? { drift } : {}) },
    });
  }

  /** A node's quantity, with the whole error. */
  get(n: Real): Quantity {
    return this.#entry(n).whole;
  }

  /** A node's quantity as if it were exact: what a step starts from that counts its own error only. */
  exact(n: Real): Quantity {
    return this.#entry(n).exact;
  }

  /** What a sum and its terms round: what a fact about the integer program's own terms may be off by. */
  rounding(n: Real): number {
    const terms = n.op === "lin" ? n.args.map((a, i) => Math.abs(n.w[i] as number) * this.step(a).own) : [];
    return up(terms.reduce((sum, v) => sum + v, this.step(n).own));
  }

  /** What an error analysis reads of a node. */
  step(n: Real): Step {
    return this.#entry(n).step;
  }

  #entry(n: Real): Entry {
    return this.#of.get(n) as Entry;
  }
}

/** The same node in the four ways in which it is read, made once: large sums read each of them thousands of times. */
interface Entry {
  readonly whole: Quantity;
  readonly exact: Quantity;
  readonly operand: Operand;
  readonly step: Step;
}
