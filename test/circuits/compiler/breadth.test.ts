import { expect } from "chai";

import { compileModel, runInteger, type CompileOptions } from "../../../circuits/compiler/index.ts";
import { seeded } from "../../../circuits/compiler/quantise/samples.ts";
import { encode, weights, type Attr, type ElementType, type ModelSpec, type NodeSpec, type TensorSpec } from "../../../circuits/models/build.ts";
import { runtime } from "./oracle.ts";

/** A model of one input `x` (more where `also` says so), its box, and what of its values lies on a grid. */
interface Case {
  readonly name: string;
  readonly nodes: NodeSpec[];
  readonly shape: number[];
  readonly type?: ElementType;
  readonly also?: Record<string, number[]>;
  readonly constants?: Record<string, TensorSpec>;
  readonly opset?: number;
  readonly box?: { lo: number; hi: number };
  readonly grid?: number;
  readonly outputs?: string[];
  readonly outputTypes?: ModelSpec["outputTypes"];
  readonly options?: CompileOptions;
  /** Steps by which a rounded result may differ where the rounding of the input decides. */
  readonly steps?: number;
}

const ints = (data: number[], shape = [data.length]): TensorSpec => ({ shape, data, type: "int64" });
const floats = (data: number[], shape = [data.length]): TensorSpec => ({ shape, data });
const bytes = (data: number[], shape = [data.length], type: "uint8" | "int8" = "uint8"): TensorSpec => ({ shape, data, type });
const one = (op: string, rest: string[] = [], attrs: Record<string, Attr> = {}, domain = ""): NodeSpec[] => [{ op, in: ["x", ...rest], out: ["y"], attrs, domain }];
const ml = (op: string, attrs: Record<string, Attr>, out = ["y"]): NodeSpec[] => [{ op, in: ["x"], out, attrs, domain: "ai.onnx.ml" }];
const pixels = { lo: 0, hi: 255 };

const recurrent = (op: "LSTM" | "GRU" | "RNN", attrs: Record<string, Attr>, more: { directions?: number; lengths?: number[]; peephole?: boolean; layout?: boolean } = {}): Case => {
  const gates = { LSTM: 4, GRU: 3, RNN: 1 }[op];
  const d = more.directions ?? 1;
  const constants: Record<string, TensorSpec> = { w: weights([d, gates * 3, 2], 0.8, 3), r: weights([d, gates * 3, 3], 0.8, 4), b: weights([d, 2 * gates * 3], 0.3, 5) };
  const inputs = ["x", "w", "r", "b"];
  if (more.lengths) constants.n = { shape: [2], data: more.lengths, type: "int32" };
  if (more.lengths || more.peephole) inputs.push(more.lengths ? "n" : "");
  if (more.peephole) {
    constants.p = weights([d, 9], 0.5, 6);
    inputs.push("", "", "p");
  }
  return { name: `${op} ${Object.keys(attrs).join()} ${JSON.stringify(more)}`, shape: [3, 2, 2], constants, nodes: [{ op, in: inputs, out: ["y"], attrs: { hidden_size: 3, ...attrs } }] };
};

/** LayerNorm as exporters below opset 17 write it, and as the specification's own expansion does. */
const layerNorm: NodeSpec[] = [
  { op: "ReduceMean", in: ["x"], out: ["m"], attrs: { axes: [-1] } }, { op: "Sub", in: ["x", "m"], out: ["d"] },
  { op: "Pow", in: ["d", "two"], out: ["s"] }, { op: "ReduceMean", in: ["s"], out: ["v"], attrs: { axes: [-1] } },
  { op: "Add", in: ["v", "eps"], out: ["e"] }, { op: "Sqrt", in: ["e"], out: ["q"] }, { op: "Div", in: ["d", "q"], out: ["y"] },
];
const layerNormByMoments: NodeSpec[] = [
  { op: "ReduceMean", in: ["x"], out: ["m"], attrs: { axes: [-1] } }, { op: "Mul", in: ["x", "x"], out: ["s"] },
  { op: "ReduceMean", in: ["s"], out: ["a"], attrs: { axes: [-1] } }, { op: "Mul", in: ["m", "m"], out: ["b"] }, { op: "Sub", in: ["a", "b"], out: ["v"] },
  { op: "Add", in: ["v", "eps"], out: ["e"] }, { op: "Sqrt", in: ["e"], out: ["q"] }, { op: "Sub", in: ["x", "m"], out: ["d"] },
  { op: "Reciprocal", in: ["q"], out: ["r"] }, { op: "Mul", in: ["d", "r"], out: ["y"] },
];
const eps = { two: floats([2], []), eps: floats([1e-5], []) };

