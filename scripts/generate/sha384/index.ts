/**
 * Writes the SHA-384 kernels, fully unrolled because a loop costs 7 % more gas.
 *
 *   node scripts/generate/sha384/index.ts           write the files
 *   node scripts/generate/sha384/index.ts --check   fail when a committed file differs
 */
import { readFileSync, writeFileSync } from "node:fs";

import { renderPair } from "./pair.ts";
import { renderSingle } from "./single.ts";

for (const [name, text] of [
  ["Sha384", renderSingle()],
  ["Sha384Pair", renderPair()],
] as const) {
  const target = new URL(`../../../contracts/attestation/${name}.sol`, import.meta.url);
  if (!process.argv.includes("--check")) writeFileSync(target, text);
  else if (readFileSync(target, "utf8") !== text) throw new Error(`contracts/attestation/${name}.sol differs from its generator`);
}
