/** A platform that is none: quotes, PCK certificates and collateral in Intel's formats under a development root. */
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";

import { frameQuote, makeBundle } from "../../../sdk/attestation/intel/index.ts";
import type { CollateralBundle, QuoteParts, SignedStatement } from "../../../sdk/attestation/intel/index.ts";
import { keccakHex } from "../../../sdk/attestation/nitro/index.ts";
import { bitString, boolean, concat, element, integer, objectId, octetString, sequence, set, utcTime, utf8String } from "./der.ts";

export const ECDSA_SHA256 = sequence(objectId("1.2.840.10045.4.3.2"));
const SGX_ARC = "1.2.840.113741.1.13.1";
const INTEL_VENDOR = Buffer.from("939a7233f79c4ca9940a0db3957f0607", "hex");
const DAY = 86_400;

export const newKey = (): KeyObject => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;

/** x | y. */
export function rawKey(key: KeyObject): Uint8Array {
  const { x = "", y = "" } = key.export({ format: "jwk" });
  return concat(Buffer.from(x, "base64url"), Buffer.from(y, "base64url"));
}

/** r | s. */
export const signRaw = (message: Uint8Array, key: KeyObject): Uint8Array =>
  new Uint8Array(sign("sha256", message, { key, dsaEncoding: "ieee-p1363" }));

export const intelName = (commonName: string): Uint8Array =>
  sequence(
    set(sequence(objectId("2.5.4.3"), utf8String(commonName))),
    set(sequence(objectId("2.5.4.10"), utf8String("Intel Corporation"))),
  );

export const keyId = (key: KeyObject): Uint8Array => new Uint8Array(createHash("sha1").update(rawKey(key)).digest());

export const intelExtension = (id: string, critical: boolean, value: Uint8Array): Uint8Array =>
  sequence(objectId(id), ...(critical ? [boolean(true)] : []), octetString(value));

/** Parts of a certificate in their order, so that a test can exchange one of them. */
export interface CertificateParts {
  serial: Uint8Array;
  algorithm: Uint8Array;
  issuer: Uint8Array;
  validity: Uint8Array;
  subject: Uint8Array;
  publicKey: Uint8Array;
  extensions: readonly Uint8Array[];
}

export interface Issued {
  subject: string;
  issuer: string;
  serial: bigint;
  key: KeyObject;
  issuerKey: KeyObject;
  authority: boolean;
  notBefore: number;
  notAfter: number;
  sgx?: Uint8Array;
}

