/** Wrong answers on their way: handed to full nodes, found again in a header, whose state the chain itself tells. */
import { type Hex, isHex } from "viem";
import { iCommitteeAbi } from "../../types/abi/ICommittee.ts";
import { iInferenceSettlementAbi } from "../../types/abi/IInferenceSettlement.ts";
import { type BatchHeader, BatchStatus, Role, headerHash, nameOf, receiptLeaf, rootFromPath } from "../protocol/index.ts";
import type { Dispute } from "../receipts/output.ts";
import { receiptToJson } from "../receipts/wire.ts";
import { pinnedFetch } from "../transport/pinnedFetch.ts";
import type { ChainAccess } from "./network.ts";
import { type NodeInfo, activeNodes, nodeById } from "./nodes.ts";

/** What one full node said. `output`: "wrong" is proved as soon as the receipt is posted; "unknown" says that it has no such program. */
export interface DisputeAnswer {
  nodeId: Hex;
  endpoint: string;
  /** Null: it did not take it. */
  output: string | null;
  /** Where the node holds the receipt to be: "pending", "posted", "equivocated", "omitted", "expired". */
  state?: string;
  /** What went wrong, in the node's or the transport's words. */
  reason?: string;
}

/** A header that holds the receipt: by its hash, the path to its root, and the chain's own word for its state. */
export interface DisputedHeader {
  hash: Hex;
  /** A name of `BatchStatus`. */
  status: string;
  /** Seconds; while it is Posted or Certified, faults are taken until then, demands and freezes aside. */
  finalizableAt?: bigint;
}

const TIMEOUT_MS = 5_000;
/** Of an answer: a header, a path of 32 and a check's findings are below. */
const MAX_BYTES = 262_144;

/** JSON of a dispute, as `POST /watch/receipts` takes it. */
export const disputeToJson = ({ receipt, signature, opening }: Dispute): object => ({ receipt: receiptToJson(receipt), signature, opening });

/** Full nodes that may take a dispute: those that are Active, and the members of the committee's epoch, who sign for headers. */
export async function fullNodes(settlement: ChainAccess): Promise<NodeInfo[]> {
  const committee = { address: settlement.address("Committee"), abi: iCommitteeAbi } as const;
  const [active, epoch] = await Promise.all([activeNodes(settlement, Role.Full), settlement.client.readContract({ ...committee, functionName: "currentEpoch" })]);
  const members = epoch === 0n ? [] : await settlement.client.readContract({ ...committee, functionName: "memberNodes", args: [epoch] });
  const known = new Set(active.map(({ nodeId }) => nodeId.toLowerCase()));
  return [...active, ...(await Promise.all(members.filter((id) => !known.has(id.toLowerCase())).map((id) => nodeById(settlement, id))))];
}

/** Hands a wrong answer to full nodes, all of them: one that has the program and its proving key is enough. It shows them question and answer. */
export async function handInDispute(settlement: ChainAccess, dispute: Dispute, nodes?: readonly NodeInfo[]): Promise<DisputeAnswer[]> {
  const body = JSON.stringify({ receipts: [disputeToJson(dispute)] });
  return Promise.all((nodes ?? (await fullNodes(settlement))).map((node) => answerOf(node, async (ask) => {
    const { reports, error } = (await ask("/watch/receipts", { method: "POST", headers: { "content-type": "application/json" }, body })) as { reports?: Report[]; error?: { message: string } };
    return reports?.[0] ?? error;
  })));
}

/** What full nodes hold of a dispute that was handed in before. */
export async function disputeReports(settlement: ChainAccess, digest: Hex, nodes?: readonly NodeInfo[]): Promise<DisputeAnswer[]> {
  return Promise.all((nodes ?? (await fullNodes(settlement))).map((node) => answerOf(node, async (ask) => (await ask(`/watch/receipts/${digest}`)) as Report)));
}

/**
 * The header that holds the receipt, as the first full node shows that has it. A node's word is not taken: header and path must lead to the
 * receipt with this signature, and the state is read from the chain. @returns Null when none shows one.
 */
