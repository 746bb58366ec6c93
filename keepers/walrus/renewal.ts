/**
 * Keeps blobs on Walrus for as long as they are wanted: storage ends with its epochs, and nobody says so. What was stored is
 * noted with the time until which it is paid for at least; before that it is stored again, from its own bytes, for longer.
 */
import { type Hex, keccak256 } from "viem";
import type { Clock } from "../clock/index.ts";
import { fatal, isKeeperError, messageOf } from "../errors/index.ts";
import type { Logger } from "../logger/index.ts";
import type { Migration, Store } from "../storage/index.ts";
import type { WalrusClient } from "./client.ts";

const migration: Migration = {
  component: "walrus.renewal",
  steps: [
    `CREATE TABLE walrus_blobs (
       blob_id TEXT PRIMARY KEY, content_hash TEXT NOT NULL, paid_until INTEGER NOT NULL, wanted_until INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX walrus_blobs_due ON walrus_blobs (paid_until)`,
  ],
};

export interface RenewalOptions {
  store: Store;
  walrus: WalrusClient;
  clock: Clock;
  logger: Logger;
  /** Epochs that each storing pays for, and how long one is: 14 days on Mainnet, 1 day on Testnet. */
  epochs: number;
  epochMs: number;
}

export interface BlobRenewal {
  /** Notes a blob that was stored now. @param wantedUntil ms; later notes only lengthen it. */
  note(blobId: Hex, contentHash: Hex, wantedUntil: number): void;
  /**
   * Stores again what would end before two more epochs and is still wanted.
   * @param fallback Bytes of a blob that Walrus has lost, if this keeper can make them; other content than what was noted is not stored.
   */
  renew(fallback?: (blobId: Hex) => Promise<Uint8Array | null>): Promise<{ renewed: number; failed: number }>;
  counts(): { kept: number; due: number };
}

export function blobRenewal({ store, walrus, clock, logger, epochs, epochMs }: RenewalOptions): BlobRenewal {
  store.migrate(migration);
  // The epoch in which it was stored is already under way: only the others are whole.
  const paidFrom = (now: number) => now + (epochs - 1) * epochMs;
  const margin = Math.min(2, (epochs - 1) / 2) * epochMs;

  return {
    note(blobId, contentHash, wantedUntil) {
      store.run(
        `INSERT INTO walrus_blobs VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET
           paid_until = max(paid_until, excluded.paid_until), wanted_until = max(wanted_until, excluded.wanted_until)`,
        blobId.toLowerCase(), contentHash.toLowerCase(), paidFrom(clock.now()), wantedUntil,
      );
    },

    async renew(fallback) {
      const now = clock.now();
      store.run("DELETE FROM walrus_blobs WHERE wanted_until <= ?", now);
      const due = store.all<{ blob_id: Hex; content_hash: Hex }>("SELECT blob_id, content_hash FROM walrus_blobs WHERE paid_until - ? <= ? ORDER BY paid_until LIMIT 100", margin, now);
      let renewed = 0;
      for (const { blob_id: blobId, content_hash: contentHash } of due) {
        try {
          const bytes = await walrus.read(blobId, { contentHash }).catch(async (error: unknown) => {
            const own = await fallback?.(blobId);
            if (!own) throw error;
            const found = keccak256(own);
            if (found !== contentHash) throw fatal("walrus.other_bytes", `Walrus has lost the blob (${messageOf(error)}), and what the keeper's own data gives is another one: ${found}, not ${contentHash}.`, { blobId });
            logger.warn({ blobId, reason: messageOf(error) }, "a blob was lost and is stored from the keeper's own data");
            return own;
          });
          // The client refuses a publisher that answers with another blob's id.
          await walrus.store(bytes, { epochs });
          store.run("UPDATE walrus_blobs SET paid_until = ? WHERE blob_id = ?", paidFrom(now), blobId);
          renewed++;
        } catch (error) {
          logger.error({ blobId, code: isKeeperError(error) ? error.code : undefined, reason: messageOf(error) }, "a blob's storage could not be renewed; it is tried again");
        }
      }
      if (renewed > 0) logger.info({ renewed }, "storage renewed");
      return { renewed, failed: due.length - renewed };
    },

    counts: () => ({
      kept: store.get<{ n: number }>("SELECT COUNT(*) AS n FROM walrus_blobs")!.n,
      due: store.get<{ n: number }>("SELECT COUNT(*) AS n FROM walrus_blobs WHERE paid_until - ? <= ?", margin, clock.now())!.n,
    }),
  };
}
