/** Verifies a quote's evidence, counterpart of contracts/attestation/TdxVerifier.sol. */
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes } from "@noble/hashes/utils.js";

import { DerReader, OCTET_STRING, OID, SEQUENCE } from "../nitro/der.ts";
import { allZero, bigEndian, equal, fromHex, keccak, little, toHex } from "./bytes.ts";
import type { Hex } from "./bytes.ts";
import { verifyP256 } from "./collateral.ts";
import type { AppraisalDetail, IntelCollateral, Platform } from "./collateral.ts";
import { demand } from "./errors.ts";
import { CLAIMS_TYPEHASH, TD_15, reportDataOf, splitEvidence } from "./quote.ts";
import type { QuoteParts } from "./quote.ts";
import { TCB_STATUSES } from "./statement.ts";
import { parseIntelCertificate, readNumber, requireLeaf } from "./x509.ts";
import type { IntelCertificate } from "./x509.ts";

/** Facts, no opinion: the struct `Attestation` of IAttestationVerifier. */
export interface IntelAttestation {
  imageId: Hex;
  deviceId: Hex;
  publicKeyHash: Hex;
  userDataHash: Hex;
  nonceHash: Hex;
  attestedAt: bigint;
  validUntil: bigint;
  teeType: 2 | 3;
  tcbStatus: number;
  debug: boolean;
}

export interface PckFacts {
  cpuSvn: readonly number[];
  pceSvn: number;
  fmspc: Hex;
  pceId: Hex;
}

export interface VerifiedIntel {
  attestation: IntelAttestation;
  parts: QuoteParts;
  pck: IntelCertificate;
  platform: Platform;
  appraisal: AppraisalDetail;
}

export interface IntelOptions {
  collateral: IntelCollateral;
  /** Seconds since 1970. */
  now: number;
}

const ABSENT: Hex = `0x${"00".repeat(32)}`;
/** 1.2.840.113741.1.13.1 and its members. */
const SGX_ARC = "0x2a864886f84d010d01";
const SGX_DEBUG = 2;

export function verifyIntel(evidence: Uint8Array, { collateral, now }: IntelOptions): VerifiedIntel {
  const parts = splitEvidence(evidence);
  verifyQuote(parts);
  const pck = openPck(parts, now);
  demand(verifyP256(parts.qeReport, parts.qeSignature, pck.publicKey), "TdxQeSignature");
  const platform = platformOf(parts, pck);
  const appraisal = collateral.appraise(platform, now);
  demand(verifyP256(parts.pckTbs, parts.pckSignature, appraisal.publicKey), "TdxPckSignature");
  const attestation = factsOf(parts, {
    deviceId: keccak(bigEndian(pck.serial, 32), fromHex(platform.fmspc)),
    validUntil: BigInt(Math.min(appraisal.validUntil, pck.notAfter)),
    tcbStatus: TCB_STATUSES.indexOf(appraisal.status),
  });
  return { attestation, parts, pck, platform, appraisal };
}

/** The quote under its attestation key, and that key under the quoting enclave's report. */
export function verifyQuote(parts: QuoteParts): void {
  demand(verifyP256(parts.signed, parts.signature, parts.attestationKey), "TdxQuoteSignature");
  const bound = sha256(concatBytes(parts.attestationKey, parts.auth));
  const reportData = parts.qeReport.subarray(320, 384);
  demand(equal(reportData.subarray(0, 32), bound) && allZero(reportData.subarray(32)), "TdxAttestationKey");
  demand(((parts.qeReport[48] as number) & SGX_DEBUG) === 0, "TdxQeDebug");
}

/** The PCK certificate: form, role and time. */
export function openPck(parts: QuoteParts, now: number): IntelCertificate & { sgx: Uint8Array } {
  const pck = parseIntelCertificate(parts.pckTbs);
  requireLeaf(pck);
  demand(pck.sgx !== undefined, "TdxNoSgxExtension");
  demand(now >= pck.notBefore, "TdxPckNotYetValid", { notBefore: pck.notBefore, now });
  demand(now <= pck.notAfter, "TdxPckExpired", { notAfter: pck.notAfter, now });
  return { ...pck, sgx: pck.sgx };
}

export function platformOf({ tdx, body, qeReport }: QuoteParts, pck: IntelCertificate & { sgx: Uint8Array }): Platform {
  return {
    authority: pck.authorityKey,
    serial: pck.serial,
    tdx,
    ...readSgxExtension(pck.sgx),
    teeTcbSvn: tdx ? body.subarray(0, 16) : new Uint8Array(16),
    qeSigner: qeReport.subarray(128, 160),
    qeAttributes: qeReport.subarray(48, 64),
    qeMiscSelect: qeReport.subarray(16, 20),
    qeProduct: little(qeReport.subarray(256, 258)),
    qeSvn: little(qeReport.subarray(258, 260)),
  };
}

