/** Nodes, their key epochs and bonds, from the registry. */
import type { Hex } from "viem";
import { iNodeRegistryAbi } from "../../../types/abi/INodeRegistry.ts";
import type { Net } from "../net.ts";
import { eventsBackwards, type LogPage } from "./logs.ts";

const registry = (net: Net) => ({ address: net.settlement.address("NodeRegistry"), abi: iNodeRegistryAbi }) as const;

/** Nodes in the order in which they registered, newest first. */
export async function listNodes(net: Net, options: { role?: number; from?: bigint; enough?: number; signal?: AbortSignal } = {}): Promise<LogPage<Hex>> {
  const role = options.role === undefined ? null : (`0x${options.role.toString(16).padStart(64, "0")}` as Hex);
  const page = await eventsBackwards(net.settlement, { ...registry(net), names: ["NodeRegistered"], topics: [null, null, role] }, options);
  return { ...page, events: page.events.map(({ args }) => args.nodeId) };
}

/** A node with its bond and its current key epoch. */
export async function readNode(net: Net, nodeId: Hex) {
  const { client } = net.settlement;
  const read = registry(net);
  const [node, bond] = await Promise.all([client.readContract({ ...read, functionName: "node", args: [nodeId] }), client.readContract({ ...read, functionName: "bond", args: [nodeId] })]);
  const key = BigInt(node.keyId) === 0n ? null : await client.readContract({ ...read, functionName: "key", args: [node.keyId] });
  return { nodeId, ...node, bond, key };
}

export type ShownNode = Awaited<ReturnType<typeof readNode>>;

/** All key epochs of a node with what stands behind each now, newest first. */
export async function keyEpochs(net: Net, nodeId: Hex, signal?: AbortSignal) {
  const { events, next } = await eventsBackwards(net.settlement, { ...registry(net), names: ["KeyEpochOpened"], topics: [nodeId] }, { signal });
  const epochs = await Promise.all(events.map(async ({ args: { keyId }, transactionHash }) => ({ keyId, tx: transactionHash!, ...(await net.settlement.client.readContract({ ...registry(net), functionName: "key", args: [keyId] })) })));
  return { epochs, next };
}

const LIFE = ["NodeStatusChanged", "EndpointChanged", "OperatorTransferred", "KeyEpochCompromised", "BondSlashed", "BondAdded", "BondExiting", "BondWithdrawn"] as const;

/** What happened to a node, newest first; heartbeats and locks are left out. */
export async function lifeOf(net: Net, nodeId: Hex, enough: number, signal?: AbortSignal) {
  return (await eventsBackwards(net.settlement, { ...registry(net), names: LIFE, topics: [nodeId] }, { enough, signal })).events.slice(0, enough);
}
