/**
 * Gas of settling proofs with three public inputs of full size: verification, one bit per request, one event, calldata and
 * the transaction itself. Measured on a chain with Osaka rules, in a slot that was used before, as on a chain that runs.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { network } from "hardhat";
import * as snarkjs from "snarkjs";

import { encodeProof, keccak, statementHash, word } from "../../../circuits/setup/encode.ts";
import type { Hex } from "../../../circuits/setup/encode.ts";
import { mod } from "../../../circuits/setup/field.ts";
import { setUpForDevelopment } from "../../../circuits/setup/manifest.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";

export interface GasFigures {
  registerKey: number;
  singleVerify: number;
  singleSettle: number;
  /** Each, by batch size. */
  batchSettleEach: Record<number, number>;
}

interface Item {
  proof: Hex;
  inputs: bigint[];
}

const CACHE = ".cache/zk/bench";
const SIZES = [2, 8, 16, 64];

async function items(count: number): Promise<{ keyBytes: Hex; vkHash: Hex; made: Item[] }> {
  mkdirSync(CACHE, { recursive: true });
  execFileSync("node_modules/.bin/circom2", ["scripts/bench/zk/statement.circom", "--O1", "--r1cs", "-o", CACHE], { stdio: "pipe" });
  const files = await setUpForDevelopment(join(CACHE, "statement.r1cs"), join(CACHE, "statement"));
  const made: Item[] = [];
  for (let i = 0; i < count; i++) {
    // 248-bit words, as contexts, commitments and packed outputs are.
    const [ctx, input, root] = ["ctx", "in", "root"].map((_, j) => BigInt(keccak(`0x${word(BigInt(3 * i + j))}`)) >> 8n) as [bigint, bigint, bigint];
    const witness = join(CACHE, "statement.wtns");
    writeWitness(witness, [1n, ctx, input, mod(root * root - input), root]);
    const { proof, publicSignals } = await snarkjs.groth16.prove(files.zkey, witness);
    made.push({ proof: encodeProof({ ...proof }), inputs: publicSignals.map(BigInt) });
  }
  await (await snarkjs.curves.getCurveFromName("bn128")).terminate();
  made.sort((a, b) => (statementHash(a.inputs) < statementHash(b.inputs) ? -1 : 1));
  return { keyBytes: files.keyBytes, vkHash: files.manifest.vkHash, made };
}

export async function measureGas(): Promise<GasFigures> {
  const { keyBytes, vkHash, made } = await items(Math.max(...SIZES));
  const { ethers } = await network.create();
  const [admin] = await ethers.getSigners();
  const authority = await ethers.deployContract("TestAccessManager", [admin!.address]);
  const keys = await ethers.deployContract("Groth16Keys", [await authority.getAddress()]);
  const used = async (sent: Promise<{ wait(): Promise<{ gasUsed: bigint } | null> }>) => Number((await (await sent).wait())!.gasUsed);
  const registerKey = await used(keys.register(keyBytes));
  const verifier = await ethers.getContractAt("Groth16Verifier", await keys.verifierOf(vkHash));
  const harness = await ethers.deployContract("Groth16SettleHarness");
  const at = await verifier.getAddress();

  const first = made[0]!;
  await used(harness.settle(at, 255, first.proof, first.inputs));
  const singleSettle = await used(harness.settle(at, 0, first.proof, first.inputs));
  const singleVerify = Number(await verifier.verify.estimateGas(first.proof, first.inputs));
  const batchSettleEach: Record<number, number> = {};
  let next = 1;
  for (const size of SIZES) {
    const batch = made.slice(0, size);
    const proofs = `0x${batch.map(({ proof }) => proof.slice(2)).join("")}`;
    const gas = await used(harness.settleBatch(at, next, proofs, batch.flatMap(({ inputs }) => inputs)));
    next += size;
    batchSettleEach[size] = Math.round(gas / size);
  }
  return { registerKey, singleVerify, singleSettle, batchSettleEach };
}

if (import.meta.main) console.log(JSON.stringify(await measureGas(), null, 2));
