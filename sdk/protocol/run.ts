/** `settleRun`: an individual settlement without what follows from the rest. Fields as in contracts/types/Settlement.sol. */
import { type Address, type Hex, concatHex, hexToBigInt, hexToNumber, numberToHex, size, sliceHex, zeroHash } from "viem";
import { type BatchHeader, type ChannelStretch, receiptLeaf, stretchLeaf, stretchesOf, tipOf } from "./batch.ts";
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

/** What `settleRun` and `settleProvedRun` take. */
export interface Run {
  terms: Terms;
  keyId: Hex;
  modelId: Hex;
  /** Number of the node's slot that keeps the header; 0 for one of its own. */
  slot: number;
  stretches: RunStretch[];
  items: Hex;
}

export interface RunReceipt {
  receipt: InferenceReceipt;
  signature: Hex;
}

/** Bytes of an item before its signature. */
const ITEM = 107;

/**
 * The run that makes this very header, or null when a run cannot: several keys, models or terms, vanilla terms, a blob, a
 * gap in a payment's line or sequences, signatures of several lengths. Then `settle` takes it.
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
  const plain = header.blobId === zeroHash && BigInt(header.contentHash) < 2n ** 32n && header.format === 0 && tipOf(header.prevHeader) === header.prevHeader;
  if (!same || !plain || first.termsHash !== termsHash(terms) || terms.verification === Verification.Vanilla) return null;
  if (new Set(stretches.map(({ paymentId }) => paymentId)).size !== stretches.length) return null;
  const inSequence = stretches.every(({ firstLeaf, leafCount }) =>
    receipts.slice(firstLeaf, firstLeaf + leafCount).every(({ receipt }, i) => receipt.sequence === receipts[firstLeaf]!.receipt.sequence + BigInt(i)));
  if (!inSequence) return null;

  return {
    terms,
    keyId: first.keyId,
    modelId: first.modelId,
    slot: hexToNumber(header.contentHash),
    stretches: stretches.map(({ paymentId, paymentChainId, escrow, from, firstLeaf, leafCount }) => ({
      paymentId, paymentChainId, escrow, cumulativeBefore: from, sequence: receipts[firstLeaf]!.receipt.sequence, count: leafCount,
    })),
    items: concatHex([settlement.signature, ...receipts.map(({ receipt, signature }, i) => encodeItem(receipt, signature, places[i]!))]),
  };
}

function encodeItem(receipt: InferenceReceipt, signature: Hex, place: number): Hex {
  return concatHex([
    receipt.requestHash, receipt.responseHash, numberToHex(receipt.charge, { size: 16 }), numberToHex(receipt.inputUnits, { size: 8 }),
    numberToHex(receipt.outputUnits, { size: 8 }), numberToHex(receipt.issuedAt, { size: 8 }), numberToHex(receipt.outcome, { size: 1 }),
    numberToHex(place, { size: 2 }), signature,
  ]);
}

/**
 * Header and receipts that a run stands for: what the contract computes.
 * @param chain Place in the node's chain; the hash of the header before, or the 24 bytes that the chain keeps of it.
 * @throws If the items are not a whole number of receipts.
 */
export function readRun(
  run: Run,
  chain: { nonce: bigint; prevHeader: Hex },
  domain: ProtocolDomain,
): { header: BatchHeader; signature: Hex; stretches: ChannelStretch[]; items: RunReceipt[] } {
  const count = run.stretches.reduce((sum, stretch) => sum + stretch.count, 0);
  const own = (size(run.items) - count * ITEM) / (count + 1);
  if (!Number.isInteger(own) || own <= 0) throw new Error(`${size(run.items)} bytes are not the items of ${count} receipts`);
  const stride = ITEM + own;
  const { nodeId } = run.terms;
  const hash = termsHash(run.terms);
  const items: RunReceipt[] = [];
  for (const { paymentId, cumulativeBefore, sequence, count: many } of run.stretches) {
    let end = cumulativeBefore;
    for (let i = 0; i < many; i++) {
      const item = sliceHex(run.items, own + items.length * stride, own + (items.length + 1) * stride);
      const number = (from: number, to: number) => hexToBigInt(sliceHex(item, from, to));
      const receipt: InferenceReceipt = {
        nodeId, keyId: run.keyId, modelId: run.modelId, termsHash: hash, requestHash: sliceHex(item, 0, 32), responseHash: sliceHex(item, 32, 64), paymentId,
        cumulativeBefore: end, charge: number(64, 80), inputUnits: number(80, 88), outputUnits: number(88, 96), sequence: sequence + BigInt(i),
        issuedAt: number(96, 104), outcome: hexToNumber(sliceHex(item, 104, 105)),
      };
      end += receipt.charge;
      items.push({ receipt, signature: sliceHex(item, ITEM) });
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
    keyId: run.keyId,
    nonce: chain.nonce,
    prevHeader: tipOf(chain.prevHeader),
    receiptsRoot: positionalTree(items.map(({ receipt, signature }) => receiptLeaf(receiptDigest(receipt, domain), signature))).root,
    channelsRoot: positionalTree(stretches.map(stretchLeaf)).root,
    count,
    channels: stretches.length,
    totalCharge: receipts.reduce((sum, { charge }) => sum + charge, 0n),
    minIssuedAt: times.reduce((least, time) => (time < least ? time : least)),
    maxIssuedAt: times.reduce((most, time) => (time > most ? time : most)),
    blobId: zeroHash,
    contentHash: numberToHex(run.slot, { size: 32 }),
    format: 0,
  };
  return { header, signature: sliceHex(run.items, 0, own), stretches, items };
}
