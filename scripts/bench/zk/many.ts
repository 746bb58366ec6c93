/**
 * Credit scores, 64 in one proof, each bound to its request: rows, proving time, gas of settling them.
 */
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { network } from "hardhat";

import { compileModel, loadModel, quantizeInput, readSym, writeArtifacts } from "../../../circuits/compiler/index.ts";
import { flat } from "../../../circuits/many/challenge.ts";
import { writeMany } from "../../../circuits/many/circuit.ts";
import { manyWitness } from "../../../circuits/many/witness.ts";
import { keccak, word } from "../../../circuits/setup/encode.ts";
import type { Hex } from "../../../circuits/setup/encode.ts";
import { setUpForDevelopment } from "../../../circuits/setup/manifest.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { bestProver } from "../../../keepers/proving/provers.ts";
import { buildModels, MODELS_DIRECTORY } from "../../../models/index.ts";
import { measureProving } from "./prove.ts";
import type { ProvingFigures } from "./prove.ts";

export interface ManyFigures extends ProvingFigures {
  rows: number;
  gasEach: number;
}

const SLOTS = 64;
const LIMITS = { deadlineMs: 600_000, memoryMb: 8_000 };

export async function measureMany(print: (line: string) => void = () => {}): Promise<ManyFigures> {
  const folder = ".cache/zk/bench/credit";
  mkdirSync(folder, { recursive: true });
  await buildModels(MODELS_DIRECTORY);
  const onnx = await readFile(join(MODELS_DIRECTORY, "credit-score.onnx"));
  await writeArtifacts(compileModel(onnx, { inputs: { features: { lo: 0, hi: 1, bits: 10 } }, outputBits: 16 }), `${folder}/one`);
  print(`credit-${SLOTS}: compiling`);
  await writeMany(`${folder}/one`, `${folder}/many`, SLOTS);
  const files = await setUpForDevelopment(`${folder}/many/many.r1cs`, `${folder}/many`);
  print(`credit-${SLOTS}: ${files.manifest.rows} rows, domain 2^${files.manifest.domainExponent}`);

  const { ethers } = await network.create();
  const [admin] = await ethers.getSigners();
  const authority = await ethers.deployContract("TestAccessManager", [admin!.address]);
  const keys = await ethers.deployContract("Groth16Keys", [await authority.getAddress()]);
  await (await keys.register(files.keyBytes)).wait();
  await (await keys.registerMany(files.manifest.vkHash, SLOTS)).wait();
  const vkHash = ethers.keccak256(ethers.AbiCoder.defaultAbiCoder().encode(["bytes32", "bytes32", "uint16"], [await keys.MANY_TAG(), files.manifest.vkHash, SLOTS])) as Hex;
  const verifier = (await keys.verifierOf(vkHash)) as Hex;

  const model = await loadModel(`${folder}/one`);
  const requests = Array.from({ length: SLOTS }, (_, i) => ({
    ctx: BigInt(keccak(`0x${word(BigInt(i))}`)) >> 8n,
    values: quantizeInput(model, { features: Array.from({ length: 20 }, (_, j) => ((i * 31 + j * 17) % 97) / 97) }).values,
  }));
  const made = manyWitness(model, readSym(await readFile(`${folder}/many/many.sym`, "utf8")), SLOTS, requests, { chainId: 31337n, verifier, vkHash });
  const witness = `${folder}/many.wtns`;
  writeWitness(witness, made.values);
  const task = { zkey: files.zkey, witness, key: readVerifyingKey(files.zkey), publicInputs: made.publicInputs };
  const { figures, proven } = await measureProving(task);

  const harness = await ethers.deployContract("Groth16SettleHarness");
  // The bitmap's word has been written before, as on a chain that runs.
  const single = manyWitness(model, readSym(await readFile(`${folder}/many/many.sym`, "utf8")), SLOTS, requests.slice(0, 1), { chainId: 31337n, verifier, vkHash });
  writeWitness(witness, single.values);
  const one = await bestProver().prove({ ...task, publicInputs: single.publicInputs }, LIMITS);
  await (await harness.settleMany(verifier, 255, `${one.proof}${single.suffix.slice(2)}`, flat(single.items))).wait();
  const receipt = await (await harness.settleMany(verifier, 0, `${proven.proof}${made.suffix.slice(2)}`, flat(made.items))).wait();
  const all = { rows: files.manifest.rows, ...figures, gasEach: Math.round(Number(receipt!.gasUsed) / SLOTS) };
  print(`credit-${SLOTS}: ${JSON.stringify(all)}`);
  return all;
}

if (import.meta.main) console.log(JSON.stringify(await measureMany(console.log), null, 2));
