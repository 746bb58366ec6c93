/**
 * Gas of settling proofs with three public inputs of full size: whole transactions to ProofSettlement, with the version's route, freeze
 * and set-up level looked up, replay refused by a bit and one event. Osaka rules; in a slot that was used before, as on a chain that runs.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import * as snarkjs from "snarkjs";

import { encodeProof, keccak, word } from "../../../circuits/setup/encode.ts";
import { mod } from "../../../circuits/setup/field.ts";
import { setUpForDevelopment } from "../../../circuits/setup/manifest.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { type ProvedRequest, provedBatch, requestContext } from "../../../sdk/protocol/index.ts";
import { gasOf, proofWorld } from "./world.ts";

export interface GasFigures {
  registerKey: number;
  singleVerify: number;
  singleSettle: number;
  /** With the answer kept for others to ask. */
  singleKeep: number;
  /** Each, by batch size. */
  batchSettleEach: Record<number, number>;
}

const CACHE = ".cache/zk/bench";
const SIZES = [2, 8, 16, 64];

export async function measureGas(): Promise<GasFigures> {
  mkdirSync(CACHE, { recursive: true });
  execFileSync("node_modules/.bin/circom2", ["scripts/bench/zk/statement.circom", "--O1", "--r1cs", "-o", CACHE], { stdio: "pipe" });
  const files = await setUpForDevelopment(join(CACHE, "statement.r1cs"), join(CACHE, "statement"));
  const { w, place, terms, registerKey, verifier: at } = await proofWorld("statement", files.keyBytes, files.manifest.vkHash);
  const verifier = await w.ethers.getContractAt("Groth16Verifier", at);

  const prove = async (number: bigint): Promise<ProvedRequest> => {
    const context = requestContext(place, { ...terms, number });
    // 248-bit words, as commitments and packed outputs are.
    const [input, root] = ["in", "root"].map((_, j) => BigInt(keccak(`0x${word(3n * number + BigInt(j))}`)) >> 8n) as [bigint, bigint];
    const witness = join(CACHE, "statement.wtns");
    writeWitness(witness, [1n, context, input, mod(root * root - input), root]);
    const { proof, publicSignals } = await snarkjs.groth16.prove(files.zkey, witness);
    return { number, proof: encodeProof({ ...proof }), words: publicSignals.slice(1).map(BigInt) };
  };
  const settle = (call: "settle" | "settleAndKeep", { number, proof, words }: ProvedRequest) => gasOf(w.proofs[call]({ ...terms, number }, proof, [...words]));

  let next = 0n;
  const some = async (count: number): Promise<ProvedRequest[]> => {
    const made: ProvedRequest[] = [];
    for (let i = 0; i < count; i++) made.push(await prove(next++));
    return made;
  };
  const [one, two, three] = (await some(3)) as [ProvedRequest, ProvedRequest, ProvedRequest];
  await settle("settle", one);
  const singleSettle = await settle("settle", two);
  const singleKeep = await settle("settleAndKeep", three);
  const singleVerify = Number(await verifier.verify.estimateGas(one.proof, [requestContext(place, { ...terms, number: one.number }), ...one.words]));
  const batchSettleEach: Record<number, number> = {};
  for (const size of SIZES) {
    const { requests, proofs, words } = provedBatch(place, terms, await some(size));
    batchSettleEach[size] = Math.round((await gasOf(w.proofs.settleBatch(requests, proofs, words))) / size);
  }
  await (await snarkjs.curves.getCurveFromName("bn128")).terminate();
  return { registerKey, singleVerify, singleSettle, singleKeep, batchSettleEach };
}

if (import.meta.main) console.log(JSON.stringify(await measureGas(), null, 2));
