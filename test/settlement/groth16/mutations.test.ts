import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";

import { expect } from "chai";

import { calculateWitness, compileModel, loadModel, readSym, writeArtifacts } from "../../../circuits/compiler/index.ts";
import { flat } from "../../../circuits/many/challenge.ts";
import { writeMany } from "../../../circuits/many/circuit.ts";
import { manyWitness } from "../../../circuits/many/witness.ts";
import { mlp } from "../../../circuits/models/zoo.ts";
import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { encodeKey, encodeProof, keccak, statementHash, word } from "../../../circuits/setup/encode.ts";
import type { Hex } from "../../../circuits/setup/encode.ts";
import { mod } from "../../../circuits/setup/field.ts";
import { foldKey } from "../../../circuits/setup/fold.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { wasmProver } from "../../../keepers/proving/provers.ts";
import { deep } from "../../utils/deep.ts";
import { CACHE, closeSnarkjs, compile, proveTiny } from "../../circuits/setup/tools.ts";
import { mutations, otherProof, type Statement } from "./mutations.ts";
import { deploy } from "./tools.ts";
import { LIMITS } from "../../utils/limits.ts";

const FOLDER = `${CACHE}/mutations`;
const SECRETS = { tau: 3n, alpha: 5n, beta: 7n, gamma: 1n, delta: 21n };
interface Verifiable extends Statement {
  verify(proof: Hex, inputs: bigint[]): Promise<boolean>;
}

