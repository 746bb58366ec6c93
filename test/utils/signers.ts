/** Keys of the less common kinds, as key epochs use them. */
import { p256 } from "@noble/curves/nist.js";
import { constants, generateKeyPairSync, sign as nodeSign } from "node:crypto";
import { hexToBytes, keccak256, sha256, toBytes, toHex } from "viem";
import { KeyType } from "../../sdk/protocol/index.ts";
import type { Signer } from "./settlement-world.ts";

export function p256Signer(seed: string): Signer {
  const secret = hexToBytes(keccak256(toBytes(seed)));
  return {
    keyType: KeyType.P256,
    publicKey: toHex(p256.getPublicKey(secret, false)),
    sign: (digest) => toHex(p256.sign(sha256(hexToBytes(digest), "bytes"), secret, { prehash: false, lowS: false })),
  };
}

/** A new key at each call. */
export function rsaSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    keyType: KeyType.RsaPss2048,
    publicKey: toHex(publicKey.export({ type: "spki", format: "der" })),
    sign: (digest) =>
      toHex(nodeSign("sha256", hexToBytes(digest), { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 })),
  };
}
