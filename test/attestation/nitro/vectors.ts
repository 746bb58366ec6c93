/** Genuine and bad documents that lie beside the project; tests that need them skip with a reason where they do not. */
import { existsSync, readFileSync } from "node:fs";

const DIRECTORY = new URL("../../../../shared/vectors/nitro/", import.meta.url);

export interface NitroVector {
  file: string;
  bytes: Uint8Array;
  /** Everything verifies at `now`. */
  genuine: boolean;
  now: number;
  debug: boolean;
  npcrs: number;
  validTo: number;
}

interface ManifestEntry {
  file: string;
  rootOk: boolean;
  chainOk: boolean;
  sigOk: boolean;
  tsInWindow: boolean;
  debugZeroPcr0: boolean;
  nPcrs: number;
  suggestedBlockTimestamp: number;
  validTo: number;
}

export const vectorsPresent = existsSync(new URL("manifest.json", DIRECTORY));

export function nitroVectors(): NitroVector[] {
  if (!vectorsPresent) return [];
  const manifest = JSON.parse(readFileSync(new URL("manifest.json", DIRECTORY), "utf8")) as ManifestEntry[];
  return manifest.map((entry) => ({
    file: entry.file,
    bytes: new Uint8Array(readFileSync(new URL(entry.file, DIRECTORY))),
    genuine: entry.rootOk && entry.chainOk && entry.sigOk,
    now: entry.suggestedBlockTimestamp,
    debug: entry.debugZeroPcr0,
    npcrs: entry.nPcrs,
    validTo: entry.validTo,
  }));
}

/** For `before`: `if (!withVectors(this)) return`. */
export function skipWithoutVectors(context: Mocha.Context): void {
  if (vectorsPresent) return;
  console.log("      skipped: ../shared/vectors/nitro is not here");
  context.skip();
}
