import { X509Certificate } from "node:crypto";
import { type Hex, sha256 } from "viem";

/**
 * SHA-256 of a certificate's DER SubjectPublicKeyInfo: what a node's attestation binds and what a client pins.
 * @param certificate PEM text or DER bytes.
 */
export function spkiHash(certificate: string | Uint8Array): Hex {
  return sha256(new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" }));
}
