/** A model version's package against the registry's hashes, from whichever aggregator gives it. */
import type { Hex } from "viem";
import { type VersionHashes, verifyPackage } from "../../../sdk/models/manifest.ts";
import { BlobUnavailable, openBlob, tap } from "./blob.ts";

export interface PackageJob {
  blobId: Hex;
  version: VersionHashes;
  aggregators: readonly string[];
}

export interface PackageVerdict {
  size: number;
  source: string;
  refused: { url: string; reason: string }[];
  /** Which of the registry's hashes the bytes have. */
  checks: { name: string; ok: boolean }[];
}

/** Larger packages are for `og model download`. */
export const MAX_PACKAGE = 64 * 1024 * 1024;

/** @throws BlobUnavailable when no aggregator gives bytes with the content hash that the registry holds. */
export async function checkPackage({ blobId, version, aggregators }: PackageJob, fetcher: typeof fetch, signal?: AbortSignal): Promise<PackageVerdict> {
  const refused: PackageVerdict["refused"] = [];
  for (const url of aggregators) {
    try {
      const { body } = await openBlob(url, blobId, fetcher, signal);
      const { hash, size, blob } = await tap(body, MAX_PACKAGE).finish();
      if (hash !== version.contentHash.toLowerCase()) throw new Error("its bytes have another content hash than the registry names");
      return { size, source: url, refused, checks: verifyPackage(new Uint8Array(await blob.arrayBuffer()), version) };
    } catch (error) {
      signal?.throwIfAborted();
      refused.push({ url, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  throw new BlobUnavailable(refused);
}
