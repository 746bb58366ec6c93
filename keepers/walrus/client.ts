/**
 * Walrus over HTTP: blobs in through a publisher, out through any of several aggregators.
 *
 * Neither side is trusted. The blob id is computed here from the bytes, so a publisher that stored something else and an
 * aggregator that returns something else are both found out. Any one honest aggregator is enough to read.
 */
import { rename, unlink } from "node:fs/promises";
import type { Hex } from "viem";
import { keccak256 } from "viem";

import { fatal, isKeeperError, isRetryable, messageOf, retryable } from "../errors/index.ts";
import type { KeeperError } from "../errors/index.ts";
import { fromWire, toWire } from "./blobId.ts";
import type { BlobIds } from "./encoder.ts";
import { storeResultSchema } from "./http.ts";
import { readLimited, saveLimited } from "./limits.ts";

export interface WalrusOptions {
  readonly publisher?: string;
  readonly aggregators: readonly string[];
  readonly blobIds: BlobIds;
  readonly clock: { sleep(ms: number, signal?: AbortSignal): Promise<void> };
  readonly fetch?: typeof fetch;
  /** Refused before sending, and cut off while reading. Public endpoints take about 10 MiB. */
  readonly maxBytes?: number;
  readonly epochs?: number;
  /** Rounds over the endpoints before giving up, and the first pause between two; pauses double. */
  readonly attempts?: number;
  readonly pauseMs?: number;
  readonly storeTimeoutMs?: number;
  readonly readTimeoutMs?: number;
}

export interface StoredBlob {
  readonly blobId: Hex;
  readonly size: number;
  /** First epoch in which the blob is no longer kept. */
  readonly endEpoch: number;
  readonly newlyCreated: boolean;
}

export interface ReadOptions {
  /**
   * The content's keccak-256 where the chain holds it: checked instead of the blob id, which spares the second that the
   * encoder takes. Without it the blob id is recomputed.
   */
  readonly contentHash?: Hex;
  readonly signal?: AbortSignal;
}

export interface WalrusClient {
  /** Stores for good (not deletable) and for at least `epochs`. Storing the same bytes again is harmless. */
  store(bytes: Uint8Array, options?: { epochs?: number; signal?: AbortSignal }): Promise<StoredBlob>;
  /** The bytes of a blob, checked. */
  read(blobId: Hex, options?: ReadOptions): Promise<Uint8Array>;
  /**
   * Writes a blob to a file as it arrives, checked by its content hash: memory does not grow with it. The file appears
   * whole (by rename) or not at all.
   */
  download(blobId: Hex, path: string, options: { contentHash: Hex; signal?: AbortSignal }): Promise<{ size: number }>;
  /** Stores, then reads back: only a blob that others can fetch may be named on chain. */
  storeAndReadBack(bytes: Uint8Array, options?: { epochs?: number; signal?: AbortSignal }): Promise<StoredBlob>;
}

const MIB = 1024 * 1024;

