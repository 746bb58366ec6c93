import { expect } from "chai";
import { network } from "hardhat";

import { invert, mod, P } from "../../../sdk/attestation/p384/curve.ts";
import { hex } from "../../../sdk/attestation/p384/prove.ts";

const { ethers } = await network.create();

const B = 2n ** 256n;
const TOP = 2n ** 383n;
const HALF = invert(2n, P);
const words = (a: bigint) => [a % B, a / B, a % (B - 1n)];

/** A small generator of numbers, the same in every run. */
function* stream(): Generator<bigint, never> {
  for (let state = 0x9e3779b97f4a7c15n; ; ) {
    let value = 0n;
    for (let i = 0; i < 6; i++) {
      state = (state * 6364136223846793005n + 1442695040888963407n) % 2n ** 64n;
      value = (value << 64n) | (state ^ (state >> 29n));
    }
    yield value;
  }
}

/** Where limbs carry, quotients round and a remainder may come out as p or more. */
const C = 2n ** 384n - P;
const MIDDLE = (P - 1n) / 2n;
const EDGES = [0n, 1n, 2n, P - 1n, P - 2n, C, C - 1n, P - C, B, B - 1n, B + 1n, P - B, TOP, TOP - B, 2n ** 128n, MIDDLE, MIDDLE + 1n];
const SLOPES = [1n, -1n, TOP - 1n, -TOP, 1n - TOP, MIDDLE, -MIDDLE, B, -B, B - 1n, TOP / 2n, -TOP / 2n, 2n ** 128n, TOP - B];

describe("P384Group at the edges of its bounds", () => {
  const numbers = stream();
  const pick = (edges: bigint[], modulus: bigint, offset = 0n): bigint => {
    const choice = numbers.next().value;
    if (choice % 3n === 0n) return mod(numbers.next().value, modulus) - offset;
    return edges[Number((choice >> 8n) % BigInt(edges.length))]!;
  };
  const coordinate = () => mod(pick(EDGES, P), P);
  const slope = () => pick(SLOPES, 2n * TOP, TOP);
  const encode = (...slopes: bigint[]) => `0x${slopes.map((l) => hex(l < 0n ? l + 2n ** 384n : l, 48)).join("")}`;

  const check = async (operation: number, u1: bigint, v1: bigint, u2: bigint, y2: bigint, slopes: bigint[], u: bigint, v: bigint) => {
    const harness = await deployed();
    const state = [u1, v1, u2, y2].flatMap(words);
    const out = [...(await harness.run(operation, state as never, encode(...slopes)))] as [bigint, bigint, bigint, bigint, bigint, bigint];
    const label = `${operation} ${[u1, v1, u2, y2, ...slopes].join(" ")}`;
    expect(out[0] + out[1] * B, label).to.equal(u);
    expect(out[3] + out[4] * B, label).to.equal(v);
    expect([out[2] % (B - 1n), out[5] % (B - 1n)], label).to.deep.equal([u % (B - 1n), v % (B - 1n)]);
    return { harness, state };
  };
  let harness: Awaited<ReturnType<typeof deploy>> | undefined;
  const deploy = () => ethers.deployContract("P384GroupHarness");
  const deployed = async () => (harness ??= await deploy());

  it("adds: chosen slope, chosen result", async () => {
    for (let i = 0; i < 700; i++) {
      const [u1, u3, v3, l] = [coordinate(), coordinate(), coordinate(), slope()];
      const u2 = mod(-(l * l + u1 + u3), P);
      if (u1 === u2) continue;
      const v1 = mod(-v3 - l * (u3 - u1), P);
      const y2 = mod(-(l * (u2 - u1) + v1), P);
      const { harness, state } = await check(1, u1, v1, u2, y2, [l], u3, v3);
      if (i % 10 !== 0) continue;
      const wrong = l > 0n ? l - 1n : l + 1n;
      await expect(harness.run(1, state as never, encode(wrong))).to.revert(ethers);
    }
  });

  it("refuses a chord between points of one x, whatever the slope", async () => {
    const harness = await deployed();
    const errors = await ethers.getContractAt("IP384", await harness.getAddress());
    for (let i = 0; i < 30; i++) {
      const [u, v, y] = [coordinate(), coordinate(), coordinate()];
      const state = [u, v, u, y].flatMap(words);
      await expect(harness.run(1, state as never, encode(slope()))).to.be.revertedWithCustomError(errors, "P384SameX");
      await expect(harness.run(2, state as never, encode(slope(), slope()))).to.be.revertedWithCustomError(errors, "P384SameX");
    }
  });

  it("doubles: chosen slope, chosen result", async () => {
    for (let i = 0; i < 700; i++) {
      const [u3, l] = [coordinate(), slope()];
      if (mod(l, P) === 0n) continue;
      const u1 = mod(-(l * l + u3) * HALF, P);
      const v1 = mod(-3n * (u1 * u1 - 1n) * invert(2n * l, P), P);
      const v3 = mod(-(l * (u3 - u1) + v1), P);
      const { harness, state } = await check(0, u1, v1, 0n, 0n, [l], u3, v3);
      // At 2 v = 0 every slope of the tangent's equation or none passes; elsewhere only one.
      if (i % 10 !== 0 || v1 === 0n) continue;
      const wrong = l > 0n ? l - 1n : l + 1n;
      await expect(harness.run(0, state as never, encode(wrong))).to.revert(ethers);
    }
  });

  it("doubles and adds: chosen slopes, chosen point between or chosen result", async () => {
    for (let i = 0; i < 700; i++) {
      const [k, l, first, second] = [slope(), slope(), coordinate(), coordinate()];
      // The x between and the first x are chosen, or the result and the x between.
      const uS = first;
      const u1 = i % 2 === 0 ? second : mod(-(l * l + uS + second), P);
      const u2 = mod(-(k * k + u1 + uS), P);
      const v1 = mod(-(k + l) * (uS - u1) * HALF, P);
      if (u2 === u1 || (uS === u1 && v1 === 0n)) continue;
      const y2 = mod(-(k * (u2 - u1) + v1), P);
      const u4 = mod(-(l * l + u1 + uS), P);
      const v4 = mod(-(l * (u4 - u1) + v1), P);
      const { harness, state } = await check(2, u1, v1, u2, y2, [k, l], u4, v4);
      if (i % 10 !== 0 || uS === u1) continue;
      await expect(harness.run(2, state as never, encode(k, l > 0n ? l - 1n : l + 1n))).to.revert(ethers);
    }
  });
});
