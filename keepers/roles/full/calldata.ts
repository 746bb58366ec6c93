/** Receipts of an individual settlement: they stand in the call that settled them. */
import { type Abi, type AbiFunction, type Hex, decodeAbiParameters, decodeFunctionData, hexToBytes, zeroHash } from "viem";
import {
  type BatchHeader, type ChannelStretch, headerHash, type InferenceReceipt, type ProtocolDomain, readRun, receiptDigest, receiptLeaf, type Run, stretchesOf,
} from "../../../sdk/protocol/index.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import type { Platform } from "../platform.ts";
import type { FullStore, HeaderRow } from "./store.ts";

export interface SettlementCall {
  header: BatchHeader;
  places: readonly { paymentChainId: bigint; escrow: Hex }[];
  items: readonly { receipt: InferenceReceipt; signature: Hex }[];
}

const abi = iInferenceSettlementAbi as unknown as Abi;
const settlementType = (iInferenceSettlementAbi.find((entry) => entry.type === "function" && entry.name === "settle") as AbiFunction).inputs;

/**
 * All settlements in a call; none when it is another call.
 * @param chain Place of the call's header in its node's chain; the calldata of a run does not say it.
 */
export function settlementsIn(input: Hex, chain: { nonce: bigint; prevHeader: Hex }, domain: ProtocolDomain): SettlementCall[] {
  try {
    const { functionName, args } = decodeFunctionData({ abi, data: input });
    if (functionName === "settle") return [args![0] as SettlementCall];
    if (functionName === "settleMany") return (args![0] as Hex[]).map((bytes) => decodeAbiParameters(settlementType, bytes)[0] as SettlementCall);
    if (functionName === "settleRun" || functionName === "settleProvedRun") {
      const { header, stretches, items } = readRun(args![0] as Run, chain, domain);
      return [{ header, places: stretches, items }];
    }
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

async function indexOne({ settlement, clock, logger }: Platform, store: FullStore, domain: ProtocolDomain, { hash, header, txHash }: HeaderRow): Promise<void> {
  const { input } = await settlement.client.getTransaction({ hash: txHash });
  const chain = { nonce: header.nonce, prevHeader: store.headerAt(header.nodeId, header.nonce - 1n) ?? zeroHash };
  const call = settlementsIn(input, chain, domain).find((found) => headerHash(found.header, domain) === hash);
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
