/** Pay for checking: counts final headers, closes epochs and claims this node's share; the pure part says what is due. */
import { type Abi, type Hex, encodeFunctionData, keccak256, toHex } from "viem";
import { iFullNodeRewardsAbi } from "../../../types/abi/IFullNodeRewards.ts";
import { iNodeRegistryAbi } from "../../../types/abi/INodeRegistry.ts";
import { isKeeperError, messageOf } from "../../errors/index.ts";
import { intentKey } from "../../tx/index.ts";
import type { Platform } from "../platform.ts";
import { myTurn, seatOf } from "./statements.ts";
import type { FullStore } from "./store.ts";

/** Headers in one call, as the contract takes them. */
const MAX_HEADERS = 64;
/** Headers that are worth a call of their own before their epoch ends. */
const WORTH_A_CALL = 32;
const MILD = new Set(["tx.superseded", "tx.abandoned", "tx.reverted", "tx.cancelled", "tx.key_conflict"]);

export interface RewardView {
  /** Seconds, settlement chain. */
  now: bigint;
  currentEpoch: bigint;
  next: { epoch: bigint; readyAt: bigint };
  /** Final headers with a certificate that nobody has counted, by epoch. */
  uncounted: readonly { epoch: bigint; hash: Hex }[];
  /** What the registry holds for the pool. */
  collectable: bigint;
  /** Seats of this node in closed epochs that are not paid yet. */
  owed: readonly { epoch: bigint; seat: number }[];
}

export type RewardStep =
  | { kind: "count"; epoch: bigint; hashes: Hex[] } | { kind: "collect" } | { kind: "close"; epoch: bigint } | { kind: "claim"; claims: { epoch: bigint; seat: number }[] };

/** What is due, in the order in which it must happen: a header that is counted after the closing is not paid. */
export function decideRewards({ now, currentEpoch, next, uncounted, collectable, owed }: RewardView): RewardStep[] {
  const steps: RewardStep[] = [];
  const epochs = [...new Set(uncounted.map(({ epoch }) => epoch))].filter((epoch) => epoch >= next.epoch).sort((a, b) => Number(a - b));
  for (const epoch of epochs) {
    const hashes = uncounted.filter((item) => item.epoch === epoch).map(({ hash }) => hash).slice(0, MAX_HEADERS);
    if (epoch < currentEpoch || hashes.length >= WORTH_A_CALL) steps.push({ kind: "count", epoch, hashes });
  }
  const counting = steps.some((step) => step.kind === "count" && step.epoch === next.epoch);
  if (next.readyAt !== 0n && now >= next.readyAt && !counting) {
    if (collectable > 0n) steps.push({ kind: "collect" });
    steps.push({ kind: "close", epoch: next.epoch });
  }
  if (owed.length > 0) steps.push({ kind: "claim", claims: owed.slice(0, MAX_HEADERS) });
  return steps;
}

export interface Rewards {
  step(): Promise<void>;
}

export function createRewards({ platform, store, nodeId, leaderMs }: { platform: Platform; store: FullStore; nodeId: () => Hex; leaderMs: number }): Rewards {
  const { settlement, signer, journal, clock, metrics } = platform;
  const { deployment, client, chainId } = settlement;
  if (!deployment.has("FullNodeRewards")) return { step: async () => {} };
  const logger = platform.logger.child({ part: "rewards" });
  const contract = { address: deployment.address("FullNodeRewards"), abi: iFullNodeRewardsAbi } as const;
  const registry = { address: deployment.address("NodeRegistry"), abi: iNodeRegistryAbi } as const;
  const seen = new Map<string, number>();
  /** Closed epochs that owe this node nothing (any more): that does not change. */
  const paid = new Set<bigint>();

  async function look(): Promise<RewardView> {
    const [[epoch, readyAt], collectable, head] = await Promise.all([
      client.readContract({ ...contract, functionName: "nextToClose" }), client.readContract({ ...registry, functionName: "reward", args: [contract.address] }), settlement.pool.head(),
    ]);
    const uncounted: RewardView["uncounted"][number][] = [];
    for (const { hash, epoch: certified } of store.certifiedFinals(256)) {
      const counted = certified < epoch || (await client.readContract({ ...contract, functionName: "isCounted", args: [hash] }));
      if (counted) store.markCounted(hash);
      else uncounted.push({ epoch: certified, hash });
    }
    const owed: RewardView["owed"][number][] = [];
    for (const past of store.recentEpochs(64)) {
      const seat = past.nodeIds.indexOf(nodeId());
      if (past.epoch >= epoch || seat < 0 || paid.has(past.epoch)) continue;
      if ((await client.readContract({ ...contract, functionName: "due", args: [past.epoch, BigInt(seat)] })) > 0n) owed.push({ epoch: past.epoch, seat });
      else paid.add(past.epoch);
    }
    return { now: head.timestamp, currentEpoch: store.lastEpoch()?.epoch ?? 0n, next: { epoch, readyAt }, uncounted, collectable, owed };
  }

  /** Claims are everybody's own; the rest is done by one, in turns. */
  function mine(step: RewardStep): boolean {
    if (step.kind === "claim") return true;
    const subject = subjectOf(step);
    if (!seen.has(subject)) seen.set(subject, clock.now());
    if (seen.size > 1_000) seen.clear();
    const epoch = store.lastEpoch();
    const seat = seatOf(epoch, signer.address);
    return seat >= 0 && myTurn(keccak256(toHex(subject)), seat, epoch!.members.length, clock.now() - (seen.get(subject) ?? clock.now()), leaderMs);
  }

  async function submit(step: RewardStep): Promise<void> {
    const args = argsOf(step);
    try {
      const abi = iFullNodeRewardsAbi as unknown as Abi;
      const data = encodeFunctionData({ abi, functionName: step.kind, args });
      const key = intentKey(platform.name, chainId, contract.address, step.kind, subjectOf(step));
      const { receipt } = await journal.submit({ key, chainId, to: contract.address, data, label: `rewards ${step.kind}`, abi, again: true });
      metrics.count("rewards_calls_total", { kind: step.kind });
      logger.info({ kind: step.kind, tx: receipt.transactionHash, gas: receipt.gasUsed }, `rewards: ${step.kind} is on chain`);
    } catch (error) {
      if (!isKeeperError(error) || !MILD.has(error.code)) throw error;
      logger.debug({ kind: step.kind, reason: messageOf(error) }, `rewards: ${step.kind} was not needed`);
    }
  }

  function argsOf(step: RewardStep): readonly unknown[] {
    if (step.kind === "count") return [step.epoch, step.hashes.map((hash) => store.header(hash)!.header)];
    if (step.kind === "claim") return [step.claims];
    return step.kind === "close" ? [step.epoch] : [];
  }

  return {
    async step() {
      for (const step of decideRewards(await look())) if (mine(step)) await submit(step);
    },
  };

  /** Collecting is asked for again and again: the epoch that is next to be closed tells the calls apart. */
  function subjectOf(step: RewardStep): string {
    if (step.kind === "count") return `count:${step.epoch}:${step.hashes[0]}:${step.hashes.length}`;
    if (step.kind === "claim") return `claim:${step.claims.map(({ epoch, seat }) => `${epoch}/${seat}`).join(",")}`;
    return step.kind === "close" ? `close:${step.epoch}` : `collect:${store.lastEpoch()?.epoch ?? 0n}:${Math.floor(clock.now() / 60_000)}`;
  }
}
