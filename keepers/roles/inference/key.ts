import type { Hex } from "viem";

/** The attested key of the node's current epoch. It lives in the enclave; a keeper only asks it to sign. */
export interface ReceiptKey {
  nodeId: Hex;
  keyId: Hex;
  /** See `KeyType`. */
  keyType: number;
  publicKey: Hex;
  /** Signs 32 bytes as the key type does (sdk/receipts/signatures.ts). */
  sign(digest: Hex): Promise<Hex>;
}
