/** Checks the signatures of a chunk of records and hashes its leaves: the part of a batch's verification that costs time. */
import { type Hex, bytesToHex, hexToBytes } from "viem";
import { addressOf, engine as fastest, type Secp256k1Engine } from "../crypto/secp256k1.ts";
import { KeyType, type ProtocolDomain } from "../protocol/index.ts";
import { verifyNodeSignature } from "../receipts/signatures.ts";
import type { Preamble } from "./format.ts";
import { leafHasher, signatureAt } from "./leaf.ts";
import { verifyMany } from "./many.ts";
import { recordLength } from "./records.ts";

/** Whose signatures they must be. */
export interface SigningKey {
  /** `KeyType` of the protocol. */
  keyType: number;
  /** Secp256k1: the key's address (20 bytes). Else the public key as registered. */
  signer: Hex;
}

export interface ChunkResult {
  /** Leaf hashes, 32 bytes each. */
  leaves: Uint8Array;
  digests: Uint8Array;
  /** Index in the chunk of the first bad signature, or -1. */
  bad: number;
  /** The records again, where the checker took them over (another thread); else they are the caller's still. */
  bytes?: Uint8Array;
}

export type ChunkChecker = (bytes: Uint8Array, count: number) => Promise<ChunkResult>;

export interface CheckerOptions {
  domain: ProtocolDomain;
  preamble: Pick<Preamble, "nodeId" | "keyId" | "signatureLength">;
  key: SigningKey;
  /**
   * Native code recovers each signature by itself; without it a chunk is checked as one sum of points (many.ts), which is
   * several times faster than recovery in JavaScript. Default: the fastest of this machine.
   */
  engine?: Secp256k1Engine;
  /** False: only hashes; for data whose signatures the same operator has checked before. Default true. */
  signatures?: boolean;
}

const HALF_ORDER = hexToBytes("0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

export function chunkChecker({ domain, preamble, key, engine = fastest, signatures = true }: CheckerOptions): ChunkChecker {
  const hasher = leafHasher(domain, preamble.nodeId, preamble.keyId);
  const length = recordLength(preamble);
  /** The key itself, once one signature has shown it: the registry keeps only its address. */
  let publicKey: Uint8Array | null = null;

  const isSigned = (digest: Uint8Array, signature: Uint8Array): boolean => {
    const recovered = canonical(signature) ? recovery(digest, signature, engine) : null;
    if (!recovered) return false;
    if (publicKey) return sameBytes(publicKey, recovered);
    if (addressOf(recovered) !== key.signer.toLowerCase()) return false;
    publicKey = recovered;
    return true;
  };

  return async (bytes, count) => {
    const leaves = new Uint8Array(32 * count);
    const digests = new Uint8Array(32 * count);
    const digestAt = (index: number) => digests.subarray(32 * index, 32 * index + 32);
    const signatureOf = (index: number) => signatureAt(bytes, index * length, preamble.signatureLength);
    for (let index = 0; index < count; index++) {
      const digest = hasher.digest(bytes, index * length);
      digests.set(digest, 32 * index);
      leaves.set(hasher.leaf(digest, signatureOf(index)), 32 * index);
    }
    if (!signatures) return { leaves, digests, bad: -1 };
    if (key.keyType !== KeyType.Secp256k1) {
      for (let index = 0; index < count; index++) {
        if (!(await verifyNodeSignature(key.keyType, key.signer, bytesToHex(digestAt(index)), bytesToHex(signatureOf(index))))) return { leaves, digests, bad: index };
      }
      return { leaves, digests, bad: -1 };
    }
    if (!isSigned(digestAt(0), signatureOf(0))) return { leaves, digests, bad: 0 };
    if (engine.name === "noble" && count > 4 && allCanonical(count, signatureOf) && verifyMany(bytesToHex(publicKey!), { count, digest: digestAt, signature: signatureOf })) {
      return { leaves, digests, bad: -1 };
    }
    // One after the other names the first that is wrong.
    for (let index = 1; index < count; index++) if (!isSigned(digestAt(index), signatureOf(index))) return { leaves, digests, bad: index };
    return { leaves, digests, bad: -1 };
  };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return a.length === b.length;
}

function allCanonical(count: number, signatureOf: (index: number) => Uint8Array): boolean {
  for (let index = 0; index < count; index++) if (!canonical(signatureOf(index))) return false;
  return true;
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

/** The key that a canonical signature shows, or null: not every r is a point's. */
function recovery(digest: Uint8Array, signature: Uint8Array, engine: Secp256k1Engine): Uint8Array | null {
  try {
    return engine.recover(digest, signature.subarray(0, 64), signature[64]! - 27);
  } catch {
    return null;
  }
}
