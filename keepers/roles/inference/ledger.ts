import type { Hex } from "viem";
import type { TermsBook } from "../../../sdk/batch/index.ts";
import { type Tariff, tariffHash } from "../../../sdk/payments/tariff.ts";
import { type BatchHeader, type ChannelStretch, type InferenceReceipt, SettlementMode, type Terms, compareReceipts, slotNumberOf } from "../../../sdk/protocol/index.ts";
import { receiptFromJson, receiptToJson } from "../../../sdk/receipts/wire.ts";
import type { Migration, Store } from "../../storage/index.ts";

/** A receipt that waits for settlement. */
export interface PendingReceipt {
  digest: Hex;
  receipt: InferenceReceipt;
  signature: Hex;
  settlementMode: number;
  verification: number;
  /** Proof of a ZKML receipt, when it is there. */
  proof?: { bytes: Hex; publicInputs: bigint[] };
  /** Milliseconds, when it was issued. */
  storedAt: number;
}

/** How a header reaches the chain. */
export type HeaderKind = "settle" | "batch";
/** Signed: stored and not on chain. Posted: mined. Done: Final. Failed: the contract refused it for good. */
export type HeaderState = "signed" | "posted" | "done" | "failed";

export interface StoredHeader {
  nonce: bigint;
  hash: Hex;
  kind: HeaderKind;
  state: HeaderState;
  header: BatchHeader;
  signature: Hex;
  stretches: ChannelStretch[];
}

export const inferenceLedgerMigration: Migration = {
  component: "inference-ledger",
  steps: [
    `CREATE TABLE receipt (
       digest TEXT PRIMARY KEY, payment_id TEXT NOT NULL, sequence INTEGER NOT NULL, document TEXT NOT NULL, signature TEXT NOT NULL,
       mode INTEGER NOT NULL, verification INTEGER NOT NULL, proof TEXT, proof_error TEXT, stored_at INTEGER NOT NULL, header_nonce INTEGER,
       UNIQUE (payment_id, sequence)
     ) STRICT;
     CREATE INDEX receipt_pending ON receipt (mode, stored_at) WHERE header_nonce IS NULL;
     CREATE TABLE header (
       nonce INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, state TEXT NOT NULL, document TEXT NOT NULL,
       signature TEXT NOT NULL, stretches TEXT NOT NULL
     ) STRICT;
     CREATE TABLE terms (hash TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT`,
    // Batches carry the price lists behind their terms.
    "CREATE TABLE tariff (hash TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT",
    // Slots of the chain that this node's headers have used, with the last header of each.
    "CREATE TABLE slot (number INTEGER PRIMARY KEY, nonce INTEGER NOT NULL) STRICT; CREATE INDEX slot_age ON slot (nonce)",
  ],
};

interface ReceiptRow {
  digest: Hex;
  document: string;
  signature: Hex;
  mode: number;
  verification: number;
  proof: string | null;
  stored_at: number;
}

interface HeaderRow {
  nonce: number;
  hash: Hex;
  kind: HeaderKind;
  state: HeaderState;
  document: string;
  signature: Hex;
  stretches: string;
}

/**
 * Receipts on their way to the chain and the headers that carry them. Batches are built from here, never from memory.
 * One header is signed for a nonce, and it is stored in the transaction that gives its receipts to it.
 */
