import { expect } from "chai";
import onnxProto from "onnx-proto";
import { existsSync, readFileSync } from "node:fs";

import { spectralBound, type Row } from "../../../circuits/compiler/affine/norm.ts";
import { explain } from "../../../circuits/cli/explain.ts";
import { MARGIN } from "../../../circuits/compiler/error.ts";
import { decodeTensor } from "../../../circuits/compiler/import/tensor.ts";
import { compileModel, quantizeInput, runInteger, type CompiledModel, type CompileOptions } from "../../../circuits/compiler/index.ts";
import { evaluateNodes } from "../../../circuits/compiler/integer/evaluate.ts";
import type { IntNode } from "../../../circuits/compiler/integer/graph.ts";
import { toReal } from "../../../circuits/compiler/quantise/dyadic.ts";
import { realInputs, seeded } from "../../../circuits/compiler/quantise/samples.ts";
import { encode, weights } from "../../../circuits/models/build.ts";
import { benchmarks, boostedTrees, mlp, recurrent } from "../../../circuits/models/zoo.ts";
import { deep, runs } from "../../utils/deep.ts";
import { runtime } from "./oracle.ts";

/** What float64 itself loses between the real model and our evaluation of it. */
const DOUBLE = 1e-9;
const FLOAT = 1e-5;

/** The integer model's first output at an input; undefined where the status byte says that no statement holds. */
function integer(model: CompiledModel, x: readonly number[]): number[] | undefined {
  const value = evaluateNodes(model.graph, quantizeInput(model, { [model.inputs[0]!.name]: [...x] }).values);
  const lanes = model.graph.outputs.filter((l) => l.tensor === model.outputs[0]!.name);
  return value[model.graph.outputs[0]!.node] === 0n ? lanes.map((l) => toReal(value[l.node]!, l.e)) : undefined;
}

const onGrid = (model: CompiledModel, x: readonly number[]): number[] =>
  realInputs(quantizeInput(model, { [model.inputs[0]!.name]: [...x] }).values, model.boxes);

/** Largest distance to the model over the reals. */
function distance(model: CompiledModel, x: readonly number[], grid: boolean): number {
  const at = grid ? onGrid(model, x) : x;
  const got = integer(model, at);
  return got ? Math.max(...model.reference(at)[0]!.map((v, i) => Math.abs(v - got[i]!))) : 0;
}

/** The smallest sound bound that the statement carries for its first output. */
function sound(model: CompiledModel, grid: boolean): number {
  const e = model.errors[0]!;
  const list = grid ? [e.proved, e.affine, e.quantised.proved, e.quantised.affine] : [e.proved, e.affine];
  return Math.min(...list.map((v) => v ?? Infinity));
}

/** Coordinate ascent on the box: ends, and both sides of the point where rounding turns, for one element after the other. */
function worst(model: CompiledModel, grid: boolean, [lo, hi]: readonly [number, number], seed: number, rounds: number): number {
  const next = seeded(seed);
  const step = 2 ** model.boxes[0]!.e;
  const x = model.boxes.map(() => lo + next() * (hi - lo));
  let most = distance(model, x, grid);
  for (let round = 0; round < rounds; round++) {
    for (const i of model.boxes.keys()) {
      const kept = x[i]!;
      const cell = Math.round(kept / step) * step;
      let best = kept;
      for (const v of [lo, hi, lo + next() * (hi - lo), cell + 0.49 * step, cell - 0.49 * step]) {
        x[i] = Math.min(hi, Math.max(lo, v));
        const found = distance(model, x, grid);
        if (found > most) [most, best] = [found, x[i]!];
      }
      x[i] = best;
    }
  }
  return most;
}

interface Case {
  readonly onnx: Uint8Array;
  readonly options: CompileOptions;
  readonly shape: number[];
  readonly box: readonly [number, number];
}

const coarse = { inputBits: 6, weightBits: 6, activationBits: 6, pieceBits: 7 };
const unary = (op: string, opset = 20): Uint8Array => encode({
  inputs: { x: [1, 8] }, constants: { w: weights([8, 8], 0.6, 3), v: weights([8, 4], 0.6, 4) }, opset, outputs: ["y"],
  nodes: [{ op: "MatMul", in: ["x", "w"], out: ["h"] }, { op, in: ["h"], out: ["a"] }, { op: "MatMul", in: ["a", "v"], out: ["y"] }],
});
const one = { shape: [1, 8], box: [-1, 1] as const, options: coarse };

