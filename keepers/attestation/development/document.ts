/** Writes Nitro attestation documents: the CBOR payload and its COSE_Sign1 envelope. */
import { sign } from "node:crypto";
import type { KeyObject } from "node:crypto";

import { concat } from "./der.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

export function head(major: number, value: number | bigint): Uint8Array {
  const n = BigInt(value);
  const lead = (info: number): number => (major << 5) | info;
  if (n < 24n) return Uint8Array.of(lead(Number(n)));
  const size = n < 1n << 8n ? 1 : n < 1n << 16n ? 2 : n < 1n << 32n ? 4 : 8;
  const bytes = Uint8Array.from({ length: size }, (_, i) => Number((n >> BigInt(8 * (size - 1 - i))) & 0xffn));
  return concat(Uint8Array.of(lead(24 + Math.log2(size))), bytes);
}

export const cborUint = (value: number | bigint): Uint8Array => head(0, value);
export const cborBytes = (value: Uint8Array): Uint8Array => concat(head(2, value.length), value);
export const cborText = (value: string): Uint8Array => concat(head(3, utf8(value).length), utf8(value));
export const cborArray = (items: readonly Uint8Array[]): Uint8Array => concat(head(4, items.length), ...items);
export const cborNull = Uint8Array.of(0xf6);

type Entry = readonly [key: Uint8Array, value: Uint8Array];

export const cborMap = (entries: readonly Entry[]): Uint8Array => concat(head(5, entries.length), ...entries.flat());
/** The form that AWS has written since 2025. */
export const cborOpenMap = (entries: readonly Entry[]): Uint8Array => concat(Uint8Array.of(0xbf), ...entries.flat(), Uint8Array.of(0xff));

export interface DocumentFields {
  moduleId: string;
  /** Milliseconds. */
  timestamp: number | bigint;
  pcrs: ReadonlyMap<number, Uint8Array>;
  certificate: Uint8Array;
  cabundle: readonly Uint8Array[];
  publicKey?: Uint8Array | undefined;
  userData?: Uint8Array | undefined;
  nonce?: Uint8Array | undefined;
}

const optional = (value: Uint8Array | undefined): Uint8Array => (value === undefined ? cborNull : cborBytes(value));

/** Fields in the order in which the device writes them, each as it stands in the map. */
export function payloadEntries(fields: DocumentFields): Entry[] {
  const pcrs = [...fields.pcrs].map(([index, value]) => [cborUint(index), cborBytes(value)] as const);
  const entries: [string, Uint8Array][] = [
    ["module_id", cborText(fields.moduleId)],
    ["digest", cborText("SHA384")],
    ["timestamp", cborUint(fields.timestamp)],
    ["pcrs", cborMap(pcrs)],
    ["certificate", cborBytes(fields.certificate)],
    ["cabundle", cborArray(fields.cabundle.map(cborBytes))],
    ["public_key", optional(fields.publicKey)],
    ["user_data", optional(fields.userData)],
    ["nonce", optional(fields.nonce)],
  ];
  return entries.map(([key, value]) => [cborText(key), value] as const);
}

export const encodePayload = (fields: DocumentFields): Uint8Array => cborOpenMap(payloadEntries(fields));

/** {1: -35}: ES384. */
export const PROTECTED = Uint8Array.of(0xa1, 0x01, 0x38, 0x22);

export const signedStructure = (payload: Uint8Array): Uint8Array =>
  cborArray([cborText("Signature1"), cborBytes(PROTECTED), cborBytes(new Uint8Array()), cborBytes(payload)]);

export function signPayload(payload: Uint8Array, key: KeyObject): Uint8Array {
  const signature = new Uint8Array(sign("sha384", signedStructure(payload), { key, dsaEncoding: "ieee-p1363" }));
  return cborArray([cborBytes(PROTECTED), cborMap([]), cborBytes(payload), cborBytes(signature)]);
}