export function inferenceLedger(store: Store) {
  store.migrate(inferenceLedgerMigration);
  return {
    /** Stores a receipt. Call inside of the transaction that charges it: neither exists without the other. */
    add(entry: Omit<PendingReceipt, "proof">): void {
      store.run(
        "INSERT INTO receipt (digest, payment_id, sequence, document, signature, mode, verification, stored_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        entry.digest,
        entry.receipt.paymentId,
        Number(entry.receipt.sequence),
        JSON.stringify(receiptToJson(entry.receipt)),
        entry.signature,
        entry.settlementMode,
        entry.verification,
        entry.storedAt,
      );
    },

    addProof(digest: Hex, proof: NonNullable<PendingReceipt["proof"]>): void {
      const text = JSON.stringify({ bytes: proof.bytes, publicInputs: proof.publicInputs.map(String) });
      store.run("UPDATE receipt SET proof = ?, proof_error = NULL WHERE digest = ?", text, digest);
    },

    /** There will be no proof: the receipt is never settled and its charge never collected; younger ones of its payment go on. */
    failProof(digest: Hex, reason: string): void {
      store.run("UPDATE receipt SET proof = NULL, proof_error = ?, header_nonce = -1 WHERE digest = ? AND header_nonce IS NULL", reason, digest);
    },

    find(digest: Hex): (PendingReceipt & { proofError?: string; headerNonce?: number }) | undefined {
      const row = store.get<ReceiptRow & { proof_error: string | null; header_nonce: number | null }>("SELECT * FROM receipt WHERE digest = ?", digest);
      return row && { ...toPending(row), proofError: row.proof_error ?? undefined, headerNonce: row.header_nonce ?? undefined };
    },

    /** Receipts in no header yet, oldest first. Private ones never get into one. */
    pending(limit: number): PendingReceipt[] {
      const sql = "SELECT * FROM receipt WHERE header_nonce IS NULL AND mode != ? ORDER BY stored_at LIMIT ?";
      return store.all<ReceiptRow>(sql, SettlementMode.Private, limit).map(toPending);
    },

    /** Gives receipts to a signed header, in one transaction, and does `alongside` in it, first. */
    addHeader({ nonce, hash, kind, header, signature, stretches }: Omit<StoredHeader, "state">, digests: readonly Hex[], alongside?: () => void): void {
      store.transaction(() => {
        alongside?.();
        store.run("INSERT INTO header VALUES (?, ?, ?, 'signed', ?, ?, ?)", Number(nonce), hash, kind, toText(header), signature, toText(stretches));
        for (const digest of digests) store.run("UPDATE receipt SET header_nonce = ? WHERE digest = ? AND header_nonce IS NULL", Number(nonce), digest);
        const slot = slotNumberOf(header);
        if (slot !== 0n) store.run("INSERT OR REPLACE INTO slot VALUES (?, ?)", Number(slot), Number(nonce));
      });
    },

    /** @returns How many numbered slots the headers have used, and the one used longest ago whose header is decided. */
    slots(): { used: bigint; oldest?: bigint } {
      const used = store.get<{ n: number }>("SELECT count(*) AS n FROM slot")!.n;
      const oldest = store.get<{ number: number }>("SELECT number FROM slot JOIN header USING (nonce) WHERE state IN ('done', 'failed') ORDER BY nonce LIMIT 1");
      return { used: BigInt(used), oldest: oldest && BigInt(oldest.number) };
    },

    /** Takes back a header that was signed and never sent, with its receipts: a trap that is not planted, whose receipts are nobody's. */
    removeUnsent(nonce: bigint): void {
      store.transaction(() => {
        if (store.run("DELETE FROM header WHERE nonce = ? AND state = 'signed'", Number(nonce)) === 0) return;
        store.run("DELETE FROM receipt WHERE header_nonce = ?", Number(nonce));
        store.run("DELETE FROM slot WHERE nonce = ?", Number(nonce));
      });
    },

    /** Takes back a header that was signed and that the chain can never take any more: its receipts wait again, and its nonce is free. */
    takeBack(nonce: bigint): void {
      store.transaction(() => {
        if (store.run("DELETE FROM header WHERE nonce = ? AND state = 'signed'", Number(nonce)) === 0) return;
        store.run("UPDATE receipt SET header_nonce = NULL WHERE header_nonce = ?", Number(nonce));
        store.run("DELETE FROM slot WHERE nonce = ?", Number(nonce));
      });
    },

    setHeaderState(nonce: bigint, state: HeaderState): void {
      store.run("UPDATE header SET state = ? WHERE nonce = ?", state, Number(nonce));
    },

    header(nonce: bigint): StoredHeader | undefined {
      const row = store.get<HeaderRow>("SELECT * FROM header WHERE nonce = ?", Number(nonce));
      return row && toHeader(row);
    },

    lastHeader(): StoredHeader | undefined {
      const row = store.get<HeaderRow>("SELECT * FROM header ORDER BY nonce DESC LIMIT 1");
      return row && toHeader(row);
    },

    headersIn(state: HeaderState): StoredHeader[] {
      return store.all<HeaderRow>("SELECT * FROM header WHERE state = ? ORDER BY nonce", state).map(toHeader);
    },

    /** The batch that names this blob. */
    headerOfBlob(blobId: Hex): StoredHeader | undefined {
      const row = store.get<HeaderRow>("SELECT * FROM header WHERE kind = 'batch' AND document ->> '$.blobId' = ?", blobId.toLowerCase());
      return row && toHeader(row);
    },

    /** Receipts of a header in the order of its tree. */
    receiptsOf(nonce: bigint): PendingReceipt[] {
      const entries = store.all<ReceiptRow>("SELECT * FROM receipt WHERE header_nonce = ?", Number(nonce)).map(toPending);
      return entries.sort((a, b) => compareReceipts(a.receipt, b.receipt));
    },

    /** Takes receipts of a key that nobody has any more out of the queue. @returns How many. */
    setAside(keyId: Hex): number {
      return store.run("UPDATE receipt SET header_nonce = -1 WHERE header_nonce IS NULL AND document ->> '$.keyId' = ?", keyId);
    },

    /** Sets waiting receipts aside that no header may hold any more: a single one of them would have its header refused. @param oldest Seconds. @returns How many. */
    expire(oldest: bigint): number {
      return store.run("UPDATE receipt SET header_nonce = -1 WHERE header_nonce IS NULL AND CAST(document ->> '$.issuedAt' AS INTEGER) < ?", Number(oldest));
    },

    /** Keeps the preimage of a termsHash: settling a receipt shows it. */
    rememberTerms(hash: Hex, terms: Terms): void {
      store.run("INSERT INTO terms VALUES (?, ?) ON CONFLICT DO NOTHING", hash, JSON.stringify(terms));
    },

    terms(hash: Hex): Terms | undefined {
      const row = store.get<{ document: string }>("SELECT document FROM terms WHERE hash = ?", hash);
      return row && (JSON.parse(row.document) as Terms);
    },

    /** Keeps a price list that was offered: batches and full nodes need it as long as its receipts are not final. */
    rememberTariff(tariff: Tariff): void {
      store.run("INSERT INTO tariff VALUES (?, ?) ON CONFLICT DO NOTHING", tariffHash(tariff), toText(tariff));
    },

    tariff(hash: Hex): Tariff | undefined {
      const row = store.get<{ document: string }>("SELECT document FROM tariff WHERE hash = ?", hash);
      return row && (fromText(row.document) as Tariff);
    },

    /** Preimages behind these termsHashes, as far as they are known here. */
    bookOf(hashes: readonly Hex[]): TermsBook {
      const terms = [...new Set(hashes)].flatMap((hash) => this.terms(hash) ?? []);
      const tariffs = [...new Set(terms.map((item) => item.tariffHash))].flatMap((hash) => this.tariff(hash) ?? []);
      return { terms, tariffs };
    },

    /** Sums for metrics. */
    counts(): { pending: number; headers: number } {
      const pending = store.get<{ n: number }>("SELECT count(*) AS n FROM receipt WHERE header_nonce IS NULL AND mode != ?", SettlementMode.Private)!.n;
      return { pending, headers: store.get<{ n: number }>("SELECT count(*) AS n FROM header")!.n };
    },
  };
}

