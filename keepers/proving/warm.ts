/**
 * A prover's process that stays: it answers one line for each line it is sent, and keeps what it has loaded in between. One question
 * at a time, since one proof takes the whole machine. A process that passes a limit, ends or talks nonsense is killed; the next
 * question starts a new one.
 */
import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import type { Readable, Writable } from "node:stream";

import { aborted, crashed, endless, kill, notStarted, OUTPUT_LIMIT, watch } from "./limits.ts";
import type { ChildLimits } from "./limits.ts";

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

export interface WarmChild {
  /** `question` and answer are one line each. Rejects with a KeeperError. */
  ask(question: string, limits: ChildLimits): Promise<string>;
}

/** Unused for this long, it ends and gives its memory back. */
const IDLE_MS = 300_000;

export function openWarmChild(command: string, args: readonly string[], idleMs = IDLE_MS): WarmChild {
  let living: Child | undefined;
  let before: Promise<unknown> = Promise.resolve();
  let idle: NodeJS.Timeout | undefined;

  function start(): Child {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
    // Written to after it ended: the close event tells the same.
    child.stdin.on("error", () => {});
    child.once("close", () => forget(child));
    return (living = child);
  }

  function forget(child: Child): void {
    if (living === child) living = undefined;
  }

  function answer(question: string, limits: ChildLimits): Promise<string> {
    return new Promise((resolve, reject) => {
      if (limits.signal?.aborted) return reject(aborted(command));
      clearTimeout(idle);
      const child = living ?? start();
      hold(child, true);
      let [output, complaint] = ["", ""];
      let verdict: Error | undefined;
      const stop = (error: Error) => {
        verdict ??= error;
        forget(child);
        kill(child);
      };
      const watching = watch(child, command, limits, stop);
      const settle = (end: () => void) => {
        watching.end();
        child.stdout.off("data", onOutput);
        child.stderr.off("data", onComplaint);
        child.off("close", onClose).off("error", onError);
        end();
      };
      const onOutput = (chunk: Buffer) => {
        output += chunk.toString();
        const end = output.indexOf("\n");
        if (end < 0 && output.length > OUTPUT_LIMIT) return stop(endless(command));
        if (end < 0) return;
        // A quick answer may come before any other look; and the process stays: what it holds now it would hold when it is asked again.
        watching.look();
        if (verdict) return;
        settle(() => {
          hold(child, false);
          idle = setTimeout(() => {
            forget(child);
            child.stdin.end();
          }, idleMs).unref();
          resolve(output.slice(0, end));
        });
      };
      const onComplaint = (chunk: Buffer) => {
        complaint = (complaint + chunk.toString()).slice(-2_000);
      };
      const onError = (error: Error) => stop(notStarted(command, error));
      const onClose = (code: number | null, killedBy: string | null) => settle(() => reject(verdict ?? crashed(command, code, killedBy, complaint)));
      child.stdout.on("data", onOutput);
      child.stderr.on("data", onComplaint);
      child.on("close", onClose).on("error", onError);
      child.stdin.write(`${question}\n`);
    });
  }

  return {
    ask(question, limits) {
      const mine = before.then(() => answer(question, limits));
      before = mine.catch(() => {});
      return mine;
    },
  };
}

/** A process that waits for questions does not keep its parent alive; it ends when the parent's end of the pipe does. */
function hold(child: Child, busy: boolean): void {
  for (const part of [child, child.stdin, child.stdout, child.stderr] as unknown as { ref?(): void; unref?(): void }[]) {
    if (busy) part.ref?.();
    else part.unref?.();
  }
}
