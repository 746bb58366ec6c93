import { type Address, type Hex, hashTypedData, parseSignature, signatureToCompactSignature } from "viem";
import { eip712Domain, type ProtocolDomain } from "./domain.ts";

/** "I hold the data of this batch and checked every leaf." */
export interface LeafCheck {
  headerHash: Hex;
  committeeEpoch: bigint;
}

/** "The settlement chain says that this header is `status`": the one message that crosses the chains. */
export interface Finality {
  paymentChainId: bigint;
  inbox: Address;
  committeeEpoch: bigint;
  headerHash: Hex;
  /** Where the settlement chain keeps the header: `slotOf`. */
  slot: Hex;
  channelsRoot: Hex;
  /** `BatchStatus`: Final, Rejected or RejectedNoFault. */
  status: number;
  /** Seconds, settlement chain's clock. */
  settledAt: bigint;
  /** Seconds. */
  validUntil: bigint;
}

/** "I am alive and have seen this block." Its domain's contract is NodeRegistry. */
export interface Heartbeat {
  nodeId: Hex;
  blockNumber: bigint;
  blockHash: Hex;
}

/** "The committee epoch after mine is this list": signed by the epoch before, for one inbox. */
export interface Rotation {
  paymentChainId: bigint;
  inbox: Address;
  epoch: bigint;
  /** CommitteeLib.listHash of the next list. */
  listHash: Hex;
  /** Seconds. */
  validUntil: bigint;
}

/** "I accept what was delivered up to `cumulative`": the payer's. Its domain's contract is PaymentEscrow. */
export interface Ack {
  paymentId: Hex;
  cumulative: bigint;
}

export const statementTypes = {
  LeafCheck: [
    { name: "headerHash", type: "bytes32" },
    { name: "committeeEpoch", type: "uint64" },
  ],
  Finality: [
    { name: "paymentChainId", type: "uint256" },
    { name: "inbox", type: "address" },
    { name: "committeeEpoch", type: "uint64" },
    { name: "headerHash", type: "bytes32" },
    { name: "slot", type: "bytes32" },
    { name: "channelsRoot", type: "bytes32" },
    { name: "status", type: "uint8" },
    { name: "settledAt", type: "uint64" },
    { name: "validUntil", type: "uint64" },
  ],
  Rotation: [
    { name: "paymentChainId", type: "uint256" },
    { name: "inbox", type: "address" },
    { name: "epoch", type: "uint64" },
    { name: "listHash", type: "bytes32" },
    { name: "validUntil", type: "uint64" },
  ],
  Ack: [
    { name: "paymentId", type: "bytes32" },
    { name: "cumulative", type: "uint128" },
  ],
  Heartbeat: [
    { name: "nodeId", type: "bytes32" },
    { name: "blockNumber", type: "uint64" },
    { name: "blockHash", type: "bytes32" },
  ],
} as const;

/** Typed data of a LeafCheck, for any signer. */
export function leafCheckTypedData(message: LeafCheck, domain: ProtocolDomain) {
  return { domain: eip712Domain(domain), types: { LeafCheck: statementTypes.LeafCheck }, primaryType: "LeafCheck", message } as const;
}

/** Typed data of a Finality statement, for any signer. */
export function finalityTypedData(message: Finality, domain: ProtocolDomain) {
  return { domain: eip712Domain(domain), types: { Finality: statementTypes.Finality }, primaryType: "Finality", message } as const;
}

/** Typed data of a Heartbeat, for any signer. */
export function heartbeatTypedData(message: Heartbeat, domain: ProtocolDomain) {
  return { domain: eip712Domain(domain), types: { Heartbeat: statementTypes.Heartbeat }, primaryType: "Heartbeat", message } as const;
}

/** Typed data of a Rotation, for any signer. */
export function rotationTypedData(message: Rotation, domain: ProtocolDomain) {
  return { domain: eip712Domain(domain), types: { Rotation: statementTypes.Rotation }, primaryType: "Rotation", message } as const;
}

/** Typed data of an Ack, for any signer. */
export function ackTypedData(message: Ack, domain: ProtocolDomain) {
  return { domain: eip712Domain(domain), types: { Ack: statementTypes.Ack }, primaryType: "Ack", message } as const;
}

export const leafCheckDigest = (message: LeafCheck, domain: ProtocolDomain): Hex => hashTypedData(leafCheckTypedData(message, domain));
export const finalityDigest = (message: Finality, domain: ProtocolDomain): Hex => hashTypedData(finalityTypedData(message, domain));
/** A heartbeat's signature as `heartbeats` of the registry takes it: EIP-2098, from 65 bytes r | s | v. */
export function signedHeartbeat(nodeId: Hex, signature: Hex): { nodeId: Hex; r: Hex; vs: Hex } {
  const { r, yParityAndS } = signatureToCompactSignature(parseSignature(signature));
  return { nodeId, r, vs: yParityAndS };
}

export const heartbeatDigest = (message: Heartbeat, domain: ProtocolDomain): Hex => hashTypedData(heartbeatTypedData(message, domain));
export const rotationDigest = (message: Rotation, domain: ProtocolDomain): Hex => hashTypedData(rotationTypedData(message, domain));
export const ackDigest = (message: Ack, domain: ProtocolDomain): Hex => hashTypedData(ackTypedData(message, domain));