export type InferenceLedger = ReturnType<typeof inferenceLedger>;

function toPending(row: ReceiptRow): PendingReceipt {
  const proof = row.proof === null ? undefined : (JSON.parse(row.proof) as { bytes: Hex; publicInputs: string[] });
  return {
    digest: row.digest,
    receipt: receiptFromJson(JSON.parse(row.document)),
    signature: row.signature,
    settlementMode: row.mode,
    verification: row.verification,
    storedAt: row.stored_at,
    ...(proof ? { proof: { bytes: proof.bytes, publicInputs: proof.publicInputs.map(BigInt) } } : {}),
  };
}

function toHeader(row: HeaderRow): StoredHeader {
  return {
    nonce: BigInt(row.nonce),
    hash: row.hash,
    kind: row.kind,
    state: row.state,
    header: fromText(row.document) as BatchHeader,
    signature: row.signature,
    stretches: fromText(row.stretches) as ChannelStretch[],
  };
}

/** JSON with big integers as {"$": "decimal"}. */
function toText(value: unknown): string {
  return JSON.stringify(value, (_, item) => (typeof item === "bigint" ? { $: item.toString() } : item));
}

function fromText(text: string): unknown {
  return JSON.parse(text, (_, item) => (item !== null && typeof item === "object" && "$" in item ? BigInt(item.$) : item));
}
