/** Whether the committee still speaks on the payment chain: without it, held money cannot be released, only acknowledged or refunded. */
import { iSettlementInboxAbi } from "../../../types/abi/ISettlementInbox.ts";
import { messageOf } from "../../errors/index.ts";
import type { Platform } from "../platform.ts";

/** Seconds. What a busy machine on a devnet may take between two keep-alives. */
const LEAST_STOP = 60;

/** Seconds of silence at which held intake stops: T_silent / 4 (PROTOCOL section 6: 6 h of 24 h), unless the operator says otherwise. */
export function stopAfter(inboxSilence: number, configured = 0): number {
  return configured > 0 ? configured : Math.max(LEAST_STOP, Math.floor(inboxSilence / 4));
}

export interface InboxWatch {
  /** Why no held work is taken now; undefined when it is. */
  heldIntake(): string | undefined;
  /** Seconds since the inbox heard the committee, as far as this node knows; null before the first look. */
  silentFor(): number | null;
  step(): Promise<void>;
}

/** @param configured Seconds; 0: a quarter of the inbox's own T_silent. */
export function inboxWatch({ payment, clock, logger }: Pick<Platform, "payment" | "clock" | "logger">, configured: number): InboxWatch {
  const log = logger.child({ part: "inbox" });
  const inbox = { address: payment!.deployment.address("SettlementInbox"), abi: iSettlementInboxAbi } as const;
  let limit: number | null = null;
  let seen: { silentFor: number; at: number } | null = null;
  let stopped = false;

  /** By the chain's time; while the chain cannot be read, the time since the last look counts as silence. */
  function silentFor(): number | null {
    return seen && seen.silentFor + Math.max(0, Math.floor((clock.now() - seen.at) / 1000));
  }

  function heldIntake(): string | undefined {
    const seconds = silentFor();
    if (seconds === null || limit === null) return "the payment chain's inbox has not been read yet";
    return seconds > limit ? `the committee has been silent on the payment chain for ${seconds} s (limit ${limit} s)` : undefined;
  }

  return {
    heldIntake,
    silentFor,
    async step() {
      try {
        limit ??= stopAfter((await payment!.client.readContract({ ...inbox, functionName: "times" })).silence, configured);
        const heardAt = await payment!.client.readContract({ ...inbox, functionName: "lastHeardAt" });
        const head = await payment!.pool.head();
        seen = { silentFor: Math.max(0, Number(head.timestamp - heardAt)), at: clock.now() };
      } catch (error) {
        log.debug({ reason: messageOf(error) }, "the inbox could not be read");
      }
      const reason = heldIntake();
      if ((reason !== undefined) === stopped) return;
      stopped = reason !== undefined;
      if (stopped) log.error({ reason }, "held intake stops; Acks and private terms go on");
      else log.info({ silentFor: silentFor() }, "held intake is open");
    },
  };
}
