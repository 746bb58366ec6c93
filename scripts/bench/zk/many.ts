/**
 * Credit scores, 64 in one proof, each bound to its request: rows, proving time, gas of settling them.
 */
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { compileModel, loadModel, quantizeInput, readSym, writeArtifacts } from "../../../circuits/compiler/index.ts";
import { writeMany } from "../../../circuits/many/circuit.ts";
import { manyWitness } from "../../../circuits/many/witness.ts";
import { setUpForDevelopment } from "../../../circuits/setup/manifest.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { bestProver } from "../../../keepers/proving/provers.ts";
import { buildModels, MODELS_DIRECTORY } from "../../../models/index.ts";
import { requestBatch, requestContext } from "../../../sdk/protocol/index.ts";
import { closeProving, measureProving } from "./prove.ts";
import type { ProvingFigures } from "./prove.ts";
import { gasOf, proofWorld } from "./world.ts";

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

  const { w, place, terms, verifier, vkHash } = await proofWorld("credit", files.keyBytes, files.manifest.vkHash, SLOTS);
  const model = await loadModel(`${folder}/one`);
  const sym = readSym(await readFile(`${folder}/many/many.sym`, "utf8"));
  const manyPlace = { chainId: BigInt(w.chainId), verifier, vkHash };
  const witness = `${folder}/many.wtns`;
  /** Requests `from` to `from + count - 1` in one proof: the task of a prover, and what the contract takes with its proof. */
  const asked = (from: number, count: number) => {
    const numbers = Array.from({ length: count }, (_, i) => BigInt(from + i));
    const requests = numbers.map((number) => ({
      ctx: requestContext(place, { ...terms, number }),
      values: quantizeInput(model, { features: Array.from({ length: 20 }, (_, j) => ((Number(number) * 31 + j * 17) % 97) / 97) }).values,
    }));
    const made = manyWitness(model, sym, SLOTS, requests, manyPlace);
    writeWitness(witness, made.values);
    const proved = made.order.map((index, i) => ({ number: numbers[index]!, words: [made.items[i]!.in, made.items[i]!.out] }));
    return { task: { zkey: files.zkey, witness, key: readVerifyingKey(files.zkey), publicInputs: made.publicInputs }, suffix: made.suffix.slice(2), batch: requestBatch(place, terms, proved) };
  };
  // The bitmap's word has been written before, as on a chain that runs.
  const first = asked(SLOTS, 1);
  const one = await bestProver().prove(first.task, LIMITS);
  await gasOf(w.proofs.settleBatch(first.batch.requests, `${one.proof}${first.suffix}`, first.batch.words));

  const all64 = asked(0, SLOTS);
  const { figures, proven } = await measureProving(all64.task);
  const gas = await gasOf(w.proofs.settleBatch(all64.batch.requests, `${proven.proof}${all64.suffix}`, all64.batch.words));
  const all = { rows: files.manifest.rows, ...figures, gasEach: Math.round(gas / SLOTS) };
  print(`credit-${SLOTS}: ${JSON.stringify(all)}`);
  return all;
}

if (import.meta.main) {
  console.log(JSON.stringify(await measureMany(console.log), null, 2));
  await closeProving();
}
