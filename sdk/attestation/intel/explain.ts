/** The checks of `verifyIntel` one by one, in words, for people who have to decide what a quote is worth. */
import { bytesToHex } from "@noble/hashes/utils.js";

import { NitroError } from "../nitro/errors.ts";
import type { Check } from "../nitro/explain.ts";
import { bigEndian, toHex } from "./bytes.ts";
import { verifyP256 } from "./collateral.ts";
import type { IntelCollateral } from "./collateral.ts";
import { TD_15, openQuote, reportDataOf, splitEvidence } from "./quote.ts";
import type { QuoteParts } from "./quote.ts";
import { factsOfBody, openPck, platformOf, verifyIntel, verifyQuote } from "./verify.ts";
import type { IntelAttestation } from "./verify.ts";
import { parseIntelCertificate } from "./x509.ts";

export interface IntelExplanation {
  ok: boolean;
  checks: Check[];
  /** Present when every check passed. */
  attestation?: IntelAttestation;
}

export interface ExplainOptions {
  /** Seconds since 1970, or the time at which the platform's certificate begins. */
  now: number | "its own";
  /** Without it the quote's platform cannot be judged, and the explanation says so. */
  collateral?: IntelCollateral;
}

const day = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(".000", "");

/** Which rule stands behind a reason, for those who do not read error names. */
const REASONS: Record<string, string> = {
  TdxLength: "the quote ends too early, or goes on behind its end",
  TdxVersion: "neither a TDX quote (version 4 or 5) nor an SGX quote (version 3 to 5)",
  TdxKeyType: "the attestation key is not ECDSA on P-256",
  TdxVendor: "the quoting enclave's vendor is not Intel",
  TdxBody: "the report has another type or size than its version allows",
  TdxModule: "the TDX module is not Intel's, or has attributes",
  TdxQuoteSignature: "the quote is not signed by its attestation key",
  TdxAttestationKey: "the quoting enclave does not vouch for this attestation key",
  TdxQeSignature: "the quoting enclave's report is not signed by the platform's key (PCK)",
  TdxQeDebug: "the quoting enclave runs in debug mode",
  TdxPckSignature: "the platform's certificate is not signed by its authority",
  TdxNoSgxExtension: "the platform's certificate says nothing about a platform",
  TdxSgxExtension: "the platform's certificate is not as Intel's profile has it",
  TdxPckNotYetValid: "the platform's certificate is not valid yet",
  TdxPckExpired: "the platform's certificate has ended",
  TdxClaims: "the report data is not the hash of the claims",
  TdxCertificationData: "the quote does not carry its certificates",
  IntelPem: "the quote's certificate chain is not PEM",
  IntelNoRoot: "the pinned root is not among the certificates",
  IntelUnknownAuthority: "the certificate's authority is not known: its collateral is missing or has another root",
  IntelIssuer: "a certificate was not issued by the pinned root",
  IntelRole: "a certificate is none of those that Intel's profile names",
  IntelSignature: "a certificate, revocation list or statement of the collateral has a wrong signature",
  IntelCertificateExpired: "a certificate above the platform's has ended",
  IntelCollateralExpired: "collateral has passed the time of its next update: fetch it anew",
  IntelNotYetValid: "collateral was issued later than this time",
  IntelRevoked: "the platform's certificate, or one above it, has been revoked",
  IntelStale: "a certificate was revoked since: bring the collateral again",
  IntelNoTcbInfo: "there is no TCB information for this platform's FMSPC",
  IntelNoQeIdentity: "there is no identity of the quoting enclave in the collateral",
  IntelQeIdentity: "the quoting enclave is not Intel's",
  IntelModuleUnknown: "Intel lists no TDX module of this version",
  IntelTcbRevoked: "Intel has revoked this platform's level",
};

/** What an error of these readers means. */
export function intelReason(error: unknown): string {
  if (!(error instanceof NitroError)) return error instanceof Error ? error.message : String(error);
  const form = /^(Der|X509)/.test(error.code) ? "a certificate or list is malformed" : "the collateral is malformed";
  return `${REASONS[error.code] ?? form} (${error.message})`;
}

