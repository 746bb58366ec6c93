/** What the commands read: evidence in the forms that it comes in, roots, times, collateral. */
import { existsSync, readFileSync } from "node:fs";

import { INTEL_SGX_ROOT, IntelCollateral, bundleOf, isCollateralJson, pemCertificates } from "../../attestation/intel/index.ts";
import type { CollateralBundle } from "../../attestation/intel/index.ts";
import { AWS_NITRO_ROOT, keccakHex } from "../../attestation/nitro/index.ts";
import type { Hex } from "../../attestation/nitro/index.ts";

/** Said to the user as it is, without a stack. */
export class UsageError extends Error {}

export type EvidenceKind = "nitro" | "intel";

export interface EvidenceFile {
  kind: EvidenceKind;
  bytes: Uint8Array;
}

/** A file with evidence as bytes, in hexadecimal or in base64. */
export function readEvidence(path: string): EvidenceFile {
  const raw = readBytes(path);
  const candidates = [raw, ...textForms(raw)];
  for (const bytes of candidates) {
    const kind = kindOf(bytes);
    if (kind !== undefined) return { kind, bytes };
  }
  throw new UsageError(`${path} is neither a Nitro document nor an Intel quote, be it as bytes, hexadecimal or base64.`);
}

/** COSE_Sign1 is an array of four, tagged or not; a quote begins with its version and key type. */
function kindOf(bytes: Uint8Array): EvidenceKind | undefined {
  const [a, b, c, d] = bytes;
  if (a === 0xd2 || a === 0x84 || a === 0x9f) return "nitro";
  if (a !== undefined && a >= 3 && a <= 5 && b === 0 && c === 2 && d === 0) return "intel";
  return undefined;
}

function textForms(raw: Uint8Array): Uint8Array[] {
  const text = Buffer.from(raw).toString("latin1").replaceAll(/\s/g, "").replace(/^"(.*)"$/, "$1");
  const hex = text.replace(/^0x/, "");
  if (/^([0-9a-fA-F]{2})+$/.test(hex)) return [new Uint8Array(Buffer.from(hex, "hex"))];
  if (/^[A-Za-z0-9+/_-]+=*$/.test(text)) return [new Uint8Array(Buffer.from(text, "base64"))];
  return [];
}

/** `aws`, `intel`, a certificate in a file (PEM or DER), or the hash itself. */
export function readRoot(root: string | undefined, kind: EvidenceKind): Hex {
  if (root === undefined) return kind === "nitro" ? AWS_NITRO_ROOT : INTEL_SGX_ROOT;
  if (root === "aws") return AWS_NITRO_ROOT;
  if (root === "intel") return INTEL_SGX_ROOT;
  if (/^0x[0-9a-fA-F]{64}$/.test(root)) return root.toLowerCase() as Hex;
  const bytes = readBytes(root);
  const text = Buffer.from(bytes).toString("latin1");
  return keccakHex(text.includes("-----BEGIN") ? (pemCertificates(text)[0] as Uint8Array) : bytes);
}

/** Ids of certificates, keccak256 of issuer and serial number: as `og attest verify` prints and NitroVerifier keeps them. */
export function readRevoked(list: string | undefined): ReadonlySet<Hex> {
  if (list === undefined) return new Set();
  const text = existsSync(list) ? Buffer.from(readBytes(list)).toString("utf8") : list;
  const ids = text.split(/[\s,]+/).filter((id) => id !== "");
  const wrong = ids.find((id) => !/^0x[0-9a-fA-F]{64}$/.test(id));
  if (wrong !== undefined) throw new UsageError(`--revoked: ${wrong} is not a certificate's id, 32 bytes in hexadecimal.`);
  return new Set(ids.map((id) => id.toLowerCase() as Hex));
}

/** Seconds since 1970, or a date. */
export function readTime(at: string | undefined): number {
  if (at === undefined) return Math.floor(Date.now() / 1000);
  const seconds = /^\d{1,11}$/.test(at) ? Number(at) : Date.parse(at) / 1000;
  if (!Number.isFinite(seconds)) throw new UsageError(`${at} is neither a date nor a number of seconds since 1970.`);
  return Math.floor(seconds);
}

export function readBundle(path: string, root: Hex): CollateralBundle {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(readBytes(path)).toString("utf8"));
  } catch (error: unknown) {
    throw new UsageError(`${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isCollateralJson(json)) throw new UsageError(`${path} is not collateral: it has no tcb_info and pck_crl.`);
  return bundleOf(json, root);
}

/** @throws IntelError with the reason when the collateral does not verify at this time. */
export const readCollateral = (path: string, root: Hex, now: number): IntelCollateral =>
  IntelCollateral.from(readBundle(path, root), root, now);

export function readBytes(path: string): Uint8Array {
  if (!existsSync(path)) throw new UsageError(`There is no file ${path}.`);
  return new Uint8Array(readFileSync(path));
}
