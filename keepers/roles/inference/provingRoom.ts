import type { Hex } from "viem";
import type { InferenceReceipt } from "../../../sdk/protocol/index.ts";
import type { Prover } from "../../proving/prover.ts";
import { type ChosenProver, chooseProver } from "../../proving/provers.ts";
import { openProvingQueue } from "../../proving/queue.ts";
import type { ProvingModel } from "../../proving/program.ts";
import { proveNext } from "../../proving/worker.ts";
import type { Platform } from "../platform.ts";
import type { InferenceLedger } from "./ledger.ts";
import { type ProofOrder, type ProvingChain, deliverEnded, encodeProven, jobId, jobsOf, proofPreparation } from "./proofs.ts";

export interface ProvingRoomOptions {
  ledger: InferenceLedger;
  models: ReadonlyMap<Hex, ProvingModel | ProvingChain>;
  context(receipt: InferenceReceipt): Promise<bigint>;
  /** Directory for witness files; they hold clients' inputs and are removed after use. */
  scratch: string;
  limits: { timeoutMs: number; memoryMb: number };
  /** Default: the best that this machine has. */
  prover?: Prover;
}

/** Open proofs at which the node refuses more. */
const CAPACITY = 256;
const MAX_ATTEMPTS = 3;
const HEARTBEAT_MS = 5_000;
/**
 * A worker that was killed loses its job after this. It need not outlast a proof, since a living worker renews it; a witness that takes
 * longer blocks the renewal, and then the first to finish wins.
 */
const LEASE_MS = 6 * HEARTBEAT_MS;

/** The node's proofs: a durable queue, one prover at a time, each outcome handed to its receipt. */
export function provingRoom({ store, clock, jobs, metrics, logger }: Platform, options: ProvingRoomOptions) {
  const { timeoutMs, memoryMb } = options.limits;
  const queue = openProvingQueue(store, { capacity: CAPACITY, maxAttempts: MAX_ATTEMPTS, leaseMs: LEASE_MS, backoffMs: 5_000 });
  const { prover, reason }: ChosenProver = options.prover ? { prover: options.prover } : chooseProver();
  logger.info({ prover: prover.name, reason }, "prover chosen");
  const prepare = proofPreparation(options);

  async function pass(signal: AbortSignal): Promise<boolean> {
    const started = clock.now();
    const limits = { deadlineMs: timeoutMs, memoryMb, signal };
    const outcome = await proveNext({ queue, prover, now: () => clock.now(), prepare, encode: encodeProven, limits, heartbeatMs: HEARTBEAT_MS });
    // Also what ended without a worker that tells: one that died after its proof, or a job that killed its workers each time.
    await deliverEnded(store, queue, options.ledger, options.scratch);
    if (outcome.kind === "idle") return false;
    metrics.observe("proof_seconds", (clock.now() - started) / 1000, { outcome: outcome.kind });
    logger.info({ job: outcome.job.id, outcome: outcome.kind, code: outcome.code, prover: prover.name, ms: clock.now() - started }, "proof attempt ended");
    return true;
  }

  return {
    /** Inside of the transaction that stores the receipt. @throws retryable when the queue is full: the answer is refused, nothing charged. */
    enqueue(order: ProofOrder): void {
      for (const job of jobsOf(order, options.models.get(order.modelId))) queue.enqueue(jobId(job), JSON.stringify(job), clock.now());
    },
    counts: () => queue.counts(),
    pass,
    start: () => jobs.every("prove", 500, pass),
  };
}
