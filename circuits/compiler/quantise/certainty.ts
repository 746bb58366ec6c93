import { scaleRound } from "./dyadic.ts";
import type { Quantities, Quantity } from "./quantity.ts";

/** Whether a class or a place in an order is the one that the real-valued model gives: where it may not be, a tie is reported. */
export class Certainty {
  readonly #q: Quantities;
  readonly #ties: number[];
  readonly #warnings: string[];
  readonly #sign: (x: Quantity) => Quantity;

  constructor(q: Quantities, ties: number[], warnings: string[], sign: (x: Quantity) => Quantity) {
    this.#q = q;
    this.#ties = ties;
    this.#warnings = warnings;
    this.#sign = sign;
  }

  /** top - other_i >= 2 eps for every other i makes the class that of the real model; otherwise the tie is reported, never hidden. */
  sure(name: string, x: Quantity, because: readonly Quantity[]): Quantity {
    const { int } = this.#q;
    const count = (because.length - 1) / 2;
    const compared = because.slice(0, count + 1);
    const margin = this.#margin(name, compared);
    if (!margin) return x;
    const near = compared.slice(1).map((v, i) => {
      const flag = (because[count + 1 + i] as Quantity).node;
      return int.mul(this.#close(compared[0] as Quantity, v, margin), int.lin([flag], [-1n], 1n));
    });
    this.#ties.push(int.lin(near, near.map(() => 1n)));
    return { ...x, err: 0 };
  }

  /** The same for the place in an order: its value stands clear of its neighbour's. */
  apart(name: string, x: Quantity, pair: readonly Quantity[]): Quantity {
    const margin = this.#margin(name, pair);
    if (!margin) return x;
    this.#ties.push(this.#close(pair[0] as Quantity, pair[1] as Quantity, margin));
    return { ...x, err: 0 };
  }

  /** The same for a score that decides by the side of a threshold it lies on. */
  side(name: string, x: Quantity, score: Quantity, threshold: number): Quantity {
    const margin = this.#margin(name, [score]);
    if (!margin) return x;
    const limit = this.#q.constant(threshold, margin.e);
    this.#ties.push(this.#q.int.mul(this.#close(score, limit, margin), this.#close(limit, score, margin)));
    return { ...x, err: 0 };
  }

  /** Twice the error of what is compared, at its finest scale; nothing, and a warning, where that is no useful distance. */
  #margin(name: string, compared: readonly Quantity[]): { e: number; steps: bigint } | undefined {
    const eps = compared.reduce((m, v) => Math.max(m, v.err), 0);
    const e = compared.reduce((m, v) => Math.min(m, v.e), Infinity);
    if (Number.isFinite(eps) && eps <= this.#q.magnitude(compared[0] as Quantity)) return { e, steps: eps === 0 ? 0n : scaleRound(2 * eps, e) + 1n };
    this.#warnings.push(`the error before "${name}" is not proved small enough: its class carries no certainty bit`);
    return undefined;
  }

  /** 1 where top does not exceed v by the margin. */
  #close(top: Quantity, v: Quantity, margin: { e: number; steps: bigint }): number {
    const q = this.#q;
    const { int } = q;
    const nodes = [q.align(top, margin.e).node, q.align(v, margin.e).node];
    const far = this.#sign({ node: int.lin(nodes, [1n, -1n], -margin.steps), e: margin.e, err: 0 });
    return int.lin([far.node], [-1n], 1n);
  }
}
