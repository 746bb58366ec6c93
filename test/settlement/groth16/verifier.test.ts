import { expect } from "chai";
import * as snarkjs from "snarkjs";

import { decodeProof, toSnarkjs } from "../../../circuits/setup/encode.ts";
import type { Hex } from "../../../circuits/setup/encode.ts";
import { Q, R } from "../../../circuits/setup/field.ts";
import { verifyProof } from "../../../circuits/setup/verify.ts";
import { closeSnarkjs, proveTiny } from "../../circuits/setup/tools.ts";
import { deploy, negated, rerandomise, strayG2, submission, withWords, words } from "./tools.ts";
import type { Submission } from "./tools.ts";

describe("Groth16Verifier", () => {
  let deployed: Awaited<ReturnType<typeof deploy>>;
  let good: Submission;

  before(async () => {
    deployed = await deploy();
    good = submission(await proveTiny(deployed.circuit.files.zkey, 7n, 12n, 15n));
  });
  after(closeSnarkjs);

  const verify = (proof: Hex, inputs: bigint[]) => deployed.verifier.verify(proof, inputs);

  /** The contract, the TypeScript verifier and, where it has an opinion, snarkjs say the same. */
  async function agree(proof: Hex, inputs: bigint[], expected: boolean, askSnarkjs = true) {
    expect(await verify(proof, inputs), "contract").to.equal(expected);
    const json = decodeProof(proof);
    expect(verifyProof(deployed.circuit.key, inputs, json), "TypeScript").to.equal(expected);
    if (!askSnarkjs) return;
    expect(await snarkjs.groth16.verify(toSnarkjs(deployed.circuit.key), inputs.map(String), json), "snarkjs").to.equal(expected);
  }

  it("accepts a valid proof", () => agree(good.proof, good.inputs, true));

  it("knows its key", async () => {
    const { verifier, circuit, ethers } = deployed;
    expect(await verifier.vkHash()).to.equal(circuit.files.manifest.vkHash);
    expect(await verifier.publicInputCount()).to.equal(3n);
    expect(await verifier.setupLevel()).to.equal(0n);
    expect(await ethers.provider.getCode(await verifier.key())).to.equal(`0x00${circuit.files.keyBytes.slice(2)}`);
  });

  it("accepts any other proof of the same statement: proof bytes identify nothing", async () => {
    const [ax, ay, , , byi, byr] = words(good.proof);
    await agree(withWords(good.proof, { 0: ax!, 1: negated(ay!), 4: negated(byi!), 5: negated(byr!) }), good.inputs, true);
    await agree(rerandomise(good.proof, 0xabcdefn), good.inputs, true);
  });

  describe("public inputs", () => {
    ["ctx", "in", "out"].forEach((name, index) => {
      const changed = (value: bigint) => good.inputs.map((old, i) => (i === index ? value : old));
      it(`${name} + 1 is another statement`, () => agree(good.proof, changed(good.inputs[index]! + 1n), false));
      it(`${name} = 0 is another statement`, () => agree(good.proof, changed(0n), false));
      it(`${name} swapped with its neighbour is another statement`, () => {
        const swapped = [...good.inputs];
        const next = (index + 1) % 3;
        [swapped[index], swapped[next]] = [swapped[next]!, swapped[index]!];
        return agree(good.proof, swapped, false);
      });
      for (const [title, lift] of [["the field's order", R], ["twice the field's order", 2n * R]] as const) {
        it(`${name} + ${title} is refused, not reduced`, async () => {
          const value = good.inputs[index]! + lift;
          await expect(verify(good.proof, changed(value))).to.be.revertedWithCustomError(deployed.verifier, "Groth16InputNotInField").withArgs(index, value);
        });
      }
    });

    it("the field's order minus one is a value, the order is none", async () => {
      await agree(good.proof, [R - 1n, ...good.inputs.slice(1)], false);
      await expect(verify(good.proof, [R, ...good.inputs.slice(1)])).to.be.revertedWithCustomError(deployed.verifier, "Groth16InputNotInField");
    });

    for (const count of [0, 2, 4]) {
      it(`${count} of them are refused`, async () => {
        const inputs = [...good.inputs, 0n].slice(0, count);
        await expect(verify(good.proof, inputs)).to.be.revertedWithCustomError(deployed.verifier, "Groth16InputCount").withArgs(count, 3);
      });
    }
  });

  describe("proof points", () => {
    const at = (index: number) => words(good.proof)[index]!;
    const cases: [string, () => Record<number, bigint>, boolean?][] = [
      ["A negated", () => ({ 1: negated(at(1)) })],
      ["B negated", () => ({ 4: negated(at(4)), 5: negated(at(5)) })],
      ["C negated", () => ({ 7: negated(at(7)) })],
      ["A and C swapped", () => ({ 0: at(6), 1: at(7), 6: at(0), 7: at(1) })],
      ["A with its coordinates swapped", () => ({ 0: at(1), 1: at(0) }), false],
      ["C with its coordinates swapped", () => ({ 6: at(7), 7: at(6) }), false],
      ["B with real and imaginary parts swapped", () => ({ 2: at(3), 3: at(2), 4: at(5), 5: at(4) }), false],
      ["B with its coordinates swapped", () => ({ 2: at(4), 3: at(5), 4: at(2), 5: at(3) }), false],
      ["C in place of A", () => ({ 0: at(6), 1: at(7) })],
      ["A in place of C", () => ({ 6: at(0), 7: at(1) })],
      ["A at infinity", () => ({ 0: 0n, 1: 0n }), false],
      ["B at infinity", () => ({ 2: 0n, 3: 0n, 4: 0n, 5: 0n }), false],
      ["C at infinity", () => ({ 6: 0n, 7: 0n }), false],
      ["everything at infinity", () => Object.fromEntries(Array.from({ length: 8 }, (_, i) => [i, 0n])), false],
      ["B outside of the subgroup", () => Object.fromEntries(strayG2().map((value, i) => [2 + i, value])), false],
    ];
    for (let index = 0; index < 8; index++) {
      const name = ["A x", "A y", "B x imaginary", "B x real", "B y imaginary", "B y real", "C x", "C y"][index]!;
      cases.push([`${name} + 1 (off the curve)`, () => ({ [index]: (at(index) + 1n) % Q }), false]);
      cases.push([`${name} + field (same residue)`, () => ({ [index]: at(index) + Q }), false]);
      cases.push([`${name} of 2^256 - 1`, () => ({ [index]: 2n ** 256n - 1n }), false]);
    }
    // Where snarkjs's own parser throws, or reduces, it has no opinion.
    for (const [title, change, askSnarkjs] of cases) {
      it(`${title} is rejected`, () => agree(withWords(good.proof, change()), good.inputs, false, askSnarkjs));
    }

    for (const length of [0, 255, 257, 512]) {
      it(`${length} bytes are refused`, async () => {
        const proof: Hex = `0x${good.proof.slice(2).padEnd(1024, "0").slice(0, 2 * length)}`;
        await expect(verify(proof, good.inputs)).to.be.revertedWithCustomError(deployed.verifier, "Groth16ProofLength").withArgs(length);
      });
    }

    it("no single flipped bit survives", async () => {
      for (let i = 0; i < 64; i++) {
        const bit = (i * 509 + 17) % 2048;
        const word = Math.floor(bit / 256);
        const flipped = withWords(good.proof, { [word]: words(good.proof)[word]! ^ (1n << BigInt(255 - (bit % 256))) });
        expect(await verify(flipped, good.inputs), `bit ${bit}`).to.equal(false);
      }
    });
  });

  describe("gas", () => {
    it("spends little on a proof with a bad point", async () => {
      const { verifier } = deployed;
      const bad = withWords(good.proof, { 0: (words(good.proof)[0]! + 1n) % Q });
      expect(await verifier.verify.estimateGas(bad, good.inputs)).to.be.below(380_000n);
    });

    it("says that gas was short instead of calling the proof bad", async () => {
      const { verifier } = deployed;
      let [refused, accepted] = [0, 0];
      for (let limit = 40_000n; limit <= 400_000n; limit += 4_000n) {
        const result = await verifier.verify.staticCall(good.proof, good.inputs, { gasLimit: limit }).catch(() => "reverted");
        expect(result, `at ${limit}`).to.not.equal(false);
        if (result === true) accepted++;
        else refused++;
      }
      expect([accepted > 0, refused > 0]).to.deep.equal([true, true]);
    });
  });
});
