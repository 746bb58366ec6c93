/** Collateral as services hand it out, and the calls that put it on record. */
import { bytesToHex } from "@noble/hashes/utils.js";

import { fromHex, keccak } from "./bytes.ts";
import type { Hex } from "./bytes.ts";
import { IntelError } from "./errors.ts";
import { pemCertificates } from "./pem.ts";
import { openSigned, parseIntelCertificate } from "./x509.ts";

/** A signed statement: the bytes that Intel signed, not a re-encoding of them. */
export interface SignedStatement {
  kind: "tcbInfo" | "qeIdentity";
  json: Uint8Array;
  /** r | s. */
  signature: Uint8Array;
  /** Certificate that signed it, DER. */
  signer: Uint8Array;
}

/** Everything that a verifier needs besides the quote. */
export interface CollateralBundle {
  /** DER, the root first. */
  certificates: readonly Uint8Array[];
  /** DER, the root's first. */
  crls: readonly Uint8Array[];
  statements: readonly SignedStatement[];
}

/** The form of Intel's quote verification library (`sgx_ql_qve_collateral_t`) as JSON, which most services speak. */
export interface CollateralJson {
  pck_crl_issuer_chain: string;
  root_ca_crl: string;
  pck_crl: string;
  tcb_info_issuer_chain: string;
  tcb_info: string;
  tcb_info_signature: string;
  qe_identity_issuer_chain: string;
  qe_identity: string;
  qe_identity_signature: string;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** @param root keccak256 of the root that is pinned: it goes first, whatever order the chains have. */
export function bundleOf(json: CollateralJson, root: Hex): CollateralBundle {
  const chains = [json.pck_crl_issuer_chain, json.tcb_info_issuer_chain, json.qe_identity_issuer_chain].map(pemCertificates);
  const signers = [chains[1]?.[0], chains[2]?.[0]] as [Uint8Array, Uint8Array];
  return makeBundle(chains.flat(), [binary(json.root_ca_crl), binary(json.pck_crl)], root, [
    { kind: "tcbInfo", json: utf8(json.tcb_info), signature: fromHex(json.tcb_info_signature), signer: signers[0] },
    { kind: "qeIdentity", json: utf8(json.qe_identity), signature: fromHex(json.qe_identity_signature), signer: signers[1] },
  ]);
}

/** Drops certificates that come twice and puts the root first. */
export function makeBundle(
  certificates: readonly Uint8Array[],
  crls: readonly Uint8Array[],
  root: Hex,
  statements: readonly SignedStatement[],
): CollateralBundle {
  const unique = new Map(certificates.map((der) => [keccak(der), der]));
  const first = unique.get(root.toLowerCase() as Hex);
  if (first === undefined) throw new IntelError("IntelNoRoot", { root });
  unique.delete(root.toLowerCase() as Hex);
  return { certificates: [first, ...unique.values()], crls, statements };
}

/** The body of Intel's own answers: {"tcbInfo":{...},"signature":"..."}; the value is cut out byte for byte. */
export function signedValue(answer: string, name: "tcbInfo" | "enclaveIdentity"): { json: Uint8Array; signature: Uint8Array } {
  const match = new RegExp(`^\\s*\\{"${name}":(\\{.*\\}),"signature":"([0-9a-fA-F]{128})"\\}\\s*$`, "s").exec(answer);
  if (!match) throw new IntelError("IntelAnswer", { name, start: answer.slice(0, 40) });
  return { json: utf8(match[1] as string), signature: fromHex(match[2] as string) };
}

export const isCollateralJson = (value: unknown): value is CollateralJson =>
  typeof value === "object" && value !== null && "tcb_info" in value && "pck_crl" in value;

/** Id of a certificate on record: keccak256(subject's name | subject key id). */
export function certificateKey(der: Uint8Array): Hex {
  const { subjectKey } = parseIntelCertificate(openSigned(der).tbs);
  if (subjectKey === undefined) throw new IntelError("IntelRole", { certificate: bytesToHex(der.subarray(0, 16)) });
  return subjectKey;
}

export type CollateralCall =
  | { functionName: "upsertCertificate" | "upsertCrl"; args: readonly [Hex] }
  | { functionName: "upsertTcbInfo" | "upsertQeIdentity"; args: readonly [Hex, Hex, Hex] };

/** The calls to IIntelCollateral, in an order that works on an empty record. Those for what is on record already revert. */
export function collateralCalls(bundle: CollateralBundle): CollateralCall[] {
  const hex = (bytes: Uint8Array): Hex => `0x${bytesToHex(bytes)}`;
  return [
    ...bundle.certificates.map((der) => ({ functionName: "upsertCertificate" as const, args: [hex(der)] as const })),
    ...bundle.crls.map((der) => ({ functionName: "upsertCrl" as const, args: [hex(der)] as const })),
    ...bundle.statements.map(({ kind, json, signature, signer }) => ({
      functionName: kind === "tcbInfo" ? ("upsertTcbInfo" as const) : ("upsertQeIdentity" as const),
      args: [hex(json), hex(signature), certificateKey(signer)] as const,
    })),
  ];
}

/** Lists come as hexadecimal DER, as base64 DER or as PEM. */
function binary(text: string): Uint8Array {
  if (/^[0-9a-fA-F\s]+$/.test(text)) return fromHex(text.trim());
  const body = /-----BEGIN X509 CRL-----([\s\S]*)-----END X509 CRL-----/.exec(text)?.[1] ?? text;
  return new Uint8Array(Buffer.from(body, "base64"));
}