describe("Mutations of proofs and public inputs", () => {
  let deployed: Awaited<ReturnType<typeof deploy>>;

  before(async () => {
    deployed = await deploy();
    mkdirSync(FOLDER, { recursive: true });
  });
  after(closeSnarkjs);

  async function register(keyBytes: Hex): Promise<typeof deployed.verifier> {
    await (await deployed.keys.register(keyBytes)).wait();
    return deployed.ethers.getContractAt("Groth16Verifier", await deployed.keys.verifierOf(keccak(keyBytes)));
  }

  async function baked(name: string, width: number, inputMode?: "words"): Promise<Verifiable> {
    const folder = `${FOLDER}/${name}`;
    await writeArtifacts(compileModel(mlp([width, 3, 2], 5, true), { inputs: { x: { lo: -2, hi: 2 } }, ...(inputMode ? { inputMode } : {}) }), folder);
    const zkey = `${folder}/proving.zkey`;
    await makeDevelopmentKey(`${folder}/model.r1cs`, zkey, { ...SECRETS, delta: BigInt(30 + width) });
    const model = await loadModel(folder);
    const made = calculateWitness(model, model.sym, model.boxes.map(({ lo, hi }, i) => lo + (BigInt(i * 7919 + 5) % (hi - lo + 1n))), 77n, 99n);
    writeWitness(`${folder}/model.wtns`, made.values);
    const key = readVerifyingKey(zkey);
    const { proof } = await wasmProver().prove({ zkey, witness: `${folder}/model.wtns`, key, publicInputs: made.publicInputs }, LIMITS);
    const verifier = await register(encodeKey(key));
    return { proof, proofs: 1, inputs: [...made.publicInputs], verify: (bytes, inputs) => verifier.verify(bytes, inputs) };
  }

  async function universal(): Promise<Verifiable> {
    const zkey = `${FOLDER}/universal.zkey`;
    await makeDevelopmentKey(compile("universal"), zkey, { ...SECRETS, delta: 22n });
    const weights = Array.from({ length: 70 }, (_, i) => BigInt(i * i + 1));
    const powers = weights.reduce<bigint[]>((list) => [...list, mod((list.at(-1) ?? 123n) * 123n)], []);
    const terms = powers.map((power, j) => mod(power * weights[j]!));
    const inputs = [77n, mod(123n * 123n), mod(terms.reduce((sum, term) => sum + term, 0n))];
    writeWitness(`${FOLDER}/universal.wtns`, [1n, ...inputs, ...weights, 123n, ...powers, ...terms]);
    const key = foldKey(readVerifyingKey(zkey), weights);
    const { proof } = await wasmProver().prove({ zkey, witness: `${FOLDER}/universal.wtns`, key, publicInputs: inputs, folded: weights }, LIMITS);
    const verifier = await register(encodeKey(key));
    return { proof, proofs: 1, inputs, verify: (bytes, values) => verifier.verify(bytes, values) };
  }

  async function chain(): Promise<Verifiable> {
    const hashes: Hex[] = [];
    let proof = "0x";
    for (const [i, [a, b]] of ([[12n, 15n], [2n, 178n]] as const).entries()) {
      const zkey = `${FOLDER}/layer-${i}.zkey`;
      await makeDevelopmentKey(compile("tiny8"), zkey, { ...SECRETS, delta: BigInt(23 + i) });
      const key = encodeKey(readVerifyingKey(zkey));
      await register(key);
      hashes.push(keccak(key));
      proof += encodeProof((await proveTiny(zkey, 77n, a, b)).proof).slice(2);
    }
    const { keys, ethers } = deployed;
    await (await keys.registerChain(hashes)).wait();
    const hash = ethers.keccak256(ethers.AbiCoder.defaultAbiCoder().encode(["bytes32", "bytes32[]"], [await keys.CHAIN_TAG(), hashes]));
    const verifier = await ethers.getContractAt("Groth16Verifier", await keys.verifierOf(hash));
    return { proof: `${proof}${word(180n)}` as Hex, proofs: 2, inputs: [77n, 27n, 356n], verify: (bytes, values) => verifier.verify(bytes, values) };
  }

  async function many(): Promise<Verifiable> {
    const folder = `${FOLDER}/many`;
    await writeArtifacts(compileModel(mlp([4, 2, 1], 5, true), { inputs: { x: { lo: -2, hi: 2 } } }), `${folder}/one`);
    await writeMany(`${folder}/one`, folder, 2);
    const zkey = `${folder}/proving.zkey`;
    await makeDevelopmentKey(`${folder}/many.r1cs`, zkey, { ...SECRETS, delta: 25n });
    const key = readVerifyingKey(zkey);
    const keyHash = keccak(encodeKey(key));
    await register(encodeKey(key));
    const { keys, ethers } = deployed;
    await (await keys.registerMany(keyHash, 2)).wait();
    const vkHash = ethers.keccak256(ethers.AbiCoder.defaultAbiCoder().encode(["bytes32", "bytes32", "uint16"], [await keys.MANY_TAG(), keyHash, 2])) as Hex;
    const verifier = await ethers.getContractAt("Groth16Verifier", await keys.verifierOf(vkHash));
    const model = await loadModel(`${folder}/one`);
    const requests = [1n, 2n].map((ctx) => ({ ctx, values: model.boxes.map(({ lo, hi }, i) => lo + ((ctx * BigInt(i + 3) * 7919n) % (hi - lo + 1n))) }));
    const made = manyWitness(model, readSym(await readFile(`${folder}/many.sym`, "utf8")), 2, requests, { chainId: 31337n, verifier: (await verifier.getAddress()) as Hex, vkHash });
    writeWitness(`${folder}/many.wtns`, made.values);
    const { proof } = await wasmProver().prove({ zkey, witness: `${folder}/many.wtns`, key, publicInputs: made.publicInputs }, LIMITS);
    return { proof: `${proof}${made.suffix.slice(2)}` as Hex, proofs: 1, inputs: flat(made.items), verify: (bytes, values) => verifier.verifyBatch(bytes, values) };
  }

  async function batch(): Promise<Verifiable> {
    const zkey = `${FOLDER}/batch.zkey`;
    await makeDevelopmentKey(compile("tiny8"), zkey, { ...SECRETS, delta: 26n });
    const verifier = await register(encodeKey(readVerifyingKey(zkey)));
    const made = [await proveTiny(zkey, 1n, 12n, 15n), await proveTiny(zkey, 2n, 3n, 4n)].sort((a, b) => (statementHash(a.inputs) < statementHash(b.inputs) ? -1 : 1));
    return {
      proof: `0x${made.map(({ proof }) => encodeProof(proof).slice(2)).join("")}`,
      proofs: 2,
      inputs: made.flatMap(({ inputs }) => inputs),
      verify: (bytes, values) => verifier.verifyBatch(bytes, values),
    };
  }

  for (const [title, make] of [
    ["a compiled model with a packed input", () => baked("packed", 4)],
    ...(deep ? [["a compiled model with plain words", () => baked("words", 40, "words")] as const] : []),
    ["a compiled model with a committed input", () => baked("hashed", 24)],
    ["a universal circuit under a folded key", universal],
    ["a chain of layers", chain],
    ["many inferences in one proof", many],
    ["a batch of proofs", batch],
  ] as const) {
    it(`none survives: ${title}`, async () => {
      const statement = await make();
      expect(await statement.verify(statement.proof, statement.inputs)).to.equal(true);
      const cases = mutations(statement);
      expect(cases.length).to.be.at.least(40);
      const accepted: string[] = [];
      for (const [name, proof, inputs] of cases) {
        const answer = await statement.verify(proof, inputs).catch((error: Error) => {
          // Refused by name is as good as not proved; anything else is a defect.
          if (/Groth16(InputNotInField|StatementOrder)\(/.test(error.message)) return false;
          throw new Error(`${name}: ${error.message}`);
        });
        if (answer) accepted.push(name);
      }
      expect(accepted).to.deep.equal([]);
      // Another proof of the same statement is a proof: bytes identify nothing, and replay is told by the statement.
      expect(await statement.verify(otherProof(statement), statement.inputs)).to.equal(true);
    });
  }
});
