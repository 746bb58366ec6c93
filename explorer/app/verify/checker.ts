/** Who checks batches and packages: a thread of its own in a browser, this one where there are no workers. */
import { type BatchJob, type BatchProgress, type BatchVerdict, checkBatch, leavesOf, type ShownLeaf } from "./batch.ts";
import { checkPackage, type PackageJob, type PackageVerdict } from "./package.ts";

export interface Checker {
  check(job: BatchJob, onProgress: (progress: BatchProgress) => void): Promise<BatchVerdict>;
  /** After `check`: leaves of the same blob. */
  leaves(from: number, limit: number): Promise<ShownLeaf[]>;
  package(job: PackageJob): Promise<PackageVerdict>;
  /** Ends what is under way. */
  stop(): void;
}

export function inlineChecker(fetcher: typeof fetch): Checker {
  const stopping = new AbortController();
  let checked: { job: BatchJob; blob: Blob } | null = null;
  return {
    async check(job, onProgress) {
      const { verdict, blob } = await checkBatch(job, fetcher, onProgress, stopping.signal);
      checked = { job, blob };
      return verdict;
    },
    async leaves(from, limit) {
      if (!checked) throw new Error("No batch was checked yet.");
      return leavesOf(checked.blob, checked.job.domain, from, limit);
    },
    package: (job) => checkPackage(job, fetcher, stopping.signal),
    stop: () => stopping.abort(new Error("stopped")),
  };
}

/** What a worker is asked. */
export type Question = { kind: "check"; job: BatchJob } | { kind: "leaves"; from: number; limit: number } | { kind: "package"; job: PackageJob };
export type WorkerRequest = { id: number } & Question;
export type WorkerAnswer = { id: number; progress: BatchProgress } | { id: number; value: BatchVerdict | ShownLeaf[] | PackageVerdict } | { id: number; error: string; name: string };

/** The same through a worker that runs `worker.ts`. */
export function workerChecker(worker: Worker): Checker {
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void; onProgress?: (progress: BatchProgress) => void }>();
  let next = 0;
  worker.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => {
    const job = waiting.get(data.id);
    if (!job) return;
    if ("progress" in data) return job.onProgress?.(data.progress);
    waiting.delete(data.id);
    if ("error" in data) job.reject(Object.assign(new Error(data.error), { name: data.name }));
    else job.resolve(data.value as never);
  };
  worker.onerror = (event) => {
    for (const { reject } of waiting.values()) reject(new Error(`The checking thread ended: ${event.message ?? "no reason given"}. Reload the page.`));
    waiting.clear();
  };
  const ask = <T>(request: Question, onProgress?: (progress: BatchProgress) => void) =>
    new Promise<T>((resolve, reject) => {
      const id = next++;
      waiting.set(id, { resolve: resolve as (value: never) => void, reject, onProgress });
      worker.postMessage({ id, ...request });
    });
  return {
    check: (job, onProgress) => ask<BatchVerdict>({ kind: "check", job }, onProgress),
    leaves: (from, limit) => ask<ShownLeaf[]>({ kind: "leaves", from, limit }),
    package: (job) => ask<PackageVerdict>({ kind: "package", job }),
    stop: () => worker.terminate(),
  };
}
