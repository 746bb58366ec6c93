import { type Address, type Hex, concatHex, hashStruct, hashTypedData, hexToBigInt, keccak256, numberToHex, sliceHex } from "viem";
import { eip712Domain, type ProtocolDomain } from "./domain.ts";
import type { InferenceReceipt } from "./receipt.ts";

/** Fields as in contracts/types/Batch.sol. */
export interface BatchHeader {
  nodeId: Hex;
  keyId: Hex;
  nonce: bigint;
  /** `prevHeaderOf`. */
  prevHeader: Hex;
  receiptsRoot: Hex;
  channelsRoot: Hex;
  count: number;
  channels: number;
  totalCharge: bigint;
  minIssuedAt: bigint;
  maxIssuedAt: bigint;
  blobId: Hex;
  contentHash: Hex;
  format: number;
}

/** One contiguous stretch of one payment's line; fields as in contracts/types/Batch.sol. */
export interface ChannelStretch {
  paymentChainId: bigint;
  escrow: Address;
  paymentId: Hex;
  from: bigint;
  to: bigint;
  firstLeaf: number;
  leafCount: number;
  prefixTotal: bigint;
}

export const headerTypes = {
  BatchHeader: [
    { name: "nodeId", type: "bytes32" },
    { name: "keyId", type: "bytes32" },
    { name: "nonce", type: "uint64" },
    { name: "prevHeader", type: "bytes32" },
    { name: "receiptsRoot", type: "bytes32" },
    { name: "channelsRoot", type: "bytes32" },
    { name: "count", type: "uint32" },
    { name: "channels", type: "uint32" },
    { name: "totalCharge", type: "uint128" },
    { name: "minIssuedAt", type: "uint64" },
    { name: "maxIssuedAt", type: "uint64" },
    { name: "blobId", type: "bytes32" },
    { name: "contentHash", type: "bytes32" },
    { name: "format", type: "uint8" },
  ],
} as const;

export const stretchTypes = {
  ChannelStretch: [
    { name: "paymentChainId", type: "uint256" },
    { name: "escrow", type: "address" },
    { name: "paymentId", type: "bytes32" },
    { name: "from", type: "uint128" },
    { name: "to", type: "uint128" },
    { name: "firstLeaf", type: "uint32" },
    { name: "leafCount", type: "uint32" },
    { name: "prefixTotal", type: "uint128" },
  ],
} as const;

/** EIP-712 typed data of a header, for any signer. `domain.verifyingContract` is InferenceSettlement. */
export function headerTypedData(header: BatchHeader, domain: ProtocolDomain) {
  return { domain: eip712Domain(domain), types: headerTypes, primaryType: "BatchHeader", message: header } as const;
}

/** The header's digest: what the node's key signs, and the batch's id everywhere. */
export function headerHash(header: BatchHeader, domain: ProtocolDomain): Hex {
  return hashTypedData(headerTypedData(header, domain));
}

/** Number of the slot that a header names, 0 for one of its own: the last 8 bytes of prevHeader. */
export function slotNumberOf({ prevHeader }: Pick<BatchHeader, "prevHeader">): bigint {
  return hexToBigInt(sliceHex(prevHeader, 24));
}

/** Where the settlement chain keeps a header: in its node's slot of that number, or under its hash. */
export function slotOf(header: BatchHeader, hash: Hex): Hex {
  const number = slotNumberOf(header);
  return number === 0n ? hash : keccak256(concatHex([header.nodeId, numberToHex(number, { size: 32 })]));
}

/**
 * A header's prevHeader.
 * @param previous Hash of the node's header before, whole or as the chain keeps it; 0 for the first one.
 * @param slot Number of the slot that is to keep the new header; 0 for one of its own.
 */
export function prevHeaderOf(previous: Hex, slot: bigint): Hex {
  return concatHex([sliceHex(previous, 0, 24), numberToHex(slot, { size: 8 })]);
}

/** Leaf of the receipts tree: commits to digest and signature. */
export function receiptLeaf(digest: Hex, signature: Hex): Hex {
  return keccak256(concatHex(["0x00", digest, keccak256(signature)]));
}

/** Leaf of the channels tree. */
export function stretchLeaf(stretch: ChannelStretch): Hex {
  return keccak256(concatHex(["0x00", hashStruct({ data: { ...stretch }, types: stretchTypes, primaryType: "ChannelStretch" })]));
}

/** Order of receipts in a batch: strictly ascending by (paymentId, cumulativeBefore, sequence). */
export function compareReceipts(a: InferenceReceipt, b: InferenceReceipt): number {
  const byPayment = compare(BigInt(a.paymentId), BigInt(b.paymentId));
  return byPayment || compare(a.cumulativeBefore, b.cumulativeBefore) || compare(a.sequence, b.sequence);
}

/**
 * Cuts sorted receipts into stretches: a new one starts with each payment and each gap of its line.
 * @param place Where a payment's money stands (chain and escrow).
 */
export function stretchesOf(
  receipts: readonly InferenceReceipt[],
  place: (paymentId: Hex) => { paymentChainId: bigint; escrow: Address },
): ChannelStretch[] {
  const stretches: ChannelStretch[] = [];
  let total = 0n;
  receipts.forEach((receipt, index) => {
    total += receipt.charge;
    const last = stretches.at(-1);
    const end = receipt.cumulativeBefore + receipt.charge;
    if (last && last.paymentId === receipt.paymentId && last.to === receipt.cumulativeBefore) {
      last.to = end;
      last.leafCount += 1;
      last.prefixTotal = total;
      return;
    }
    stretches.push({
      ...place(receipt.paymentId),
      paymentId: receipt.paymentId,
      from: receipt.cumulativeBefore,
      to: end,
      firstLeaf: index,
      leafCount: 1,
      prefixTotal: total,
    });
  });
  return stretches;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
