/** The journal's tables. Every arrow of the state machine is one of these functions, and each is one transaction. */
import type { Address, Hex } from "viem";
import { fatal } from "../errors/index.ts";
import type { Migration, Store } from "../storage/index.ts";
import type { AttemptRow, DoneCheck, Intent, IntentRow, IntentState, TxReceipt } from "./types.ts";

export const journalMigration: Migration = {
  component: "tx.journal",
  steps: [
    `CREATE TABLE intents (
       id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, label TEXT NOT NULL, chain_id INTEGER NOT NULL, signer TEXT NOT NULL,
       target TEXT NOT NULL, data TEXT NOT NULL, value TEXT NOT NULL, deadline TEXT, done TEXT, expect_event TEXT, gas TEXT,
       state TEXT NOT NULL, cancel_to TEXT, nonce INTEGER, hash TEXT, block_number TEXT, block_hash TEXT, receipt TEXT,
       code TEXT, message TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
     ) STRICT;
     -- One nonce, one intent: a second claim on it cannot be written.
     CREATE UNIQUE INDEX intents_nonce ON intents (chain_id, signer, nonce) WHERE nonce IS NOT NULL;
     CREATE INDEX intents_open ON intents (chain_id, signer, state);
     CREATE TABLE attempts (
       id INTEGER PRIMARY KEY, intent_id INTEGER NOT NULL REFERENCES intents (id), kind TEXT NOT NULL, nonce INTEGER NOT NULL,
       hash TEXT NOT NULL UNIQUE, raw TEXT NOT NULL, gas TEXT NOT NULL, max_fee TEXT NOT NULL, priority_fee TEXT NOT NULL,
       chain_time TEXT NOT NULL, chain_block TEXT NOT NULL, signed_at INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX attempts_intent ON attempts (intent_id);
     CREATE INDEX attempts_day ON attempts (signed_at);
     CREATE TABLE lanes (
       chain_id INTEGER NOT NULL, signer TEXT NOT NULL, next_nonce INTEGER NOT NULL, stopped TEXT, PRIMARY KEY (chain_id, signer)
     ) STRICT`,
    // What a re-planned intent did before: its nonce is spent, its history stays.
    `CREATE TABLE past_intents (id INTEGER PRIMARY KEY, intent_id INTEGER NOT NULL, state TEXT NOT NULL, nonce INTEGER, hash TEXT, code TEXT) STRICT;
     ALTER TABLE attempts ADD COLUMN past INTEGER NOT NULL DEFAULT 0`,
  ],
};

type Raw = Record<string, string | number | null>;

export interface JournalStore {
  byKey(key: string): IntentRow | undefined;
  byId(id: number): IntentRow | undefined;
  open(chainId: number, signer: Address): IntentRow[];
  recent(limit: number): IntentRow[];
  attempts(intentId: number): AttemptRow[];
  plan(intent: Intent, signer: Address, now: number): IntentRow;
  replan(id: number, now: number): void;
  /** Moves an intent along an arrow; throws `tx.lost_arrow` if it is not where the arrow starts. */
  move(id: number, from: readonly IntentState[], to: IntentState, now: number, fields?: Partial<MoveFields>): void;
  addAttempt(attempt: Omit<AttemptRow, "id">, now: number): void;
  lane(chainId: number, signer: Address): { nextNonce: number; stopped: string | null } | undefined;
  setLane(chainId: number, signer: Address, nextNonce: number, stopped?: string | null): void;
  worstCostSince(chainId: number, signer: Address, since: number): bigint;
  counts(): { state: IntentState; count: number }[];
}

export interface MoveFields {
  nonce: number;
  hash: Hex | null;
  blockNumber: bigint | null;
  blockHash: Hex | null;
  receipt: TxReceipt | null;
  code: string | null;
  message: string | null;
  cancelTo: IntentState | null;
}

const COLUMNS: Record<keyof MoveFields, string> = {
  nonce: "nonce", hash: "hash", blockNumber: "block_number", blockHash: "block_hash", receipt: "receipt", code: "code", message: "message", cancelTo: "cancel_to",
};
const OPEN = "('planned','simulated','signed','broadcast','bumped','mined','cancelling','foreign')";

