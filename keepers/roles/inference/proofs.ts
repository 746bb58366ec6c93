import { randomBytes } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Hex } from "viem";
import { type Witness, calculateLayer, calculateWitness, chainSalts, joinChainProof, wtnsBytes } from "../../../circuits/compiler/index.ts";
import type { InferenceReceipt } from "../../../sdk/protocol/index.ts";
import { fatal } from "../../errors/index.ts";
import type { ProvingModel } from "../../proving/program.ts";
import type { Proven, ProvingTask } from "../../proving/prover.ts";
import type { Job, ProvingQueue } from "../../proving/queue.ts";
import type { Store } from "../../storage/index.ts";
import type { InferenceLedger } from "./ledger.ts";

/** Ended jobs that one pass hands over. */
const DELIVERIES = 64;

/** A model in several circuits: one proof is one of each, joined. */
export interface ProvingChain {
  layers: readonly ProvingModel[];
}

/** What is to be proved (JSON). */
export interface ProofOrder {
  digest: Hex;
  modelId: Hex;
  /** Quantised inputs, decimal strings. */
  witness: string[];
}

/** A proving job: an order, or one layer of it. Layers are jobs of their own, so that several workers may share them. */
export interface ProofJob extends ProofOrder {
  layer?: { index: number; count: number; secret: string };
}

export const jobId = ({ digest, layer }: Pick<ProofJob, "digest" | "layer">): string => (layer ? `${digest}/${layer.index}` : digest);
const witnessFile = (scratch: string, job: ProofJob): string => join(scratch, `${jobId(job).replace("/", "-")}.wtns`);

/** The jobs of an order. Layers agree on a secret, out of which the salts follow of what they hand on. */
export function jobsOf(order: ProofOrder, proving: ProvingModel | ProvingChain | undefined): ProofJob[] {
  if (!proving || !("layers" in proving)) return [order];
  const [secret, count] = [`0x${randomBytes(31).toString("hex")}`, proving.layers.length];
  return proving.layers.map((_, index) => ({ ...order, layer: { index, count, secret } }));
}

/** Turns a job into files for the prover: the witness is calculated from the integer graph, under the job's lease. */
export function proofPreparation(options: {
  ledger: InferenceLedger;
  models: ReadonlyMap<Hex, ProvingModel | ProvingChain>;
  /** IInferenceSettlement.proofContext of the receipt: the proof serves this receipt and no other. */
  context(receipt: InferenceReceipt): Promise<bigint>;
  /** Directory for witness files. */
  scratch: string;
}): (job: Job) => Promise<ProvingTask> {
  return async (job) => {
    const order = JSON.parse(job.payload) as ProofJob;
    const entry = options.ledger.find(order.digest);
    const proving = options.models.get(order.modelId);
    if (!entry || !proving) throw fatal("proofs.unknown", "The receipt or the model of this proof is not here.", { ...order, witness: undefined });
    const context = await options.context(entry.receipt);
    const { files, made } = witnessOf(order, proving, context);
    await mkdir(options.scratch, { recursive: true });
    const witness = witnessFile(options.scratch, order);
    await writeFile(witness, wtnsBytes(made.values));
    return { zkey: files.zkey, key: files.key, witness, publicInputs: made.publicInputs, folded: made.folded };
  };
}

function witnessOf({ witness, layer, modelId }: ProofJob, proving: ProvingModel | ProvingChain, context: bigint): { files: ProvingModel; made: Witness } {
  const values = witness.map(BigInt);
  if (!("layers" in proving)) return { files: proving, made: calculateWitness(proving.model, proving.model.sym, values, context) };
  const files = layer && proving.layers[layer.index];
  if (!files || layer.count !== proving.layers.length) throw fatal("proofs.unknown", "The model has other layers than when this proof was ordered.", { modelId, layer: layer?.index });
  const models = proving.layers.map(({ model }) => model);
  return { files, made: calculateLayer(models, layer.index, values, context, chainSalts(0n, BigInt(layer.secret), layer.count)) };
}

/**
 * Hands the outcomes of ended jobs to their receipts, each once: with them the queue is told so, in one transaction. Then removes the witnesses,
 * which hold the client's inputs. A process that dies before the commit finds the job again.
 */
export async function deliverEnded(store: Store, queue: ProvingQueue, ledger: InferenceLedger, scratch: string): Promise<void> {
  for (const job of queue.ended(DELIVERIES)) {
    const order = JSON.parse(job.payload) as ProofJob;
    store.transaction(() => {
      deliver(queue, ledger, order, job);
      queue.delivered(job.id);
    });
    await rm(witnessFile(scratch, order), { force: true });
  }
}

function deliver(queue: ProvingQueue, ledger: InferenceLedger, { digest, layer }: ProofJob, job: Job): void {
  if (job.state === "failed") return ledger.failProof(digest, job.errorCode ?? "PROVING_FAILED");
  const ids = layer ? Array.from({ length: layer.count }, (_, index) => jobId({ digest, layer: { ...layer, index } })) : [job.id];
  const parts = ids.map((id) => queue.get(id));
  // The last layer that is proven brings all of them; one that failed has set the receipt aside.
  if (parts.some((part) => part?.state !== "proven")) return;
  const proofs = parts.map((part) => decodeProven(part!.result!));
  ledger.addProof(digest, layer ? chained(joinChainProof(proofs.map(({ bytes, publicInputs }) => ({ proof: bytes, publicInputs })))) : proofs[0]!);
}

const chained = ({ proof, publicInputs }: { proof: Hex; publicInputs: bigint[] }) => ({ bytes: proof, publicInputs });

function decodeProven(result: string): { bytes: Hex; publicInputs: bigint[] } {
  const { bytes, publicInputs } = JSON.parse(result) as { bytes: Hex; publicInputs: string[] };
  return { bytes, publicInputs: publicInputs.map(BigInt) };
}

/** What the queue keeps of a proof. */
export function encodeProven({ proof, publicInputs }: Proven): string {
  return JSON.stringify({ bytes: proof, publicInputs: publicInputs.map(String) });
}
