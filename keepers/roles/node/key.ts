import { type Hex, bytesToHex } from "viem";
import { localAccount } from "../../../sdk/crypto/index.ts";
import { secp256k1 } from "@noble/curves/secp256k1.js";

/** A receipt key: made in memory, attested, and gone with the process. */
export interface ReceiptKey {
  /** 65 bytes, uncompressed. */
  publicKey: Hex;
  address: Hex;
  /** r | s | v over the 32 bytes, low s. */
  sign(digest: Hex): Promise<Hex>;
}

export function createReceiptKey(randomBytes: (length: number) => Uint8Array): ReceiptKey {
  let secret = randomBytes(32);
  while (!secp256k1.utils.isValidSecretKey(secret)) secret = randomBytes(32);
  const account = localAccount(bytesToHex(secret));
  return { publicKey: account.publicKey, address: account.address, sign: (digest) => account.sign({ hash: digest }) };
}
