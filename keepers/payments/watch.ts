import { type Address, type Hex, type PublicClient, multicall3Abi, encodeFunctionData, decodeFunctionResult, parseAbi } from "viem";
import { channelsAbi } from "../../sdk/payments/abi.ts";
import { X402 } from "../../sdk/payments/x402.ts";
import type { Clock } from "../clock/index.ts";
import type { ChannelBook } from "./book.ts";

/** Everything that moves a channel's balance, claim or withdrawal. */
const events = parseAbi([
  "event Deposited(bytes32 indexed channelId, address indexed sender, uint128 amount, uint128 balance)",
  "event Claimed(bytes32 indexed channelId, address indexed sender, uint128 amount, uint128 totalClaimed)",
  "event WithdrawInitiated(bytes32 indexed channelId, uint128 amount, uint40 due)",
  "event WithdrawFinalized(bytes32 indexed channelId, address indexed sender, uint128 amount)",
  "event Refunded(bytes32 indexed channelId, address indexed sender, uint128 amount)",
]);

export interface WatchOptions {
  book: ChannelBook;
  client: PublicClient;
  clock: Clock;
  /** Blocks that may still be replaced. */
  reorgDepth: bigint;
  /** A copy of the chain older than this decides nothing, ms. */
  maxAgeMs: number;
  /** A payer has begun to withdraw. */
  onWithdrawal?(paymentId: Hex): void;
}

export interface ChannelWatch {
  /** Catches up with the chain's head. Calls share one step. @throws Error when the chain cannot be read. */
  step(): Promise<void>;
  /** Reads these channels anew. */
  refresh(channelIds: readonly string[]): Promise<void>;
  /** True while the book agrees with a head that is recent enough. */
  isFresh(): boolean;
}

/** Channels of one call; about 25,000 gas of reading each. */
const CHUNK = 100;
/** Further behind than this, every channel is read instead of every block. */
const MAX_BLOCKS = 2_000n;

/**
 * Keeps the book's copy of the channel contract at the head: logs say which channels moved, their state is read from the
 * contract. A reorganisation reads again what the dropped blocks had touched. Requests then need no call to the chain.
 */
export function channelWatch({ book, client, clock, reorgDepth, maxAgeMs, onWithdrawal }: WatchOptions): ChannelWatch {
  let cursor: { number: bigint; hash: Hex } | undefined;
  let freshAt = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;
  /** Channels touched in blocks that may still be replaced, with the newest such block. */
  const recent = new Map<Hex, bigint>();

  async function refresh(channelIds: readonly string[]): Promise<void> {
    for (let at = 0; at < channelIds.length; at += CHUNK) {
      const ids = channelIds.slice(at, at + CHUNK) as Hex[];
      const states = await readChannels(client, ids);
      ids.forEach((id, index) => {
        const before = book.bookedOf(id)?.withdrawRequestedAt ?? 0;
        const state = states[index]!;
        book.setOnchain(id, state);
        if (state.withdrawRequestedAt !== 0 && before === 0) onWithdrawal?.(id);
      });
    }
  }

  async function touched(from: bigint, to: bigint): Promise<Hex[]> {
    const logs = await client.getLogs({ address: X402.channels, events, fromBlock: from, toBlock: to });
    const ours = new Set(book.known(logs.map((log) => log.args.channelId!)));
    for (const { args, blockNumber } of logs) if (ours.has(args.channelId!)) recent.set(args.channelId!, blockNumber);
    return [...ours];
  }

  async function follow(): Promise<void> {
    const begun = clock.now();
    const head = await client.getBlock();
    if (!cursor || head.number - cursor.number > MAX_BLOCKS) {
      await refresh(book.booked().map(({ channelId }) => channelId));
    } else {
      const stands = head.number >= cursor.number && (await client.getBlock({ blockNumber: cursor.number })).hash === cursor.hash;
      const dropped = stands ? [] : [...recent.keys()];
      const from = stands ? cursor.number + 1n : cursor.number > reorgDepth ? cursor.number - reorgDepth : 0n;
      const moved = from > head.number ? [] : await touched(from, head.number);
      await refresh([...new Set([...moved, ...dropped])]);
    }
    cursor = { number: head.number, hash: head.hash };
    for (const [id, number] of recent) if (number + reorgDepth < head.number) recent.delete(id);
    freshAt = begun;
  }

  return {
    refresh,
    step: () => (running ??= follow().finally(() => (running = undefined))),
    isFresh: () => clock.now() - freshAt <= maxAgeMs,
  };
}

export interface ChannelOnChain {
  balance: bigint;
  totalClaimed: bigint;
  withdrawRequestedAt: number;
  refundNonce: number;
}

/** State of many channels in one call. */
export async function readChannels(client: PublicClient, channelIds: readonly Hex[]): Promise<ChannelOnChain[]> {
  const names = ["channels", "pendingWithdrawals", "refundNonce"] as const;
  const calls = channelIds.flatMap((id) =>
    names.map((functionName) => ({
      target: X402.channels as Address, allowFailure: false, callData: encodeFunctionData({ abi: channelsAbi, functionName, args: [id] }),
    })),
  );
  const results = await client.readContract({ address: X402.multicall3, abi: multicall3Abi, functionName: "aggregate3", args: [calls] });
  return channelIds.map((_, index) => {
    const [channel, withdrawal, nonce] = results.slice(3 * index, 3 * index + 3).map(({ returnData }) => returnData);
    const [balance, totalClaimed] = decodeFunctionResult({ abi: channelsAbi, functionName: "channels", data: channel! });
    const [, initiatedAt] = decodeFunctionResult({ abi: channelsAbi, functionName: "pendingWithdrawals", data: withdrawal! });
    const refundNonce = decodeFunctionResult({ abi: channelsAbi, functionName: "refundNonce", data: nonce! });
    return { balance, totalClaimed, withdrawRequestedAt: initiatedAt, refundNonce: Number(refundNonce) };
  });
}
