import type { Channel, ChannelStorage, ChannelUpdateResult } from "@x402/evm/batch-settlement/server";
import { type Hex, zeroAddress } from "viem";
import { fatal } from "../errors/index.ts";
import type { Migration, Store } from "../storage/index.ts";
import type { PlainResponse, StoredReceipt } from "./types.ts";

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
  ],
};

/** What a lock holds besides the official record. */
export interface Reservation {
  sequence: bigint;
  cumulativeBefore: bigint;
  pendingId: string;
}

interface Attached {
  charge: bigint;
  receipt?: StoredReceipt;
  request?: { id: string; response?: PlainResponse };
}

interface ChannelRow {
  payment_id: Hex;
  record: string;
  terms_hash: Hex | null;
  client_nonce: Hex | null;
  registered: number;
  ack_cumulative: string | null;
  ack_signature: Hex | null;
  acked: string | null;
  unclaimed_since: number | null;
}

/** A channel with what only this node knows of it. */
export interface BookedChannel extends Channel {
  termsHash?: Hex;
  clientNonce?: Hex;
  registered: boolean;
  ack?: { cumulative: bigint; signature: Hex };
  /** Cumulative of the last Ack that was sent to the escrow. */
  acked: bigint;
  /** Milliseconds; when the oldest unclaimed charge was made. */
  unclaimedSince?: number;
}

/**
 * The node's book of channels, as the official scheme's storage. The scheme calls `updateChannel` to lock, to charge and to
 * unlock; here each of these is one database transaction together with what must not be lost or doubled with it: a lock reserves the
 * receipt's sequence, a charge stores the receipt. Two processes on one file see one lock.
 */
