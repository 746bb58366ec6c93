/** The arrows before a nonce is taken: planned -> simulated -> signed, or abandoned. */
import type { Head } from "../chain/index.ts";
import { retryable } from "../errors/index.ts";
import { overLimit, suggestFees } from "./fees.ts";
import type { LaneContext } from "./lane-context.ts";
import type { IntentRow } from "./types.ts";

const DAY_MS = 86_400_000;

export interface Preparation {
  fromPlanned(intent: IntentRow, head: Head): Promise<void>;
  /** @param mined Transactions of the signer that are in blocks. */
  fromSimulated(intent: IntentRow, head: Head, mined: number): Promise<void>;
}

export function preparation(lane: LaneContext): Preparation {
  const { pool, signer, journal, clock, reverts, limits, chain, chainId, arrow, end, wait, isDone, stop, stopped } = lane;

  async function refused(intent: IntentRow, error: unknown): Promise<void> {
    const revert = reverts.read(error);
    if (!revert) throw error;
    if (await isDone(intent)) return end(intent, "superseded", null, null);
    await end(intent, "abandoned", `revert:${revert.name ?? "unknown"}`, revert.text);
  }

  async function fromPlanned(intent: IntentRow, head: Head): Promise<void> {
    if (intent.deadline !== null && head.timestamp > intent.deadline) return end(intent, "abandoned", "tx.deadline", `deadline ${intent.deadline} passed`);
    if (await isDone(intent)) return end(intent, "superseded", null, null);
    try {
      await chain.simulate(intent);
    } catch (error) {
      return refused(intent, error);
    }
    await arrow(intent, ["planned"], "simulated");
  }

  async function fromSimulated(intent: IntentRow, head: Head, mined: number): Promise<void> {
    if (intent.deadline !== null && head.timestamp > intent.deadline) return end(intent, "abandoned", "tx.deadline", `deadline ${intent.deadline} passed`);
    let gas: bigint;
    try {
      gas = intent.gas ?? (await chain.estimateGas(intent));
    } catch (error) {
      return refused(intent, error);
    }
    const fees = await suggestFees(pool, head.baseFeePerGas);
    const over = overLimit(fees, gas, limits, spentToday());
    if (over) return wait(intent, over);
    const nonce = await nextNonce(mined);
    const signed = await signer.signTransaction({ chainId, to: intent.to, data: intent.data, value: intent.value, nonce, gas, ...fees });
    const attempt = lane.attempt(intent, "send", nonce, signed, gas, fees, head);
    await arrow(intent, ["simulated"], "signed", { nonce }, () => {
      journal.addAttempt(attempt, clock.now());
      journal.setLane(chainId, signer.address, nonce + 1);
    });
  }

  async function nextNonce(mined: number): Promise<number> {
    const lane = journal.lane(chainId, signer.address);
    // A key that was used before this journal began: its past is the base line, including what still waits in a pool.
    if (!lane) return Math.max(mined, await chain.pendingCount(signer.address));
    if (mined > lane.nextNonce) stop(`nonce ${lane.nextNonce} was used by a transaction that is not ours`);
    if (lane.stopped ?? stopped()) throw retryable("tx.lane_stopped", `The signer is stopped: ${stopped()}.`, { chainId });
    return lane.nextNonce;
  }

  function spentToday(): bigint {
    return journal.worstCostSince(chainId, signer.address, clock.now() - DAY_MS);
  }

  return { fromPlanned, fromSimulated };
}
