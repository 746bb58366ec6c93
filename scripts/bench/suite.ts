/** One figure: a number, or a small record of numbers (rows and seconds of one model, say). */
export type Figure = number | string | Record<string, number>;

/** A benchmark suite: `scripts/bench/<name>/index.ts` exports one as default. */
export interface Suite {
  title: string;
  /** What was asked for, in words, shown beside the figure. */
  asked?: Record<string, string>;
  /** @param print Progress, one line at a time. */
  run(print: (line: string) => void): Promise<Record<string, Figure>>;
}
