/** What a prover's process may use, and how it is stopped when it uses more. */
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";

import { fatal, retryable } from "../errors/index.ts";

export interface ChildLimits {
  deadlineMs: number;
  /** Resident memory, in MiB. Watched where the system tells (Linux). */
  memoryMb: number;
  signal?: AbortSignal;
}

/** A proof is under two kilobytes; whatever prints more is not a prover. */
export const OUTPUT_LIMIT = 1 << 20;
const WATCH_MS = 50;
const PAGE_BYTES = 4096;

export interface Watch {
  /** Looks at time and memory now: an answer may be read before the timers that it came too late for. */
  look(): void;
  end(): void;
}

/** Calls `stop` with the reason if a limit is passed or the signal comes. */
export function watch(child: ChildProcess, command: string, { deadlineMs, memoryMb, signal }: ChildLimits, stop: (reason: Error) => void): Watch {
  const onAbort = () => stop(aborted(command));
  const started = performance.now();
  const late = () => stop(retryable("proving.deadline", `The prover was stopped at its deadline of ${deadlineMs} ms.`, { command, deadlineMs }));
  const deadline = setTimeout(late, deadlineMs);
  const look = () => {
    if (performance.now() - started > deadlineMs) return late();
    const used = child.pid === undefined ? 0 : residentMb(child.pid);
    if (used > memoryMb) stop(fatal("proving.memory", `The prover used ${used} MiB of ${memoryMb}.`, { command, used, memoryMb }));
  };
  // A process that stays may hold too much already.
  const first = setImmediate(look);
  const memory = setInterval(look, WATCH_MS);
  signal?.addEventListener("abort", onAbort, { once: true });
  return {
    look,
    end() {
      clearTimeout(deadline);
      clearImmediate(first);
      clearInterval(memory);
      signal?.removeEventListener("abort", onAbort);
    },
  };
}

/** With the whole group that it leads: helpers that it started die with it. */
export function kill(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Ended by itself in the meantime; the close event follows.
  }
}

export function aborted(command: string): Error {
  return retryable("proving.aborted", "The keeper stopped the prover.", { command });
}

export function crashed(command: string, code: number | null, killedBy: string | null, complaint: string): Error {
  return retryable("proving.crashed", `The prover ended with ${killedBy ?? `exit code ${code}`}.`, { command, code, killedBy, complaint });
}

export function notStarted(command: string, error: Error): Error {
  return fatal("proving.no_prover", `The prover cannot be started: ${error.message}.`, { command }, { cause: error });
}

export function endless(command: string): Error {
  return fatal("proving.bad_output", "The prover's output does not end.", { command });
}

function residentMb(pid: number): number {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
    return Math.round((pages * PAGE_BYTES) / 2 ** 20);
  } catch {
    return 0;
  }
}