/** Intel's extension of PCK certificates, counterpart of contracts/attestation/intel/Pck.sol. */
export function readSgxExtension(bytes: Uint8Array): PckFacts {
  const list = new DerReader(bytes).only(SEQUENCE);
  const found = new Map<number, DerReader>();
  while (!list.done) {
    const entry = list.children(SEQUENCE);
    const oid = toHex(entry.open(OID).content);
    const id = parseInt(oid.slice(-2), 16);
    demand(oid.length === 22 && oid.startsWith(SGX_ARC) && id < 128 && !found.has(id), "TdxSgxExtension", { oid });
    found.set(id, entry);
  }
  const member = (id: number): DerReader => {
    const reader = found.get(id);
    demand(reader !== undefined, "TdxSgxExtension", { missing: id });
    return reader;
  };
  const octets = (id: number, length: number): Hex => {
    const reader = member(id);
    const { content } = reader.open(OCTET_STRING);
    reader.close();
    demand(content.length === length, "TdxSgxExtension", { id, length: content.length });
    return toHex(content);
  };
  const tcb = member(2).only(SEQUENCE);
  const component = (index: number): number => {
    const entry = tcb.children(SEQUENCE);
    const oid = toHex(entry.open(OID).content);
    demand(oid === `${SGX_ARC}02${index.toString(16).padStart(2, "0")}`, "TdxSgxExtension", { oid, index });
    const value = Number(readNumber(entry));
    entry.close();
    return value;
  };
  const cpuSvn = Array.from({ length: 16 }, (_, index) => component(index + 1));
  const pceSvn = component(17);
  demand(cpuSvn.every((svn) => svn < 256) && pceSvn < 65_536, "TdxSgxExtension", { cpuSvn, pceSvn });
  tcb.open(SEQUENCE); // the raw CPUSVN, which nothing is compared with
  tcb.close();
  return { cpuSvn, pceSvn, fmspc: octets(4, 6), pceId: octets(3, 2) };
}

type Judged = Pick<IntelAttestation, "deviceId" | "validUntil" | "tcbStatus">;

function factsOf(parts: QuoteParts, judged: Judged): IntelAttestation {
  return { ...judged, ...factsOfBody(parts), ...claimsOf(parts), attestedAt: 0n, teeType: parts.tdx ? 2 : 3 };
}

/** Image and debug state, as the report has them. */
export const factsOfBody = (parts: QuoteParts): { imageId: Hex; debug: boolean } => (parts.tdx ? trustDomain(parts) : enclave(parts));

function trustDomain({ body }: QuoteParts): { imageId: Hex; debug: boolean } {
  demand(allZero(body.subarray(64, 120)), "TdxModule");
  const service = body.subarray(600, TD_15);
  const fields = [body.subarray(136, 184), body.subarray(328, 520), body.subarray(120, 136), body.subarray(184, 328)];
  if (!allZero(service)) fields.push(service);
  return { imageId: keccak(...fields), debug: body[120] !== 0 };
}

function enclave({ body }: QuoteParts): { imageId: Hex; debug: boolean } {
  const ranges = [
    [16, 20],
    [32, 96],
    [128, 160],
    [192, 262],
    [304, 320],
  ] as const;
  const imageId = keccak(...ranges.map(([from, to]) => body.subarray(from, to)));
  return { imageId, debug: ((body[48] as number) & SGX_DEBUG) !== 0 };
}

function claimsOf(parts: QuoteParts): Pick<IntelAttestation, "publicKeyHash" | "userDataHash" | "nonceHash"> {
  const reportData = reportDataOf(parts);
  const { claims } = parts;
  if (claims === undefined) return { publicKeyHash: ABSENT, userDataHash: keccak(reportData), nonceHash: ABSENT };
  const bound = keccak(fromHex(CLAIMS_TYPEHASH), claims);
  const found = toHex(reportData.subarray(0, 32));
  demand(found === bound && allZero(reportData.subarray(32)), "TdxClaims", { found, bound });
  const [publicKeyHash, userDataHash, nonceHash] = [0, 32, 64].map((at) => toHex(claims.subarray(at, at + 32))) as [Hex, Hex, Hex];
  return { publicKeyHash, userDataHash, nonceHash };
}
