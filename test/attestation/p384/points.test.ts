import { expect } from "chai";
import { network } from "hardhat";

import { generatorTable } from "../../../scripts/lib/p384Table.ts";
import { addAny, GENERATOR, invert, isOnCurve, mod, multiply, negate, P, SameX, type Point } from "../../../sdk/attestation/p384/curve.ts";
import { encodeSignatures, type Signature } from "../../../sdk/attestation/p384/prove.ts";
import { alongSlope, CURVE_B, isValid, Program, scalarsFor, squareRoot } from "./forge.ts";
import { Ratio, roots, type Poly } from "./roots.ts";
import { deployWithout } from "./switchboard.ts";

const { ethers } = await network.create();

const THREE = Ratio.of(3n);
const nonce = multiply(0x1234567890abcdef1n, GENERATOR)!;
const victim = multiply(0x5eed5eed5eed5eedn, GENERATOR)!;

interface Symbolic {
  x: Ratio;
  y: Ratio;
}
const constant = ({ x, y }: Point): Symbolic => ({ x: Ratio.of(x), y: Ratio.of(y) });

const follow = (a: Symbolic, otherX: Ratio, slope: Ratio): Symbolic => {
  const x = slope.times(slope).minus(a.x).minus(otherX);
  return { x, y: slope.times(a.x.minus(x)).minus(a.y) };
};
const chord = (a: Symbolic, b: Symbolic) => b.y.minus(a.y).over(b.x.minus(a.x));
/** 2 a + t as the contract computes it: by two chords. */
const fused = (a: Symbolic, t: Symbolic, k = chord(a, t)) => {
  const sum = follow(a, t.x, k);
  return follow(a, sum.x, chord(a, sum));
};

/** Parameters for which a point that moves with them is on the curve. */
function onCurve({ x, y }: Symbolic): bigint[] {
  const right = x.times(x).minus(THREE).times(x).plus(Ratio.of(CURVE_B));
  return roots(y.times(y).minus(right).n);
}

function signatureFor(key: Point, r: bigint, sG: bigint, sQ: bigint, sR: bigint): Signature {
  return { ...key, r, ...scalarsFor(r, sG, sQ, sR) };
}

async function expectForgery(check: string, signature: Signature, hints: string, error: string): Promise<void> {
  expect(isValid(signature), "the signature must be a forgery").to.equal(false);
  const encoded = encodeSignatures([signature]);
  const real = await ethers.deployContract("P384", [generatorTable()]);
  await expect(real.verify(encoded, hints)).to.be.revertedWithCustomError(real, error);
  const without = await deployWithout(ethers, [check]);
  expect(await without.verify(encoded, hints)).to.equal(real.interface.getFunction("verify").selector);
}

/** First result of `attempt` over 1, 2, 3, ..: an equation of some degree has a root about two times in three. */
function search<T>(attempt: (i: bigint) => T | undefined): T {
  for (let i = 1n; i < 40n; i++) {
    const found = attempt(i);
    if (found !== undefined) return found;
  }
  throw new Error("no root found");
}

/** A point that is not on the curve, but whose 2 A + G, by the formulas, is. */
function strangePoint(): Point {
  return search((i) => {
    const x = 1000n + i;
    const walked = fused({ x: Ratio.of(x), y: Ratio.variable }, constant(GENERATOR));
    return onCurve(walked)
      .map((y) => ({ x, y }))
      .find((one) => one.y !== 0n && !isOnCurve(one));
  });
}

