/** Checks the signatures of a chunk of records and hashes its leaves: the part of a batch's verification that costs time. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { type Hex, bytesToHex, hexToBytes } from "viem";
import { KeyType, type ProtocolDomain } from "../protocol/index.ts";
import { addressOfKey, verifyNodeSignature } from "../receipts/signatures.ts";
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

/** Gives the signer's public key (65 bytes), or null. `v` is 27 or 28 and s is low, as the contract demands. */
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
  /** The key itself, once one signature has shown it: the registry keeps only its address. */
  let publicKey: Hex | null = null;

  const single = async (digest: Uint8Array, signature: Uint8Array): Promise<boolean> => {
    if (key.keyType !== KeyType.Secp256k1) return verifyNodeSignature(key.keyType, key.signer, bytesToHex(digest), bytesToHex(signature));
    const recovered = canonical(signature) ? recover(digest, signature) : null;
    if (!recovered || addressOfKey(recovered).toLowerCase() !== signer) return false;
    publicKey ??= recovered;
    return true;
  };

  return async (bytes, count) => {
    const leaves = new Uint8Array(32 * count);
    const digests = new Uint8Array(32 * count);
    const digestAt = (index: number) => digests.subarray(32 * index, 32 * index + 32);
    const signatureOf = (index: number) => signatureAt(bytes, index * length, preamble.signatureLength);
    let wellFormed = key.keyType === KeyType.Secp256k1;
    for (let index = 0; index < count; index++) {
      const digest = hasher.digest(bytes, index * length);
      digests.set(digest, 32 * index);
      leaves.set(hasher.leaf(digest, signatureOf(index)), 32 * index);
      wellFormed &&= canonical(signatureOf(index));
    }
    if (!(await single(digestAt(0), signatureOf(0)))) return { leaves, digests, bad: 0 };
    if (wellFormed && publicKey && count > 4 && verifyMany(publicKey, { count, digest: digestAt, signature: signatureOf })) return { leaves, digests, bad: -1 };
    // All at once did not hold (or cannot be asked): one after the other, to name the first that is wrong.
    for (let index = 1; index < count; index++) if (!(await single(digestAt(index), signatureOf(index)))) return { leaves, digests, bad: index };
    return { leaves, digests, bad: -1 };
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
    return bytesToHex(point.toBytes(false));
  } catch {
    return null;
  }
}