export function journalStore(store: Store): JournalStore {
  const one = (row: Raw | undefined) => (row ? toIntent(row) : undefined);
  return {
    byKey: (key) => one(store.get<Raw>("SELECT * FROM intents WHERE key = ?", key)),
    byId: (id) => one(store.get<Raw>("SELECT * FROM intents WHERE id = ?", id)),
    open: (chainId, signer) =>
      store
        .all<Raw>(`SELECT * FROM intents WHERE chain_id = ? AND signer = ? AND state IN ${OPEN} ORDER BY nonce IS NULL, nonce, id`, chainId, signer)
        .map(toIntent),
    recent: (limit) => store.all<Raw>("SELECT * FROM intents ORDER BY id DESC LIMIT ?", limit).map(toIntent),
    attempts: (intentId) => store.all<Raw>("SELECT * FROM attempts WHERE intent_id = ? AND past = 0 ORDER BY id", intentId).map(toAttempt),
    plan(intent, signer, now) {
      store.run(
        `INSERT INTO intents (key, label, chain_id, signer, target, data, value, deadline, done, expect_event, gas, state, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'planned', ?, ?)`,
        intent.key, intent.label ?? intent.data.slice(0, 10), intent.chainId, signer, intent.to, intent.data, String(intent.value ?? 0n),
        intent.deadline === undefined ? null : String(intent.deadline), intent.done ? JSON.stringify(intent.done) : null, intent.expectEvent ?? null,
        intent.gas === undefined ? null : String(intent.gas), now, now,
      );
      return one(store.get<Raw>("SELECT * FROM intents WHERE key = ?", intent.key))!;
    },
    replan(id, now) {
      store.transaction(() => {
        store.run("INSERT INTO past_intents (intent_id, state, nonce, hash, code) SELECT id, state, nonce, hash, code FROM intents WHERE id = ?", id);
        store.run("UPDATE attempts SET past = 1 WHERE intent_id = ?", id);
        store.run(
          `UPDATE intents SET state = 'planned', cancel_to = NULL, nonce = NULL, hash = NULL, block_number = NULL, block_hash = NULL, receipt = NULL,
           code = NULL, message = NULL, updated_at = ? WHERE id = ? AND state IN ('abandoned','cancelled','reverted','superseded')`,
          now, id,
        );
      });
    },
    move(id, from, to, now, fields = {}) {
      const names = Object.keys(fields) as (keyof MoveFields)[];
      const sets = names.map((name) => `, ${COLUMNS[name]} = ?`).join("");
      const values = names.map((name) => toColumn(fields[name]));
      const marks = from.map(() => "?").join(",");
      const changed = store.run(`UPDATE intents SET state = ?, updated_at = ?${sets} WHERE id = ? AND state IN (${marks})`, to, now, ...values, id, ...from);
      if (changed !== 1) throw fatal("tx.lost_arrow", `Intent ${id} is not ${from.join(" or ")}: it cannot become ${to}.`, { id, from, to });
    },
    addAttempt(attempt, now) {
      store.run(
        `INSERT INTO attempts (intent_id, kind, nonce, hash, raw, gas, max_fee, priority_fee, chain_time, chain_block, signed_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        attempt.intentId, attempt.kind, attempt.nonce, attempt.hash, attempt.raw, String(attempt.gas), String(attempt.maxFee), String(attempt.priorityFee),
        String(attempt.chainTime), String(attempt.chainBlock), now,
      );
    },
    lane(chainId, signer) {
      const row = store.get<Raw>("SELECT next_nonce, stopped FROM lanes WHERE chain_id = ? AND signer = ?", chainId, signer);
      return row && { nextNonce: Number(row.next_nonce), stopped: row.stopped as string | null };
    },
    setLane(chainId, signer, nextNonce, stopped = null) {
      store.run(
        "INSERT INTO lanes VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET next_nonce = excluded.next_nonce, stopped = excluded.stopped",
        chainId, signer, nextNonce, stopped,
      );
    },
    worstCostSince(chainId, signer, since) {
      // Of one nonce only one attempt is ever paid: the dearest is the worst case.
      const rows = store.all<{ gas: string; max_fee: string; nonce: number }>(
        `SELECT a.gas, a.max_fee, a.nonce FROM attempts a JOIN intents i ON i.id = a.intent_id
         WHERE a.signed_at >= ? AND i.chain_id = ? AND i.signer = ?`,
        since, chainId, signer,
      );
      const byNonce = new Map<number, bigint>();
      for (const row of rows) {
        const cost = BigInt(row.gas) * BigInt(row.max_fee);
        if (cost > (byNonce.get(row.nonce) ?? 0n)) byNonce.set(row.nonce, cost);
      }
      return [...byNonce.values()].reduce((sum, cost) => sum + cost, 0n);
    },
    counts: () => store.all("SELECT state, COUNT(*) AS count FROM intents GROUP BY state"),
  };
}

function toColumn(value: unknown): string | number | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "object") return JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? item.toString() : item));
  return value as string | number;
}

function toIntent(row: Raw): IntentRow {
  const big = (value: string | number | null | undefined) => (value === null || value === undefined ? null : BigInt(value));
  return {
    id: Number(row.id),
    key: row.key as string,
    label: row.label as string,
    chainId: Number(row.chain_id),
    signer: row.signer as Address,
    to: row.target as Address,
    data: row.data as Hex,
    value: BigInt(row.value!),
    deadline: big(row.deadline),
    done: row.done ? (JSON.parse(row.done as string) as DoneCheck) : null,
    expectEvent: row.expect_event as Hex | null,
    gas: big(row.gas),
    state: row.state as IntentState,
    cancelTo: row.cancel_to as IntentState | null,
    nonce: row.nonce === null ? null : Number(row.nonce),
    hash: row.hash as Hex | null,
    blockNumber: big(row.block_number),
    blockHash: row.block_hash as Hex | null,
    receipt: row.receipt ? reviveReceipt(row.receipt as string) : null,
    code: row.code as string | null,
    message: row.message as string | null,
    createdAt: Number(row.created_at),
    updatedAt: Number(row.updated_at),
  };
}

function toAttempt(row: Raw): AttemptRow {
  return {
    id: Number(row.id),
    intentId: Number(row.intent_id),
    kind: row.kind as "send" | "cancel",
    nonce: Number(row.nonce),
    hash: row.hash as Hex,
    raw: row.raw as Hex,
    gas: BigInt(row.gas!),
    maxFee: BigInt(row.max_fee!),
    priorityFee: BigInt(row.priority_fee!),
    chainTime: BigInt(row.chain_time!),
    chainBlock: BigInt(row.chain_block!),
  };
}

function reviveReceipt(text: string): TxReceipt {
  const raw = JSON.parse(text) as Record<string, unknown>;
  return {
    ...(raw as unknown as TxReceipt),
    blockNumber: BigInt(raw.blockNumber as string),
    gasUsed: BigInt(raw.gasUsed as string),
    effectiveGasPrice: BigInt(raw.effectiveGasPrice as string),
  };
}
