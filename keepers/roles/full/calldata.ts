/** Receipts of an individual settlement: they stand in the call that settled them. */
import { type Abi, type Hex, decodeFunctionData, hexToBytes } from "viem";
import { type BatchHeader, type ChannelStretch, headerHash, type InferenceReceipt, type ProtocolDomain, receiptDigest, receiptLeaf, stretchesOf } from "../../../sdk/protocol/index.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import type { Platform } from "../platform.ts";
import type { FullStore, HeaderRow } from "./store.ts";

export interface SettlementCall {
  header: BatchHeader;
  places: readonly { paymentChainId: bigint; escrow: Hex }[];
  items: readonly { receipt: InferenceReceipt; signature: Hex }[];
}

/** All settlements in a call of `settle` or `settleMany`; none when it is another call. */
export function settlementsIn(input: Hex): SettlementCall[] {
  try {
    const { functionName, args } = decodeFunctionData({ abi: iInferenceSettlementAbi as unknown as Abi, data: input });
    if (functionName === "settle") return [args![0] as SettlementCall];
    if (functionName === "settleMany") return [...(args![0] as SettlementCall[])];
  } catch {
    // A call through another contract: its receipts are not ours to read.
  }
  return [];
}

/** The stretches that the call's receipts make; places are given one a stretch, in order. */
export function stretchesOfCall({ items, places }: SettlementCall): ChannelStretch[] {
  const nowhere = { paymentChainId: 0n, escrow: "0x0000000000000000000000000000000000000000" } as const;
  return stretchesOf(items.map(({ receipt }) => receipt), () => nowhere).map((stretch, index) => ({ ...stretch, ...(places[index] ?? nowhere) }));
}

/** Indexes individual settlements, oldest first. Returns whether there may be more. */
export async function indexSettlements(platform: Platform, store: FullStore, domain: ProtocolDomain): Promise<boolean> {
  const rows = store.unindexed(32);
  for (const row of rows) await indexOne(platform, store, domain, row);
  return rows.length === 32;
}

async function indexOne({ settlement, clock, logger }: Platform, store: FullStore, domain: ProtocolDomain, { hash, txHash }: HeaderRow): Promise<void> {
  const { input } = await settlement.client.getTransaction({ hash: txHash });
  const call = settlementsIn(input).find(({ header }) => headerHash(header, domain) === hash);
  if (!call) logger.warn({ header: hash, tx: txHash }, "the settling call is not readable: its receipts are not indexed");
  store.transaction(() => {
    if (call) store.completeHeader(hash, call.header);
    call?.items.forEach(({ receipt, signature }, index) => {
      const digest = receiptDigest(receipt, domain);
      store.addLeaf(hash, index, hexToBytes(digest), hexToBytes(receiptLeaf(digest, signature)), { receipt, signature });
    });
    if (call) stretchesOfCall(call).forEach((stretch, index) => store.addStretch(hash, index, stretch));
    // The contract has verified every receipt in the posting call.
    store.saveCheck({ headerHash: hash, verdict: "valid", fault: null, leaves: call?.items.length ?? 0, seconds: 0 }, clock.now());
  });
}
