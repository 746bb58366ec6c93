/** Which provers this machine has. */
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { createProver } from "./prover.ts";
import type { Prover } from "./prover.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Where `npm run build:prover` leaves its work. */
export const NATIVE_PROVER = join(ROOT, ".cache/zk/native/prover");

export function snarkjsProver(): Prover {
  const program = fileURLToPath(new URL("./snarkjs-program.ts", import.meta.url));
  return createProver({ name: "snarkjs", command: process.execPath, args: ["--no-warnings", program] });
}

export function nativeProver(path: string = NATIVE_PROVER): Prover | undefined {
  try {
    accessSync(path, constants.X_OK);
  } catch {
    return undefined;
  }
  return createProver({ name: "native", command: path, args: [] });
}

/** The native prover if it has been built, else snarkjs: about five times slower, and always there. */
export function bestProver(nativePath?: string): Prover {
  return nativeProver(nativePath) ?? snarkjsProver();
}
