/** Builds what is measured, two things at a time: compiling and keys are single-threaded for the most part. Kept between runs. */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

import { buildCircuit } from "../../../circuits/build.ts";
import { benchmarks } from "../../../circuits/models/zoo.ts";
import { buildPeer, PEERS } from "./peers.ts";

export interface Coverage {
  supported: number;
  total: number;
  /** Whether docs/zkml-coverage.md says the same. */
  current: boolean;
}

const LONGEST = "mlp-2m";
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/**
 * Compiles the shared vectors too, where they are.
 * @returns Also what could not be built, and why: the rest is measured all the same.
 */
export async function buildAll(coverage: boolean, print: (line: string) => void): Promise<{ covered?: Coverage; failed: Map<string, string> }> {
  const program = fileURLToPath(import.meta.url);
  let covered: Coverage | undefined;
  const failed = new Map<string, string>();
  const jobs: [string, () => Promise<void>][] = [...benchmarks, ...PEERS].map(({ name }) => [name, async () => void (await run([program, name]))]);
  if (coverage) jobs.push(["coverage of the shared models", async () => void (covered = await measureCoverage())]);
  // The longest first: nothing else may end behind it.
  jobs.sort(([a], [b]) => Number(b === LONGEST) - Number(a === LONGEST));
  const start = performance.now();
  const next = async (): Promise<void> => {
    for (let job = jobs.shift(); job; job = jobs.shift()) {
      await job[1]().catch((error: unknown) => failed.set(job![0], error instanceof Error ? error.message : String(error)));
      print(`${((performance.now() - start) / 1000).toFixed(0)} s: ${failed.has(job[0]) ? `FAILED ${job[0]}: ${failed.get(job[0])}` : `built ${job[0]}`}`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, next));
  return { covered, failed };
}

async function measureCoverage(): Promise<Coverage> {
  const { code, complaint } = await run(["scripts/generate/zkml-coverage.ts", "--check"], [0, 1]);
  const states = complaint.split("\n").flatMap((line) => /^(meaningful|formal|refused) /.exec(line)?.[1] ?? []);
  if (states.length === 0) throw new Error(`The table of models cannot be made:\n${complaint.slice(-2_000)}`);
  return { supported: states.filter((state) => state === "meaningful").length, total: states.length, current: code === 0 };
}

async function run(args: string[], allowed: readonly number[] = [0]): Promise<{ code: number; complaint: string }> {
  const child = spawn(process.execPath, ["--no-warnings", ...args], { cwd: ROOT, stdio: ["ignore", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
  const code = await new Promise<number>((resolve) => child.on("close", (status) => resolve(status ?? -1)));
  if (!allowed.includes(code)) throw new Error(`${args.join(" ")} ended with ${code}:\n${complaint.slice(-2_000)}`);
  return { code, complaint };
}

if (import.meta.main) {
  const name = process.argv[2]!;
  const own = benchmarks.find((benchmark) => benchmark.name === name);
  if (own) await buildCircuit(`bench/${name}`, own.onnx(), own.options);
  else await buildPeer(name);
}