const cases: Case[] = [
  { name: "LayerNorm, exporters' form", shape: [2, 8], nodes: layerNorm, constants: eps },
  { name: "LayerNorm by moments", shape: [2, 8], nodes: layerNormByMoments, constants: eps },
  {
    name: "Softmax, written out", shape: [2, 6], box: { lo: -8, hi: 8 },
    nodes: [{ op: "ReduceMax", in: ["x"], out: ["m"], attrs: { axes: [1] } }, { op: "Sub", in: ["x", "m"], out: ["d"] }, { op: "Exp", in: ["d"], out: ["e"] },
      { op: "ReduceSum", in: ["e", "axis"], out: ["s"] }, { op: "Div", in: ["e", "s"], out: ["y"] }], constants: { axis: ints([1]) },
  },
  { name: "Div whose divisor may be zero", shape: [2, 3], also: { z: [2, 3] }, nodes: [{ op: "Div", in: ["x", "z"], out: ["y"] }], grid: 4 },
  { name: "Clip by the data", shape: [2, 4], also: { l: [1] }, nodes: [{ op: "Clip", in: ["x", "l0"], out: ["y"] }, { op: "Reshape", in: ["l", "none"], out: ["l0"] }].reverse() as NodeSpec[], constants: { none: { shape: [0], data: [], type: "int64" } } },
  { name: "BatchNormalization by the data", shape: [1, 2, 3], also: { s: [2], v: [2] }, nodes: one("BatchNormalization", ["s", "b", "m", "v"]), constants: { b: weights([2], 1, 1), m: weights([2], 1, 2) }, box: { lo: 0.25, hi: 1 } },
  ...["BitwiseAnd", "BitwiseOr", "BitwiseXor"].map((op): Case => ({ name: `${op} of signed values`, shape: [6], type: "int32", also: { z: [6] }, nodes: [{ op, in: ["x", "z"], out: ["y"] }], box: { lo: -100, hi: 100 }, grid: 1, opset: 18, outputTypes: { y: "int32" } })),
  { name: "BitwiseNot", shape: [6], type: "uint8", nodes: one("BitwiseNot"), box: pixels, grid: 1, opset: 18, outputTypes: { y: "uint8" } },
  { name: "BitShift left, wrapping", shape: [6], type: "uint8", nodes: one("BitShift", ["k"], { direction: "LEFT" }), constants: { k: bytes([0, 1, 2, 3, 7, 1]) }, box: pixels, grid: 1, outputTypes: { y: "uint8" } },
  { name: "BitShift right by the data", shape: [4], type: "uint8", also: { z: [4] }, nodes: one("BitShift", ["z"], { direction: "RIGHT" }), box: { lo: 0, hi: 7 }, grid: 1, outputTypes: { y: "uint8" } },
  { name: "Mod of signed integers by the data", shape: [6], type: "int32", also: { z: [6] }, nodes: [{ op: "Add", in: ["z", "c"], out: ["q"] }, { op: "Mod", in: ["x", "q"], out: ["y"] }], constants: { c: { shape: [1], data: [-8], type: "int32" } }, box: { lo: 0, hi: 7 }, grid: 1, outputTypes: { y: "int32" } },
  { name: "fmod", shape: [6], nodes: one("Mod", ["c"], { fmod: 1 }), constants: { c: floats([0.75], []) }, box: { lo: -4, hi: 4 }, grid: 8 },
  { name: "remainder by a fraction, written out", shape: [6], nodes: [{ op: "Div", in: ["x", "c"], out: ["q"] }, { op: "Floor", in: ["q"], out: ["f"] }, { op: "Mul", in: ["f", "c"], out: ["p"] }, { op: "Sub", in: ["x", "p"], out: ["y"] }], constants: { c: floats([0.5], []) }, grid: 8 },
  { name: "QuantizeLinear and back, per axis", shape: [2, 3], nodes: [{ op: "QuantizeLinear", in: ["x", "s", "z"], out: ["q"], attrs: { axis: 1 } }, { op: "DequantizeLinear", in: ["q", "s", "z"], out: ["y"], attrs: { axis: 1 } }], constants: { s: floats([0.02, 0.01, 0.03]), z: bytes([128, 100, 0]) }, steps: 0.03 },
  { name: "QLinearMatMul", shape: [2, 4], type: "uint8", nodes: one("QLinearMatMul", ["a", "az", "w", "b", "bz", "c", "cz"]), constants: { a: floats([0.02], []), az: bytes([113], []), w: bytes([3, 200, 90, 17, 250, 33, 128, 64, 5, 77, 180, 201], [4, 3]), b: floats([0.01], []), bz: bytes([114], []), c: floats([0.04], []), cz: bytes([118], []) }, box: pixels, grid: 1, steps: 1, outputTypes: { y: "uint8" } },
  { name: "QLinearConv", shape: [1, 1, 5, 5], type: "uint8", nodes: one("QLinearConv", ["a", "az", "w", "b", "bz", "c", "cz"], { pads: [1, 1, 1, 1] }), constants: { a: floats([0.01], []), az: bytes([120], []), w: bytes([1, 240, 90, 17, 250, 33, 128, 64, 5], [1, 1, 3, 3]), b: floats([0.02, 0.02].slice(1), [1]), bz: bytes([100], [1]), c: floats([0.05], []), cz: bytes([128], []) }, box: pixels, grid: 1, steps: 1, outputTypes: { y: "uint8" } },
  { name: "MatMulInteger", shape: [2, 3], type: "uint8", nodes: one("MatMulInteger", ["w", "az", "bz"]), constants: { w: bytes([1, 2, 250, 4, 5, 6], [3, 2]), az: bytes([7], []), bz: bytes([3], []) }, box: pixels, grid: 1, outputTypes: { y: "int32" } },
  { name: "ConvInteger", shape: [1, 1, 4, 4], type: "uint8", nodes: one("ConvInteger", ["w", "az"]), constants: { w: bytes([1, 2, 3, 4], [1, 1, 2, 2]), az: bytes([9], []) }, box: pixels, grid: 1, outputTypes: { y: "int32" } },
  { name: "DynamicQuantizeLinear", shape: [6], nodes: [{ op: "DynamicQuantizeLinear", in: ["x"], out: ["y", "s", "z"] }], steps: 1, outputTypes: { y: "uint8" } },
  { name: "Resize, cubic", shape: [1, 1, 4, 4], nodes: one("Resize", ["", "s"], { mode: "cubic" }), constants: { s: floats([1, 1, 1.5, 0.75]) } },
  { name: "Resize to sizes, aligned", shape: [1, 1, 4, 4], nodes: one("Resize", ["", "", "n"], { mode: "linear", coordinate_transformation_mode: "align_corners" }), constants: { n: ints([1, 1, 3, 7]) } },
  { name: "Upsample, opset 9", shape: [1, 1, 2, 3], nodes: one("Upsample", ["s"]), constants: { s: floats([1, 1, 2, 3]) }, opset: 9 },
  { name: "MaxPool, long overlapping runs", shape: [1, 1, 24], nodes: one("MaxPool", [], { kernel_shape: [9], strides: [2], pads: [4, 4] }) },
  { name: "MaxPool, dilated, two dimensions", shape: [1, 1, 9, 9], nodes: one("MaxPool", [], { kernel_shape: [3, 2], dilations: [2, 3], strides: [1, 2], pads: [1, 1, 1, 1] }) },
  { name: "MaxPool, indices", shape: [1, 1, 4, 4], nodes: [{ op: "MaxPool", in: ["x"], out: ["v", "y"], attrs: { kernel_shape: [2, 2], strides: [2, 2] } }], grid: 64, outputTypes: { y: "int64" } },
  { name: "LpPool, p = 3", shape: [1, 1, 4, 4], nodes: one("LpPool", [], { kernel_shape: [2, 2], p: 3 }), box: { lo: 0.25, hi: 1 } },
  { name: "ConvTranspose, output_shape", shape: [1, 1, 3, 3], nodes: one("ConvTranspose", ["w"], { strides: [2, 2], output_shape: [7, 6] }), constants: { w: weights([1, 2, 3, 3], 0.5, 1) } },
  { name: "Gather by negative data", shape: [3], type: "int64", nodes: [{ op: "Gather", in: ["t", "x"], out: ["y"] }], constants: { t: weights([4, 2], 1, 1) }, box: { lo: -4, hi: 3 }, grid: 1 },
  { name: "GatherND by the data", shape: [2, 2], type: "int64", nodes: [{ op: "GatherND", in: ["t", "x"], out: ["y"] }], constants: { t: weights([2, 2, 3], 1, 1) }, box: { lo: -2, hi: 1 }, grid: 1 },
  { name: "ScatterND by the data", shape: [2, 1], type: "int64", nodes: [{ op: "ScatterND", in: ["t", "x", "u"], out: ["y"] }], constants: { t: weights([4, 2], 1, 1), u: weights([2, 2], 1, 2) }, box: { lo: 0, hi: 3 }, grid: 1 },
  { name: "Einsum with an ellipsis", shape: [2, 3, 4], nodes: one("Einsum", ["w"], { equation: "...ij,jk->...ik" }), constants: { w: weights([4, 2], 1, 1) } },
  { name: "ReverseSequence", shape: [4, 3], nodes: one("ReverseSequence", ["n"], { time_axis: 0, batch_axis: 1 }), constants: { n: ints([4, 2, 1]) } },
  { name: "SplitToSequence and back", shape: [4, 2], nodes: [{ op: "SplitToSequence", in: ["x"], out: ["s"], attrs: { axis: 0 } }, { op: "SequenceAt", in: ["s", "i"], out: ["a"] }, { op: "SequenceInsert", in: ["s", "a"], out: ["l"] }, { op: "ConcatFromSequence", in: ["l"], out: ["y"], attrs: { axis: 0 } }], constants: { i: ints([-2], []) } },
  { name: "Det", shape: [2, 3, 3], nodes: one("Det") },
  { name: "DFT", shape: [1, 8, 1], nodes: one("DFT", [], { axis: 1, onesided: 1 }), opset: 17 },
  { name: "NegativeLogLikelihoodLoss", shape: [3, 4], nodes: [{ op: "NegativeLogLikelihoodLoss", in: ["x", "t", "w"], out: ["y"] }], constants: { t: ints([0, 3, 1]), w: floats([0.5, 1, 2, 0.25]) } },
  { name: "SoftmaxCrossEntropyLoss", shape: [3, 4], nodes: [{ op: "SoftmaxCrossEntropyLoss", in: ["x", "t"], out: ["y"], attrs: { reduction: "none" } }], constants: { t: ints([0, 3, 1]) } },
  recurrent("LSTM", { direction: "bidirectional" }, { directions: 2 }), recurrent("LSTM", { clip: { float: 0.4 } }, { peephole: true }),
  recurrent("LSTM", { direction: "reverse" }, { lengths: [3, 2] }), recurrent("LSTM", { input_forget: 1 }),
  recurrent("GRU", { direction: "bidirectional", linear_before_reset: 1 }, { directions: 2, lengths: [1, 3] }), recurrent("GRU", { activations: { strings: ["HardSigmoid", "Softsign"] } }),
  recurrent("RNN", { direction: "reverse", activations: { strings: ["Relu"] } }), recurrent("RNN", { activations: { strings: ["ScaledTanh"] }, activation_alpha: { floats: [1.5] }, activation_beta: { floats: [0.7] } }),
  { name: "Scaler", shape: [2, 3], nodes: ml("Scaler", { offset: { floats: [0.1, 0.2, 0.3] }, scale: { floats: [2, 3, 4] } }) },
  ...["MAX", "L1", "L2"].map((norm): Case => ({ name: `Normalizer ${norm}`, shape: [2, 3], nodes: ml("Normalizer", { norm }), box: { lo: 0.25, hi: 1 } })),
  { name: "Binarizer", shape: [2, 3], nodes: ml("Binarizer", { threshold: { float: 0.25 } }), grid: 8 },
  { name: "Imputer", shape: [2, 3], nodes: ml("Imputer", { imputed_value_floats: { floats: [0.5, 0.25, 0.75] }, replaced_value_float: { float: 0 } }), grid: 2 },
  { name: "ArrayFeatureExtractor", shape: [2, 4], nodes: [{ op: "ArrayFeatureExtractor", in: ["x", "i"], out: ["y"], domain: "ai.onnx.ml" }], constants: { i: ints([2, 0], [1, 2]) } },
  { name: "LabelEncoder", shape: [5], type: "int64", nodes: ml("LabelEncoder", { keys_int64s: [1, 2, 5], values_floats: { floats: [0.5, 1.5, 2.5] }, default_float: { float: -1 } }), box: { lo: 0, hi: 7 }, grid: 1 },
  { name: "OneHotEncoder", shape: [4], type: "int64", nodes: ml("OneHotEncoder", { cats_int64s: [0, 2, 3], zeros: 1 }), box: { lo: 0, hi: 3 }, grid: 1 },
  { name: "LinearRegressor", shape: [2, 3], nodes: ml("LinearRegressor", { coefficients: { floats: [0.5, -1, 2, 1, 1, -0.5] }, intercepts: { floats: [0.1, 0.2] }, targets: 2 }) },
  { name: "LinearClassifier, three classes", shape: [2, 3], nodes: ml("LinearClassifier", { coefficients: { floats: [0.5, -1, 2, 1, 1, -0.5, 0.3, 0.2, 0.1] }, intercepts: { floats: [0.1, 0.2, 0] }, classlabels_ints: [4, 7, 9], post_transform: "SOFTMAX" }, ["l", "y"]) },
  { name: "LinearClassifier, labels", shape: [4, 3], nodes: ml("LinearClassifier", { coefficients: { floats: [0.5, -1, 2, 1, 1, -0.5, 0.3, 0.2, 0.1] }, intercepts: { floats: [0.1, 0.2, 0] }, classlabels_ints: [4, 7, 9] }, ["y", "p"]), outputTypes: { y: "int64" } },
  { name: "SVMRegressor, RBF", shape: [2, 2], nodes: ml("SVMRegressor", { kernel_type: "RBF", kernel_params: { floats: [0.5, 0, 3] }, coefficients: { floats: [1, -0.5, 0.75] }, support_vectors: { floats: [0.1, 0.2, -0.5, 0.4, 0.7, -0.3] }, n_supports: 3, rho: { floats: [0.3] } }) },
  { name: "SVMClassifier, three classes by vote", shape: [4, 2], nodes: ml("SVMClassifier", { kernel_type: "POLY", kernel_params: { floats: [0.5, 1, 2] }, coefficients: { floats: [1, 0.5, -0.75, -1, 0.25, -0.5, 0.6, -0.2] }, support_vectors: { floats: [0.1, 0.2, -0.5, 0.4, 0.7, -0.3, -0.2, -0.9] }, vectors_per_class: [2, 1, 1], rho: { floats: [0.05, -0.1, 0.02] }, classlabels_ints: [3, 5, 8] }, ["y", "s"]), outputTypes: { y: "int64" } },
  {
    name: "TreeEnsembleClassifier, votes", shape: [4, 2], grid: 8, outputs: ["y"], outputTypes: { y: "int64" },
    nodes: ml("TreeEnsembleClassifier", {
      nodes_treeids: [0, 0, 0, 0, 0], nodes_nodeids: [0, 1, 2, 3, 4], nodes_featureids: [0, 0, 1, 0, 0], nodes_modes: { strings: ["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"] },
      nodes_values: { floats: [0.25, 0, -0.5, 0, 0] }, nodes_truenodeids: [1, 0, 3, 0, 0], nodes_falsenodeids: [2, 0, 4, 0, 0], class_treeids: [0, 0, 0], class_nodeids: [1, 3, 4], class_ids: [0, 1, 2],
      class_weights: { floats: [1, 1, 1] }, classlabels_int64s: [10, 20, 30],
    }, ["y", "p"]),
  },
  { name: "FusedMatMul", shape: [3, 2], nodes: one("FusedMatMul", ["w"], { transA: 1, alpha: { float: 0.5 } }, "com.microsoft"), constants: { w: weights([3, 4], 1, 1) } },
  { name: "BiasGelu", shape: [2, 4], nodes: one("BiasGelu", ["b"], {}, "com.microsoft"), constants: { b: weights([4], 1, 1) } },
  { name: "QuickGelu", shape: [2, 4], nodes: one("QuickGelu", [], {}, "com.microsoft") },
  { name: "SkipLayerNormalization", shape: [1, 2, 4], also: { k: [1, 2, 4] }, nodes: one("SkipLayerNormalization", ["k", "g", "b"], {}, "com.microsoft"), constants: { g: weights([4], 1, 1), b: weights([4], 1, 2) } },
  { name: "Attention (fused)", shape: [1, 3, 4], nodes: one("Attention", ["w", "b"], { num_heads: 2 }, "com.microsoft"), constants: { w: weights([4, 12], 1, 1), b: weights([12], 0.3, 2) } },
];

