import { expect } from "chai";
import { network } from "hardhat";

import { generatorTable } from "../../../scripts/lib/p384Table.ts";
import { nonAdjacentForm } from "../../../sdk/attestation/p384/chain.ts";
import { addAny, GENERATOR, invert, isOnCurve, mod, multiply, N, negate, P, type Point } from "../../../sdk/attestation/p384/curve.ts";
import { oddMultiples } from "../../../sdk/attestation/p384/generator.ts";
import { encodeSignatures, hex, proveSingle, type Signature } from "../../../sdk/attestation/p384/prove.ts";
import { CURVE_B, isValid, Program, scalarsFor, squareRoot } from "./forge.ts";
import { deployWithout, markedChecks } from "./switchboard.ts";

const { ethers } = await network.create();

const point = (k: bigint): Point => multiply(k, GENERATOR)!;
const sum = (...points: Point[]): Point => points.reduce<Point | undefined>((total, next) => addAny(total, next), undefined)!;
const slopeBetween = (a: Point, b: Point) => mod((b.y - a.y) * invert(b.x - a.x, P), P);

const victim = point(0x5eed5eed5eed5eedn);
const nonce = point(0x1234567890abcdef1n);
/** R + sG G + Q = O: a key for whoever walks R + sG G. */
function signatureFor(key: Point, sG: bigint, sQ: bigint, sR: bigint, r = nonce.x): Signature {
  return { ...key, r, ...scalarsFor(r, sG, sQ, sR) };
}

/** Accepted without the check, refused by the real contract; and invalid by another implementation. */
async function expectForgery(check: string, signature: Signature, hints: string, error: string): Promise<void> {
  expect(isValid(signature), "the signature must be a forgery").to.equal(false);
  const encoded = encodeSignatures([signature]);
  const real = await ethers.deployContract("P384", [generatorTable()]);
  await expect(real.verify(encoded, hints)).to.be.revertedWithCustomError(real, error);
  const allOn = await deployWithout(ethers, []);
  await expect(allOn.verify(encoded, hints)).to.be.revertedWithCustomError(real, error);
  const without = await deployWithout(ethers, [check]);
  expect(await without.verify(encoded, hints)).to.equal(real.interface.getFunction("verify").selector);
}

