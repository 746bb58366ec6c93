/** What a process settles before it ends. The key that signed its receipts dies with it: what is in no header then, never gets into one. */
import type { Hex } from "viem";
import type { Clock } from "../../clock/index.ts";
import { isRetryable, messageOf } from "../../errors/index.ts";
import type { Logger } from "../../logger/index.ts";
import type { InferenceLedger, PendingReceipt } from "./ledger.ts";
import { lacksProof } from "./plan.ts";

export interface LastHeadersDeps {
  ledger: InferenceLedger;
  /** True for a key epoch of this process: only its receipts are worth waiting for. */
  mine(keyId: Hex): boolean;
  /** Milliseconds, from the begin of the stop, that outstanding proofs are waited for. */
  waitMs: number;
  clock: Clock;
  log: Logger;
}

const POLL_MS = 250;

export function lastHeaders({ ledger, mine, waitMs, clock, log }: LastHeadersDeps) {
  /** Receipts of this process that only a proof lets settle, and that have none yet. */
  const unproven = (): PendingReceipt[] => ledger.pending(Number.MAX_SAFE_INTEGER).filter((entry) => lacksProof(entry) && mine(entry.receipt.keyId));

  return {
    unproven,

    /**
     * Settles everything that can be settled, at once; then waits for the proofs that are being made, at most until `waitMs` after the call,
     * and settles what they and their younger ones waited for. The proving job must run meanwhile, and intake be closed.
     * A receipt that is still unproven is set aside, so that younger ones of its payment go on.
     * @param settle One settlement pass; true when there is more to do.
     * @throws What the last settlement throws; its receipts stay pending.
     */
    async settle(settle: (options: { everything: true }) => Promise<boolean>): Promise<void> {
      const until = clock.now() + waitMs;
      const all = async () => {
        while (await settle({ everything: true }));
      };
      const outstanding = unproven().length;
      if (outstanding === 0) return all();
      // First, for the process may be killed while it waits. A chain that does not answer now may do so afterwards.
      await all().catch((error: unknown) => {
        if (!isRetryable(error)) throw error;
        log.warn({ reason: messageOf(error) }, "not everything is settled yet; tried again after the proofs");
      });
      log.info({ outstanding, waitMs }, "the stop waits for proofs");
      while (unproven().length > 0 && clock.now() < until) await clock.sleep(Math.min(POLL_MS, until - clock.now()));
      const given = unproven();
      for (const { digest, receipt } of given) {
        ledger.failProof(digest, "proving.stopped");
        log.error({ digest, modelId: receipt.modelId }, "no proof in time; the receipt is not settled");
      }
      await all();
    },
  };
}
