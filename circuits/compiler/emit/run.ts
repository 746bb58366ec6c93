import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { stripVTControlCharacters } from "node:util";

import { CompileError } from "../errors.ts";

/** Runs circom2 in the directory of the file: its sandbox does not see paths above the working directory. */
export async function runCircom(directory: string, file = "model.circom"): Promise<string> {
  const cli = join(dirname(createRequire(import.meta.url).resolve("circom2/package.json")), "cli.js");
  return new Promise((resolve, reject) => {
    // -O1: renames are removed and linear rows stay. -O2 multiplies the entries of A and B, and does not end on convolutions.
    const args = ["--no-warnings", "--max-old-space-size=8192", cli, file, "--r1cs", "--sym", "--O1"];
    execFile(process.execPath, args, { cwd: directory, maxBuffer: 1 << 26, timeout: 3_600_000 }, (error, stdout, stderr) => {
      // Coloured, whether a terminal reads it or not.
      const log = stripVTControlCharacters(`${stdout}${stderr}`);
      if (error || /error\[|panicked|out of bounds/.test(log)) reject(circomRefusal(log, error));
      else resolve(log);
    });
  });
}

/** Past 4 GiB its WebAssembly aborts with a trace of its own functions, which helps nobody. */
export function circomRefusal(log: string, error: Error | null): CompileError {
  if (/memory allocation of \d+ bytes failed|rust_oom|memory access out of bounds/.test(log)) {
    return new CompileError("CIRCOM_MEMORY", "circom needs more than its 4 GiB for this circuit: compile the model as several circuits (--layers), or with baked weights, which take fewer rows");
  }
  return new CompileError("CIRCOM_FAILED", `circom: ${log.slice(0, 2000) || String(error)}`);
}
