/** Intel quotes: the parts that are signed, as ITdxVerifier takes them, and how to get them out of a quote. */
import { concatBytes } from "@noble/hashes/utils.js";

import { DerReader, SEQUENCE } from "../nitro/der.ts";
import { bigEndian, fromHex, keccak, little, toHex } from "./bytes.ts";
import type { Hex } from "./bytes.ts";
import { IntelError, demand } from "./errors.ts";
import { pemCertificates } from "./pem.ts";
import { openSigned } from "./x509.ts";

export const SGX_REPORT = 384;
export const TD_10 = 584;
export const TD_15 = 648;
const HEADER = 48;
const CLAIMS = 96;
const INTEL_VENDOR = "0x939a7233f79c4ca9940a0db3957f0607";
/** Certification data of a quote: a PEM chain, or a QE report with certification data inside. */
const PEM_CHAIN = 5;
const QE_REPORT = 6;

/** keccak256 of the claims' type, see ITdxVerifier. */
export const CLAIMS_TYPEHASH = keccak(
  new TextEncoder().encode("OpenGradientAttestationClaims(bytes32 publicKeyHash,bytes32 userDataHash,bytes32 nonceHash)"),
);

export interface QuoteParts {
  version: number;
  tdx: boolean;
  /** Header, descriptor and body: what the attestation key signs. */
  signed: Uint8Array;
  body: Uint8Array;
  signature: Uint8Array;
  attestationKey: Uint8Array;
  qeReport: Uint8Array;
  qeSignature: Uint8Array;
  auth: Uint8Array;
  /** The PCK certificate's signed part, and r | s. */
  pckTbs: Uint8Array;
  pckSignature: Uint8Array;
  claims?: Uint8Array;
}

/** What an attestation is about, when REPORTDATA carries only its hash. */
export interface Claims {
  publicKeyHash: Hex;
  userDataHash: Hex;
  nonceHash: Hex;
}

export const encodeClaims = (claims: Claims): Uint8Array =>
  concatBytes(fromHex(claims.publicKeyHash), fromHex(claims.userDataHash), fromHex(claims.nonceHash));

/** The 64 bytes to ask a quote for. */
export const reportDataFor = (claims: Claims): Uint8Array =>
  concatBytes(fromHex(keccak(fromHex(CLAIMS_TYPEHASH), encodeClaims(claims))), new Uint8Array(32));

/** Takes evidence apart. Strict: counterpart of contracts/attestation/intel/Quote.sol. */
export function splitEvidence(evidence: Uint8Array): QuoteParts {
  demand(evidence.length > 54, "TdxLength", { length: evidence.length, needed: 54 });
  const { version, tdx, start, size } = readHead(evidence);
  const slices = cutter(evidence, start + size);
  const [signature, attestationKey, qeReport, qeSignature] = [slices(64), slices(64), slices(SGX_REPORT), slices(64)];
  const auth = slices(little(slices(2, true)));
  const rest = evidence.subarray(slices.at());
  const reader = new DerReader(rest);
  const pckTbs = reader.open(SEQUENCE).whole;
  const left = rest.length - pckTbs.length - 64;
  demand(left === 0 || left === CLAIMS, "TdxLength", { length: evidence.length, left });
  return {
    version,
    tdx,
    signed: evidence.subarray(0, start + size),
    body: evidence.subarray(start, start + size),
    signature,
    attestationKey,
    qeReport,
    qeSignature,
    auth,
    pckTbs,
    pckSignature: rest.subarray(pckTbs.length, pckTbs.length + 64),
    ...(left === CLAIMS ? { claims: rest.subarray(pckTbs.length + 64) } : {}),
  };
}

export function joinEvidence(parts: QuoteParts): Uint8Array {
  return concatBytes(
    parts.signed,
    parts.signature,
    parts.attestationKey,
    parts.qeReport,
    parts.qeSignature,
    Uint8Array.of(parts.auth.length & 0xff, parts.auth.length >> 8),
    parts.auth,
    parts.pckTbs,
    parts.pckSignature,
    parts.claims ?? new Uint8Array(),
  );
}

export interface OpenedQuote {
  evidence: Uint8Array;
  parts: QuoteParts;
  /** PCK, authority, root, as the quote carries them. */
  chain: readonly Uint8Array[];
}

