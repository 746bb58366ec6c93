import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { expect } from "chai";
import type { BaseContract } from "ethers";

import { calculateWitness, compileModel, foldedKey, loadModel, quantizeInput, runInteger, WEIGHT_LANES, writeArtifacts, decodeOutput } from "../../../circuits/compiler/index.ts";
import type { CompiledModel, LoadedModel, Witness } from "../../../circuits/compiler/index.ts";
import { mlp } from "../../../circuits/models/zoo.ts";
import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { encodeKey, vkHash } from "../../../circuits/setup/encode.ts";
import { planFold } from "../../../circuits/setup/fold.ts";
import type { FoldPlan } from "../../../circuits/setup/fold.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { wasmProver } from "../../../keepers/proving/provers.ts";
import type { Job } from "../../../keepers/proving/queue.ts";
import type { InferenceLedger } from "../../../keepers/roles/inference/ledger.ts";
import { proofPreparation } from "../../../keepers/roles/inference/proofs.ts";
import { integerRunner } from "../../../keepers/roles/inference/runners.ts";
import { CACHE, closeSnarkjs } from "../../circuits/setup/tools.ts";
import { deploy } from "./tools.ts";
import { LIMITS } from "../../utils/limits.ts";

const SALT = `0x${"00".repeat(32)}` as const;
const X = [0.5, -0.25, 0.75, -1, 0.1, 0.9];
const CTX = 99n;

