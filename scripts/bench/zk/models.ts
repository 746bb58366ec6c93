/** Rows and proving time of the benchmark's models: compiled from ONNX, proved on a random input, each proof verified. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import * as snarkjs from "snarkjs";

import { calculateWitness, compileModel, loadModel, writeArtifacts } from "../../../circuits/compiler/index.ts";
import type { Benchmark } from "../../../circuits/models/zoo.ts";
import { setUpForDevelopment } from "../../../circuits/setup/manifest.ts";
import { verifyProof } from "../../../circuits/setup/verify.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { runChild } from "../../../keepers/proving/child.ts";
import { nativeProver, NATIVE_PROVER } from "../../../keepers/proving/provers.ts";
import type { ProofJson } from "../../../circuits/setup/encode.ts";

export interface ModelFigures {
  rows: number;
  /** snarkjs's call in a warm process; median of three. */
  seconds: number;
  /** The native prover's whole process; median of three. Absent where it is not built. */
  nativeSeconds?: number;
  witnessSeconds: number;
  setupSeconds: number;
}

const LIMITS = { deadlineMs: 600_000, memoryMb: 8_000 };
const RUNS = 3;

export async function measureModel({ name, onnx, options }: Benchmark, print: (line: string) => void): Promise<ModelFigures> {
  const folder = join(".cache/zk/bench", name);
  mkdirSync(folder, { recursive: true });
  print(`${name}: compiling`);
  const compiled = compileModel(onnx(), options);
  await writeArtifacts(compiled, folder);
  const [setupSeconds, files] = await timed(() => setUpForDevelopment(join(folder, "model.r1cs"), folder));
  const model = await loadModel(folder);
  const values = model.boxes.map(({ lo, hi }, i) => lo + ((BigInt(i + 1) * 7919n) % (hi - lo + 1n)));
  const [witnessSeconds, witness] = await timed(() => Promise.resolve(calculateWitness(model, model.sym, values, 77n)));
  const path = join(folder, "model.wtns");
  writeWitness(path, witness.values);

  const key = readVerifyingKey(files.zkey);
  const check = (proof: ProofJson) => {
    if (!verifyProof(key, witness.publicInputs, proof)) throw new Error(`${name}: the proof does not verify`);
  };
  const seconds = await median(async () => ({ ...(await snarkjs.groth16.prove(files.zkey, path)).proof }), check);
  const nativeProof = async () => (JSON.parse(await runChild(NATIVE_PROVER, [files.zkey, path], LIMITS)) as { proof: ProofJson }).proof;
  const native = nativeProver() ? await median(nativeProof, check) : undefined;
  const figures = { rows: files.manifest.rows, seconds, ...(native === undefined ? {} : { nativeSeconds: native }), witnessSeconds, setupSeconds };
  print(`${name}: ${JSON.stringify(figures)}`);
  return figures;
}

/** Verifying is not part of the figure. */
async function median(prove: () => Promise<ProofJson>, check: (proof: ProofJson) => void): Promise<number> {
  const all: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    const [seconds, proof] = await timed(prove);
    check(proof);
    all.push(seconds);
  }
  return all.sort((a, b) => a - b)[RUNS >> 1]!;
}

async function timed<T>(work: () => Promise<T>): Promise<[number, T]> {
  const start = performance.now();
  const result = await work();
  return [Number(((performance.now() - start) / 1000).toFixed(3)), result];
}

/** Models that compile, of those in the shared vectors; from the committed table, which is checked first. */
export function coverage(): { supported: number; total: number } {
  const [, total, meaningful] = /Of (\d+) models: \*\*(\d+) meaningful/.exec(readFileSync("docs/zkml-coverage.md", "utf8")) ?? [];
  return { supported: Number(meaningful), total: Number(total) };
}
