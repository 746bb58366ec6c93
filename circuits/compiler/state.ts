import { affineErrors, intervalErrors, type Domain, type Norms } from "./affine/analysis.ts";
import { MARGIN, meaningful, stateError, type Bounds, type ErrorStatement } from "./error.ts";
import { observe, searchWorst, type Observation, type Place, type Subject } from "./observe.ts";
import { up } from "./quantise/dyadic.ts";
import type { Lowerer } from "./quantise/lower.ts";
import { isConst, type Real, type Val } from "./real/graph.ts";
import type { Traced } from "./trace/trace.ts";

/** What a statement is made from. */
export interface Run extends Subject {
  readonly traced: Traced;
  /** Seeded inputs over the reals, none of which calibrated the scales. */
  readonly drawn: readonly (readonly number[])[];
  /** Inputs of the caller. */
  readonly given: readonly (readonly number[])[];
  /** How many inputs the search for a worse one may try. */
  readonly tries: number;
  readonly seed: number;
}

/** What the sound analyses read. */
export interface Lowered {
  readonly order: readonly Real[];
  readonly lowerer: Lowerer;
  readonly outputs: readonly Val[];
  /** Of each output, what it is rounded by on its way into its lane. */
  readonly cuts: readonly number[];
}

const spread = (o: Observation): number => (o.hi > o.lo ? o.hi - o.lo : 0);
/** One sample of one element has no spread: its size stands for it. */
const size = (o: Observation): number => (Number.isFinite(o.hi) ? Math.abs(o.hi) : 0);

/**
 * States, for each output tensor, which error holds, by the strongest word that says something: a bound at the input, proved or affine; a
 * bound at the quantised input, unless an observation at the input would say more than that; what was seen, at the input if that says something, else at the
 * quantised input wherever half a step of the input alone says too much (jumps, and what is normalised from next to nothing).
 */
export function state(run: Run, lowered: Lowered): ErrorStatement[] {
  const { outputs } = run.traced;
  const names = outputs.map((o) => o.name);
  const tried = [...run.drawn, ...run.given];
  const direct: Place = { at: "input", jump: outputs.map(() => 0) };
  const [drawn, given] = [observe(run, run.drawn, direct), observe(run, run.given, direct)];
  // What the caller gave is what the model is used on: its spread is the one that matters.
  const ranges = drawn.map((o, i) => spread(given[i] as Observation) || size(given[i] as Observation) || spread(o) || size(o) || 1);
  const bounds = soundBounds(run, lowered, ranges);
  const make = (at: Domain, seen: readonly number[], searched: number): ErrorStatement[] =>
    seen.map((observed, i) =>
      stateError({ tensor: names[i] as string, samples: tried.length + searched, searched, seed: run.seed, range: ranges[i] as number, at, observed }, bounds[i] as (typeof bounds)[0]),
    );
  const seen = drawn.map((o, i) => Math.max(o.error, (given[i] as Observation).error));
  const first = make("input", seen, 0);
  if (first.every((e) => e.kind !== "empirical")) return first;
  // Whoever compares with floats must not find a statement broken that speaks of integers: samples at the given input stay below it as well.
  const grid = make("grid", observe(run, tried, { ...direct, at: "grid" }).map((o) => o.error), 0);
  const sound = first.map((e, i) => {
    const g = grid[i] as ErrorStatement;
    return e.kind !== "empirical" ? e : g.kind !== "empirical" && g.bound >= e.bound ? g : undefined;
  });
  if (sound.every((e) => e !== undefined)) return sound;
  // Half a step of the input decides about jumps: to search for the worst there says no more.
  const jumps = lowered.order.some((n) => JUMPS.has(n.op)) && first.some((e) => e.vacuous);
  const worst = (place: Place): ErrorStatement[] => make(place.at, searchWorst(run, tried, place, ranges, run.tries, run.seed), run.tries);
  const input = jumps ? first : worst(direct);
  // Where it says too much, what half a step of the input moves by itself is stated of the quantised input; the rest stays in.
  const near = input.some((e, i) => !sound[i] && e.vacuous) ? worst({ at: "grid", jump: ranges.map((r) => JUMP * r) }) : input;
  return input.map((e, i) => {
    const other = observation(near[i] as ErrorStatement);
    return sound[i] ?? (e.vacuous && !other.vacuous ? other : e);
  });
}

/** What was seen, also where a sound bound would say less: one on the grid knows nothing of the distance to the given input, which was counted too. */
function observation(e: ErrorStatement): ErrorStatement {
  const bound = MARGIN * e.observed;
  return { ...e, kind: "empirical", bound, vacuous: !meaningful(bound, e.range) };
}

/** The sound bounds of each output tensor, as far as one is needed: what says something already needs no finer analysis. */
function soundBounds(run: Run, lowered: Lowered, ranges: readonly number[]): { input: Bounds; grid: Bounds }[] {
  const nothing: Bounds = { proved: Infinity, affine: Infinity };
  const vague = (v: number, i: number): boolean => !meaningful(v, ranges[i] as number);
  const proved = largest(run, lowered, intervalErrors, "input");
  if (!proved.some(vague)) return proved.map((v) => ({ input: { proved: v, affine: Infinity }, grid: nothing }));
  const norms: Norms = new Map();
  const affine: typeof affineErrors = (order, stepOf, at) => affineErrors(order, stepOf, at, norms);
  const plain = largest(run, lowered, intervalErrors, "grid");
  const asked = plain.some(vague);
  const grid = asked ? largest(run, lowered, affine, "grid") : plain.map(() => Infinity);
  // What is off by the whole range with exact inputs is not worth asking with rounded ones: the bound only grows.
  const hopeless = asked && grid.every((v, i) => !vague(proved[i] as number, i) || v > (ranges[i] as number));
  const own = hopeless ? undefined : largest(run, lowered, affine, "input");
  // Both are sound: the smaller one holds.
  const least = (a: readonly number[], b: readonly number[], i: number): number => Math.min(a[i] as number, b[i] as number);
  return proved.map((v, i) => ({
    input: { proved: v, affine: own ? least(own, proved, i) : Infinity },
    grid: { proved: plain[i] as number, affine: least(grid, plain, i) },
  }));
}

/** Of each output tensor, the largest bound over its elements. */
function largest(run: Run, { order, lowerer, outputs, cuts }: Lowered, analyse: typeof affineErrors, at: Domain): number[] {
  const errors = analyse(order, (n) => lowerer.account.step(n), at);
  let next = 0;
  return run.traced.outputs.map((t) =>
    t.values.data.reduce((m: number) => {
      const v = outputs[next] as Val;
      return Math.max(m, up((isConst(v) ? 0 : errors(v)) + (cuts[next++] as number)));
    }, 0),
  );
}

/** Share of an output's range by which half a step of the input may move the model over the reals and still be part of a statement on the grid. */
const JUMP = 0.01;

const JUMPS = new Set(["ge0", "eq0", "step", "floordiv", "bitwise"]);