describe("P384: each check holds off a forgery, one signature", () => {
  it("has a named test for every check that is marked in the sources", () => {
    const elsewhere = ["same-x", "same-x-fused", "tangent", "key-on-curve", "nonce-on-curve", "index", "first-index"];
    const batch = ["weight", "inverse", "inverse-range", "batch-key", "batch-generator", "lattice", "independent"];
    const chords = ["chord", "chord-fused", "chord-second"];
    const here = [...chords, "nothing", "closing", "nonzero", "generator", "key", "magnitude", "start", "r-range", "s-range"];
    const transcript = ["transcript-signatures", "transcript-commitments"];
    // Not forgeries, shown for what they are: strictness of encoding, and a second lock.
    const strictness = ["consumed", "position", "coordinates", "cap", "table"];
    const named = new Set([...elsewhere, ...batch, ...here, ...transcript, ...strictness]);
    expect(new Set(markedChecks())).to.deep.equal(named);
  });

  it("chord: the slope of -T serves for T", async () => {
    // Claimed R - G + Q = O, walked R + G + Q.
    const key = negate(sum(nonce, GENERATOR));
    const program = new Program([key, nonce]);
    program.load(0, program.entry(1, 1)).add(program.generator(-1), slopeBetween(nonce, GENERATOR)).close(program.entry(0, 1));
    await expectForgery("chord", signatureFor(key, -1n, 1n, 1n), program.hints(nonce), "P384SlopeWrong");
  });

  it("chord-fused: the first slope of -T serves for T", async () => {
    // Claimed 2 R - G + Q = O, walked 2 R + G + Q.
    const key = negate(sum(nonce, nonce, GENERATOR));
    const program = new Program([key, nonce]);
    program.load(1, program.entry(1, 1)).fused(program.generator(-1), slopeBetween(nonce, GENERATOR)).close(program.entry(0, 1));
    await expectForgery("chord-fused", signatureFor(key, -1n, 1n, 2n), program.hints(nonce), "P384SlopeWrong");
  });

  it("chord-second: the second slope, taken to -(P + T), leaves -T where 2 P + T belongs", async () => {
    // Claimed 2 (R + Q) + G + G = O for a key that has nothing to do with R.
    const program = new Program([victim, nonce]);
    const start = sum(nonce, victim);
    const bogus = slopeBetween(start, negate(sum(start, GENERATOR)));
    program.load(1, program.entry(1, 1)).add(program.entry(0, 1));
    program.fused(program.generator(1), undefined, bogus).close(program.generator(1));
    await expectForgery("chord-second", signatureFor(victim, 2n, 2n, 2n), program.hints(nonce), "P384SlopeWrong");
  });

  it("nothing: a double-and-add of no point lowers the position and doubles nothing", async () => {
    // Claimed 2 R + G + Q = O, walked R + G + Q.
    const key = negate(sum(nonce, GENERATOR));
    const program = new Program([key, nonce]);
    program.load(1, program.entry(1, 1)).fusedNothing().add(program.generator(1)).close(program.entry(0, 1));
    await expectForgery("nothing", signatureFor(key, 1n, 1n, 2n), program.hints(nonce), "P384StepMalformed");
  });

  it("closing: a sum that is not the point at infinity", async () => {
    const program = new Program([victim, nonce]);
    program.load(0, program.entry(1, 1)).add(program.generator(1)).close(program.entry(0, 1), false);
    await expectForgery("closing", signatureFor(victim, 1n, 1n, 1n), program.hints(nonce), "P384NotClosed");
  });

  it("nonzero: a relation without R says nothing, and Q + G - Q - G = O always holds", async () => {
    const program = new Program([victim, nonce]);
    program.load(0, program.entry(0, 1)).add(program.generator(1)).add(program.entry(0, -1)).close(program.generator(-1));
    await expectForgery("nonzero", { ...victim, r: nonce.x, s: 1n, e: 1n }, program.hints(nonce), "P384ScalarMismatch");
  });

  it("magnitude: R counted n times is not zero as an integer", async () => {
    // n = 3 2^383 - 2^383 - (2^384 - n)
    const program = new Program([victim, nonce]);
    program.load(383, program.entry(1, 3)).add(program.entry(1, -1));
    let position = 383;
    for (const [at, digit] of [...nonAdjacentForm(N - 2n ** 384n, 5)].sort(([a], [b]) => b - a)) {
      program.double(position - at);
      position = at;
      if (at > 0) program.add(program.entry(1, digit));
      else program.close(program.entry(1, digit));
    }
    const hints = program.hints(nonce);
    await expectForgery("magnitude", { ...victim, r: nonce.x, s: 1n, e: 1n }, hints, "P384ScalarTooLong");
  });

  it("generator: without it any message verifies", async () => {
    const key = negate(sum(nonce, GENERATOR));
    const program = new Program([key, nonce]);
    program.load(0, program.entry(1, 1)).add(program.generator(1)).close(program.entry(0, 1));
    const signature = { ...signatureFor(key, 1n, 1n, 1n), e: 12345n };
    await expectForgery("generator", signature, program.hints(nonce), "P384ScalarMismatch");
  });

  it("key: without it R needs to know the message alone", async () => {
    const own = point(7n);
    const key = negate(sum(own, GENERATOR));
    const program = new Program([key, own]);
    program.load(0, program.entry(1, 1)).add(program.generator(1)).close(program.entry(0, 1));
    await expectForgery("key", { ...key, r: own.x, s: 3n, e: N - 3n }, program.hints(own), "P384ScalarMismatch");
  });

  it("start: above position 383 a count would land in another point's word", async () => {
    // Doubled 384 times, G counts 2^384; its fourth word is the first of 2^192 G.
    const power = point(2n ** 384n);
    const key = negate(sum(power, nonce));
    const program = new Program([key, nonce]);
    program.load(384, program.generator(1)).double(384).add(program.entry(1, 1)).close(program.entry(0, 1));
    await expectForgery("start", signatureFor(key, 2n ** 192n, 1n, 1n), program.hints(nonce), "P384StepMalformed");
  });

  it("s-range: s + n is the same number modulo n", async () => {
    const inRange = withSmallS(nonce.x, 1n, 12345n);
    expect(isValid(inRange)).to.equal(true);
    const hints = proveSingle(inRange);
    await expectForgery("s-range", { ...inRange, s: inRange.s + N }, hints, "P384ScalarOutOfRange");
  });

  it("r-range: an x of n or more is not an r", async () => {
    let x = N;
    let high: Point | undefined;
    while (!high) high = lift(++x);
    const key = negate(sum(high, GENERATOR));
    const program = new Program([key, high]);
    program.load(0, program.entry(1, 1)).add(program.generator(1)).close(program.entry(0, 1));
    await expectForgery("r-range", signatureFor(key, 1n, 1n, 1n, high.x), program.hints(high), "P384ScalarOutOfRange");
  });
});

