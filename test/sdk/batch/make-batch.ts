/** A batch that holds, with a handle to bend each receipt. */
import { keccak256, numberToHex, toHex } from "viem";
import type { SignedLeaf } from "../../../sdk/batch/index.ts";
import { localAccount } from "../../../sdk/crypto/account.ts";
import { type BatchHeader, compareReceipts, type InferenceReceipt, positionalTree, receiptDigest, receiptLeaf, stretchesOf, stretchLeaf } from "../../../sdk/protocol/index.ts";

export const domain = { chainId: 713370, verifyingContract: "0x1111111111111111111111111111111111111111" } as const;
export const account = localAccount(keccak256(toHex("batch test key")));
export const nodeId = keccak256(toHex("node"));
export const keyId = keccak256(toHex("key"));
export const place = () => ({ paymentChainId: 713371n, escrow: "0x2222222222222222222222222222222222222222" }) as const;

/** Five receipts a payment, with a gap in each line. */
export async function makeBatch(count: number, change: (receipt: InferenceReceipt, index: number) => InferenceReceipt = (receipt) => receipt) {
  const receipts = Array.from({ length: count }, (_, index): InferenceReceipt => {
    const payment = Math.floor(index / 5);
    const step = BigInt(index % 5);
    return change({
      nodeId, keyId, modelId: keccak256(toHex("model")), termsHash: keccak256(toHex("terms")), requestHash: keccak256(numberToHex(index)), responseHash: keccak256(toHex(`r${index}`)),
      paymentId: keccak256(toHex(`payment ${payment}`)), cumulativeBefore: step * 10n + (step > 2n ? 7n : 0n), charge: 10n, inputUnits: 3n, outputUnits: 4n, sequence: step,
      issuedAt: 1_000n + BigInt(index), outcome: 1,
    }, index);
  }).sort(compareReceipts);
  const leaves: SignedLeaf[] = await Promise.all(receipts.map(async (receipt) => ({ receipt, signature: await account.sign({ hash: receiptDigest(receipt, domain) }) })));
  const stretches = stretchesOf(receipts, place);
  const header: BatchHeader = {
    nodeId, keyId, nonce: 1n, prevHeader: `0x${"00".repeat(32)}`,
    receiptsRoot: positionalTree(leaves.map(({ receipt, signature }) => receiptLeaf(receiptDigest(receipt, domain), signature))).root,
    channelsRoot: positionalTree(stretches.map(stretchLeaf)).root,
    count, channels: stretches.length, totalCharge: receipts.reduce((sum, { charge }) => sum + charge, 0n),
    minIssuedAt: 1_000n, maxIssuedAt: 1_000n + BigInt(count), blobId: `0x${"00".repeat(32)}`, contentHash: `0x${"00".repeat(32)}`, format: 1,
  };
  return { header, leaves, stretches, content: { nodeId, keyId, count, leaves, stretches } };
}
