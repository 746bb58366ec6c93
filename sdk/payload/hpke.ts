/**
 * HPKE (RFC 9180), base mode, one message: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-GCM. Only what sealing a payload to one
 * key needs; browsers and Node have the cipher, the curve comes from noble.
 */
import { x25519 } from "@noble/curves/ed25519.js";
import { expand, extract } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes } from "@noble/hashes/utils.js";

/** AEAD of RFC 9180, section 7.3. */
export const Aead = { Aes128Gcm: { id: 1, keyLength: 16 }, Aes256Gcm: { id: 2, keyLength: 32 } } as const;
export type AeadSuite = (typeof Aead)[keyof typeof Aead];

/** Bytes of an encapsulated key. */
export const ENCAPSULATED_LENGTH = 32;
const NONCE_LENGTH = 12;
const text = (value: string) => new TextEncoder().encode(value);
const VERSION = text("HPKE-v1");
const two = (value: number) => Uint8Array.of(value >> 8, value & 0xff);
const KEM_SUITE = concatBytes(text("KEM"), two(0x0020));

function labeledExtract(suite: Uint8Array, salt: Uint8Array, label: string, ikm: Uint8Array): Uint8Array {
  return extract(sha256, concatBytes(VERSION, suite, text(label), ikm), salt);
}

function labeledExpand(suite: Uint8Array, prk: Uint8Array, label: string, info: Uint8Array, length: number): Uint8Array {
  return expand(sha256, prk, concatBytes(two(length), VERSION, suite, text(label), info), length);
}

/** DHKEM's shared secret from the Diffie-Hellman value. */
function sharedSecret(dh: Uint8Array, encapsulated: Uint8Array, recipient: Uint8Array): Uint8Array {
  const prk = labeledExtract(KEM_SUITE, new Uint8Array(0), "eae_prk", dh);
  return labeledExpand(KEM_SUITE, prk, "shared_secret", concatBytes(encapsulated, recipient), 32);
}

/** Key and nonce of the first message. */
function schedule(secret: Uint8Array, info: Uint8Array, aead: AeadSuite): { key: Uint8Array; nonce: Uint8Array } {
  const suite = concatBytes(text("HPKE"), two(0x0020), two(0x0001), two(aead.id));
  const none = new Uint8Array(0);
  const context = concatBytes(Uint8Array.of(0), labeledExtract(suite, none, "psk_id_hash", none), labeledExtract(suite, none, "info_hash", info));
  const prk = labeledExtract(suite, secret, "secret", none);
  return { key: labeledExpand(suite, prk, "key", context, aead.keyLength), nonce: labeledExpand(suite, prk, "base_nonce", context, NONCE_LENGTH) };
}

const cipher = (key: Uint8Array, use: "encrypt" | "decrypt") => globalThis.crypto.subtle.importKey("raw", key as BufferSource, "AES-GCM", false, [use]);
const parameters = (nonce: Uint8Array, aad: Uint8Array) => ({ name: "AES-GCM", iv: nonce as BufferSource, additionalData: aad as BufferSource });

export interface HpkeInput {
  /** What the message is for; both sides must name the same. */
  info: Uint8Array;
  aad: Uint8Array;
  aead?: AeadSuite;
}

/**
 * Encrypts to a public key of 32 bytes. @returns Encapsulated key (32 bytes), then ciphertext with its tag.
 * @param ephemeral For test vectors; otherwise fresh.
 */
export async function hpkeSeal(recipient: Uint8Array, plaintext: Uint8Array, { info, aad, aead = Aead.Aes256Gcm }: HpkeInput, ephemeral = x25519.utils.randomSecretKey()): Promise<Uint8Array> {
  const encapsulated = x25519.getPublicKey(ephemeral);
  // Throws for points of small order, whose shared secret everybody knows.
  const { key, nonce } = schedule(sharedSecret(x25519.getSharedSecret(ephemeral, recipient), encapsulated, recipient), info, aead);
  const sealed = await globalThis.crypto.subtle.encrypt(parameters(nonce, aad), await cipher(key, "encrypt"), plaintext as BufferSource);
  return concatBytes(encapsulated, new Uint8Array(sealed));
}

/** Decrypts what `hpkeSeal` made. @throws Error when key, info, aad or bytes are not the ones that it was sealed with. */
export async function hpkeOpen(secretKey: Uint8Array, sealed: Uint8Array, { info, aad, aead = Aead.Aes256Gcm }: HpkeInput): Promise<Uint8Array> {
  if (sealed.length < ENCAPSULATED_LENGTH + 16) throw new Error(`the message has ${sealed.length} bytes; an encapsulated key and a tag alone have ${ENCAPSULATED_LENGTH + 16}`);
  const encapsulated = sealed.subarray(0, ENCAPSULATED_LENGTH);
  const secret = sharedSecret(x25519.getSharedSecret(secretKey, encapsulated), encapsulated, x25519.getPublicKey(secretKey));
  const { key, nonce } = schedule(secret, info, aead);
  try {
    return new Uint8Array(await globalThis.crypto.subtle.decrypt(parameters(nonce, aad), await cipher(key, "decrypt"), sealed.subarray(ENCAPSULATED_LENGTH) as BufferSource));
  } catch {
    throw new Error("the message cannot be opened: another key, another purpose, or changed bytes");
  }
}