export async function disputedHeader(settlement: ChainAccess, digest: Hex, signature: Hex, nodes?: readonly NodeInfo[]): Promise<DisputedHeader | null> {
  const contract = { address: settlement.address("InferenceSettlement"), abi: iInferenceSettlementAbi } as const;
  const domain = { chainId: settlement.chain.id, verifyingContract: contract.address };
  const shown = await Promise.all((nodes ?? (await fullNodes(settlement))).map((node) => asking(node, (ask) => ask(`/ledger/receipts/${digest}`)).then(inclusionFromJson).catch(() => null)));
  for (const inclusion of shown) {
    if (!inclusion) continue;
    const { header, index, path } = inclusion;
    if (!leadsTo(header, receiptLeaf(digest, signature), index, path)) continue;
    const status = await settlement.client.readContract({ ...contract, functionName: "status", args: [header] });
    if (status === BatchStatus.None) continue;
    const hash = headerHash(header, domain);
    if (status !== BatchStatus.Posted && status !== BatchStatus.Certified) return { hash, status: nameOf(BatchStatus, status) };
    const [finalizableAt] = await settlement.client.readContract({ ...contract, functionName: "finalizableAt", args: [header] });
    return { hash, status: nameOf(BatchStatus, status), finalizableAt };
  }
  return null;
}

interface Report {
  output?: string;
  state?: { state?: string };
  message?: string;
  error?: { message?: string };
}
type Ask = (path: string, init?: RequestInit) => Promise<unknown>;

async function answerOf(node: NodeInfo, work: (ask: Ask) => Promise<Report | undefined>): Promise<DisputeAnswer> {
  const { nodeId, endpoint } = node;
  try {
    const report = await asking(node, work);
    const reason = report?.error?.message ?? report?.message;
    return { nodeId, endpoint, output: report?.output ?? null, ...(report?.state?.state ? { state: report.state.state } : {}), ...(reason ? { reason } : {}) };
  } catch (error) {
    return { nodeId, endpoint, output: null, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** Over the node's pinned TLS key; bounded in time and size. */
async function asking<T>({ tlsSpkiHash, endpoint }: NodeInfo, work: (ask: Ask) => Promise<T>): Promise<T> {
  const fetch = pinnedFetch(tlsSpkiHash);
  try {
    return await work(async (path, init = {}) => {
      const response = await fetch(new URL(path, endpoint).toString(), { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
      const text = await response.text();
      if (text.length > MAX_BYTES) throw new Error(`the answer has ${text.length} bytes, more than ${MAX_BYTES}`);
      return JSON.parse(text) as unknown;
    });
  } finally {
    fetch.close();
  }
}

function leadsTo(header: BatchHeader, leaf: Hex, index: number, path: readonly Hex[]): boolean {
  try {
    return rootFromPath(leaf, index, header.count, path) === header.receiptsRoot;
  } catch {
    return false;
  }
}

const WORDS = ["nodeId", "keyId", "prevHeader", "receiptsRoot", "channelsRoot", "blobId", "contentHash"] as const;
const LARGE = ["nonce", "totalCharge", "minIssuedAt", "maxIssuedAt"] as const;
const SMALL = ["count", "channels", "format"] as const;

/** @returns Null for anything that is no receipt with header and path. */
function inclusionFromJson(value: unknown): { header: BatchHeader; index: number; path: Hex[] } | null {
  const { index, path, batch } = (value ?? {}) as { index?: unknown; path?: unknown; batch?: { header?: Record<string, unknown> } };
  const header = batch?.header;
  const word = (item: unknown): item is Hex => typeof item === "string" && item.length === 66 && isHex(item);
  if (!header || !Number.isSafeInteger(index) || !Array.isArray(path) || path.length > 32 || !path.every(word)) return null;
  if (!WORDS.every((name) => word(header[name])) || !LARGE.every((name) => /^\d{1,39}$/.test(String(header[name]))) || !SMALL.every((name) => Number.isSafeInteger(header[name]))) return null;
  const fields = [...WORDS.map((name) => [name, (header[name] as string).toLowerCase()]), ...LARGE.map((name) => [name, BigInt(String(header[name]))]), ...SMALL.map((name) => [name, header[name]])];
  return { header: Object.fromEntries(fields) as unknown as BatchHeader, index: index as number, path };
}
