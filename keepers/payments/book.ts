import type { Channel, ChannelStorage, ChannelUpdateResult } from "@x402/evm/batch-settlement/server";
import { type Hex, zeroAddress } from "viem";
import { fatal } from "../errors/index.ts";
import { type GroupedTransaction, type Store, groupedTransactions } from "../storage/index.ts";
import { AnswerStore, type Attached } from "./answer-store.ts";
import { paymentsMigration } from "./schema.ts";

/** What a lock holds besides the official record. */
export interface Reservation {
  sequence: bigint;
  cumulativeBefore: bigint;
  pendingId: string;
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
 * unlock; here each of these is atomic together with what must not be lost or doubled with it: a lock reserves the receipt's sequence, a
 * charge stores the receipt. Requests that arrive together share a commit. Two processes on one file see one lock.
 */
export class ChannelBook implements ChannelStorage {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #group: GroupedTransaction;
  readonly #attached = new Map<string, Attached>();
  /** Receipts, idempotent requests and single payments. */
  readonly answers: AnswerStore;

  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
    store.migrate(paymentsMigration);
    this.#group = groupedTransactions(store);
    this.answers = new AnswerStore(store, now);
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

  /** Channels with something to claim, or with an Ack that reaches further than the last one sent. */
  bookedOpen(): BookedChannel[] {
    return this.#store
      .all<ChannelRow>("SELECT * FROM pay_channel WHERE unclaimed_since IS NOT NULL OR (ack_cumulative IS NOT NULL AND ack_cumulative IS NOT acked)")
      .map(toBooked);
  }

  /** Which of these channels are booked. */
  known(channelIds: readonly string[]): Hex[] {
    return channelIds.map(key).filter((id) => this.#store.get("SELECT 1 FROM pay_channel WHERE payment_id = ?", id));
  }

  bookedOf(channelId: string): BookedChannel | undefined {
    const row = this.#store.get<ChannelRow>("SELECT * FROM pay_channel WHERE payment_id = ?", key(channelId));
    return row && toBooked(row);
  }

  /** Charged to a payer over all its channels, and not claimed. */
  unclaimedOfPayer(payer: string): bigint {
    const rows = this.#store.all<{ record: string }>(
      "SELECT record FROM pay_channel WHERE unclaimed_since IS NOT NULL AND payer = ?", payer.toLowerCase(),
    );
    return rows.reduce((sum, row) => sum + unclaimedOf(JSON.parse(row.record) as Channel), 0n);
  }

  updateChannel(channelId: string, update: (current: Channel | undefined) => Channel | undefined): Promise<ChannelUpdateResult> {
    const id = key(channelId);
    return this.#group(() => {
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
    });
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
  setAck(channelId: string, cumulative: bigint, signature: Hex): Promise<void> {
    return this.#group(() => {
      const known = this.bookedOf(channelId)?.ack?.cumulative ?? -1n;
      if (cumulative <= known) return;
      this.#store.run(
        "UPDATE pay_channel SET ack_cumulative = ?, ack_signature = ? WHERE payment_id = ?", cumulative.toString(), signature, key(channelId),
      );
    });
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
    this.answers.forgetOpen();
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

  #record(id: string): Channel | undefined {
    const row = this.#store.get<{ record: string }>("SELECT record FROM pay_channel WHERE payment_id = ?", id);
    return row && (JSON.parse(row.record) as Channel);
  }

  #write(id: string, channel: Channel): ChannelUpdateResult {
    const unclaimed = BigInt(channel.chargedCumulativeAmount) > BigInt(channel.totalClaimed);
    this.#store.run(
      `INSERT INTO pay_channel (payment_id, record, unclaimed_since, payer) VALUES (?, ?, ?, ?) ON CONFLICT (payment_id) DO UPDATE SET record = excluded.record,
       unclaimed_since = CASE WHEN excluded.unclaimed_since IS NULL THEN NULL ELSE coalesce(unclaimed_since, excluded.unclaimed_since) END`,
      id, JSON.stringify(channel), unclaimed ? this.#now() : null, channel.channelConfig.payer.toLowerCase(),
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
    this.answers.store(key(current.channelId), sequence, { ...attached, charge: charged });
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
