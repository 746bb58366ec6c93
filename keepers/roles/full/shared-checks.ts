/**
 * The queue of batches to check, in PostgreSQL (pg-boss): any number of workers of one operator share it. A batch is one
 * job, named by its header's hash, so it is queued once whoever sees it. A worker that dies stops beating, and its job
 * goes to another; a result is written once, by the attempt that holds the job.
 */
import type { Hex } from "viem";
import type { BatchFault } from "../../../sdk/batch/index.ts";
import { isKeeperError, messageOf, retryable } from "../../errors/index.ts";
import type { Logger } from "../../logger/index.ts";
import type { CheckTask } from "./batch-check.ts";
import { fromText, toText } from "./text.ts";

export interface SharedVerdict {
  ok: boolean;
  fault: BatchFault | null;
  leaves: number;
  seconds: number;
  /** Who checked it. */
  worker: string;
}

export type SharedState =
  | { state: "waiting" }
  | { state: "done"; verdict: SharedVerdict }
  /** The last attempt failed: with what; it is tried again. */
  | { state: "failing"; code: string; reason: string };

export interface SharedChecks {
  /** Queues a batch; again and again is the same. */
  queue(task: CheckTask): Promise<void>;
  state(hash: Hex): Promise<SharedState>;
  /** Takes jobs, one at a time, until `stop`. */
  work(worker: string, check: (task: CheckTask) => Promise<Omit<SharedVerdict, "worker">>): Promise<void>;
  /** Lets a running job end, or gives it back. */
  stop(): Promise<void>;
}

const QUEUE = "og-batch-checks";
/** Seconds without a sign of life after which a job goes to another worker: the library's minimum. */
const HEARTBEAT = 10;
const QUEUE_OPTIONS = { retryLimit: 100_000, retryDelay: 2, retryBackoff: true, retryDelayMax: 300, expireInSeconds: 6 * 3_600, heartbeatSeconds: HEARTBEAT, retentionSeconds: 30 * 86_400, deleteAfterSeconds: 30 * 86_400 } as const;

/** The first half of the header's hash, as the UUID that names the job. */
const idOf = (hash: Hex): string => hash.slice(2, 34).toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");

/** @param url postgres://user:password@host/database. @throws retryable `queue.unavailable` when the server does not answer. */
export async function openSharedChecks(url: string, logger: Logger): Promise<SharedChecks> {
  // Loaded only here: a node without PostgreSQL does not carry its client.
  const { PgBoss } = await import("pg-boss");
  const boss = new PgBoss({ connectionString: url, schema: "og_queue", max: 4, superviseIntervalSeconds: 2, monitorIntervalSeconds: 2, application_name: "og-full" });
  boss.on("error", (error) => logger.warn({ reason: messageOf(error) }, "the queue reports an error"));
  try {
    await boss.start();
    await boss.createQueue(QUEUE, QUEUE_OPTIONS);
  } catch (error) {
    throw retryable("queue.unavailable", `The queue in PostgreSQL cannot be opened: ${messageOf(error)}`, {}, { cause: error });
  }
  return {
    async queue(task) {
      await boss.send(QUEUE, { task: toText(task) }, { id: idOf(task.hash) });
    },

    async state(hash) {
      const [job] = await boss.findJobs<{ task: string }>(QUEUE, { id: idOf(hash) });
      if (job?.state === "completed") return { state: "done", verdict: fromText((job.output as { verdict: string }).verdict) as SharedVerdict };
      const failure = job?.output as { code?: string; message?: string } | null;
      return failure?.message ? { state: "failing", code: failure.code ?? "unexpected", reason: failure.message } : { state: "waiting" };
    },

    async work(worker, check) {
      await boss.work<{ task: string }>(QUEUE, { pollingIntervalSeconds: 0.5, batchSize: 1 }, async ([job]) => {
        if (!job) return;
        const task = fromText(job.data.task) as CheckTask;
        try {
          const verdict = { ...(await check(task)), worker };
          logger.info({ header: task.hash, ok: verdict.ok, leaves: verdict.leaves, seconds: verdict.seconds }, "batch checked for the queue");
          return { verdict: toText(verdict) };
        } catch (error) {
          logger.warn({ header: task.hash, reason: messageOf(error) }, "batch goes back to the queue");
          // What the library keeps of an error is its own fields.
          throw Object.assign(new Error(messageOf(error)), { code: isKeeperError(error) ? error.code : "unexpected" });
        }
      });
    },

    stop: () => boss.stop({ graceful: true, timeout: 5_000, close: true }),
  };
}
