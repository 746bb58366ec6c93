/** Deletes mirrored blobs that can no longer be disputed. */
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Hex } from "viem";
import { BatchStatus } from "../../../sdk/protocol/index.ts";
import type { Platform } from "../platform.ts";
import type { FullStore } from "./store.ts";

/** A mirrored blob and what the chain says of its header. Times in ms. */
export interface MirroredBlob {
  hash: Hex;
  /** When the file was written. */
  writtenAt: number;
  /** Null: the header is not on this chain, e.g. after a reorganisation. */
  header: { pending: boolean; checked: boolean; decidedAt: number } | null;
}

/**
 * What may go: a decided header's blob, once faults of later headers that point at it (overlap, equivocation) are too old to be
 * proved; and a blob of no header. A pending header's data is what answers demands: it stays whatever its age.
 */
export function expiredBlobs(blobs: readonly MirroredBlob[], now: number, retentionMs: number): Hex[] {
  return blobs
    .filter(({ header, writtenAt }) => (header ? !header.pending && header.checked && header.decidedAt + retentionMs <= now : writtenAt + retentionMs <= now))
    .map(({ hash }) => hash);
}

const PENDING: ReadonlySet<number> = new Set([BatchStatus.Posted, BatchStatus.Certified]);
const NAME = /^([0-9a-f]{64})\.bin(\.part)?$/;

/** One pass over the mirror. @returns How many were deleted. */
export function createRetention({ settlement, clock, logger, metrics }: Platform, store: FullStore, blobDir: string, retentionMs: number): () => Promise<number> {
  return async () => {
    const head = await settlement.pool.head();
    const blobs: MirroredBlob[] = [];
    for (const name of readdirSync(blobDir)) {
      const match = NAME.exec(name);
      const file = match && statSync(join(blobDir, name), { throwIfNoEntry: false });
      if (!match || !file) continue;
      const hash: Hex = `0x${match[1]!}`;
      const row = match[2] ? undefined : store.header(hash); // a cut-off download belongs to nobody
      const decidedAt = row && !PENDING.has(row.status) ? Number((await settlement.client.getBlock({ blockNumber: row.statusBlock })).timestamp) * 1_000 : 0;
      blobs.push({ hash, writtenAt: file.mtimeMs, header: row ? { pending: PENDING.has(row.status), checked: store.check(hash) !== undefined, decidedAt } : null });
    }
    // A decision's age is chain time; a file's is this machine's.
    const orphans = blobs.filter(({ header }) => header === null);
    const expired = [
      ...expiredBlobs(blobs.filter(({ header }) => header !== null), Number(head.timestamp) * 1_000, retentionMs),
      ...expiredBlobs(orphans, clock.now(), retentionMs),
    ];
    for (const hash of expired) for (const end of ["bin", "bin.part"]) rmSync(join(blobDir, `${hash.slice(2)}.${end}`), { force: true });
    metrics.gauge("mirrored_blobs", blobs.length - expired.length);
    if (expired.length > 0) logger.info({ deleted: expired.length, kept: blobs.length - expired.length }, "mirrored blobs that nobody can dispute any more were deleted");
    return expired.length;
  };
}
