/** Receipts of an individual settlement: they stand in the call that settled them. */
import { type Abi, type AbiFunction, type Hex, decodeAbiParameters, decodeFunctionData } from "viem";
import { iInferenceSettlementAbi } from "../../types/abi/IInferenceSettlement.ts";
import { type BatchHeader, type ChannelStretch, decodeRun, type InferenceReceipt, type ProtocolDomain, readRun, stretchesOf, type Terms } from "../protocol/index.ts";

export interface SettlementCall {
  header: BatchHeader;
  terms: readonly Terms[];
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
      const run = decodeRun(args![0] as Hex);
      const { header, stretches, items } = readRun(run, chain, domain);
      return [{ header, terms: [run.terms], places: stretches, items }];
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
