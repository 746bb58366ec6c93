/**
 * Runs a prover as a process of its own, because it is the only kind of work that can be stopped: snarkjs's worker threads
 * outlive their caller, and a hung or swollen prover must not take the keeper with it.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

import { fatal, retryable } from "../errors/index.ts";

export interface ChildLimits {
  deadlineMs: number;
  /** Resident memory, in MiB. Watched where the system tells (Linux). */
  memoryMb: number;
  signal?: AbortSignal;
}

/** A proof is under two kilobytes; whatever prints more is not a prover. */
const OUTPUT_LIMIT = 1 << 20;
const WATCH_MS = 50;
const PAGE_BYTES = 4096;

/** Resolves with what the program wrote to its standard output. Every other end is a KeeperError. */
export function runChild(command: string, args: readonly string[], limits: ChildLimits): Promise<string> {
  const { deadlineMs, memoryMb, signal } = limits;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(command));
    // A group of its own: helpers that the program starts die with it.
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
    let [output, complaint] = ["", ""];
    let verdict: Error | undefined;

    const stop = (error: Error) => {
      verdict ??= error;
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // Ended by itself in the meantime; the close event follows.
      }
    };
    const onAbort = () => stop(aborted(command));
    const deadline = setTimeout(
      () => stop(retryable("proving.deadline", `The prover was stopped at its deadline of ${deadlineMs} ms.`, { command, deadlineMs })),
      deadlineMs,
    );
    const watch = setInterval(() => {
      const used = child.pid === undefined ? 0 : residentMb(child.pid);
      if (used > memoryMb) stop(fatal("proving.memory", `The prover used ${used} MiB of ${memoryMb}.`, { command, used, memoryMb }));
    }, WATCH_MS);
    signal?.addEventListener("abort", onAbort, { once: true });

    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output.length > OUTPUT_LIMIT) stop(fatal("proving.bad_output", "The prover's output does not end.", { command }));
    });
    child.stderr.on("data", (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-2_000);
    });
    child.on("error", (error) => stop(fatal("proving.no_prover", `The prover cannot be started: ${error.message}.`, { command }, { cause: error })));
    child.on("close", (code, killedBy) => {
      clearTimeout(deadline);
      clearInterval(watch);
      signal?.removeEventListener("abort", onAbort);
      if (verdict) return reject(verdict);
      if (code === 0) return resolve(output);
      reject(retryable("proving.crashed", `The prover ended with ${killedBy ?? `exit code ${code}`}.`, { command, code, killedBy, complaint }));
    });
  });
}

function aborted(command: string): Error {
  return retryable("proving.aborted", "The keeper stopped the prover.", { command });
}

function residentMb(pid: number): number {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
    return Math.round((pages * PAGE_BYTES) / 2 ** 20);
  } catch {
    return 0;
  }
}
