/** What a node has to do about itself: pure, from what the chain says to the next step. */
import type { Hex } from "viem";

/** NodeStatus of INodeRegistry. */
export const NodeStatus = { None: 0, Registered: 1, Active: 2, Dead: 3, Draining: 4, Exiting: 5, Exited: 6, Jailed: 7, Banned: 8 } as const;
/** KeyStatus of INodeRegistry. */
export const KeyStatus = { None: 0, Valid: 1, Retired: 2, Expired: 3, Compromised: 4 } as const;

export interface NodeSnapshot {
  headNumber: bigint;
  headTime: bigint;
  /** Null when nothing is registered yet. */
  node: null | {
    status: number;
    endpoint: string;
    tlsSpkiHash: Hex;
    lastHeartbeat: bigint;
    /** Null without a key epoch. */
    key: null | { publicKeyHash: Hex; status: number; validUntil: bigint };
  };
  /** The key that this process holds, if the chain has admitted it: hash of its public key. */
  ownPublicKeyHash: Hex | null;
  heartbeatBlocks: bigint;
}

export interface NodeWish {
  endpoint: string;
  tlsSpkiHash: Hex;
  /** Attest again when the key has fewer seconds than this left. */
  renewBefore: bigint;
  /** Heartbeats go to relays first. */
  relayed?: boolean;
}

export type NodeStep =
  | { kind: "register" }
  | { kind: "setEndpoint" }
  | { kind: "attest"; why: string }
  | { kind: "handIn" }
  | { kind: "heartbeat" }
  | { kind: "none" }
  | { kind: "stop"; why: string };

const NAMES: Readonly<Record<number, string>> = { 4: "draining", 5: "exiting", 6: "exited", 7: "jailed: its bond is under the minimum", 8: "banned" };

export function decideNode(snapshot: NodeSnapshot, wish: NodeWish): NodeStep {
  const { node } = snapshot;
  if (node === null) return { kind: "register" };
  if (NAMES[node.status] !== undefined && node.status !== NodeStatus.Draining) return { kind: "stop", why: `the node is ${NAMES[node.status]}` };
  if (node.endpoint !== wish.endpoint || node.tlsSpkiHash.toLowerCase() !== wish.tlsSpkiHash.toLowerCase()) return { kind: "setEndpoint" };
  if (!node.key || node.key.status !== KeyStatus.Valid) return { kind: "attest", why: "the node has no valid key" };
  // A restarted process has lost the key that the chain knows: the enclave's memory was its only place.
  if (node.key.publicKeyHash !== snapshot.ownPublicKeyHash) return { kind: "attest", why: "the key on chain is not this process's" };
  if (node.key.validUntil - snapshot.headTime < wish.renewBefore) return { kind: "attest", why: "the attestation ends soon" };
  const since = snapshot.headNumber - node.lastHeartbeat;
  const due = since > snapshot.heartbeatBlocks / 3n;
  // A relay has until half of the time is gone; what it dropped the node sends itself. A dead node earns nothing: it does not wait.
  if (due && wish.relayed && node.status === NodeStatus.Active && since <= snapshot.heartbeatBlocks / 2n) return { kind: "handIn" };
  if (due || node.status === NodeStatus.Dead) return { kind: "heartbeat" };
  return { kind: "none" };
}
