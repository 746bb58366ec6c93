/** Gas of receipts that settle with proofs of one key: the real call, header, receipts' signatures and watermark included. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import * as snarkjs from "snarkjs";
import { encodeProof, keccak, statementHash, word } from "../../../circuits/setup/encode.ts";
import { mod } from "../../../circuits/setup/field.ts";
import { setUpForDevelopment } from "../../../circuits/setup/manifest.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { Role, termsHash } from "../../../sdk/protocol/index.ts";
import { PLAIN, build, line, runSettlement, terms } from "../../../test/settlement/builder.ts";
import { ZERO, bytes32, settlementWorld } from "../../../test/utils/settlement-world.ts";

const CACHE = ".cache/bench/proofs";

/** Whole transactions, each receipt's share; steady: node, key, payment and model were used before. */
export async function proofs(sizes: readonly number[] = [1, 64]): Promise<Record<string, number>> {
  mkdirSync(CACHE, { recursive: true });
  execFileSync("node_modules/.bin/circom2", ["scripts/bench/zk/statement.circom", "--O1", "--r1cs", "-o", CACHE], { stdio: "pipe" });
  const files = await setUpForDevelopment(join(CACHE, "statement.r1cs"), join(CACHE, "statement"));
  const w = await settlementWorld();
  const keys = await w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys);
  await (await keys.getFunction("register")(files.keyBytes)).wait();
  const model = {
    name: "bench", version: "1", programHash: bytes32("program"), kind: 2, blobId: bytes32("blob"), contentHash: bytes32("content"), manifestHash: bytes32("manifest"), circuitHash: ZERO, weightsHash: ZERO, methods: 0b01100,
    vkHash: files.manifest.vkHash, royaltyTo: "0x0000000000000000000000000000000000000000", royaltyBps: 0, licence: "MIT",
  };
  const modelId = (await w.models.modelIdOf(w.admin.address, model)) as `0x${string}`;
  await w.models.publishModel(model);
  const node = await w.addNode(Role.Inference);
  const t = terms(node, { verification: 2 });
  let sequence = 0n;

  const settle = async (count: number): Promise<number> => {
    const receipts = line(node, await w.now(), count, { modelId, termsHash: termsHash(t), cumulativeBefore: sequence * 100n, sequence });
    sequence += BigInt(count);
    const built = await build(w, node, receipts, PLAIN);
    const made: { index: number; proof: string; inputs: bigint[] }[] = [];
    for (const [index, receipt] of built.receipts.entries()) {
      const context = await w.settlement.proofContext(receipt, t.payout);
      // 248-bit words, as commitments and packed outputs are.
      const [input, root] = ["in", "root"].map((_, j) => BigInt(keccak(`0x${word(sequence * 3n + BigInt(3 * index + j))}`)) >> 8n) as [bigint, bigint];
      const witness = join(CACHE, "statement.wtns");
      writeWitness(witness, [1n, context, input, mod(root * root - input), root]);
      const { proof, publicSignals } = await snarkjs.groth16.prove(files.zkey, witness);
      made.push({ index, proof: encodeProof({ ...proof }), inputs: publicSignals.map(BigInt) });
    }
    made.sort((a, b) => (statementHash(a.inputs) < statementHash(b.inputs) ? -1 : 1));
    const places = receipts.map((_, index) => made.findIndex((entry) => entry.index === index));
    const call = w.settlement.settleProvedRun(runSettlement(built, t, places), `0x${made.map(({ proof }) => proof.slice(2)).join("")}`, made.flatMap(({ inputs }) => inputs));
    return Number((await (await call).wait())!.gasUsed) / count;
  };
  await settle(1);
  const figures: Record<string, number> = {};
  for (const size of sizes) figures[size === 1 ? "zkml-individual" : `zkml-run-${size}-each`] = Math.ceil(await settle(size));
  await (await snarkjs.curves.getCurveFromName("bn128")).terminate();
  return figures;
}

if (import.meta.main) console.log(await proofs());
