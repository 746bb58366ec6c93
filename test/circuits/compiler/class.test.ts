import { expect } from "chai";

import { compileModel, runInteger } from "../../../circuits/compiler/index.ts";
import { encode, weights } from "../../../circuits/models/build.ts";
import { seeded } from "../../../circuits/compiler/quantise/samples.ts";
import { runtime } from "./oracle.ts";

const TIE = 4;

describe("circuits/compiler: the certainty of a class", () => {
  const onnx = encode({
    inputs: { x: [1, 6] },
    constants: { w: weights([6, 4], 0.8, 3), b: weights([4], 0.2, 4) },
    nodes: [{ op: "Gemm", in: ["x", "w", "b"], out: ["logits"] }, { op: "ArgMax", in: ["logits"], out: ["y"], attrs: { axis: 1 } }],
    outputs: ["y"],
    outputTypes: { y: "int64" },
  });
  // Coarse on purpose: near ties are then common.
  const model = compileModel(onnx, { inputBits: 7, weightBits: 7 });

  it("is right whenever it says so, and says so most of the time", async () => {
    const next = seeded(5);
    let sure = 0;
    for (let i = 0; i < 80; i++) {
      const x = Array.from({ length: 6 }, () => Math.fround(next() * 1.9 - 0.95));
      const want = (await runtime(onnx, { x: { shape: [1, 6], data: x } })).y as number[];
      const got = runInteger(model, { x });
      if ((got.status & TIE) !== 0) continue;
      sure += 1;
      expect(got.tensors.y).to.deep.equal(want);
    }
    expect(sure).to.be.greaterThan(30).and.lessThan(80);
  });

  it("reports a tie where two logits are equal", () => {
    const tied = encode({
      inputs: { x: [1, 2] }, nodes: [{ op: "ArgMax", in: ["x"], out: ["y"], attrs: { axis: 1 } }], outputs: ["y"], outputTypes: { y: "int64" },
    });
    expect(runInteger(compileModel(tied), { x: [0.5, 0.5] }).status & TIE).to.equal(TIE);
    expect(runInteger(compileModel(tied), { x: [0.5, -0.5] }).status & TIE).to.equal(0);
  });

  it("holds for every place of the best k, and for the worst", async () => {
    for (const largest of [1, 0]) {
      const spec = encode({
        inputs: { x: [1, 6] }, constants: { w: weights([6, 5], 0.8, 3), k: { shape: [1], data: [3], type: "int64" } },
        nodes: [{ op: "MatMul", in: ["x", "w"], out: ["s"] }, { op: "TopK", in: ["s", "k"], out: ["v", "y"], attrs: { axis: 1, largest } }],
        outputs: ["v", "y"], outputTypes: { y: "int64" },
      });
      const best = compileModel(spec, { inputBits: 7, weightBits: 7 });
      expect(best.warnings).to.deep.equal([]);
      const next = seeded(11);
      let sure = 0;
      for (let i = 0; i < 20; i++) {
        const x = Array.from({ length: 6 }, () => Math.fround(next() * 1.9 - 0.95));
        const want = await runtime(spec, { x: { shape: [1, 6], data: x } });
        const got = runInteger(best, { x });
        (want.v as number[]).forEach((v, k) => expect(Math.abs(v - (got.tensors.v?.[k] as number))).to.be.at.most(best.errors[0]?.proved as number));
        if ((got.status & TIE) !== 0) continue;
        sure += 1;
        expect(got.tensors.y).to.deep.equal(want.y);
      }
      expect(sure).to.be.greaterThan(3).and.lessThan(20);
    }
  });

  it("reports a tie at the edge of the best k", () => {
    const edge = encode({
      inputs: { x: [1, 3] }, constants: { k: { shape: [1], data: [1], type: "int64" } },
      nodes: [{ op: "TopK", in: ["x", "k"], out: ["v", "y"], attrs: { axis: 1 } }], outputs: ["y"], outputTypes: { y: "int64" },
    });
    const model = compileModel(edge);
    expect(runInteger(model, { x: [0.5, 0.5, -0.5] }).status & TIE).to.equal(TIE);
    expect(runInteger(model, { x: [0.5, -0.5, -0.5] }).status & TIE).to.equal(0);
  });

  it("holds for a classifier by trees over whole features", () => {
    const votes = encode({
      inputs: { x: [1, 2] }, inputTypes: { x: "int64" }, outputs: ["y"], outputTypes: { y: "int64" },
      nodes: [{
        op: "TreeEnsembleClassifier", in: ["x"], out: ["y", "p"], domain: "ai.onnx.ml",
        attrs: {
          nodes_treeids: [0, 0, 0], nodes_nodeids: [0, 1, 2], nodes_featureids: [0, 0, 0], nodes_values: { floats: [3.5, 0, 0] }, nodes_modes: { strings: ["BRANCH_LEQ", "LEAF", "LEAF"] },
          nodes_truenodeids: [1, 0, 0], nodes_falsenodeids: [2, 0, 0], class_treeids: [0, 0, 0, 0], class_nodeids: [1, 1, 2, 2], class_ids: [0, 1, 0, 1],
          class_weights: { floats: [0.5, 0.5, 0.2, 0.8] }, classlabels_int64s: [4, 9],
        },
      }],
    });
    const model = compileModel(votes, { inputs: { x: { lo: 0, hi: 7 } } });
    expect(model.warnings).to.deep.equal([]);
    expect(runInteger(model, { x: [2, 0] }).status & TIE, "both classes have one half").to.equal(TIE);
    const clear = runInteger(model, { x: [5, 0] });
    expect(clear.status & TIE).to.equal(0);
    expect(clear.tensors.y).to.deep.equal([9]);
  });

  it("holds for a score that decides by its sign", () => {
    const sign = encode({
      inputs: { x: [1, 2] }, outputs: ["y"], outputTypes: { y: "int64" },
      nodes: [{
        op: "LinearClassifier", in: ["x"], out: ["y", "p"], domain: "ai.onnx.ml",
        attrs: { coefficients: { floats: [1, -1] }, intercepts: { floats: [0] }, classlabels_ints: [3, 8], post_transform: "LOGISTIC" },
      }],
    });
    const model = compileModel(sign);
    expect(model.warnings).to.deep.equal([]);
    for (const [x, label, tie] of [[[0.5, -0.25], 8, 0], [[-0.5, 0.25], 3, 0], [[0.25, 0.25], undefined, TIE]] as const) {
      const got = runInteger(model, { x: [...x] });
      expect(got.status & TIE).to.equal(tie);
      if (label !== undefined) expect(got.tensors.y).to.deep.equal([label]);
    }
  });
});
