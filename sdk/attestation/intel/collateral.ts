/** Intel's collateral and its judgement, counterpart of contracts/attestation/IntelCollateral.sol. */
import { p256 } from "@noble/curves/nist.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concatBytes } from "@noble/hashes/utils.js";

import { DerReader, OID, SEQUENCE } from "../nitro/der.ts";
import { bigEndian, keccak, toHex } from "./bytes.ts";
import type { Hex } from "./bytes.ts";
import { certificateKey } from "./bundle.ts";
import type { CollateralBundle, SignedStatement } from "./bundle.ts";
import { parseCrl } from "./crl.ts";
import { IntelError, demand } from "./errors.ts";
import { TCB_STATUSES, converge, readQeIdentity, readTcbInfo } from "./statement.ts";
import type { QeIdentity, SvnLevel, TcbInfo, TcbStatus } from "./statement.ts";
import { openSigned, parseIntelCertificate, requireAuthority, requireLeaf } from "./x509.ts";
import type { IntelCertificate } from "./x509.ts";

/** What a quote and its PCK certificate claim; the struct `Platform` of IIntelCollateral. */
export interface Platform {
  authority: Hex;
  serial: bigint;
  tdx: boolean;
  fmspc: Hex;
  pceId: Hex;
  cpuSvn: readonly number[];
  pceSvn: number;
  teeTcbSvn: Uint8Array;
  qeSigner: Uint8Array;
  qeAttributes: Uint8Array;
  qeMiscSelect: Uint8Array;
  qeProduct: number;
  qeSvn: number;
}

export interface AppraisalDetail {
  publicKey: Uint8Array;
  status: TcbStatus;
  validUntil: number;
  platformStatus: TcbStatus;
  /** Absent for SGX and for modules without a version. */
  moduleStatus?: TcbStatus;
  qeStatus: TcbStatus;
}

type Role = "root" | "issuer" | "signer";

interface Authority {
  role: Role;
  publicKey: Uint8Array;
  notAfter: number;
  epoch: number;
  crl?: { issued: number; until: number };
}

interface Recorded<T> {
  value: T;
  until: number;
  epoch: number;
}

const CA_NAMES = ["Intel SGX PCK Platform CA", "Intel SGX PCK Processor CA"];
const SIGNER_NAME = "Intel SGX TCB Signing";

/** High s is valid: no rule here may make half of the real quotes bad. */
export function verifyP256(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  try {
    return p256.verify(signature, sha256(message), concatBytes(Uint8Array.of(4), publicKey), { prehash: false, lowS: false });
  } catch {
    return false; // r or s out of range, or the point is not on the curve
  }
}

export class IntelCollateral {
  readonly root: Hex;
  #rootId: Hex | undefined;
  readonly #authorities = new Map<Hex, Authority>();
  readonly #revoked = new Set<string>();
  readonly #tcb = new Map<string, Recorded<TcbInfo>>();
  readonly #qe = new Map<boolean, Recorded<QeIdentity>>();

  /** @param root keccak256 of the root certificate's DER. */
  constructor(root: Hex) {
    this.root = root.toLowerCase() as Hex;
  }

  /** Everything of a bundle, in the order of `collateralCalls`. */
  static from(bundle: CollateralBundle, root: Hex, now: number): IntelCollateral {
    const collateral = new IntelCollateral(root);
    for (const der of bundle.certificates) collateral.upsertCertificate(der, now);
    for (const der of bundle.crls) collateral.upsertCrl(der, now);
    for (const statement of bundle.statements) collateral.upsertStatement(statement, now);
    return collateral;
  }

