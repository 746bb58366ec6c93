/** What the payment chain's inbox has to be told of the committee, and when: pure, from what both chains show. */
import type { Hex } from "viem";
import { type Finality, type Rotation } from "../../../sdk/protocol/index.ts";

export interface HandoverView {
  payment: { chainId: bigint; inbox: Hex; /** Seconds, the payment chain's head. */ now: bigint };
  inbox: { epoch: bigint; lastHeardAt: bigint; /** T_silent, seconds. */ silence: bigint };
  settlement: {
    /** Seconds, of the newest block that counts as lasting here. */
    now: bigint;
    block: bigint;
    /** Longest life of a statement. */
    certificateLife: bigint;
  };
  /** The epoch after the inbox's, if the settlement chain has it, with the block of its start. */
  next: { epoch: bigint; listHash: Hex; block: bigint } | null;
}

export type HandoverStep = { kind: "rotation"; message: Rotation } | { kind: "beat"; message: Finality };

const NOTHING: Hex = `0x${"00".repeat(32)}`;
/** Keep-alives per T_silent: a quarter of it is when nodes stop intake, so that three may fail before anything happens. */
const BEATS = 16n;
const LEAST_BEAT = 10n;

/** Seconds of silence after which the committee says that it is there. */
export const beatAfter = (silence: bigint): bigint => (silence / BEATS > LEAST_BEAT ? silence / BEATS : LEAST_BEAT);

/**
 * What this member should have signed by now. Every member comes to the same bytes within one slot of time: all inputs are
 * the chains', and times are rounded down to slots.
 */
export function decideHandover({ payment, inbox, settlement, next }: HandoverView): HandoverStep[] {
  if (inbox.epoch === 0n) return []; // the bootstrapper's turn
  const place = { paymentChainId: payment.chainId, inbox: payment.inbox };
  const slot = (length: bigint) => (settlement.now / length) * length;
  const steps: HandoverStep[] = [];
  // A list that a reorganisation can still take back must not be signed: that would be slashable.
  if (next && next.epoch === inbox.epoch + 1n && next.block <= settlement.block) {
    const half = settlement.certificateLife / 2n || 1n;
    steps.push({ kind: "rotation", message: { ...place, epoch: next.epoch, listHash: next.listHash, validUntil: slot(half) + settlement.certificateLife } });
  }
  // A hand-over winds the clock too; the next look decides again.
  const period = beatAfter(inbox.silence);
  if (steps.length === 0 && payment.now >= inbox.lastHeardAt + period) {
    const settledAt = slot(period);
    steps.push({
      kind: "beat",
      message: { ...place, committeeEpoch: inbox.epoch, headerHash: NOTHING, slot: NOTHING, channelsRoot: NOTHING, status: 0, settledAt, validUntil: settledAt + settlement.certificateLife },
    });
  }
  return steps;
}