/** From two ONNX files of one architecture to two verifiers on chain, over one key. */
describe("Universal circuits of the compiler", () => {
  const folder = `${CACHE}/universal-model`;
  const zkey = join(folder, "proving.zkey");
  let deployed: Awaited<ReturnType<typeof deploy>>;
  let fold: BaseContract;
  let compiled: [CompiledModel, CompiledModel];
  let served: [LoadedModel, LoadedModel];
  let plans: [FoldPlan, FoldPlan];

  before(async () => {
    deployed = await deploy();
    const { ethers, authority, keys } = deployed;
    fold = await ethers.deployContract("Groth16Fold", [await authority.getAddress(), await keys.getAddress(), 1_000n, 3_600]);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    compiled = [3, 40].map((seed) => compileModel(mlp([6, 7, 3], seed), { weights: "public" })) as typeof compiled;
    // The key is made once, from the first model's files; of the second only weights.json is ever used.
    for (const [i, model] of compiled.entries()) await writeArtifacts(model, join(folder, String(i)));
    await makeDevelopmentKey(join(folder, "0", "model.r1cs"), zkey, { tau: 41n, alpha: 42n, beta: 43n, gamma: 1n, delta: 44n });
    served = [await loadModel(join(folder, "0")), await loadModel(join(folder, "0"), join(folder, "1", "weights.json"))];
    plans = served.map((model) => planFold(readVerifyingKey(zkey), 3, model.weights!.bytes, WEIGHT_LANES)) as typeof plans;
  });
  after(closeSnarkjs);

  const call = (name: string, ...args: unknown[]) => fold.getFunction(name)(...args);
  const witnessOf = (model: LoadedModel): Witness => calculateWitness(model, model.sym, quantizeInput(model, { x: X }).values, CTX);

  async function prove(which: 0 | 1) {
    const witness = witnessOf(served[which]);
    const path = join(folder, `${which}.wtns`);
    writeWitness(path, witness.values);
    const { proof } = await wasmProver().prove({ zkey, witness: path, key: plans[which].folded, publicInputs: witness.publicInputs, folded: witness.folded }, LIMITS);
    return { proof, publicInputs: witness.publicInputs };
  }

  it("fold into one key each, without a second set-up; a proof of one model is refused under the other", async () => {
    const { keys, ethers } = deployed;
    const registration = [plans[0].base, plans[0].chunkHashes, plans[0].weights, WEIGHT_LANES.lanes, WEIGHT_LANES.laneBits] as const;
    expect([plans[1].base, plans[1].chunkHashes, plans[1].weights]).to.deep.equal(registration.slice(0, 3));
    const circuit: string = await fold.getFunction("registerCircuit").staticCall(...registration);
    await call("registerCircuit", ...registration);
    for (const [i, plan] of plans.entries()) {
      const salt = `0x${String(i).repeat(64)}`;
      for (const { points, weights } of plan.chunks) await call("fold", circuit, salt, points, weights);
      await call("finish", circuit, salt, plan.base);
      expect(await call("isFolded", plan.vkHash, circuit, served[i]!.weights!.weightsHash)).to.equal(true);
    }
    expect(plans[0].vkHash).to.not.equal(plans[1].vkHash);
    expect(await call("isFolded", plans[0].vkHash, circuit, served[1].weights!.weightsHash)).to.equal(false);

    const verifiers = await Promise.all(plans.map(async (plan) => ethers.getContractAt("Groth16Verifier", await keys.verifierOf(plan.vkHash))));
    const proofs = [await prove(0), await prove(1)];
    expect(proofs[0]!.publicInputs).to.have.length(3);
    for (const [i, verifier] of verifiers.entries()) {
      for (const [j, { proof, publicInputs }] of proofs.entries()) expect(await verifier.verify(proof, publicInputs), `proof ${j} under model ${i}`).to.equal(i === j);
      // Nor does one model's proof carry the other's output.
      expect(await verifier.verify(proofs[i]!.proof, proofs[1 - i]!.publicInputs)).to.equal(false);
    }
  });

  it("are served and proved by an inference node like any other integer program", async () => {
    for (const [i, model] of served.entries()) {
      expect(vkHash(foldedKey(readVerifyingKey(zkey), model))).to.equal(plans[i]!.vkHash);
      const answer = await integerRunner(model).run({ x: { type: "float64", shape: [1, 6], data: X } }, new AbortController().signal);
      expect(answer.outputs.y!.data).to.deep.equal(runInteger(compiled[i]!, { x: X }).tensors.y);
      const payload = JSON.stringify({ digest: SALT, modelId: SALT, witness: answer.witness });
      const ledger = { find: () => ({ receipt: {} }) } as unknown as InferenceLedger;
      const proving = new Map([[SALT, { model, zkey, key: plans[i]!.folded }]]);
      const task = await proofPreparation({ ledger, models: proving, context: () => Promise.resolve(CTX), scratch: folder })({ payload } as Job);
      const { proof } = await wasmProver().prove(task, LIMITS);
      const verifier = await deployed.ethers.getContractAt("Groth16Verifier", await deployed.keys.verifierOf(plans[i]!.vkHash));
      expect(await verifier.verify(proof, witnessOf(model).publicInputs)).to.equal(true);
    }
  });

  it("with committed weights: the key holds the commitment, and proofs of another model do not verify under it", async () => {
    const { keys, ethers } = deployed;
    const path = join(folder, "private");
    const other = join(folder, "private-2");
    for (const [seed, to] of [[3, path], [40, other]] as const) await writeArtifacts(compileModel(mlp([6, 7, 3], seed), { weights: "committed" }), to);
    const own = join(path, "proving.zkey");
    await makeDevelopmentKey(join(path, "model.r1cs"), own, { tau: 51n, alpha: 52n, beta: 53n, gamma: 1n, delta: 54n });
    const full = readVerifyingKey(own);
    const models = [await loadModel(path), await loadModel(path, join(other, "weights.json"))];
    const proofs = [];
    for (const [i, model] of models.entries()) {
      const witness = witnessOf(model);
      const file = join(path, `${i}.wtns`);
      writeWitness(file, witness.values);
      const key = foldedKey(full, model);
      await call("foldConstants", encodeKey(full), witness.folded);
      expect(await call("isFolded", vkHash(key), vkHash(full), model.weights!.weightsHash)).to.equal(true);
      const proven = await wasmProver().prove({ zkey: own, witness: file, key, publicInputs: witness.publicInputs, folded: witness.folded }, LIMITS);
      proofs.push({ proof: proven.proof, inputs: witness.publicInputs, hash: vkHash(key) });
    }
    for (const [i, { hash }] of proofs.entries()) {
      const verifier = await ethers.getContractAt("Groth16Verifier", await keys.verifierOf(hash));
      for (const [j, { proof, inputs }] of proofs.entries()) expect(await verifier.verify(proof, inputs), `${j} under ${i}`).to.equal(i === j);
    }
  });

  it("prove what each model computes", () => {
    for (const [i, model] of served.entries()) {
      const { publicInputs } = witnessOf(model);
      const proven = decodeOutput(model.graph.outputs, publicInputs.slice(2)).tensors.y!;
      expect(proven).to.deep.equal(runInteger(compiled[i]!, { x: X }).tensors.y);
      const bound = compiled[i]!.errors[0]!.bound;
      compiled[i]!.reference(X)[0]!.forEach((want, k) => expect(Math.abs(proven[k]! - want)).to.be.below(bound));
    }
    expect(witnessOf(served[0]).publicInputs[2]).to.not.equal(witnessOf(served[1]).publicInputs[2]);
  });

  it("refuse weights of another number: they have a place for each byte", () => {
    const short = served[0].weights!.bytes.slice(0, -31);
    expect(() => planFold(readVerifyingKey(zkey), 3, short, WEIGHT_LANES)).to.throw(RangeError);
  });
});
