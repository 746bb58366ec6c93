/**
 * The ceremony's steps, one command each; docs/ceremony.md says who runs which. Called without arguments it lists them.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

import * as snarkjs from "snarkjs";

import { openProgress } from "../../circuits/cli/progress.ts";
import { closeCeremony, contribute, startCeremony } from "../../circuits/setup/ceremony.ts";
import { SetupFileError } from "../../circuits/setup/sections.ts";
import { SetupBroken } from "../../circuits/setup/setup-broken.ts";
import { verifySetup } from "../../circuits/setup/verify-setup.ts";

interface Command {
  usage: string;
  least: number;
  most: number;
  run(...args: string[]): Promise<void>;
}

const progress = openProgress();

function say(line: string): void {
  progress.clear();
  console.log(line);
}

const commands: Record<string, Command> = {
  start: {
    usage: "DIRECTORY CIRCUIT.r1cs POWERS.ptau",
    least: 3,
    most: 3,
    async run(directory, r1cs, ptau) {
      progress.step("making the key before any contribution");
      say(`${await startCeremony(directory!, r1cs!, ptau!)} made; anyone can make the same file and compare.`);
    },
  },
  contribute: {
    usage: "DIRECTORY NAME      (entropy is read from standard input)",
    least: 2,
    most: 2,
    async run(directory, name) {
      if (process.stdin.isTTY) say("Type something nobody else knows, then end the input with Enter and Ctrl-D:");
      const entropy = readFileSync(0, "utf8");
      progress.step("contributing");
      const { hash, file } = await contribute(directory!, name!, entropy);
      say(`Contribution hash, to publish: ${hash}`);
      say(`${file} made; hand it on.`);
    },
  },
  close: {
    usage: "DIRECTORY POWERS.ptau BEACON_HEX ITERATIONS_EXPONENT CIRCUIT_NAME SOURCE...",
    least: 6,
    most: Infinity,
    async run(directory, ptau, beacon, iterations, circuit, ...sources) {
      progress.step(`computing the beacon, 2^${iterations} hashes`);
      const closed = await closeCeremony(directory!, { circuit: circuit!, sources, ptau: ptau!, beacon: beacon!, iterationsExponent: Number(iterations) });
      say(`vkHash ${closed.manifest.vkHash}\ntranscriptHash ${closed.transcriptHash}\nlevel ${closed.manifest.level}`);
    },
  },
  verify: {
    usage: "DIRECTORY POWERS.ptau MAIN.circom [SOURCE...]",
    least: 3,
    most: Infinity,
    async run(directory, ptau, main, ...more) {
      const report = await verifySetup({ directory: directory!, ptau, sources: [main!, ...more], rederive: () => Promise.resolve(compile(main!)), progress: progress.step });
      for (const link of report.links) say(`ok  ${link}`);
    },
  },
};

function compile(main: string): string {
  const out = ".cache/zk/verify";
  mkdirSync(out, { recursive: true });
  try {
    execFileSync("node_modules/.bin/circom2", [main, "--O1", "--r1cs", "-o", out], { stdio: "pipe" });
  } catch (error) {
    throw new SetupFileError(`${main} does not compile:\n${String((error as { stderr?: Buffer }).stderr ?? error).trim()}`);
  }
  return join(out, basename(main).replace(/\.circom$/, ".r1cs"));
}

const [name = "", ...args] = process.argv.slice(2);
const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
if (!command || args.length < command.least || args.length > command.most) {
  const lines = Object.entries(commands).map(([title, { usage }]) => `  npm run -s ceremony -- ${title} ${usage}`);
  console.error(`usage:\n${lines.join("\n")}`);
  process.exit(2);
}
try {
  await command.run(...args);
} catch (error) {
  progress.clear();
  if (error instanceof SetupBroken) console.error(`BROKEN ${error.code}: ${error.message}`);
  else if (error instanceof SetupFileError) console.error(`refused: ${error.message}`);
  else console.error(error);
  process.exitCode = 1;
}
progress.clear();
// snarkjs's worker threads would keep the process alive.
await (await snarkjs.curves.getCurveFromName("bn128")).terminate();
