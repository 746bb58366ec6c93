import { type Address, type Hex, zeroHash } from "viem";
import {
  type BatchHeader,
  type ChannelStretch,
  Outcome,
  SettlementMode,
  Verification,
  compareReceipts,
  positionalTree,
  receiptLeaf,
  stretchLeaf,
  stretchesOf,
} from "../../../sdk/protocol/index.ts";
import { planBatch } from "../../proving/batch.ts";
import type { HeaderKind, PendingReceipt } from "./ledger.ts";

/** When receipts that wait become a batch. */
export interface BatchPolicy {
  /** As many at once. */
  size: number;
  /** Milliseconds since the last one came. */
  idleMs: number;
  /** Milliseconds since the first one came. */
  ageMs: number;
  /** Most receipts in one individual header. */
  settleSize: number;
  /** Milliseconds that a proven receipt waits for company: many proofs are checked together, for a quarter of the gas. Absent: not at all. */
  proofWaitMs?: number;
}

/** What the next header holds. */
export interface Plan {
  kind: HeaderKind;
  /** In the order of the tree. */
  receipts: PendingReceipt[];
}

/**
 * Decides the next header; pure. Individual receipts go first, as soon as their evidence is complete, proven ones in company; batch
 * receipts when they are many or have waited. One payment's receipts keep their order: a receipt whose elder still waits for its proof waits too.
 * A header names one key epoch, so receipts of an older epoch go in one of their own, first.
 */
export function planHeader(pending: readonly PendingReceipt[], now: number, policy: BatchPolicy): Plan | undefined {
  const individual = inFront(oneEpoch(ready(pending.filter((entry) => entry.settlementMode === SettlementMode.Individual))));
  const unproven = individual.filter((entry) => !entry.proof);
  const single = unproven.length > 0 ? unproven.slice(0, policy.settleSize) : inCompany(individual, now, policy);
  if (single.length > 0) return { kind: "settle", receipts: inTreeOrder(single) };

  const batch = oneEpoch(ready(pending.filter((entry) => entry.settlementMode === SettlementMode.Batch)));
  if (batch.length === 0) return undefined;
  const newest = Math.max(...batch.map((entry) => entry.storedAt));
  const oldest = Math.min(...batch.map((entry) => entry.storedAt));
  const due = batch.length >= policy.size || now - newest >= policy.idleMs || now - oldest >= policy.ageMs;
  return due ? { kind: "batch", receipts: inTreeOrder(batch) } : undefined;
}

/** Fields of the header that the plan decides; blob fields are the batch's alone. */
export function buildHeader(
  plan: Plan,
  chain: { nodeId: Hex; keyId: Hex; nonce: bigint; prevHeader: Hex },
  place: (paymentId: Hex) => { paymentChainId: bigint; escrow: Address },
  blob: { blobId: Hex; contentHash: Hex; format: number } = { blobId: zeroHash, contentHash: zeroHash, format: 0 },
): { header: BatchHeader; stretches: ChannelStretch[] } {
  const receipts = plan.receipts.map((entry) => entry.receipt);
  const stretches = stretchesOf(receipts, place);
  const times = receipts.map((receipt) => receipt.issuedAt);
  const header: BatchHeader = {
    ...chain,
    receiptsRoot: positionalTree(plan.receipts.map((entry) => receiptLeaf(entry.digest, entry.signature))).root,
    channelsRoot: positionalTree(stretches.map(stretchLeaf)).root,
    count: receipts.length,
    channels: stretches.length,
    totalCharge: receipts.reduce((sum, receipt) => sum + receipt.charge, 0n),
    minIssuedAt: times.reduce((least, time) => (time < least ? time : least)),
    maxIssuedAt: times.reduce((most, time) => (time > most ? time : most)),
    ...blob,
  };
  return { header, stretches };
}

/** Proven receipts, when they are enough or the oldest has waited enough. */
function inCompany(entries: readonly PendingReceipt[], now: number, { settleSize, proofWaitMs = 0 }: BatchPolicy): PendingReceipt[] {
  const items = entries.map((entry) => ({ id: entry.digest, entry, proof: entry.proof!.bytes, publicInputs: entry.proof!.publicInputs, readyAt: entry.storedAt, deadline: entry.storedAt }));
  const { send } = planBatch(items, { size: settleSize, maxWaitMs: proofWaitMs, marginMs: -Infinity }, now);
  return send.map(({ entry }) => entry);
}

/** True for a receipt that its terms let settle with a proof alone, and that has none yet. A free answer is proved as well; only an error has nothing to prove. */
export function lacksProof({ verification, proof, receipt }: PendingReceipt): boolean {
  return (verification === Verification.Zkml || verification === Verification.TeeAndZkml) && !proof && receipt.outcome !== Outcome.Error;
}

function ready(entries: readonly PendingReceipt[]): PendingReceipt[] {
  const blocked = new Set<Hex>();
  return [...entries]
    .sort((a, b) => compareReceipts(a.receipt, b.receipt))
    .filter((entry) => {
      if (lacksProof(entry)) blocked.add(entry.receipt.paymentId);
      return !blocked.has(entry.receipt.paymentId);
    });
}

/** Of each payment the receipts up to where proven and unproven change: those that wait for company are not overtaken by younger ones that do not. */
function inFront(entries: readonly PendingReceipt[]): PendingReceipt[] {
  const first = new Map<Hex, boolean>();
  const over = new Set<Hex>();
  return entries.filter(({ proof, receipt: { paymentId } }) => {
    if (!first.has(paymentId)) first.set(paymentId, proof !== undefined);
    if (first.get(paymentId) !== (proof !== undefined)) over.add(paymentId);
    return !over.has(paymentId);
  });
}

function oneEpoch(entries: PendingReceipt[]): PendingReceipt[] {
  const oldest = entries.reduce<PendingReceipt | undefined>((first, entry) => (!first || entry.storedAt < first.storedAt ? entry : first), undefined);
  return entries.filter((entry) => entry.receipt.keyId === oldest?.receipt.keyId);
}

function inTreeOrder(entries: readonly PendingReceipt[]): PendingReceipt[] {
  return [...entries].sort((a, b) => compareReceipts(a.receipt, b.receipt));
}
