import type { AuthorizerSigner } from "@x402/evm/batch-settlement/server";
import { type Address, type Hex, type PublicClient, keccak256 } from "viem";
import { X402_CHANNELS, escrowAbi } from "../../sdk/payments/abi.ts";
import { termsFromJson } from "../../sdk/payments/wire.ts";
import type { Clock } from "../clock/index.ts";
import { type BookedChannel, type ChannelBook, unclaimedOf } from "./book.ts";
import { MULTICALL3, ackCall, claimCall, registerCall, rowOf, together } from "./calls.ts";
import { claimTypes } from "./claim-types.ts";
import type { TxSender } from "./types.ts";
import type { ChannelWatch } from "./watch.ts";

export interface ClaimPolicy {
  /** A channel with so much delivered and not claimed is due, smallest token unit. */
  exposure: bigint;
  /** A charge so old is due, ms. Far below the channels' withdraw delay. */
  ageMs: number;
  /** A claim that is only due by age waits while gas is dearer, wei; never beyond twice the age. */
  maxGasPrice?: bigint;
  /** Rows of one transaction: 16.7 million gas at about 28 k a row. */
  maxRows: number;
}

export interface ClaimSnapshot {
  channels: readonly BookedChannel[];
  /** ms */
  now: number;
  gasPrice: bigint;
}

export type ClaimReason = "withdrawal" | "exposure" | "age" | "company";

export interface PlannedClaim {
  channel: BookedChannel;
  reason: ClaimReason;
}

/**
 * Which channels to claim now; pure. When one is due, the others that have something come along: many payers in one transaction are
 * cheaper. Ordered by urgency, withdrawals first.
 */
export function planClaims(snapshot: ClaimSnapshot, policy: ClaimPolicy): PlannedClaim[] {
  const open = snapshot.channels.filter((channel) => unclaimedOf(channel) > 0n);
  const planned = open.map((channel): PlannedClaim => ({ channel, reason: reasonOf(channel, snapshot, policy) }));
  if (planned.every(({ reason }) => reason === "company")) return [];
  const rank: Record<ClaimReason, number> = { withdrawal: 0, exposure: 1, age: 2, company: 3 };
  return planned
    .sort((a, b) => rank[a.reason] - rank[b.reason] || Number(unclaimedOf(b.channel) - unclaimedOf(a.channel)))
    .slice(0, policy.maxRows);
}

function reasonOf(channel: BookedChannel, { now, gasPrice }: ClaimSnapshot, policy: ClaimPolicy): ClaimReason {
  if (channel.withdrawRequestedAt !== 0) return "withdrawal";
  if (unclaimedOf(channel) >= policy.exposure) return "exposure";
  const age = now - (channel.unclaimedSince ?? now);
  const cheap = policy.maxGasPrice === undefined || gasPrice <= policy.maxGasPrice;
  return age >= 2 * policy.ageMs || (age >= policy.ageMs && cheap) ? "age" : "company";
}

export interface ClaimOptions {
  book: ChannelBook;
  clock: Clock;
  client: PublicClient;
  /** Keeps the book's copy of the chain; a run catches up first. */
  watch: ChannelWatch;
  tx: TxSender;
  chainId: number;
  escrow: Address;
  authorizer: AuthorizerSigner;
  /** Account behind `tx`; when it is the authorizer itself, claims need no signature. */
  sender: Address;
  policy: ClaimPolicy;
}

export interface ClaimRun {
  claimed: PlannedClaim[];
  registered: number;
  acked: number;
  transactions: Hex[];
}

