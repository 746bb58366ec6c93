import { expect } from "chai";

import { CompileError, compileModel, runInteger, type CompileOptions } from "../../../circuits/compiler/index.ts";
import { seeded } from "../../../circuits/compiler/quantise/samples.ts";
import { encode, weights, type ElementType, type ModelSpec, type NodeSpec, type TensorSpec } from "../../../circuits/models/build.ts";
import { runtime } from "./oracle.ts";

/**
 * Patterns of exporters and optimisers, each reduced to what once failed. The oracle is ONNX Runtime; what is asserted is the statement
 * itself: the distance to the oracle within the stated error, and that error at most 5 % of the output's range.
 */
interface Pattern {
  readonly name: string;
  readonly inputs: Record<string, { shape: number[]; type?: ElementType; lo: number; hi: number; grid?: number }>;
  readonly constants?: Record<string, TensorSpec>;
  readonly nodes: NodeSpec[];
  readonly outputTypes?: ModelSpec["outputTypes"];
  readonly opset?: number;
  readonly options?: CompileOptions;
}

const ints = (data: number[], shape = [data.length]): TensorSpec => ({ shape, data, type: "int64" });
const floats = (data: number[], shape = [data.length]): TensorSpec => ({ shape, data });
const scalar = (v: number): TensorSpec => floats([v], []);
const unit = { lo: -1, hi: 1 };
const wide = { lo: -2, hi: 2 };
const image = { x: { shape: [1, 1, 4, 4], ...wide } };
const ms = "com.microsoft";
const tokens = (names: string[]): Pattern["inputs"] => Object.fromEntries(names.map((n) => [n, { shape: [1, 3, 4], ...unit }]));
const scored: NodeSpec[] = [{ op: "Transpose", in: ["k"], out: ["t"], attrs: { perm: [0, 2, 1] } }, { op: "MatMul", in: ["q", "t"], out: ["s"] }];
const mixed: NodeSpec[] = [{ op: "Softmax", in: ["w"], out: ["p"], attrs: { axis: 2 } }, { op: "MatMul", in: ["p", "q"], out: ["y"] }];
const keep = { shape: [1, 1, 3], lo: 0, hi: 1 };

