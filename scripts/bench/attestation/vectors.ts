/** How many genuine documents beside the project verify at their own time, and how many bad ones are refused. */
import { existsSync, readFileSync } from "node:fs";

import { AWS_NITRO_ROOT, NitroError, verifyNitro } from "../../../sdk/attestation/nitro/index.ts";

const DIRECTORY = new URL("../../../../shared/vectors/nitro/", import.meta.url);

interface Entry {
  file: string;
  rootOk: boolean;
  chainOk: boolean;
  sigOk: boolean;
  suggestedBlockTimestamp: number;
}

export interface VectorCount {
  /** Genuine documents accepted, and genuine documents. */
  accepted: number;
  total: number;
  /** Bad documents accepted: must be 0. */
  falselyAccepted: number;
}

export function countNitroVectors(): VectorCount {
  const manifest = new URL("manifest.json", DIRECTORY);
  const count: VectorCount = { accepted: 0, total: 0, falselyAccepted: 0 };
  if (!existsSync(manifest)) return count;
  for (const entry of JSON.parse(readFileSync(manifest, "utf8")) as Entry[]) {
    const genuine = entry.rootOk && entry.chainOk && entry.sigOk;
    const accepted = verifies(new Uint8Array(readFileSync(new URL(entry.file, DIRECTORY))), entry.suggestedBlockTimestamp);
    if (genuine) count.total++;
    if (accepted && genuine) count.accepted++;
    if (accepted && !genuine) count.falselyAccepted++;
  }
  return count;
}

function verifies(bytes: Uint8Array, now: number): boolean {
  try {
    verifyNitro(bytes, { root: AWS_NITRO_ROOT, now });
    return true;
  } catch (error: unknown) {
    if (error instanceof NitroError) return false;
    throw error;
  }
}
