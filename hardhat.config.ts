import { fileURLToPath } from "node:url";

import toolbox from "@nomicfoundation/hardhat-toolbox-mocha-ethers";
import { defineConfig } from "hardhat/config";

/** Compiler comes from npm (`solc`), so that nothing is downloaded outside of the package registry. */
const solc = { version: "0.8.30", path: fileURLToPath(import.meta.resolve("solc/soljson.js")) };

const settings = {
  // What Base runs today; newer opcodes would buy nothing here.
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 10_000 },
  outputSelection: { "*": { "*": ["storageLayout"] } },
};

const devnet = {
  type: "edr-simulated",
  allowBlocksWithSameTimestamp: true,
  mining: { auto: true, interval: 1_000 },
} as const;

/** Structs in memory and calldata: the IR pipeline makes their code smaller and cheaper. */
const lean = { ...settings, viaIR: true, optimizer: { enabled: true, runs: 10_000 } };
const kernel = { ...settings, optimizer: { enabled: true, runs: 10_000, details: { yul: false } } };

/** Too big to deploy with many runs or in the legacy pipeline; settlement of many receipts is a tenth cheaper, too. */
const small = { ...settings, viaIR: true, optimizer: { enabled: true, runs: 200 } };

export default defineConfig({
  plugins: [toolbox],
  solidity: {
    // Deployed beside our contracts, not inherited.
    npmFilesToBuild: ["@openzeppelin/contracts/access/manager/AccessManager.sol"],
    compilers: [{ ...solc, settings }],
    overrides: {
      "contracts/payments/PaymentEscrow.sol": { ...solc, settings: lean },
      "test/payments/Escrow.t.sol": { ...solc, settings: lean },
      // Straight-line kernels, scheduled by hand: the Yul optimizer makes them dearer and runs out of memory.
      "contracts/attestation/Sha384.sol": { ...solc, settings: kernel },
      "contracts/attestation/Sha384Pair.sol": { ...solc, settings: kernel },
      "contracts/attestation/P384.sol": { ...solc, settings: kernel },
      "contracts/mocks/attestation/P384GroupHarness.sol": { ...solc, settings: kernel },
      "contracts/registry/NodeRegistry.sol": { ...solc, settings: small },
      // `signingKey` stands in every settlement's way.
      "contracts/registry/MeasurementPolicy.sol": { ...solc, settings: lean },
      "contracts/settlement/ProofSettlement.sol": { ...solc, settings: lean },
      "contracts/settlement/InferenceSettlement.sol": { ...solc, settings: { ...settings, viaIR: true, optimizer: { enabled: true, runs: 1_000 } } },
    },
  },
  paths: { tests: { mocha: "test", solidity: "test" } },
  typechain: { outDir: "types/contracts", dontOverrideCompile: false },
  networks: {
    // Unit tests: one chain with Osaka rules (P256VERIFY at 0x100, 16,777,216 gas a transaction).
    default: { type: "edr-simulated", chainType: "l1", hardfork: "osaka", chainId: 31337 },
    // The two devnets. Chain ids of their own: never those of a public chain.
    // A transaction is mined at once, and a block comes every second without one: windows are counted in blocks and time.
    settlement: { ...devnet, chainType: "l1", hardfork: "osaka", chainId: 713370 },
    payment: { ...devnet, chainType: "op", chainId: 713371 },
  },
  test: {
    // Ends what hangs, on the slowest machine; what is fast or slow is measured by the bench, not judged here.
    mocha: { timeout: 900_000 },
    solidity: {
      fuzz: { runs: 1_000, seed: "0x6f67" },
      invariant: { runs: 64, depth: 64, failOnRevert: false },
    },
  },
});
