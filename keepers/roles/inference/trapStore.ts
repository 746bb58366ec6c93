/** Traps of this node in its own database: when one is due, which header it is, and the secret that opens its commitment. */
import type { Hex } from "viem";
import type { Store } from "../../storage/index.ts";

/**
 * due: drawn for its committee epoch. signed: header, salt and prize are stored, nothing is on chain. planted: the commitment is; the header goes
 * out after it. told: revealed, or its money went where it goes without this node. none, dropped: there is no trap (any more); nothing was paid.
 * lost: planted, and its header was not posted in time.
 */
export type TrapState = "none" | "due" | "signed" | "planted" | "told" | "dropped" | "lost";

export interface TrapRow {
  /** Of the committee: at most one trap is drawn for each. */
  epoch: bigint;
  state: TrapState;
  /** Seconds, settlement chain. */
  dueAt: bigint;
  /** From `signed` on. */
  planted: { nonce: bigint; hash: Hex; salt: Hex; commitment: Hex; prize: bigint; fault: string; leaf: number } | null;
}

type Row = { epoch: number; state: TrapState; due_at: number; nonce: number | null; hash: Hex; salt: Hex; commitment: Hex; prize: string; fault: string; leaf: number };

const toTrap = (row: Row): TrapRow => ({
  epoch: BigInt(row.epoch), state: row.state, dueAt: BigInt(row.due_at),
  planted: row.nonce === null ? null : { nonce: BigInt(row.nonce), hash: row.hash, salt: row.salt, commitment: row.commitment, prize: BigInt(row.prize), fault: row.fault, leaf: row.leaf },
});

export function trapStore(store: Store) {
  store.migrate({
    component: "traps",
    steps: [
      `CREATE TABLE trap (
         epoch INTEGER PRIMARY KEY, state TEXT NOT NULL, due_at INTEGER NOT NULL,
         nonce INTEGER, hash TEXT, salt TEXT, commitment TEXT, prize TEXT, fault TEXT, leaf INTEGER
       ) STRICT;
       CREATE INDEX trap_nonce ON trap (nonce)`,
    ],
  });
  return {
    transaction: <T>(work: () => T): T => store.transaction(work),
    /** The first draw stands: drawing again after a restart would plant more often than was asked. */
    draw: (epoch: bigint, state: "none" | "due", dueAt: bigint): void => void store.run("INSERT OR IGNORE INTO trap (epoch, state, due_at) VALUES (?, ?, ?)", Number(epoch), state, Number(dueAt)),
    of: (epoch: bigint): TrapRow | undefined => one(store.get<Row>("SELECT * FROM trap WHERE epoch = ?", Number(epoch))),
    ofHeader: (nonce: bigint, hash: Hex): TrapRow | undefined => one(store.get<Row>("SELECT * FROM trap WHERE nonce = ? AND hash = ?", Number(nonce), hash)),
    in: (state: TrapState): TrapRow[] => store.all<Row>("SELECT * FROM trap WHERE state = ? ORDER BY epoch", state).map(toTrap),
    sign: (epoch: bigint, { nonce, hash, salt, commitment, prize, fault, leaf }: NonNullable<TrapRow["planted"]>): void =>
      void store.run("UPDATE trap SET state = 'signed', nonce = ?, hash = ?, salt = ?, commitment = ?, prize = ?, fault = ?, leaf = ? WHERE epoch = ?", Number(nonce), hash, salt, commitment, prize.toString(), fault, leaf, Number(epoch)),
    set: (epoch: bigint, state: TrapState): void => void store.run("UPDATE trap SET state = ? WHERE epoch = ?", state, Number(epoch)),
  };
}

export type TrapStore = ReturnType<typeof trapStore>;

const one = (row: Row | undefined): TrapRow | undefined => row && toTrap(row);
