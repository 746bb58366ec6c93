/** What the compiler says about one output tensor's distance from the model over the reals. */
export interface ErrorStatement {
  readonly tensor: string;
  /** "proved": holds for every input of the box. "empirical": 1.5 times the largest of `samples` seeded inputs. */
  readonly kind: "proved" | "empirical";
  readonly bound: number;
  readonly proved: number | null;
  readonly observed: number;
  readonly samples: number;
  /** Spread of the output over the samples. */
  readonly range: number;
  /** A bound above 5 % of the range says nothing useful. */
  readonly vacuous: boolean;
}

const MEANINGFUL = 0.05;

export function stateError(tensor: string, proved: number, observed: number, samples: number, range: number): ErrorStatement {
  const meaningful = (v: number): boolean => Number.isFinite(v) && (v === 0 || v <= MEANINGFUL * range);
  const kind = meaningful(proved) ? "proved" : "empirical";
  // Half as much again as was seen: the word "empirical" carries the rest of the warning.
  const bound = kind === "proved" ? proved : observed * 1.5;
  return { tensor, kind, bound, proved: Number.isFinite(proved) ? proved : null, observed, samples, range, vacuous: !meaningful(bound) };
}
