/** X.509 over P-384 with SHA-384 (RFC 5280), counterpart of contracts/attestation/der/X509.sol. */
import { bytesToHex } from "@noble/hashes/utils.js";

import { BIT_STRING, DerReader, OCTET_STRING, OID, SEQUENCE } from "./der.ts";
import { NitroError, demand } from "./errors.ts";

export const NO_LIMIT = 255;
const P = 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n;

const ALGORITHM = "300a06082a8648ce3d040303";
const VERSION = "a003020102";
const SPKI = "3076301006072a8648ce3d020106052b8104002203620004";
const BASIC_CONSTRAINTS = 19;
const KEY_USAGE = 15;
const DIGITAL_SIGNATURE = 0x80;
const KEY_CERT_SIGN = 0x04;

/** What can be told without reading the signed part. */
export interface Envelope {
  tbs: Uint8Array;
  /** DER of the two integers. */
  signature: Uint8Array;
}

export interface Certificate {
  serial: Uint8Array;
  /** Names as DER, to be compared, not read. */
  issuer: Uint8Array;
  subject: Uint8Array;
  notBefore: number;
  notAfter: number;
  /** x | y. */
  publicKey: Uint8Array;
  authority: boolean;
  pathLength: number;
  keyUsage: number;
}

export function openCertificate(der: Uint8Array): Envelope {
  const reader = new DerReader(der).only(SEQUENCE);
  const tbs = reader.open(SEQUENCE).whole;
  literal(reader, ALGORITHM, "X509Algorithm");
  const { content } = reader.open(BIT_STRING);
  demand(content[0] === 0, "X509Signature", { unused: content[0] });
  reader.close();
  return { tbs, signature: content.subarray(1) };
}

/** r | s of a certificate's signature, padded to 48 bytes each. */
export function signatureIntegers(der: Uint8Array): Uint8Array {
  const reader = new DerReader(der).only(SEQUENCE);
  const joined = new Uint8Array(96);
  for (const end of [48, 96]) {
    const integer = reader.unsigned();
    demand(integer.length <= 48, "X509Signature", { length: integer.length });
    joined.set(integer, end - integer.length);
  }
  reader.close();
  return joined;
}

export function parseCertificate(tbs: Uint8Array): Certificate {
  const reader = new DerReader(tbs).only(SEQUENCE);
  literal(reader, VERSION, "X509Version");
  const serial = reader.unsigned();
  demand(serial.length < 21, "X509Serial", { length: serial.length });
  literal(reader, ALGORITHM, "X509Algorithm");
  const issuer = reader.open(SEQUENCE).whole;
  const validity = reader.children(SEQUENCE);
  const notBefore = validity.time();
  const notAfter = validity.time();
  validity.close();
  const subject = reader.open(SEQUENCE).whole;
  const publicKey = readKey(reader);
  const facts: Certificate = {
    serial,
    issuer,
    subject,
    notBefore,
    notAfter,
    publicKey,
    authority: false,
    pathLength: NO_LIMIT,
    keyUsage: 0,
  };
  if (!reader.done) readExtensions(reader, facts);
  return facts;
}

export function requireAuthority(certificate: Certificate): void {
  const { authority, keyUsage } = certificate;
  demand(authority && (keyUsage & KEY_CERT_SIGN) !== 0, "X509NotAuthority", { authority, keyUsage });
}

export function requireLeaf(certificate: Certificate): void {
  const { authority, keyUsage } = certificate;
  demand(!authority && (keyUsage & DIGITAL_SIGNATURE) !== 0, "X509NotLeaf", { authority, keyUsage });
}

function literal(reader: DerReader, expected: string, code: string): void {
  const { bytes, position } = reader;
  const length = expected.length / 2;
  const found = bytesToHex(bytes.subarray(position, position + length));
  demand(found === expected, code, { position, found });
  reader.position += length;
}

function readKey(reader: DerReader): Uint8Array {
  const { bytes, position } = reader;
  const info = bytes.subarray(position, position + 120);
  demand(info.length === 120 && bytesToHex(info.subarray(0, 24)) === SPKI, "X509PublicKey", { position });
  reader.position += 120;
  const key = info.subarray(24);
  for (const coordinate of [key.subarray(0, 48), key.subarray(48)]) {
    demand(BigInt(`0x${bytesToHex(coordinate)}`) < P, "X509KeyNotReduced", { position });
  }
  return key;
}

function readExtensions(reader: DerReader, facts: Certificate): void {
  const list = reader.only(0xa3).only(SEQUENCE);
  const seen = new Set<number>();
  while (!list.done) {
    const extension = list.children(SEQUENCE);
    const oid = extension.open(OID).content;
    const id = oid.length === 3 && oid[0] === 0x55 && oid[1] === 0x1d ? (oid[2] as number) : undefined;
    if (id !== undefined) {
      demand(!seen.has(id), "X509DuplicateExtension", { id });
      seen.add(id);
    }
    const critical = extension.defaultFalse();
    const value = new DerReader(extension.open(OCTET_STRING).content);
    extension.close();
    if (id === BASIC_CONSTRAINTS) {
      readBasicConstraints(value.only(SEQUENCE), facts);
    } else if (id === KEY_USAGE) {
      facts.keyUsage = value.namedBits();
      value.close();
    } else if (critical) {
      throw new NitroError("X509CriticalExtension", { oid: bytesToHex(oid) });
    }
  }
}

function readBasicConstraints(reader: DerReader, facts: Certificate): void {
  facts.authority = reader.defaultFalse();
  if (!reader.done) {
    const limit = reader.unsigned();
    const value = limit[0] as number;
    demand(facts.authority && limit.length === 1 && value < 128, "X509PathLength", { value });
    facts.pathLength = value;
  }
  reader.close();
}
