/** The shapes of Walrus' HTTP API that this project reads and writes (OpenAPI of publisher and aggregator). */
import { z } from "zod";

const epoch = z.number().int().nonnegative();

/** What a publisher answers. Fields that nobody here reads are left open: daemons add some between versions. */
export const storeResultSchema = z.union([
  z.object({
    newlyCreated: z.object({
      blobObject: z.object({
        id: z.string(),
        blobId: z.string(),
        size: z.number().int().nonnegative(),
        deletable: z.boolean(),
        storage: z.object({ startEpoch: epoch, endEpoch: epoch, storageSize: z.number().int().nonnegative() }),
      }),
    }),
  }),
  z.object({ alreadyCertified: z.object({ blobId: z.string(), endEpoch: epoch }) }),
  z.object({ markedInvalid: z.object({ blobId: z.string() }) }),
  z.object({ error: z.object({ errorMsg: z.string() }) }),
]);

export interface BlobObject {
  readonly id: string;
  readonly registeredEpoch: number;
  readonly blobId: string;
  readonly size: number;
  readonly encodingType: "RS2";
  readonly certifiedEpoch: number | null;
  readonly storage: { readonly id: string; readonly startEpoch: number; readonly endEpoch: number; readonly storageSize: number };
  readonly deletable: boolean;
}

export type StoreResult =
  | {
      readonly newlyCreated: {
        readonly blobObject: BlobObject;
        readonly resourceOperation: { readonly registerFromScratch: { readonly encodedLength: number; readonly epochsAhead: number } };
        readonly cost: number;
      };
    }
  | {
      readonly alreadyCertified: {
        readonly blobId: string;
        readonly event: { readonly txDigest: string; readonly eventSeq: string };
        readonly endEpoch: number;
      };
    };

/** The body of every failed call. */
export interface Status {
  readonly error: { readonly status: string; readonly code: number; readonly message: string; readonly details: readonly object[] };
}

export function status(code: number, name: string, message: string, reason = name): Status {
  const info = { "@type": "ErrorInfo", reason, domain: "daemon.walrus.space", metadata: {} };
  return { error: { status: name, code, message, details: [info] } };
}

/** Bytes that a blob takes on the network: 1001 slivers' worth of symbols and 64 bytes of hashes a sliver pair. */
export function encodedLength(size: number): number {
  const shards = 1000;
  const primary = 334; // source symbols of the two directions
  const secondary = 667;
  const symbol = Math.max(2, Math.ceil(size / (primary * secondary)));
  const even = symbol + (symbol % 2);
  return shards * (primary + secondary) * even + shards * (shards * 64 + 32);
}
