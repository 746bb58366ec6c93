import type { RealGraph, Val } from "../../real/graph.ts";

/**
 * Maxima of neighbouring runs of one line. The line is cut into blocks as long as a run; within a block the maxima from its start and to
 * its end are made once, and every run is the maximum of one of each: three maxima for each element at most, however long the runs are.
 */
class Runs {
  readonly #r: RealGraph;
  readonly #line: readonly Val[];
  readonly #block: number;
  readonly #fromStart = new Map<number, Val>();
  readonly #toEnd = new Map<number, Val>();

  constructor(r: RealGraph, line: readonly Val[], block: number) {
    this.#r = r;
    this.#line = line;
    this.#block = block;
  }

  #start(i: number): number {
    return i - (i % this.#block);
  }

  #end(i: number): number {
    return Math.min(this.#line.length, this.#start(i) + this.#block) - 1;
  }

  #prefix(i: number): Val {
    for (let k = this.#start(i); k <= i; k++) {
      if (this.#fromStart.has(k)) continue;
      const own = this.#line[k] as Val;
      this.#fromStart.set(k, k === this.#start(k) ? own : this.#r.max(this.#fromStart.get(k - 1) as Val, own));
    }
    return this.#fromStart.get(i) as Val;
  }

  #suffix(i: number): Val {
    for (let k = this.#end(i); k >= i; k--) {
      if (this.#toEnd.has(k)) continue;
      const own = this.#line[k] as Val;
      this.#toEnd.set(k, k === this.#end(k) ? own : this.#r.max(own, this.#toEnd.get(k + 1) as Val));
    }
    return this.#toEnd.get(i) as Val;
  }

  /** Maximum of the elements a to b, both included. */
  maximum(a: number, b: number): Val {
    if (a === this.#start(b)) return this.#prefix(b);
    if (b === this.#end(a)) return this.#suffix(a);
    if (this.#start(a) === this.#start(b)) return this.#line.slice(a, b + 1).reduce((m, v) => this.#r.max(m, v));
    return this.#r.max(this.#suffix(a), this.#prefix(b));
  }
}

/** One maximum for each window of a line; a window lists evenly spaced positions, those in the padding left out. */
export function slidingMaxima(r: RealGraph, line: readonly Val[], windows: readonly (readonly number[])[], dilation: number, kernel: number): Val[] {
  const classes = new Map<number, Runs>();
  return windows.map((taps) => {
    if (taps.length === 0) return -Infinity;
    const [first, last] = [taps[0] as number, taps[taps.length - 1] as number];
    const rest = first % dilation;
    let runs = classes.get(rest);
    if (!runs) {
      runs = new Runs(r, line.filter((_, i) => i % dilation === rest), kernel);
      classes.set(rest, runs);
    }
    return runs.maximum((first - rest) / dilation, (last - rest) / dilation);
  });
}
