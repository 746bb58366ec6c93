import type { Domain } from "./affine/analysis.ts";

/** Sound bounds of one output tensor over the whole box; Infinity where there is none. */
export interface Bounds {
  /** By plain intervals. */
  readonly proved: number;
  /** By affine forms; Infinity also where plain intervals already say something at the input. */
  readonly affine: number;
}

/** What the compiler says about one output tensor's distance from the model over the reals, while the status byte is 0. */
export interface ErrorStatement {
  readonly tensor: string;
  /**
   * "proved": holds for every input of the box, by plain intervals. "affine": holds for every input of the box, by affine forms, which know
   * what errors have in common. "empirical": 1.5 times the largest over the inputs that were tried, an observation and no bound.
   */
  readonly kind: "proved" | "affine" | "empirical";
  readonly bound: number;
  /** The sound bounds at the given input, whatever the statement's kind; null where there is none or none was looked for. */
  readonly proved: number | null;
  readonly affine: number | null;
  /** The same at the quantised input. */
  readonly quantised: { readonly proved: number | null; readonly affine: number | null };
  /** Largest error seen, where `at` says. */
  readonly observed: number;
  /** Inputs that were tried: drawn at random or given by the caller, and `searched` more that a search for a worse one came by. */
  readonly samples: number;
  readonly searched: number;
  /** Of the search and what it started from. */
  readonly seed: number;
  /**
   * "input": distance to the model at the given input. "grid": at the quantised input, which lies within half a step of it. The second is
   * what a proof speaks of, and all that can be said where half a step decides: on which side of a jump an input lies (rounding, comparisons), or what
   * a normalisation makes of next to no spread.
   */
  readonly at: Domain;
  /** Spread of the output over the caller's samples, or over seeded ones where there are none. */
  readonly range: number;
  /** A bound above 5 % of the range says nothing useful. */
  readonly vacuous: boolean;
}

/** Share of an output's range above which a bound says nothing useful. */
const MEANINGFUL = 0.05;
/** An empirical statement is half as much again as what was seen. */
export const MARGIN = 1.5;

export const meaningful = (bound: number, range: number): boolean => Number.isFinite(bound) && (bound === 0 || bound <= MEANINGFUL * range);

const finite = (v: number): number | null => (Number.isFinite(v) ? v : null);

/** The strongest word that says something where `seen.at` says: proved, then affine, then empirical. */
export function stateError(seen: Pick<ErrorStatement, "tensor" | "samples" | "searched" | "seed" | "range" | "at" | "observed">, bounds: Readonly<Record<Domain, Bounds>>): ErrorStatement {
  const own = bounds[seen.at];
  const sound = (["proved", "affine"] as const).find((k) => meaningful(own[k], seen.range));
  // The word "empirical" carries the rest of the warning.
  const bound = sound ? own[sound] : seen.observed * MARGIN;
  return {
    ...seen, kind: sound ?? "empirical", bound, vacuous: !meaningful(bound, seen.range),
    proved: finite(bounds.input.proved), affine: finite(bounds.input.affine),
    quantised: { proved: finite(bounds.grid.proved), affine: finite(bounds.grid.affine) },
  };
}