const patterns: Pattern[] = [
  {
    name: "a padding mask that chooses minus infinity", inputs: { ...tokens(["q", "k"]), m: { ...keep, type: "bool" } }, constants: { far: scalar(-Infinity) },
    nodes: [...scored, { op: "Where", in: ["m", "s", "far"], out: ["w"] }, ...mixed],
  },
  {
    name: "a padding mask that is added as minus infinity", inputs: { ...tokens(["q", "k"]), m: { ...keep, type: "bool" } }, constants: { far: scalar(-Infinity), zero: scalar(0) },
    nodes: [...scored, { op: "Where", in: ["m", "zero", "far"], out: ["a"] }, { op: "Add", in: ["s", "a"], out: ["w"] }, ...mixed],
  },
  ...[-1e4, -3.4028234663852886e38].map((far): Pattern => ({
    name: `a padding mask of whole numbers times ${far.toPrecision(2)}`, inputs: { ...tokens(["q", "k"]), m: { ...keep, type: "int64" } }, constants: { far: scalar(far), one: scalar(1) },
    nodes: [
      ...scored, { op: "Cast", in: ["m"], out: ["f"], attrs: { to: 1 } }, { op: "Sub", in: ["one", "f"], out: ["c"] }, { op: "Mul", in: ["c", "far"], out: ["a"] },
      { op: "Add", in: ["s", "a"], out: ["w"] }, ...mixed,
    ],
  })),
  {
    name: "edges of a graph as a mask", inputs: { q: { shape: [1, 3, 4], ...unit }, k: { shape: [1, 3, 4], ...unit }, m: { ...keep, shape: [1, 3, 3], grid: 1 } },
    constants: { far: scalar(-9e15), zero: scalar(0) },
    nodes: [...scored, { op: "Greater", in: ["m", "zero"], out: ["e"] }, { op: "Where", in: ["e", "s", "far"], out: ["w"] }, ...mixed],
  },
  {
    name: "a gate of the best two experts", inputs: { x: { shape: [2, 4], ...wide } },
    constants: { k: ints([2]), far: floats(new Array<number>(8).fill(-1e9), [2, 4]) },
    nodes: [
      { op: "TopK", in: ["x", "k"], out: ["v", "i"], attrs: { axis: 1 } }, { op: "ScatterElements", in: ["far", "i", "v"], out: ["g"], attrs: { axis: 1 } },
      { op: "Softmax", in: ["g"], out: ["y"], attrs: { axis: 1 } },
    ],
  },
  {
    name: "probabilities as scores less their log-sum-exp", inputs: { x: { shape: [1, 4], ...wide } }, constants: { w: weights([4, 3], 1, 3), b: weights([3], 1, 4), h: scalar(-0.5), two: scalar(2) },
    nodes: [
      { op: "MatMul", in: ["x", "w"], out: ["m"] }, { op: "Pow", in: ["m", "two"], out: ["s"] }, { op: "Mul", in: ["s", "h"], out: ["d"] }, { op: "Add", in: ["d", "b"], out: ["j"] },
      { op: "ReduceLogSumExp", in: ["j"], out: ["l"], attrs: { axes: [1] } }, { op: "Sub", in: ["j", "l"], out: ["z"] }, { op: "Exp", in: ["z"], out: ["y"] },
    ],
  },
  {
    name: "a class looked up by its index", inputs: { x: { shape: [1, 4], ...wide } }, constants: { labels: ints([7, -2, 5, 30]) }, outputTypes: { y: "int64" },
    nodes: [{ op: "ArgMax", in: ["x"], out: ["i"], attrs: { axis: 1 } }, { op: "ArrayFeatureExtractor", in: ["labels", "i"], out: ["y"], domain: "ai.onnx.ml" }],
  },
  {
    name: "a support vector machine with Platt's probabilities", inputs: { x: { shape: [1, 2], ...unit } },
    nodes: [{
      op: "SVMClassifier", in: ["x"], out: ["l", "y"], domain: "ai.onnx.ml",
      attrs: {
        kernel_type: "RBF", kernel_params: { floats: [0.5, 0, 3] }, support_vectors: { floats: [0.5, 0.25, -0.5, 1, 0.75, -1] }, coefficients: { floats: [1, -0.6, 0.8] },
        vectors_per_class: [2, 1], rho: { floats: [0.1] }, prob_a: { floats: [-1.5] }, prob_b: { floats: [0.2] }, classlabels_ints: [0, 1],
      },
    }],
  },
  {
    name: "boosted trees of two classes whose weights all belong to the second", inputs: { x: { shape: [1, 2], ...unit, grid: 8 } },
    nodes: [{
      op: "TreeEnsembleClassifier", in: ["x"], out: ["l", "y"], domain: "ai.onnx.ml",
      attrs: {
        nodes_treeids: [0, 0, 0], nodes_nodeids: [0, 1, 2], nodes_featureids: [1, 0, 0], nodes_values: { floats: [0.1, 0, 0] }, nodes_modes: { strings: ["BRANCH_LEQ", "LEAF", "LEAF"] },
        nodes_truenodeids: [1, 0, 0], nodes_falsenodeids: [2, 0, 0], class_treeids: [0, 0], class_nodeids: [1, 2], class_ids: [1, 1], class_weights: { floats: [-1.5, 0.75] },
        classlabels_int64s: [0, 1], post_transform: "LOGISTIC",
      },
    }],
  },
  ...([["linear", "zeros", 0], ["linear", "border", 1], ["nearest", "zeros", 1]] as const).map(([mode, padding, corners]): Pattern => ({
    name: `GridSample, ${mode}, ${padding}`, inputs: { ...image, g: { shape: [1, 2, 2, 2], lo: -1.25, hi: 1.25, grid: 16 } }, opset: 20,
    nodes: [{ op: "GridSample", in: ["x", "g"], out: ["y"], attrs: { mode, padding_mode: padding, align_corners: corners } }],
  })),
  {
    name: "GridSample at constant places, in a mirror", inputs: image, opset: 16, constants: { g: weights([1, 3, 3, 2], 1.6, 5) },
    nodes: [{ op: "GridSample", in: ["x", "g"], out: ["y"], attrs: { padding_mode: "reflection" } }],
  },
  {
    name: "an affine grid from the data", inputs: { x: { shape: [1, 2, 3], ...unit } }, opset: 20, constants: { s: ints([1, 1, 3, 2]) },
    nodes: [{ op: "AffineGrid", in: ["x", "s"], out: ["y"], attrs: { align_corners: 1 } }],
  },
  ...["avg", "max"].map((mode): Pattern => ({
    name: `RoiAlign, ${mode}`, inputs: image, opset: 16, constants: { r: floats([0, 0, 3, 3, 1, 0.5, 2.75, 4], [2, 4]), b: ints([0, 0]) },
    nodes: [{ op: "RoiAlign", in: ["x", "r", "b"], out: ["y"], attrs: { mode, output_height: 2, output_width: 2, sampling_ratio: mode === "avg" ? 2 : 1 } }],
  })),
  {
    name: "MaxRoiPool", inputs: image, constants: { r: floats([0, 0, 0, 2, 3, 0, 1, 1, 3, 3], [2, 5]) },
    nodes: [{ op: "MaxRoiPool", in: ["x", "r"], out: ["y"], attrs: { pooled_shape: [2, 2] } }],
  },
  {
    name: "MaxUnpool of a MaxPool", inputs: image, nodes: [
      { op: "MaxPool", in: ["x"], out: ["v", "i"], attrs: { kernel_shape: [2, 2], strides: [2, 2] } },
      { op: "MaxUnpool", in: ["v", "i"], out: ["y"], attrs: { kernel_shape: [2, 2], strides: [2, 2] } },
    ],
  },
  {
    name: "Col2Im with overlaps", inputs: { x: { shape: [1, 4, 9], ...unit } }, opset: 18, constants: { i: ints([4, 4]), b: ints([2, 2]) },
    nodes: [{ op: "Col2Im", in: ["x", "i", "b"], out: ["y"] }],
  },
  {
    name: "STFT with a window", inputs: { x: { shape: [1, 16, 1], ...unit } }, opset: 17, constants: { s: ints([4], []), w: weights([8], 1, 3) },
    nodes: [{ op: "STFT", in: ["x", "s", "w"], out: ["y"] }],
  },
  {
    name: "a mel filter bank", inputs: { x: { shape: [1, 9], lo: 0, hi: 2 } }, opset: 17,
    constants: { n: ints([4], []), d: ints([16], []), r: ints([8000], []), lo: scalar(0), hi: scalar(4000) },
    nodes: [{ op: "MelWeightMatrix", in: ["n", "d", "r", "lo", "hi"], out: ["m"] }, { op: "MatMul", in: ["x", "m"], out: ["y"] }],
  },
  {
    name: "CenterCropPad", inputs: { x: { shape: [5, 3], ...unit } }, opset: 18, constants: { s: ints([4, 4]) },
    nodes: [{ op: "CenterCropPad", in: ["x", "s"], out: ["y"] }],
  },
  {
    name: "FusedConv with what is added before the activation", inputs: image, constants: { w: weights([1, 1, 3, 3], 0.5, 3), b: weights([1], 0.5, 4), z: weights([1, 1, 2, 2], 0.5, 5) },
    nodes: [{ op: "FusedConv", in: ["x", "w", "b", "z"], out: ["y"], domain: ms, attrs: { kernel_shape: [3, 3], activation: "Relu" } }],
  },
  {
    name: "FusedGemm", inputs: { x: { shape: [2, 4], ...unit } }, constants: { w: weights([4, 3], 0.8, 3), b: weights([3], 0.4, 4) },
    nodes: [{ op: "FusedGemm", in: ["x", "w", "b"], out: ["y"], domain: ms, attrs: { activation: "LeakyRelu", activation_alpha: { float: 0.2 } } }],
  },
  {
    name: "MultiHeadAttention with a bias", inputs: tokens(["q", "k", "v"]), constants: { b: weights([12], 0.5, 3) },
    nodes: [{ op: "MultiHeadAttention", in: ["q", "k", "v", "b"], out: ["y"], domain: ms, attrs: { num_heads: 2 } }],
  },
  {
    name: "fused attention with a mask of its keys", inputs: { x: { shape: [1, 3, 4], ...unit }, m: { shape: [1, 3], type: "int32", lo: 0, hi: 1 } },
    constants: { w: weights([4, 12], 0.5, 3), b: weights([12], 0.3, 4) },
    nodes: [{ op: "Attention", in: ["x", "w", "b", "m"], out: ["y"], domain: ms, attrs: { num_heads: 2 } }],
  },
  {
    name: "EmbedLayerNormalization", inputs: { x: { shape: [1, 3], type: "int32", lo: 0, hi: 7 }, s: { shape: [1, 3], type: "int32", lo: 0, hi: 1 } },
    constants: { w: weights([8, 4], 1, 3), p: weights([3, 4], 0.5, 4), e: weights([2, 4], 0.5, 5), g: weights([4], 1, 6), b: weights([4], 0.5, 7) },
    nodes: [{ op: "EmbedLayerNormalization", in: ["x", "s", "w", "p", "e", "g", "b"], out: ["y", "n"], domain: ms, attrs: { epsilon: { float: 1e-5 } } }],
  },
  {
    name: "RotaryEmbedding as the optimiser writes it", inputs: { x: { shape: [1, 2, 3, 4], ...unit } }, constants: { p: ints([1, 0, 2], [1, 3]), c: weights([4, 2], 1, 3), s: weights([4, 2], 1, 4) },
    nodes: [{ op: "RotaryEmbedding", in: ["x", "p", "c", "s"], out: ["y"], domain: ms }],
  },
];

