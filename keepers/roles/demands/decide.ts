/** What to do about demands for a batch's data: pure, a snapshot in, steps out. */
import type { Hex } from "viem";

/** An open demand, as the chain and this node see it. */
export interface DemandView {
  id: bigint;
  headerHash: Hex;
  /** Opened by this node's key. */
  mine: boolean;
  /** The header is Posted or Certified. */
  pending: boolean;
  /** This node holds data that opens to the header's roots. */
  held: boolean;
  /** Since this node saw it, ms. */
  sinceMs: number;
  /** Since the time to answer ran out in seconds and blocks, ms of chain time; null while it runs. */
  overdueMs: number | null;
}

/** A pending header whose data this node wants and does not have. */
export interface Want {
  headerHash: Hex;
  /** Leaves of the receipts tree. */
  count: number;
  /** Since this node first missed the data, ms. */
  sinceMs: number;
  /** Demands for it, of anybody: open now, and opened by this node so far. */
  open: number;
  askedByUs: number;
  /** Unpredictable to the poster: chooses the leaves. */
  random: bigint;
}

export interface DemandPolicy {
  /** How long the data may be missing before it is demanded, ms. */
  askAfterMs: number;
  /** Demands of this node for one header, one after the other. */
  maxPerHeader: number;
  /** Whether it is this node's turn, so long after the occasion arose: peers must not all pay for the same thing. */
  turn(headerHash: Hex, sinceMs: number): boolean;
}

export type DemandStep =
  | { kind: "answer" | "enforce" | "close"; id: bigint }
  | { kind: "ask"; headerHash: Hex; first: number; count: number };

/** Leaves of one demand: the contract's limit. */
export const MAX_LEAVES = 16;

/** `bondFor` of Demands.sol at a base fee: asked by a call without a gas price, the chain would name the floor. */
export function bondFor(count: number, baseFee: bigint): bigint {
  const fee = baseFee < MIN_FEE ? MIN_FEE : baseFee;
  return 2n * fee * (ANSWER_GAS + BigInt(count) * LEAF_GAS);
}

const MIN_FEE = 1_000_000n; // 0.001 gwei
const ANSWER_GAS = 80_000n;
const LEAF_GAS = 40_000n;

export function decideDemands(demands: readonly DemandView[], wants: readonly Want[], policy: DemandPolicy): DemandStep[] {
  const steps: DemandStep[] = [];
  for (const { id, headerHash, mine, pending, held, sinceMs, overdueMs } of demands) {
    if (!pending) {
      // Decided by something else: only the asker has something to fetch.
      if (mine) steps.push({ kind: "close", id });
    } else if (held) {
      // Late data is better than none: the contract takes an answer until somebody enforces.
      if (policy.turn(headerHash, sinceMs)) steps.push({ kind: "answer", id });
    } else if (overdueMs !== null && (mine || policy.turn(headerHash, overdueMs))) {
      steps.push({ kind: "enforce", id });
    }
  }
  for (const { headerHash, count, sinceMs, open, askedByUs, random } of wants) {
    if (open > 0 || askedByUs >= policy.maxPerHeader || sinceMs < policy.askAfterMs) continue;
    if (!policy.turn(headerHash, sinceMs - policy.askAfterMs)) continue;
    const size = Math.min(MAX_LEAVES, count);
    steps.push({ kind: "ask", headerHash, first: Number(random % BigInt(count - size + 1)), count: size });
  }
  return steps;
}