describe("circuits/compiler: breadth, against ONNX Runtime", () => {

  for (const [number, c] of cases.entries()) {
    it(c.name, async () => {
      const names = ["x", ...Object.keys(c.also ?? {})];
      const shapes: Record<string, number[]> = { x: c.shape, ...c.also };
      const type = c.type ?? "float";
      const model = encode({
        inputs: shapes, inputTypes: Object.fromEntries(names.map((n) => [n, type])), nodes: c.nodes, outputs: c.outputs ?? ["y"], opset: c.opset ?? 13,
        ...(c.constants ? { constants: c.constants } : {}), ...(c.outputTypes ? { outputTypes: c.outputTypes } : {}),
      });
      const box = c.box ?? { lo: -1, hi: 1 };
      const compiled = compileModel(model, { inputs: Object.fromEntries(names.map((n) => [n, box])), sampleCount: 8, ...c.options });
      const next = seeded(number * 17 + 5);
      for (let run = 0; run < 4; run++) {
        const data = Object.fromEntries(names.map((n) => [n, Array.from({ length: (shapes[n] as number[]).reduce((a, b) => a * b, 1) }, () => {
          const v = box.lo + next() * (box.hi - box.lo + (type === "float" ? 0 : 0.999)) * (type === "float" ? 0.999 : 1);
          return Math.fround(c.grid ? Math.max(box.lo, Math.floor(v * c.grid) / c.grid) : v);
        })]));
        const feeds = Object.fromEntries(names.map((n) => [n, { shape: shapes[n] as number[], data: data[n] as number[], type: type === "float" ? "float32" as const : type }]));
        const want = (await runtime(model, feeds)).y as number[];
        const got = runInteger(compiled, data).tensors.y as number[];
        expect(got.length).to.equal(want.length);
        const finite = want.filter(Number.isFinite);
        const range = Math.max(...finite) - Math.min(...finite) || Math.abs(finite[0] as number) || 1;
        const limit = Math.max(0.02 * range, 0.004, (c.steps ?? 0) * 1.001);
        want.forEach((v, i) => {
          if (Number.isFinite(v)) expect(Math.abs(v - (got[i] as number)), `want ${want.slice(0, 8)} got ${got.slice(0, 8)}`).to.be.at.most(limit);
        });
        const proved = compiled.errors[0]?.proved;
        const worst = want.reduce((m, v, i) => (Number.isFinite(v) ? Math.max(m, Math.abs(v - (got[i] as number))) : m), 0);
        if (proved !== null && proved !== undefined) expect(worst, "proved error").to.be.at.most(proved + 1e-5 * (1 + Math.max(...finite.map(Math.abs))));
      }
    });
  }
});
