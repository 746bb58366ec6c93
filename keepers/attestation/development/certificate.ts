/** Issues certificates of the kind that a Nitro document carries. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";

import { bitString, boolean, element, integer, objectId, octetString, sequence, set, utcTime, utf8String } from "./der.ts";

export const ECDSA_SHA384 = sequence(objectId("1.2.840.10045.4.3.3"));

export interface CertificateOptions {
  subject: Uint8Array;
  issuer: Uint8Array;
  serial: Uint8Array;
  notBefore: number;
  notAfter: number;
  publicKey: KeyObject;
  /** Absent for a leaf; the limit may be left open. */
  authority?: { pathLength?: number };
}

/** The parts of the signed structure in their order, so that a test can exchange one of them. */
export interface TbsParts {
  version: Uint8Array;
  serial: Uint8Array;
  algorithm: Uint8Array;
  issuer: Uint8Array;
  validity: Uint8Array;
  subject: Uint8Array;
  publicKey: Uint8Array;
  extensions: Uint8Array;
}

export const generateKey = (): KeyObject => generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
export const publicKeyOf = (key: KeyObject): KeyObject => createPublicKey(key);
export const exportKey = (key: KeyObject): string => key.export({ format: "pem", type: "pkcs8" }) as string;
export const importKey = (pem: string): KeyObject => createPrivateKey(pem);

/** A distinguished name: organization as AWS writes it, the common name given. */
export const name = (commonName: string): Uint8Array =>
  sequence(
    set(sequence(objectId("2.5.4.10"), utf8String("OpenGradient development"))),
    set(sequence(objectId("2.5.4.3"), utf8String(commonName))),
  );

export function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return sequence(objectId(id), ...(critical ? [boolean(true)] : []), octetString(value));
}

export function basicConstraints(authority: CertificateOptions["authority"]): Uint8Array {
  const limit = authority?.pathLength;
  const value = authority ? [boolean(true), ...(limit === undefined ? [] : [integer(Uint8Array.of(limit))])] : [];
  return extension("2.5.29.19", true, sequence(...value));
}

/** keyCertSign, cRLSign and digitalSignature for an authority; digitalSignature for a leaf. */
export const keyUsage = (authority: boolean): Uint8Array =>
  extension("2.5.29.15", authority, authority ? bitString(1, Uint8Array.of(0x86)) : bitString(7, Uint8Array.of(0x80)));

export const extensions = (...list: readonly Uint8Array[]): Uint8Array => element(0xa3, sequence(...list));

export function tbsParts(options: CertificateOptions): TbsParts {
  return {
    version: element(0xa0, integer(Uint8Array.of(2))),
    serial: integer(options.serial),
    algorithm: ECDSA_SHA384,
    issuer: options.issuer,
    validity: sequence(utcTime(options.notBefore), utcTime(options.notAfter)),
    subject: options.subject,
    publicKey: new Uint8Array(options.publicKey.export({ format: "der", type: "spki" })),
    extensions: extensions(basicConstraints(options.authority), keyUsage(options.authority !== undefined)),
  };
}

export const encodeTbs = (parts: TbsParts): Uint8Array =>
  sequence(
    parts.version,
    parts.serial,
    parts.algorithm,
    parts.issuer,
    parts.validity,
    parts.subject,
    parts.publicKey,
    parts.extensions,
  );

export function signTbs(tbs: Uint8Array, key: KeyObject): Uint8Array {
  return sequence(tbs, ECDSA_SHA384, bitString(0, new Uint8Array(sign("sha384", tbs, key))));
}

export const issue = (options: CertificateOptions, key: KeyObject): Uint8Array => signTbs(encodeTbs(tbsParts(options)), key);

