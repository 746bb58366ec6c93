/** The call that answers a demand, made from the data. */
import { type Abi, type Hex, encodeFunctionData } from "viem";
import { type BlobSource, findLast, openLeaves } from "../../../sdk/batch/index.ts";
import type { BatchHeader, ProtocolDomain } from "../../../sdk/protocol/index.ts";
import { iDemandsAbi } from "../../../types/abi/IDemands.ts";
import { DemandKind, type DemandRow } from "./store.ts";

export interface Answer {
  method: "answerReceipts" | "answerStretches" | "answerLast";
  data: Hex;
}

/**
 * @param blob Opens the data anew at each call.
 * @returns null when the data does not lead to the header's roots: such data answers nothing.
 * @throws BatchFormatError for data that is no batch.
 */
export async function answerOf({ id, kind, first, count, paymentId }: DemandRow, header: BatchHeader, blob: () => BlobSource, domain: ProtocolDomain): Promise<Answer | null> {
  const range = Array.from({ length: count }, (_, at) => first + at);
  const last = kind === DemandKind.LastOf ? await findLast(blob(), paymentId) : null;
  const wanted = last ? { receipts: last.leaf === null ? [] : [last.leaf], stretches: last.stretches } : kind === DemandKind.Receipts ? { receipts: range } : { stretches: range };
  const { leaves, stretches, receiptsRoot, channelsRoot } = await openLeaves(blob(), domain, wanted);
  if (receiptsRoot !== header.receiptsRoot.toLowerCase() || channelsRoot !== header.channelsRoot.toLowerCase()) return null;
  const method = last ? "answerLast" : kind === DemandKind.Receipts ? "answerReceipts" : "answerStretches";
  const given = last ? { stretches, leaf: leaves } : kind === DemandKind.Receipts ? leaves : stretches;
  return { method, data: encodeFunctionData({ abi: iDemandsAbi as unknown as Abi, functionName: method, args: [id, header, given] }) };
}