export class ChannelBook implements ChannelStorage {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #attached = new Map<string, Attached>();

  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
    store.migrate(paymentsMigration);
  }

  get(channelId: string): Promise<Channel | undefined> {
    return Promise.resolve(this.#record(key(channelId)));
  }

  list(): Promise<Channel[]> {
    return Promise.resolve(this.#store.all<ChannelRow>("SELECT * FROM pay_channel").map((row) => JSON.parse(row.record) as Channel));
  }

  booked(): BookedChannel[] {
    return this.#store.all<ChannelRow>("SELECT * FROM pay_channel").map(toBooked);
  }

  bookedOf(channelId: string): BookedChannel | undefined {
    const row = this.#store.get<ChannelRow>("SELECT * FROM pay_channel WHERE payment_id = ?", key(channelId));
    return row && toBooked(row);
  }

  /** Charged to a payer over all its channels, and not claimed. */
  unclaimedOfPayer(payer: string): bigint {
    const rows = this.#store.all<{ record: string }>(
      "SELECT record FROM pay_channel WHERE unclaimed_since IS NOT NULL AND lower(record ->> '$.channelConfig.payer') = ?", payer.toLowerCase(),
    );
    return rows.reduce((sum, row) => sum + unclaimedOf(JSON.parse(row.record) as Channel), 0n);
  }

  updateChannel(channelId: string, update: (current: Channel | undefined) => Channel | undefined): Promise<ChannelUpdateResult> {
    const id = key(channelId);
    return new Promise((resolve) => resolve(this.#store.transaction(() => {
      const current = this.#record(id);
      const next = update(current);
      if (next === current) return { channel: current, status: "unchanged" };
      if (!next) {
        this.#close(current);
        // Charges that are not claimed outlive a lock that is given up.
        if (current && BigInt(current.chargedCumulativeAmount) > 0n) return this.#write(id, { ...current, pendingRequest: undefined });
        this.#store.run("DELETE FROM pay_channel WHERE payment_id = ?", id);
        return { channel: undefined, status: current ? "deleted" : "unchanged" };
      }
      const pending = next.pendingRequest?.pendingId;
      const before = current?.pendingRequest?.pendingId;
      const result = this.#write(id, next);
      if (before && before !== pending) this.#close(current, next);
      if (pending && pending !== before) this.#reserve(id, pending, BigInt(next.chargedCumulativeAmount));
      return result;
    })));
  }

  reservationOf(pendingId: string): Reservation {
    const row = this.#store.get<{ sequence: number; cumulative_before: string }>("SELECT * FROM pay_reservation WHERE pending_id = ?", pendingId);
    if (!row) throw fatal("payments.no_reservation", "The channel's lock is gone: it expired, or another process took it.", { pendingId });
    return { pendingId, sequence: BigInt(row.sequence), cumulativeBefore: BigInt(row.cumulative_before) };
  }

  /** What the transaction that ends this lock stores. */
  attach(pendingId: string, attached: Attached): void {
    this.#attached.set(pendingId, attached);
  }

  detach(pendingId: string): void {
    this.#attached.delete(pendingId);
  }

  setTerms(channelId: string, termsHash: Hex, document: unknown, clientNonce: Hex | undefined): void {
    this.#store.transaction(() => {
      this.#store.run("INSERT INTO pay_terms VALUES (?, ?) ON CONFLICT DO NOTHING", termsHash, JSON.stringify(document));
      this.#store.run(
        "UPDATE pay_channel SET terms_hash = ?, client_nonce = ? WHERE payment_id = ?", termsHash, clientNonce ?? null, key(channelId),
      );
    });
  }

  terms(termsHash: Hex): unknown {
    const row = this.#store.get<{ document: string }>("SELECT document FROM pay_terms WHERE hash = ?", termsHash);
    return row && JSON.parse(row.document);
  }

  setRegistered(channelId: string): void {
    this.#store.run("UPDATE pay_channel SET registered = 1 WHERE payment_id = ?", key(channelId));
  }

  /** Keeps the highest. */
  setAck(channelId: string, cumulative: bigint, signature: Hex): void {
    const known = this.bookedOf(channelId)?.ack?.cumulative ?? -1n;
    if (cumulative <= known) return;
    this.#store.run(
      "UPDATE pay_channel SET ack_cumulative = ?, ack_signature = ? WHERE payment_id = ?", cumulative.toString(), signature, key(channelId),
    );
  }

  setAcked(channelId: string, cumulative: bigint): void {
    this.#store.run("UPDATE pay_channel SET acked = ? WHERE payment_id = ?", cumulative.toString(), key(channelId));
  }

  /** Mirrors what the chain says. */
  setOnchain(channelId: string, state: { balance: bigint; totalClaimed: bigint; withdrawRequestedAt: number; refundNonce?: number }): void {
    const id = key(channelId);
    this.#store.transaction(() => {
      const current = this.#record(id);
      if (!current) return;
      this.#write(id, {
        ...current,
        balance: state.balance.toString(),
        totalClaimed: state.totalClaimed.toString(),
        withdrawRequestedAt: state.withdrawRequestedAt,
        ...(state.refundNonce === undefined ? {} : { refundNonce: state.refundNonce }),
        onchainSyncedAt: this.#now(),
      });
    });
  }

  /** Locks of a process that died: their requests were never answered, and one writer starts here. */
  clearLocks(): number {
    let cleared = 0;
    for (const channel of this.booked()) {
      if (!channel.pendingRequest) continue;
      cleared++;
      this.#store.transaction(() => {
        this.#close(channel);
        this.#write(key(channel.channelId), { ...plain(channel), pendingRequest: undefined });
      });
    }
    return cleared;
  }

  receipt(paymentId: Hex, sequence: bigint): unknown {
    const row = this.#store.get<{ document: string }>(
      "SELECT document FROM pay_receipt WHERE payment_id = ? AND sequence = ?", key(paymentId), Number(sequence),
    );
    return row && (JSON.parse(row.document) as unknown);
  }

  storeReceipt(paymentId: Hex, sequence: bigint, attached: Attached): void {
    this.#store.transaction(() => {
      const { receipt, request, charge } = attached;
      if (receipt) {
        this.#store.run(
          "INSERT INTO pay_receipt VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
          key(paymentId), Number(sequence), receipt.digest, charge.toString(), JSON.stringify(receipt.document), this.#now(),
        );
        receipt.alongside?.();
      }
      if (request) this.finishRequest(request.id, charge > 0n || receipt !== undefined, receipt?.response ?? request.response);
    });
  }

  /** @returns undefined when the id is new: it is now in flight. */
  beginRequest(id: string, bodyHash: Hex): { bodyHash: Hex; state: string; response?: PlainResponse } | undefined {
    return this.#store.transaction(() => {
      const row = this.#store.get<{ body_hash: Hex; state: string; response: string | null }>("SELECT * FROM pay_request WHERE id = ?", id);
      if (row) {
        return { bodyHash: row.body_hash, state: row.state, ...(row.response ? { response: JSON.parse(row.response) as PlainResponse } : {}) };
      }
      this.#store.run("INSERT INTO pay_request VALUES (?, ?, 'open', NULL, ?)", id, bodyHash, this.#now());
      return undefined;
    });
  }

  /** A request that failed may be sent again under its id. */
  finishRequest(id: string, answered: boolean, response?: PlainResponse): void {
    if (!answered) this.#store.run("DELETE FROM pay_request WHERE id = ? AND state = 'open'", id);
    else this.#store.run("UPDATE pay_request SET state = 'done', response = ? WHERE id = ?", response ? JSON.stringify(response) : null, id);
  }

  /** A single payment serves one request, ever. @returns false when it is taken. */
  takeSingle(paymentId: Hex, scheme: string, bodyHash: Hex): boolean {
    return this.#store.run("INSERT INTO pay_single VALUES (?, ?, ?, 'open') ON CONFLICT DO NOTHING", key(paymentId), scheme, bodyHash) === 1;
  }

  /** Gives it back when nothing was paid, or keeps it for good. */
  endSingle(paymentId: Hex, paid: boolean): void {
    if (paid) this.#store.run("UPDATE pay_single SET state = 'paid' WHERE payment_id = ?", key(paymentId));
    else this.#store.run("DELETE FROM pay_single WHERE payment_id = ? AND state = 'open'", key(paymentId));
  }

  #record(id: string): Channel | undefined {
    const row = this.#store.get<{ record: string }>("SELECT record FROM pay_channel WHERE payment_id = ?", id);
    return row && (JSON.parse(row.record) as Channel);
  }

  #write(id: string, channel: Channel): ChannelUpdateResult {
    const unclaimed = BigInt(channel.chargedCumulativeAmount) > BigInt(channel.totalClaimed);
    this.#store.run(
      `INSERT INTO pay_channel (payment_id, record, unclaimed_since) VALUES (?, ?, ?) ON CONFLICT (payment_id) DO UPDATE SET record = excluded.record,
       unclaimed_since = CASE WHEN excluded.unclaimed_since IS NULL THEN NULL ELSE coalesce(unclaimed_since, excluded.unclaimed_since) END`,
      id, JSON.stringify(channel), unclaimed ? this.#now() : null,
    );
    return { channel, status: "updated" };
  }

  #reserve(id: string, pendingId: string, cumulativeBefore: bigint): void {
    const sequence = this.#store.get<{ next_sequence: number }>("SELECT next_sequence FROM pay_channel WHERE payment_id = ?", id)!.next_sequence;
    this.#store.run("UPDATE pay_channel SET next_sequence = ? WHERE payment_id = ?", sequence + 1, id);
    this.#store.run("INSERT INTO pay_reservation VALUES (?, ?, ?, ?, 'open')", id, sequence, pendingId, cumulativeBefore.toString());
  }

  #close(current: Channel | undefined, next?: Channel): void {
    const pendingId = current?.pendingRequest?.pendingId;
    if (!current || !pendingId) return;
    const attached = this.#attached.get(pendingId);
    const charged = next ? BigInt(next.chargedCumulativeAmount) - BigInt(current.chargedCumulativeAmount) : 0n;
    this.#store.run("UPDATE pay_reservation SET state = ? WHERE pending_id = ?", charged > 0n ? "committed" : "released", pendingId);
    if (!attached) return;
    const { sequence } = this.reservationOf(pendingId);
    this.storeReceipt(key(current.channelId), sequence, { ...attached, charge: charged });
    this.#attached.delete(pendingId);
  }
}