/** Registers, claims, and carries Acks. One run at a time. */
export function claimScheduler(options: ClaimOptions) {
  const { book, client, tx, chainId, escrow, watch } = options;
  let running: Promise<ClaimRun> | undefined;

  async function submit(kind: string, to: Address, data: Hex): Promise<Hex> {
    return (await tx.submit({ key: `payments:${kind}:${keccak256(data)}`, chainId, to, data })).hash;
  }

  const lineOf = (channel: BookedChannel) =>
    client.readContract({ address: escrow, abi: escrowAbi, functionName: "lineOf", args: [channel.channelId as Hex] });

  async function register(channels: readonly BookedChannel[]): Promise<Hex[]> {
    const fresh = channels.filter((channel) => !channel.registered);
    if (fresh.length === 0) return [];
    const calls = fresh.map((channel) => {
      const document = channel.termsHash && book.terms(channel.termsHash);
      return registerCall(channel, document ? termsFromJson(document) : undefined);
    });
    const hash = await submit("register", MULTICALL3, together(escrow, calls));
    // A call that failed inside of the transaction is tried again with the next claim.
    for (const channel of fresh) if (((await lineOf(channel)).flags & 1) !== 0) book.setRegistered(channel.channelId);
    return [hash];
  }

  async function claim(planned: readonly PlannedClaim[]): Promise<Hex[]> {
    if (planned.length === 0) return [];
    const rows = planned.map(({ channel }) => rowOf(channel));
    const byItself = options.sender.toLowerCase() === options.authorizer.address.toLowerCase();
    const authorization = byItself ? "0x" : await options.authorizer.signTypedData({
      domain: { name: "x402 Batch Settlement", version: "1", chainId, verifyingContract: X402_CHANNELS },
      types: claimTypes as never,
      primaryType: "ClaimBatch",
      message: {
        claims: planned.map(({ channel }, i) => ({
          channelId: channel.channelId, maxClaimableAmount: rows[i]!.voucher.maxClaimableAmount, totalClaimed: rows[i]!.totalClaimed,
        })),
      },
    });
    return [await submit("claim", escrow, claimCall(rows, authorization))];
  }

  /** An Ack is worth sending as far as it reaches into what is claimed. */
  async function acknowledge(): Promise<{ hashes: Hex[]; count: number }> {
    const due = book.bookedOpen().flatMap((channel) => {
      if (!channel.ack || !channel.registered) return [];
      const claimed = BigInt(channel.totalClaimed);
      const reach = channel.ack.cumulative < claimed ? channel.ack.cumulative : claimed;
      return reach > channel.acked ? [{ channel, ack: channel.ack }] : [];
    });
    if (due.length === 0) return { hashes: [], count: 0 };
    const calls = due.map(({ channel, ack }) => ackCall(channel.channelId as Hex, ack.cumulative, ack.signature));
    const hash = await submit("ack", MULTICALL3, together(escrow, calls));
    for (const { channel } of due) book.setAcked(channel.channelId, (await lineOf(channel)).settledUpTo);
    return { hashes: [hash], count: due.length };
  }

  async function run(all: boolean): Promise<ClaimRun> {
    await watch.step();
    const snapshot = { channels: book.bookedOpen(), now: options.clock.now(), gasPrice: await client.getGasPrice() };
    const policy = all ? { ...options.policy, exposure: 1n } : options.policy;
    const planned = planClaims(snapshot, policy);
    const registered = await register(planned.map(({ channel }) => channel));
    const claimed = await claim(planned);
    if (claimed.length > 0) await watch.refresh(planned.map(({ channel }) => channel.channelId));
    const acked = await acknowledge();
    return { claimed: planned, registered: registered.length, acked: acked.count, transactions: [...registered, ...claimed, ...acked.hashes] };
  }

  return {
    /** Claims what is due; `all` claims everything there is. */
    run(all = false): Promise<ClaimRun> {
      running = (running?.catch(() => undefined) ?? Promise.resolve()).then(() => run(all));
      return running;
    },
    /** Delivered and not claimed, over all channels. */
    exposure: (): bigint => book.bookedOpen().reduce((sum, channel) => sum + unclaimedOf(channel), 0n),
    /** The same by payer: what the bound is about. */
    report: (): ExposureReport => reportOf(book.bookedOpen()),
  };
}

/** Delivered and not claimed, smallest token unit; exported as metrics. */
export interface ExposureReport {
  total: bigint;
  /** Of the payer who owes most: within the gate's cap, but for what its other channels had in flight when a request was admitted. */
  worst: bigint;
  payers: number;
  /** ms; undefined when everything is claimed. */
  oldestAt: number | undefined;
}

function reportOf(channels: readonly BookedChannel[]): ExposureReport {
  const byPayer = new Map<string, bigint>();
  let oldestAt: number | undefined;
  for (const channel of channels) {
    const open = unclaimedOf(channel);
    if (open === 0n) continue;
    const payer = channel.channelConfig.payer.toLowerCase();
    byPayer.set(payer, (byPayer.get(payer) ?? 0n) + open);
    if (channel.unclaimedSince !== undefined && channel.unclaimedSince < (oldestAt ?? Infinity)) oldestAt = channel.unclaimedSince;
  }
  const sums = [...byPayer.values()];
  return { total: sums.reduce((a, b) => a + b, 0n), worst: sums.reduce((a, b) => (a > b ? a : b), 0n), payers: sums.length, oldestAt };
}
