/** X.509 over P-256 with SHA-256, counterpart of contracts/attestation/der/X509P256.sol. */
import { bytesToHex } from "@noble/hashes/utils.js";

import { BIT_STRING, DerReader, OCTET_STRING, OID, SEQUENCE } from "../nitro/der.ts";
import { keccak, uintOf } from "./bytes.ts";
import type { Hex } from "./bytes.ts";
import { demand } from "./errors.ts";

const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const ALGORITHM = "300a06082a8648ce3d040302";
const VERSION = "a003020102";
const SPKI = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
const SPKI_LENGTH = 91;
/** 1.2.840.113741.1.13.1 */
const SGX_EXTENSION = "2a864886f84d010d01";
const SUBJECT_KEY_ID = 14;
const KEY_USAGE = 15;
const BASIC_CONSTRAINTS = 19;
const AUTHORITY_KEY_ID = 35;

/** Something signed: a certificate or a revocation list. */
export interface Signed {
  tbs: Uint8Array;
  r: bigint;
  s: bigint;
}

export interface IntelCertificate {
  serial: bigint;
  issuer: Uint8Array;
  subject: Uint8Array;
  /** keccak256(name | key id) of who issued it, and of itself (absent without a key id). */
  authorityKey: Hex;
  subjectKey?: Hex;
  notBefore: number;
  notAfter: number;
  publicKey: Uint8Array;
  authority: boolean;
  keyUsage: number;
  /** Content of Intel's SGX extension. */
  sgx?: Uint8Array;
}

export interface Extension {
  /** Last arc within 2.5.29. */
  id?: number;
  oid: string;
  critical: boolean;
  value: Uint8Array;
}

export function openSigned(der: Uint8Array): Signed {
  const reader = new DerReader(der).only(SEQUENCE);
  const tbs = reader.open(SEQUENCE).whole;
  readAlgorithm(reader);
  const { content } = reader.open(BIT_STRING);
  reader.close();
  demand(content[0] === 0, "X509Signature", { unused: content[0] });
  const integers = new DerReader(content.subarray(1)).only(SEQUENCE);
  const [r, s] = [readNumber(integers), readNumber(integers)];
  integers.close();
  return { tbs, r, s };
}

export function parseIntelCertificate(tbs: Uint8Array): IntelCertificate {
  const reader = new DerReader(tbs).only(SEQUENCE);
  literal(reader, VERSION, "X509Version");
  const serial = readSerial(reader);
  readAlgorithm(reader);
  const issuer = reader.open(SEQUENCE).whole;
  const validity = reader.children(SEQUENCE);
  const [notBefore, notAfter] = [validity.time(), validity.time()];
  validity.close();
  const subject = reader.open(SEQUENCE).whole;
  const publicKey = readKey(reader);
  const facts: Partial<IntelCertificate> = { serial, issuer, subject, notBefore, notAfter, publicKey, authority: false, keyUsage: 0 };
  const list = reader.only(0xa3).only(SEQUENCE);
  const seen = new Set<number>();
  while (!list.done) {
    const extension = readExtension(list);
    const { id, oid, critical, value } = extension;
    if (id === undefined) {
      if (oid === SGX_EXTENSION) {
        demand(facts.sgx === undefined, "X509DuplicateExtension", { oid });
        facts.sgx = value;
      } else demand(!critical, "X509CriticalExtension", { oid });
      continue;
    }
    demand(!seen.has(id), "X509DuplicateExtension", { id });
    seen.add(id);
    demand(understand(facts, id, value) || !critical, "X509CriticalExtension", { oid });
  }
  demand(facts.authorityKey !== undefined, "X509KeyId", { length: 0 });
  return facts as IntelCertificate;
}

export function requireAuthority({ authority, keyUsage }: IntelCertificate): void {
  demand(authority && (keyUsage & 0x04) !== 0, "X509NotAuthority", { authority, keyUsage });
}

export function requireLeaf({ authority, keyUsage }: IntelCertificate): void {
  demand(!authority && (keyUsage & 0x80) !== 0, "X509NotLeaf", { authority, keyUsage });
}

/** One extension of a list. */
export function readExtension(list: DerReader): Extension {
  const reader = list.children(SEQUENCE);
  const bytes = reader.open(OID).content;
  const critical = reader.defaultFalse();
  const { content } = reader.open(OCTET_STRING);
  reader.close();
  const standard = bytes.length === 3 && bytes[0] === 0x55 && bytes[1] === 0x1d && bytes[2] !== 0;
  return { ...(standard ? { id: bytes[2] as number } : {}), oid: bytesToHex(bytes), critical, value: content };
}

/** keccak256(name | key id). */
export function authorityKeyOf(name: Uint8Array, value: Uint8Array): Hex {
  return keyOf(name, new DerReader(value).only(SEQUENCE).open(0x80).content);
}

export function readSerial(reader: DerReader): bigint {
  const bytes = reader.unsigned();
  demand(bytes.length < 21, "X509Serial", { length: bytes.length });
  return uintOf(bytes);
}

export function readNumber(reader: DerReader): bigint {
  const bytes = reader.unsigned();
  demand(bytes.length < 33, "X509Signature", { length: bytes.length });
  return uintOf(bytes);
}

export const readAlgorithm = (reader: DerReader): void => literal(reader, ALGORITHM, "X509Algorithm");

function keyOf(name: Uint8Array, id: Uint8Array): Hex {
  demand(id.length > 0 && id.length < 33, "X509KeyId", { length: id.length });
  return keccak(name, id);
}

function understand(facts: Partial<IntelCertificate>, id: number, value: Uint8Array): boolean {
  if (id === AUTHORITY_KEY_ID) {
    facts.authorityKey = authorityKeyOf(facts.issuer as Uint8Array, value);
  } else if (id === SUBJECT_KEY_ID) {
    const reader = new DerReader(value);
    const { content } = reader.open(OCTET_STRING);
    reader.close();
    facts.subjectKey = keyOf(facts.subject as Uint8Array, content);
  } else if (id === KEY_USAGE) {
    const reader = new DerReader(value);
    facts.keyUsage = reader.namedBits();
    reader.close();
  } else if (id === BASIC_CONSTRAINTS) {
    const reader = new DerReader(value).only(SEQUENCE);
    facts.authority = reader.defaultFalse();
    if (!reader.done) {
      const limit = readNumber(reader);
      demand(facts.authority && limit < 128n, "X509PathLength", { limit });
    }
    reader.close();
  } else return false;
  return true;
}

function readKey(reader: DerReader): Uint8Array {
  const { bytes, position } = reader;
  const info = bytes.subarray(position, position + SPKI_LENGTH);
  demand(info.length === SPKI_LENGTH && bytesToHex(info.subarray(0, 27)) === SPKI, "X509PublicKey", { position });
  reader.position += SPKI_LENGTH;
  const key = info.subarray(27);
  demand(uintOf(key.subarray(0, 32)) < P && uintOf(key.subarray(32)) < P, "X509KeyNotReduced", { position });
  return key;
}

function literal(reader: DerReader, expected: string, code: string): void {
  const { bytes, position } = reader;
  const length = expected.length / 2;
  const found = bytesToHex(bytes.subarray(position, position + length));
  demand(found === expected, code, { position, found });
  reader.position += length;
}
