/** Digest and leaf hash of a receipt straight from its record: the same bytes as sdk/protocol, without objects in between. */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { type Hex, domainSeparator, hexToBytes, keccak256, toBytes } from "viem";
import { eip712Domain, type ProtocolDomain, receiptTypes } from "../protocol/index.ts";
import { AT, RECEIPT_LENGTH } from "./format.ts";

const TYPE = `InferenceReceipt(${receiptTypes.InferenceReceipt.map(({ type, name }) => `${type} ${name}`).join(",")})`;

export interface LeafHasher {
  /** EIP-712 digest of the receipt in the record at `offset`. */
  digest(bytes: Uint8Array, offset: number): Uint8Array;
  /** Leaf of the receipts tree. */
  leaf(digest: Uint8Array, signature: Uint8Array): Uint8Array;
}

/** Not for concurrent use: it keeps its buffers. */
export function leafHasher(domain: ProtocolDomain, nodeId: Hex, keyId: Hex): LeafHasher {
  const struct = new Uint8Array(32 * 15);
  struct.set(toBytes(keccak256(toBytes(TYPE))), 0);
  struct.set(hexToBytes(nodeId), 32);
  struct.set(hexToBytes(keyId), 64);
  const typed = new Uint8Array(66);
  typed[0] = 0x19;
  typed[1] = 0x01;
  typed.set(hexToBytes(domainSeparator({ domain: eip712Domain(domain) })), 2);
  const leafBytes = new Uint8Array(65);
  // Where each field of the record goes: right-aligned in its word.
  const moves: readonly [from: number, length: number, word: number][] = [
    [AT.modelId, 32, 3], [AT.termsHash, 32, 4], [AT.requestHash, 32, 5], [AT.responseHash, 32, 6], [AT.paymentId, 32, 7],
    [AT.cumulativeBefore, 16, 8], [AT.charge, 16, 9], [AT.inputUnits, 8, 10], [AT.outputUnits, 8, 11], [AT.sequence, 8, 12], [AT.issuedAt, 8, 13], [AT.outcome, 1, 14],
  ];
  return {
    digest(bytes, offset) {
      for (const [from, length, word] of moves) struct.set(bytes.subarray(offset + from, offset + from + length), 32 * word + 32 - length);
      typed.set(keccak_256(struct), 34);
      return keccak_256(typed);
    },
    leaf(digest, signature) {
      leafBytes.set(digest, 1);
      leafBytes.set(keccak_256(signature), 33);
      return keccak_256(leafBytes);
    },
  };
}

/** The signature's bytes inside of a record. */
export function signatureAt(bytes: Uint8Array, offset: number, signatureLength: number): Uint8Array {
  return bytes.subarray(offset + RECEIPT_LENGTH, offset + RECEIPT_LENGTH + signatureLength);
}
