/**
 * How long a proof takes, on one machine and one witness, by each prover that is here. The unit of `seconds` is what a keeper waits for:
 * from a witness file on disk to a proof that was verified and encoded, by a process that has the key loaded. Compiling, keys, the
 * witness itself and the first load of a key are other figures.
 */
import * as snarkjs from "snarkjs";

import { messageOf } from "../../../keepers/errors/index.ts";
import { nativeProver, wasmProver } from "../../../keepers/proving/provers.ts";
import type { Proven, Prover, ProvingTask } from "../../../keepers/proving/prover.ts";

export interface ProvingFigures {
  /** The default prover; median of three. */
  seconds: number;
  /** What its first proof took longer: reading the key and dividing it among threads. */
  loadSeconds: number;
  /** snarkjs.groth16.prove, called in a process where it has run before; not verified. One run. */
  snarkjsSeconds: number;
  /** The native prover, process start and all; median of three. Absent where it is not built. */
  nativeSeconds?: number;
}

const LIMITS = { deadlineMs: 600_000, memoryMb: 8_000 };
const RUNS = 3;

export async function measureProving(task: ProvingTask): Promise<{ figures: ProvingFigures; proven: Proven }> {
  const [first, proven] = await timed(() => wasmProver().prove(task, LIMITS));
  const seconds = await median(wasmProver(), task);
  const native = nativeProver();
  // One that is here and fails takes no other figure with it.
  const nativeSeconds = native && (await median(native, task).catch((error: unknown) => void console.error(`native prover: ${messageOf(error)}`)));
  const [snarkjsSeconds] = await timed(() => snarkjs.groth16.prove(task.zkey, task.witness));
  const loadSeconds = Number(Math.max(0, first - seconds).toFixed(3));
  return { figures: { seconds, loadSeconds, snarkjsSeconds, ...(nativeSeconds === undefined ? {} : { nativeSeconds }) }, proven };
}

/** Ends the threads that snarkjs keeps: they alone hold a process that has measured. */
export async function closeProving(): Promise<void> {
  await (await snarkjs.curves.getCurveFromName("bn128")).terminate();
}

async function median(prover: Prover, task: ProvingTask): Promise<number> {
  const all: number[] = [];
  for (let i = 0; i < RUNS; i++) all.push((await timed(() => prover.prove(task, LIMITS)))[0]);
  return all.sort((a, b) => a - b)[RUNS >> 1]!;
}

export async function timed<T>(work: () => Promise<T>): Promise<[number, T]> {
  const start = performance.now();
  const result = await work();
  return [Number(((performance.now() - start) / 1000).toFixed(3)), result];
}