const key = (id: string): Hex => id.toLowerCase() as Hex;

function toBooked(row: ChannelRow): BookedChannel {
  return {
    ...(JSON.parse(row.record) as Channel),
    ...(row.terms_hash ? { termsHash: row.terms_hash } : {}),
    ...(row.client_nonce ? { clientNonce: row.client_nonce } : {}),
    registered: row.registered === 1,
    ...(row.ack_cumulative && row.ack_signature ? { ack: { cumulative: BigInt(row.ack_cumulative), signature: row.ack_signature } } : {}),
    acked: BigInt(row.acked ?? 0),
    ...(row.unclaimed_since ? { unclaimedSince: row.unclaimed_since } : {}),
  };
}

function plain(channel: BookedChannel): Channel {
  const { termsHash: _t, clientNonce: _n, registered: _r, ack: _a, acked: _d, unclaimedSince: _u, ...record } = channel;
  return record;
}

/** Charged and not claimed yet. */
export function unclaimedOf(channel: Channel): bigint {
  const open = BigInt(channel.chargedCumulativeAmount) - BigInt(channel.totalClaimed);
  return open > 0n ? open : 0n;
}

/** ERC-1271 can change its mind at claim time: such a channel is good for one request. */
export function canChangeItsMind(channel: Pick<Channel, "channelConfig">): boolean {
  return channel.channelConfig.payerAuthorizer === zeroAddress;
}
