import type { Address, Hex } from "viem";
import { iNodeRegistryAbi } from "../../types/abi/INodeRegistry.ts";
import { KeyType, nameOf, Role, type Value } from "../protocol/enums.ts";
import type { RegistryKey } from "../receipts/verify.ts";
import type { ChainAccess } from "./network.ts";

/** A node as the registry lists it. */
export interface NodeInfo {
  nodeId: Hex;
  operator: Address;
  payout: Address;
  paymentAuthorizer: Address;
  role: string;
  status: string;
  endpoint: string;
  keyId: Hex;
  /** SHA-256 of the TLS key's SubjectPublicKeyInfo; attested, so clients pin it. */
  tlsSpkiHash: Hex;
  policyId: Hex;
  workload: Hex;
  lastHeartbeat: bigint;
}

/** Values of INodeRegistry.NodeStatus. */
export const NodeStatus = { None: 0, Registered: 1, Active: 2, Dead: 3, Draining: 4, Exiting: 5, Exited: 6, Jailed: 7, Banned: 8 };

const registry = (settlement: ChainAccess) => ({ address: settlement.address("NodeRegistry"), abi: iNodeRegistryAbi }) as const;

/** One node, whatever its state. */
export async function nodeById(settlement: ChainAccess, nodeId: Hex): Promise<NodeInfo> {
  const node = await settlement.client.readContract({ ...registry(settlement), functionName: "node", args: [nodeId] });
  return { ...node, nodeId, role: nameOf(Role, node.role), status: nameOf(NodeStatus, node.status) };
}

/** All Active nodes of a role, page by page. */
export async function activeNodes(settlement: ChainAccess, role: Value<typeof Role>): Promise<NodeInfo[]> {
  const nodes: NodeInfo[] = [];
  let cursor = 0n;
  do {
    const [ids, next] = await settlement.client.readContract({ ...registry(settlement), functionName: "activeNodes", args: [role, cursor, 100n] });
    nodes.push(...(await Promise.all(ids.map((nodeId) => nodeById(settlement, nodeId)))));
    cursor = next;
  } while (cursor !== 0n);
  return nodes;
}

/** A key epoch, and whether a receipt that it issues at `issuedAt` (seconds) counts when it is posted at once. */
export async function registryKey(settlement: ChainAccess, keyId: Hex, issuedAt: bigint): Promise<RegistryKey> {
  const contract = registry(settlement);
  const [key, publicKey, valid] = await Promise.all([
    settlement.client.readContract({ ...contract, functionName: "key", args: [keyId] }),
    settlement.client.readContract({ ...contract, functionName: "publicKey", args: [keyId] }),
    settlement.client.readContract({ ...contract, functionName: "keyValidAt", args: [keyId, issuedAt, issuedAt] }),
  ]);
  // Of a secp256k1 key the registry keeps the address; longer keys stand in a data contract.
  return { nodeId: key.nodeId, keyId, keyType: key.keyType, publicKey: key.keyType === KeyType.Secp256k1 ? key.signer : publicKey, valid };
}
