/** A batch's blob from whoever has it. The bytes are believed when they have the content hash that the header names, which the chain holds. */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { type Hex, bytesToHex } from "viem";
import { toWire } from "../../../keepers/walrus/blobId.ts";
import { chunksOfStream } from "../../../sdk/batch/streams.ts";
import type { BatchHeader } from "../../../sdk/protocol/batch.ts";

/** No aggregator gave anything: what each one said. */
export class BlobUnavailable extends Error {
  override readonly name = "BlobUnavailable";
  readonly answers: readonly { url: string; reason: string }[];
  constructor(answers: readonly { url: string; reason: string }[]) {
    super(answers.length === 0 ? "no aggregator is configured" : answers.map(({ url, reason }) => `${url}: ${reason}`).join("; "));
    this.answers = answers;
  }
}

export interface BlobStream {
  /** Aggregator that gave it. */
  url: string;
  /** Bytes as announced; null when it was not said. */
  announced: number | null;
  body: ReadableStream<Uint8Array>;
}

/** Bytes of a record with the longest signature, of a stretch, and of preamble with terms. */
const [RECORD, STRETCH, HEAD] = [225 + 256, 116, 88 + (1 << 20)];

/** What a blob of this header can have at most: an aggregator that sends more sends something else. */
export function mostBytes({ count, channels }: Pick<BatchHeader, "count" | "channels">): number {
  // DEFLATE may add a little to what does not compress.
  return Math.ceil((HEAD + count * RECORD + channels * STRETCH) * 1.001) + 1_024;
}

const TIMEOUT_MS = 20_000;

/** Opens one aggregator's copy. @throws Error with the reason. */
export async function openBlob(aggregator: string, blobId: Hex, fetcher: typeof fetch, signal?: AbortSignal): Promise<BlobStream> {
  const waiting = new AbortController();
  const timer = setTimeout(() => waiting.abort(new Error(`no answer in ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
  try {
    const response = await fetcher(`${aggregator}/v1/blobs/${toWire(blobId)}`, { redirect: "error", credentials: "omit", referrerPolicy: "no-referrer", signal: signal ? AbortSignal.any([signal, waiting.signal]) : waiting.signal });
    if (!response.ok || !response.body) {
      await response.body?.cancel();
      throw new Error(response.status === 404 ? "does not have it" : `HTTP ${response.status}`);
    }
    const length = Number(response.headers.get("content-length") ?? NaN);
    return { url: aggregator, announced: Number.isSafeInteger(length) ? length : null, body: response.body };
  } finally {
    clearTimeout(timer);
  }
}

/** A stream that is hashed, counted and kept while somebody else reads it. */
export interface Tap {
  /** To be read by one reader, who may stop early. */
  source: AsyncIterable<Uint8Array>;
  /** Reads what the reader left, and gives the whole. @throws Error when it is longer than `limit`. */
  finish(): Promise<{ hash: Hex; size: number; blob: Blob }>;
}

/** Pieces are put away in blobs of this size: a browser keeps those out of the page's memory. */
const KEPT = 4 * 1024 * 1024;

export function tap(body: ReadableStream<Uint8Array>, limit: number, onBytes: (size: number) => void = () => {}): Tap {
  const pieces = chunksOfStream(body);
  const hash = keccak_256.create();
  const kept: Blob[] = [];
  let open: Uint8Array[] = [];
  let waiting = 0;
  let size = 0;

  async function next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const { value, done } = await pieces.next();
    if (done) return { value: undefined, done: true };
    size += value.length;
    if (size > limit) {
      await pieces.return(undefined);
      throw new Error(`it sends more than the ${limit} bytes that are expected at most`);
    }
    hash.update(value);
    open.push(value);
    waiting += value.length;
    if (waiting >= KEPT) {
      kept.push(new Blob(open as BlobPart[]));
      [open, waiting] = [[], 0];
    }
    onBytes(size);
    return { value, done: false };
  }

  return {
    // Without `return`: a reader that stops early does not cut the stream, whose hash is still wanted.
    source: { [Symbol.asyncIterator]: () => ({ next }) },
    async finish() {
      while (!(await next()).done);
      return { hash: bytesToHex(hash.digest()), size, blob: new Blob([...kept, ...(open as BlobPart[])]) };
    },
  };
}
