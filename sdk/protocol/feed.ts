import { type Hex, encodeAbiParameters, hashTypedData, keccak256 } from "viem";
import { eip712Domain, type ProtocolDomain } from "./domain.ts";

/** What a feed is; fields as in contracts/types/Feed.sol. Its hash is its id. */
export interface FeedDefinition {
  name: string;
  /** URLs, each with a JSON pointer after "#". */
  sources: readonly string[];
  /** SHA-256 of the SPKI for each source; 0 for the public roots. */
  tlsPins: readonly Hex[];
  /** Seconds a round. */
  period: number;
  decimals: number;
  minOperators: number;
  policyId: Hex;
  maxDeviationBps: number;
  maxAge: number;
}

/** What a data node saw; fields as in contracts/types/Feed.sol. Its domain's contract is DataFeeds. */
export interface Observation {
  feedId: Hex;
  round: bigint;
  nodeId: Hex;
  keyId: Hex;
  value: bigint;
  /** Seconds. */
  observedAt: bigint;
  evidenceHash: Hex;
  salt: Hex;
}

export const observationTypes = {
  Observation: [
    { name: "feedId", type: "bytes32" },
    { name: "round", type: "uint64" },
    { name: "nodeId", type: "bytes32" },
    { name: "keyId", type: "bytes32" },
    { name: "value", type: "int256" },
    { name: "observedAt", type: "uint64" },
    { name: "evidenceHash", type: "bytes32" },
    { name: "salt", type: "bytes32" },
  ],
} as const;

/** What the node's key signs and what it commits to. */
export function observationDigest(message: Observation, domain: ProtocolDomain): Hex {
  return hashTypedData({ domain: eip712Domain(domain), types: observationTypes, primaryType: "Observation", message });
}

/** A feed's id. */
export function feedId(definition: FeedDefinition): Hex {
  const components = [
    { name: "name", type: "string" }, { name: "sources", type: "string[]" }, { name: "tlsPins", type: "bytes32[]" }, { name: "period", type: "uint32" },
    { name: "decimals", type: "uint8" }, { name: "minOperators", type: "uint8" }, { name: "policyId", type: "bytes32" },
    { name: "maxDeviationBps", type: "uint16" }, { name: "maxAge", type: "uint32" },
  ] as const;
  return keccak256(encodeAbiParameters([{ type: "tuple", components }], [definition]));
}
