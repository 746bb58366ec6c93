/** Opens single leaves of a blob for the contracts: one pass over it, whatever its size, and nothing else kept in memory. */
import { type Hex, bytesToHex, hexToBytes } from "viem";
import { type ChannelStretch, type ProtocolDomain, stretchLeaf } from "../protocol/index.ts";
import { type BlobSource, openBatch } from "./decode.ts";
import { STRETCH_LENGTH } from "./format.ts";
import { leafHasher, signatureAt } from "./leaf.ts";
import { readReceipt, readStretch, recordLength, type SignedLeaf } from "./records.ts";
import { readTerms, type TermsBook } from "./terms.ts";
import { treeBuilder } from "./tree.ts";

/** `LeafProof` of contracts/types/Faults.sol. */
export interface OpenedLeaf extends SignedLeaf {
  index: bigint;
  path: Hex[];
}

/** `StretchProof` of contracts/types/Faults.sol. */
export interface OpenedStretch {
  stretch: ChannelStretch;
  index: bigint;
  path: Hex[];
}

/**
 * @param wanted Indices of receipts and of stretches.
 * @returns Proofs in the order of `wanted`, the roots that they lead to (compare them with the header's), and the batch's terms,
 *          null in format 1.
 * @throws RangeError for an index that the batch does not have, BatchFormatError for a malformed blob.
 */
export async function openLeaves(
  source: BlobSource,
  domain: ProtocolDomain,
  wanted: { receipts?: readonly number[]; stretches?: readonly number[] },
): Promise<{ leaves: OpenedLeaf[]; stretches: OpenedStretch[]; receiptsRoot: Hex; channelsRoot: Hex; book: TermsBook | null }> {
  const { receipts: receiptsAt = [], stretches: stretchesAt = [] } = wanted;
  const { preamble, chunks } = await openBatch(source);
  const hasher = leafHasher(domain, preamble.nodeId, preamble.keyId);
  const length = recordLength(preamble);
  const receipts = treeBuilder(receiptsAt);
  const channels = treeBuilder(stretchesAt);
  const leaves = new Map<number, SignedLeaf>();
  const stretches = new Map<number, ChannelStretch>();
  const [leavesWanted, stretchesWanted] = [new Set(receiptsAt), new Set(stretchesAt)];
  let book: TermsBook | null = null;
  for await (const { kind, first, count, bytes } of chunks()) {
    if (kind === "terms") {
      book = readTerms(bytes);
      continue;
    }
    for (let at = 0; at < count; at++) {
      const index = first + at;
      if (kind === "receipts") {
        const offset = at * length;
        receipts.add(hasher.leaf(hasher.digest(bytes, offset), signatureAt(bytes, offset, preamble.signatureLength)));
        if (leavesWanted.has(index)) leaves.set(index, readReceipt(bytes, offset, preamble));
      } else {
        const stretch = readStretch(bytes, at * STRETCH_LENGTH);
        channels.add(hexToBytes(stretchLeaf(stretch)));
        if (stretchesWanted.has(index)) stretches.set(index, stretch);
      }
    }
  }
  const roots = { receiptsRoot: bytesToHex(receipts.root()), channelsRoot: bytesToHex(channels.root()) };
  const found = <T>(map: Map<number, T>, index: number): T => {
    const value = map.get(index);
    if (!value) throw new RangeError(`the batch has no leaf ${index}`);
    return value;
  };
  const hex = (path: readonly Uint8Array[]) => path.map((node) => bytesToHex(node));
  return {
    ...roots,
    book,
    leaves: receiptsAt.map((index) => ({ ...found(leaves, index), index: BigInt(index), path: hex(receipts.path(index)) })),
    stretches: stretchesAt.map((index) => ({ stretch: found(stretches, index), index: BigInt(index), path: hex(channels.path(index)) })),
  };
}

/**
 * Where the last receipt of a payment stands, or the gap where it would: the stretches to show (one at an end, else two
 * neighbours) and the receipt's index, null when the batch has none of the payment.
 */
export async function findLast(source: BlobSource, paymentId: Hex): Promise<{ stretches: number[]; leaf: number | null }> {
  const { preamble, chunks } = await openBatch(source);
  const wanted = BigInt(paymentId);
  let last: { index: number; stretch: ChannelStretch } | null = null;
  for await (const { kind, first, count, bytes } of chunks()) {
    for (let at = 0; kind === "stretches" && at < count; at++) {
      const stretch = readStretch(bytes, at * STRETCH_LENGTH);
      // Stretches ascend: the last one that is not above the payment decides.
      if (BigInt(stretch.paymentId) <= wanted) last = { index: first + at, stretch };
    }
  }
  if (!last) return { stretches: [0], leaf: null };
  const { index, stretch } = last;
  const neighbours = index + 1 === preamble.channels ? [index] : [index, index + 1];
  return { stretches: neighbours, leaf: BigInt(stretch.paymentId) === wanted ? stretch.firstLeaf + stretch.leafCount - 1 : null };
}
