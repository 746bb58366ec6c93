/**
 * Makes documents that are right but for one thing. The chain is signed for real, so that a check which is missing lets the
 * document through instead of failing somewhere else.
 */
import { sign } from "node:crypto";
import type { KeyObject } from "node:crypto";

import { encodeTbs, generateKey, issue, name } from "../../../keepers/attestation/development/certificate.ts";
import { publicKeyOf, signTbs, tbsParts } from "../../../keepers/attestation/development/certificate.ts";
import type { CertificateOptions, TbsParts } from "../../../keepers/attestation/development/certificate.ts";
import {
  PROTECTED,
  cborArray,
  cborBytes,
  cborMap,
  cborOpenMap,
  cborText,
  payloadEntries,
  signedStructure,
} from "../../../keepers/attestation/development/document.ts";
import { keccakHex } from "../../../sdk/attestation/nitro/index.ts";
import type { Hex } from "../../../sdk/attestation/nitro/index.ts";

export const NOW = 1_800_000_000;
export const DAY = 86_400;
export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

export type Entry = readonly [key: Uint8Array, value: Uint8Array];

/** One certificate of the chain, to be changed before or after it is signed. */
export interface CertificateEdit {
  options?: Partial<CertificateOptions>;
  parts?: (parts: TbsParts) => Partial<TbsParts>;
  tbs?: (tbs: Uint8Array) => Uint8Array;
  der?: (der: Uint8Array) => Uint8Array;
  /** Signs with another key than the one above. */
  signer?: KeyObject;
}

export interface Forgery {
  /** By index: 0 the root, then authorities, the last one the leaf. */
  certificates?: Readonly<Record<number, CertificateEdit>>;
  /** Number of certificates, root and leaf included; 5 as AWS has it. */
  length?: number;
  entries?: (entries: Entry[]) => Entry[];
  payload?: (payload: Uint8Array) => Uint8Array;
  envelope?: (parts: EnvelopeParts) => Uint8Array;
  pcrs?: ReadonlyMap<number, Uint8Array>;
  timestamp?: number;
  publicKey?: Uint8Array;
  userData?: Uint8Array;
  nonce?: Uint8Array;
}

export interface EnvelopeParts {
  header: Uint8Array;
  payload: Uint8Array;
  signature: Uint8Array;
}

export interface Forged {
  document: Uint8Array;
  root: Hex;
  chain: Uint8Array[];
}

const names = ["root", "region", "zone", "instance", "extra-1", "extra-2", "extra-3", "extra-4"].map(name);
const LEAF_NAME = name("leaf");
/** Signatures are random: one root for all forgeries that do not change it, so that one pin serves them. */
let ROOT: Uint8Array | undefined;
// Keys are costly and need not differ between forgeries.
const keys = Array.from({ length: 9 }, generateKey);

export const standardPcrs = (count = 16): Map<number, Uint8Array> =>
  new Map(Array.from({ length: count }, (_, i) => [i, new Uint8Array(48).fill(i < 3 ? i + 1 : 0)]));

function chainOf({ certificates = {}, length = 5 }: Forgery): Uint8Array[] {
  return Array.from({ length }, (_, index) => {
    const leaf = index === length - 1;
    const edit = certificates[index] ?? {};
    const pathLength = length - 2 - index;
    const options: CertificateOptions = {
      subject: leaf ? LEAF_NAME : (names[index] as Uint8Array),
      issuer: names[Math.max(0, index - 1)] as Uint8Array,
      serial: Uint8Array.of(1, index),
      notBefore: NOW - DAY,
      notAfter: NOW + (10 - index) * DAY,
      publicKey: publicKeyOf(keys[index] as KeyObject),
      ...(leaf ? {} : { authority: index === 0 ? {} : { pathLength } }),
      ...edit.options,
    };
    const signer = edit.signer ?? (keys[Math.max(0, index - 1)] as KeyObject);
    if (index === 0 && certificates[0] === undefined) return (ROOT ??= issue(options, signer));
    const parts = tbsParts(options);
    let tbs = encodeTbs({ ...parts, ...edit.parts?.(parts) });
    tbs = edit.tbs?.(tbs) ?? tbs;
    const der = signTbs(tbs, signer);
    return edit.der?.(der) ?? der;
  });
}

export const standardEnvelope = ({ header, payload, signature }: EnvelopeParts): Uint8Array =>
  cborArray([cborBytes(header), cborMap([]), cborBytes(payload), cborBytes(signature)]);

export function forge(forgery: Forgery = {}): Forged {
  const chain = chainOf(forgery);
  const entries = payloadEntries({
    moduleId: "i-0a1b2c3d4e5f60718-enc0123456789abcdef",
    timestamp: forgery.timestamp ?? NOW * 1000 + 123,
    pcrs: forgery.pcrs ?? standardPcrs(),
    certificate: chain.at(-1) as Uint8Array,
    cabundle: chain.slice(0, -1),
    publicKey: forgery.publicKey,
    userData: forgery.userData,
    nonce: forgery.nonce,
  });
  const plain = cborOpenMap(forgery.entries?.(entries) ?? entries);
  const payload = forgery.payload?.(plain) ?? plain;
  const key = keys[chain.length - 1] as KeyObject;
  const signature = new Uint8Array(sign("sha384", signedStructure(payload), { key, dsaEncoding: "ieee-p1363" }));
  const parts = { header: PROTECTED, payload, signature };
  const document = forgery.envelope?.(parts) ?? standardEnvelope(parts);
  return { document, root: keccakHex(chain[0] as Uint8Array), chain };
}

export const forgedRoot = (): Hex => forge().root;

/** Replaces the value of a field, removes it (undefined), or adds it. */
export const withField =
  (key: string, value: Uint8Array | undefined) =>
  (entries: Entry[]): Entry[] => {
    const isKey = ([bytes]: Entry): boolean => Buffer.from(bytes.subarray(1)).toString() === key;
    const encoded: Entry = [cborText(key), value ?? new Uint8Array()];
    if (value === undefined) return entries.filter((entry) => !isKey(entry));
    return entries.some(isKey) ? entries.map((entry) => (isKey(entry) ? encoded : entry)) : [...entries, encoded];
  };
