/** Checks the signatures of a chunk of records and hashes its leaves: the part of a batch's verification that costs time. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { type Hex, bytesToHex, hexToBytes } from "viem";
import { KeyType, type ProtocolDomain } from "../protocol/index.ts";
import { addressOfKey, verifyNodeSignature } from "../receipts/signatures.ts";
import type { Preamble } from "./format.ts";
import { leafHasher, signatureAt } from "./leaf.ts";
import { recordLength } from "./records.ts";

/** Whose signatures they must be. */
export interface SigningKey {
  /** `KeyType` of the protocol. */
  keyType: number;
  /** Secp256k1: the key's address (20 bytes). Else the public key as registered. */
  signer: Hex;
}

/** Gives the signer's 20-byte address, or null. `v` is 27 or 28 and s is low, as the contract demands. */
export type Recover = (digest: Uint8Array, signature: Uint8Array) => Hex | null;

export interface ChunkResult {
  /** Leaf hashes, 32 bytes each. */
  leaves: Uint8Array;
  digests: Uint8Array;
  /** Index in the chunk of the first bad signature, or -1. */
  bad: number;
}

export type ChunkChecker = (bytes: Uint8Array, count: number) => Promise<ChunkResult>;

export interface CheckerOptions {
  domain: ProtocolDomain;
  preamble: Pick<Preamble, "nodeId" | "keyId" | "signatureLength">;
  key: SigningKey;
  recover?: Recover;
}

const HALF_ORDER = hexToBytes("0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

export function chunkChecker({ domain, preamble, key, recover = nobleRecover }: CheckerOptions): ChunkChecker {
  const hasher = leafHasher(domain, preamble.nodeId, preamble.keyId);
  const length = recordLength(preamble);
  const signer = key.signer.toLowerCase();

  async function isSigned(digest: Uint8Array, signature: Uint8Array): Promise<boolean> {
    if (key.keyType !== KeyType.Secp256k1) return verifyNodeSignature(key.keyType, key.signer, bytesToHex(digest), bytesToHex(signature));
    return canonical(signature) && recover(digest, signature)?.toLowerCase() === signer;
  }

  return async (bytes, count) => {
    const leaves = new Uint8Array(32 * count);
    const digests = new Uint8Array(32 * count);
    let bad = -1;
    for (let index = 0; index < count; index++) {
      const offset = index * length;
      const digest = hasher.digest(bytes, offset);
      const signature = signatureAt(bytes, offset, preamble.signatureLength);
      digests.set(digest, 32 * index);
      leaves.set(hasher.leaf(digest, signature), 32 * index);
      // After the first bad one the batch is lost; its other leaves still need hashes, for the proof of the fault.
      const signed = key.keyType === KeyType.Secp256k1 && canonical(signature) ? recover(digest, signature)?.toLowerCase() === signer : await isSigned(digest, signature);
      if (bad < 0 && !signed) bad = index;
    }
    return { leaves, digests, bad };
  };
}

/** 65 bytes, v 27 or 28, low s: everything else OpenZeppelin's ECDSA refuses too. */
function canonical(signature: Uint8Array): boolean {
  if (signature.length !== 65 || (signature[64] !== 27 && signature[64] !== 28)) return false;
  for (let index = 0; index < 32; index++) {
    const difference = signature[32 + index]! - HALF_ORDER[index]!;
    if (difference !== 0) return difference < 0;
  }
  return true;
}

function nobleRecover(digest: Uint8Array, signature: Uint8Array): Hex | null {
  try {
    const recoverable = new Uint8Array(65);
    recoverable[0] = signature[64]! - 27;
    recoverable.set(signature.subarray(0, 64), 1);
    const point = secp256k1.Signature.fromBytes(recoverable, "recovered").recoverPublicKey(digest);
    return addressOfKey(bytesToHex(point.toBytes(false)));
  } catch {
    return null;
  }
}
