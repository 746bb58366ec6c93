import { expect } from "chai";

import { compileModel, runInteger, type CompileOptions } from "../../../circuits/compiler/index.ts";
import { seeded } from "../../../circuits/compiler/quantise/samples.ts";
import { encode, weights, type Attr, type ModelSpec, type NodeSpec, type TensorSpec } from "../../../circuits/models/build.ts";
import { boostedTrees, lenet5, recurrent, transformerBlock } from "../../../circuits/models/zoo.ts";
import { runtime } from "./oracle.ts";

interface Case {
  readonly name: string;
  readonly spec: ModelSpec | (() => Uint8Array);
  readonly inputs: Record<string, number[]>;
  readonly options?: CompileOptions;
  /** Largest share of the output's range that the difference may take. */
  readonly tolerance?: number;
  /** Values on a grid of this many steps per unit: for comparisons and rounding, where a near tie is no error. */
  readonly grid?: number;
}

const ints = (data: number[], shape = [data.length]): TensorSpec => ({ shape, data, type: "int64" });
const floats = (data: number[], shape = [data.length]): TensorSpec => ({ shape, data });

const unary = (op: string, attrs: Record<string, Attr> = {}, box?: { lo: number; hi: number }, more: Partial<Case> = {}): Case => ({
  name: `${op}${box ? ` on [${box.lo}, ${box.hi}]` : ""}`,
  spec: { inputs: { x: [2, 5] }, nodes: [{ op, in: ["x"], out: ["y"], attrs }], outputs: ["y"], opset: 20 },
  inputs: { x: [2, 5] },
  ...(box ? { options: { inputs: { x: box } } } : {}),
  ...more,
});

const binary = (op: string, b: { lo: number; hi: number } | undefined, more: Partial<Case> = {}, outputTypes?: ModelSpec["outputTypes"]): Case => ({
  name: op,
  spec: { inputs: { a: [2, 3], b: [3] }, nodes: [{ op, in: ["a", "b"], out: ["y"] }], outputs: ["y"], ...(outputTypes ? { outputTypes } : {}) },
  inputs: { a: [2, 3], b: [3] },
  options: { inputs: { a: { lo: -2, hi: 2 }, b: b ?? { lo: -2, hi: 2 } } },
  ...more,
});

const flow = (name: string, shape: number[], nodes: NodeSpec[], constants: Record<string, TensorSpec> = {}, more: Partial<Case> & { opset?: number; types?: ModelSpec["outputTypes"] } = {}): Case => ({
  name,
  spec: { inputs: { x: shape }, constants, nodes, outputs: ["y"], opset: more.opset ?? 13, ...(more.types ? { outputTypes: more.types } : {}) },
  inputs: { x: shape },
  ...more,
});
const one = (op: string, rest: string[], attrs: Record<string, Attr> = {}): NodeSpec[] => [{ op, in: ["x", ...rest], out: ["y"], attrs }];