describe("P384: each check holds off a forgery, by solving for points", () => {

  it("key-on-curve: a strange key Q for which 2 Q + G lands on the curve", async () => {
    const key = strangePoint();
    const program = new Program([key, nonce]).load(1, { index: 0, minus: false, point: key });
    program.fused(program.generator(1));
    const own = negate(program.running);
    const real = new Program([key, own]);
    real.load(1, real.entry(0, 1)).fused(real.generator(1)).close(real.entry(1, 1));
    await expectForgery("key-on-curve", signatureFor(key, own.x, 1n, 2n, 1n), real.hints(own), "P384KeyNotOnCurve");
  });

  it("nonce-on-curve: a strange R for which 2 R + G lands on the curve", async () => {
    const strange = strangePoint();
    const program = new Program([victim, strange]).load(1, { index: 8, minus: false, point: strange });
    program.fused(program.generator(1));
    const key = negate(program.running);
    const real = new Program([key, strange]);
    real.load(1, real.entry(1, 1)).fused(real.generator(1)).close(real.entry(0, 1));
    await expectForgery("nonce-on-curve", signatureFor(key, strange.x, 1n, 1n, 2n), real.hints(strange), "P384NonceNotOnCurve");
  });

  it("tangent: two false tangents lead from R anywhere", async () => {
    // To W = -(G + Q) for a victim's key. X = k^2 - 2 x, Y = k (x - X) - y; l^2 = x_W + 2 X; l (X - x_W) = y_W + Y. Squared: degree 6.
    const { target, slopes } = search((i) => {
      const key = multiply(i, victim)!;
      const w = negate(addAny(GENERATOR, key)!);
      const k = Ratio.variable;
      const middle = follow(constant(nonce), Ratio.of(nonce.x), k);
      const gap = middle.x.minus(Ratio.of(w.x));
      const rise = middle.y.plus(Ratio.of(w.y));
      const square = Ratio.of(w.x).plus(Ratio.of(2n).times(middle.x));
      for (const root of roots(square.times(gap).times(gap).minus(rise.times(rise)).n as Poly)) {
        const between = alongSlope(nonce, nonce.x, root);
        const l = mod((w.y + between.y) * invert(mod(between.x - w.x, P), P), P);
        const end = alongSlope(between, between.x, l);
        if (end.x === w.x && end.y === w.y) return { target: key, slopes: [root, l] };
      }
      return undefined;
    });
    const program = new Program([target, nonce]);
    program.load(2, program.entry(1, 1)).double(2, slopes).add(program.generator(1)).close(program.entry(0, 1));
    await expectForgery("tangent", signatureFor(target, nonce.x, 1n, 1n, 4n), program.hints(nonce), "P384SlopeWrong");
  });

  it("same-x: P + P along any line, and back to the curve by 2 A + R", async () => {
    const { own, slope } = search((i) => {
      const r = multiply(i + 100n, nonce)!;
      const moved = follow(constant(GENERATOR), Ratio.of(GENERATOR.x), Ratio.variable);
      const tangent = mod(3n * (GENERATOR.x * GENERATOR.x - 1n) * invert(2n * GENERATOR.y, P), P);
      const root = onCurve(fused(moved, constant(r))).find((l) => l !== tangent && !isOnCurve(alongSlope(GENERATOR, GENERATOR.x, l)));
      return root === undefined ? undefined : { own: r, slope: root };
    });
    // Claimed 2 (G + G) + R + Q = O for the key that closes what was walked.
    const walk = (key: Point) => {
      const program = new Program([key, own]);
      return program.load(1, program.generator(1)).add(program.generator(1), slope).fused(program.entry(1, 1));
    };
    const key = negate(walk(victim).running);
    const program = walk(key);
    program.close(program.entry(0, 1));
    await expectForgery("same-x", signatureFor(key, own.x, 4n, 1n, 1n), program.hints(own), "P384SameX");
  });

  it("same-x-fused: P + P along any line, then P again", async () => {
    const { own, slope } = search((i) => {
      const r = multiply(i + 200n, nonce)!;
      const walked = fused(constant(r), constant(r), Ratio.variable);
      const tangent = mod(3n * (r.x * r.x - 1n) * invert(2n * r.y, P), P);
      const root = onCurve(walked).find((k) => k !== tangent);
      return root === undefined ? undefined : { own: r, slope: root };
    });
    const walk = (key: Point) => {
      const program = new Program([key, own]);
      const sum = alongSlope(own, own.x, slope);
      const second = mod((sum.y - own.y) * invert(mod(sum.x - own.x, P), P), P);
      return program.load(1, program.entry(1, 1)).fused(program.entry(1, 1), slope, second).add(program.generator(1));
    };
    const key = negate(walk(victim).running);
    const program = walk(key);
    program.close(program.entry(0, 1));
    const signature = signatureFor(key, own.x, 1n, 1n, 3n);
    await expectForgery("same-x-fused", signature, program.hints(own), "P384SameX");
  });

  for (const check of ["index", "first-index"]) {
    it(`${check}: memory behind the tables reads as (0, 0), which counts for nothing`, async () => {
      const nothing = { index: 20, minus: false, point: { x: 0n, y: 0n } };
      // R = (x, y) is sought on the curve: every x on the way is a function of x alone, every y and every slope one times y.
      const x = Ratio.variable;
      const square = x.times(x).minus(THREE).times(x).plus(Ratio.of(CURVE_B));
      const r = { x, y: Ratio.of(1n) };
      const followWithY = (a: Symbolic, otherX: Ratio, slope: Ratio): Symbolic => {
        const next = square.times(slope).times(slope).minus(a.x).minus(otherX);
        return { x: next, y: slope.times(a.x.minus(next)).minus(a.y) };
      };
      const fusedWithY = (a: Symbolic, t: Symbolic) => {
        const sum = followWithY(a, t.x, chord(a, t));
        return followWithY(a, sum.x, chord(a, sum));
      };
      const zero = constant({ x: 0n, y: 0n });
      type Step = "add 0" | "add R" | "double, add 0" | "double, add R";
      const symbolic = (at: Symbolic, step: Step): Symbolic => {
        const t = step.endsWith("0") ? zero : r;
        return step.startsWith("double") ? fusedWithY(at, t) : followWithY(at, t.x, chord(at, t));
      };
      const walk = (key: Point, own: Point, steps: Step[]) => {
        const program = new Program([key, own]);
        program.load(steps.filter((step) => step.startsWith("double")).length, check === "index" ? program.entry(1, 1) : nothing);
        for (const step of steps) {
          const entry = step.endsWith("0") ? nothing : program.entry(1, 1);
          if (step.startsWith("double")) program.fused(entry);
          else program.add(entry);
        }
        return program.add(program.generator(1));
      };
      const count = (steps: Step[]) =>
        steps.reduce(
          (sum, step) => (step.startsWith("double") ? 2n : 1n) * sum + (step.endsWith("R") ? 1n : 0n),
          check === "index" ? 1n : 0n,
        );

      const walks: Step[][] =
        check === "index"
          ? [["double, add 0", "add R"], ["double, add 0", "add 0"], ["add 0", "double, add R"], ["add 0", "double, add 0"]]
          : [["add R", "double, add R"], ["add R", "double, add R", "add R"], ["add R", "double, add R", "double, add R"]];
      for (const steps of walks) {
        const end = steps.reduce(symbolic, check === "index" ? r : zero);
        const right = end.x.times(end.x).minus(THREE).times(end.x).plus(Ratio.of(CURVE_B));
        for (const root of roots(square.times(end.y).times(end.y).minus(right).n)) {
          const own = { x: root, y: squareRoot(mod(root ** 3n - 3n * root + CURVE_B, P)) };
          if (own.x === 0n || !isOnCurve(own)) continue;
          try {
            const key = negate(walk(victim, own, steps).running);
            const signature = signatureFor(key, own.x, 1n, 1n, count(steps));
            if (isValid(signature)) continue;
            const program = walk(key, own, steps);
            program.close(program.entry(0, 1));
            return await expectForgery(check, signature, program.hints(own), "P384StepMalformed");
          } catch (error: unknown) {
            if (!(error instanceof SameX)) throw error;
          }
        }
      }
      throw new Error("no walk has a root");
    });
  }
});
