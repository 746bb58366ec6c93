import { Worker } from "node:worker_threads";

const WATCH_MS = 500;

/**
 * For the program of a child process: ends it within a second of its parent's death, whatever killed that. A closed pipe or channel is
 * noticed only by a thread that looks; one in the middle of native code or of a read that blocks does not, so another one watches.
 */
export function dieWithParent(): void {
  const watch = `
    const parent = process.ppid;
    setInterval(() => process.ppid === parent || process.kill(process.pid, "SIGKILL"), ${WATCH_MS});
  `;
  new Worker(watch, { eval: true }).unref();
}
