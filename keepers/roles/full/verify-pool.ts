/** Worker threads for the leaves of batches: chunks go to whichever thread has least to do. */
import { Worker } from "node:worker_threads";
import type { CheckerOptions, ChunkChecker, ChunkResult } from "../../../sdk/batch/index.ts";
import { retryable } from "../../errors/index.ts";

export interface OpenTask {
  kind: "open";
  batch: number;
  options: Omit<CheckerOptions, "engine">;
}
export interface ChunkTask {
  kind: "chunk";
  id: number;
  batch: number;
  bytes: Uint8Array;
  count: number;
}
export interface ChunkAnswer {
  id: number;
  result?: ChunkResult;
  error?: string;
}

export interface VerifyPool {
  readonly size: number;
  /** A checker for one batch; `close` it when the batch is done. */
  open(options: Omit<CheckerOptions, "engine">): { check: ChunkChecker; close(): void };
  stop(): Promise<void>;
}

export function createVerifyPool(size: number): VerifyPool {
  interface Thread {
    worker: Worker;
    load: number;
  }
  const waiting = new Map<number, { thread: Thread; resolve: (result: ChunkResult) => void; reject: (error: Error) => void }>();
  let nextId = 0;
  let nextBatch = 0;
  let stopped = false;
  const threads: Thread[] = Array.from({ length: size }, () => start());

  function start(): Thread {
    const thread: Thread = { worker: new Worker(new URL("./verify-worker.ts", import.meta.url), { resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 16 } }), load: 0 };
    thread.worker.unref();
    thread.worker.on("message", ({ id, result, error }: ChunkAnswer) => {
      const entry = waiting.get(id);
      if (!entry) return;
      waiting.delete(id);
      thread.load--;
      if (result) entry.resolve(result);
      else entry.reject(retryable("full.check_failed", `A worker failed: ${error}`));
    });
    const died = (reason: string) => {
      // Its batch fails and is checked again; the pool keeps its size.
      for (const [id, entry] of waiting) {
        if (entry.thread !== thread) continue;
        waiting.delete(id);
        entry.reject(retryable("full.worker_died", `A worker ended: ${reason}`));
      }
      const place = threads.indexOf(thread);
      if (!stopped && place >= 0) threads[place] = start();
    };
    thread.worker.on("error", (error) => died(error instanceof Error ? error.message : String(error)));
    thread.worker.on("exit", (code) => died(`exit code ${code}`));
    return thread;
  }

  return {
    size,
    open(options) {
      const batch = nextBatch++;
      const opened = new Set<Thread>();
      return {
        check: (bytes, count) => {
          const thread = threads.reduce((best, other) => (other.load < best.load ? other : best));
          if (!opened.has(thread)) {
            thread.worker.postMessage({ kind: "open", batch, options } satisfies OpenTask);
            opened.add(thread);
          }
          const id = nextId++;
          thread.load++;
          // Moved there and back: nothing is copied, and what is under way is all that there is.
          thread.worker.postMessage({ kind: "chunk", id, batch, bytes, count } satisfies ChunkTask, [bytes.buffer as ArrayBuffer]);
          return new Promise((resolve, reject) => waiting.set(id, { thread, resolve, reject }));
        },
        close: () => {
          for (const { worker } of opened) worker.postMessage({ kind: "close", batch });
        },
      };
    },
    async stop() {
      stopped = true;
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}
