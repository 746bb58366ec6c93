/** The ledger in the full node's database. */
import type { Hex } from "viem";
import { type BatchHeader, BatchStatus, type ChannelStretch } from "../../../sdk/protocol/index.ts";
import type { SignedLeaf } from "../../../sdk/batch/index.ts";
import { receiptToJson } from "../../../sdk/receipts/wire.ts";
import type { Store } from "../../storage/index.ts";
import { type Raw, toHeader, toLeaf, WITH_STATUS } from "./rows.ts";
import { fullMigration } from "./schema.ts";
import { committeeQueries } from "./store-committee.ts";
import { fromText, toText } from "./text.ts";

export interface HeaderRow {
  hash: Hex;
  kind: "batch" | "settle";
  header: BatchHeader;
  fullBond: boolean;
  postedBlock: bigint;
  txHash: Hex;
  /** `BatchStatus` as of the followed head. */
  status: number;
  /** Block of the last transition. */
  statusBlock: bigint;
}

export interface Transition {
  headerHash: Hex;
  status: number;
  block: bigint;
  logIndex: number;
  txHash: Hex;
  detail?: object;
}

/** Unjudged: nothing is wrong that could be proved, but the charges cannot be compared with terms. It is not signed for. */
export type Verdict = "valid" | "faulty" | "unjudged";

export interface Check {
  headerHash: Hex;
  verdict: Verdict;
  fault: { kind: string; index: number | null; detail: string } | null;
  leaves: number;
  seconds: number;
}

export interface LeafRow extends SignedLeaf {
  headerHash: Hex;
  leaf: number;
  digest: Hex;
}

export interface CommitteeEpochRow {
  epoch: bigint;
  members: { signer: Hex; stake: bigint }[];
  nodeIds: Hex[];
}

export type FullStore = ReturnType<typeof fullStore>;

