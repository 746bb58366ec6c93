import { p256 } from "@noble/curves/nist.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Hex, hexToBytes, keccak256, getAddress, size, slice } from "viem";
import { recoverSigner } from "../crypto/secp256k1.ts";
import { KeyType } from "../protocol/enums.ts";

/**
 * Verifies a node's signature over a 32-byte digest, as NodeSignatures.sol does.
 * - Secp256k1: `publicKey` 65 bytes 0x04|x|y, or the 20-byte address that the registry keeps of it; signature r|s|v (65 bytes) over the digest itself, low s.
 * - P256: `publicKey` 65 bytes, signature r|s (64 bytes) over SHA-256 of the digest's bytes, any s.
 * - RsaPss2048: `publicKey` 294 bytes DER SubjectPublicKeyInfo; RSA-PSS, SHA-256, MGF1-SHA-256, salt 32, over the bytes.
 * @returns false for a wrong signature and for any malformed key or signature; never throws for those.
 */
export async function verifyNodeSignature(keyType: number, publicKey: Hex, digest: Hex, signature: Hex): Promise<boolean> {
  try {
    switch (keyType) {
      case KeyType.Secp256k1:
        return verifySecp256k1(publicKey, digest, signature);
      case KeyType.P256:
        return p256.verify(hexToBytes(signature), sha256(hexToBytes(digest)), hexToBytes(publicKey), { prehash: false, lowS: false });
      case KeyType.RsaPss2048:
        return await verifyRsaPss(hexToBytes(publicKey), hexToBytes(digest), hexToBytes(signature));
      default:
        return false;
    }
  } catch {
    return false;
  }
}

/** Ethereum address of an uncompressed secp256k1 key (65 bytes). */
export function addressOfKey(publicKey: Hex): Hex {
  return getAddress(slice(keccak256(slice(publicKey, 1)), 12));
}

function verifySecp256k1(publicKey: Hex, digest: Hex, signature: Hex): boolean {
  const length = size(publicKey);
  if (length !== 65 && length !== 20) return false;
  const signer = recoverSigner(digest, signature);
  return signer !== undefined && signer === (length === 20 ? publicKey : addressOfKey(publicKey)).toLowerCase();
}

async function verifyRsaPss(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  const subtle = globalThis.crypto.subtle;
  const key = await subtle.importKey("spki", spki as BufferSource, { name: "RSA-PSS", hash: "SHA-256" }, false, ["verify"]);
  return subtle.verify({ name: "RSA-PSS", saltLength: 32 }, key, signature as BufferSource, message as BufferSource);
}
