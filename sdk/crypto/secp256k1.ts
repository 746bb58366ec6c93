import { secp256k1 as portable } from "@noble/curves/secp256k1.js";
import { type Address, type Hex, bytesToHex, hexToBytes, keccak256 } from "viem";

/** What an implementation of the curve gives; digests and keys are 32 bytes, signatures r|s (64 bytes) with low s, keys 65 bytes. */
export interface Secp256k1Engine {
  readonly name: "libsecp256k1" | "noble";
  sign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recovery: number };
  /** @throws Error when no key fits. */
  recover(digest: Uint8Array, signature: Uint8Array, recovery: number): Uint8Array;
}

interface Bindings {
  ecdsaSign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recid: number };
  ecdsaRecover(signature: Uint8Array, recovery: number, digest: Uint8Array, compressed: boolean): Uint8Array;
}

/** The portable engine: audited JavaScript, the same everywhere, about fifteen times slower. */
export const nobleEngine: Secp256k1Engine = {
  name: "noble",
  sign(digest, privateKey) {
    const recovered = portable.sign(digest, privateKey, { prehash: false, format: "recovered" });
    return { signature: recovered.subarray(1), recovery: recovered[0]! };
  },
  recover(digest, signature, recovery) {
    return portable.Signature.fromBytes(signature, "compact").addRecoveryBit(recovery).recoverPublicKey(digest).toBytes(false);
  },
};

/** Bitcoin's library behind Node's native interface; undefined where it does not load (browsers, machines without a prebuilt binary). */
export function nativeEngine(): Secp256k1Engine | undefined {
  try {
    // Not an import: bundlers for the browser must not follow it.
    const { createRequire } = globalThis.process.getBuiltinModule("node:module");
    const bindings = createRequire(import.meta.url)("secp256k1/bindings.js") as Bindings;
    return {
      name: "libsecp256k1",
      sign(digest, privateKey) {
        const { signature, recid } = bindings.ecdsaSign(digest, privateKey);
        return { signature, recovery: recid };
      },
      recover: (digest, signature, recovery) => bindings.ecdsaRecover(signature, recovery, digest, false),
    };
  } catch {
    return undefined;
  }
}

/** The fastest engine of this machine. */
export const engine: Secp256k1Engine = nativeEngine() ?? nobleEngine;

const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/** Signs 32 bytes as they are (RFC 6979). @returns r|s|v, 65 bytes, low s, v 27 or 28. */
export function signDigest(digest: Uint8Array, privateKey: Uint8Array, by: Secp256k1Engine = engine): Uint8Array {
  const { signature, recovery } = by.sign(digest, privateKey);
  const out = new Uint8Array(65);
  out.set(signature);
  out[64] = 27 + recovery;
  return out;
}

/**
 * Who signed, as lower-case address. As strict as the contracts: 65 bytes, v 27 or 28, low s. What a contract would refuse later
 * must not be taken for good here.
 * @returns undefined for anything else.
 */
export function recoverSigner(digest: Hex | Uint8Array, signature: Hex | Uint8Array, by: Secp256k1Engine = engine): Address | undefined {
  const key = recoverKey(digest, signature, by);
  return key && addressOf(key);
}

/** The uncompressed key (65 bytes) behind a signature; strict as `recoverSigner`. */
export function recoverKey(digest: Hex | Uint8Array, signature: Hex | Uint8Array, by: Secp256k1Engine = engine): Uint8Array | undefined {
  try {
    const message = typeof digest === "string" ? hexToBytes(digest) : digest;
    const bytes = typeof signature === "string" ? hexToBytes(signature) : signature;
    if (message.length !== 32 || bytes.length !== 65) return undefined;
    const v = bytes[64]!;
    if ((v !== 27 && v !== 28) || BigInt(bytesToHex(bytes.subarray(32, 64))) > HALF_ORDER) return undefined;
    return by.recover(message, bytes.subarray(0, 64), v - 27);
  } catch {
    return undefined;
  }
}

/** Lower-case address of an uncompressed key (65 bytes). */
export function addressOf(publicKey: Uint8Array): Address {
  return `0x${keccak256(publicKey.subarray(1)).slice(26)}`;
}
