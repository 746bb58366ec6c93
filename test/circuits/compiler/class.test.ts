import { expect } from "chai";

import { compileModel, runInteger } from "../../../circuits/compiler/index.ts";
import { encode, weights } from "../../../circuits/models/build.ts";
import { seeded } from "../../../circuits/compiler/quantise/samples.ts";
import { runtime } from "./oracle.ts";

const TIE = 4;

describe("circuits/compiler: the certainty of a class", function () {
  this.timeout(60_000);
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
});
