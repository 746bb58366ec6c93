import { expect } from "chai";

import { DEVELOPMENT_TRAPDOOR, makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { encodeKey, encodeProof, keccak, word } from "../../../circuits/setup/encode.ts";
import type { Hex } from "../../../circuits/setup/encode.ts";
import { Q, R } from "../../../circuits/setup/field.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { CACHE, closeSnarkjs, compile, proveTiny } from "../../circuits/setup/tools.ts";
import { deploy, negated, rerandomise, withWords, words } from "./tools.ts";

/** Three layers, each from a sum to its product, under keys of three deltas: 12 + 15 -> 180 = 2 + 178 -> 356 = 200 + 156 -> 31200. */
describe("Groth16ChainVerifier", () => {
  const CTX = 77n;
  let deployed: Awaited<ReturnType<typeof deploy>>;
  let hashes: Hex[];
  let proofs: Hex[];
  let chain: Awaited<ReturnType<typeof deploy>>["verifier"];
  let chainHash: string;
  const INPUTS = [CTX, 27n, 31_200n];
  const BETWEEN = [180n, 356n];

  async function layer(circuit: "tiny8" | "tiny9", name: string, delta: bigint, alpha = 5n): Promise<{ zkey: string; vkHash: Hex }> {
    const zkey = `${CACHE}/chain-${name}.zkey`;
    await makeDevelopmentKey(compile(circuit), zkey, { tau: 3n, alpha, beta: 7n, gamma: 1n, delta });
    const key = encodeKey(readVerifyingKey(zkey));
    await (await deployed.keys.register(key)).wait();
    return { zkey, vkHash: keccak(key) };
  }

  before(async () => {
    deployed = await deploy();
    const layers = [await layer("tiny8", "0", 21n), await layer("tiny8", "1", 22n), await layer("tiny9", "2", 23n)];
    const made = [
      await proveTiny(layers[0]!.zkey, CTX, 12n, 15n),
      await proveTiny(layers[1]!.zkey, CTX, 2n, 178n),
      await proveTiny(layers[2]!.zkey, CTX, 200n, 156n, 9),
    ];
    expect(made.map(({ inputs }) => inputs.slice(1))).to.deep.equal([[27n, 180n], [180n, 356n], [356n, 31_200n]]);
    hashes = layers.map(({ vkHash }) => vkHash);
    proofs = made.map(({ proof }) => encodeProof(proof));
    await (await deployed.keys.registerChain(hashes)).wait();
    const { ethers } = deployed;
    chainHash = ethers.keccak256(ethers.AbiCoder.defaultAbiCoder().encode(["bytes32", "bytes32[]"], [await deployed.keys.CHAIN_TAG(), hashes]));
    chain = await ethers.getContractAt("Groth16Verifier", await deployed.keys.verifierOf(chainHash));
  });
  after(closeSnarkjs);

  const pack = (parts: readonly Hex[], between: readonly bigint[] = BETWEEN): Hex => `0x${parts.map((part) => part.slice(2)).join("")}${between.map(word).join("")}`;
  const verify = (parts: readonly Hex[], between = BETWEEN, inputs = INPUTS) => chain.verify(pack(parts, between), inputs);
  const replaced = <T>(list: readonly T[], index: number, value: T) => list.map((old, i) => (i === index ? value : old));

  it("accepts a chain of valid proofs, also re-randomised", async () => {
    expect(await verify(proofs)).to.equal(true);
    expect(await verify(proofs.map((proof, i) => rerandomise(proof, BigInt(i + 5))))).to.equal(true);
  });

  it("looks like any verifier of three public inputs, at the lowest level of its layers", async () => {
    expect(await chain.publicInputCount()).to.equal(3n);
    expect(await chain.vkHash()).to.equal(chainHash);
    expect(await chain.setupLevel()).to.equal(1n);
    expect(await deployed.keys.isVerifier(await chain.getAddress())).to.equal(true);
    const transcript = `0x${"44".repeat(32)}`;
    for (const hash of hashes.slice(0, 2)) await deployed.keys.attestCeremony(hash, transcript);
    expect(await chain.setupLevel()).to.equal(1n);
    await expect(deployed.keys.attestCeremony(chainHash, transcript)).to.be.revertedWithCustomError(deployed.keys, "Groth16KeyNotAttestable");
    await deployed.keys.attestCeremony(hashes[2]!, transcript);
    expect(await chain.setupLevel()).to.equal(2n);
  });

  for (const index of [0, 1, 2]) {
    it(`rejects layer ${index} with C negated, off the curve, or of another statement`, async () => {
      const w = words(proofs[index]!);
      expect(await verify(replaced(proofs, index, withWords(proofs[index]!, { 7: negated(w[7]!) })))).to.equal(false);
      expect(await verify(replaced(proofs, index, withWords(proofs[index]!, { 6: (w[6]! + 1n) % Q })))).to.equal(false);
      expect(await verify(replaced(proofs, index, proofs[(index + 1) % 3]!))).to.equal(false);
    });

    it(`rejects another ${["ctx", "input", "output"][index]}, and refuses one past the field`, async () => {
      expect(await verify(proofs, BETWEEN, replaced(INPUTS, index, INPUTS[index]! + 1n))).to.equal(false);
      await expect(verify(proofs, BETWEEN, replaced(INPUTS, index, INPUTS[index]! + R))).to.be.revertedWithCustomError(chain, "Groth16InputNotInField");
    });
  }

  for (const index of [0, 1]) {
    it(`rejects another word between layers ${index} and ${index + 1}, and refuses one past the field`, async () => {
      expect(await verify(proofs, replaced(BETWEEN, index, BETWEEN[index]! + 1n))).to.equal(false);
      await expect(verify(proofs, replaced(BETWEEN, index, BETWEEN[index]! + R))).to.be.revertedWithCustomError(chain, "Groth16InputNotInField").withArgs(3 + index, BETWEEN[index]! + R);
    });
  }

  it("rejects layers in another order", async () => {
    expect(await verify([proofs[1]!, proofs[0]!, proofs[2]!])).to.equal(false);
  });

  it("refuses another length", async () => {
    await expect(chain.verify(pack(proofs.slice(0, 2)), INPUTS)).to.be.revertedWithCustomError(chain, "Groth16ProofLength");
    await expect(chain.verify(pack(proofs), INPUTS.slice(0, 2))).to.be.revertedWithCustomError(chain, "Groth16InputCount");
  });

  it("verifies several, one after another, and refuses a repeated statement", async () => {
    const one = pack(proofs);
    expect(await chain.verifyBatch(one, INPUTS)).to.equal(true);
    await expect(chain.verifyBatch(`0x${one.slice(2)}${one.slice(2)}`, [...INPUTS, ...INPUTS])).to.be.revertedWithCustomError(chain, "Groth16StatementOrder").withArgs(1);
    await expect(chain.verifyBatch(one, INPUTS.slice(1))).to.be.revertedWithCustomError(chain, "Groth16InputCount");
    await expect(chain.verifyBatch("0x", [])).to.be.revertedWithCustomError(chain, "Groth16ProofLength");
  });

  it("costs less than its layers verified alone", async () => {
    const gas = await chain.verify.estimateGas(pack(proofs), INPUTS);
    expect(gas).to.be.below(505_000n);
  });

  describe("registration refuses", () => {
    const refused = (layers: readonly string[], error: string, ...values: unknown[]) =>
      expect(deployed.keys.registerChain([...layers])).to.be.revertedWithCustomError(deployed.keys, error).withArgs(...values);

    it("less than two layers, or more than 32", async () => {
      await refused([hashes[0]!], "Groth16ChainLength", 1, 32);
      await refused(Array<string>(33).fill(hashes[0]!), "Groth16ChainLength", 33, 32);
    });

    it("a key that is not registered", () => refused([hashes[0]!, `0x${"33".repeat(32)}`], "Groth16KeyUnknown", `0x${"33".repeat(32)}`));
    it("a chain as a layer", () => refused([hashes[0]!, chainHash], "Groth16ChainLayer", 1));
    it("the same chain twice", async () => refused(hashes, "Groth16KeyKnown", chainHash, await chain.getAddress()));

    it("keys of different phase 1", async () => {
      const stranger = await layer("tiny8", "stranger", 29n, 6n);
      await refused([hashes[0]!, stranger.vkHash], "Groth16ChainPhaseOne", 1);
      await refused([hashes[0]!, deployed.circuit.files.manifest.vkHash], "Groth16ChainPhaseOne", 1);
      expect(DEVELOPMENT_TRAPDOOR.alpha).to.not.equal(5n);
    });
  });
});