const serialBytes = (serial: bigint): Uint8Array => {
  const digits = serial.toString(16);
  return new Uint8Array(Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex"));
};

export function certificateParts(of: Issued): CertificateParts {
  const usage = of.authority ? bitString(1, Uint8Array.of(0x06)) : bitString(6, Uint8Array.of(0xc0));
  return {
    serial: integer(serialBytes(of.serial)),
    algorithm: ECDSA_SHA256,
    issuer: intelName(of.issuer),
    validity: sequence(utcTime(of.notBefore), utcTime(of.notAfter)),
    subject: intelName(of.subject),
    publicKey: concat(Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex"), rawKey(of.key)),
    extensions: [
      intelExtension("2.5.29.35", false, sequence(element(0x80, keyId(of.issuerKey)))),
      intelExtension("2.5.29.14", false, octetString(keyId(of.key))),
      intelExtension("2.5.29.15", true, usage),
      intelExtension("2.5.29.19", true, sequence(...(of.authority ? [boolean(true), integer(Uint8Array.of(1))] : []))),
      ...(of.sgx ? [intelExtension(SGX_ARC, false, of.sgx)] : []),
    ],
  };
}

export function encodeCertificateTbs(parts: CertificateParts): Uint8Array {
  const version = element(0xa0, integer(Uint8Array.of(2)));
  const { serial, algorithm, issuer, validity, subject, publicKey } = parts;
  return sequence(version, serial, algorithm, issuer, validity, subject, publicKey, element(0xa3, sequence(...parts.extensions)));
}

export function wrapSigned(tbs: Uint8Array, signature: Uint8Array): Uint8Array {
  const integers = sequence(integer(signature.subarray(0, 32)), integer(signature.subarray(32)));
  return sequence(tbs, ECDSA_SHA256, bitString(0, integers));
}

export const certify = (of: Issued): Uint8Array => {
  const tbs = encodeCertificateTbs(certificateParts(of));
  return wrapSigned(tbs, signRaw(tbs, of.issuerKey));
};

export interface SgxClaims {
  cpuSvn: readonly number[];
  pceSvn: number;
  fmspc: Uint8Array;
  pceId: Uint8Array;
}

export function sgxExtension({ cpuSvn, pceSvn, fmspc, pceId }: SgxClaims): Uint8Array {
  const number = (value: number): Uint8Array => integer(Uint8Array.of(value >> 8, value & 0xff));
  const members = [...cpuSvn, pceSvn].map((svn, index) => sequence(objectId(`${SGX_ARC}.2.${index + 1}`), number(svn)));
  const raw = sequence(objectId(`${SGX_ARC}.2.18`), octetString(Uint8Array.from(cpuSvn)));
  return sequence(
    sequence(objectId(`${SGX_ARC}.1`), octetString(new Uint8Array(16).fill(7))),
    sequence(objectId(`${SGX_ARC}.2`), sequence(...members, raw)),
    sequence(objectId(`${SGX_ARC}.3`), octetString(pceId)),
    sequence(objectId(`${SGX_ARC}.4`), octetString(fmspc)),
  );
}

export interface CrlOptions {
  issuer: string;
  issuerKey: KeyObject;
  issued: number;
  until: number;
  serials?: readonly bigint[];
  extensions?: readonly Uint8Array[];
}

export function makeCrl({ issuer, issuerKey, issued, until, serials = [], extensions = [] }: CrlOptions): Uint8Array {
  const reason = sequence(intelExtension("2.5.29.21", false, Uint8Array.of(0x0a, 0x01, 0x01)));
  const entries = serials.map((serial) => sequence(integer(serialBytes(serial)), utcTime(issued), reason));
  const tbs = sequence(
    integer(Uint8Array.of(1)),
    ECDSA_SHA256,
    intelName(issuer),
    utcTime(issued),
    utcTime(until),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    element(0xa0, sequence(intelExtension("2.5.29.35", false, sequence(element(0x80, keyId(issuerKey)))), ...extensions)),
  );
  return wrapSigned(tbs, signRaw(tbs, issuerKey));
}

const iso = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(".000", "");
const components = (svns: readonly number[]): object[] => svns.map((svn) => ({ svn }));

export interface Level {
  sgx?: readonly number[];
  tdx?: readonly number[];
  pcesvn?: number;
  status: string;
}

export interface DraftOptions {
  version?: number;
  reportData?: Uint8Array;
  tdx?: boolean;
  td10?: boolean;
}

function tdReport(reportData: Uint8Array, td10: boolean): Uint8Array {
  const body = new Uint8Array(td10 ? 584 : 648);
  body.set([5, 1, 2], 0);
  body.fill(0x11, 16, 64); // MRSEAM
  body.set([0, 0, 0, 0x10], 120);
  body.fill(0x22, 136, 184);
  body.fill(0x33, 328, 520);
  body.set(reportData, 520);
  return body;
}

function sgxReport(reportData: Uint8Array): Uint8Array {
  const body = new Uint8Array(384);
  body.set([0x05], 48);
  body.fill(0x44, 64, 96);
  body.fill(0x55, 128, 160);
  body.set(reportData, 320);
  return body;
}

/** An Intel-like platform of one moment: keys, certificates, and what a test may want to change about them. */
export class DevelopmentPlatform {
  readonly keys = { root: newKey(), authority: newKey(), signer: newKey(), pck: newKey(), attestation: newKey() };
  readonly now: number;
  readonly fmspc = new Uint8Array(Buffer.from("90c06f000000", "hex"));
  readonly claims: SgxClaims;
  readonly rootCertificate: Uint8Array;
  readonly authorityName: string;

  /** @param authority Which of Intel's two kinds of machines it is: multi-package ("Platform") or single-package. */
  constructor(now: number, authority: "Platform" | "Processor" = "Platform") {
    this.now = now;
    this.authorityName = `Intel SGX PCK ${authority} CA`;
    const cpuSvn = Array.from({ length: 16 }, (_, index) => (index < 3 ? 3 : 0));
    this.claims = { cpuSvn, pceSvn: 13, fmspc: this.fmspc, pceId: new Uint8Array(2) };
    this.rootCertificate = this.certificate("root");
  }

  get root() {
    return keccakHex(this.rootCertificate);
  }

  issued(what: "root" | "authority" | "signer" | "pck", edit: Partial<Issued> = {}): Issued {
    const root = "Intel SGX Root CA";
    const subject = { root, authority: this.authorityName, signer: "Intel SGX TCB Signing", pck: "Intel SGX PCK Certificate" }[what];
    return {
      subject,
      issuer: what === "pck" ? this.authorityName : root,
      serial: { root: 1n, authority: 2n, signer: 3n, pck: 0xf4n << 152n }[what],
      key: this.keys[what],
      issuerKey: what === "pck" ? this.keys.authority : this.keys.root,
      authority: what === "root" || what === "authority",
      notBefore: this.now - DAY,
      notAfter: this.now + 365 * DAY,
      ...(what === "pck" ? { sgx: sgxExtension(this.claims) } : {}),
      ...edit,
    };
  }

  certificate(what: "root" | "authority" | "signer" | "pck", edit: Partial<Issued> = {}): Uint8Array {
    // The root is pinned by its hash: one and the same, every time.
    if (what === "root" && this.rootCertificate && Object.keys(edit).length === 0) return this.rootCertificate;
    return certify(this.issued(what, edit));
  }

  crl(of: "root" | "authority", edit: Partial<CrlOptions> = {}): Uint8Array {
    const issuer = of === "root" ? "Intel SGX Root CA" : this.authorityName;
    return makeCrl({ issuer, issuerKey: this.keys[of], issued: this.now - 3600, until: this.now + 30 * DAY, ...edit });
  }

  tcbInfo(levels: readonly Level[] = [{ status: "UpToDate" }], edit: Record<string, unknown> = {}): Record<string, unknown> {
    const zeros = new Array<number>(16).fill(0);
    const module = { mrsigner: "00".repeat(48), attributes: "00".repeat(8), attributesMask: "FF".repeat(8) };
    const moduleLevels = [
      { tcb: { isvsvn: 5 }, tcbDate: iso(this.now), tcbStatus: "UpToDate" },
      { tcb: { isvsvn: 2 }, tcbDate: iso(this.now), tcbStatus: "OutOfDate", advisoryIDs: ["INTEL-SA-01036"] },
    ];
    return {
      id: "TDX",
      version: 3,
      issueDate: iso(this.now - 3600),
      nextUpdate: iso(this.now + 20 * DAY),
      fmspc: Buffer.from(this.fmspc).toString("hex"),
      pceId: "0000",
      tcbType: 0,
      tcbEvaluationDataNumber: 18,
      tdxModule: module,
      tdxModuleIdentities: [{ id: "TDX_01", ...module, tcbLevels: moduleLevels }],
      tcbLevels: levels.map(({ sgx = zeros, tdx = zeros, pcesvn = 0, status }) => ({
        tcb: { sgxtcbcomponents: components(sgx), pcesvn, tdxtcbcomponents: components(tdx) },
        tcbDate: iso(this.now),
        tcbStatus: status,
      })),
      ...edit,
    };
  }

  qeIdentity(edit: Record<string, unknown> = {}): Record<string, unknown> {
    return {
      id: "TD_QE",
      version: 2,
      issueDate: iso(this.now - 3600),
      nextUpdate: iso(this.now + 20 * DAY),
      tcbEvaluationDataNumber: 18,
      miscselect: "00000000",
      miscselectMask: "FFFFFFFF",
      attributes: "11000000000000000000000000000000",
      attributesMask: "FBFFFFFFFFFFFFFF0000000000000000",
      mrsigner: "DC".repeat(32),
      isvprodid: 2,
      tcbLevels: [{ tcb: { isvsvn: 4 }, tcbDate: iso(this.now), tcbStatus: "UpToDate" }],
      ...edit,
    };
  }

  statement(kind: SignedStatement["kind"], value: object | string, key: KeyObject = this.keys.signer): SignedStatement {
    const json = new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
    return { kind, json, signature: signRaw(json, key), signer: this.certificate("signer") };
  }

  bundle(statements = [this.statement("tcbInfo", this.tcbInfo()), this.statement("qeIdentity", this.qeIdentity())]): CollateralBundle {
    const certificates = [this.rootCertificate, this.certificate("authority"), this.certificate("signer")];
    return makeBundle(certificates, [this.crl("root"), this.crl("authority")], this.root, statements);
  }

  /** A quote's parts, before they are signed. Version 5 carries a body of TD 1.5, or one of TD 1.0 when asked to. */
  draft({ version = 4, reportData = new Uint8Array(64), tdx = version !== 3, td10 = version !== 5 }: DraftOptions = {}): QuoteParts {
    const body = tdx ? tdReport(reportData, td10) : sgxReport(reportData);
    const header = new Uint8Array(48);
    header.set([version, 0, 2, 0, tdx ? 0x81 : 0, 0, 0, 0]);
    header.set(INTEL_VENDOR, 12);
    const qeReport = new Uint8Array(384);
    qeReport.set([0x15], 48);
    qeReport.fill(0xdc, 128, 160);
    qeReport.set([tdx ? 2 : 1, 0, 6, 0], 256);
    const kind = !tdx ? 1 : td10 ? 2 : 3;
    const descriptor = version === 5 ? Uint8Array.of(kind, 0, body.length & 0xff, body.length >> 8, 0, 0) : new Uint8Array();
    const tbs = encodeCertificateTbs(certificateParts(this.issued("pck")));
    return {
      version,
      tdx,
      signed: concat(header, descriptor, body),
      body,
      signature: new Uint8Array(64),
      attestationKey: rawKey(this.keys.attestation),
      qeReport,
      qeSignature: new Uint8Array(64),
      auth: Uint8Array.from({ length: 32 }, (_, index) => index),
      pckTbs: tbs,
      pckSignature: signRaw(tbs, this.keys.authority),
    };
  }

  /** Signs a draft bottom up: what it says is then genuine under this root. */
  seal(draft: QuoteParts): QuoteParts {
    const qeReport = Uint8Array.from(draft.qeReport);
    qeReport.set(createHash("sha256").update(draft.attestationKey).update(draft.auth).digest(), 320);
    return {
      ...draft,
      signature: signRaw(draft.signed, this.keys.attestation),
      qeReport,
      qeSignature: signRaw(qeReport, this.keys.pck),
      pckSignature: signRaw(draft.pckTbs, this.keys.authority),
    };
  }

  /** A whole quote, as the machine would give it. */
  quote(reportData: Uint8Array, version = 4): Uint8Array {
    return this.wholeQuote(this.seal(this.draft({ version, reportData })));
  }

  /** Sealed parts as the machine would give them, certificates behind. */
  wholeQuote(parts: QuoteParts): Uint8Array {
    const pck = wrapSigned(parts.pckTbs, parts.pckSignature);
    return frameQuote(parts, [pck, this.certificate("authority"), this.rootCertificate]);
  }
}
