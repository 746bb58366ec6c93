import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import type { HardhatEthers } from "@nomicfoundation/hardhat-ethers/types";
import { ContractFactory } from "ethers";

import { generatorTable } from "../../../scripts/lib/p384Table.ts";

/**
 * The real sources with a switch at every line marked `// check: name`: the check is patched to `off || check`, where `off` is one bit
 * of storage slot 0, and a function sets the slot. One compilation then serves every "without this check the forgery succeeds".
 */
const FILES = [
  "contracts/attestation/P384.sol",
  "contracts/attestation/crypto/P384Field.sol",
  "contracts/attestation/crypto/P384Group.sol",
  "contracts/attestation/crypto/P384Ladder.sol",
  "contracts/attestation/crypto/P384Layout.sol",
  "contracts/attestation/crypto/P384Weights.sol",
  "contracts/interfaces/IP384.sol",
];

/** Checks that are not a `require` of their own: what stands there, and what stands there when switched. */
const SPECIAL: Record<string, [original: string, patched: (off: string) => string]> = {
  coordinates: [
    "if (!less(x0, x1, P0) || !less(y0, y1, P0)) return false; // check: coordinates",
    (off) => `if (!${off} && (!less(x0, x1, P0) || !less(y0, y1, P0))) return false;`,
  ],
  index: ["if (index < count) { // check: index", (off) => `if (index < count || (${off} && index < GENERATOR)) {`],
  "transcript-signatures": [
    "calldatacopy(TABLE, sigs, mul(count, SIGNATURE_SIZE)) // check: transcript-signatures",
    (off) => `if iszero(${off}) { calldatacopy(TABLE, sigs, mul(count, SIGNATURE_SIZE)) }`,
  ],
  "transcript-commitments": [
    "calldatacopy(add(TABLE, mul(count, SIGNATURE_SIZE)), commitments, mul(count, COMMITMENT)) // check: transcript-commitments",
    (off) => `if iszero(${off}) { calldatacopy(add(TABLE, mul(count, SIGNATURE_SIZE)), commitments, mul(count, COMMITMENT)) }`,
  ],
  independent: ["mstore(0x20, j) // check: independent", (off) => `mstore(0x20, mul(j, iszero(${off})))`],
};

const solc = createRequire(import.meta.url)("solc") as { compile(input: string): string };
const checks: string[] = [];

function patch(path: string, source: string): string {
  if (path.startsWith("contracts/interfaces")) return source;
  let patched = source;
  for (const [name, [original, replacement]] of Object.entries(SPECIAL)) {
    if (!patched.includes(original)) continue;
    const bit = checks.push(name) - 1;
    const inAssembly = !original.startsWith("if (");
    const off = inAssembly ? `and(shr(${bit}, sload(0)), 1)` : `switchedOff(${bit})`;
    patched = patched.replaceAll(original, replacement(off));
  }
  patched = patched.replace(/require\(([^;]*?), ((?:IP384\.)?P384\w+\([^;]*\))\); \/\/ check: ([\w-]+)/g, (_, condition, error, name) => {
    const bit = checks.push(name) - 1;
    return `require(switchedOff(${bit}) || (${condition}), ${error});`;
  });
  patched = patched.replaceAll(" pure", " view");
  if (path.endsWith("P384Layout.sol")) {
    patched += "\nfunction switchedOff(uint256 bit) view returns (bool off) { assembly { off := and(shr(bit, sload(0)), 1) } }\n";
  } else {
    const layout = path.includes("crypto/") ? "./P384Layout.sol" : "./crypto/P384Layout.sol";
    patched = patched.replace("pragma solidity ^0.8.30;", `pragma solidity ^0.8.30;\nimport {switchedOff} from "${layout}";`);
  }
  // The constructor runs before anything is switched: its check is off when this argument says so.
  if (path.endsWith("/P384.sol")) {
    patched = patched
      .replace("constructor(bytes memory multiples) {", "constructor(bytes memory multiples, uint256 off) { assembly { sstore(0, off) }")
      .replace(/\}\s*$/, "function switchOff(uint256 mask) external { assembly { sstore(0, mask) } } }");
  }
  return patched;
}

let artifact: { abi: string; bytecode: string } | undefined;

function compile(): { abi: string; bytecode: string } {
  if (artifact) return artifact;
  checks.length = 0;
  const sources = Object.fromEntries(FILES.map((path) => [path, { content: patch(path, readFileSync(path, "utf8")) }]));
  const input = {
    language: "Solidity",
    sources,
    settings: {
      evmVersion: "cancun",
      optimizer: { enabled: true, runs: 1, details: { yul: false } },
      outputSelection: { "contracts/attestation/P384.sol": { P384: ["abi", "evm.bytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter((error: { severity: string }) => error.severity === "error");
  if (errors.length > 0) throw new Error(errors.map((error: { formattedMessage: string }) => error.formattedMessage).join("\n"));
  const contract = output.contracts["contracts/attestation/P384.sol"].P384;
  artifact = { abi: contract.abi, bytecode: contract.evm.bytecode.object };
  return artifact;
}

/** Names of all marked checks. */
export function markedChecks(): string[] {
  compile();
  return [...checks];
}

export function bitOf(name: string): bigint {
  compile();
  const bits = checks.flatMap((check, bit) => (check === name ? [2n ** BigInt(bit)] : []));
  if (bits.length === 0) throw new Error(`no check is marked ${name}`);
  return bits.reduce((sum, bit) => sum | bit, 0n);
}

/** The patched kernel with these checks switched off, all others on. */
export async function deployWithout(ethers: HardhatEthers, names: string[], table = generatorTable()) {
  const { abi, bytecode } = compile();
  const [signer] = await ethers.getSigners();
  const off = names.reduce((mask, name) => mask | bitOf(name), 0n);
  const contract = await new ContractFactory(abi, bytecode, signer).deploy(table, off);
  return ethers.getContractAt("P384", await contract.getAddress());
}
