/** Verifies a Nitro attestation document: what NitroVerifier does on chain, written from the same rules and not from its code. */
import { p384 } from "@noble/curves/nist.js";
import { sha384 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes } from "@noble/hashes/utils.js";

import { parseCoseSign1 } from "./cose.ts";
import type { CoseSign1 } from "./cose.ts";
import { PCR_LENGTH, parseNitroDocument } from "./document.ts";
import type { NitroDocument } from "./document.ts";
import { demand } from "./errors.ts";
import { NO_LIMIT, openCertificate, parseCertificate, requireAuthority, requireLeaf, signatureIntegers } from "./x509.ts";
import type { Certificate, Envelope } from "./x509.ts";

export type Hex = `0x${string}`;

/** Facts, no opinion: the struct `Attestation` of IAttestationVerifier. */
export interface NitroAttestation {
  imageId: Hex;
  deviceId: Hex;
  publicKeyHash: Hex;
  userDataHash: Hex;
  nonceHash: Hex;
  attestedAt: bigint;
  validUntil: bigint;
  teeType: 1;
  tcbStatus: 0;
  debug: boolean;
}

export interface VerifiedNitro {
  attestation: NitroAttestation;
  document: NitroDocument;
  certificates: readonly Certificate[];
}

/** One ECDSA statement: key x | y, message and its SHA-384, signature r | s. */
export interface SignatureStatement {
  publicKey: Uint8Array;
  message: Uint8Array;
  digest: Uint8Array;
  signature: Uint8Array;
}

export interface NitroOptions {
  /** keccak256 of the root certificate's DER. */
  root: Hex;
  /** Seconds since 1970. */
  now: number;
  /** Ids as `certificateId` makes them. */
  revoked?: ReadonlySet<Hex>;
  /** Replaces the curve arithmetic, for instance by one that remembers what it has verified. */
  verifySignature?: (statement: SignatureStatement) => boolean;
}

export const keccakHex = (bytes: Uint8Array): Hex => `0x${bytesToHex(keccak_256(bytes))}`;
const ABSENT: Hex = `0x${"00".repeat(32)}`;

export const certificateId = (certificate: Pick<Certificate, "issuer" | "serial">): Hex =>
  keccakHex(concatBytes(certificate.issuer, certificate.serial));

/** High s is valid: no rule here may make half of the real documents bad. */
export function verifyP384({ publicKey, digest, signature }: SignatureStatement): boolean {
  try {
    return p384.verify(signature, digest, concatBytes(Uint8Array.of(4), publicKey), { prehash: false, lowS: false });
  } catch {
    return false; // r or s out of range, or the point is not on the curve
  }
}

/** A document taken apart, with nothing verified but its form. */
export interface OpenedNitro {
  cose: CoseSign1;
  document: NitroDocument;
  envelopes: readonly Envelope[];
  /** Chain keys, see INitroVerifier. */
  keys: readonly Hex[];
}

export function openNitro(bytes: Uint8Array, root: Hex): OpenedNitro {
  const cose = parseCoseSign1(bytes);
  const document = parseNitroDocument(cose.payload);
  const found = keccakHex(document.chain[0] as Uint8Array);
  demand(found === root.toLowerCase(), "NitroForeignRoot", { found });
  const envelopes = document.chain.map(openCertificate);
  let key = keccak_256(document.chain[0] as Uint8Array);
  const keys = envelopes.map(({ tbs }, index) => {
    if (index > 0) key = keccak_256(concatBytes(key, keccak_256(tbs)));
    return `0x${bytesToHex(key)}` as Hex;
  });
  return { cose, document, envelopes, keys };
}

/** Walks the chain. Returns its certificates and what their signatures state, the document's last. */
export function walkChain(opened: OpenedNitro, revoked: ReadonlySet<Hex> = new Set()) {
  const statements: SignatureStatement[] = [];
  const certificates: Certificate[] = [];
  let limit = NO_LIMIT;
  opened.envelopes.forEach(({ tbs, signature }, index) => {
    const certificate = parseCertificate(tbs);
    const parent = certificates[index - 1];
    if (parent === undefined) {
      requireAuthority(certificate);
      demand(equal(certificate.issuer, certificate.subject), "NitroIssuer", { index });
      limit = certificate.pathLength;
    } else {
      demand(equal(certificate.issuer, parent.subject), "NitroIssuer", { index });
    }
    const id = certificateId(certificate);
    demand(!revoked.has(id), "NitroRevoked", { index, id });
    if (parent !== undefined) {
      if (index === opened.envelopes.length - 1) {
        requireLeaf(certificate);
      } else {
        requireAuthority(certificate);
        demand(limit !== 0, "NitroPathLength", { index });
        limit = Math.min(certificate.pathLength, limit === NO_LIMIT ? NO_LIMIT : limit - 1);
      }
      statements.push({ publicKey: parent.publicKey, message: tbs, digest: sha384(tbs), signature: signatureIntegers(signature) });
    }
    certificates.push(certificate);
  });
  const leaf = certificates.at(-1) as Certificate;
  const { signedBytes, signature } = opened.cose;
  statements.push({ publicKey: leaf.publicKey, message: signedBytes, digest: sha384(signedBytes), signature });
  return { certificates, statements };
}

export function verifyNitro(bytes: Uint8Array, options: NitroOptions): VerifiedNitro {
  const opened = openNitro(bytes, options.root);
  const { certificates, statements } = walkChain(opened, options.revoked);
  const notBefore = Math.max(...certificates.map((certificate) => certificate.notBefore));
  const notAfter = Math.min(...certificates.map((certificate) => certificate.notAfter));
  demand(options.now >= notBefore, "NitroNotYetValid", { notBefore, now: options.now });
  demand(options.now <= notAfter, "NitroExpired", { notAfter, now: options.now });
  const verifySignature = options.verifySignature ?? verifyP384;
  statements.forEach((statement, index) => demand(verifySignature(statement), "NitroSignature", { index }));
  return { attestation: attestationOf(opened.document, notAfter), document: opened.document, certificates };
}

export function attestationOf(document: NitroDocument, notAfter: number): NitroAttestation {
  const pcr = (index: number): Uint8Array => document.pcrs.get(index) ?? new Uint8Array(PCR_LENGTH);
  const optional = (field: Uint8Array | undefined): Hex => (field === undefined ? ABSENT : keccakHex(field));
  return {
    imageId: keccakHex(concatBytes(pcr(0), pcr(1), pcr(2), pcr(8))),
    deviceId: keccakHex(Uint8Array.from(document.moduleId, (char) => char.charCodeAt(0))),
    publicKeyHash: optional(document.publicKey),
    userDataHash: optional(document.userData),
    nonceHash: optional(document.nonce),
    attestedAt: document.timestamp / 1000n,
    validUntil: BigInt(notAfter),
    teeType: 1,
    tcbStatus: 0,
    debug: [0, 1, 2].every((index) => pcr(index).every((byte) => byte === 0)),
  };
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, index) => byte === b[index]);
