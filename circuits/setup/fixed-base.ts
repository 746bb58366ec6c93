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
  /**
   * The same for vectors of any length, a part of them at a time. The first parts are asked for at once, so that streams which are
   * read one after another keep both processes at work.
   */
  stream(group: 1 | 2, scalars: Iterable<bigint>): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** Scalars that stream() takes at once: one message of a megabyte. */
export const BLOCK = 1 << 15;
/** Blocks of a stream that are under way while nobody has taken them. */
const AHEAD = 2;

/** `expected` is the number of points that will be asked for: larger tables pay for themselves only with use. */
export function openFixedBase(expected: number, { processes = 2, block = BLOCK } = {}): FixedBase {
  const window = expected > 300_000 ? 12 : expected > 12_000 ? 10 : expected > 1_500 ? 8 : 5;
  const workers: Worker[] = [];
  const run = (index: number, job: Job) => (workers[index] ??= openWorker()).run(job);

  async function multiply(group: 1 | 2, values: readonly bigint[]): Promise<Uint8Array> {
    if (values.length === 0) return new Uint8Array();
    const scalars = new Uint8Array(values.length * 32);
    const view = new DataView(scalars.buffer);
    values.forEach((value, i) => writeScalar(view, i * 32, value));
    const parts = values.length < WORTH_SPLITTING ? 1 : processes;
    const bound = (part: number) => 32 * Math.floor((values.length * part) / parts);
    const jobs = Array.from({ length: parts }, (_, i) => ({ group, window, scalars: scalars.subarray(bound(i), bound(i + 1)) }));
    const results = await Promise.all(jobs.map((job, i) => run(i, job)));
    return results.length === 1 ? results[0]! : new Uint8Array(Buffer.concat(results));
  }

  return {
    multiply,
    stream(group, scalars) {
      const source = scalars[Symbol.iterator]();
      const waiting: Promise<Uint8Array>[] = [];
      function ask(): void {
        const values: bigint[] = [];
        for (let next = source.next(); !next.done; next = source.next()) if (values.push(next.value) === block) break;
        if (values.length === 0) return;
        const part = multiply(group, values);
        // Whoever takes it sees the failure; until then it is nobody's.
        part.catch(() => {});
        waiting.push(part);
      }
      for (let i = 0; i < AHEAD; i++) ask();
      return (async function* () {
        for (let part = waiting.shift(); part; part = waiting.shift()) {
          const points = await part;
          ask();
          yield points;
        }
      })();
    },
    async close() {
      await Promise.all(workers.map(({ close }) => close()));
    },
  };
}

interface Worker {
  /** Jobs are answered in the order in which they were given. */
  run(job: Job): Promise<Uint8Array>;
  close(): Promise<void>;
}

function openWorker(): Worker {
  const child: ChildProcess = fork(PROGRAM, { serialization: "advanced" });
  const waiting: { resolve(points: Uint8Array): void; reject(error: Error): void }[] = [];
  let ended: Error | undefined;
  child.on("message", (points) => waiting.shift()?.resolve(points as Uint8Array));
  const exit = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      ended = new Error(`set-up worker ended early: ${signal ?? `exit code ${code}`}`);
      for (const { reject } of waiting.splice(0)) reject(ended);
      resolve();
    });
  });
  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        if (ended) return reject(ended);
        waiting.push({ resolve, reject });
        child.send(job);
      }),
    close() {
      if (child.connected) child.disconnect();
      return exit;
    },
  };
}
