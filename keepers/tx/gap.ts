/**
 * The nonce line as a whole: nonces below our next one that the chain has lost. Reopened if the bytes are there, filled
 * with an empty self transfer if they are not; otherwise everything behind them would wait for ever.
 */
import type { Head } from "../chain/index.ts";
import { suggestFees } from "./fees.ts";
import { CANCEL_GAS, FOREIGN_PROOFS } from "./flight.ts";
import type { LaneContext } from "./lane-context.ts";
import type { IntentRow, IntentState } from "./types.ts";

/** Returns whether it opened something. */
export type MendGap = (mined: number, open: readonly IntentRow[], head: Head) => Promise<boolean>;

export function gapMender(context: LaneContext): MendGap {
  const { pool, signer, store, journal, lease, clock, logger, chainId, arrow } = context;
  let gapSeen = 0;

  return async function mendGap(mined, open, head) {
    const lane = journal.lane(chainId, signer.address);
    if (!lane || mined >= lane.nextNonce || open.some(({ nonce, state }) => nonce === mined && state !== "mined")) {
      gapSeen = 0;
      return false;
    }
    // A mined row at that nonce is about to notice its own reorganisation; a lagging endpoint catches up.
    if (++gapSeen < FOREIGN_PROOFS || open.some(({ nonce }) => nonce === mined)) return false;
    const owner = store.get<{ id: number; state: IntentState }>(
      "SELECT id, state FROM intents WHERE chain_id = ? AND signer = ? AND nonce = ?", chainId, signer.address, mined,
    );
    gapSeen = 0;
    if (owner) {
      logger.error({ intent: owner.id, nonce: mined }, "reorganisation deeper than the confirmations: reopened");
      const row = journal.byId(owner.id)!;
      await arrow(row, [owner.state], row.cancelTo ? "cancelling" : "broadcast", { hash: null, blockNumber: null, blockHash: null, receipt: null });
      return true;
    }
    const fees = await suggestFees(pool, head.baseFeePerGas);
    const signed = await signer.signTransaction({ chainId, to: signer.address, data: "0x", value: 0n, nonce: mined, gas: CANCEL_GAS, ...fees });
    store.transaction(() => {
      lease.assertHeld();
      const key = `filler:${chainId}:${signer.address}:${mined}:${signed.hash}`;
      const row = journal.plan({ key, chainId, to: signer.address, data: "0x", label: "fill nonce" }, signer.address, clock.now());
      journal.move(row.id, ["planned"], "cancelling", clock.now(), { nonce: mined, cancelTo: "cancelled" });
      journal.addAttempt(context.attempt(row, "cancel", mined, signed, CANCEL_GAS, fees, head), clock.now());
    });
    return true;
  };
}
