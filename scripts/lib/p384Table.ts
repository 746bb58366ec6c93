/**
 * The multiples of P-384's generator that `P384` is constructed with, and the hash that it pins.
 *
 *   node scripts/lib/p384Table.ts          prints the hash for contracts/attestation/P384.sol
 */
import { keccak256 } from "viem";

import { generatorTable } from "../../sdk/attestation/p384/generator.ts";

export { generatorTable };

export function generatorTableHash(): `0x${string}` {
  return keccak256(generatorTable());
}

if (import.meta.filename === process.argv[1]) console.log(generatorTableHash());
