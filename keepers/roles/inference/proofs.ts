import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Hex } from "viem";
import { type LoadedModel, calculateWitness, wtnsBytes } from "../../../circuits/compiler/index.ts";
import type { InferenceReceipt } from "../../../sdk/protocol/index.ts";
import { fatal } from "../../errors/index.ts";
import type { Proven, ProvingTask } from "../../proving/prover.ts";
import type { Job } from "../../proving/queue.ts";
import type { InferenceLedger } from "./ledger.ts";

/** A model's proving material on this machine. */
export interface ProvingModel {
  model: LoadedModel;
  zkey: string;
  key: ProvingTask["key"];
}

/** What a proving job says (JSON). */
export interface ProofOrder {
  digest: Hex;
  modelId: Hex;
  /** Quantised inputs, decimal strings. */
  witness: string[];
}

/** Turns a job into files for the prover: the witness is calculated from the integer graph, under the job's lease. */
export function proofPreparation(options: {
  ledger: InferenceLedger;
  models: ReadonlyMap<Hex, ProvingModel>;
  /** IInferenceSettlement.proofContext of the receipt: the proof serves this receipt and no other. */
  context(receipt: InferenceReceipt): Promise<bigint>;
  /** Directory for witness files. */
  scratch: string;
}): (job: Job) => Promise<ProvingTask> {
  return async (job) => {
    const order = JSON.parse(job.payload) as ProofOrder;
    const entry = options.ledger.find(order.digest);
    const proving = options.models.get(order.modelId);
    if (!entry || !proving) throw fatal("proofs.unknown", "The receipt or the model of this proof is not here.", { ...order, witness: undefined });
    const context = await options.context(entry.receipt);
    const { values, publicInputs, folded } = calculateWitness(proving.model, proving.model.sym, order.witness.map(BigInt), context);
    await mkdir(options.scratch, { recursive: true });
    const witness = join(options.scratch, `${order.digest}.wtns`);
    await writeFile(witness, wtnsBytes(values));
    return { zkey: proving.zkey, key: proving.key, witness, publicInputs, folded };
  };
}

/** What the queue keeps of a proof. */
export function encodeProven({ proof, publicInputs }: Proven): string {
  return JSON.stringify({ bytes: proof, publicInputs: publicInputs.map(String) });
}

/** Hands a finished job's outcome to the receipt's entry, and removes the witness: it holds the client's inputs. */
export async function deliverProof(ledger: InferenceLedger, job: Job, scratch: string): Promise<void> {
  const { digest } = JSON.parse(job.payload) as ProofOrder;
  if (job.state === "proven" && job.result) {
    const { bytes, publicInputs } = JSON.parse(job.result) as { bytes: Hex; publicInputs: string[] };
    ledger.addProof(digest, { bytes, publicInputs: publicInputs.map(BigInt) });
  } else {
    ledger.failProof(digest, job.errorCode ?? "PROVING_FAILED");
  }
  await rm(join(scratch, `${digest}.wtns`), { force: true });
}