const cases: Record<string, Case> = {
  "dense network": { onnx: mlp([12, 16, 16, 4]), options: { ...coarse, inputs: { x: { lo: 0, hi: 1 } } }, shape: [1, 12], box: [0, 1] },
  "boosted trees": { onnx: boostedTrees(6, 3, 6, 8), options: { ...coarse, inputBits: 8, inputs: { x: { lo: 0, hi: 255 } } }, shape: [1, 6], box: [0, 255] },
  "recurrent": { onnx: recurrent("GRU", 3, 2, 4), options: coarse, shape: [4, 1, 2], box: [-1, 1] },
  "residual": {
    ...one,
    onnx: encode({
      inputs: { x: [1, 8] }, constants: { w: weights([8, 8], 0.5, 5), v: weights([8, 8], 0.5, 6) }, outputs: ["y"],
      nodes: [
        { op: "MatMul", in: ["x", "w"], out: ["a"] }, { op: "Relu", in: ["a"], out: ["b"] }, { op: "Add", in: ["x", "b"], out: ["c"] },
        { op: "MatMul", in: ["c", "v"], out: ["d"] }, { op: "Relu", in: ["d"], out: ["e"] }, { op: "Sub", in: ["c", "e"], out: ["y"] },
      ],
    }),
  },
  "convolution and max pool": {
    onnx: encode({
      inputs: { x: [1, 1, 6, 6] }, constants: { k: weights([3, 1, 3, 3], 0.5, 7), w: weights([12, 3], 0.5, 8) }, outputs: ["y"],
      nodes: [
        { op: "Conv", in: ["x", "k"], out: ["a"] }, { op: "MaxPool", in: ["a"], out: ["b"], attrs: { kernel_shape: [2, 2], strides: [2, 2] } },
        { op: "Relu", in: ["b"], out: ["c"] }, { op: "Flatten", in: ["c"], out: ["d"] }, { op: "MatMul", in: ["d", "w"], out: ["y"] },
      ],
    }),
    options: coarse, shape: [1, 1, 6, 6], box: [-1, 1],
  },
  "products": {
    ...one,
    onnx: encode({
      inputs: { x: [1, 8] }, constants: { w: weights([8, 8], 0.5, 9) }, outputs: ["y"],
      nodes: [{ op: "MatMul", in: ["x", "w"], out: ["a"] }, { op: "Mul", in: ["a", "x"], out: ["b"] }, { op: "Mul", in: ["b", "a"], out: ["y"] }],
    }),
  },
  "softmax": { ...one, onnx: unary("Softmax") },
  "gelu": { ...one, onnx: unary("Gelu") },
  "tanh": { ...one, onnx: unary("Tanh") },
  "normalised": {
    ...one,
    onnx: encode({
      inputs: { x: [1, 8] }, constants: { g: weights([8], 1, 1), b: weights([8], 1, 2) }, outputs: ["y"], opset: 17,
      nodes: [{ op: "LayerNormalization", in: ["x", "g", "b"], out: ["y"], attrs: { epsilon: { float: 0.05 } } }],
    }),
  },
};

