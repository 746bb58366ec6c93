/** Takes one job from the queue, proves it, puts the outcome back. */
import { isKeeperError, isRetryable } from "../errors/index.ts";
import type { ChildLimits } from "./limits.ts";
import type { Proven, Prover, ProvingTask } from "./prover.ts";
import type { Job, ProvingQueue } from "./queue.ts";

export interface WorkerParts {
  queue: ProvingQueue;
  prover: Prover;
  /** Milliseconds; from the keeper's clock. */
  now(): number;
  /** Makes the files that a job speaks of: witness calculation happens here, under the lease. */
  prepare(job: Job): Promise<ProvingTask>;
  /** What is stored as the job's result. */
  encode(proven: Proven): string;
  limits: ChildLimits;
  /** How often the lease is renewed: well under its length. */
  heartbeatMs: number;
}

export type Outcome = { kind: "idle" } | { kind: "proven" | "failed" | "lost"; job: Job; code?: string };

export async function proveNext(parts: WorkerParts): Promise<Outcome> {
  const { queue, now } = parts;
  const job = queue.lease(now());
  if (!job) return { kind: "idle" };
  const lost = new AbortController();
  const heartbeat = setInterval(() => {
    if (!queue.renew(job, now())) lost.abort();
  }, parts.heartbeatMs);
  try {
    const task = await parts.prepare(job);
    const signal = parts.limits.signal ? AbortSignal.any([parts.limits.signal, lost.signal]) : lost.signal;
    const proven = await parts.prover.prove(task, { ...parts.limits, signal });
    return queue.complete(job, parts.encode(proven)) ? { kind: "proven", job } : { kind: "lost", job };
  } catch (error) {
    // What is not a KeeperError is a defect of ours: trying again would repeat it.
    const code = isKeeperError(error) ? error.code : "proving.defect";
    return queue.fail(job, code, isRetryable(error), now()) ? { kind: "failed", job, code } : { kind: "lost", job, code };
  } finally {
    clearInterval(heartbeat);
  }
}