/** Reads a quote as the machine gives it. Its framing is not signed: whatever is wrong with it can only make it unreadable. */
export function openQuote(quote: Uint8Array, claims?: Claims): OpenedQuote {
  const { version, tdx, start, size } = readHead(quote);
  const slices = cutter(quote, start + size);
  slices(4); // length of the signature data; zero bytes behind it are common
  const [signature, attestationKey] = [slices(64), slices(64)];
  let kind = version > 3 ? little(slices(2)) : QE_REPORT;
  if (version > 3) slices(4);
  demand(kind === QE_REPORT, "TdxCertificationData", { kind });
  const [qeReport, qeSignature] = [slices(SGX_REPORT), slices(64)];
  const auth = slices(little(slices(2)));
  kind = little(slices(2));
  const pem = slices(little(slices(4)));
  demand(kind === PEM_CHAIN, "TdxCertificationData", { kind });
  const chain = pemCertificates(new TextDecoder("latin1").decode(pem));
  const { tbs, r, s } = openSigned(chain[0] as Uint8Array);
  const parts: QuoteParts = {
    version,
    tdx,
    signed: quote.subarray(0, start + size),
    body: quote.subarray(start, start + size),
    signature,
    attestationKey,
    qeReport,
    qeSignature,
    auth,
    pckTbs: tbs,
    pckSignature: concatBytes(bigEndian(r, 32), bigEndian(s, 32)),
    ...(claims ? { claims: encodeClaims(claims) } : {}),
  };
  return { evidence: joinEvidence(parts), parts, chain };
}

/** A quote as a machine would frame these parts, with its chain in PEM. */
export function frameQuote(parts: QuoteParts, chain: readonly Uint8Array[]): Uint8Array {
  const number = (value: number, size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => (value / 256 ** i) & 0xff);
  const sized = (kind: number, data: Uint8Array): Uint8Array => concatBytes(number(kind, 2), number(data.length, 4), data);
  const armour = (der: Uint8Array): string =>
    `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString("base64")}\n-----END CERTIFICATE-----\n`;
  const pem = new TextEncoder().encode(chain.map(armour).join(""));
  const { auth } = parts;
  const qe = concatBytes(parts.qeReport, parts.qeSignature, number(auth.length, 2), auth, sized(PEM_CHAIN, pem));
  const certified = parts.version > 3 ? sized(QE_REPORT, qe) : qe;
  const data = concatBytes(parts.signature, parts.attestationKey, certified);
  return concatBytes(parts.signed, number(data.length, 4), data);
}

/** REPORTDATA of the quote's own report. */
export const reportDataOf = (parts: QuoteParts): Uint8Array => {
  const at = parts.tdx ? 520 : 320;
  return parts.body.subarray(at, at + 64);
};

function readHead(bytes: Uint8Array): { version: number; tdx: boolean; start: number; size: number } {
  const [version, keyType, tee] = [little(bytes.subarray(0, 2)), little(bytes.subarray(2, 4)), little(bytes.subarray(4, 8))];
  const tdx = tee === 0x81;
  demand(version === 3 ? tee === 0 : (version === 4 || version === 5) && (tdx || tee === 0), "TdxVersion", { version, tee });
  demand(keyType === 2, "TdxKeyType", { keyType });
  const vendor = toHex(bytes.subarray(12, 28));
  demand(vendor === INTEL_VENDOR, "TdxVendor", { vendor });
  if (version < 5) return { version, tdx, start: HEADER, size: tdx ? TD_10 : SGX_REPORT };
  const [type, size] = [little(bytes.subarray(48, 50)), little(bytes.subarray(50, 54))];
  const fits = tdx ? (type === 2 && size === TD_10) || (type === 3 && size === TD_15) : type === 1 && size === SGX_REPORT;
  demand(fits, "TdxBody", { type, size });
  return { version, tdx, start: HEADER + 6, size };
}

/** Cuts one piece after the other; a piece may not reach past the end. */
function cutter(bytes: Uint8Array, start: number) {
  let at = start;
  const cut = (length: number, lenient = false): Uint8Array => {
    if (!lenient && at + length > bytes.length) throw new IntelError("TdxLength", { length: bytes.length, needed: at + length });
    at += length;
    return bytes.subarray(at - length, at);
  };
  return Object.assign(cut, { at: () => at });
}