describe("circuits/compiler: the stated error", () => {

  const bigger = (seen: number, bound: number, slack: number) => seen > bound + slack;

  for (const [name, c] of Object.entries(cases)) {
    it(`${name}: no input of the box, random or searched for, exceeds a sound bound`, async () => {
      const model = compileModel(c.onnx, { maxRows: 1 << 17, ...c.options });
      const { errors } = model;
      expect(errors[0]!.quantised.proved ?? errors[0]!.proved, "some sound bound").to.not.equal(null);
      const next = seeded(31);
      for (let k = 0; k < runs(12, 400); k++) {
        const x = Array.from({ length: model.boxes.length }, () => Math.fround(c.box[0] + next() * (c.box[1] - c.box[0])));
        // ONNX Runtime at the given input, ours in float64 at the quantised one.
        const want = (await runtime(c.onnx, { x: { shape: c.shape, data: x } })).y as number[];
        const got = integer(model, x);
        if (!got) continue;
        const size = Math.max(1, ...want.map(Math.abs));
        expect(bigger(Math.max(...want.map((v, i) => Math.abs(v - got[i]!))), sound(model, false), FLOAT * size), `input ${k}`).to.equal(false);
        expect(bigger(distance(model, x, true), sound(model, true), DOUBLE * size), `grid ${k}`).to.equal(false);
      }
      for (const grid of [false, true]) {
        for (let seed = 1; seed <= runs(1, 12); seed++) {
          const found = worst(model, grid, c.box, seed, runs(1, 6));
          expect(found, `searched, ${grid ? "at the quantised input" : "at the input"}`).to.be.at.most(sound(model, grid) + DOUBLE);
        }
      }
    });
  }

  it("a seam that rounds more than the analysis knows of is seen to exceed the bound", () => {
    const c = cases["dense network"]!;
    const model = compileModel(c.onnx, c.options);
    const relu = model.graph.nodes.filter((n) => n.op === "relu" && (n.n[0] as number) > 0);
    expect(relu.length, "rectifiers that round").to.be.greaterThan(4);
    // What is rectified moves by some steps of the seam's own scale before its digits are dropped.
    const sums = new Map(relu.map((n) => [model.graph.nodes[n.args[0]!]!.args[0]!, BigInt(n.n[0] as number)]));
    const broken = (steps: bigint): CompiledModel => {
      const nodes = model.graph.nodes.map((n): IntNode => (sums.has(n.id) ? { ...n, c: n.c + (steps << sums.get(n.id)!) } : n));
      return { ...model, graph: { ...model.graph, nodes } };
    };
    const x = Array.from({ length: 12 }, (_, i) => (i % 4) / 4 + 0.25 * Number(i % 3 === 0));
    expect(distance(broken(0n), x, true)).to.be.at.most(sound(model, true));
    expect(distance(broken(256n), x, true)).to.be.greaterThan(sound(model, true));
  });

  it("a rounded weight that the analysis does not know of is seen to exceed the bound", () => {
    const c = cases["residual"]!;
    const model = compileModel(c.onnx, { ...c.options, weightBits: 14 });
    const nodes = model.graph.nodes.map((n): IntNode => (n.op === "lin" && n.args.length >= 8 ? { ...n, k: n.k.map((k) => k + k / 4n) } : n));
    expect(worst({ ...model, graph: { ...model.graph, nodes } }, true, c.box, 3, 1)).to.be.greaterThan(sound(model, true));
  });

  it("says affine for a dense network and proved for trees, both at the quantised input, and prints the word with its figures", () => {
    const dense = compileModel(mlp([784, 56, 10]), { inputBits: 8, weightBits: 10, activationBits: 8, inputs: { x: { lo: 0, hi: 1 } }, inputMode: "words" });
    expect(dense.errors[0]).to.include({ kind: "affine", at: "grid", vacuous: false });
    expect(dense.errors[0]!.bound).to.equal(dense.errors[0]!.quantised.affine);
    expect(dense.errors[0]!.bound).to.be.greaterThan(dense.errors[0]!.observed);
    expect(explain(dense).join("\n")).to.match(/error of "y": at most .* affine for every input, at the quantised input/);
    const { options } = benchmarks.find((m) => m.name === "gbdt-128x6")!;
    const trees = compileModel(boostedTrees(24, 5, 16), options);
    expect(trees.errors[0]).to.include({ kind: "proved", at: "grid", vacuous: false });
    expect(explain(trees).join("\n")).to.match(/proved for every input, at the quantised input/);
  });

  it("an empirical statement carries its sample size and the sound figures beside it", () => {
    const model = compileModel(recurrent("LSTM", 4, 2, 6), { inputBits: 8, weightBits: 8, activationBits: 8, pieceBits: 8 });
    const e = model.errors[0]!;
    expect(e.kind).to.equal("empirical");
    expect(e.bound).to.equal(MARGIN * e.observed);
    expect(e.samples).to.be.greaterThan(e.searched);
    expect(e.searched).to.be.greaterThan(0);
    expect(e.quantised.affine, "finite").to.be.greaterThan(e.bound);
    expect(explain(model).join("\n")).to.match(/empirical, \d+ inputs, \d+ of them of a search for the worst, seed 11; affine bound .* %/);
  });

  it("a network's affine bound is below its interval bound by more than half", () => {
    const { affine, proved } = compileModel(mlp([64, 96, 96, 96, 8]), { inputBits: 8, weightBits: 8, activationBits: 8, maxRows: 1 << 17 }).errors[0]!.quantised;
    expect(affine!).to.be.lessThan(proved! / 2);
  });

  describe("spectral bound", () => {
    const dense = (m: number[][]): Row[] => m.map((row) => ({ idx: row.map((_, i) => i), k: row }));

    it("is the norm, from above, where the norm is known", () => {
      const next = seeded(3);
      const u = Array.from({ length: 40 }, () => next() - 0.5);
      const v = Array.from({ length: 90 }, () => next() - 0.5);
      const length = (a: number[]) => Math.hypot(...a);
      const rankOne = spectralBound(dense(u.map((a) => v.map((b) => a * b))));
      expect(rankOne / (length(u) * length(v))).to.be.within(1, 1.02);
      // Sylvester's matrix of 32 rows is 32^(1/2) times an orthogonal one.
      const hadamard = Array.from({ length: 32 }, (_, i) => Array.from({ length: 32 }, (_2, j) => ((i & j).toString(2).split("1").length % 2 ? 1 : -1)));
      expect(spectralBound(dense(hadamard)) / Math.sqrt(32)).to.be.within(1, 1.02);
      expect(spectralBound([{ idx: [7], k: [3] }, { idx: [2], k: [-4] }])).to.be.within(4, 4.1);
    });

    it("no vector is stretched by more", () => {
      const next = seeded(9);
      const m = Array.from({ length: 30 }, () => Array.from({ length: 20 }, () => (next() < 0.5 ? 0 : next() - 0.5)));
      const rows = m.map((row) => ({ idx: row.flatMap((w, i) => (w === 0 ? [] : [i])), k: row.filter((w) => w !== 0) }));
      const bound = spectralBound(rows);
      let x = Array.from({ length: 20 }, () => next() - 0.5);
      let most = 0;
      for (let k = 0; k < 200; k++) {
        const y = m.map((row) => row.reduce((s, w, j) => s + w * x[j]!, 0));
        most = Math.max(most, Math.hypot(...y) / Math.hypot(...x));
        x = x.map((_, j) => m.reduce((s, row, i) => s + row[j]! * y[i]!, 0));
      }
      expect(bound / most).to.be.within(1, 1.02);
    });
  });

  describe("shared vectors", () => {
    const root = new URL("../../../../shared/vectors/onnx/", import.meta.url);
    const few = ["converted/test_Linear", "converted/test_Softmax", "operator/test_operator_params", "converted/test_GLU", "converted/test_Conv1d", "converted/test_log_softmax_lastdim"];
    for (const name of few.map((n) => `pytorch-${n}`)) {
      it(`${name}: the shipped output lies within every sound bound`, function () {
        const at = new URL(`${name}/`, root);
        if (!existsSync(at)) return this.skip();
        const bytes = readFileSync(new URL("model.onnx", at));
        const tensor = (file: string) => decodeTensor(onnxProto.onnx.TensorProto.decode(readFileSync(new URL(`test_data_set_0/${file}.pb`, at))));
        const { graph } = onnxProto.onnx.ModelProto.decode(bytes);
        const given = (graph?.input ?? []).filter((i) => !(graph?.initializer ?? []).some((k) => k.name === i.name)).map((i) => i.name!);
        const inputs = Object.fromEntries(given.map((n, i) => [n, tensor(`input_${i}`)]));
        const top = (data: readonly number[]) => 2 ** Math.ceil(Math.log2(data.reduce((m, v) => Math.max(m, Math.abs(v)), 0)));
        const boxes = Object.fromEntries(given.map((n) => [n, { lo: -top(inputs[n]!.data), hi: top(inputs[n]!.data) }]));
        const model = compileModel(bytes, { inputs: boxes, inputMode: "words", shapes: Object.fromEntries(given.map((n) => [n, inputs[n]!.shape])) });
        const want = tensor("output_0").data;
        const got = runInteger(model, Object.fromEntries(given.map((n) => [n, inputs[n]!.data]))).tensors[model.outputs[0]!.name] as number[];
        const found = Math.max(...want.map((v, i) => Math.abs(v - got[i]!)));
        expect(found).to.be.at.most(sound(model, false) + FLOAT * Math.max(...want.map(Math.abs)));
        if (deep || model.errors[0]!.at === "input") expect(found).to.be.at.most(model.errors[0]!.bound + FLOAT * Math.max(...want.map(Math.abs)));
      });
    }
  });
});
