import { type Address, type Hex, encodeAbiParameters, hexToBigInt, keccak256, toBytes } from "viem";
import { type BatchHeader, type ChannelStretch, headerTypes, stretchTypes } from "./batch.ts";
import { type InferenceReceipt, receiptTypes } from "./receipt.ts";
import type { Terms } from "./terms.ts";

/** What FaultCourt can decide; contracts/types/Faults.sol says what each one means. */
export const FaultKind = {
  None: 0,
  BadSignature: 1,
  WrongNode: 2,
  OutOfTime: 3,
  BadOutcome: 4,
  Order: 5,
  StretchShape: 6,
  StretchEnd: 7,
  StretchInside: 8,
  StretchLink: 9,
  StretchTotal: 10,
  Overlap: 11,
  WrongTerms: 12,
  Overcharge: 13,
  Royalty: 14,
  Unanswered: 15,
  WrongOutput: 16,
} as const;

/** A receipt at its place in a header's tree. */
export interface LeafProof {
  receipt: InferenceReceipt;
  signature: Hex;
  index: bigint;
  path: Hex[];
}

/** A stretch at its place in a header's tree. */
export interface StretchProof {
  stretch: ChannelStretch;
  index: bigint;
  path: Hex[];
}

export interface PriceEntry {
  modelId: Hex;
  perRequest: bigint;
  perMillionInput: bigint;
  perMillionOutput: bigint;
  perMillionReasoning: bigint;
}

/** Evidence by the struct that a kind takes; the first key that is there decides. */
export type Evidence =
  | { leaf: LeafProof }
  | { leafPair: { left: LeafProof; right: LeafProof } }
  | { stretch: StretchProof }
  | { edge: { stretch: StretchProof; leaf: LeafProof } }
  | { inside: { stretch: StretchProof; left: LeafProof; right: LeafProof } }
  | { stretchPair: { left: StretchProof; right: StretchProof } }
  | { overlap: { here: StretchProof; other: BatchHeader; there: StretchProof } }
  | { terms: { leaf: LeafProof; terms: Terms } }
  | { output: { leaf: LeafProof; terms: Terms; salt: Hex; model: string; inputs: bigint; publicInputs: readonly bigint[]; proof: Hex } }
  | { tariff: { leaf: LeafProof; terms: Terms; chainId: bigint; token: Address; priceHashes: readonly Hex[]; index: bigint; price: PriceEntry } };

interface Field {
  name: string;
  type: string;
  components?: readonly Field[];
}

const tuple = (name: string, components: readonly Field[]): Field => ({ name, type: "tuple", components });
const place: Field[] = [
  { name: "index", type: "uint256" },
  { name: "path", type: "bytes32[]" },
];
const leaf = (name: string) => tuple(name, [tuple("receipt", receiptTypes.InferenceReceipt), { name: "signature", type: "bytes" }, ...place]);
const stretch = (name: string) => tuple(name, [tuple("stretch", stretchTypes.ChannelStretch), ...place]);
const terms = tuple("terms", [
  { name: "nodeId", type: "bytes32" },
  { name: "payout", type: "address" },
  { name: "settlementMode", type: "uint8" },
  { name: "verification", type: "uint8" },
  { name: "tariffHash", type: "bytes32" },
  { name: "policyId", type: "bytes32" },
  { name: "royaltyTo", type: "address" },
  { name: "royaltyBps", type: "uint16" },
  { name: "feeBpsCap", type: "uint16" },
  { name: "inbox", type: "address" },
]);
const price = tuple("price", [
  { name: "modelId", type: "bytes32" },
  { name: "perRequest", type: "uint128" },
  { name: "perMillionInput", type: "uint128" },
  { name: "perMillionOutput", type: "uint128" },
  { name: "perMillionReasoning", type: "uint128" },
]);

const SHAPES: Record<string, Field> = {
  leaf: leaf(""),
  leafPair: tuple("", [leaf("left"), leaf("right")]),
  stretch: stretch(""),
  edge: tuple("", [stretch("stretch"), leaf("leaf")]),
  inside: tuple("", [stretch("stretch"), leaf("left"), leaf("right")]),
  stretchPair: tuple("", [stretch("left"), stretch("right")]),
  overlap: tuple("", [stretch("here"), tuple("other", headerTypes.BatchHeader), stretch("there")]),
  terms: tuple("", [leaf("leaf"), terms]),
  output: tuple("", [
    leaf("leaf"),
    terms,
    { name: "salt", type: "bytes32" },
    { name: "model", type: "string" },
    { name: "inputs", type: "uint256" },
    { name: "publicInputs", type: "uint256[]" },
    { name: "proof", type: "bytes" },
  ]),
  tariff: tuple("", [
    leaf("leaf"),
    terms,
    { name: "chainId", type: "uint256" },
    { name: "token", type: "address" },
    { name: "priceHashes", type: "bytes32[]" },
    { name: "index", type: "uint256" },
    price,
  ]),
};

/** `evidence` of FaultCourt.prove and check. */
export function encodeEvidence(evidence: Evidence): Hex {
  const [name, value] = Object.entries(evidence)[0] as [string, unknown];
  return encodeAbiParameters([SHAPES[name]!] as never, [value] as never);
}

/** First public input of a proof of what a receipt should have answered: it serves this reporter at this court alone. */
export function outputContext(chainId: number, court: Address, digest: Hex, reporter: Address): bigint {
  const tag = keccak256(toBytes("opengradient.output-fault.v1"));
  const types = [{ type: "bytes32" }, { type: "uint256" }, { type: "address" }, { type: "bytes32" }, { type: "address" }] as const;
  return hexToBigInt(keccak256(encodeAbiParameters(types, [tag, BigInt(chainId), court, digest, reporter]))) & ((1n << 248n) - 1n);
}

/** What a reporter commits to at least one block before it proves. */
export function faultCommitment(reporter: Address, headerHash: Hex, kind: number, evidence: Hex, salt: Hex): Hex {
  return keccak256(
    encodeAbiParameters(
      [{ type: "address" }, { type: "bytes32" }, { type: "uint8" }, { type: "bytes32" }, { type: "bytes32" }],
      [reporter, headerHash, kind, keccak256(evidence), salt],
    ),
  );
}
