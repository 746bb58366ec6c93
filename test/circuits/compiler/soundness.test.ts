import { expect } from "chai";

import { affineErrors, intervalErrors } from "../../../circuits/compiler/affine/analysis.ts";
import { exactFunctions, fixed, ONE, scaled } from "../../../circuits/compiler/check/exact.ts";
import { evaluateNodes, floorDiv, isqrt } from "../../../circuits/compiler/integer/evaluate.ts";
import type { IntGraph } from "../../../circuits/compiler/integer/finish.ts";
import { quantise } from "../../../circuits/compiler/quantise/box.ts";
import { calibrate } from "../../../circuits/compiler/quantise/calibrate.ts";
import { dyadic } from "../../../circuits/compiler/quantise/dyadic.ts";
import { Lowerer } from "../../../circuits/compiler/quantise/lower.ts";
import { defaults, type InputScale } from "../../../circuits/compiler/quantise/options.ts";
import { realInputs, sampleInputs, seeded } from "../../../circuits/compiler/quantise/samples.ts";
import { functionSpec } from "../../../circuits/compiler/real/functions.ts";
import { isConst, RealGraph, type Real, type Val } from "../../../circuits/compiler/real/graph.ts";
import { runs } from "../../utils/deep.ts";

/**
 * Both error analyses against the real graph in exact arithmetic: rationals with a denominator of 2^192, functions by the checker's series.
 * Nothing here shares code with the analyses or with the float64 oracle.
 */
const times = (v: bigint, w: number): bigint => {
  const { m, e } = dyadic(w);
  return e >= 0 ? (v * m) << BigInt(e) : (v * m) >> BigInt(-e);
};
const flag = (b: boolean): bigint => (b ? ONE : 0n);
const root = (v: bigint): bigint => isqrt(v * ONE);

function exactNode(n: Real, at: (r: Real) => bigint, inputs: readonly bigint[]): bigint {
  const [a, b] = n.args.slice(0, 2).map(at) as [bigint, bigint];
  switch (n.op) {
    case "input": return inputs[n.p[0]!]!;
    case "lin": return n.args.reduce((sum, r, i) => sum + times(at(r), n.w[i]!), fixed(n.c));
    case "mul": return (a * b) / ONE;
    case "relu": return a > 0n ? a : 0n;
    case "ge0": return flag(a >= 0n);
    case "step": return flag(a >= fixed(n.p[0]!));
    case "eq0": return flag(a === 0n);
    case "max2":
    case "maxn": return n.args.map(at).reduce((m, v) => (v > m ? v : m));
    case "gap": return a - b;
    case "div": return n.args.length === 1 ? (fixed(n.c) * ONE) / a : (a * ONE) / b;
    case "floordiv": return floorDiv(a, fixed(n.p[0]!)) * ONE;
    case "seam":
    case "bound": return a;
    case "fn": {
      if (n.fn === "sqrt") return root(a);
      if (n.fn === "rsqrt") return (ONE * ONE) / root(a);
      const made = exactFunctions[n.fn]!(a);
      return functionSpec(n.fn).ramp && a > 0n ? a + made : made;
    }
    default: throw new Error(`no exact ${n.op}`);
  }
}

/** What the fixed point itself may lose: far more than a chain of a hundred nodes does. */
const SLACK = 1n << 100n;

type Pick = <T>(list: readonly T[]) => T;
type Maker = (r: RealGraph, pick: () => Val, next: () => number) => Val;

const weight = (next: () => number): number => (next() - 0.5) * 3;
const positive = (r: RealGraph, v: Val): Val => r.lin([r.mul(v, v)], [1], 0.3);
const fn = (name: string, domain: (r: RealGraph, v: Val) => Val = (_, v) => v): Maker => (r, pick) => {
  const v = domain(r, pick());
  return isConst(v) ? v : r.fn(name, v);
};
/** Squashed into (-0.9, 0.9). */
const inner = (r: RealGraph, v: Val): Val => (isConst(v) ? 0 : r.lin([r.fn("tanh", v)], [0.9]));
/** Decaying functions are asked at and above zero. */
const above = (r: RealGraph, v: Val): Val => r.relu(v);

