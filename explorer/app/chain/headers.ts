/** Headers from the settlement chain: event, call, state. Nothing here comes from a ledger. */
import { type Hex, decodeFunctionData, zeroHash } from "viem";
import { type SettlementCall, settlementsIn } from "../../../sdk/network/settlements.ts";
import { type BatchHeader, BatchStatus, decodeRun, headerHash, slotOf } from "../../../sdk/protocol/index.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import type { Net } from "../net.ts";
import { eventsBackwards, type LogPage } from "./logs.ts";

export interface ListedHeader {
  hash: Hex;
  nodeId: Hex;
  nonce: bigint;
  block: bigint;
  tx: Hex;
  /** Of a header whose receipts stand in the call: null, the event does not carry it. */
  header: BatchHeader | null;
  fullBond: boolean;
}

const POSTED = ["HeaderPosted", "HeaderSettled", "StretchSettled"] as const;
const settlement = (net: Net) => ({ address: net.domain.verifyingContract, abi: iInferenceSettlementAbi }) as const;

/** Headers at or below a block, newest first. */
export async function listHeaders(net: Net, options: { from?: bigint; enough?: number; nodeId?: Hex; hash?: Hex; signal?: AbortSignal } = {}): Promise<LogPage<ListedHeader>> {
  const page = await eventsBackwards(net.settlement, { ...settlement(net), names: POSTED, topics: [options.hash ?? null, options.nodeId ?? null] }, options);
  const events = page.events.map(({ eventName, args, blockNumber, transactionHash }): ListedHeader => {
    const posted = eventName === "HeaderPosted" ? args : null;
    return { hash: args.headerHash, nodeId: args.nodeId, nonce: args.nonce, block: blockNumber!, tx: transactionHash!, header: posted ? posted.header : null, fullBond: posted ? posted.fullBond : false };
  });
  return { ...page, events };
}

/** A header with what its posting call carried. */
export interface PostedHeader extends ListedHeader {
  header: BatchHeader;
  /** Of the node's key, over the header's digest; null when the call went through another contract. */
  signature: Hex | null;
  /** Receipts and terms, where the call carries them. */
  call: SettlementCall | null;
}

/** A header that the chain names but that cannot be shown: why. */
export class HeaderUnreadable extends Error {
  override readonly name = "HeaderUnreadable";
}

/**
 * Finds a header by its hash.
 * @param hint Block in which somebody says that it was posted; looked at first, believed only when it is there.
 * @returns null when the chain has none.
 * @throws HeaderUnreadable when the call that carried it cannot be read, or carries another header than the event names.
 */
export async function findHeader(net: Net, hash: Hex, hint?: bigint, signal?: AbortSignal): Promise<PostedHeader | null> {
  const hinted = hint === undefined ? null : await eventsAt(net, hash, hint);
  const found = hinted ?? (await listHeaders(net, { hash, enough: 1, signal })).events[0];
  if (!found) return null;
  const { input } = await net.settlement.client.getTransaction({ hash: found.tx });
  if (found.header) {
    if (headerHash(found.header, net.domain) !== hash) throw new HeaderUnreadable("The event's header has another hash than the event says. Ask another RPC endpoint: this one alters data, or the deployment is not this network's.");
    const call = settlementsIn(input, { nonce: found.nonce, prevHeader: found.header.prevHeader }, net.domain).find(({ header }) => headerHash(header, net.domain) === hash) ?? null;
    return { ...found, header: found.header, signature: signatureIn(input), call };
  }
  const previous = found.nonce > 1n ? await hashOf(net, found.nodeId, found.nonce - 1n, found.block, signal) : zeroHash;
  const call = settlementsIn(input, { nonce: found.nonce, prevHeader: previous }, net.domain).find(({ header }) => headerHash(header, net.domain) === hash);
  if (!call) throw new HeaderUnreadable("The call that settled it cannot be read: it went through another contract, or carries another header than the event names. The chain's word that it is Final stands; its receipts cannot be shown.");
  return { ...found, header: call.header, signature: signatureIn(input), call };
}

async function eventsAt(net: Net, hash: Hex, block: bigint): Promise<ListedHeader | null> {
  const { events } = await listHeaders({ ...net, settlement: { ...net.settlement, startBlock: block } }, { hash, from: block, enough: 1 });
  return events[0] ?? null;
}

/** Hash of the node's header with this nonce, at or below a block. */
async function hashOf(net: Net, nodeId: Hex, nonce: bigint, from: bigint, signal?: AbortSignal): Promise<Hex> {
  for (let at: bigint | null = from; at !== null; ) {
    const page: LogPage<ListedHeader> = await listHeaders(net, { nodeId, from: at, enough: 1, signal });
    const found = page.events.find((event) => event.nonce === nonce);
    if (found) return found.hash;
    if (page.events.length === 0 || page.events.every((event) => event.nonce < nonce)) break;
    at = page.next;
  }
  throw new HeaderUnreadable(`The node's header before this one (nonce ${nonce}) was not found, and without it this one cannot be put together.`);
}

/** The header's signature, in a call that carries one header. */
function signatureIn(input: Hex): Hex | null {
  try {
    const call = decodeFunctionData({ abi: iInferenceSettlementAbi, data: input });
    if (call.functionName === "postBatch") return call.args[1];
    if (call.functionName === "repost") return call.args[2];
    if (call.functionName === "settle") return call.args[0].signature;
    if (call.functionName === "settleRun" || call.functionName === "settleProvedRun") return decodeRun(call.args[0]).signature;
  } catch {
    // Through another contract.
  }
  return null;
}

/** What the chain keeps of a header, and when it can be final. */
export async function standing(net: Net, header: BatchHeader) {
  const { client } = net.settlement;
  const read = settlement(net);
  const hash = headerHash(header, net.domain);
  const [batch, [, replacedAt]] = await Promise.all([
    client.readContract({ ...read, functionName: "batch", args: [header] }),
    client.readContract({ ...read, functionName: "statusIn", args: [slotOf(header, hash), hash] }),
  ]);
  const pending = batch.status === BatchStatus.Posted || batch.status === BatchStatus.Certified;
  const [finalizableAt, lock] = await Promise.all([
    pending ? client.readContract({ ...read, functionName: "finalizableAt", args: [header] }) : null,
    client.readContract({ ...read, functionName: "lockOf", args: [header.totalCharge, batch.fullBond] }),
  ]);
  return { ...batch, replacedAt, finalizableAt, lock };
}

export type Standing = Awaited<ReturnType<typeof standing>>;

/** Status alone, for lists. What was settled in its call is Final by it. */
export async function statusOf(net: Net, { header }: ListedHeader): Promise<number> {
  return header ? net.settlement.client.readContract({ ...settlement(net), functionName: "status", args: [header] }) : BatchStatus.Final;
}

const MOVES = ["HeaderPosted", "HeaderSettled", "StretchSettled", "BatchCertified", "BatchFinalized", "BatchRejected", "BatchReposted", "DemandCounted", "ProofsVerified"] as const;

/** All that happened to a header, oldest first. */
export async function historyOf(net: Net, hash: Hex, since: bigint, signal?: AbortSignal) {
  const { events } = await eventsBackwards(net.settlement, { ...settlement(net), names: MOVES, topics: [hash] }, { to: since, signal });
  return events.reverse();
}

export type Move = Awaited<ReturnType<typeof historyOf>>[number];
