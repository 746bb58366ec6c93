/** The checks of `verifyNitro` one by one, in words, for people who have to decide what a document is worth. */
import { bytesToHex } from "@noble/hashes/utils.js";

import { NitroError } from "./errors.ts";
import { attestationOf, certificateId, openNitro, verifyP384, walkChain } from "./verify.ts";
import type { NitroAttestation, NitroOptions, OpenedNitro, SignatureStatement } from "./verify.ts";
import type { Certificate } from "./x509.ts";

export interface Check {
  id: string;
  ok: boolean;
  text: string;
}

export interface Explanation {
  ok: boolean;
  checks: Check[];
  /** Present when every check passed. */
  attestation?: NitroAttestation;
}

const day = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(".000", "");

/** Which rule stands behind a reason, for those who do not read error names. */
const REASONS: Record<string, string> = {
  CborTruncated: "the document ends in the middle of an item",
  CborReserved: "an encoding that CBOR reserves for the future",
  CborNotMinimal: "a number in a signed part is not written in its shortest form",
  CborFloat: "a floating-point number, which no attestation contains",
  CborSimple: "an unassigned simple value",
  CborType: "an item has another type than the format says",
  CborIndefinite: "a string in pieces where one piece is required",
  CborBreak: "the end of a list that was never opened",
  CborTooDeep: "items are nested too deeply",
  CborTooMany: "a list has more entries than any real document",
  CborTrailing: "bytes are left over at the end",
  CoseTag: "the outer tag is not that of COSE_Sign1",
  CoseShape: "the envelope is not a list of four",
  CoseAlgorithm: "the algorithm is not ES384",
  CoseSignatureLength: "the signature does not have 96 bytes",
  CosePayloadLength: "the signed part is too short or too long for a document",
  NitroDuplicateField: "a field appears twice",
  NitroDuplicatePcr: "a PCR appears twice",
  NitroPcrIndex: "a PCR index above 31",
  NitroPcrLength: "a PCR does not have 48 bytes",
  NitroMissingField: "a required field is missing",
  NitroMissingPcr: "PCR0, PCR1 or PCR2 is missing: nothing is measured",
  NitroDigest: "the digest is not SHA-384",
  NitroTimestamp: "the document carries no time",
  NitroFieldLength: "a field is empty where it may not be, or longer than the device makes it",
  NitroForeignRoot: "the chain does not start at the pinned root",
  NitroIssuer: "a certificate was not issued by the one above it",
  NitroPathLength: "more authorities follow than a certificate above allows",
  NitroRevoked: "a certificate has been revoked",
  X509NotAuthority: "a certificate in the chain may not sign certificates",
  X509NotLeaf: "the document's certificate is an authority or may not sign",
  X509CriticalExtension: "a critical extension that is not understood",
  X509PublicKey: "a key is not on the curve P-384",
  X509KeyNotReduced: "a key's coordinate is not below the field's prime",
  X509Algorithm: "a certificate is not signed with ECDSA and SHA-384",
};

/** What an error of these readers means. */
export function nitroReason(error: unknown): string {
  if (!(error instanceof NitroError)) return error instanceof Error ? error.message : String(error);
  const reason = REASONS[error.code] ?? (error.code.startsWith("Der") ? "a certificate is not strict DER" : "a certificate is malformed");
  return `${reason} (${error.message})`;
}

/** Never throws: what stops the verification is the last check of the list. */
export function explainNitro(bytes: Uint8Array, options: NitroOptions): Explanation {
  const checks: Check[] = [];
  const check = (id: string, ok: boolean, text: string): void => void checks.push({ id, ok, text });
  try {
    const opened = openNitro(bytes, options.root);
    check("form", true, `COSE_Sign1 with ES384, strict CBOR; module ${opened.document.moduleId}`);
    check("root", true, `the chain of ${opened.envelopes.length} certificates starts at the pinned root`);
    const { certificates, statements } = walkChain(opened, options.revoked);
    check("chain", true, "strict X.509; every issuer is the certificate above it; roles and path lengths hold; none is revoked");
    certificates.forEach((certificate, index) => validity(check, certificate, index, options.now));
    signatures(check, statements, options.verifySignature ?? verifyP384);
    facts(check, opened, options.now);
    const ok = checks.every((entry) => entry.ok);
    const notAfter = Math.min(...certificates.map((certificate) => certificate.notAfter));
    return ok ? { ok, checks, attestation: attestationOf(opened.document, notAfter) } : { ok, checks };
  } catch (error: unknown) {
    check(error instanceof NitroError ? error.code : "form", false, nitroReason(error));
    return { ok: false, checks };
  }
}

type Report = (id: string, ok: boolean, text: string) => void;

function validity(check: Report, certificate: Certificate, index: number, now: number): void {
  const ok = now >= certificate.notBefore && now <= certificate.notAfter;
  const span = `${day(certificate.notBefore)} to ${day(certificate.notAfter)}`;
  const id = certificateId(certificate);
  check(`validity-${index}`, ok, `certificate ${index} (id ${id}) is valid from ${span}; it is ${day(now)}`);
}

function signatures(check: Report, statements: readonly SignatureStatement[], verify: (statement: SignatureStatement) => boolean): void {
  statements.forEach((statement, index) => {
    const what = index === statements.length - 1 ? "the document" : `certificate ${index + 1}`;
    const ok = verify(statement);
    check(`signature-${index + 1}`, ok, `the signature of ${what} ${ok ? "is right" : "is wrong"}`);
  });
}

/** What the document says. These are facts to judge, not reasons to refuse it here; the registry judges them. */
function facts(check: Report, { document }: OpenedNitro, now: number): void {
  const seconds = Number(document.timestamp / 1000n);
  check("time", true, `made at ${day(seconds)}, ${now - seconds} s before ${day(now)}`);
  for (const [index, value] of [...document.pcrs].sort(([a], [b]) => a - b)) {
    if (index < 3 || value.some((byte) => byte !== 0)) check(`pcr-${index}`, true, `PCR${index} = ${bytesToHex(value)}`);
  }
  const { debug } = attestationOf(document, 0);
  check("debug", true, debug ? "DEBUG enclave: PCR0 to PCR2 are zero, its memory is open to the host" : "not a debug enclave");
  const fields = { public_key: document.publicKey, user_data: document.userData, nonce: document.nonce };
  for (const [name, value] of Object.entries(fields)) {
    check(name, true, value === undefined ? `${name} is absent` : `${name} has ${value.length} bytes: ${bytesToHex(value)}`);
  }
  if (document.unknown.length > 0) check("unknown", true, `fields not known here: ${document.unknown.join(", ")}`);
}
