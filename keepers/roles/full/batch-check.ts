/** The check of one batch from its file, without a ledger: what a full node and its workers share. */
import { createReadStream, existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Hex } from "viem";
import { type BatchReport, type SigningKey, verifyBatch, type VerifyOptions } from "../../../sdk/batch/index.ts";
import type { BatchHeader, ProtocolDomain } from "../../../sdk/protocol/index.ts";
import type { Clock } from "../../clock/index.ts";
import type { WalrusClient } from "../../walrus/index.ts";
import type { VerifyPool } from "./verify-pool.ts";

/** All that a check needs to know; the data is named by the header. */
export interface CheckTask {
  hash: Hex;
  header: BatchHeader;
  key: SigningKey;
  domain: ProtocolDomain;
  /** Image policy that the registry has for the node. */
  nodePolicy: Hex;
}

export interface CheckHooks extends Pick<VerifyOptions, "onChunk" | "onStretch" | "book"> {
  /** False: signatures were checked elsewhere by this operator; everything else is checked all the same. */
  signatures?: boolean;
}

export function checkBatchFile({ header, key, domain, nodePolicy }: CheckTask, path: string, pool: VerifyPool, { signatures = true, ...hooks }: CheckHooks = {}): Promise<BatchReport> {
  let session: ReturnType<VerifyPool["open"]> | null = null;
  return verifyBatch({
    header,
    nodePolicy,
    source: createReadStream(path),
    recordsPerChunk: 2_048,
    parallel: pool.size * 2,
    checker: (preamble) => (session = pool.open({ domain, preamble, key, signatures })).check,
    ...hooks,
  }).finally(() => session?.close());
}

export interface TaskRunnerDeps {
  walrus: WalrusClient;
  pool: VerifyPool;
  clock: Clock;
  /** Where blobs are put. */
  blobDir: string;
  /** Whether they stay there: a worker that only checks keeps nothing. */
  keep: boolean;
}

/** Fetches and checks what a queue hands out. */
export function taskRunner({ walrus, pool, clock, blobDir, keep }: TaskRunnerDeps) {
  mkdirSync(blobDir, { recursive: true });
  return async (task: CheckTask): Promise<Pick<BatchReport, "ok" | "fault" | "leaves"> & { seconds: number }> => {
    const started = clock.now();
    const path = blobPathIn(blobDir, task.hash);
    try {
      if (!existsSync(path)) await walrus.download(task.header.blobId, path, { contentHash: task.header.contentHash });
      // Terms are read again by the node itself, with everything that costs no signature check.
      const { ok, fault, leaves } = await checkBatchFile(task, path, pool);
      return { ok, fault, leaves, seconds: (clock.now() - started) / 1000 };
    } finally {
      if (!keep) rmSync(path, { force: true });
    }
  };
}

/** Where a directory of mirrored blobs keeps the one of a header. */
export function blobPathIn(blobDir: string, hash: Hex): string {
  return join(blobDir, `${hash.slice(2)}.bin`);
}
