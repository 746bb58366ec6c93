/** Many multiples of the BN254 generators, on two processes. */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

import { writeScalar } from "./field.ts";
import type { Job } from "./fixed-base-worker.ts";

const PROGRAM = fileURLToPath(new URL("./fixed-base-worker.ts", import.meta.url));
/** Below this a second worker costs more (its own table) than it saves. */
const WORTH_SPLITTING = 2_048;

export interface FixedBase {
  /** Points in the layout of a zkey: affine, Montgomery form, little-endian; infinity is all zero. */
  multiply(group: 1 | 2, scalars: readonly bigint[]): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** `expected` is the number of points that will be asked for: larger tables pay for themselves only with use. */
export function openFixedBase(expected: number, processes = 2): FixedBase {
  const window = expected > 300_000 ? 12 : expected > 12_000 ? 10 : expected > 1_500 ? 8 : 5;
  const workers: ChildProcess[] = [];

  function worker(index: number): ChildProcess {
    return (workers[index] ??= fork(PROGRAM, { serialization: "advanced" }));
  }

  function run(index: number, job: Job): Promise<Uint8Array> {
    const child = worker(index);
    return new Promise((resolve, reject) => {
      const onMessage = (points: unknown) => {
        child.off("exit", onExit);
        resolve(points as Uint8Array);
      };
      const onExit = (code: number | null, signal: string | null) => {
        child.off("message", onMessage);
        reject(new Error(`set-up worker ended early: ${signal ?? `exit code ${code}`}`));
      };
      child.once("message", onMessage).once("exit", onExit);
      child.send(job);
    });
  }

  return {
    async multiply(group, values) {
      if (values.length === 0) return new Uint8Array();
      const scalars = new Uint8Array(values.length * 32);
      const view = new DataView(scalars.buffer);
      values.forEach((value, i) => writeScalar(view, i * 32, value));
      const parts = values.length < WORTH_SPLITTING ? 1 : processes;
      const bound = (part: number) => 32 * Math.floor((values.length * part) / parts);
      const jobs = Array.from({ length: parts }, (_, i) => ({ group, window, scalars: scalars.subarray(bound(i), bound(i + 1)) }));
      const results = await Promise.all(jobs.map((job, i) => run(i, job)));
      return results.length === 1 ? results[0]! : new Uint8Array(Buffer.concat(results));
    },
    async close() {
      await Promise.all(workers.map((child) => new Promise((resolve) => child.once("exit", resolve) && child.disconnect())));
    },
  };
}