export function walrusClient(options: WalrusOptions): WalrusClient {
  const { clock, maxBytes = 10 * MIB, attempts = 4, pauseMs = 250 } = options;
  const request = options.fetch ?? fetch;
  const aggregators = options.aggregators.map(base);
  if (aggregators.length === 0) throw fatal("walrus.no_aggregator", "At least one aggregator URL is needed.");
  let preferred = 0;

  /** Tries until something works or fails for good; what came last is what the caller hears. */
  async function persist<T>(signal: AbortSignal | undefined, attempt: () => Promise<T>): Promise<T> {
    for (let round = 1; ; round++) {
      try {
        return await attempt();
      } catch (error: unknown) {
        if (!isRetryable(error) || round >= attempts || signal?.aborted) throw error;
        await clock.sleep(pauseMs * 2 ** (round - 1), signal);
      }
    }
  }

  async function send(url: string, init: RequestInit, timeoutMs: number, signal?: AbortSignal): Promise<Response> {
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      return await request(url, { ...init, redirect: "error", signal: signal ? AbortSignal.any([signal, deadline]) : deadline });
    } catch (error: unknown) {
      throw unreachable(url, error);
    }
  }

  async function put(bytes: Uint8Array, epochs: number, signal?: AbortSignal): Promise<StoredBlob> {
    if (!options.publisher) throw fatal("walrus.no_publisher", "No publisher URL is configured, so nothing can be stored.");
    const url = `${base(options.publisher)}/v1/blobs?epochs=${epochs}&permanent=true`;
    const init = { method: "PUT", headers: { "content-type": "application/octet-stream" }, body: bytes as BodyInit };
    const response = await send(url, init, options.storeTimeoutMs ?? 120_000, signal);
    const text = Buffer.from(await readLimited(response, MIB, url)).toString("utf8");
    if (!response.ok) throw refused("store", url, response.status, text);
    const result = parseStoreResult(text, url);
    if ("error" in result) throw retryable("walrus.store_failed", `The publisher reports: ${cut(result.error.errorMsg)}`, { url });
    if ("markedInvalid" in result) throw fatal("walrus.marked_invalid", "The network marked this blob as invalid.", { url });
    if ("alreadyCertified" in result) {
      const { blobId, endEpoch } = result.alreadyCertified;
      return { blobId: fromWire(blobId), size: bytes.length, endEpoch, newlyCreated: false };
    }
    const { blobId, storage, size } = result.newlyCreated.blobObject;
    if (size !== bytes.length) {
      throw retryable("walrus.wrong_size", `The publisher stored ${size} bytes instead of ${bytes.length}.`, { url, size });
    }
    return { blobId: fromWire(blobId), size, endEpoch: storage.endEpoch, newlyCreated: true };
  }

  async function open(endpoint: string, blobId: Hex, signal: AbortSignal | undefined): Promise<{ url: string; response: Response }> {
    const url = `${endpoint}/v1/blobs/${toWire(blobId)}`;
    const response = await send(url, { method: "GET" }, options.readTimeoutMs ?? 30_000, signal);
    if (!response.ok) {
      const text = Buffer.from(await readLimited(response, MIB, url)).toString("utf8");
      throw refused("read", url, response.status, text);
    }
    return { url, response };
  }

  async function get(endpoint: string, blobId: Hex, read: ReadOptions): Promise<Uint8Array> {
    const { url, response } = await open(endpoint, blobId, read.signal);
    const bytes = await readLimited(response, maxBytes, url);
    const found = read.contentHash ? keccak256(bytes) : await options.blobIds.of(bytes);
    const wanted = read.contentHash?.toLowerCase() ?? blobId.toLowerCase();
    if (found !== wanted) throw corrupted(url, wanted, found);
    return bytes;
  }

  /** One aggregator after the other, the one that worked last first; any honest one is enough. */
  function fromAny<T>(blobId: Hex, signal: AbortSignal | undefined, ask: (endpoint: string) => Promise<T>): Promise<T> {
    toWire(blobId); // refuse a malformed id before any traffic
    return persist(signal, async () => {
      const failures: KeeperError[] = [];
      for (let i = 0; i < aggregators.length; i++) {
        const index = (preferred + i) % aggregators.length;
        try {
          const answer = await ask(aggregators[index]!);
          preferred = index;
          return answer;
        } catch (error: unknown) {
          if (signal?.aborted) throw error;
          failures.push(isKeeperError(error) ? error : retryable("walrus.unreachable", messageOf(error)));
        }
      }
      throw summary(blobId, failures);
    });
  }

  const client: WalrusClient = {
    async store(bytes, { epochs = options.epochs ?? 5, signal } = {}) {
      if (bytes.length > maxBytes) {
        const details = { size: bytes.length, maxBytes };
        throw fatal("walrus.too_large", `The blob has ${bytes.length} bytes; at most ${maxBytes} are taken.`, details);
      }
      // Both at once: uploading and computing the id take about as long.
      const [stored, own] = await Promise.all([persist(signal, () => put(bytes, epochs, signal)), options.blobIds.of(bytes)]);
      if (stored.blobId !== own) {
        throw fatal("walrus.wrong_blob_id", "The publisher answered with another blob's id.", { answered: stored.blobId, own });
      }
      return stored;
    },

    read: (blobId, read = {}) => fromAny(blobId, read.signal, (endpoint) => get(endpoint, blobId, read)),

    download: (blobId, path, { contentHash, signal }) =>
      fromAny(blobId, signal, async (endpoint) => {
        const { url, response } = await open(endpoint, blobId, signal);
        const { size, hash } = await saveLimited(response, maxBytes, url, `${path}.part`);
        if (hash !== contentHash.toLowerCase()) {
          await unlink(`${path}.part`);
          throw corrupted(url, contentHash, hash);
        }
        await rename(`${path}.part`, path);
        return { size };
      }),

    async storeAndReadBack(bytes, store = {}) {
      const stored = await client.store(bytes, store);
      await client.read(stored.blobId, { contentHash: keccak256(bytes), signal: store.signal });
      return stored;
    },
  };
  return client;
}

function corrupted(url: string, wanted: string, found: string): KeeperError {
  return retryable("walrus.corrupted", "An aggregator returned other bytes than the blob's.", { url, wanted, found });
}

/** One error for all aggregators: a lie outweighs silence, and silence outweighs "not here". */
function summary(blobId: Hex, failures: readonly KeeperError[]): KeeperError {
  const details = { blobId, attempts: failures.map((f) => ({ code: f.code, ...f.details })) };
  const liar = failures.find((f) => f.code === "walrus.corrupted");
  if (liar) return retryable("walrus.corrupted", "No aggregator returned the blob's own bytes.", details);
  if (failures.every((f) => f.code === "walrus.not_found")) {
    return retryable("walrus.not_found", "No aggregator has the blob (it may still be on its way).", details);
  }
  if (failures.every((f) => f.family === "fatal")) return fatal(failures[0]!.code, failures[0]!.message, details);
  return retryable("walrus.unavailable", "No aggregator could be read.", details);
}

function refused(what: "store" | "read", url: string, code: number, text: string): KeeperError {
  const details = { url, status: code, answer: cut(text) };
  if (code === 404) return retryable("walrus.not_found", "The aggregator does not have the blob.", details);
  if (code === 413) return fatal("walrus.too_large", "The publisher takes no blob of this size.", details);
  if (code === 429 || code === 408 || code >= 500) return retryable("walrus.unavailable", `HTTP ${code} on ${what}.`, details);
  return fatal("walrus.refused", `HTTP ${code} on ${what}: ${cut(text)}`, details);
}

function unreachable(url: string, error: unknown): KeeperError {
  const timeout = error instanceof Error && error.name === "TimeoutError";
  return timeout
    ? retryable("walrus.timeout", "The endpoint did not answer in time.", { url }, { cause: error })
    : retryable("walrus.unreachable", `The endpoint cannot be reached: ${messageOf(error)}`, { url }, { cause: error });
}

function parseStoreResult(text: string, url: string) {
  try {
    return storeResultSchema.parse(JSON.parse(text));
  } catch (error: unknown) {
    throw retryable("walrus.bad_answer", "The publisher's answer is not a store result.", { url, answer: cut(text) }, { cause: error });
  }
}

/** A URL without its trailing slash, so that paths can follow. */
function base(url: string): string {
  return url.replace(/\/+$/, "");
}

/** A peer's words in our logs: short, and on one line. */
function cut(text: string): string {
  return text.replace(/\s+/g, " ").slice(0, 200);
}
