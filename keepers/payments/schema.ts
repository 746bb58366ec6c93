import type { Migration } from "../storage/index.ts";

/** Tables of the payment room. A released step never changes. */
export const paymentsMigration: Migration = {
  component: "payments",
  steps: [
    `CREATE TABLE pay_channel (
       payment_id TEXT PRIMARY KEY, record TEXT NOT NULL, terms_hash TEXT, client_nonce TEXT, next_sequence INTEGER NOT NULL DEFAULT 0,
       registered INTEGER NOT NULL DEFAULT 0, ack_cumulative TEXT, ack_signature TEXT, acked TEXT, unclaimed_since INTEGER
     ) STRICT;
     CREATE TABLE pay_terms (hash TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
     CREATE TABLE pay_reservation (
       payment_id TEXT NOT NULL, sequence INTEGER NOT NULL, pending_id TEXT NOT NULL UNIQUE, cumulative_before TEXT NOT NULL,
       state TEXT NOT NULL, PRIMARY KEY (payment_id, sequence)
     ) STRICT;
     CREATE TABLE pay_single (payment_id TEXT PRIMARY KEY, scheme TEXT NOT NULL, body_hash TEXT NOT NULL, state TEXT NOT NULL) STRICT;
     CREATE TABLE pay_receipt (
       payment_id TEXT NOT NULL, sequence INTEGER NOT NULL, digest TEXT NOT NULL, charge TEXT NOT NULL, document TEXT NOT NULL,
       stored_at INTEGER NOT NULL, PRIMARY KEY (payment_id, sequence)
     ) STRICT;
     CREATE TABLE pay_request (id TEXT PRIMARY KEY, body_hash TEXT NOT NULL, state TEXT NOT NULL, response TEXT, stored_at INTEGER NOT NULL) STRICT`,
    // Exposure of a payer is asked on every request: by index, not by reading every channel.
    `ALTER TABLE pay_channel ADD COLUMN payer TEXT;
     UPDATE pay_channel SET payer = lower(record ->> '$.channelConfig.payer');
     CREATE INDEX pay_channel_open ON pay_channel (payer) WHERE unclaimed_since IS NOT NULL;
     CREATE TABLE pay_nonce (asset TEXT NOT NULL, payer TEXT NOT NULL, nonce TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (asset, payer, nonce)) STRICT`,
  ],
};
