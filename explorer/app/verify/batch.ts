/** A batch against its header, as `og verify batch` does it, from whichever aggregator gives the bytes that the header names. */
import { type BatchReport, chunkChecker, openBatch, readReceipt, recordLength, type SigningKey } from "../../../sdk/batch/index.ts";
import { chunksOfStream } from "../../../sdk/batch/streams.ts";
import { type BatchHeader, type InferenceReceipt, type ProtocolDomain, receiptDigest } from "../../../sdk/protocol/index.ts";
import { verifyBatch } from "../../../sdk/batch/verify.ts";
import type { Hex } from "viem";
import { BlobUnavailable, mostBytes, openBlob, tap } from "./blob.ts";

export interface BatchJob {
  header: BatchHeader;
  domain: ProtocolDomain;
  key: SigningKey;
  /** Image policy that the registry has for the node. */
  nodePolicy: Hex;
  aggregators: readonly string[];
}

export interface BatchProgress {
  bytes: number;
  announced: number | null;
  /** Leaves whose signatures are checked. */
  leaves: number;
}

export interface BatchVerdict {
  report: BatchReport;
  size: number;
  /** Aggregator whose bytes these are. */
  source: string;
  /** Aggregators that gave other bytes, or none. */
  refused: { url: string; reason: string }[];
  milliseconds: number;
}

export interface ShownLeaf {
  index: number;
  digest: Hex;
  receipt: InferenceReceipt;
  signature: Hex;
}

/** @throws BlobUnavailable when no aggregator gives the bytes that the header names. */
export async function checkBatch(job: BatchJob, fetcher: typeof fetch, onProgress: (progress: BatchProgress) => void, signal?: AbortSignal): Promise<{ verdict: BatchVerdict; blob: Blob }> {
  const { header, domain, key, nodePolicy } = job;
  const refused: BatchVerdict["refused"] = [];
  const started = performance.now();
  for (const url of job.aggregators) {
    try {
      const { body, announced } = await openBlob(url, header.blobId, fetcher, signal);
      const progress: BatchProgress = { bytes: 0, announced, leaves: 0 };
      const tapped = tap(body, mostBytes(header), (bytes) => {
        progress.bytes = bytes;
        onProgress({ ...progress });
      });
      const report = await verifyBatch({
        header, nodePolicy, source: tapped.source,
        checker: (preamble) => {
          const check = chunkChecker({ domain, preamble, key });
          return async (bytes, count) => {
            signal?.throwIfAborted();
            const result = await check(bytes, count);
            progress.leaves += count;
            onProgress({ ...progress });
            return result;
          };
        },
      });
      const { hash, size, blob } = await tapped.finish();
      // Whatever was found in other bytes than the node's is the aggregator's doing, not the node's.
      if (hash !== header.contentHash.toLowerCase()) throw new Error("its bytes have another content hash than the header names");
      return { verdict: { report, size, source: url, refused, milliseconds: performance.now() - started }, blob };
    } catch (error) {
      signal?.throwIfAborted();
      refused.push({ url, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  throw new BlobUnavailable(refused);
}

/** Leaves [from, from + limit) of a blob that was checked: one pass up to there, nothing kept. */
export async function leavesOf(blob: Blob, domain: ProtocolDomain, from: number, limit: number): Promise<ShownLeaf[]> {
  const { preamble, chunks } = await openBatch(chunksOfStream(blob.stream()));
  const length = recordLength(preamble);
  const leaves: ShownLeaf[] = [];
  for await (const { kind, first, count, bytes } of chunks()) {
    if (kind === "stretches") break;
    if (kind !== "receipts") continue;
    for (let index = Math.max(from, first); index < Math.min(first + count, from + limit); index++) {
      const leaf = readReceipt(bytes, (index - first) * length, preamble);
      leaves.push({ index, digest: receiptDigest(leaf.receipt, domain), ...leaf });
    }
    if (first + count >= from + limit) break;
  }
  return leaves;
}
