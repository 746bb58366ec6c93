import type { Hex } from "viem";
import { Role } from "../protocol/enums.ts";
import type { Dispute } from "../receipts/output.ts";
import { receiptToJson } from "../receipts/wire.ts";
import { pinnedFetch } from "../transport/pinnedFetch.ts";
import type { ChainAccess } from "./network.ts";
import { activeNodes, type NodeInfo } from "./nodes.ts";

/** What one full node said. `output`: "wrong" is proved as soon as the receipt is posted; "unknown" says that it has no such program. */
export interface DisputeAnswer {
  nodeId: Hex;
  endpoint: string;
  /** Null: it did not take it. */
  output: string | null;
  /** What went wrong, in the node's or the transport's words. */
  reason?: string;
}

const TIMEOUT_MS = 5_000;

/** JSON of a dispute, as `POST /watch/receipts` takes it. */
export const disputeToJson = ({ receipt, signature, opening }: Dispute): object => ({ receipt: receiptToJson(receipt), signature, opening });

/** Hands a wrong answer to full nodes, all of them: one that has the program and its proving key is enough. It shows them question and answer. */
export async function handInDispute(settlement: ChainAccess, dispute: Dispute, nodes?: readonly NodeInfo[]): Promise<DisputeAnswer[]> {
  const body = JSON.stringify({ receipts: [disputeToJson(dispute)] });
  return Promise.all((nodes ?? (await activeNodes(settlement, Role.Full))).map(async ({ nodeId, endpoint, tlsSpkiHash }): Promise<DisputeAnswer> => {
    const fetch = pinnedFetch(tlsSpkiHash);
    try {
      const response = await fetch(new URL("/watch/receipts", endpoint).toString(), { method: "POST", headers: { "content-type": "application/json" }, body, signal: AbortSignal.timeout(TIMEOUT_MS) });
      const { reports, error } = (await response.json()) as { reports?: { output?: string }[]; error?: { message: string } };
      return { nodeId, endpoint, output: reports?.[0]?.output ?? null, ...(error ? { reason: error.message } : {}) };
    } catch (error) {
      return { nodeId, endpoint, output: null, reason: error instanceof Error ? error.message : String(error) };
    } finally {
      fetch.close();
    }
  }));
}
