/** Which provers this machine has. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { createProver, withFallback } from "./prover.ts";
import type { Prover } from "./prover.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Where `npm run build:prover` leaves its work. */
export const NATIVE_PROVER = join(ROOT, ".cache/zk/native/prover");
const PROBE_MS = 5_000;
/** What the native prover answers when it is called without files. */
const USAGE_EXIT = 2;

const program = (path: string) => fileURLToPath(new URL(path, import.meta.url));
let wasm: Prover | undefined;

/** The default: always there, warm between proofs. One process for all callers, since each proof takes the whole machine. */
export function wasmProver(): Prover {
  return (wasm ??= createProver({ name: "wasm", command: process.execPath, args: ["--no-warnings", program("./wasm/program.ts")], warm: true }));
}

/** snarkjs as it is, a process for each proof: the reference that the others are compared with. */
export function snarkjsProver(): Prover {
  return createProver({ name: "snarkjs", command: process.execPath, args: ["--no-warnings", program("./snarkjs-program.ts")] });
}

/** The native prover, or why there is none. It is started once to see that it can be. */
export function findNative(path: string = NATIVE_PROVER): Prover | { missing: string } {
  if (!existsSync(path)) return { missing: "not built (npm run build:prover)" };
  const { error, status, signal } = spawnSync(path, [], { stdio: "ignore", timeout: PROBE_MS });
  if (error || status !== USAGE_EXIT) return { missing: `${path} does not run here: ${error?.message ?? signal ?? `exit code ${status}`}` };
  return createProver({ name: "native", command: path, args: [] });
}

export function nativeProver(path?: string): Prover | undefined {
  const found = findNative(path);
  return "missing" in found ? undefined : found;
}

export interface ChosenProver {
  prover: Prover;
  /** Why it is not the native one, which is several times faster. */
  reason?: string;
}

/** The native prover if it has been built and runs, the default behind it for what it fails at; else the default. */
export function chooseProver(nativePath?: string): ChosenProver {
  const native = findNative(nativePath);
  return "missing" in native ? { prover: wasmProver(), reason: `native prover: ${native.missing}` } : { prover: withFallback(native, wasmProver()) };
}

export function bestProver(nativePath?: string): Prover {
  return chooseProver(nativePath).prover;
}
