import type { Migration } from "../../storage/index.ts";

/**
 * Rows that come from a block carry its number: a reorganisation deletes what lies above. What is about content (checks,
 * leaves, signatures) hangs on hashes and needs no rollback.
 */
export const fullMigration: Migration = {
  component: "full",
  steps: [
    `CREATE TABLE headers (
       hash TEXT PRIMARY KEY, node_id TEXT NOT NULL, nonce INTEGER NOT NULL, kind TEXT NOT NULL, document TEXT NOT NULL,
       full_bond INTEGER NOT NULL, posted_block INTEGER NOT NULL, tx_hash TEXT NOT NULL
     ) STRICT;
     CREATE INDEX headers_block ON headers (posted_block);
     CREATE INDEX headers_node ON headers (node_id, nonce);
     CREATE TABLE transitions (
       block INTEGER NOT NULL, log_index INTEGER NOT NULL, header_hash TEXT NOT NULL, status INTEGER NOT NULL, tx_hash TEXT NOT NULL,
       detail TEXT, PRIMARY KEY (block, log_index)
     ) STRICT;
     CREATE INDEX transitions_header ON transitions (header_hash);
     CREATE TABLE committee_epochs (epoch INTEGER PRIMARY KEY, block INTEGER NOT NULL, document TEXT NOT NULL) STRICT;
     CREATE TABLE checks (
       header_hash TEXT PRIMARY KEY, verdict TEXT NOT NULL, fault TEXT, leaves INTEGER NOT NULL, seconds REAL NOT NULL, checked_at INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE leaves (
       header_hash TEXT NOT NULL, leaf INTEGER NOT NULL, digest BLOB NOT NULL, hash BLOB NOT NULL, payment_id BLOB NOT NULL, receipt TEXT NOT NULL,
       signature TEXT NOT NULL, PRIMARY KEY (header_hash, leaf)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX leaves_digest ON leaves (digest);
     CREATE INDEX leaves_payment ON leaves (payment_id);
     CREATE TABLE stretches (
       header_hash TEXT NOT NULL, position INTEGER NOT NULL, document TEXT NOT NULL, PRIMARY KEY (header_hash, position)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE statements (
       digest TEXT PRIMARY KEY, kind TEXT NOT NULL, header_hash TEXT NOT NULL, epoch INTEGER NOT NULL, document TEXT NOT NULL,
       signed_at INTEGER NOT NULL, carried_at INTEGER
     ) STRICT;
     CREATE INDEX statements_open ON statements (kind) WHERE carried_at IS NULL;
     CREATE TABLE signatures (
       digest TEXT NOT NULL, signer TEXT NOT NULL, signature TEXT NOT NULL, received_at INTEGER NOT NULL, PRIMARY KEY (digest, signer)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX signatures_signer ON signatures (signer)`,
    // Overlap with another header is a fault too: the same payment's stretches must be found.
    `ALTER TABLE stretches ADD COLUMN payment_id TEXT NOT NULL DEFAULT '';
     CREATE INDEX stretches_payment ON stretches (payment_id)`,
    // Headers that are counted for rewards, and receipts that payers left here to be compared with what is posted.
    `CREATE TABLE counted (header_hash TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
     CREATE TABLE watched (
       digest TEXT PRIMARY KEY, node_id TEXT NOT NULL, key_id TEXT NOT NULL, payment_id TEXT NOT NULL, receipt TEXT NOT NULL, signature TEXT NOT NULL,
       received_at INTEGER NOT NULL, state TEXT NOT NULL, looked_at INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX watched_payment ON watched (payment_id);
     CREATE INDEX watched_state ON watched (state, looked_at)`,
  ],
};
