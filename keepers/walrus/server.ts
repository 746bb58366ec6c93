/**
 * A store on this machine that speaks Walrus' HTTP API, publisher and aggregator in one, with true blob ids. It is the
 * embedded default of devnets and tests; a publisher and aggregator URL in the configuration replace it by the network.
 *
 * It keeps what it is told to keep on one disk: no committee, no payment, no availability beyond the machine's own.
 */
import type { Server } from "node:http";

import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Hex } from "viem";
import { keccak256, stringToHex } from "viem";

import { fatal, isKeeperError, isRetryable, messageOf } from "../errors/index.ts";
import { fromWire, toWire } from "./blobId.ts";
import { blobDisk, sha256 } from "./disk.ts";
import type { BlobDisk, BlobRecord } from "./disk.ts";
import type { BlobIds } from "./encoder.ts";
import { encodedLength, status } from "./http.ts";
import type { BlobObject, StoreResult } from "./http.ts";

export interface WalrusServerOptions {
  readonly directory: string;
  readonly blobIds: BlobIds;
  readonly clock: { now(): number };
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port?: number;
  readonly maxBytes?: number;
  readonly epochSeconds?: number;
  readonly onError?: (error: unknown) => void;
}

export interface WalrusServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Mainnet's greatest lifetime. */
const MAX_EPOCHS = 53;

