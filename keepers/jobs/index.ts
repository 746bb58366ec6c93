/**
 * What a keeper does again and again. A job never runs twice at once; a failure waits longer each time and never ends the
 * process; a stop waits for what is running.
 */
import type { Clock } from "../clock/index.ts";
import { isKeeperError, isRetryable, messageOf } from "../errors/index.ts";
import type { Logger } from "../logger/index.ts";
import type { Metrics } from "../metrics/index.ts";

export interface JobState {
  name: string;
  runs: number;
  failures: number;
  /** Failures since the last success. */
  failing: number;
  lastSuccessAt: number | null;
  lastError: string | null;
}

export interface Jobs {
  /** Runs `work` every `everyMs`, first at once. `work` may return true: there is more, come back without a pause. */
  every(name: string, everyMs: number, work: (signal: AbortSignal) => Promise<boolean | void>): void;
  /** Runs a job now instead of at its time. */
  kick(name: string): void;
  start(): void;
  stop(): Promise<void>;
  states(): JobState[];
}

const MAX_PAUSE_MS = 60_000;

export function createJobs({ clock, logger, metrics }: { clock: Clock; logger: Logger; metrics: Metrics }): Jobs {
  interface Job extends JobState {
    everyMs: number;
    work: (signal: AbortSignal) => Promise<boolean | void>;
    wake: () => void;
    loop: Promise<void> | null;
  }
  const jobs = new Map<string, Job>();
  const abort = new AbortController();
  let started = false;

  async function run(job: Job): Promise<void> {
    while (!abort.signal.aborted) {
      const nap = new AbortController();
      const woken = new Promise<void>((resolve) => (job.wake = resolve));
      let pauseMs = job.everyMs;
      const begun = clock.now();
      try {
        const more = await job.work(abort.signal);
        job.failing = 0;
        job.lastSuccessAt = clock.now();
        job.lastError = null;
        if (more) pauseMs = 0;
      } catch (error) {
        if (abort.signal.aborted) return;
        job.failures++;
        job.failing++;
        job.lastError = messageOf(error);
        pauseMs = Math.min(MAX_PAUSE_MS, Math.max(job.everyMs, 500) * 2 ** Math.min(job.failing - 1, 6)) * (0.75 + clock.random() / 2);
        const fields = { job: job.name, failing: job.failing, code: isKeeperError(error) ? error.code : undefined, pauseMs: Math.round(pauseMs) };
        if (isRetryable(error)) logger.warn({ ...fields, reason: job.lastError }, "job failed, will try again");
        else logger.error({ ...fields, error }, "job failed");
        metrics.count("job_failures_total", { job: job.name });
      }
      job.runs++;
      metrics.observe("job_seconds", (clock.now() - begun) / 1000, { job: job.name });
      const stop = () => nap.abort();
      abort.signal.addEventListener("abort", stop, { once: true });
      await Promise.race([woken, clock.sleep(pauseMs, nap.signal).catch(() => {})]);
      abort.signal.removeEventListener("abort", stop);
      nap.abort();
    }
  }

  return {
    every(name, everyMs, work) {
      const job: Job = { name, everyMs, work, runs: 0, failures: 0, failing: 0, lastSuccessAt: null, lastError: null, wake: () => {}, loop: null };
      jobs.set(name, job);
      if (started) job.loop = run(job);
    },
    kick: (name) => jobs.get(name)?.wake(),
    start() {
      started = true;
      for (const job of jobs.values()) job.loop ??= run(job);
    },
    async stop() {
      abort.abort();
      await Promise.all([...jobs.values()].map(({ loop }) => loop));
    },
    states: () => [...jobs.values()].map(({ name, runs, failures, failing, lastSuccessAt, lastError }) => ({ name, runs, failures, failing, lastSuccessAt, lastError })),
  };
}
