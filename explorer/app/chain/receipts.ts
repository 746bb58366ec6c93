/** One receipt with its proof, from whoever can give it: the posting call, a full node, or the batch's own blob. */
import type { Hex } from "viem";
import { openLeaves } from "../../../sdk/batch/open.ts";
import { type InferenceReceipt, receiptDigest } from "../../../sdk/protocol/index.ts";
import { type Terms, termsHash } from "../../../sdk/protocol/terms.ts";
import { reasonOf } from "../format.ts";
import { claimedReceipt } from "../ledger.ts";
import type { Net } from "../net.ts";
import { mostBytes, openBlob, tap } from "../verify/blob.ts";
import { leavesOfCall, treeOfCall } from "../verify/call.ts";
import { findHeader, type PostedHeader } from "./headers.ts";

export interface FoundReceipt {
  receipt: InferenceReceipt;
  signature: Hex;
  index: number;
  path: readonly Hex[];
  found: PostedHeader;
  /** Where receipt and path come from. */
  source: string;
  /** Preimage of its terms, where the source has it and it hashes to them. */
  terms: Terms | null;
}

export type ReceiptPlace = { digest: Hex } | { header: Hex; index: number };

export interface ReceiptSearch {
  receipt: FoundReceipt | null;
  /** Who was asked in vain, and why. */
  misses: { where: string; reason: string }[];
}

/** Blobs above are not fetched for one receipt; a full node's proof is a few hundred bytes. */
const MAX_BLOB = 32 * 1024 * 1024;

/** Nothing of the result is checked here: `checkEvidence` does. */
export async function findReceipt(net: Net, place: ReceiptPlace, signal?: AbortSignal): Promise<ReceiptSearch> {
  const misses: ReceiptSearch["misses"] = [];
  const known = "header" in place ? await findHeader(net, place.header, undefined, signal) : null;
  if ("header" in place) {
    if (!known) return { receipt: null, misses: [{ where: "settlement chain", reason: "has no such header" }] };
    const inCall = known.call && fromCall(net, known, place.index);
    if (inCall) return { receipt: inCall, misses };
  }
  const { value: claim, misses: silent } = await claimedReceipt(net, place, signal);
  misses.push(...silent.map(({ ledger, reason }) => ({ where: ledger, reason })));
  if (claim) {
    const found = known ?? (await findHeader(net, claim.header, claim.block, signal));
    if (found) return { receipt: { ...claim, found, source: `full node ${claim.ledger}`, terms: termsInCall(found, claim.receipt) }, misses };
    misses.push({ where: claim.ledger, reason: "names a header that the chain does not have" });
  }
  if (!known || !("header" in place) || BigInt(known.header.blobId) === 0n) return { receipt: null, misses };
  for (const url of net.aggregators) {
    try {
      return { receipt: await fromBlob(net, known, place.index, url, signal), misses };
    } catch (error) {
      signal?.throwIfAborted();
      misses.push({ where: url, reason: reasonOf(error) });
    }
  }
  return { receipt: null, misses };
}

function fromCall(net: Net, found: PostedHeader, index: number): FoundReceipt | null {
  const leaf = leavesOfCall(found.call!, net.domain)[index];
  return leaf ? { receipt: leaf.receipt, signature: leaf.signature, index, path: treeOfCall(found.call!, net.domain).path(index), found, source: "posting call", terms: termsInCall(found, leaf.receipt) } : null;
}

function termsInCall({ call }: PostedHeader, receipt: InferenceReceipt): Terms | null {
  return call?.terms.find((terms) => termsHash(terms) === receipt.termsHash) ?? null;
}

async function fromBlob(net: Net, found: PostedHeader, index: number, url: string, signal?: AbortSignal): Promise<FoundReceipt> {
  const most = Math.min(MAX_BLOB, mostBytes(found.header));
  const { body } = await openBlob(url, found.header.blobId, net.fetch, signal);
  const { leaves, book } = await openLeaves(tap(body, most).source, net.domain, { receipts: [index] });
  const { receipt, signature, path } = leaves[0]!;
  return { receipt, signature, path, index, found, source: `blob from ${url}`, terms: book?.terms.find((terms) => termsHash(terms) === receipt.termsHash) ?? null };
}

export const digestOf = (net: Net, { receipt }: FoundReceipt): Hex => receiptDigest(receipt, net.domain);
