/**
 * The durable queue of proofs to make. A job is enqueued once (its id is the idempotency key), leased by one worker at a
 * time, and ends as proven or failed; a worker that dies loses its lease, never the job.
 *
 * Time comes in as an argument. Each lease has a token of its own: a worker that comes back after its lease ran out cannot
 * overwrite the result of the one that took over.
 */
import type { DatabaseSync } from "node:sqlite";

import { retryable } from "../errors/index.ts";

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
  counts(): Record<JobState, number>;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS proving_jobs (
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
  CREATE INDEX IF NOT EXISTS proving_jobs_due ON proving_jobs (state, due);
`;
const COLUMNS = "id, payload, state, attempts, token, result, error_code AS errorCode";

/** `due` is when a queued job may be taken, or when a leased one counts as abandoned. */
export function openProvingQueue(database: DatabaseSync, limits: QueueLimits): ProvingQueue {
  database.exec(SCHEMA);
  const open = database.prepare("SELECT count(*) AS n FROM proving_jobs WHERE state IN ('queued', 'leased')");
  const insert = database.prepare("INSERT INTO proving_jobs (id, payload, state, due, enqueued) VALUES (?, ?, 'queued', ?, ?) ON CONFLICT DO NOTHING");
  const take = database.prepare(`
    UPDATE proving_jobs SET state = 'leased', attempts = attempts + 1, token = token + 1, due = :until
    WHERE id = (SELECT id FROM proving_jobs WHERE state IN ('queued', 'leased') AND due <= :now AND attempts < :most ORDER BY enqueued, rowid LIMIT 1)
    RETURNING ${COLUMNS}`);
  const exhausted = database.prepare(
    "UPDATE proving_jobs SET state = 'failed', error_code = coalesce(error_code, 'PROVING_ABANDONED') WHERE state IN ('queued', 'leased') AND due <= ? AND attempts >= ?",
  );
  const extend = database.prepare("UPDATE proving_jobs SET due = ? WHERE id = ? AND state = 'leased' AND token = ?");
  const prove = database.prepare("UPDATE proving_jobs SET state = 'proven', result = ?, error_code = NULL WHERE id = ? AND state = 'leased' AND token = ?");
  const giveBack = database.prepare("UPDATE proving_jobs SET state = ?, error_code = ?, due = ? WHERE id = ? AND state = 'leased' AND token = ?");
  const select = database.prepare(`SELECT ${COLUMNS} FROM proving_jobs WHERE id = ?`);
  const tally = database.prepare("SELECT state, count(*) AS n FROM proving_jobs GROUP BY state");
  const changed = (outcome: { changes: number | bigint }) => Number(outcome.changes) === 1;

  return {
    enqueue(id, payload, now) {
      if (select.get(id)) return false;
      const waiting = Number(open.get()!.n);
      if (waiting >= limits.capacity) throw retryable("PROVING_QUEUE_FULL", `${waiting} proofs are waiting.`, { waiting, capacity: limits.capacity });
      return changed(insert.run(id, payload, now, now));
    },
    lease(now) {
      // Its worker died each time: whatever it is, it shall not kill a worker for ever.
      exhausted.run(now, limits.maxAttempts);
      return take.get({ until: now + limits.leaseMs, now, most: limits.maxAttempts }) as Job | undefined;
    },
    renew: (job, now) => changed(extend.run(now + limits.leaseMs, job.id, job.token)),
    complete: (job, result) => changed(prove.run(result, job.id, job.token)),
    fail(job, code, canRetry, now) {
      const again = canRetry && job.attempts < limits.maxAttempts;
      return changed(giveBack.run(again ? "queued" : "failed", code, now + limits.backoffMs * job.attempts, job.id, job.token));
    },
    get: (id) => select.get(id) as Job | undefined,
    counts() {
      const counts: Record<JobState, number> = { queued: 0, leased: 0, proven: 0, failed: 0 };
      for (const row of tally.all()) counts[row.state as JobState] = Number(row.n);
      return counts;
    },
  };
}