  upsertCertificate(der: Uint8Array, now: number): Hex {
    const { tbs, r, s } = openSigned(der);
    const certificate = parseIntelCertificate(tbs);
    const id = certificate.subjectKey ?? ("0x" as Hex);
    const old = this.#authorities.get(id);
    let { notAfter } = certificate;
    let record: Authority;
    if (keccak(der) === this.root) {
      requireAuthority(certificate);
      demand(certificate.authorityKey === certificate.subjectKey, "IntelIssuer", { authority: certificate.authorityKey });
      this.#rootId = id;
      record = { epoch: 0, ...old, role: "root", publicKey: certificate.publicKey, notAfter };
    } else {
      const root = this.#root();
      demand(certificate.authorityKey === this.#rootId, "IntelIssuer", { authority: certificate.authorityKey, root: this.#rootId });
      demand(verifyP256(tbs, joined(r, s), root.publicKey), "IntelSignature");
      demand(!this.#isRevoked(certificate.authorityKey, certificate.serial), "IntelRevoked", { serial: certificate.serial });
      const role = roleOf(certificate);
      notAfter = Math.min(notAfter, root.notAfter);
      if (old?.epoch === root.epoch) notAfter = Math.max(notAfter, old.notAfter);
      record = { ...old, role, publicKey: certificate.publicKey, notAfter, epoch: root.epoch };
    }
    demand(now >= certificate.notBefore, "IntelNotYetValid", { from: certificate.notBefore, now });
    demand(now <= notAfter, "IntelCertificateExpired", { until: notAfter, now });
    this.#authorities.set(id, record);
    return id;
  }

  upsertCrl(der: Uint8Array, now: number): void {
    const { tbs, r, s } = openSigned(der);
    const list = parseCrl(tbs);
    const record = this.#authorities.get(list.authority);
    demand(record !== undefined && record.role !== "signer", "IntelUnknownAuthority", { authority: list.authority, needed: "issuer" });
    if (record.role === "issuer") this.#live(list.authority, "issuer", now);
    demand(verifyP256(tbs, joined(r, s), record.publicKey), "IntelSignature");
    demand(list.issued > (record.crl?.issued ?? 0), "IntelNotNewer", { issued: list.issued });
    requireTime("crl", list, now);
    let news = 0;
    for (const serial of list.serials) {
      if (!this.#isRevoked(list.authority, serial)) news++;
      this.#revoked.add(`${list.authority}:${serial}`);
    }
    if (record.role === "root" && news > 0) record.epoch++;
    record.crl = { issued: list.issued, until: list.until };
  }

  upsertStatement({ kind, json, signature, signer }: SignedStatement, now: number): void {
    const record = this.#live(certificateKey(signer), "signer", now);
    demand(verifyP256(json, signature, record.publicKey), "IntelSignature");
    if (kind === "tcbInfo") {
      const info = readTcbInfo(json);
      const key = tcbKey(info);
      this.#tcb.set(key, this.#advance("tcbInfo", this.#tcb.get(key), info, record, now));
    } else {
      const identity = readQeIdentity(json);
      this.#qe.set(identity.tdx, this.#advance("qeIdentity", this.#qe.get(identity.tdx), identity, record, now));
    }
  }

  appraise(platform: Platform, now: number): AppraisalDetail {
    const root = this.#rootId === undefined ? undefined : this.#authorities.get(this.#rootId);
    const until = [root?.notAfter ?? 0, live("rootCrl", root?.crl?.until, now)];
    const issuer = this.#authorities.get(platform.authority);
    demand(issuer?.role === "issuer", "IntelUnknownAuthority", { authority: platform.authority, needed: "issuer" });
    demand(issuer.epoch === root?.epoch, "IntelStale", { what: "authority" });
    until.push(issuer.notAfter, live("pckCrl", issuer.crl?.until, now));
    demand(!this.#isRevoked(platform.authority, platform.serial), "IntelRevoked", { serial: platform.serial });

    const tcb = this.#tcb.get(tcbKey(platform));
    demand(tcb !== undefined, "IntelNoTcbInfo", { tdx: platform.tdx, fmspc: platform.fmspc, pceId: platform.pceId });
    demand(tcb.epoch === root.epoch, "IntelStale", { what: "tcbInfo" });
    until.push(live("tcbInfo", tcb.until, now));
    const platformStatus = platformLevel(tcb.value, platform);
    const moduleStatus = moduleLevel(tcb.value, platform);

    const qe = this.#qe.get(platform.tdx);
    demand(qe !== undefined, "IntelNoQeIdentity", { tdx: platform.tdx });
    demand(qe.epoch === root.epoch, "IntelStale", { what: "qeIdentity" });
    until.push(live("qeIdentity", qe.until, now));
    const qeStatus = qeLevel(qe.value, platform);

    const status = converge(moduleStatus ? converge(platformStatus, moduleStatus) : platformStatus, qeStatus);
    demand(status !== "Revoked", "IntelTcbRevoked");
    const validUntil = Math.min(...until);
    demand(now <= validUntil, "IntelCertificateExpired", { until: validUntil, now });
    return { publicKey: issuer.publicKey, status, validUntil, platformStatus, ...(moduleStatus ? { moduleStatus } : {}), qeStatus };
  }

  #root(): Authority {
    const root = this.#rootId === undefined ? undefined : this.#authorities.get(this.#rootId);
    if (root === undefined) throw new IntelError("IntelNoRoot");
    return root;
  }

  #live(id: Hex, role: Role, now: number): Authority {
    const record = this.#authorities.get(id);
    demand(record?.role === role, "IntelUnknownAuthority", { authority: id, role: record?.role, needed: role });
    demand(record.epoch === this.#root().epoch, "IntelStale", { what: "authority" });
    demand(now <= record.notAfter, "IntelCertificateExpired", { until: record.notAfter, now });
    return record;
  }

  #advance<T extends TcbInfo | QeIdentity>(
    what: string,
    old: Recorded<T> | undefined,
    value: T,
    signer: Authority,
    now: number,
  ): Recorded<T> {
    requireTime(what, value, now);
    const { epoch } = this.#root();
    if (old !== undefined) {
      const { issued, evaluation } = old.value;
      const newer = value.issued > issued || value.evaluation > evaluation || epoch > old.epoch;
      const back = value.issued < issued || value.evaluation < evaluation;
      demand(newer && !back, "IntelNotNewer", { issued: value.issued, evaluation: value.evaluation, recorded: issued });
    }
    return { value, until: Math.min(value.until, signer.notAfter), epoch };
  }

  #isRevoked = (authority: Hex, serial: bigint): boolean => this.#revoked.has(`${authority}:${serial}`);
}

/** The first level that is reached in all components, or Unsupported. */
function platformLevel({ levels }: TcbInfo, { tdx, cpuSvn, pceSvn, teeTcbSvn }: Platform): TcbStatus {
  // A module with a version has levels of its own for the first two bytes.
  const from = teeTcbSvn[1] === 0 ? 0 : 2;
  const found = levels.find(
    (level) =>
      level.sgx.every((svn, index) => (cpuSvn[index] as number) >= svn) &&
      pceSvn >= level.pceSvn &&
      (!tdx || level.tdx.every((svn, index) => index < from || (teeTcbSvn[index] as number) >= svn)),
  );
  return found?.status ?? "Unsupported";
}

function moduleLevel({ modules }: TcbInfo, { tdx, teeTcbSvn }: Platform): TcbStatus | undefined {
  const [svn, version] = [teeTcbSvn[0] as number, teeTcbSvn[1] as number];
  if (!tdx || version === 0) return undefined;
  const levels = modules.get(version);
  demand(levels !== undefined, "IntelModuleUnknown", { version, svn });
  return levelOf(levels, svn);
}

function qeLevel(qe: QeIdentity, claim: Platform): TcbStatus {
  const same = (found: Uint8Array, wanted: Uint8Array, mask: Uint8Array): boolean =>
    mask.every((bits, index) => (((found[index] as number) ^ (wanted[index] as number)) & bits) === 0);
  const matches =
    toHex(claim.qeSigner) === toHex(qe.signer) &&
    claim.qeProduct === qe.product &&
    same(claim.qeAttributes, qe.attributes, qe.attributesMask) &&
    same(claim.qeMiscSelect, qe.miscSelect, qe.miscSelectMask);
  demand(matches, "IntelQeIdentity", { signer: toHex(claim.qeSigner), product: claim.qeProduct });
  return levelOf(qe.levels, claim.qeSvn);
}

const levelOf = (levels: readonly SvnLevel[], svn: number): TcbStatus =>
  levels.find((level) => svn >= level.svn)?.status ?? (TCB_STATUSES[7] as TcbStatus);

const tcbKey = (of: { tdx: boolean; fmspc: string; pceId: string }): string => `${of.tdx}:${of.fmspc}:${of.pceId}`;

const joined = (r: bigint, s: bigint): Uint8Array => concatBytes(bigEndian(r, 32), bigEndian(s, 32));

function roleOf(certificate: IntelCertificate): Role {
  const name = commonName(certificate.subject);
  demand(certificate.subjectKey !== undefined, "IntelRole", { name });
  if (name === SIGNER_NAME) {
    requireLeaf(certificate);
    return "signer";
  }
  demand(name !== undefined && CA_NAMES.includes(name), "IntelRole", { name });
  requireAuthority(certificate);
  return "issuer";
}

function commonName(name: Uint8Array): string | undefined {
  const list = new DerReader(name).only(SEQUENCE);
  while (!list.done) {
    const attribute = list.children(0x31).only(SEQUENCE);
    if (toHex(attribute.open(OID).content) !== "0x550403") continue;
    const tag = attribute.peek();
    demand(tag === 0x0c || tag === 0x13, "DerTag", { tag });
    const { content } = attribute.open(tag);
    attribute.close();
    return new TextDecoder("latin1").decode(content);
  }
  return undefined;
}

function requireTime(what: string, { issued, until }: { issued: number; until: number }, now: number): void {
  demand(now >= issued, "IntelNotYetValid", { from: issued, now });
  live(what, until, now);
}

function live(what: string, until: number | undefined, now: number): number {
  demand(now <= (until ?? 0), "IntelCollateralExpired", { what, until: until ?? 0, now });
  return until as number;
}
