import { affineErrors, intervalErrors, type Domain, type Norms } from "./affine/analysis.ts";
import { meaningful, stateError, type Bounds, type ErrorStatement } from "./error.ts";
import type { IntegerProgram } from "./integer/evaluate.ts";
import type { IntGraph, Lane } from "./integer/finish.ts";
import { quantise } from "./quantise/box.ts";
import { toReal, up } from "./quantise/dyadic.ts";
import type { Lowerer } from "./quantise/lower.ts";
import type { InputScale } from "./quantise/options.ts";
import { offGrid, realInputs } from "./quantise/samples.ts";
import { isConst, type Real, type Val } from "./real/graph.ts";
import type { Reference } from "./reference.ts";
import type { Traced } from "./trace/trace.ts";

interface Observation {
  readonly error: number;
  readonly range: number;
}

/**
 * Runs the integer model next to the real one on the samples: largest distance, and spread of the real output. On the grid, an output that
 * moves by less than `jump` between the given input and the quantised one counts with its distance to both.
 */
function observe(run: Run, at: Domain, jump: readonly number[]): Observation[] {
  const { graph, boxes, grid, traced } = run;
  const blank = (): { error: number; lo: number; hi: number }[] => traced.outputs.map(() => ({ error: 0, lo: Infinity, hi: -Infinity }));
  const seeded = blank();
  const own = blank();
  const pairs = grid.map((ints, k) => ({ ints, reals: offGrid(ints, boxes, k + 1), seen: seeded }));
  // What the caller gave is what the model is used on: its spread is the one that matters.
  for (const reals of run.given) pairs.push({ ints: reals.map((v, i) => quantise(v, boxes[i] as InputScale).value), reals: [...reals], seen: own });
  for (const { ints, reals, seen } of pairs) {
    const direct = run.reference(reals);
    const want = at === "grid" ? run.reference(realInputs(ints, boxes)) : direct;
    const value = run.integer(run.pack(ints));
    let lane = 1;
    want.forEach((list, t) => {
      const s = seen[t] as { error: number; lo: number; hi: number };
      for (const [i, w] of list.entries()) {
        const l = graph.outputs[lane++] as Lane;
        const got = toReal(value[l.node] as bigint, l.e);
        if (Number.isFinite(w)) {
          const plain = (direct[t] as number[])[i] as number;
          s.error = Math.max(s.error, Math.abs(got - w), Math.abs(plain - w) < (jump[t] as number) ? Math.abs(got - plain) : 0);
          s.lo = Math.min(s.lo, w);
          s.hi = Math.max(s.hi, w);
        }
      }
    });
  }
  const spread = (s: { lo: number; hi: number } | undefined): number => (s && s.hi > s.lo ? s.hi - s.lo : 0);
  return seeded.map((s, i) => {
    const mine = own[i] as { error: number; lo: number; hi: number };
    // One sample of one element has no spread: its size stands for it.
    const size = Number.isFinite(mine.hi) ? Math.abs(mine.hi) : 0;
    return { error: Math.max(s.error, mine.error), range: spread(mine) || size || spread(s) || Math.abs(s.hi) || 1 };
  });
}

export interface Run {
  readonly graph: IntGraph;
  /** The graph, laid out for many runs. */
  readonly integer: IntegerProgram;
  readonly boxes: readonly InputScale[];
  readonly grid: readonly bigint[][];
  /** Real inputs of the caller. */
  readonly given: readonly (readonly number[])[];
  readonly traced: Traced;
  readonly reference: Reference;
  /** What the graph reads for an integer each for every input and weight. */
  readonly pack: (ints: readonly bigint[]) => readonly bigint[];
}

/** What the sound analyses read. */
export interface Lowered {
  readonly order: readonly Real[];
  readonly lowerer: Lowerer;
  readonly outputs: readonly Val[];
  /** Of each output, what it is rounded by on its way into its lane. */
  readonly cuts: readonly number[];
}

/**
 * States, for each output tensor, which error holds, by the strongest word that says something: a bound at the input, proved or affine; a
 * bound at the quantised input, unless an observation at the input would say more than that; what was seen, at the input if that says something, else at the
 * quantised input where the model jumps.
 */
export function state(run: Run, lowered: Lowered): ErrorStatement[] {
  const { outputs } = run.traced;
  const names = outputs.map((o) => o.name);
  const seen = observe(run, "input", outputs.map(() => Infinity));
  const ranges = seen.map((o) => o.range);
  const proved = largest(run, lowered, intervalErrors, "input");
  const nothing: Bounds = { proved: Infinity, affine: Infinity };
  let bounds = proved.map((v): { input: Bounds; grid: Bounds } => ({ input: { proved: v, affine: Infinity }, grid: nothing }));
  const vague = (v: number, i: number): boolean => !meaningful(v, ranges[i] as number);
  if (proved.some(vague)) {
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
    bounds = proved.map((v, i) => ({ input: { proved: v, affine: own ? least(own, proved, i) : Infinity }, grid: { proved: plain[i] as number, affine: least(grid, plain, i) } }));
  }
  const make = (at: Domain, list: readonly Observation[]): ErrorStatement[] =>
    list.map((o, i) => stateError({ tensor: names[i] as string, samples: run.grid.length, range: o.range, at, observed: o.error }, bounds[i] as (typeof bounds)[0]));
  const direct = make("input", seen);
  const unproved = direct.some((e) => e.kind === "empirical");
  if (!unproved) return direct;
  const exact = make("grid", observe(run, "grid", outputs.map(() => 0)));
  const jumps = lowered.order.some((n) => JUMPS.has(n.op)) && direct.some((e) => e.vacuous);
  const near = jumps ? make("grid", observe(run, "grid", ranges.map((r) => 0.05 * r))) : direct;
  return direct.map((e, i) => {
    const [sound, other] = [exact[i] as ErrorStatement, near[i] as ErrorStatement];
    if (e.kind !== "empirical") return e;
    // Whoever compares with floats must not find a statement broken that speaks of integers.
    if (sound.kind !== "empirical" && sound.bound >= e.bound) return sound;
    return e.vacuous && other.kind === "empirical" && !other.vacuous ? other : e;
  });
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

const JUMPS = new Set(["ge0", "eq0", "step", "floordiv", "bitwise"]);