/** The operators of opset 23, with heads of their own for keys, a mask, and an order of the tokens. */
const standard: Pattern[] = [
  { name: "Attention", inputs: tokens(["q", "k", "v"]), nodes: [{ op: "Attention", in: ["q", "k", "v"], out: ["y"], attrs: { q_num_heads: 2, kv_num_heads: 2 } }] },
  {
    name: "Attention in order, scaled", inputs: tokens(["q", "k", "v"]),
    nodes: [{ op: "Attention", in: ["q", "k", "v"], out: ["y"], attrs: { q_num_heads: 2, kv_num_heads: 2, is_causal: 1, scale: { float: 0.75 } } }],
  },
  {
    name: "Attention with fewer heads of keys and an added mask", inputs: { q: { shape: [1, 3, 8], ...unit }, k: { shape: [1, 3, 4], ...unit }, v: { shape: [1, 3, 4], ...unit } },
    constants: { m: weights([3, 3], 1, 3) }, nodes: [{ op: "Attention", in: ["q", "k", "v", "m"], out: ["y"], attrs: { q_num_heads: 4, kv_num_heads: 2 } }],
  },
  ...[0, 1].map((interleaved): Pattern => ({
    name: `RotaryEmbedding, ${interleaved ? "interleaved" : "by halves"}`, inputs: { x: { shape: [1, 2, 3, 4], ...unit } },
    constants: { c: weights([4, 2], 1, 3), s: weights([4, 2], 1, 4), p: ints([2, 0, 3], [1, 3]) },
    nodes: [{ op: "RotaryEmbedding", in: ["x", "c", "s", "p"], out: ["y"], attrs: { interleaved } }],
  })),
].map((p) => ({ ...p, name: `${p.name} (opset 23)`, opset: 23 }));

