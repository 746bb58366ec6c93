/** The arrows of a transaction that is out: broadcast, bumped, cancelling, mined, and back when a block goes away. */
import type { Hex } from "viem";
import type { Head } from "../chain/index.ts";
import { messageOf } from "../errors/index.ts";
import { combine, verdictOf } from "./dialects.ts";
import { bumped, overLimit, suggestFees } from "./fees.ts";
import type { LaneContext, NewAttempt } from "./lane-context.ts";
import type { MoveFields } from "./store.ts";
import type { AttemptRow, IntentRow, IntentState, TxReceipt } from "./types.ts";

export const IN_FLIGHT: readonly IntentState[] = ["broadcast", "bumped", "cancelling"];
export const CANCEL_GAS = 21_000n;
/** How often the chain must show a nonce used by none of our hashes before we believe it. */
export const FOREIGN_PROOFS = 4;
const RESEND_MS = 5_000;

export interface Flight {
  send(intent: IntentRow, attempt: NewAttempt, state: IntentState): Promise<void>;
  fromInFlight(intent: IntentRow, head: Head, mined: number): Promise<void>;
  fromMined(intent: IntentRow, head: Head): Promise<void>;
  /** A dearer transaction with the same nonce: the same thing again, or an empty self transfer. */
  replace(intent: IntentRow, attempts: AttemptRow[], head: Head, kind: "send" | "cancel", cancelTo: IntentState | null): Promise<void>;
}

export function flight(lane: LaneContext): Flight {
  const { pool, signer, journal, clock, logger, limits, timing, hook, chain, chainId, lastSent, suspicion, arrow, end, wait, isDone, stop } = lane;

  async function send(intent: IntentRow, attempt: NewAttempt, state: IntentState): Promise<void> {
    lastSent.set(intent.id, clock.now());
    const outcomes = await pool.sendToAll(attempt.raw);
    const verdict = combine(outcomes.map(({ error }) => verdictOf(error)));
    if (verdict !== "accepted") {
      const words = outcomes.map(({ endpoint, error }) => `${endpoint}: ${error === undefined ? "accepted" : messageOf(error)}`);
      logger.debug({ intent: intent.id, verdict, words }, "send was not plainly accepted");
    }
    if (verdict === "no-funds") wait(intent, "the signer's balance is too low");
    await hook(`${state}:sent`);
  }

  async function fromInFlight(intent: IntentRow, head: Head, mined: number): Promise<void> {
    const attempts = journal.attempts(intent.id);
    const receipt = await findReceipt(attempts);
    if (receipt) {
      suspicion.delete(intent.id);
      return arrow(intent, [...IN_FLIGHT, "foreign"], "mined", mineFields(receipt));
    }
    if (intent.nonce !== null && mined > intent.nonce) return suspect(intent);
    suspicion.delete(intent.id);
    if (intent.state === "foreign") return;
    const last = attempts.at(-1)!;
    const cancelling = intent.state === "cancelling";
    if (!cancelling && intent.deadline !== null && head.timestamp > intent.deadline) return replace(intent, attempts, head, "cancel", "cancelled");
    const patient = head.timestamp - last.chainTime < timing.bumpAfterSeconds || head.number - last.chainBlock < timing.bumpAfterBlocks;
    const sentAt = lastSent.get(intent.id);
    if (sentAt === undefined || (clock.now() - sentAt >= RESEND_MS && !(await chain.isKnown(last.hash)))) return send(intent, last, intent.state);
    if (patient) return;
    if (!cancelling && (await isDone(intent))) return replace(intent, attempts, head, "cancel", "superseded");
    if (attempts.length > timing.maxBumps) return wait(intent, `no receipt after ${attempts.length} attempts`);
    await replace(intent, attempts, head, cancelling ? "cancel" : "send", null);
  }

  async function replace(intent: IntentRow, attempts: AttemptRow[], head: Head, kind: "send" | "cancel", cancelTo: IntentState | null): Promise<void> {
    const last = attempts.at(-1)!;
    const fees = bumped({ maxFeePerGas: last.maxFee, maxPriorityFeePerGas: last.priorityFee }, await suggestFees(pool, head.baseFeePerGas));
    const gas = kind === "cancel" ? CANCEL_GAS : last.gas;
    const over = overLimit(fees, gas, limits, 0n);
    if (over) return wait(intent, over);
    const call = kind === "cancel" ? { to: signer.address, data: "0x" as Hex, value: 0n } : { to: intent.to, data: intent.data, value: intent.value };
    const signed = await signer.signTransaction({ chainId, ...call, nonce: intent.nonce!, gas, ...fees });
    const attempt = lane.attempt(intent, kind, intent.nonce!, signed, gas, fees, head);
    const to = kind === "cancel" ? "cancelling" : "bumped";
    await arrow(intent, ["broadcast", "bumped", "cancelling"], to, cancelTo ? { cancelTo } : {}, () => journal.addAttempt(attempt, clock.now()));
    await send(intent, attempt, to);
  }

  /** The nonce is used and no receipt of ours is there: an endpoint behind, a lie, or another writer with our key. */
  async function suspect(intent: IntentRow): Promise<void> {
    const proofs = (suspicion.get(intent.id) ?? 0) + 1;
    suspicion.set(intent.id, proofs);
    if (proofs < FOREIGN_PROOFS || intent.state === "foreign") return;
    const reason = `nonce ${intent.nonce} was used by a transaction that is not ours`;
    await arrow(intent, IN_FLIGHT, "foreign", { code: "tx.foreign_nonce", message: reason }, () => stop(reason));
  }

  async function findReceipt(attempts: readonly AttemptRow[]): Promise<TxReceipt | null> {
    for (const { hash } of attempts.toReversed()) {
      const receipt = await chain.receipt(hash);
      if (receipt) return receipt;
    }
    return null;
  }

  async function fromMined(intent: IntentRow, head: Head): Promise<void> {
    if ((await chain.blockHash(intent.blockNumber!)) !== intent.blockHash) {
      logger.warn({ intent: intent.id, block: intent.blockNumber }, "reorganisation: the transaction's block is gone");
      const back = intent.cancelTo ? "cancelling" : "broadcast";
      await arrow(intent, ["mined"], back, { hash: null, blockNumber: null, blockHash: null, receipt: null });
      lastSent.delete(intent.id);
      return;
    }
    if (head.number - intent.blockNumber! + 1n < BigInt(timing.confirmations)) return;
    const receipt = intent.receipt!;
    const attempt = journal.attempts(intent.id).find(({ hash }) => hash === intent.hash);
    if (attempt?.kind === "cancel") return end(intent, intent.cancelTo ?? "cancelled", null, null);
    if (receipt.status === "reverted") {
      if (await isDone(intent)) return end(intent, "superseded", null, null);
      return end(intent, "reverted", "tx.mined_reverted", `reverted in block ${intent.blockNumber}`);
    }
    const emitted = receipt.logs.some((log) => log.topics[0] === intent.expectEvent && log.address.toLowerCase() === intent.to.toLowerCase());
    if (intent.expectEvent && !emitted) return end(intent, "reverted", "tx.event_missing", `no event ${intent.expectEvent}`);
    await end(intent, "final", null, null);
  }

  return { send, fromInFlight, fromMined, replace };
}

function mineFields(receipt: TxReceipt): Partial<MoveFields> {
  return { hash: receipt.transactionHash, blockNumber: receipt.blockNumber, blockHash: receipt.blockHash, receipt };
}
