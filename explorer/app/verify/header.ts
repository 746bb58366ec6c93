/** A header by itself: hash and signature. */
import { type ProtocolDomain, headerHash } from "../../../sdk/protocol/index.ts";
import { verifyNodeSignature } from "../../../sdk/receipts/signatures.ts";
import type { Check, RegistryKey } from "../../../sdk/receipts/verify.ts";
import type { PostedHeader } from "../chain/headers.ts";

export async function checkHeader({ header, hash, signature }: Pick<PostedHeader, "header" | "hash" | "signature">, domain: ProtocolDomain, key: RegistryKey): Promise<Check[]> {
  const check = (id: string, ok: boolean, holds: string, fails: string): Check => ({ id, ok, text: ok ? holds : fails });
  const signed = signature !== null && (await verifyNodeSignature(key.keyType, key.publicKey, headerHash(header, domain), signature));
  return [
    check("hash", headerHash(header, domain) === hash, "Its hash, recomputed here from all fields, is the one above.", "Its fields have another hash."),
    ...(signature ? [check("signature", signed, "Signed by the key that the registry holds for the key epoch.", "NOT signed by the key that the registry holds for the key epoch.")] : []),
    check("key-node", key.nodeId === header.nodeId, "The key epoch is the node's own.", "The key epoch is another node's."),
    check("key-valid", key.valid, "The key epoch was valid when the first receipt was issued.", "The key epoch was not valid when the first receipt was issued, or key or image is known as compromised."),
  ];
}
