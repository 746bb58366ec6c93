/** Genuine quotes and collateral that lie beside the project; tests that need them skip with a reason where they do not. */
import { existsSync, readFileSync } from "node:fs";

import { INTEL_SGX_ROOT, bundleOf, makeBundle, openQuote, pemCertificates, signedValue } from "../../../sdk/attestation/intel/index.ts";
import type { CollateralBundle, CollateralJson, SignedStatement, TcbStatus } from "../../../sdk/attestation/intel/index.ts";

const DIRECTORY = new URL("../../../../shared/vectors/tdx/", import.meta.url);

export interface QuoteVector {
  file: string;
  bytes: Uint8Array;
  fmspc?: string;
  tdx: boolean;
  debug: boolean;
  /** Carries a chain to Intel's root. */
  genuine: boolean;
  validFrom: number;
}

interface ManifestEntry {
  file: string;
  tee?: string;
  fmspc?: string;
  debug?: boolean;
  chainOk?: boolean;
  validFrom?: number;
}

export const vectorsPresent = existsSync(new URL("manifest.json", DIRECTORY));
const read = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, DIRECTORY)));
const text = (path: string): string => readFileSync(new URL(path, DIRECTORY), "utf8");

export function quoteVectors(): QuoteVector[] {
  if (!vectorsPresent) return [];
  return (JSON.parse(text("manifest.json")) as ManifestEntry[]).map(({ file, tee, fmspc, debug, chainOk, validFrom }) => ({
    file,
    bytes: read(file),
    fmspc,
    tdx: tee === "TDX",
    debug: debug === true,
    genuine: chainOk === true,
    validFrom: validFrom ?? 0,
  }));
}

export const vector = (file: string): Uint8Array => read(file);
export const chainOf = (file: string): readonly Uint8Array[] => openQuote(read(file)).chain;
export const phala = (name: string): CollateralBundle =>
  bundleOf(JSON.parse(text(`collateral/phala/${name}_collateral.json`)) as CollateralJson, INTEL_SGX_ROOT);

/** A bundle of Intel's own answers: TCB information, QE identity, signing chain, and the authority from a quote. */
function answers(tcb: string, qe: string, chain: readonly Uint8Array[], crls: readonly Uint8Array[]): CollateralBundle {
  const signer = chain[0] as Uint8Array;
  const statements: SignedStatement[] = [
    { kind: "tcbInfo", ...signedValue(text(`collateral/${tcb}`), "tcbInfo"), signer },
    { kind: "qeIdentity", ...signedValue(text(`collateral/${qe}`), "enclaveIdentity"), signer },
  ];
  return makeBundle([...chain, authority()], crls, INTEL_SGX_ROOT, statements);
}

const ANY_PLATFORM = "tdx-v4-b0c06f000000-f1c85033.bin";

function of2025(fmspc: string): CollateralBundle {
  const june = phala("tdx_quote");
  const signer = june.statements[0]?.signer as Uint8Array;
  const chain = [signer, june.certificates[0] as Uint8Array];
  return answers(`automata-0625/tcbinfov3_${fmspc}.json`, "automata-0625/qe_td.json", chain, june.crls);
}

/** TCB information of version 2, which names each component and no kind. */
function ofVersion2(): CollateralBundle {
  const june = phala("tdx_quote");
  const chain = [june.statements[0]?.signer as Uint8Array, june.certificates[0] as Uint8Array];
  return answers("automata-0625/tcbinfo.json", "automata-0625/identity.json", chain, june.crls);
}

function of2026(fmspc: string): CollateralBundle {
  const at = "attestation-rs";
  const crls = [read(`collateral/${at}/root_ca_crl.der`), read(`collateral/${at}/pck_crl_platform.der`)];
  const chain = pemCertificates(text(`collateral/${at}/tcb_signing_chain.pem`));
  return answers(`${at}/tcb_info_${fmspc}.json`, `${at}/td_qe_identity.json`, chain, crls);
}

const authority = (): Uint8Array => chainOf(ANY_PLATFORM)[1] as Uint8Array;

export interface Season {
  title: string;
  fmspc: string;
  tdx: boolean;
  /** Everything in the bundle is valid at this time. */
  now: number;
  bundle: () => CollateralBundle;
}

const at = (date: string): number => Date.parse(date) / 1000;

/** Collateral that is valid together, by time. */
export const SEASONS: readonly Season[] = [
  { title: "June 2025", fmspc: "00a067110000", tdx: false, now: at("2025-06-20T00:00:00Z"), bundle: () => phala("sgx_quote") },
  { title: "June 2025", fmspc: "b0c06f000000", tdx: true, now: at("2025-06-20T00:00:00Z"), bundle: () => phala("tdx_quote") },
  { title: "June 2025", fmspc: "00806f050000", tdx: true, now: at("2025-06-20T00:00:00Z"), bundle: () => of2025("00806f050000") },
  { title: "June 2025", fmspc: "90c06f000000", tdx: true, now: at("2025-06-20T00:00:00Z"), bundle: () => of2025("90C06F000000") },
  { title: "June 2025, TCB information of version 2", fmspc: "00606a000000", tdx: false, now: at("2025-06-20T00:00:00Z"), bundle: ofVersion2 },
  { title: "September 2025", fmspc: "20a06f000000", tdx: true, now: at("2025-09-05T00:00:00Z"), bundle: () => phala("near_20a06f000000") },
  { title: "February 2026", fmspc: "90c06f000000", tdx: true, now: at("2026-02-20T00:00:00Z"), bundle: () => phala("tdx_quote_outdated") },
  { title: "March 2026", fmspc: "90c06f000000", tdx: true, now: at("2026-03-18T00:00:00Z"), bundle: () => of2026("90c06f000000") },
  { title: "March 2026", fmspc: "50806f000000", tdx: true, now: at("2026-03-18T00:00:00Z"), bundle: () => of2026("50806f000000") },
];

/** Where independent verifiers say what Intel's rules give. */
export const KNOWN_STATUS: Record<string, TcbStatus> = {
  "tdx-v4-b0c06f000000-f1c85033.bin": "UpToDate",
  "tdx-v4-20a06f000000-9069d475.bin": "UpToDate",
  "sgx-v3-00a067110000-f8b81014.bin": "ConfigurationAndSWHardeningNeeded",
  // Below every level of its TCB information in one component (SEAM loader 3, all levels ask for 5).
  "tdx-v5-90c06f000000-4c453ea4.bin": "Unsupported",
};

/** For `before`: `if (!withVectors(this)) return`. */
export function skipWithoutVectors(context: Mocha.Context): void {
  if (vectorsPresent) return;
  console.log("      skipped: ../shared/vectors/tdx is not here");
  context.skip();
}
