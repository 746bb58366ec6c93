/** What the tests of pitfalls share: a development platform on record, and one answer from contract and twin. */
import { expect } from "chai";

import { concat } from "../../../keepers/attestation/development/der.ts";
import { DevelopmentPlatform, certificateParts, encodeCertificateTbs } from "../../../keepers/attestation/development/intel.ts";
import type { CertificateParts, Issued } from "../../../keepers/attestation/development/intel.ts";
import { collateralCalls, joinEvidence } from "../../../sdk/attestation/intel/index.ts";
import type { CollateralCall, IntelCollateral, QuoteParts, SignedStatement } from "../../../sdk/attestation/intel/index.ts";
import { toHex } from "../../../sdk/attestation/nitro/index.ts";
import { IntelChain, judge } from "./chain.ts";

export const NOW = 1_800_000_000;
export const DAY = 86_400;
/** Order of P-256. */
export const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
export const platform = new DevelopmentPlatform(NOW);
export const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));

export const patched = (of: Uint8Array, at: number, ...values: number[]): Uint8Array => {
  const copy = Uint8Array.from(of);
  copy.set(values, at);
  return copy;
};

/** The same signature with the other s. */
export function flipped(signature: Uint8Array): Uint8Array {
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).toString("hex")}`);
  return concat(signature.subarray(0, 32), bytes((N - s).toString(16).padStart(64, "0")));
}

/** A draft with another body; `signed` holds header and body in one. */
export function withBody(draft: QuoteParts, at: number, ...values: number[]): QuoteParts {
  const head = draft.signed.length - draft.body.length;
  const signed = patched(draft.signed, head + at, ...values);
  return { ...draft, signed, body: signed.subarray(head) };
}

export const good = (): QuoteParts => platform.seal(platform.draft());

/** A PCK certificate with other parts; sealed, it is the authority's. */
export function pckDraft(edit: (parts: CertificateParts) => Partial<CertificateParts>, issued: Partial<Issued> = {}): QuoteParts {
  const parts = certificateParts(platform.issued("pck", issued));
  return { ...platform.draft(), pckTbs: encodeCertificateTbs({ ...parts, ...edit(parts) }) };
}

export const tcb = (edit: Record<string, unknown>): SignedStatement => platform.statement("tcbInfo", platform.tcbInfo(undefined, edit));

/** A chain with the platform's collateral on record, or with these statements in place of its own. */
export async function fresh(statements?: SignedStatement[]): Promise<IntelChain> {
  const made = await IntelChain.at(NOW, platform.root);
  await made.record(platform.bundle(statements));
  return made;
}

type Twin = (state: IntelCollateral, now: number) => unknown;

/** What contract and twin say to one more call, on the record as it is. */
async function upsert(on: IntelChain, call: CollateralCall, twin: Twin): Promise<string> {
  const contract = await on.upsertVerdict(call);
  const now = await on.now();
  const { verdict } = judge(() => twin(on.twin, now));
  expect(verdict, "twin").to.equal(contract);
  return contract;
}

export function state(on: IntelChain, statement: SignedStatement): Promise<string> {
  const [call] = collateralCalls({ certificates: [], crls: [], statements: [statement] });
  return upsert(on, call as CollateralCall, (twin, now) => twin.upsertStatement(statement, now));
}

export const certificate = (on: IntelChain, der: Uint8Array): Promise<string> =>
  upsert(on, { functionName: "upsertCertificate", args: [toHex(der)] }, (twin, now) => twin.upsertCertificate(der, now));

export const crl = (on: IntelChain, der: Uint8Array): Promise<string> =>
  upsert(on, { functionName: "upsertCrl", args: [toHex(der)] }, (twin, now) => twin.upsertCrl(der, now));

export const evidenceOf = (draft: QuoteParts): Uint8Array => joinEvidence(platform.seal(draft));
