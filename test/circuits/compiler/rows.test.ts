import { expect } from "chai";
import { readFileSync } from "node:fs";

import { compileModel, type CompileOptions } from "../../../circuits/compiler/index.ts";
import { encode, weights, type Attr } from "../../../circuits/models/build.ts";
import { benchmarks, recurrent } from "../../../circuits/models/zoo.ts";
import { deep } from "../../utils/deep.ts";

/**
 * Rows of each model, as committed: a change of the compiler that costs or saves more than 1 % shows here first. A saving is written down
 * by hand, with the commit that made it.
 */
const snapshot = JSON.parse(readFileSync(new URL("rows.snapshot.json", import.meta.url), "utf8")) as Record<string, number>;

interface Model {
  readonly onnx: () => Uint8Array;
  readonly options?: CompileOptions;
}

const one = (op: string, shape: number[], attrs: Record<string, Attr> = {}, constants = {}, rest: string[] = [], opset = 17): Model => ({
  onnx: () => encode({ inputs: { x: shape }, constants, nodes: [{ op, in: ["x", ...rest], out: ["y"], attrs }], outputs: ["y"], opset }),
});

const small: Record<string, Model> = {
  softmax: one("Softmax", [4, 8]),
  sigmoid: one("Sigmoid", [16]),
  gelu: one("Gelu", [16], {}, {}, [], 20),
  "layer norm": one("LayerNormalization", [2, 16], {}, { g: weights([16], 1, 1), b: weights([16], 1, 2) }, ["g", "b"]),
  convolution: one("Conv", [1, 2, 8, 8], {}, { w: weights([4, 2, 3, 3], 0.5, 1) }, ["w"]),
  "max pool": one("MaxPool", [1, 2, 8, 8], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  "arg max": one("ArgMax", [1, 10], { axis: 1 }),
  "reduce max": one("ReduceMax", [2, 16], { axes: [1] }),
  gru: { onnx: () => recurrent("GRU", 4, 2, 4) },
};

describe("circuits/compiler: rows against the committed snapshot", () => {

  // The two largest models take longer to compile than all others together.
  const large = new Set(["lenet5", "mlp-2m"]);
  const models: Record<string, Model> = { ...small, ...Object.fromEntries(benchmarks.filter((b) => deep || !large.has(b.name)).map((b) => [b.name, b])) };
  for (const [name, model] of Object.entries(models)) {
    it(name, () => {
      const { total } = compileModel(model.onnx(), { sampleCount: 4, ...model.options }).rows;
      const committed = snapshot[name] as number;
      expect(Math.abs(total - committed), `${total} rows, ${committed} committed`).to.be.at.most(committed / 100);
    });
  }

  it("every benchmark is within its target", () => {
    for (const b of benchmarks) expect(snapshot[b.name], b.name).to.be.at.most(b.target);
  });
});
