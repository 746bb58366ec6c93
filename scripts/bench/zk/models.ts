/** Rows and proving time of the benchmark's models: compiled from ONNX, proved on an input that fills its box, each proof verified. */
import { join } from "node:path";

import { buildCircuit } from "../../../circuits/build.ts";
import { calculateWitness, loadModel } from "../../../circuits/compiler/index.ts";
import type { Benchmark } from "../../../circuits/models/zoo.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { measureProving, timed } from "./prove.ts";
import type { ProvingFigures } from "./prove.ts";

export interface ModelFigures extends ProvingFigures {
  rows: number;
  witnessSeconds: number;
}

export async function measureModel({ name, onnx, options }: Pick<Benchmark, "name" | "onnx" | "options">, print: (line: string) => void): Promise<ModelFigures> {
  const { directory, zkey, setup } = await buildCircuit(`bench/${name}`, onnx(), options);
  const model = await loadModel(directory);
  const values = model.boxes.map(({ lo, hi }, i) => lo + ((BigInt(i + 1) * 7919n) % (hi - lo + 1n)));
  const [witnessSeconds, made] = await timed(() => Promise.resolve(calculateWitness(model, model.sym, values, 77n)));
  const witness = join(directory, "model.wtns");
  writeWitness(witness, made.values);
  const { figures } = await measureProving({ zkey, witness, key: readVerifyingKey(zkey), publicInputs: made.publicInputs });
  const all = { rows: setup.rows, ...figures, witnessSeconds };
  print(`${name}: ${JSON.stringify(all)}`);
  return all;
}
