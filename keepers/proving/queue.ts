/**
 * The durable queue of proofs to make. A job is enqueued once (its id is the idempotency key), leased by one worker at a
 * time, and ends as proven or failed; a worker that dies loses its lease, never the job.
 *
 * Time comes in as an argument. Each lease has a token of its own: a worker that comes back after its lease ran out cannot
 * overwrite the result of the one that took over.
 */
import { retryable } from "../errors/index.ts";
import type { Migration, Store } from "../storage/index.ts";

export type JobState = "queued" | "leased" | "proven" | "failed";

export interface Job {
  id: string;
  /** What to prove, in the caller's own words (JSON). */
  payload: string;
  state: JobState;
  attempts: number;
  /** Present while leased. */
  token: number;
  result: string | null;
  errorCode: string | null;
}

export interface QueueLimits {
  /** Open jobs; more are refused with a retryable error, so that the caller can answer 429. */
  capacity: number;
  maxAttempts: number;
  leaseMs: number;
  /** Wait after the n-th failure: n times this. */
  backoffMs: number;
}

export interface ProvingQueue {
  /** False if the id is known already, in whatever state. */
  enqueue(id: string, payload: string, now: number): boolean;
  lease(now: number): Job | undefined;
  /** False if the lease was lost: then stop. */
  renew(job: Job, now: number): boolean;
  complete(job: Job, result: string): boolean;
  /** Queues the job again if that can help and attempts are left. */
  fail(job: Job, code: string, canRetry: boolean, now: number): boolean;
  get(id: string): Job | undefined;
  /** Jobs that have ended, proven or failed, and whose end nobody was told of yet; oldest first. */
  ended(limit: number): Job[];
  /** Call it in the transaction that takes the outcome over: then it is taken over once, whenever the process dies. */
  delivered(id: string): void;
  counts(): Record<JobState, number>;
}

/** `due` is when a queued job may be taken, or when a leased one counts as abandoned. */
export const provingMigration: Migration = {
  component: "proving",
  steps: [
    `CREATE TABLE proving_jobs (
       id         TEXT PRIMARY KEY,
       payload    TEXT NOT NULL,
       state      TEXT NOT NULL CHECK (state IN ('queued', 'leased', 'proven', 'failed')),
       attempts   INTEGER NOT NULL DEFAULT 0,
       token      INTEGER NOT NULL DEFAULT 0,
       due        INTEGER NOT NULL,
       enqueued   INTEGER NOT NULL,
       result     TEXT,
       error_code TEXT
     ) STRICT;
     CREATE INDEX proving_jobs_due ON proving_jobs (state, due);`,
    // What had ended before there was this column was delivered when it ended.
    `ALTER TABLE proving_jobs ADD COLUMN delivered INTEGER NOT NULL DEFAULT 0;
     UPDATE proving_jobs SET delivered = 1 WHERE state IN ('proven', 'failed');
     CREATE INDEX proving_jobs_ended ON proving_jobs (enqueued) WHERE delivered = 0 AND state IN ('proven', 'failed');`,
  ],
};

const COLUMNS = "id, payload, state, attempts, token, result, error_code AS errorCode";
const OPEN = "state IN ('queued', 'leased')";
const MINE = "id = ? AND state = 'leased' AND token = ?";

export function openProvingQueue(store: Store, limits: QueueLimits): ProvingQueue {
  store.migrate(provingMigration);
  const get = (id: string) => store.get<Job>(`SELECT ${COLUMNS} FROM proving_jobs WHERE id = ?`, id);

  return {
    enqueue(id, payload, now) {
      return store.transaction(() => {
        if (get(id)) return false;
        const waiting = store.get<{ n: number }>(`SELECT count(*) AS n FROM proving_jobs WHERE ${OPEN}`)!.n;
        if (waiting >= limits.capacity) throw retryable("proving.queue_full", `${waiting} proofs are waiting.`, { waiting, capacity: limits.capacity });
        return store.run("INSERT INTO proving_jobs (id, payload, state, due, enqueued) VALUES (?, ?, 'queued', ?, ?)", id, payload, now, now) === 1;
      });
    },
    lease(now) {
      return store.transaction(() => {
        // Its worker died each time: whatever it is, it shall not kill a worker for ever.
        store.run(
          `UPDATE proving_jobs SET state = 'failed', error_code = coalesce(error_code, 'proving.abandoned') WHERE ${OPEN} AND due <= ? AND attempts >= ?`,
          now,
          limits.maxAttempts,
        );
        return store.get<Job>(
          `UPDATE proving_jobs SET state = 'leased', attempts = attempts + 1, token = token + 1, due = ?
           WHERE id = (SELECT id FROM proving_jobs WHERE ${OPEN} AND due <= ? ORDER BY enqueued, rowid LIMIT 1)
           RETURNING ${COLUMNS}`,
          now + limits.leaseMs,
          now,
        );
      });
    },
    renew: (job, now) => store.run(`UPDATE proving_jobs SET due = ? WHERE ${MINE}`, now + limits.leaseMs, job.id, job.token) === 1,
    complete: (job, result) => store.run(`UPDATE proving_jobs SET state = 'proven', result = ?, error_code = NULL WHERE ${MINE}`, result, job.id, job.token) === 1,
    fail(job, code, canRetry, now) {
      const state = canRetry && job.attempts < limits.maxAttempts ? "queued" : "failed";
      const due = now + limits.backoffMs * job.attempts;
      return store.run(`UPDATE proving_jobs SET state = ?, error_code = ?, due = ? WHERE ${MINE}`, state, code, due, job.id, job.token) === 1;
    },
    get,
    ended: (limit) => store.all<Job>(`SELECT ${COLUMNS} FROM proving_jobs WHERE delivered = 0 AND state IN ('proven', 'failed') ORDER BY enqueued, rowid LIMIT ?`, limit),
    delivered: (id) => void store.run("UPDATE proving_jobs SET delivered = 1 WHERE id = ?", id),
    counts() {
      const counts: Record<JobState, number> = { queued: 0, leased: 0, proven: 0, failed: 0 };
      for (const { state, n } of store.all<{ state: JobState; n: number }>("SELECT state, count(*) AS n FROM proving_jobs GROUP BY state")) counts[state] = n;
      return counts;
    },
  };
}