export function fullStore(store: Store) {
  store.migrate(fullMigration);
  return {
    ...committeeQueries(store),

    transaction: <T>(work: () => T): T => store.transaction(work),

    addHeader(row: Omit<HeaderRow, "status" | "statusBlock">): void {
      store.run(
        "INSERT OR REPLACE INTO headers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        row.hash, row.header.nodeId, Number(row.header.nonce), row.kind, toText(row.header), row.fullBond ? 1 : 0, Number(row.postedBlock), row.txHash,
      );
    },

    /** Fills in what the event of an individual settlement does not carry. */
    completeHeader(hash: Hex, header: BatchHeader): void {
      store.run("UPDATE headers SET document = ? WHERE hash = ?", toText(header), hash);
    },

    addTransition({ headerHash, status, block, logIndex, txHash, detail }: Transition): void {
      store.run(
        "INSERT OR REPLACE INTO transitions VALUES (?, ?, ?, ?, ?, ?)",
        Number(block), logIndex, headerHash, status, txHash, detail ? toText(detail) : null,
      );
    },

    addEpoch(block: bigint, epoch: CommitteeEpochRow): void {
      store.run("INSERT OR REPLACE INTO committee_epochs VALUES (?, ?, ?)", Number(epoch.epoch), Number(block), toText(epoch));
    },

    rollback(block: bigint): void {
      for (const [table, column] of [["headers", "posted_block"], ["transitions", "block"], ["committee_epochs", "block"]]) {
        store.run(`DELETE FROM ${table} WHERE ${column} > ?`, Number(block));
      }
    },

    header(hash: Hex): HeaderRow | undefined {
      const row = store.get<Raw>(`${WITH_STATUS} WHERE h.hash = ?`, hash);
      return row && toHeader(row);
    },

    /** Hash of a node's header by its nonce. */
    headerAt(nodeId: Hex, nonce: bigint): Hex | undefined {
      return store.get<{ hash: Hex }>("SELECT hash FROM headers WHERE node_id = ? AND nonce = ?", nodeId, Number(nonce))?.hash;
    },

    /** Newest first. @param before Posted-block cursor, exclusive. */
    headers({ status, nodeId, before, limit }: { status?: number; nodeId?: Hex; before?: number; limit: number }): HeaderRow[] {
      return store
        .all<Raw>(
          `${WITH_STATUS} WHERE (?1 IS NULL OR t.status = ?1) AND (?2 IS NULL OR h.node_id = ?2) AND (?3 IS NULL OR h.posted_block < ?3)
           ORDER BY h.posted_block DESC, h.nonce DESC LIMIT ?4`,
          status ?? null, nodeId ?? null, before ?? null, limit,
        )
        .map(toHeader);
    },

    /** Oldest first. */
    headersIn(status: number, limit: number): HeaderRow[] {
      return store.all<Raw>(`${WITH_STATUS} WHERE t.status = ? ORDER BY h.posted_block LIMIT ?`, status, limit).map(toHeader);
    },

    /** Batches whose data nobody here has looked at yet. */
    unchecked(limit: number): HeaderRow[] {
      return store
        .all<Raw>(
          `${WITH_STATUS} WHERE h.kind = 'batch' AND t.status IN (${BatchStatus.Posted}, ${BatchStatus.Certified}, ${BatchStatus.Final})
           AND h.hash NOT IN (SELECT header_hash FROM checks) ORDER BY h.posted_block LIMIT ?`,
          limit,
        )
        .map(toHeader);
    },

    /**
     * Batches in their window whose charges could not be judged when they were looked at: terms or model may be there by now. Each again
     * after five minutes, or twenty times as long as its check takes.
     */
    judgeable(now: number, limit: number): HeaderRow[] {
      return store
        .all<Raw>(
          `${WITH_STATUS} JOIN checks c ON c.header_hash = h.hash WHERE h.kind = 'batch' AND t.status IN (${BatchStatus.Posted}, ${BatchStatus.Certified})
           AND c.verdict = 'unjudged' AND c.fault ->> '$.kind' = 'unjudged' AND c.checked_at + max(300000, 20000 * c.seconds) <= ? ORDER BY c.checked_at LIMIT ?`,
          now, limit,
        )
        .map(toHeader);
    },

    /** Individual settlements whose calldata is not indexed yet. */
    unindexed(limit: number): HeaderRow[] {
      return store
        .all<Raw>(
          `${WITH_STATUS} LEFT JOIN checks c ON c.header_hash = h.hash
           -- A reorganisation brings the event back without what the call had told.
           WHERE h.kind = 'settle' AND (c.verdict IS NULL OR (c.leaves > 0 AND h.document LIKE '%"count":0,%')) ORDER BY h.posted_block LIMIT ?`,
          limit,
        )
        .map(toHeader);
    },

    transitions(hash: Hex): Transition[] {
      return store.all<Raw>("SELECT * FROM transitions WHERE header_hash = ? ORDER BY block, log_index", hash).map((row) => ({
        headerHash: hash, status: Number(row.status), block: BigInt(row.block as number), logIndex: Number(row.log_index), txHash: row.tx_hash as Hex,
        detail: row.detail ? (fromText(row.detail as string) as object) : undefined,
      }));
    },

    saveCheck({ headerHash, verdict, fault, leaves, seconds }: Check, now: number): void {
      store.run("INSERT OR REPLACE INTO checks VALUES (?, ?, ?, ?, ?, ?)", headerHash, verdict, fault ? toText(fault) : null, leaves, seconds, now);
    },

    check(headerHash: Hex): Check | undefined {
      const row = store.get<Raw>("SELECT * FROM checks WHERE header_hash = ?", headerHash);
      return row && {
        headerHash, verdict: row.verdict as Verdict, fault: row.fault ? (fromText(row.fault as string) as Check["fault"]) : null,
        leaves: Number(row.leaves), seconds: Number(row.seconds),
      };
    },

    addLeaf(headerHash: Hex, leaf: number, digest: Uint8Array, hash: Uint8Array, { receipt, signature }: SignedLeaf): void {
      store.run(
        "INSERT OR REPLACE INTO leaves VALUES (?, ?, ?, ?, ?, ?, ?)",
        headerHash, leaf, digest, hash, Buffer.from(receipt.paymentId.slice(2), "hex"), JSON.stringify(receiptToJson(receipt)), signature,
      );
    },

    addStretch(headerHash: Hex, position: number, stretch: ChannelStretch): void {
      store.run("INSERT OR REPLACE INTO stretches VALUES (?, ?, ?, ?)", headerHash, position, toText(stretch), stretch.paymentId);
    },

    forgetLeaves(headerHash: Hex): void {
      store.run("DELETE FROM leaves WHERE header_hash = ?", headerHash);
      store.run("DELETE FROM stretches WHERE header_hash = ?", headerHash);
    },

    /** Pending headers that are known to be faulty. */
    accusable(limit: number): HeaderRow[] {
      return store
        .all<Raw>(`${WITH_STATUS} JOIN checks c ON c.header_hash = h.hash AND c.verdict = 'faulty' WHERE t.status IN (${BatchStatus.Posted}, ${BatchStatus.Certified}) LIMIT ?`, limit)
        .map(toHeader);
    },

    stretches(headerHash: Hex): ChannelStretch[] {
      return store.all<Raw>("SELECT document FROM stretches WHERE header_hash = ? ORDER BY position", headerHash).map((row) => fromText(row.document as string) as ChannelStretch);
    },

    /** Stretches of the node's standing headers on a payment. */
    stretchesOf(nodeId: Hex, paymentId: Hex): { headerHash: Hex; status: number; stretch: ChannelStretch }[] {
      return store
        .all<Raw>(
          `SELECT s.document, x.hash, x.status FROM stretches s JOIN (${WITH_STATUS}) x ON x.hash = s.header_hash
           WHERE s.payment_id = ? AND x.node_id = ? AND x.status IN (${BatchStatus.Posted}, ${BatchStatus.Certified}, ${BatchStatus.Final})`,
          paymentId, nodeId,
        )
        .map((row) => ({ headerHash: row.hash as Hex, status: Number(row.status), stretch: fromText(row.document as string) as ChannelStretch }));
    },

    /** A header of the same node, still standing, that covers a part of the same line. */
    overlapOf(row: HeaderRow): { other: Hex; here: number; there: number } | null {
      for (const [here, stretch] of this.stretches(row.hash).entries()) {
        if (stretch.to === stretch.from) continue;
        const others = store.all<Raw>(
          `SELECT s.header_hash, s.position, s.document FROM stretches s JOIN headers h ON h.hash = s.header_hash
           JOIN transitions t ON t.header_hash = h.hash AND (t.block, t.log_index) =
             (SELECT block, log_index FROM transitions WHERE header_hash = h.hash ORDER BY block DESC, log_index DESC LIMIT 1)
           WHERE s.payment_id = ? AND s.header_hash != ? AND h.node_id = ? AND h.nonce < ?
             AND t.status IN (${BatchStatus.Posted}, ${BatchStatus.Certified}, ${BatchStatus.Final})`,
          stretch.paymentId, row.hash, row.header.nodeId, Number(row.header.nonce),
        );
        for (const other of others) {
          const there = fromText(other.document as string) as ChannelStretch;
          if (stretch.from < there.to && there.from < stretch.to) return { other: other.header_hash as Hex, here, there: Number(other.position) };
        }
      }
      return null;
    },

    leaves(headerHash: Hex, from: number, limit: number): LeafRow[] {
      return store.all<Raw>("SELECT * FROM leaves WHERE header_hash = ? AND leaf >= ? ORDER BY leaf LIMIT ?", headerHash, from, limit).map(toLeaf);
    },

    /** A whole header's leaves, where they are indexed. */
    allLeaves(headerHash: Hex): LeafRow[] {
      return store.all<Raw>("SELECT * FROM leaves WHERE header_hash = ? ORDER BY leaf", headerHash).map(toLeaf);
    },

    leafByDigest(digest: Hex): LeafRow | undefined {
      // Only of headers that the chain knows now.
      const row = store.get<Raw>("SELECT l.* FROM leaves l JOIN headers h ON h.hash = l.header_hash WHERE l.digest = ? LIMIT 1", Buffer.from(digest.slice(2), "hex"));
      return row && toLeaf(row);
    },

    leavesOfPayment(paymentId: Hex, limit: number): LeafRow[] {
      return store
        .all<Raw>("SELECT l.* FROM leaves l JOIN headers h ON h.hash = l.header_hash WHERE l.payment_id = ? LIMIT ?", Buffer.from(paymentId.slice(2), "hex"), limit)
        .map(toLeaf);
    },

    /** Leaf hashes of a header, one after the other. */
    leafHashes(headerHash: Hex): Uint8Array {
      return Buffer.concat(store.all<{ hash: Uint8Array }>("SELECT hash FROM leaves WHERE header_hash = ? ORDER BY leaf", headerHash).map(({ hash }) => hash));
    },

    counts(): Record<string, number> {
      const byStatus = store.all<{ status: number; n: number }>(`SELECT status, COUNT(*) AS n FROM (${WITH_STATUS}) GROUP BY status`);
      const names = Object.entries(BatchStatus);
      const statuses = byStatus.map(({ status, n }) => [names.find(([, value]) => value === status)?.[0] ?? String(status), n] as const);
      const verdicts = store.all<{ verdict: string; n: number }>("SELECT verdict, COUNT(*) AS n FROM checks GROUP BY verdict").map(({ verdict, n }) => [verdict, n] as const);
      return Object.fromEntries([...statuses, ...verdicts]);
    },
  };
}
