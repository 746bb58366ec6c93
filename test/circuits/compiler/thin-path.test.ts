import { expect } from "chai";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
  calculateWitness, compileModel, decodeOutput, loadModel, quantizeInput, readR1cs, runInteger, violatedRow, writeArtifacts, wtnsBytes,
  CompileError, type LoadedModel,
} from "../../../circuits/compiler/index.ts";
import { seeded } from "../../../circuits/compiler/quantise/samples.ts";
import { encode } from "../../../circuits/models/build.ts";
import { mlp } from "../../../circuits/models/zoo.ts";
import { runtime } from "./oracle.ts";

const refusal = (f: () => unknown): CompileError => {
  try {
    f();
  } catch (error: unknown) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  throw new Error("not refused");
};

describe("circuits/compiler: from ONNX to a satisfied R1CS", () => {
  const bytes = mlp([20, 16, 8, 1], 3, true);
  const model = compileModel(bytes, { inputs: { x: { lo: -2, hi: 2 } } });
  let directory: string;
  let loaded: LoadedModel;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "og-zk-"));
    await writeArtifacts(model, directory);
    loaded = await loadModel(directory);
  });
  after(async () => rm(directory, { recursive: true, force: true }));

  it("matches ONNX Runtime within the proved error on 50 inputs", async () => {
    const next = seeded(11);
    const [statement] = model.errors;
    for (let k = 0; k < 50; k++) {
      const x = Array.from({ length: 20 }, () => Math.fround(next() * 4 - 2));
      const want = (await runtime(bytes, { x: { shape: [1, 20], data: x } })).y as number[];
      const got = runInteger(model, { x });
      expect(got.saturated).to.equal(0);
      expect(Math.abs((got.tensors.y as number[])[0]! - want[0]!)).to.be.at.most((statement?.proved ?? 0) + 1e-5);
    }
  });

  it("predicts the number of rows and satisfies every one of them", async () => {
    const r1cs = readR1cs(await readFile(join(directory, "model.r1cs")));
    expect(r1cs.rows.length).to.equal(model.rows.total);
    expect(r1cs.publicInputs + r1cs.outputs).to.equal(loaded.names.length);
    const { values } = quantizeInput(loaded, { x: Array.from({ length: 20 }, (_, i) => Math.sin(i)) });
    const witness = calculateWitness(loaded, loaded.sym, values, 77n);
    expect(violatedRow(r1cs, witness.values)).to.equal(-1);
    expect(witness.values.slice(1, 1 + witness.publicInputs.length)).to.deep.equal(witness.publicInputs);
    const wire = witness.values.slice();
    wire[2] = wire[2]! + 1n;
    expect(violatedRow(r1cs, wire)).to.not.equal(-1);
    expect(wtnsBytes(witness.values).length).to.equal(76 + 32 * r1cs.wires);
  });

  it("decodes the output from the public words alone", () => {
    const { values } = quantizeInput(loaded, { x: new Float32Array(20) });
    const witness = calculateWitness(loaded, loaded.sym, values, 1n);
    const words = witness.publicInputs.slice(loaded.names.findIndex((n) => n.startsWith("out")));
    expect(decodeOutput(loaded.graph.outputs, words).tensors).to.deep.equal(runInteger(model, { x: new Float32Array(20) }).tensors);
  });

  it("is byte-deterministic", async () => {
    const again = compileModel(bytes, { inputs: { x: { lo: -2, hi: 2 } } });
    expect(again.graphText).to.equal(model.graphText);
    expect(again.graphHash).to.equal(loaded.graphHash);
  });

  it("refuses inputs outside of the box, of the wrong size, missing, or not numbers", () => {
    const code = (f: () => unknown): string => refusal(f).code;
    expect(code(() => quantizeInput(model, { x: [1] }))).to.equal("INPUT_REFUSED");
    expect(code(() => quantizeInput(model, {}))).to.equal("INPUT_REFUSED");
    expect(code(() => quantizeInput(model, { x: new Array<number>(20).fill(NaN) }))).to.equal("INPUT_REFUSED");
    const values = new Array<bigint>(20).fill(1n << 40n);
    expect(code(() => calculateWitness(loaded, loaded.sym, values, 1n))).to.equal("INPUT_REFUSED");
    expect(code(() => calculateWitness(loaded, loaded.sym, values, 1n << 250n))).to.equal("CTX_RANGE");
    expect(quantizeInput(model, { x: new Array<number>(20).fill(9) }).saturated).to.equal(20);
  });

  it("refuses what is not a model, or cannot be a circuit, by name", () => {
    expect(refusal(() => compileModel(new Uint8Array([1, 2, 3]))).code).to.equal("MODEL_INVALID");
    const cyclic = encode({ inputs: { x: [1] }, nodes: [{ op: "Relu", in: ["b"], out: ["a"] }, { op: "Relu", in: ["a"], out: ["b"] }], outputs: ["a"] });
    expect(refusal(() => compileModel(cyclic)).code).to.equal("MODEL_INVALID");
    const nan = encode({
      inputs: { x: [1] }, constants: { w: { shape: [1], data: [NaN] } }, nodes: [{ op: "Add", in: ["x", "w"], out: ["y"] }], outputs: ["y"],
    });
    expect(refusal(() => compileModel(nan)).message).to.contain('"w" contains NaN');
    const odd = encode({ inputs: { x: [1] }, nodes: [{ op: "RandomNormalLike", in: ["x"], out: ["y"], name: "dice" }], outputs: ["y"] });
    const error = refusal(() => compileModel(odd));
    expect(error.code).to.equal("OPERATOR_UNSUPPORTED");
    expect(error.message).to.contain("RandomNormalLike").and.contain("dice");
    expect(refusal(() => compileModel(bytes, { maxRows: 100 })).code).to.equal("BUDGET_EXCEEDED");
  });
});
