/** Web3 Secret Storage v3: a private key under a password (scrypt or PBKDF2, AES-128-CTR, Keccak MAC). */
import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes, randomUUID, scryptSync, timingSafeEqual } from "node:crypto";
import { type Hex, bytesToHex, concatBytes, hexToBytes, keccak256 } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { fatal, messageOf } from "../errors/index.ts";

export interface KeystoreV3 {
  version: 3;
  id: string;
  address?: string;
  crypto: {
    cipher: string;
    ciphertext: string;
    cipherparams: { iv: string };
    kdf: string;
    kdfparams: Record<string, string | number>;
    mac: string;
  };
}

const MAX_SCRYPT_MEMORY = 512 * 1024 * 1024;

/** @throws `signer.keystore` when the file is malformed, `signer.password` when the password does not open it. */
export function decryptKeystore(json: string, password: string): Hex {
  let store: KeystoreV3;
  let key: Uint8Array;
  try {
    store = JSON.parse(json) as KeystoreV3;
    if (store.version !== 3 || store.crypto.cipher !== "aes-128-ctr") throw new Error("only version 3 with aes-128-ctr is known");
    key = derive(store, password);
  } catch (error) {
    throw fatal("signer.keystore", `The keystore cannot be used: ${messageOf(error)}`);
  }
  const ciphertext = Buffer.from(store.crypto.ciphertext, "hex");
  const mac = hexToBytes(keccak256(concatBytes([key.subarray(16, 32), ciphertext])));
  const stored = Buffer.from(store.crypto.mac, "hex");
  if (stored.length !== 32 || !timingSafeEqual(mac, stored)) throw fatal("signer.password", "The password does not open the keystore.");
  const decipher = createDecipheriv("aes-128-ctr", key.subarray(0, 16), Buffer.from(store.crypto.cipherparams.iv, "hex"));
  const privateKey = bytesToHex(Buffer.concat([decipher.update(ciphertext), decipher.final()]));
  const { address } = privateKeyToAccount(privateKey);
  if (store.address && store.address.toLowerCase().replace(/^0x/, "") !== address.slice(2).toLowerCase()) {
    throw fatal("signer.keystore", `The keystore says ${store.address} but holds the key of ${address}.`);
  }
  return privateKey;
}

/** @param n scrypt's cost; the default takes about half a second. */
export function encryptKeystore(privateKey: Hex, password: string, n = 131_072): KeystoreV3 {
  const salt = randomBytes(32);
  const iv = randomBytes(16);
  const key = scryptSync(password, salt, 32, { N: n, r: 8, p: 1, maxmem: MAX_SCRYPT_MEMORY });
  const cipher = createCipheriv("aes-128-ctr", key.subarray(0, 16), iv);
  const ciphertext = Buffer.concat([cipher.update(hexToBytes(privateKey)), cipher.final()]);
  return {
    version: 3,
    id: randomUUID(),
    address: privateKeyToAccount(privateKey).address.slice(2).toLowerCase(),
    crypto: {
      cipher: "aes-128-ctr",
      ciphertext: ciphertext.toString("hex"),
      cipherparams: { iv: iv.toString("hex") },
      kdf: "scrypt",
      kdfparams: { dklen: 32, n, r: 8, p: 1, salt: salt.toString("hex") },
      mac: keccak256(concatBytes([key.subarray(16, 32), ciphertext])).slice(2),
    },
  };
}

function derive({ crypto: { kdf, kdfparams } }: KeystoreV3, password: string): Uint8Array {
  const salt = Buffer.from(String(kdfparams.salt), "hex");
  const length = Number(kdfparams.dklen);
  if (length < 32) throw new Error("dklen is below 32");
  if (kdf === "scrypt") {
    const [N, r, p] = [Number(kdfparams.n), Number(kdfparams.r), Number(kdfparams.p)];
    return scryptSync(password.normalize("NFKC"), salt, length, { N, r, p, maxmem: MAX_SCRYPT_MEMORY });
  }
  if (kdf === "pbkdf2" && kdfparams.prf === "hmac-sha256") return pbkdf2Sync(password, salt, Number(kdfparams.c), length, "sha256");
  throw new Error(`the key derivation ${kdf} is not known`);
}
