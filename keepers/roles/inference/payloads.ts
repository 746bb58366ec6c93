/**
 * Sealed payloads of individual settlements: request and answer, encrypted to the key that the payer named, on Walrus. Nothing
 * of a prompt leaves this node in clear. Sealed bytes are stored before the answer leaves; the upload follows in its own time.
 */
import { type Hex, keccak256 } from "viem";
import { payloadKeyPair, sealPayload, type SealedContent } from "../../../sdk/payload/index.ts";
import { SettlementMode } from "../../../sdk/protocol/index.ts";
import type { Clock } from "../../clock/index.ts";
import { messageOf } from "../../errors/index.ts";
import type { Logger } from "../../logger/index.ts";
import type { Migration, Store } from "../../storage/index.ts";
import type { WalrusClient } from "../../walrus/index.ts";
import { GatewayError } from "./errors.ts";

const migration: Migration = {
  component: "inference.payloads",
  steps: [
    `CREATE TABLE payload (
       digest TEXT PRIMARY KEY, sealed BLOB, blob_id TEXT, content_hash TEXT, tries INTEGER NOT NULL DEFAULT 0, retry_at INTEGER NOT NULL DEFAULT 0
     ) STRICT;
     CREATE INDEX payload_open ON payload (retry_at) WHERE blob_id IS NULL`,
  ],
};

/** Header of a paid request: base64url of an X25519 public key, 32 bytes. */
export const ENCRYPT_HEADER = "x-og-encrypt-to";

export interface Payloads {
  /**
   * The key to seal to; undefined when the client asks for none.
   * @throws GatewayError BAD_ENCRYPT_KEY, before anything is charged.
   */
  recipientOf(header: string | null, settlementMode: number): Promise<Hex | undefined>;
  add(recipient: Hex, digest: Hex, content: SealedContent): Promise<void>;
  /** Uploads what is due, one at a time. @returns Whether there may be more. */
  upload(): Promise<boolean>;
  find(digest: Hex): { status: "pending" } | { status: "stored"; blobId: Hex; contentHash: Hex } | undefined;
}

export interface PayloadOptions {
  store: Store;
  walrus: WalrusClient;
  clock: Clock;
  log: Logger;
  /** Notes a stored blob for renewal. */
  keepBlob: (blobId: Hex, contentHash: Hex) => void;
}

export function payloadRoom({ store, walrus, clock, log, keepBlob }: PayloadOptions): Payloads {
  store.migrate(migration);
  return {
    async recipientOf(header, settlementMode) {
      if (header === null) return undefined;
      if (settlementMode !== SettlementMode.Individual) throw new GatewayError(400, "BAD_ENCRYPT_KEY", "X-OG-ENCRYPT-TO is for X-SETTLEMENT-TYPE: individual; batches hold commitments only. Nothing was charged.");
      const bytes = /^[A-Za-z0-9_-]{43}$/.test(header) ? Buffer.from(header, "base64url") : Buffer.alloc(0);
      const key: Hex = `0x${bytes.toString("hex")}`;
      // A key of small order seals for everybody: found by trying.
      const probe = { request: null, response: { kind: 1, finish: 1, content: "" }, salt: payloadKeyPair().publicKey };
      const usable = bytes.length === 32 && (await sealPayload(key, keccak256("0x"), probe).then(() => true, () => false));
      if (!usable) throw new GatewayError(400, "BAD_ENCRYPT_KEY", "X-OG-ENCRYPT-TO must be an X25519 public key: 43 digits of base64url. Nothing was charged.");
      return key;
    },

    async add(recipient, digest, content) {
      const sealed = await sealPayload(recipient, digest, content);
      store.run("INSERT INTO payload (digest, sealed) VALUES (?, ?) ON CONFLICT DO NOTHING", digest, sealed);
    },

    async upload() {
      const row = store.get<{ digest: Hex; sealed: Uint8Array; tries: number }>("SELECT digest, sealed, tries FROM payload WHERE blob_id IS NULL AND retry_at <= ? ORDER BY retry_at LIMIT 1", clock.now());
      if (!row) return false;
      try {
        const { blobId } = await walrus.storeAndReadBack(row.sealed);
        const contentHash = keccak256(row.sealed);
        // The bytes are the network's now.
        store.run("UPDATE payload SET blob_id = ?, content_hash = ?, sealed = NULL WHERE digest = ?", blobId, contentHash, row.digest);
        keepBlob(blobId, contentHash);
      } catch (error) {
        store.run("UPDATE payload SET tries = tries + 1, retry_at = ? WHERE digest = ?", clock.now() + Math.min(600_000, 1_000 * 2 ** row.tries), row.digest);
        log.warn({ digest: row.digest, tries: row.tries + 1, reason: messageOf(error) }, "a sealed payload could not be stored yet");
      }
      return true;
    },

    find(digest) {
      const row = store.get<{ blob_id: Hex | null; content_hash: Hex | null }>("SELECT blob_id, content_hash FROM payload WHERE digest = ?", digest);
      if (!row) return undefined;
      return row.blob_id === null ? { status: "pending" } : { status: "stored", blobId: row.blob_id, contentHash: row.content_hash! };
    },
  };
}
