/**
 * The state machine of one signer on one chain. Every arrow is one committed transaction and its effect comes after the
 * commit, so a process that dies anywhere finds on restart all that it ever signed and continues from there.
 */
import type { Head } from "../chain/index.ts";
import { isKeeperError, isRetryable, messageOf } from "../errors/index.ts";
import { flight, IN_FLIGHT } from "./flight.ts";
import { gapMender } from "./gap.ts";
import { laneContext, type LaneDeps } from "./lane-context.ts";
import { preparation } from "./preparation.ts";
import { type IntentRow, TERMINAL } from "./types.ts";

export type { JournalHook } from "./lane-context.ts";

export interface Lane {
  readonly chainId: number;
  /** Takes every open intent as far as it goes now. Returns how many are still open. */
  tick(): Promise<number>;
  /** Why nothing new is signed, or null. */
  stopped(): string | null;
  resume(): Promise<void>;
  cancel(id: number): Promise<void>;
  bump(id: number): Promise<void>;
  waiting(id: number): string | null;
}

export function createLane(deps: LaneDeps): Lane {
  const context = laneContext(deps);
  const { signer, journal, lease, timing, chain, chainId, arrow, end, wait, stopped } = context;
  const { fromPlanned, fromSimulated } = preparation(context);
  const { send, fromInFlight, fromMined, replace } = flight(context);
  const mendGap = gapMender(context);

  /** One arrow. Returns whether another may follow at once. */
  async function advance(intent: IntentRow, head: Head, mined: number): Promise<boolean> {
    if (intent.state === "planned") await fromPlanned(intent, head);
    else if (intent.state === "simulated") await fromSimulated(intent, head, mined);
    else if (intent.state === "signed") {
      await arrow(intent, ["signed"], "broadcast");
      await send(intent, journal.attempts(intent.id).at(-1)!, "broadcast");
    } else if (intent.state === "mined") await fromMined(intent, head);
    else await fromInFlight(intent, head, mined);
    const now = journal.byId(intent.id)!;
    return now.state !== intent.state && !TERMINAL.has(now.state);
  }

  async function advanceSafely(row: IntentRow, head: Head, mined: number): Promise<void> {
    let intent = row;
    try {
      while (await advance(intent, head, mined)) intent = journal.byId(intent.id)!;
    } catch (error) {
      if (isKeeperError(error) && error.code === "tx.lease_lost") throw error;
      intent = journal.byId(row.id)!;
      if (!isRetryable(error) && intent.nonce === null && isKeeperError(error)) return end(intent, "abandoned", error.code, error.message);
      wait(intent, messageOf(error));
    }
  }

  const lane: Lane = {
    chainId,
    stopped,
    waiting: context.waiting,
    async tick() {
      lease.renew();
      let open = journal.open(chainId, signer.address);
      // A lane with a past looks at the chain even when it is idle: what it finished may have been lost again.
      if (open.length === 0 && !journal.lane(chainId, signer.address)) return 0;
      const head = await chain.head();
      const mined = await chain.minedCount(signer.address, head);
      if (await mendGap(mined, open, head)) open = journal.open(chainId, signer.address);
      let inFlight = open.filter(({ nonce }) => nonce !== null).length;
      for (const intent of open) {
        if (intent.nonce === null) {
          if (stopped()) {
            wait(intent, `the signer is stopped: ${stopped()}`);
            continue;
          }
          if (inFlight >= timing.maxInFlight) continue;
          inFlight++;
        }
        await advanceSafely(intent, head, mined);
      }
      return journal.open(chainId, signer.address).length;
    },
    async resume() {
      const head = await chain.head();
      const mined = await chain.minedCount(signer.address, head);
      const open = journal.open(chainId, signer.address).filter(({ state }) => state === "foreign");
      for (const intent of open) await end(intent, "cancelled", "tx.foreign_nonce", "the nonce went to a foreign transaction");
      journal.setLane(chainId, signer.address, Math.max(mined, journal.lane(chainId, signer.address)?.nextNonce ?? 0), null);
    },
    async cancel(id) {
      const intent = journal.byId(id);
      if (!intent || TERMINAL.has(intent.state)) return;
      if (intent.nonce === null) return end(intent, "abandoned", "tx.cancelled_by_operator", "cancelled by the operator");
      if (intent.state === "signed") await arrow(intent, ["signed"], "broadcast");
      const now = journal.byId(id)!;
      if (now.state === "broadcast" || now.state === "bumped") await replace(now, journal.attempts(id), await chain.head(), "cancel", "cancelled");
    },
    async bump(id) {
      const intent = journal.byId(id);
      if (!intent || !IN_FLIGHT.includes(intent.state)) return;
      await replace(intent, journal.attempts(id), await chain.head(), intent.state === "cancelling" ? "cancel" : "send", null);
    },
  };
  return lane;
}
