/** A payer's receipt against what its node has posted: pure. */
import type { Hex } from "viem";
import { type InferenceReceipt } from "../../../sdk/protocol/index.ts";

export interface Seen {
  digest: Hex;
  receipt: InferenceReceipt;
  signature: Hex;
}

/** A stretch of a standing header on the receipt's payment. */
export interface PostedStretch {
  headerHash: Hex;
  status: string;
  from: bigint;
  to: bigint;
}

export type WatchState =
  /** It stands in a header, as it was given. */
  | { state: "posted"; headerHash: Hex; status: string }
  /** The node signed something else for the same place: provable, and slashed once a key epoch. */
  | { state: "equivocated"; against: Hex }
  /** Headers have passed its place on the line without it. The payer owes nothing for it; nothing is provable. */
  | { state: "omitted"; passedBy: Hex }
  /** No header can take it any more. */
  | { state: "expired" }
  | { state: "pending" };

export interface WatchView {
  mine: Seen;
  /** Other receipts of the same node and payment, from headers and from other payers' reports. */
  others: readonly Seen[];
  posted: { headerHash: Hex; status: string } | null;
  stretches: readonly PostedStretch[];
  /** Seconds, settlement chain. */
  now: bigint;
  maxAge: bigint;
}

const end = ({ cumulativeBefore, charge }: InferenceReceipt): bigint => cumulativeBefore + charge;

/** BatchFaults.equivocates: two receipts of one node that exclude each other. */
export function equivocates(a: InferenceReceipt, b: InferenceReceipt): boolean {
  if (a.nodeId !== b.nodeId || a.paymentId !== b.paymentId) return false;
  if (a.sequence === b.sequence) return true;
  return a.charge !== 0n && b.charge !== 0n && a.cumulativeBefore < end(b) && b.cumulativeBefore < end(a);
}

export function decideWatch({ mine, others, posted, stretches, now, maxAge }: WatchView): WatchState {
  const other = others.find(({ digest, receipt }) => digest !== mine.digest && equivocates(mine.receipt, receipt));
  if (other) return { state: "equivocated", against: other.digest };
  if (posted) return { state: "posted", ...posted };
  // A part of a standing stretch, or behind one that begins later: the next header of this payment cannot take it back in order.
  const passed = stretches.find(({ to }) => to > mine.receipt.cumulativeBefore);
  if (passed) return { state: "omitted", passedBy: passed.headerHash };
  return now > mine.receipt.issuedAt + maxAge ? { state: "expired" } : { state: "pending" };
}
