import { expect } from "chai";
import { network } from "hardhat";

import { generatorTable } from "../../../scripts/lib/p384Table.ts";
import { GENERATOR, invert, mod, multiply, N, negate, type Point } from "../../../sdk/attestation/p384/curve.ts";
import { encodeSignatures, proveBatch, proveSingle, type Signature } from "../../../sdk/attestation/p384/index.ts";
import { isValid } from "./forge.ts";

const { ethers } = await network.create();

/** The signature over e by key d with nonce k, both known: R = k G, Q = d G. */
function sign(d: bigint, k: bigint, e: bigint): Signature {
  const r = mod(multiply(k, GENERATOR)!.x, N);
  return { ...multiply(d, GENERATOR)!, e, r, s: mod(invert(k, N) * (e + r * d), N) };
}

/** Signatures whose points coincide or whose numbers are extreme: a chord through one x lurks at every turn. */
const DIGEST = 0xabcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789n;
const half = (N + 1n) / 2n;
const CONTRIVED: Record<string, Signature> = {
  "R = G": sign(12345n, 1n, DIGEST),
  "R = -G": sign(12345n, N - 1n, DIGEST),
  "R = 2 G": sign(12345n, 2n, DIGEST),
  "R = G / 2": sign(12345n, half, DIGEST),
  "R = Q": sign(12345n, 12345n, DIGEST),
  "R = -Q": sign(12345n, N - 12345n, DIGEST),
  "R = 2 Q": sign(12345n, 24690n, DIGEST),
  "Q = G": sign(1n, 98765n, DIGEST),
  "Q = -G": sign(N - 1n, 98765n, DIGEST),
  "Q = 3 G": sign(3n, 98765n, DIGEST),
  "Q = G / 2": sign(half, 98765n, DIGEST),
  "Q = R = G": sign(1n, 1n, DIGEST),
  "Q = -R = G": sign(1n, N - 1n, DIGEST),
  "Q = 2 G, R = 3 G": sign(2n, 3n, DIGEST),
  "Q = 2^192 G": sign(2n ** 192n, 98765n, DIGEST),
  "R = 2^192 G": sign(98765n, 2n ** 192n, DIGEST),
  "e = 0": sign(12345n, 98765n, 0n),
  "e = n": sign(12345n, 98765n, N),
  "e = 2^384 - 1": sign(12345n, 98765n, 2n ** 384n - 1n),
  "e = 1": sign(12345n, 98765n, 1n),
};
// u2 = r / s small, -1, 1: the key's multiple is the nonce's.
const withRatio = (ratio: bigint): Signature => {
  const nonce: Point = multiply(777777n, GENERATOR)!;
  const r = nonce.x;
  const s = mod(r * invert(mod(ratio, N), N), N);
  // R = (e / s) G + ratio Q with e = s: Q = (R - G) / ratio.
  const d = mod((777777n - 1n) * invert(mod(ratio, N), N), N);
  return { ...multiply(d, GENERATOR)!, e: s, r, s };
};
for (const ratio of [1n, -1n, 2n, 3n, 2n ** 64n, 2n ** 128n, 2n ** 192n, half]) CONTRIVED[`r / s = ${ratio}`] = withRatio(ratio);

describe("P384: contrived but valid signatures have hints that pass", () => {
  for (const [name, signature] of Object.entries(CONTRIVED)) {
    it(name, async () => {
      const mirrored = { ...signature, s: N - signature.s };
      const other = { ...signature, y: negate(signature).y };
      const kernel = await ethers.deployContract("P384", [generatorTable()]);
      for (const one of [signature, mirrored]) {
        expect(isValid(one)).to.equal(true);
        await kernel.verify(encodeSignatures([one]), proveSingle(one));
      }
      // High and low s of one signature together, and the same signature twice.
      const batch = [signature, mirrored, signature];
      await kernel.verify(encodeSignatures(batch), proveBatch(batch));
      // Where e is 0, R = u2 Q and its mirror have one x: the mirrored key verifies as well.
      if (mod(signature.e, N) === 0n) return;
      expect(isValid(other)).to.equal(false);
      await expect(kernel.verify(encodeSignatures([other]), proveSingle(signature))).to.revert(ethers);
    });
  }

  it("hints of one signature, or of another order, do not serve", async () => {
    const [a, b] = [CONTRIVED["e = 1"]!, CONTRIVED["R = Q"]!];
    const kernel = await ethers.deployContract("P384", [generatorTable()]);
    await expect(kernel.verify(encodeSignatures([a]), proveSingle(b))).to.revert(ethers);
    await expect(kernel.verify(encodeSignatures([b, a]), proveBatch([a, b]))).to.revert(ethers);
    const swapped = { ...a, r: a.s, s: a.r };
    await expect(kernel.verify(encodeSignatures([swapped]), proveSingle(a))).to.revert(ethers);
  });
});
