/**
 * The ceremony's steps, one command each; docs/ceremony.md says who runs which.
 *
 *   node scripts/ceremony/main.ts start DIRECTORY CIRCUIT.r1cs POWERS.ptau
 *   node scripts/ceremony/main.ts contribute DIRECTORY NAME          (entropy is read from standard input)
 *   node scripts/ceremony/main.ts close DIRECTORY POWERS.ptau BEACON_HEX ITERATIONS_EXPONENT CIRCUIT_NAME SOURCE...
 *   node scripts/ceremony/main.ts verify DIRECTORY POWERS.ptau MAIN.circom [SOURCE...]
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

import * as snarkjs from "snarkjs";

import { closeCeremony, contribute, startCeremony } from "../../circuits/setup/ceremony.ts";
import { SetupBroken } from "../../circuits/setup/setup-broken.ts";
import { verifySetup } from "../../circuits/setup/verify-setup.ts";

type Command = (...args: string[]) => Promise<void>;

const commands: Record<string, { least: number; run: Command }> = {
  start: {
    least: 3,
    async run(directory, r1cs, ptau) {
      console.log(`${await startCeremony(directory!, r1cs!, ptau!)} made; anyone can make the same file and compare.`);
    },
  },
  contribute: {
    least: 2,
    async run(directory, name) {
      console.log("Type something nobody else knows, then end the input:");
      console.log(`Contribution hash, to publish: ${await contribute(directory!, name!, readFileSync(0, "utf8"))}`);
    },
  },
  close: {
    least: 6,
    async run(directory, ptau, beacon, iterations, circuit, ...sources) {
      const closed = await closeCeremony(directory!, { circuit: circuit!, sources, ptau: ptau!, beacon: beacon!, iterationsExponent: Number(iterations) });
      console.log(`vkHash ${closed.manifest.vkHash}\ntranscriptHash ${closed.transcriptHash}\nlevel ${closed.manifest.level}`);
    },
  },
  verify: {
    least: 3,
    async run(directory, ptau, main, ...more) {
      const report = await verifySetup({ directory: directory!, ptau, sources: [main!, ...more], rederive: () => Promise.resolve(compile(main!)) });
      for (const link of report.links) console.log(`ok  ${link}`);
    },
  },
};

function compile(main: string): string {
  const out = ".cache/zk/verify";
  mkdirSync(out, { recursive: true });
  execFileSync("node_modules/.bin/circom2", [main, "--O1", "--r1cs", "-o", out], { stdio: "pipe" });
  return join(out, basename(main).replace(/\.circom$/, ".r1cs"));
}

const [name = "", ...args] = process.argv.slice(2);
const command = commands[name];
if (!command || args.length < command.least) {
  console.error("usage: start | contribute | close | verify; see the head of scripts/ceremony/main.ts");
  process.exit(2);
}
try {
  await command.run(...args);
} catch (error) {
  console.error(error instanceof SetupBroken ? `BROKEN ${error.code}: ${error.message}` : String(error));
  process.exitCode = 1;
}
// snarkjs's worker threads would keep the process alive.
await (await snarkjs.curves.getCurveFromName("bn128")).terminate();