const wide = { lo: -12, hi: 12 };
const positive = { lo: 0.25, hi: 3 };
const cases: Case[] = [
  ...["Relu", "Sigmoid", "Tanh", "Erf", "Softplus", "Elu", "Selu", "Celu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Softsign", "Abs", "Neg", "Mish"]
    .flatMap((op) => [unary(op), unary(op, {}, wide)]),
  ...["Sin", "Cos", "Exp", "Atan", "Sinh", "Cosh"].map((op) => unary(op)),
  ...["Log", "Sqrt", "Reciprocal"].map((op) => unary(op, {}, positive)),
  unary("Gelu", { approximate: "tanh" }, wide),
  unary("Floor", {}, wide, { grid: 8 }), unary("Ceil", {}, wide, { grid: 8 }), unary("Round", {}, wide, { grid: 4 }), unary("Sign", {}, wide, { grid: 4 }),
  unary("Shrink", { lambd: { float: 0.5 }, bias: { float: 0.25 } }, undefined, { grid: 16 }), unary("ThresholdedRelu", { alpha: { float: 0.3 } }),
  binary("Add", undefined), binary("Sub", undefined), binary("Mul", undefined), binary("Max", undefined), binary("Min", undefined),
  binary("Div", { lo: 0.5, hi: 2 }), binary("Pow", { lo: 0.5, hi: 2 }, { options: { inputs: { a: positive, b: { lo: 0.5, hi: 2 } } } }),
  binary("Less", undefined, { grid: 8 }, { y: "bool" }), binary("GreaterOrEqual", undefined, { grid: 8 }, { y: "bool" }), binary("Equal", undefined, { grid: 2 }, { y: "bool" }),
  flow("Softmax, last axis", [2, 5], one("Softmax", [])), flow("Softmax below opset 13 flattens", [2, 2, 3], one("Softmax", [], { axis: 1 }), {}, { opset: 11 }),
  flow("LogSoftmax", [2, 5], one("LogSoftmax", [])), flow("ReduceLogSumExp", [2, 5], one("ReduceLogSumExp", [], { axes: [1] })),
  flow("ReduceMax", [2, 5], one("ReduceMax", [], { axes: [1] })), flow("ReduceMin", [2, 5], one("ReduceMin", [], { axes: [0] })),
  flow("ReduceL2", [2, 5], one("ReduceL2", [], { axes: [1] })), flow("ReduceProd", [2, 3], one("ReduceProd", [], { axes: [1] })),
  flow("ReduceSumSquare", [2, 5], one("ReduceSumSquare", [], { axes: [1] })), flow("CumSum", [2, 4], one("CumSum", ["axis"], { reverse: 1 }), { axis: ints([1]) }),
  flow("ArgMax", [3, 4], one("ArgMax", [], { axis: 1 }), {}, { grid: 16, types: { y: "int64" } }),
  flow("ArgMax, last of equals", [3, 4], one("ArgMax", [], { axis: 1, select_last_index: 1 }), {}, { grid: 2, types: { y: "int64" } }),
  flow("ArgMin", [3, 4], one("ArgMin", [], { axis: 0, keepdims: 0 }), {}, { grid: 2, types: { y: "int64" } }),
  flow("TopK", [2, 5], [{ op: "TopK", in: ["x", "k"], out: ["y", "i"], attrs: { axis: 1 } }], { k: ints([3]) }, { grid: 64 }),
  flow("TopK indices of equals", [2, 5], [{ op: "TopK", in: ["x", "k"], out: ["v", "y"], attrs: { axis: 1 } }], { k: ints([3]) }, { grid: 2, types: { y: "int64" } }),
  flow("MaxPool with padding", [1, 2, 5, 5], one("MaxPool", [], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] })),
  flow("MaxPool, ceil", [1, 1, 6, 6], one("MaxPool", [], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 })),
  flow("AveragePool, padding counted", [1, 1, 5, 5], one("AveragePool", [], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], count_include_pad: 1 })),
  flow("AveragePool, padding not counted", [1, 1, 5, 5], one("AveragePool", [], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] })),
  flow("GlobalAveragePool", [1, 2, 3, 3], one("GlobalAveragePool", [])), flow("GlobalMaxPool", [1, 2, 3, 3], one("GlobalMaxPool", [])),
  flow("Conv, SAME_UPPER, strided", [1, 2, 5, 5], one("Conv", ["w", "b"], { auto_pad: "SAME_UPPER", strides: [2, 2] }), { w: weights([3, 2, 3, 3], 0.5, 1), b: weights([3], 0.5, 2) }),
  flow("ConvTranspose", [1, 2, 3, 3], one("ConvTranspose", ["w"], { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] }), { w: weights([2, 3, 3, 3], 0.5, 1) }),
  flow("InstanceNormalization", [1, 2, 3, 3], one("InstanceNormalization", ["s", "b"]), { s: weights([2], 1, 1), b: weights([2], 1, 2) }),
  flow("LayerNormalization", [2, 6], one("LayerNormalization", ["s", "b"]), { s: weights([6], 1, 1), b: weights([6], 1, 2) }, { opset: 17 }),
  flow("LpNormalization", [2, 4], one("LpNormalization", [])), flow("LRN", [1, 4, 2, 2], one("LRN", [], { size: 3, alpha: { float: 0.5 } })),
  flow("Pad, reflect", [2, 4], one("Pad", ["p"], { mode: "reflect" }), { p: ints([0, 2, 0, 1]) }), flow("Pad, negative", [2, 5], one("Pad", ["p"]), { p: ints([0, -1, 0, -2]) }),
  flow("Slice with steps", [3, 6], one("Slice", ["s", "e", "a", "t"]), { s: ints([5, -1]), e: ints([0, -4]), a: ints([1, 0]), t: ints([-2, -1]) }),
  flow("Gather, negative index", [4, 2], one("Gather", ["i"]), { i: ints([-1, 0, 2]) }),
  flow("Resize, linear", [1, 1, 3, 3], one("Resize", ["", "s"], { mode: "linear" }), { s: floats([1, 1, 2, 2]) }),
  flow("Resize, nearest", [1, 1, 3, 3], one("Resize", ["", "s"], { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" }), { s: floats([1, 1, 2, 2]) }),
  flow("DepthToSpace", [1, 8, 2, 2], one("DepthToSpace", [], { blocksize: 2, mode: "CRD" })), flow("Transpose", [2, 3, 2], one("Transpose", [], { perm: [2, 0, 1] })),
  flow("Einsum", [2, 3], one("Einsum", ["w"], { equation: "ij,jk->ki" }), { w: weights([3, 4], 1, 3) }), flow("Clip", [2, 5], one("Clip", ["lo", "hi"]), { lo: floats([-0.3], []), hi: floats([0.4], []) }),
  flow("a model whose output is constant", [2], [{ op: "Mul", in: ["x", "z"], out: ["y"] }], { z: floats([0, 0]) }),
  flow("Where", [2, 4], [{ op: "Less", in: ["x", "t"], out: ["c"] }, { op: "Mul", in: ["x", "t"], out: ["m"] }, { op: "Where", in: ["c", "x", "m"], out: ["y"] }], { t: floats([0.25], []) }, { grid: 16 }),
  { name: "LSTM", spec: () => recurrent("LSTM", 3, 2, 4), inputs: { x: [4, 1, 2] } },
  { name: "GRU", spec: () => recurrent("GRU", 3, 2, 4), inputs: { x: [4, 1, 2] } },
  { name: "RNN", spec: () => recurrent("RNN", 3, 2, 4), inputs: { x: [4, 1, 2] } },
  { name: "transformer block", spec: () => transformerBlock(3, 8, 2, 8), inputs: { x: [3, 8] } },
  { name: "boosted trees", spec: () => boostedTrees(12, 4, 6), inputs: { x: [1, 6] }, grid: 1, options: { inputs: { x: { lo: 0, hi: 255, bits: 8 } } } },
  { name: "LeNet-5", spec: () => lenet5(), inputs: { x: [1, 1, 28, 28] }, options: { inputs: { x: { lo: 0, hi: 1 } } } },
];

describe("circuits/compiler: operators against ONNX Runtime", () => {

  for (const c of cases) {
    it(c.name, async () => {
      const bytes = typeof c.spec === "function" ? c.spec() : encode(c.spec);
      const model = compileModel(bytes, { sampleCount: 8, ...c.options });
      const next = seeded(c.name.length * 31 + 7);
      const runs = c.name === "LeNet-5" ? 2 : 6;
      for (let run = 0; run < runs; run++) {
        const data = Object.fromEntries(Object.entries(c.inputs).map(([name, shape]) => {
          const box = c.options?.inputs?.[name] ?? {};
          const [lo, hi] = [box.lo ?? -1, box.hi ?? 1];
          const list = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
            const v = lo + next() * (hi - lo) * 0.999;
            return Math.fround(c.grid ? Math.max(lo, Math.floor(v * c.grid) / c.grid) : v);
          });
          return [name, list];
        }));
        const feeds = Object.fromEntries(Object.entries(data).map(([name, list]) => [name, { shape: c.inputs[name] as number[], data: list }]));
        const want = (await runtime(bytes, feeds)).y as number[];
        const got = runInteger(model, data).tensors.y as number[];
        expect(got.length).to.equal(want.length);
        const range = Math.max(...want) - Math.min(...want) || Math.abs(want[0] as number) || 1;
        const limit = Math.max((c.tolerance ?? 0.02) * range, 0.004);
        const worst = want.reduce((m, v, i) => Math.max(m, Math.abs(v - (got[i] as number))), 0);
        expect(worst, `want ${want.slice(0, 6)} got ${got.slice(0, 6)}`).to.be.at.most(limit);
        // Where an error is proved it must also cover the user's own floats, whose rounding to the grid it includes.
        const proved = model.errors[0]?.proved;
        if (proved !== null && proved !== undefined) expect(worst, "proved error").to.be.at.most(proved + 1e-5 * (1 + Math.max(...want.map(Math.abs))));
      }
    });
  }
});