/** Takes a whole quote or the evidence made of it. Never throws: what stops the verification is the last check. */
export function explainIntel(bytes: Uint8Array, options: ExplainOptions): IntelExplanation {
  const checks: Check[] = [];
  const check = (id: string, ok: boolean, text: string): void => void checks.push({ id, ok, text });
  try {
    const { parts, evidence } = openAny(bytes);
    check("form", true, `${parts.tdx ? "TDX" : "SGX"} quote, version ${parts.version}, ECDSA on P-256`);
    facts(check, parts);
    verifyQuote(parts);
    check("quote", true, "the attestation key signed the quote; the quoting enclave vouches for the key and is not in debug mode");
    const now = options.now === "its own" ? parseIntelCertificate(parts.pckTbs).notBefore : options.now;
    const pck = openPck(parts, now);
    const serial = bytesToHex(bigEndian(pck.serial, 20));
    check("pck", true, `platform certificate ${serial}, valid from ${day(pck.notBefore)} to ${day(pck.notAfter)}`);
    const platform = platformOf(parts, pck);
    const svn = `components ${platform.cpuSvn.join(".")}, PCE ${platform.pceSvn}`;
    check("platform", true, `FMSPC ${platform.fmspc.slice(2)}, ${svn}${parts.tdx ? `, TDX ${[...platform.teeTcbSvn].join(".")}` : ""}`);
    const signed = verifyP256(parts.qeReport, parts.qeSignature, pck.publicKey);
    check("qe", signed, `the platform's key ${signed ? "signed" : "did not sign"} the quoting enclave's report`);
    if (options.collateral === undefined) {
      check("collateral", false, "without collateral neither the certificate's authority nor the platform's state is known");
      return { ok: false, checks };
    }
    const { attestation, appraisal } = verifyIntel(evidence, { collateral: options.collateral, now });
    check("chain", true, "the platform's certificate comes from the pinned root through an authority that is not revoked, nor is it");
    const { platformStatus, moduleStatus, qeStatus, status } = appraisal;
    const module = moduleStatus ? `TDX module ${moduleStatus}, ` : "";
    const levels = `platform ${platformStatus}, ${module}quoting enclave ${qeStatus}`;
    check("tcb", true, `${levels}: together ${status}. Whether that will do is the policy's to say`);
    check("until", true, `this holds until ${day(Number(attestation.validUntil))}`);
    const ok = checks.every((entry) => entry.ok);
    return ok ? { ok, checks, attestation } : { ok, checks };
  } catch (error: unknown) {
    check(error instanceof NitroError ? error.code : "form", false, intelReason(error));
    return { ok: false, checks };
  }
}

/** A quote carries its chain as text, evidence does not. */
function openAny(bytes: Uint8Array): { parts: QuoteParts; evidence: Uint8Array } {
  try {
    return { parts: splitEvidence(bytes), evidence: bytes };
  } catch (error: unknown) {
    if (!(error instanceof NitroError)) throw error;
    return openQuote(bytes);
  }
}

/** What the quote says. These are facts to judge, not reasons to refuse it here; the registry judges them. */
function facts(check: (id: string, ok: boolean, text: string) => void, parts: QuoteParts): void {
  const { body } = parts;
  const show = (id: string, from: number, to: number): void =>
    check(id.toLowerCase(), true, `${id} = ${bytesToHex(body.subarray(from, to))}`);
  if (parts.tdx) {
    show("MRTD", 136, 184);
    for (let index = 0; index < 4; index++) show(`RTMR${index}`, 328 + 48 * index, 376 + 48 * index);
    show("MRCONFIGID", 184, 232);
    show("TD_ATTRIBUTES", 120, 128);
    if (body.length === TD_15) show("MRSERVICETD", 600, 648);
  } else {
    show("MRENCLAVE", 64, 96);
    show("MRSIGNER", 128, 160);
  }
  const { imageId, debug } = factsOfBody(parts);
  check("image", true, `image id ${imageId}`);
  check("debug", true, debug ? "DEBUG: the host can read its memory" : "not in debug mode");
  check("report_data", true, `report data ${toHex(reportDataOf(parts))}`);
  if (parts.claims) check("claims", true, `claims: public key, user data and nonce hash ${bytesToHex(parts.claims)}`);
}
