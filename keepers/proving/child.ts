/**
 * Runs a prover as a process of its own, because it is the only kind of work that can be stopped: snarkjs's worker threads
 * outlive their caller, and a hung or swollen prover must not take the keeper with it.
 */
import { spawn } from "node:child_process";

import { aborted, crashed, endless, kill, notStarted, OUTPUT_LIMIT, watch } from "./limits.ts";
import type { ChildLimits } from "./limits.ts";

/** Resolves with what the program wrote to its standard output. Every other end is a KeeperError. */
export function runChild(command: string, args: readonly string[], limits: ChildLimits): Promise<string> {
  return new Promise((resolve, reject) => {
    if (limits.signal?.aborted) return reject(aborted(command));
    // A group of its own, to be stopped as one.
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
    let [output, complaint] = ["", ""];
    let verdict: Error | undefined;
    const stop = (error: Error) => {
      verdict ??= error;
      kill(child);
    };
    const watching = watch(child, command, limits, stop);

    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output.length > OUTPUT_LIMIT) stop(endless(command));
    });
    child.stderr.on("data", (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-2_000);
    });
    child.on("error", (error) => stop(notStarted(command, error)));
    child.on("close", (code, killedBy) => {
      watching.end();
      if (verdict) return reject(verdict);
      if (code === 0) return resolve(output);
      reject(crashed(command, code, killedBy, complaint));
    });
  });
}
