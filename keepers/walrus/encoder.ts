/**
 * Computes true Walrus blob ids (RS2, 1000 shards) in a worker thread, with a small cache by content.
 *
 * Twenty blobs a minute are usual here, so one worker and a short queue are enough; beyond that callers are told to wait.
 */
import { createHash } from "node:crypto";
import { Worker } from "node:worker_threads";

import type { Hex } from "viem";

import { fatal, retryable } from "../errors/index.ts";

export interface BlobIds {
  /** The blob id of these bytes. */
  of(bytes: Uint8Array): Promise<Hex>;
  close(): Promise<void>;
}

export interface BlobIdsOptions {
  readonly cacheSize?: number;
  readonly maxPending?: number;
  readonly timeoutMs?: number;
}

interface Job {
  readonly resolve: (blobId: Hex) => void;
  readonly reject: (error: unknown) => void;
}

type Answer = { readonly id: number; readonly blobId?: Uint8Array; readonly error?: string };

export function blobIds({ cacheSize = 512, maxPending = 32, timeoutMs = 60_000 }: BlobIdsOptions = {}): BlobIds {
  const cache = new Map<string, Promise<Hex>>();
  const jobs = new Map<number, Job>();
  let worker: Worker | undefined;
  let nextId = 0;
  let closed = false;

  const failAll = (error: unknown): void => {
    worker = undefined;
    for (const job of jobs.values()) job.reject(error);
    jobs.clear();
  };

  const start = (): Worker => {
    const started = new Worker(new URL("./encoderWorker.ts", import.meta.url), { execArgv: [] });
    started.on("message", ({ id, blobId, error }: Answer) => {
      const job = jobs.get(id);
      jobs.delete(id);
      if (jobs.size === 0) started.unref(); // an idle encoder must not keep a process alive
      if (blobId) job?.resolve(`0x${Buffer.from(blobId).toString("hex")}`);
      else job?.reject(fatal("walrus.encoding", `The blob cannot be encoded: ${error}`));
    });
    const fail = (why: string) => {
      if (worker === started) failAll(retryable("walrus.encoder_stopped", `The blob encoder stopped: ${why}.`));
    };
    started.on("error", (error) => fail(error instanceof Error ? error.message : String(error)));
    started.on("exit", (code) => fail(`exit code ${code}`));
    return started;
  };

  const compute = (bytes: Uint8Array): Promise<Hex> => {
    if (closed) return Promise.reject(fatal("walrus.encoder_closed", "The blob encoder was closed."));
    if (jobs.size >= maxPending) {
      return Promise.reject(retryable("walrus.encoder_busy", `${jobs.size} blobs wait for the encoder.`, { pending: jobs.size }));
    }
    worker ??= start();
    const running = worker;
    const id = nextId++;
    running.ref();
    const result = new Promise<Hex>((resolve, reject) => jobs.set(id, { resolve, reject }));
    const position = jobs.size;
    running.postMessage({ id, bytes });
    const timer = setTimeout(() => {
      if (!jobs.has(id)) return;
      failAll(retryable("walrus.encoder_timeout", `A blob was not encoded within ${timeoutMs * position} ms.`));
      void running.terminate();
    }, timeoutMs * position);
    return result.finally(() => clearTimeout(timer));
  };

  return {
    of(bytes) {
      const key = createHash("sha256").update(bytes).digest("base64");
      const known = cache.get(key);
      cache.delete(key);
      const result = known ?? compute(bytes);
      cache.set(key, result); // now the youngest
      if (cache.size > cacheSize) cache.delete(cache.keys().next().value!);
      result.catch(() => cache.get(key) === result && cache.delete(key));
      return result;
    },
    async close() {
      closed = true;
      const running = worker;
      failAll(fatal("walrus.encoder_closed", "The blob encoder was closed."));
      await running?.terminate();
    },
  };
}
