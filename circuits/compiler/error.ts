/** What the compiler says about one output tensor's distance from the model over the reals. */
export interface ErrorStatement {
  readonly tensor: string;
  /** "proved": holds for every input of the box. "empirical": 1.5 times the largest of `samples` seeded inputs. */
  readonly kind: "proved" | "empirical";
  readonly bound: number;
  readonly proved: number | null;
  readonly observed: number;
  readonly samples: number;
  /**
   * "input": distance to the model at the given input. "grid": at the quantised input, which lies within half a step of it. The second is
   * all that can be said where the model jumps (rounding, comparisons) and half a step decides on which side of a jump an input lies.
   */
  readonly at: "input" | "grid";
  /** Spread of the output over the caller's samples, or over seeded ones where there are none. */
  readonly range: number;
  /** A bound above 5 % of the range says nothing useful. */
  readonly vacuous: boolean;
}

const MEANINGFUL = 0.05;

export function stateError(tensor: string, proved: number, observed: number, samples: number, range: number, at: ErrorStatement["at"]): ErrorStatement {
  const meaningful = (v: number): boolean => Number.isFinite(v) && (v === 0 || v <= MEANINGFUL * range);
  const kind = meaningful(proved) ? "proved" : "empirical";
  // Half as much again as was seen: the word "empirical" carries the rest of the warning.
  const bound = kind === "proved" ? proved : observed * 1.5;
  return { tensor, kind, bound, proved: Number.isFinite(proved) ? proved : null, observed, samples, at, range, vacuous: !meaningful(bound) };
}
