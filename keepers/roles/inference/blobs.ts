/** Blobs of this node's own batches, made from its store: once to post them, and again when the network has lost one. */
import type { Hex } from "viem";
import { encodeBatch, FIRST_FORMAT } from "../../../sdk/batch/index.ts";
import type { BatchHeader, ChannelStretch } from "../../../sdk/protocol/index.ts";
import type { InferenceLedger, PendingReceipt } from "./ledger.ts";

/**
 * Carries the terms behind the receipts: full nodes certify only what they can compare with its prices.
 * @param receipts In the order of the tree.
 */
export function batchBlob(
  ledger: InferenceLedger,
  { nodeId, keyId, format }: Pick<BatchHeader, "nodeId" | "keyId"> & { format?: number },
  receipts: readonly PendingReceipt[],
  stretches: ChannelStretch[],
): Promise<Uint8Array> {
  const book = format === FIRST_FORMAT ? undefined : ledger.bookOf(receipts.map(({ receipt }) => receipt.termsHash));
  return encodeBatch({ nodeId, keyId, count: receipts.length, leaves: receipts, stretches, ...(book ? { book } : {}) });
}

/**
 * A batch's blob once more, for renewal. Whoever stores it compares it with what was posted: another release of Node may compress
 * to other bytes.
 * @returns null when no batch of this node has the blob, as for sealed payloads.
 */
export async function ownBlob(ledger: InferenceLedger, blobId: Hex): Promise<Uint8Array | null> {
  const stored = ledger.headerOfBlob(blobId);
  return stored ? batchBlob(ledger, stored.header, ledger.receiptsOf(stored.nonce), stored.stretches) : null;
}
