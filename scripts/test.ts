/**
 * Runs every suite and closes with one line that adds them up: `N passed, N failed, N skipped`.
 *
 *   npm test                      all suites
 *   npm test -- mocha keepers     one runner, files whose path contains "keepers"
 *   npm run test:deep             the same, with many more cases of every property (OG_DEEP=1)
 */
import { spawn, spawnSync } from "node:child_process";
import { globSync } from "node:fs";

interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

const RUNNERS = ["solidity", "mocha"] as const;
const deep = process.argv.includes("--deep");
const [onlyRunner, filter] = process.argv.slice(2).filter((argument) => argument !== "--deep");

/** Counts what a runner's summary says; both runners print "N passing", "N failing", "N pending|skipped". */
function count(output: string, word: string): number {
  // Summaries are coloured and end with a duration, e.g. "  12 passing (3s)".
  const plain = output.replace(/\u001b\[[0-9;]*m/g, "");
  return [...plain.matchAll(new RegExp(`^\\s*(\\d+) (?:${word})\\b`, "gm"))].reduce((sum, match) => sum + Number(match[1]), 0);
}

async function run(runner: string): Promise<{ code: number; totals: Totals }> {
  const files = filter ? globSync(runner === "mocha" ? "test/**/*.test.ts" : "test/**/*.t.sol").filter((file) => file.includes(filter)) : [];
  if (filter && files.length === 0) return { code: 0, totals: { passed: 0, failed: 0, skipped: 0 } };
  const env = { ...process.env, FORCE_COLOR: "0", ...(deep ? { OG_DEEP: "1" } : {}) };
  const child = spawn("hardhat", ["test", runner, ...files], { stdio: ["ignore", "pipe", "inherit"], env });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    process.stdout.write(chunk);
  });
  const code = await new Promise<number>((resolve) => child.on("close", (status) => resolve(status ?? 1)));
  return { code, totals: { passed: count(output, "passing"), failed: count(output, "failing"), skipped: count(output, "pending|skipped") } };
}

const built = spawnSync("npm", ["run", "-s", "build"], { stdio: "inherit" });
if (built.status !== 0) process.exit(built.status ?? 1);

const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
let exitCode = 0;
for (const runner of RUNNERS.filter((name) => !onlyRunner || onlyRunner === name)) {
  const result = await run(runner);
  exitCode ||= result.code;
  totals.passed += result.totals.passed;
  totals.failed += result.totals.failed;
  totals.skipped += result.totals.skipped;
}
if (exitCode === 0 && totals.passed === 0) {
  console.error("No test ran: check the filter.");
  exitCode = 1;
}
console.log(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(exitCode);
