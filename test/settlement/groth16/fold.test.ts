import { mkdirSync } from "node:fs";

import { expect } from "chai";
import type { BaseContract } from "ethers";

import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { encodeKey, keccak, word } from "../../../circuits/setup/encode.ts";
import type { Hex } from "../../../circuits/setup/encode.ts";
import { mod, R } from "../../../circuits/setup/field.ts";
import { foldKey, packWeights, planFold } from "../../../circuits/setup/fold.ts";
import type { FoldPlan } from "../../../circuits/setup/fold.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import type { VerifyingKey } from "../../../circuits/setup/zkey.ts";
import { wasmProver } from "../../../keepers/proving/provers.ts";
import { CACHE, closeSnarkjs, compile, proveTiny } from "../../circuits/setup/tools.ts";
import { deploy, submission } from "./tools.ts";
import { LIMITS } from "../../utils/limits.ts";

const WORDS = 70;
const LANES = { lanes: 9, laneBits: 28 };
const SALT = `0x${"00".repeat(32)}`;
const TRANSCRIPT = `0x${"55".repeat(32)}`;

describe("Groth16Fold", () => {
  let deployed: Awaited<ReturnType<typeof deploy>>;
  let fold: BaseContract;
  let full: VerifyingKey;
  let weights: Int8Array;
  let plan: FoldPlan;
  let circuitHash: string;
  let zkey: string;

  /** Wires of Universal(70) at x: one, ctx, in, out, w, x, powers, terms. */
  function witness(words: readonly bigint[], ctx: bigint, x: bigint): { path: string; publicInputs: bigint[] } {
    const powers: bigint[] = [];
    for (let j = 0; j < WORDS; j++) powers.push(j === 0 ? mod(x * x) : mod(powers[j - 1]! * x));
    const terms = powers.map((power, j) => mod(power * words[j]!));
    const publicInputs = [ctx, mod(x * x), mod(terms.reduce((sum, term) => sum + term, 0n))];
    const path = `${CACHE}/universal-${x}.wtns`;
    writeWitness(path, [1n, ...publicInputs, ...words, x, ...powers, ...terms]);
    return { path, publicInputs };
  }

  before(async () => {
    deployed = await deploy();
    const { ethers, authority, keys } = deployed;
    fold = await ethers.deployContract("Groth16Fold", [await authority.getAddress(), await keys.getAddress(), 1_000n, 3_600]);
    mkdirSync(CACHE, { recursive: true });
    zkey = `${CACHE}/universal.zkey`;
    await makeDevelopmentKey(compile("universal"), zkey, { tau: 31n, alpha: 32n, beta: 33n, gamma: 1n, delta: 34n });
    full = readVerifyingKey(zkey);
    // The last word is not full.
    weights = Int8Array.from({ length: WORDS * LANES.lanes - 4 }, (_, i) => ((i * 37) % 256) - 128);
    plan = planFold(full, 3, weights, LANES);
    circuitHash = await fold.getFunction("registerCircuit").staticCall(...registration());
    await (await fold.getFunction("registerCircuit")(...registration())).wait();
  });

  after(closeSnarkjs);

  const registration = (changes: { base?: Hex; chunkHashes?: Hex[]; weights?: number; lanes?: number; laneBits?: number } = {}) => {
    const all = { base: plan.base, chunkHashes: plan.chunkHashes, weights: plan.weights, ...LANES, ...changes };
    return [all.base, all.chunkHashes, all.weights, all.lanes, all.laneBits] as const;
  };
  const call = (name: string, ...args: unknown[]) => fold.getFunction(name)(...args);
  const refused = (promise: Promise<unknown>, error: string, ...values: unknown[]) => expect(promise).to.be.revertedWithCustomError(fold, error).withArgs(...values);

  it("packs signed bytes as the contract does", () => {
    expect(packWeights(Int8Array.from([-1, 2]), { lanes: 2, laneBits: 16 })).to.deep.equal([2n * 65_536n - 1n]);
    expect(packWeights(Int8Array.from([0, -1]), { lanes: 2, laneBits: 16 })).to.deep.equal([R - 65_536n]);
    expect(() => packWeights(new Int8Array(2), { lanes: 32, laneBits: 8 })).to.throw(RangeError);
  });

  it("folds a model into a key, and the universal circuit's proofs verify under it", async () => {
    const { keys, ethers } = deployed;
    expect(plan.chunks).to.have.length(2);
    for (const { points, weights: bytes } of plan.chunks) await call("fold", circuitHash, SALT, points, bytes);
    await expect(call("finish", circuitHash, SALT, plan.base)).to.emit(fold, "Groth16KeyFolded").withArgs(plan.vkHash, circuitHash, plan.weightsHash, (at: string) => at.length === 42);
    expect(await call("isFolded", plan.vkHash, circuitHash, plan.weightsHash)).to.equal(true);
    expect(await call("isFolded", plan.vkHash, circuitHash, keccak("0x01"))).to.equal(false);

    const words = packWeights(weights, LANES);
    const { path, publicInputs } = witness(words, 99n, 123_456n);
    const proven = await wasmProver().prove({ zkey, witness: path, key: plan.folded, publicInputs, folded: words }, LIMITS);
    const verifier = await ethers.getContractAt("Groth16Verifier", await keys.verifierOf(plan.vkHash));
    expect(await verifier.publicInputCount()).to.equal(3n);
    expect(await verifier.verify(proven.proof, publicInputs)).to.equal(true);
    expect(await verifier.verify(proven.proof, [...publicInputs.slice(0, 2), publicInputs[2]! + 1n])).to.equal(false);

    // The same circuit with another model does not pass for this one.
    const other = words.map((value, i) => (i === 5 ? mod(value + 1n) : value));
    const stranger = witness(other, 99n, 123_456n);
    const wrong = await wasmProver().prove({ zkey, witness: stranger.path, key: foldKey(full, other), publicInputs: stranger.publicInputs, folded: other }, LIMITS);
    expect(await verifier.verify(wrong.proof, stranger.publicInputs)).to.equal(false);
  });

  it("finds the key again when the same is folded twice", async () => {
    const salt = `0x${"01".repeat(32)}`;
    for (const { points, weights: bytes } of plan.chunks) await call("fold", circuitHash, salt, points, bytes);
    await expect(call("finish", circuitHash, salt, plan.base)).to.emit(fold, "Groth16KeyFolded");
  });

  it("refuses chunks out of order, of other points, with other numbers of weights, or too many", async () => {
    const salt = `0x${"02".repeat(32)}`;
    const [first, second] = plan.chunks as [FoldPlan["chunks"][number], FoldPlan["chunks"][number]];
    await refused(call("fold", circuitHash, salt, second.points, second.weights), "Groth16FoldChunk", 0, plan.chunkHashes[1], plan.chunkHashes[0]);
    await refused(call("fold", circuitHash, salt, first.points, first.weights.slice(0, -2)), "Groth16FoldWeights", 575, 576);
    await call("fold", circuitHash, salt, first.points, first.weights);
    expect(await call("progress", circuitHash, (await deployed.ethers.getSigners())[0]!.address, salt)).to.deep.equal([1n, 2n]);
    await refused(call("finish", circuitHash, salt, plan.base), "Groth16FoldIncomplete", 1, 2);
    await refused(call("fold", circuitHash, salt, second.points, `${second.weights}00`), "Groth16FoldWeights", 51, 50);
    await call("fold", circuitHash, salt, second.points, second.weights);
    await refused(call("fold", circuitHash, salt, second.points, second.weights), "Groth16FoldComplete", 2);
    const other = encodeKey({ ...full, ic: full.ic.slice(0, 4).reverse() });
    await refused(call("finish", circuitHash, salt, other), "Groth16FoldBase", keccak(other), keccak(plan.base));
  });

  it("keeps the folds of different senders apart", async () => {
    const [, stranger] = await deployed.ethers.getSigners();
    const theirs = fold.connect(stranger!) as typeof fold;
    await expect(theirs.getFunction("finish")(circuitHash, SALT, plan.base)).to.be.revertedWithCustomError(fold, "Groth16FoldIncomplete");
  });

  it("refuses circuits of impossible shape, known ones, and unknown ones", async () => {
    await refused(call("registerCircuit", ...registration()), "Groth16FoldCircuitKnown", circuitHash);
    await refused(call("registerCircuit", ...registration({ laneBits: 29 })), "Groth16FoldShape", plan.weights, 2, 9, 29);
    await refused(call("registerCircuit", ...registration({ laneBits: 7 })), "Groth16FoldShape", plan.weights, 2, 9, 7);
    await refused(call("registerCircuit", ...registration({ lanes: 0 })), "Groth16FoldShape", plan.weights, 2, 0, 28);
    await refused(call("registerCircuit", ...registration({ weights: 0 })), "Groth16FoldShape", 0, 2, 9, 28);
    await refused(call("registerCircuit", ...registration({ weights: 576 })), "Groth16FoldShape", 576, 2, 9, 28);
    await refused(call("fold", TRANSCRIPT, SALT, "0x", "0x"), "Groth16FoldCircuitUnknown", TRANSCRIPT);
    const bad = encodeKey({ ...full, ic: [[0n, 0n], ...full.ic.slice(1, 4)] });
    await expect(call("registerCircuit", ...registration({ base: bad }))).to.be.revertedWithCustomError(deployed.keys, "Groth16KeyPoint");
  });

  it("refuses an IC point that is not on the curve", async () => {
    const points: Hex = `0x${word(1n)}${word(1n)}`;
    const args = registration({ chunkHashes: [keccak(points)], weights: 3 });
    const hash = await fold.getFunction("registerCircuit").staticCall(...args);
    await call("registerCircuit", ...args);
    await refused(call("fold", hash, SALT, points, "0x010203"), "Groth16FoldPoint", 0);
  });

  it("hands on the circuit's level, with the authority's leave", async () => {
    const { keys, authority, ethers } = deployed;
    expect(await keys.setupLevel(plan.vkHash)).to.equal(1n);
    await refused(call("inheritLevel", plan.vkHash, circuitHash, plan.weightsHash), "Groth16FoldNotAttested", circuitHash);
    const [, stranger] = await ethers.getSigners();
    await expect((fold.connect(stranger!) as typeof fold).getFunction("attestCircuit")(circuitHash, TRANSCRIPT)).to.be.revertedWithCustomError(fold, "AccessManagedUnauthorized");
    await expect(call("attestCircuit", circuitHash, SALT)).to.be.revertedWithCustomError(keys, "Groth16TranscriptMissing");
    await call("attestCircuit", circuitHash, TRANSCRIPT);
    await expect(call("inheritLevel", plan.vkHash, circuitHash, plan.weightsHash)).to.be.revertedWithCustomError(keys, "AccessManagedUnauthorized");
    await authority.setTargetFunctionRole(await keys.getAddress(), [keys.interface.getFunction("attestCeremony").selector], 7n);
    await authority.grantRole(7n, await fold.getAddress(), 0);
    await call("inheritLevel", plan.vkHash, circuitHash, plan.weightsHash);
    expect(await keys.setupLevel(plan.vkHash)).to.equal(2n);
    await refused(call("inheritLevel", plan.vkHash, circuitHash, SALT), "Groth16FoldUnknown", plan.vkHash, circuitHash, SALT);
  });

  describe("constants (committed weights)", () => {
    it("become part of the key, where no caller can choose them", async () => {
      const { keys, ethers } = deployed;
      // Tiny's third input, out, plays the commitment: only proofs about 180 verify under the folded key.
      const key = deployed.circuit.key;
      const folded = foldKey(key, [180n]);
      const hash = keccak(encodeKey(folded));
      await call("foldConstants", encodeKey(key), [180n]);
      expect(await call("isFolded", hash, keccak(encodeKey(key)), keccak(`0x${word(180n)}`))).to.equal(true);
      const verifier = await ethers.getContractAt("Groth16Verifier", await keys.verifierOf(hash));
      const right = submission(await proveTiny(deployed.circuit.files.zkey, 1n, 12n, 15n));
      const wrong = submission(await proveTiny(deployed.circuit.files.zkey, 1n, 13n, 14n));
      expect(await verifier.verify(right.proof, right.inputs.slice(0, 2))).to.equal(true);
      expect(await verifier.verify(wrong.proof, wrong.inputs.slice(0, 2))).to.equal(false);
      // A development key stays one.
      expect(await keys.setupLevel(hash)).to.equal(0n);
    });

    it("are refused past the field, and when no input would be left", async () => {
      const key = encodeKey(deployed.circuit.key);
      await expect(call("foldConstants", key, [R])).to.be.revertedWithCustomError(deployed.verifier, "Groth16InputNotInField").withArgs(0, R);
      await refused(call("foldConstants", key, []), "Groth16FoldConstants", 0, 3);
      await refused(call("foldConstants", key, [1n, 2n, 3n]), "Groth16FoldConstants", 3, 3);
    });
  });

  it("costs about 11,500 gas for each packed word, calldata and all", async () => {
    const gas: bigint = await fold.getFunction("fold").estimateGas(circuitHash, `0x${"09".repeat(32)}`, plan.chunks[0]!.points, plan.chunks[0]!.weights);
    expect(Number(gas) / 64).to.be.below(11_600);
  });
});
