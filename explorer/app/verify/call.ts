/** An individual settlement: its receipts stand in the posting call, so nobody else need be asked. */
import type { SettlementCall } from "../../../sdk/network/settlements.ts";
import { stretchesOfCall } from "../../../sdk/network/settlements.ts";
import { positionalTree, type PositionalTree, type ProtocolDomain, receiptDigest, receiptLeaf, stretchLeaf } from "../../../sdk/protocol/index.ts";
import { verifyNodeSignature } from "../../../sdk/receipts/signatures.ts";
import type { Check, RegistryKey } from "../../../sdk/receipts/verify.ts";
import type { ShownLeaf } from "./batch.ts";

export function leavesOfCall({ items }: SettlementCall, domain: ProtocolDomain): ShownLeaf[] {
  return items.map(({ receipt, signature }, index) => ({ index, digest: receiptDigest(receipt, domain), receipt, signature }));
}

export function treeOfCall(call: SettlementCall, domain: ProtocolDomain): PositionalTree {
  return positionalTree(leavesOfCall(call, domain).map(({ digest, signature }) => receiptLeaf(digest, signature)));
}

/** What this page can check of it by itself. */
export async function checkCall(call: SettlementCall, domain: ProtocolDomain, key: RegistryKey): Promise<Check[]> {
  const { header } = call;
  const leaves = leavesOfCall(call, domain);
  const bad: number[] = [];
  for (const { index, digest, signature } of leaves) if (!(await verifyNodeSignature(key.keyType, key.publicKey, digest, signature))) bad.push(index);
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  const total = leaves.reduce((sum, { receipt }) => sum + receipt.charge, 0n);
  const check = (id: string, ok: boolean, holds: string, fails: string): Check => ({ id, ok, text: ok ? holds : fails });
  return [
    check("signatures", bad.length === 0, `Every receipt (${leaves.length}) is signed by the node's key.`, `Receipt ${bad[0]} is not signed by the node's key.`),
    check("receipts-root", leaves.length > 0 && same(treeOfCall(call, domain).root, header.receiptsRoot), "The receipts root, recomputed here, is the header's.", "The receipts lead to another root than the header's."),
    check("channels-root", leaves.length > 0 && same(positionalTree(stretchesOfCall(call).map(stretchLeaf)).root, header.channelsRoot), "The channels root, recomputed here, is the header's.", "The stretches lead to another root than the header's."),
    check("sum", total === header.totalCharge, `The charges come to the header's ${total}.`, `The charges come to ${total}, the header says ${header.totalCharge}.`),
  ];
}
