/** Heartbeats that wait for their transaction, one a node; they outlive a restart. */
import type { Hex } from "viem";
import type { Store } from "../../storage/index.ts";
import type { Beat } from "../node/index.ts";

export interface QueuedBeat extends Beat {
  /** Ms, of the first that the node handed in. */
  receivedAt: number;
}

type Row = { node_id: Hex; block: number; signature: Hex; received_at: number };
const toBeat = (row: Row): QueuedBeat => ({ nodeId: row.node_id, blockNumber: BigInt(row.block), signature: row.signature, receivedAt: Number(row.received_at) });

export function beatQueue(store: Store) {
  store.migrate({
    component: "heartbeats",
    steps: ["CREATE TABLE beats (node_id TEXT PRIMARY KEY, block INTEGER NOT NULL, signature TEXT NOT NULL, received_at INTEGER NOT NULL) STRICT, WITHOUT ROWID; CREATE INDEX beats_block ON beats (block)"],
  });
  return {
    put: ({ nodeId, blockNumber, signature, receivedAt }: QueuedBeat): void => void store.run("INSERT OR REPLACE INTO beats VALUES (?, ?, ?, ?)", nodeId, Number(blockNumber), signature, receivedAt),
    get(nodeId: Hex): QueuedBeat | undefined {
      const row = store.get<Row>("SELECT * FROM beats WHERE node_id = ?", nodeId);
      return row && toBeat(row);
    },
    count: (): number => store.get<{ n: number }>("SELECT COUNT(*) AS n FROM beats")!.n,
    /** Oldest block first: what shares a transaction. */
    groups: (): { blockNumber: bigint; count: number; oldest: number }[] =>
      store.all<{ block: number; n: number; oldest: number }>("SELECT block, COUNT(*) AS n, MIN(received_at) AS oldest FROM beats GROUP BY block ORDER BY block").map(({ block, n, oldest }) => ({ blockNumber: BigInt(block), count: n, oldest: Number(oldest) })),
    of: (blockNumber: bigint, limit: number): QueuedBeat[] => store.all<Row>("SELECT * FROM beats WHERE block = ? ORDER BY received_at, node_id LIMIT ?", Number(blockNumber), limit).map(toBeat),
    /** This one; a newer one of the node stays. */
    drop: ({ nodeId, blockNumber }: Beat): void => void store.run("DELETE FROM beats WHERE node_id = ? AND block = ?", nodeId, Number(blockNumber)),
  };
}