describe("P384: strictness and second locks", () => {
  it("table: other multiples make another generator", async () => {
    const other = point(2n);
    const multiples = oddMultiples(other, 128);
    const table = `0x${[...multiples, ...multiples].map(({ x, y }) => hex(P - x, 48) + hex(y, 48)).join("")}` as const;
    const real = await ethers.deployContract("P384", [generatorTable()]);
    await expect(ethers.deployContract("P384", [table])).to.be.revertedWithCustomError(real, "P384TableUnknown");

    const key = negate(sum(nonce, other));
    const program = new Program([key, nonce]);
    program.load(0, program.entry(1, 1)).add({ ...program.generator(1), point: other }).close(program.entry(0, 1));
    const signature = signatureFor(key, 1n, 1n, 1n);
    expect(isValid(signature)).to.equal(false);
    const without = await deployWithout(ethers, ["table"], table);
    const magic = await without.verify(encodeSignatures([signature]), program.hints(nonce));
    expect(magic).to.equal(real.interface.getFunction("verify").selector);
  });

  it("consumed: hints with a tail would be a second transcript of the same proof", async () => {
    const key = negate(sum(nonce, GENERATOR));
    const program = new Program([key, nonce]);
    program.load(0, program.entry(1, 1)).add(program.generator(1)).close(program.entry(0, 1));
    const encoded = encodeSignatures([signatureFor(key, 1n, 1n, 1n)]);
    const real = await ethers.deployContract("P384", [generatorTable()]);
    const without = await deployWithout(ethers, ["consumed"]);
    const tail = `${program.hints(nonce)}00`;
    const bytes = (tail.length - 2) / 2;
    await expect(real.verify(encoded, tail)).to.be.revertedWithCustomError(real, "P384HintsLength").withArgs(bytes - 1, bytes);
    await without.verify(encoded, tail);
    await real.verify(encoded, tail.slice(0, -2));
  });

  it("position: a program that stops above 0 proves 2^q times its sum, which is no forgery; it is refused all the same", async () => {
    const key = negate(sum(nonce, GENERATOR));
    const program = new Program([key, nonce]);
    program.load(5, program.entry(1, 1)).add(program.generator(1)).close(program.entry(0, 1));
    const signature = signatureFor(key, 1n, 1n, 1n);
    expect(isValid(signature)).to.equal(true);
    const real = await ethers.deployContract("P384", [generatorTable()]);
    const without = await deployWithout(ethers, ["position"]);
    await expect(real.verify(encodeSignatures([signature]), program.hints(nonce)))
      .to.be.revertedWithCustomError(real, "P384PositionLeft")
      .withArgs(5);
    await without.verify(encodeSignatures([signature]), program.hints(nonce));
  });

  it("wrapped position: doubling below 0 addresses no scalar, with or without the check", async () => {
    const program = new Program([victim, nonce]);
    program.load(0, program.entry(1, 1)).double(1).add(program.generator(1)).close(program.entry(0, 1), false);
    const encoded = encodeSignatures([signatureFor(victim, 1n, 1n, 1n)]);
    const real = await ethers.deployContract("P384", [generatorTable()]);
    const without = await deployWithout(ethers, ["position", "closing"]);
    await expect(real.verify(encoded, program.hints(nonce))).to.revert(ethers);
    await expect(without.verify(encoded, program.hints(nonce))).to.revert(ethers);
  });

  it("coordinates: x + p and y + p are not the key's coordinates", async () => {
    // A point whose x is small enough that x + p still fits 384 bits.
    let x = 0n;
    let small: Point | undefined;
    while (!small) small = lift(++x);
    const real = await ethers.deployContract("P384", [generatorTable()]);
    const without = await deployWithout(ethers, ["coordinates"]);
    const program = new Program([small, nonce]);
    program.load(0, program.entry(1, 1)).add(program.generator(1)).close(program.entry(0, 1), false);
    const signature = { ...signatureFor(small, 1n, 1n, 1n), x: small.x + P };
    await expect(real.verify(encodeSignatures([signature]), program.hints(nonce))).to.be.revertedWithCustomError(real, "P384KeyNotOnCurve");
    // Without the check the curve equation takes it, and the limb bounds are gone: what follows fails, but not by argument.
    await expect(without.verify(encodeSignatures([signature]), program.hints(nonce))).not.to.be.revertedWithCustomError(
      real,
      "P384KeyNotOnCurve",
    );
  });

  it("cap: six signatures are refused before memory is laid out for them", async () => {
    const real = await ethers.deployContract("P384", [generatorTable()]);
    await expect(real.verify(`0x${"11".repeat(1440)}`, "0x")).to.be.revertedWithCustomError(real, "P384SignatureLength").withArgs(1440);
    const without = await deployWithout(ethers, ["cap"]);
    await expect(without.verify(`0x${"11".repeat(1440)}`, "0x")).not.to.be.revertedWithCustomError(real, "P384SignatureLength");
  });
});

/** A point with this x, if there is one. */
function lift(x: bigint): Point | undefined {
  const y = squareRoot(x ** 3n - 3n * x + CURVE_B);
  return isOnCurve({ x, y }) ? { x, y } : undefined;
}

/** A valid signature with chosen r, s and e: the key is computed from R. */
function withSmallS(r: bigint, s: bigint, e: bigint): Signature {
  const rest = sum(multiply(s, nonce)!, negate(multiply(e, GENERATOR)!));
  return { ...multiply(invert(r, N), rest)!, r, s, e };
}
