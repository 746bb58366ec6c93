/** Demands as the chain's logs tell of them; rolled back with the chain. */
import { type Abi, type Hex, decodeEventLog } from "viem";
import { iDemandsAbi } from "../../../types/abi/IDemands.ts";
import type { RpcLog } from "../../chain/index.ts";
import type { Migration, Store } from "../../storage/index.ts";

/** `DemandKind` of contracts/interfaces/IDemands.sol. */
export const DemandKind = { Receipts: 1, Stretches: 2, LastOf: 3 } as const;

export interface DemandRow {
  id: bigint;
  headerHash: Hex;
  asker: Hex;
  kind: number;
  first: number;
  count: number;
  paymentId: Hex;
  /** When this node saw it, ms. */
  seenAt: number;
}

const migration: Migration = {
  component: "demands",
  steps: [
    `CREATE TABLE demands (
       id INTEGER PRIMARY KEY, block INTEGER NOT NULL, header_hash TEXT NOT NULL, asker TEXT NOT NULL, kind INTEGER NOT NULL, first INTEGER NOT NULL,
       count INTEGER NOT NULL, payment_id TEXT NOT NULL, seen_at INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX demands_header ON demands (header_hash);
     CREATE TABLE demand_ends (demand_id INTEGER NOT NULL, block INTEGER NOT NULL, how TEXT NOT NULL, PRIMARY KEY (demand_id, block)) STRICT, WITHOUT ROWID`,
  ],
};

interface Opened {
  demandId: bigint;
  headerHash: Hex;
  asker: Hex;
  kind: number;
  first: number;
  count: number;
  paymentId: Hex;
}

const ENDS: Readonly<Record<string, string>> = { DemandAnswered: "answered", DemandEnforced: "enforced", DemandClosed: "closed" };

export type DemandStore = ReturnType<typeof demandStore>;

export function demandStore(store: Store) {
  store.migrate(migration);
  type Raw = Record<string, string | number>;
  return {
    /** Inside of the follower's transaction. */
    apply(logs: readonly RpcLog[], now: number): void {
      for (const log of logs) {
        let event: { eventName?: string; args: unknown };
        try {
          event = decodeEventLog({ abi: iDemandsAbi as unknown as Abi, topics: log.topics as [Hex, ...Hex[]], data: log.data }) as typeof event;
        } catch {
          continue; // an event of a newer contract
        }
        const block = Number(log.blockNumber);
        if (event.eventName === "DemandOpened") {
          const { demandId, headerHash, asker, kind, first, count, paymentId } = event.args as Opened;
          store.run("INSERT OR REPLACE INTO demands VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", Number(demandId), block, headerHash, asker.toLowerCase(), kind, first, count, paymentId, now);
        } else if (event.eventName && event.eventName in ENDS) {
          store.run("INSERT OR REPLACE INTO demand_ends VALUES (?, ?, ?)", Number((event.args as { demandId: bigint }).demandId), block, ENDS[event.eventName]!);
        }
      }
    },

    rollback(block: bigint): void {
      store.run("DELETE FROM demands WHERE block > ?", Number(block));
      store.run("DELETE FROM demand_ends WHERE block > ?", Number(block));
    },

    /** Oldest first. */
    open(limit: number): DemandRow[] {
      return store.all<Raw>("SELECT * FROM demands WHERE id NOT IN (SELECT demand_id FROM demand_ends) ORDER BY id LIMIT ?", limit).map((row) => ({
        id: BigInt(row.id!), headerHash: row.header_hash as Hex, asker: row.asker as Hex, kind: Number(row.kind), first: Number(row.first), count: Number(row.count),
        paymentId: row.payment_id as Hex, seenAt: Number(row.seen_at),
      }));
    },

    /** How many demands for a header stand open, and how many `asker` has opened at all. */
    counts(headerHash: Hex, asker: Hex): { open: number; asked: number } {
      const open = store.get<{ n: number }>("SELECT COUNT(*) AS n FROM demands WHERE header_hash = ? AND id NOT IN (SELECT demand_id FROM demand_ends)", headerHash)!.n;
      return { open, asked: store.get<{ n: number }>("SELECT COUNT(*) AS n FROM demands WHERE header_hash = ? AND asker = ?", headerHash, asker.toLowerCase())!.n };
    },

    /** Totals by end, for metrics. */
    totals(): Record<string, number> {
      const ends = store.all<{ how: string; n: number }>("SELECT how, COUNT(*) AS n FROM demand_ends GROUP BY how");
      return { open: this.open(1_000_000).length, ...Object.fromEntries(ends.map(({ how, n }) => [how, n])) };
    },
  };
}
