import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes, hexToBytes } from "@noble/hashes/utils.js";

export type Hex = `0x${string}`;

export const toHex = (bytes: Uint8Array): Hex => `0x${bytesToHex(bytes)}`;
export const fromHex = (hex: string): Uint8Array => hexToBytes(hex.replace(/^0x/, ""));
export const keccak = (...parts: readonly Uint8Array[]): Hex => toHex(keccak_256(concatBytes(...parts)));
export const uintOf = (bytes: Uint8Array): bigint => (bytes.length === 0 ? 0n : BigInt(toHex(bytes)));
export const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, index) => byte === b[index]);
export const allZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** A little-endian number. */
export const little = (bytes: Uint8Array): number => bytes.reduceRight((value, byte) => value * 256 + byte, 0);

/** A bigint as big-endian bytes. */
export const bigEndian = (value: bigint, length: number): Uint8Array => hexToBytes(value.toString(16).padStart(2 * length, "0"));