const kinds: Record<string, Maker> = {
  lin: (r, pick, next) => r.lin([pick(), pick(), pick()], [weight(next), weight(next), weight(next)], weight(next)),
  mul: (r, pick) => r.mul(pick(), pick()),
  relu: (r, pick) => r.relu(pick()),
  ge0: (r, pick) => r.ge0(r.sub(pick(), pick())),
  step: (r, pick, next) => r.step(pick(), weight(next)),
  eq0: (r, pick) => r.eq0(r.sub(pick(), pick())),
  max2: (r, pick) => r.max(pick(), pick()),
  maxn: (r, pick) => r.maxn([pick(), pick(), pick()]),
  gap: (r, pick) => {
    const list = [pick(), pick(), pick()];
    return r.gap(r.maxn(list), list[0]!);
  },
  select: (r, pick) => r.select(r.ge0(r.sub(pick(), pick())), pick(), pick()),
  clip: (r, pick) => r.clip(pick(), -0.7, 0.9),
  seam: (r, pick) => r.seam(r.mul(pick(), pick())),
  div: (r, pick) => r.div(pick(), positive(r, pick())),
  "div of a constant": (r, pick, next) => r.div(1 + next(), positive(r, pick())),
  floordiv: (r, pick) => r.floordiv(r.lin([pick()], [16]), 3),
  normalised: (r, pick) => {
    const d = pick();
    return r.mul(d, isConst(d) ? 1 : r.fn("rsqrt", r.lin([r.mul(d, d)], [0.5], 0.4) as Real));
  },
  sqrt: fn("sqrt", positive), rsqrt: fn("rsqrt", positive), log: fn("log", positive), expneg: fn("expneg", above), acosh: fn("acosh", (r, v) => r.lin([positive(r, v)], [1], 1)),
  asin: fn("asin", inner), acos: fn("acos", inner), atanh: fn("atanh", inner), tan: fn("tan", inner), exp: fn("exp", inner), sinh: fn("sinh", inner), cosh: fn("cosh", inner),
  ...Object.fromEntries(["sigmoid", "tanh", "erf", "softplus", "gelu", "geluTanh", "silu", "sin", "cos", "atan", "asinh", "softsign", "mish"].map((name) => [name, fn(name)])),
};

const options = { ...defaults, inputBits: 6, weightBits: 6, activationBits: 6, pieceBits: 6 };
const box: InputScale = { lo: -32n, hi: 31n, e: -5, whole: false };
const INPUTS = 4;

/** A few nodes of one kind, among sums and rectifiers that make errors for it to hand on. */
function randomGraph(make: Maker, next: () => number): Real[] {
  const r = new RealGraph();
  r.at("Random", "g");
  const pool: Val[] = Array.from({ length: INPUTS }, (_, i) => r.input(i, false));
  const choose: Pick = (list) => list[Math.floor(next() * list.length)]!;
  const pick = (): Val => choose(pool);
  const mix = (): Val => r.lin([pick(), pick()], [weight(next), weight(next)], weight(next) / 4);
  pool.push(mix(), mix(), r.relu(mix()));
  for (let k = 0; k < 2; k++) {
    pool.push(make(r, pick, next));
    pool.push(mix());
    if (next() < 0.5) pool.push(r.relu(mix()));
  }
  return r.nodes;
}

const inputsOf = (next: () => number): number[] => Array.from({ length: INPUTS }, () => (Math.floor(next() * 64) - 32 + (next() < 0.3 ? 0 : (next() - 0.5) * 0.98)) / 32);

describe("circuits/compiler: both error analyses hold against exact arithmetic, operator by operator", function () {
  this.timeout(600_000);

  for (const [name, make] of Object.entries(kinds)) {
    it(name, () => {
      let compared = 0;
      let found = 0;
      for (let seed = 1; seed <= runs(2, 20); seed++) {
        const next = seeded(seed * 7919 + name.length);
        const order = randomGraph(make, next);
        const boxes = Array.from({ length: INPUTS }, () => box);
        const lowerer = new Lowerer(options, boxes, calibrate(order, sampleInputs(boxes, 8).map((s) => realInputs(s, boxes)), order.length), new Map(), [{ operator: "Random", node: "g" }]);
        lowerer.run(order);
        const step = (n: Real) => lowerer.account.step(n);
        const bounds = (["input", "grid"] as const).flatMap((at) => [{ at, of: intervalErrors(order, step, at), word: "interval" }, { at, of: affineErrors(order, step, at), word: "affine" }]);
        bounds.push({ at: "input", of: (n) => lowerer.get(n).err, word: "account" });
        const flags = [...lowerer.violations, ...lowerer.saturations];
        for (let k = 0; k < runs(6, 30); k++) {
          const x = inputsOf(next);
          const ints = x.map((v) => quantise(v, box).value);
          const value = evaluateNodes({ nodes: lowerer.int.nodes } as unknown as IntGraph, ints);
          if (flags.some((f) => value[f] !== 0n)) continue;
          const exact = { input: new Map<Real, bigint>(), grid: new Map<Real, bigint>() };
          for (const at of ["input", "grid"] as const) {
            const given = at === "input" ? x.map(fixed) : ints.map((v) => scaled(v, box.e));
            for (const n of order) exact[at].set(n, exactNode(n, (r) => exact[at].get(r)!, given));
          }
          for (const n of order) {
            const made = lowerer.get(n);
            const got = scaled(value[made.node]!, made.e);
            for (const { at, of, word } of bounds) {
              const bound = of(n);
              const off = got - exact[at].get(n)!;
              if (bound === Infinity) continue;
              compared += 1;
              if (off !== 0n) found += 1;
              expect((off < 0n ? -off : off) <= fixed(bound) + SLACK, `${word} at the ${at}, seed ${seed}, node ${n.id} ${n.op} ${n.fn}: off by ${Number(off) / Number(ONE)}, bound ${bound}`).to.equal(true);
            }
          }
        }
      }
      expect(compared, "bounds compared").to.be.greaterThan(100);
      expect(found, "errors there were").to.be.greaterThan(20);
    });
  }
});
