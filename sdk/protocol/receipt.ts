import type { Hex } from "viem";
import { typedDataHash } from "../crypto/typedData.ts";
import { eip712Domain, type ProtocolDomain } from "./domain.ts";

/** What one answer says of itself; fields as in contracts/types/Receipt.sol. */
export interface InferenceReceipt {
  nodeId: Hex;
  keyId: Hex;
  modelId: Hex;
  termsHash: Hex;
  requestHash: Hex;
  responseHash: Hex;
  paymentId: Hex;
  /** Start of this answer's interval on its payment's number line, smallest token unit. */
  cumulativeBefore: bigint;
  /** Length of the interval, smallest token unit. */
  charge: bigint;
  inputUnits: bigint;
  outputUnits: bigint;
  /** Per payment, from 0. */
  sequence: bigint;
  /** Seconds since 1970. */
  issuedAt: bigint;
  /** See `Outcome`. */
  outcome: number;
}

export const receiptTypes = {
  InferenceReceipt: [
    { name: "nodeId", type: "bytes32" },
    { name: "keyId", type: "bytes32" },
    { name: "modelId", type: "bytes32" },
    { name: "termsHash", type: "bytes32" },
    { name: "requestHash", type: "bytes32" },
    { name: "responseHash", type: "bytes32" },
    { name: "paymentId", type: "bytes32" },
    { name: "cumulativeBefore", type: "uint128" },
    { name: "charge", type: "uint128" },
    { name: "inputUnits", type: "uint64" },
    { name: "outputUnits", type: "uint64" },
    { name: "sequence", type: "uint64" },
    { name: "issuedAt", type: "uint64" },
    { name: "outcome", type: "uint8" },
  ],
} as const;

/** EIP-712 typed data of a receipt, for any signer. `domain.verifyingContract` is InferenceSettlement. */
export function receiptTypedData(receipt: InferenceReceipt, domain: ProtocolDomain) {
  return { domain: eip712Domain(domain), types: receiptTypes, primaryType: "InferenceReceipt", message: receipt } as const;
}

/** The digest that the node's key signs and a batch leaf commits to. */
export function receiptDigest(receipt: InferenceReceipt, domain: ProtocolDomain): Hex {
  return typedDataHash(receiptTypedData(receipt, domain));
}