const masks = (p: Pattern, name: string): boolean => p.inputs[name]?.shape.join() === keep.shape.join();

/** Values of the box; a mask leaves at least one place open, because floats have no value where none is. */
function drawn(p: Pattern, next: () => number): Record<string, number[]> {
  return Object.fromEntries(Object.entries(p.inputs).map(([name, i]) => {
    const data = Array.from({ length: i.shape.reduce((a, b) => a * b, 1) }, () => {
      if (i.type !== undefined) return Math.floor(i.lo + next() * (i.hi - i.lo + 0.999));
      const v = i.lo + next() * (i.hi - i.lo) * 0.999;
      return Math.fround(i.grid ? Math.round(v * i.grid) / i.grid : v);
    });
    if (masks(p, name)) data[0] = 1;
    return [name, data];
  }));
}

describe("circuits/compiler: patterns of other exporters", () => {
  [...patterns, ...standard].forEach((p, number) => {
    it(p.name, async () => {
      const onnx = encode({
        inputs: Object.fromEntries(Object.entries(p.inputs).map(([n, i]) => [n, i.shape])),
        inputTypes: Object.fromEntries(Object.entries(p.inputs).map(([n, i]) => [n, i.type ?? "float"])),
        nodes: p.nodes, outputs: ["y"], opset: p.opset ?? 13,
        ...(p.constants ? { constants: p.constants } : {}), ...(p.outputTypes ? { outputTypes: p.outputTypes } : {}),
      });
      const next = seeded(number * 31 + 7);
      const boxes = Object.fromEntries(Object.entries(p.inputs).map(([n, { lo, hi }]) => [n, { lo, hi }]));
      const compiled = compileModel(onnx, { inputs: boxes, samples: [Object.values(drawn(p, next)).flat()], ...p.options });
      const statement = compiled.errors[0];
      let [lo, hi] = [Infinity, -Infinity];
      for (let run = 0; run < 4; run++) {
        const data = drawn(p, next);
        const feeds = Object.fromEntries(Object.entries(p.inputs).map(([n, i]) => [n, { shape: i.shape, data: data[n] as number[], type: i.type === undefined || i.type === "float" ? "float32" as const : i.type }]));
        const want = (await runtime(onnx, feeds)).y as number[];
        const got = runInteger(compiled, data);
        expect(got.tensors.y?.length).to.equal(want.length);
        expect(got.status & 1, "no element left its domain").to.equal(0);
        want.forEach((v, i) => {
          [lo, hi] = [Math.min(lo, v), Math.max(hi, v)];
          expect(Math.abs(v - (got.tensors.y?.[i] as number)), `run ${run}, element ${i}: want ${want.slice(0, 6)} got ${got.tensors.y?.slice(0, 6)}`)
            .to.be.at.most((statement?.bound ?? 0) + 1e-5 * (1 + Math.abs(v)));
        });
      }
      expect(statement?.bound, "the stated error says something").to.be.at.most(0.05 * (hi - lo));
    });
  });

  it("sets the status lane where a mask leaves nothing", () => {
    const onnx = encode({
      inputs: { x: [1, 3], m: [1, 3] }, inputTypes: { m: "bool" }, constants: { far: scalar(-Infinity) },
      nodes: [{ op: "Where", in: ["m", "x", "far"], out: ["w"] }, { op: "Softmax", in: ["w"], out: ["y"], attrs: { axis: 1 } }], outputs: ["y"],
    });
    const model = compileModel(onnx);
    expect(runInteger(model, { x: [0.5, 0, -0.5], m: [0, 0, 0] }).status & 1).to.equal(1);
    expect(runInteger(model, { x: [0.5, 0, -0.5], m: [0, 1, 0] }).status & 1).to.equal(0);
  });

  it("refuses an infinity that reaches more than a softmax", () => {
    const onnx = encode({
      inputs: { x: [1, 3], m: [1, 3] }, inputTypes: { m: "bool" }, constants: { far: scalar(-Infinity) },
      nodes: [{ op: "Where", in: ["m", "x", "far"], out: ["y"] }], outputs: ["y"],
    });
    expect(() => compileModel(onnx)).to.throw(CompileError).with.property("code", "OPERATOR_UNSUPPORTED");
  });
});
