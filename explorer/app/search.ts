/** What somebody typed, and where it leads. */
import { type Address, type Hex, zeroAddress } from "viem";
import { fromWire } from "../../keepers/walrus/blobId.ts";
import { iDataFeedsAbi } from "../../types/abi/IDataFeeds.ts";
import { iModelRegistryAbi } from "../../types/abi/IModelRegistry.ts";
import { iNodeRegistryAbi } from "../../types/abi/INodeRegistry.ts";
import { iPaymentEscrowAbi } from "../../types/abi/IPaymentEscrow.ts";
import { listHeaders } from "./chain/headers.ts";
import { eventsBackwards } from "./chain/logs.ts";
import { claimedReceipt } from "./ledger.ts";
import type { Net } from "./net.ts";

export type Query =
  | { kind: "empty" }
  | { kind: "hash"; hash: Hex }
  | { kind: "address"; address: Address }
  | { kind: "blob"; blobId: Hex }
  | { kind: "text"; text: string };

/** Pure: what the text can be. Spaces, quotes and a missing 0x are forgiven. */
export function classify(typed: string): Query {
  const text = typed.trim().replace(/^["'`<]+|["'`>]+$/g, "").trim();
  if (text === "") return { kind: "empty" };
  const hex = /^(?:0x|0X)?([0-9a-fA-F]+)$/.exec(text)?.[1]?.toLowerCase();
  if (hex?.length === 64) return { kind: "hash", hash: `0x${hex}` };
  if (hex?.length === 40) return { kind: "address", address: `0x${hex}` };
  if (/^[A-Za-z0-9_-]{43}$/.test(text)) {
    try {
      return { kind: "blob", blobId: fromWire(text) };
    } catch {
      // 43 letters that are no id.
    }
  }
  return { kind: "text", text: text.slice(0, 80) };
}

export interface Hit {
  what: string;
  href: string;
  label: string;
}

/** Asks every room for it. */
export async function resolve(net: Net, query: Query, signal?: AbortSignal): Promise<Hit[]> {
  if (query.kind === "empty") return [];
  if (query.kind === "hash") return found([...roomsOfHash(net, query.hash, signal)]);
  if (query.kind === "blob") return found([headersOfBlob(net, query.blobId, signal), modelsWhere(net, ({ blobId }) => blobId === query.blobId)]);
  if (query.kind === "address") {
    const { address } = query;
    return found([nodesOf(net, address, signal), modelsWhere(net, ({ publisher }) => publisher.toLowerCase() === address)]);
  }
  const text = query.text.toLowerCase();
  return found([modelsWhere(net, ({ name }) => name.toLowerCase().includes(text))]);
}

/** One room that cannot be asked does not hide what the others have. */
async function found(rooms: Promise<Hit[]>[]): Promise<Hit[]> {
  const answers = await Promise.allSettled(rooms);
  if (answers.every(({ status }) => status === "rejected")) throw (answers[0] as PromiseRejectedResult).reason;
  return answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
}

function* roomsOfHash(net: Net, hash: Hex, signal?: AbortSignal): Generator<Promise<Hit[]>> {
  const { client, address } = net.settlement;
  const nodes = { address: address("NodeRegistry"), abi: iNodeRegistryAbi } as const;
  const models = { address: address("ModelRegistry"), abi: iModelRegistryAbi } as const;
  const one = async (what: string, href: string, exists: () => Promise<boolean>): Promise<Hit[]> => ((await exists()) ? [{ what, href, label: hash }] : []);
  yield one("batch", `#/batch/${hash}`, async () => (await listHeaders(net, { hash, enough: 1, signal })).events.length > 0);
  yield one("node", `#/node/${hash}`, async () => (await client.readContract({ ...nodes, functionName: "node", args: [hash] })).operator !== zeroAddress);
  yield one("model version", `#/model/${hash}`, async () => (await client.readContract({ ...models, functionName: "publishedAt", args: [hash] })) > 0n);
  yield keyEpoch(net, hash);
  yield one("receipt", `#/receipt/${hash}`, async () => (await claimedReceipt(net, { digest: hash }, signal)).value !== null);
  if (net.settlement.has("DataFeeds")) {
    const feeds = { address: address("DataFeeds"), abi: iDataFeedsAbi } as const;
    yield one("feed", `#/feed/${hash}`, async () => (await client.readContract({ ...feeds, functionName: "definition", args: [hash] })).period > 0);
  }
  const { payment } = net;
  if (payment?.has("PaymentEscrow")) {
    const escrow = { address: payment.address("PaymentEscrow"), abi: iPaymentEscrowAbi } as const;
    yield one("payment", `#/payment/${hash}`, async () => (await payment.client.readContract({ ...escrow, functionName: "channelOf", args: [hash] })).payer !== zeroAddress);
  }
  yield headersOfTransaction(net, hash);
  yield headersOfBlob(net, hash, signal);
}

async function keyEpoch(net: Net, keyId: Hex): Promise<Hit[]> {
  const { nodeId } = await net.settlement.client.readContract({ address: net.settlement.address("NodeRegistry"), abi: iNodeRegistryAbi, functionName: "key", args: [keyId] });
  return BigInt(nodeId) === 0n ? [] : [{ what: "key epoch of a node", href: `#/node/${nodeId}`, label: nodeId }];
}

async function headersOfTransaction(net: Net, tx: Hex): Promise<Hit[]> {
  const receipt = await net.settlement.client.getTransactionReceipt({ hash: tx }).catch(() => null);
  if (!receipt) return [];
  const { events } = await listHeaders({ ...net, settlement: { ...net.settlement, startBlock: receipt.blockNumber } }, { from: receipt.blockNumber });
  return events.filter((event) => event.tx === tx).map(({ hash }) => ({ what: "header of the transaction", href: `#/batch/${hash}`, label: hash }));
}

async function headersOfBlob(net: Net, blobId: Hex, signal?: AbortSignal): Promise<Hit[]> {
  const { events } = await listHeaders(net, { enough: 500, signal });
  return events.filter(({ header }) => header?.blobId === blobId).map(({ hash }) => ({ what: "batch with this blob", href: `#/batch/${hash}`, label: hash }));
}

async function nodesOf(net: Net, operator: Address, signal?: AbortSignal): Promise<Hit[]> {
  const topic = `0x${"0".repeat(24)}${operator.slice(2)}` as Hex;
  const { events } = await eventsBackwards(net.settlement, { address: net.settlement.address("NodeRegistry"), abi: iNodeRegistryAbi, names: ["NodeRegistered"], topics: [null, topic] }, { signal });
  return events.map(({ args }) => ({ what: "node of the operator", href: `#/node/${args.nodeId}`, label: args.nodeId }));
}

async function modelsWhere(net: Net, matches: (model: { name: string; publisher: Address; blobId: Hex }) => boolean): Promise<Hit[]> {
  const { events } = await eventsBackwards(net.settlement, { address: net.settlement.address("ModelRegistry"), abi: iModelRegistryAbi, names: ["ModelPublished"] });
  return events
    .filter(({ args }) => matches({ ...args.model, publisher: args.publisher }))
    .map(({ args }) => ({ what: "model version", href: `#/model/${args.modelId}`, label: `${args.model.name} ${args.model.version}` }));
}
