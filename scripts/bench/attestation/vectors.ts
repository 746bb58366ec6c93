/** How many genuine documents and quotes beside the project verify at their own time, and how many bad ones are refused. */
import { existsSync, readFileSync } from "node:fs";

import { INTEL_SGX_ROOT, IntelCollateral, openQuote, verifyIntel } from "../../../sdk/attestation/intel/index.ts";
import { AWS_NITRO_ROOT, NitroError, verifyNitro } from "../../../sdk/attestation/nitro/index.ts";
import { SEASONS, quoteVectors } from "../../../test/attestation/intel/vectors.ts";

const DIRECTORY = new URL("../../../../shared/vectors/nitro/", import.meta.url);

interface Entry {
  file: string;
  rootOk: boolean;
  chainOk: boolean;
  sigOk: boolean;
  suggestedBlockTimestamp: number;
}

export interface VectorCount {
  /** Genuine ones accepted, and genuine ones. */
  accepted: number;
  total: number;
  /** Bad ones accepted: must be 0. */
  falselyAccepted: number;
}

/** Documents and quotes together. */
export function countVectors(): VectorCount {
  const count: VectorCount = { accepted: 0, total: 0, falselyAccepted: 0 };
  const add = (genuine: boolean, accepted: boolean): void => {
    if (genuine) count.total++;
    if (accepted && genuine) count.accepted++;
    if (accepted && !genuine) count.falselyAccepted++;
  };
  for (const { genuine, accepted } of [...documents(), ...quotes()]) add(genuine, accepted);
  return count;
}

interface Judged {
  genuine: boolean;
  accepted: boolean;
}

function documents(): Judged[] {
  const manifest = new URL("manifest.json", DIRECTORY);
  if (!existsSync(manifest)) return [];
  return (JSON.parse(readFileSync(manifest, "utf8")) as Entry[]).map(({ file, rootOk, chainOk, sigOk, suggestedBlockTimestamp: now }) => {
    const bytes = new Uint8Array(readFileSync(new URL(file, DIRECTORY)));
    return { genuine: rootOk && chainOk && sigOk, accepted: verifies(() => verifyNitro(bytes, { root: AWS_NITRO_ROOT, now })) };
  });
}

/** A quote needs collateral of its platform that is valid at one time with its certificate: the first season that has it. */
function quotes(): Judged[] {
  return quoteVectors().map(({ bytes, genuine, fmspc, tdx, validFrom }) => {
    const season = SEASONS.find((candidate) => candidate.fmspc === fmspc && candidate.tdx === tdx && validFrom < candidate.now);
    const accepted = verifies(() => {
      const { evidence } = openQuote(bytes);
      const bundle = season?.bundle();
      if (bundle === undefined || season === undefined) throw new NitroError("IntelUnknownAuthority");
      return verifyIntel(evidence, { collateral: IntelCollateral.from(bundle, INTEL_SGX_ROOT, season.now), now: season.now });
    });
    return { genuine, accepted };
  });
}

function verifies(verify: () => unknown): boolean {
  try {
    verify();
    return true;
  } catch (error: unknown) {
    if (error instanceof NitroError) return false;
    throw error;
  }
}
