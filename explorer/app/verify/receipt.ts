/** One receipt: signature, key, place in a header, and where the chain has that header. Pure but for the signature's algorithm. */
import type { Hex } from "viem";
import { nameOf, BatchStatus, Outcome } from "../../../sdk/protocol/enums.ts";
import { type BatchHeader, type InferenceReceipt, headerHash, type ProtocolDomain, receiptDigest, receiptLeaf, rootFromPath } from "../../../sdk/protocol/index.ts";
import { verifyNodeSignature } from "../../../sdk/receipts/signatures.ts";
import type { Check, RegistryKey } from "../../../sdk/receipts/verify.ts";

export interface ReceiptEvidence {
  domain: ProtocolDomain;
  receipt: InferenceReceipt;
  signature: Hex;
  /** Digest that was asked for, if it was by digest. */
  digest?: Hex;
  /** From the registry on chain. */
  key: RegistryKey;
  /** From the settlement chain. */
  header: BatchHeader;
  headerHash: Hex;
  index: number;
  path: readonly Hex[];
  /** `BatchStatus` on chain. */
  status: number;
}

/** Every check, in words, whether it holds or not. */
export async function checkEvidence({ domain, receipt, signature, digest: asked, key, header, headerHash: hash, index, path, status }: ReceiptEvidence): Promise<Check[]> {
  const digest = receiptDigest(receipt, domain);
  const check = (id: string, ok: boolean, holds: string, fails: string): Check => ({ id, ok, text: ok ? holds : fails });
  const signed = await verifyNodeSignature(key.keyType, key.publicKey, digest, signature);
  const included = leadsTo(header, receiptLeaf(digest, signature), index, path);
  return [
    ...(asked ? [check("digest", digest === asked.toLowerCase(), "The receipt's digest, recomputed here, is the one that was asked for.", `This is another receipt: its digest is ${digest}.`)] : []),
    check("signature", signed, "Signed by the key that the registry holds for this key epoch.", "NOT signed by the key that the registry holds for this key epoch."),
    check("key-node", key.nodeId === receipt.nodeId, "The key epoch is the named node's own.", "The key epoch belongs to another node."),
    check("key-valid", key.valid, "The key epoch was valid when the receipt was issued; neither key nor image is known as compromised.", "The key epoch was not valid when the receipt was issued, or key or image was compromised."),
    check("header", headerHash(header, domain) === hash, "The header on chain has the hash that is named.", "The header on chain has another hash than is named."),
    check("header-node", header.nodeId === receipt.nodeId && header.keyId === receipt.keyId, "The header is of the same node and key.", "The header is of another node or key."),
    check("inclusion", included, `Leaf ${index} of ${header.count}: the path leads to the header's receipts root.`, "The path does NOT lead to the header's receipts root."),
    check("time", receipt.issuedAt >= header.minIssuedAt && receipt.issuedAt <= header.maxIssuedAt, "Issued between the header's first and last receipt.", "Issued outside of the header's times: a provable fault."),
    check("outcome", receipt.outcome !== Outcome.Error || receipt.charge === 0n, "The outcome fits the charge.", "An error that was charged: a provable fault."),
    check("status", status === BatchStatus.Final, "The header is Final on the settlement chain.", `The header is ${nameOf(BatchStatus, status)} on the settlement chain, not Final.`),
  ];
}

function leadsTo(header: BatchHeader, leaf: Hex, index: number, path: readonly Hex[]): boolean {
  try {
    return rootFromPath(leaf, index, header.count, path) === header.receiptsRoot.toLowerCase();
  } catch {
    return false; // no path of this tree
  }
}
