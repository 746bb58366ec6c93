/** `settleRun`: an individual settlement without what follows from the rest. Fields as in contracts/types/Settlement.sol. */
import { type Address, type Hex, size, zeroHash } from "viem";
import { type BatchHeader, type ChannelStretch, prevHeaderOf, receiptLeaf, slotNumberOf, stretchLeaf, stretchesOf } from "./batch.ts";
import type { ProtocolDomain } from "./domain.ts";
import { Verification } from "./enums.ts";
import { type InferenceReceipt, receiptDigest } from "./receipt.ts";
import { type Terms, termsHash } from "./terms.ts";
import { positionalTree } from "./tree.ts";

/** One payment's receipts in a run. */
export interface RunStretch {
  paymentId: Hex;
  paymentChainId: bigint;
  escrow: Address;
  cumulativeBefore: bigint;
  sequence: bigint;
  count: number;
}

/** One receipt of a run: what does not follow from the receipts before it and from what all share. */
export interface RunItem {
  requestHash: Hex;
  responseHash: Hex;
  charge: bigint;
  inputUnits: bigint;
  outputUnits: bigint;
  issuedAt: bigint;
  outcome: number;
  /** Which of the statements is the receipt's own; 0 in a run without proofs. */
  place: number;
  signature: Hex;
}

/** What `settleRun` and `settleProvedRun` take, as `encodeRun` writes it. */
export interface Run {
  terms: Terms;
  keyId: Hex;
  modelId: Hex;
  /** Number of the node's slot that keeps the header; 0 for one of its own. */
  slot: number;
  stretches: RunStretch[];
  /** Over the header's digest. */
  signature: Hex;
  items: RunItem[];
}

export interface RunReceipt {
  receipt: InferenceReceipt;
  signature: Hex;
}

/** What fits into a run's fields: above, `settle` takes it. */
const [MAX_STRETCHES, MAX_CHAIN_ID] = [(1 << 16) - 1, (1n << 64n) - 1n];

/**
 * The run that makes this very header, or null when a run cannot: several keys, models or terms, vanilla terms, a blob, a
 * gap in a payment's line or sequences, signatures of several lengths, a payment chain's id of more than 64 bits, more than 65,535
 * stretches. Then `settle` takes it.
 * @param receipts In the header's order.
 * @param places For each receipt, which of the statements is its own.
 */
export function runOf(
  settlement: { header: BatchHeader; signature: Hex; stretches: readonly ChannelStretch[] },
  receipts: readonly RunReceipt[],
  terms: Terms,
  places: readonly number[] = receipts.map(() => 0),
): Run | null {
  const { header, stretches } = settlement;
  const { receipt: first, signature: firstSignature } = receipts[0]!;
  const same = receipts.every(({ receipt, signature }) =>
    receipt.keyId === first.keyId && receipt.modelId === first.modelId && receipt.termsHash === first.termsHash && size(signature) === size(firstSignature));
  const plain = header.blobId === zeroHash && header.contentHash === zeroHash && header.format === 0 && slotNumberOf(header) < 2n ** 32n;
  if (!same || !plain || first.termsHash !== termsHash(terms) || terms.verification === Verification.Vanilla) return null;
  if (stretches.length > MAX_STRETCHES || stretches.some(({ paymentChainId }) => paymentChainId > MAX_CHAIN_ID)) return null;
  if (new Set(stretches.map(({ paymentId }) => paymentId)).size !== stretches.length) return null;
  const inSequence = stretches.every(({ firstLeaf, leafCount }) =>
    receipts.slice(firstLeaf, firstLeaf + leafCount).every(({ receipt }, i) => receipt.sequence === receipts[firstLeaf]!.receipt.sequence + BigInt(i)));
  if (!inSequence) return null;

  return {
    terms,
    keyId: first.keyId,
    modelId: first.modelId,
    slot: Number(slotNumberOf(header)),
    stretches: stretches.map(({ paymentId, paymentChainId, escrow, from, firstLeaf, leafCount }) => ({
      paymentId, paymentChainId, escrow, cumulativeBefore: from, sequence: receipts[firstLeaf]!.receipt.sequence, count: leafCount,
    })),
    signature: settlement.signature,
    items: receipts.map(({ receipt: { requestHash, responseHash, charge, inputUnits, outputUnits, issuedAt, outcome }, signature }, i) => ({
      requestHash, responseHash, charge, inputUnits, outputUnits, issuedAt, outcome, place: places[i]!, signature,
    })),
  };
}

/**
 * Header and receipts that a run stands for: what the contract computes.
 * @param run As `decodeRun` gives it: its stretches cover its items.
 * @param chain Place in the node's chain; the hash of the header before, or the 24 bytes that the chain keeps of it.
 */
export function readRun(
  run: Run,
  chain: { nonce: bigint; prevHeader: Hex },
  domain: ProtocolDomain,
): { header: BatchHeader; signature: Hex; stretches: ChannelStretch[]; items: RunReceipt[] } {
  const { keyId, modelId } = run;
  const { nodeId } = run.terms;
  const hash = termsHash(run.terms);
  const items: RunReceipt[] = [];
  for (const { paymentId, cumulativeBefore, sequence, count } of run.stretches) {
    let end = cumulativeBefore;
    for (let i = 0; i < count; i++) {
      const { signature, place: _, ...own } = run.items[items.length]!;
      const receipt: InferenceReceipt = { nodeId, keyId, modelId, termsHash: hash, ...own, paymentId, cumulativeBefore: end, sequence: sequence + BigInt(i) };
      end += receipt.charge;
      items.push({ receipt, signature });
    }
  }
  const receipts = items.map(({ receipt }) => receipt);
  const places = new Map(run.stretches.map((stretch) => [stretch.paymentId, stretch]));
  const stretches = stretchesOf(receipts, (paymentId) => {
    const { paymentChainId, escrow } = places.get(paymentId)!;
    return { paymentChainId, escrow };
  });
  const times = receipts.map(({ issuedAt }) => issuedAt);
  const header: BatchHeader = {
    nodeId,
    keyId,
    nonce: chain.nonce,
    prevHeader: prevHeaderOf(chain.prevHeader, BigInt(run.slot)),
    receiptsRoot: positionalTree(items.map(({ receipt, signature }) => receiptLeaf(receiptDigest(receipt, domain), signature))).root,
    channelsRoot: positionalTree(stretches.map(stretchLeaf)).root,
    count: items.length,
    channels: stretches.length,
    totalCharge: receipts.reduce((sum, { charge }) => sum + charge, 0n),
    minIssuedAt: times.reduce((least, time) => (time < least ? time : least)),
    maxIssuedAt: times.reduce((most, time) => (time > most ? time : most)),
    blobId: zeroHash,
    contentHash: zeroHash,
    format: 0,
  };
  return { header, signature: run.signature, stretches, items };
}