export async function startWalrusServer(options: WalrusServerOptions): Promise<WalrusServer> {
  const app = walrusApp(await blobDisk(options.directory), options);
  const host = options.host ?? "127.0.0.1";
  const server = await new Promise<Server>((resolve, reject) => {
    const starting = serve({ fetch: app.fetch, hostname: host, port: options.port ?? 0 }, () => resolve(starting)) as Server;
    starting.on("error", reject);
  });
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : options.port;
  return {
    url: `http://${host}:${port}`,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

export function walrusApp(disk: BlobDisk, options: WalrusServerOptions): Hono {
  const { maxBytes = 10 * 1024 * 1024, epochSeconds = 86_400 } = options;
  const currentEpoch = (): number => Math.floor(options.clock.now() / 1000 / epochSeconds);
  const isKept = (record: BlobRecord | undefined): record is BlobRecord => record !== undefined && record.endEpoch > currentEpoch();
  const storing = new Map<string, Promise<unknown>>();

  async function store(bytes: Uint8Array, epochs: number, deletable: boolean): Promise<StoreResult> {
    const content = sha256(bytes);
    const known = disk.findContent(content);
    const start = currentEpoch();
    // A deletable blob is no substitute for a permanent one.
    if (isKept(known) && known.endEpoch >= start + epochs && (deletable || !known.deletable)) return certified(known);
    const blobId = toWire((known && fromWire(known.blobId)) ?? (await options.blobIds.of(bytes)));
    const objectId = keccak256(stringToHex(`blob object ${blobId} ${start} ${epochs} ${deletable}`));
    const end = Math.max(start + epochs, known?.endEpoch ?? 0);
    const record: BlobRecord = { blobId, sha256: content, size: bytes.length, objectId, startEpoch: start, endEpoch: end, deletable };
    await disk.write(record, bytes);
    return created(record);
  }

  /** The same content from two callers at once is stored once: the second waits and finds it there. */
  async function inTurn(content: string, work: () => Promise<StoreResult>): Promise<StoreResult> {
    const before = storing.get(content) ?? Promise.resolve();
    const mine = before.then(work, work);
    storing.set(content, mine);
    try {
      return await mine;
    } finally {
      if (storing.get(content) === mine) storing.delete(content);
    }
  }

  const app = new Hono();
  app.get("/status", (c) => c.text("OK"));

  app.put(
    "/v1/blobs",
    bodyLimit({
      maxSize: maxBytes,
      onError: (c) => {
        // The rest of the body is not read, so the connection cannot serve another request.
        c.header("connection", "close");
        return c.json(status(413, "PAYLOAD_TOO_LARGE", `A blob may have at most ${maxBytes} bytes.`), 413);
      },
    }),
    async (c) => {
      const { epochs, deletable } = storageOf(c.req.query());
      const bytes = new Uint8Array(await c.req.arrayBuffer());
      return c.json(await inTurn(sha256(bytes), () => store(bytes, epochs, deletable)));
    },
  );

  app.get("/v1/blobs/:blobId", async (c) => {
    const blobId = toWire(fromWire(c.req.param("blobId")));
    if (!isKept(disk.find(blobId))) {
      return c.json(status(404, "NOT_FOUND", "The requested blob is not stored here, or its epochs are over.", "BLOB_NOT_FOUND"), 404);
    }
    const bytes = (await disk.read(blobId)) as Uint8Array<ArrayBuffer>;
    // The name is a hash of the content, so any cache may keep it.
    const cache = { etag: `"${blobId}"`, "cache-control": "public, immutable, max-age=86400" };
    return c.body(bytes, 200, { "content-type": "application/octet-stream", ...cache });
  });

  app.notFound((c) => c.json(status(404, "NOT_FOUND", `There is nothing at ${c.req.method} ${c.req.path}.`, "NO_ROUTE"), 404));
  app.onError((error, c) => {
    if (isKeeperError(error) && (error.code === "walrus.bad_blob_id" || error.code === "walrus.bad_query")) {
      return c.json(status(400, "INVALID_ARGUMENT", error.message, error.code), 400);
    }
    options.onError?.(error);
    if (isRetryable(error)) {
      c.header("retry-after", "2");
      return c.json(status(503, "UNAVAILABLE", messageOf(error), isKeeperError(error) ? error.code : undefined), 503);
    }
    return c.json(status(500, "INTERNAL", "The store could not do this; see its log."), 500);
  });
  return app;
}

function storageOf(query: Record<string, string>): { epochs: number; deletable: boolean } {
  const epochs = query["epochs"] ?? "1";
  if (!/^[1-9][0-9]{0,3}$/.test(epochs) || Number(epochs) > MAX_EPOCHS) {
    throw fatal("walrus.bad_query", `epochs must be a number from 1 to ${MAX_EPOCHS}.`, { epochs });
  }
  const flag = (name: string): boolean => {
    const value = query[name] ?? "false";
    if (value !== "true" && value !== "false") throw fatal("walrus.bad_query", `${name} must be true or false.`, { value });
    return value === "true";
  };
  const permanent = flag("permanent");
  if (permanent && flag("deletable")) throw fatal("walrus.bad_query", "A blob cannot be both deletable and permanent.");
  // As on the network: deletable unless asked otherwise.
  return { epochs: Number(epochs), deletable: !permanent };
}

function created(record: BlobRecord): StoreResult {
  const encoded = encodedLength(record.size);
  const blobObject: BlobObject = {
    id: record.objectId,
    registeredEpoch: record.startEpoch,
    blobId: record.blobId,
    size: record.size,
    encodingType: "RS2",
    certifiedEpoch: record.startEpoch,
    storage: { id: storageId(record), startEpoch: record.startEpoch, endEpoch: record.endEpoch, storageSize: encoded },
    deletable: record.deletable,
  };
  const epochsAhead = record.endEpoch - record.startEpoch;
  // Nothing is paid here.
  return { newlyCreated: { blobObject, resourceOperation: { registerFromScratch: { encodedLength: encoded, epochsAhead } }, cost: 0 } };
}

function certified(record: BlobRecord): StoreResult {
  const event = { txDigest: base58(storageId(record)), eventSeq: "0" };
  return { alreadyCertified: { blobId: record.blobId, event, endEpoch: record.endEpoch } };
}

/** Sui has an object of storage behind each blob; here a name for it is enough. */
function storageId(record: BlobRecord): Hex {
  return keccak256(stringToHex(`storage ${record.objectId}`));
}

/** Sui's spelling of a transaction digest. */
function base58(hex: Hex): string {
  const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  let digits = "";
  for (let rest = BigInt(hex); rest > 0n; rest /= 58n) digits = alphabet[Number(rest % 58n)]! + digits;
  return digits;
}
