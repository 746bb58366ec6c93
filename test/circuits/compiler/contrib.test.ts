import { expect } from "chai";

import { compileModel, runInteger } from "../../../circuits/compiler/index.ts";
import { seeded } from "../../../circuits/compiler/quantise/samples.ts";
import { encode, weights, type Attr, type ElementType, type ModelSpec, type NodeSpec, type TensorSpec } from "../../../circuits/models/build.ts";
import { runtime } from "./oracle.ts";

interface Case extends Omit<ModelSpec, "inputs" | "outputs"> {
  readonly name: string;
  readonly x: number[];
  readonly type?: "uint8";
  readonly box?: { lo: number; hi: number };
  /** One step of a quantised result, which the rounding of an input may decide. */
  readonly step?: number;
}

const MS = "com.microsoft";
const node = (op: string, inputs: string[], attrs: Record<string, Attr> = {}, domain = "", out = ["y"]): NodeSpec => ({ op, in: inputs, out, attrs, domain });
const bytes = (data: number[], shape: number[] = [], type: ElementType = "uint8"): TensorSpec => ({ shape, data, type });
const scalar = (v: number): TensorSpec => ({ shape: [], data: [v] });
const ints = (data: number[], shape = [data.length]): TensorSpec => ({ shape, data, type: "int64" });
const seededBytes = (shape: number[], seed: number, lo = 0, hi = 255): number[] => weights(shape, 0.5, seed).data.map((v) => lo + Math.floor((v + 0.5) * (hi - lo)));
const pixels = { lo: 0, hi: 255 };
const q = { s: scalar(0.02), z: bytes([128]), t: scalar(0.03), u: bytes([110]) };
const wide = { wa: scalar(0.01), wz: bytes([0], [], "int8") };
const int8 = (shape: number[], seed: number): TensorSpec => bytes(seededBytes(shape, seed, -127, 127), shape, "int8");
/** What a quantised operator gives, as floats. */
const back = (s: string, z: string): NodeSpec => node("DequantizeLinear", ["r", s, z]);

/** The state is halved and x added, while the sum of the state stays below a limit. */
const halving = (limit: number): ModelSpec => ({
  inputs: { i: [], c: [], h: [1, 3] }, inputTypes: { i: "int64", c: "bool" }, outputs: ["going", "next"], outputTypes: { going: "bool" },
  constants: { half: scalar(0.5), most: scalar(limit) },
  nodes: [node("Mul", ["h", "half"], {}, "", ["m"]), node("Add", ["m", "x"], {}, "", ["next"]), node("ReduceSum", ["next"], { keepdims: 0 }, "", ["s"]), node("Less", ["s", "most"], {}, "", ["going"])],
});

const cases: Case[] = [
  { name: "QGemm with a bias, quantised", x: [2, 4], type: "uint8", step: 0.03, constants: { ...q, ...wide, w: int8([3, 4], 1), b: bytes([300, -200, 50], [3], "int32") }, nodes: [node("QGemm", ["x", "s", "z", "w", "wa", "wz", "b", "t", "u"], { transB: 1 }, MS, ["r"]), back("t", "u")] },
  { name: "QGemm to floats", x: [2, 4], type: "uint8", constants: { ...q, ...wide, w: int8([4, 3], 1) }, nodes: [node("QGemm", ["x", "s", "z", "w", "wa", "wz"], {}, MS)] },
  { name: "QLinearAveragePool", x: [1, 2, 4, 4], type: "uint8", step: 0.03, constants: q, nodes: [node("QLinearAveragePool", ["x", "s", "z", "t", "u"], { kernel_shape: [2, 2], strides: [2, 2] }, MS, ["r"]), back("t", "u")] },
  { name: "QLinearConcat", x: [1, 4], type: "uint8", step: 0.03, constants: { ...q, o: bytes([7, 200], [1, 2]) }, nodes: [node("QLinearConcat", ["t", "u", "x", "s", "z", "o", "t", "u"], { axis: 1 }, MS, ["r"]), back("t", "u")] },
  { name: "QLinearSoftmax", x: [1, 6], type: "uint8", step: 1 / 256, constants: { ...q, p: scalar(1 / 256), n: bytes([0]) }, nodes: [node("QLinearSoftmax", ["x", "s", "z", "p", "n"], { axis: 1, opset: 13 }, MS, ["r"]), back("p", "n")] },
  { name: "QLinearWhere", x: [4], type: "uint8", step: 0.03, constants: { ...q, c: { shape: [4], data: [1, 0, 0, 1], type: "bool" }, o: bytes([9, 90, 200, 30], [4]) }, nodes: [node("QLinearWhere", ["c", "x", "s", "z", "o", "t", "u", "t", "u"], {}, MS, ["r"]), back("t", "u")] },
  { name: "MatMulIntegerToFloat, a scale for each column", x: [2, 4], type: "uint8", constants: { ...q, w: int8([4, 3], 2), ws: { shape: [3], data: [0.01, 0.02, 0.015] }, wz: bytes([0, 0, 0], [3], "int8"), b: weights([3], 1, 3) }, nodes: [node("MatMulIntegerToFloat", ["x", "w", "s", "ws", "z", "wz", "b"], {}, MS)] },
  { name: "DynamicQuantizeMatMul", x: [2, 4], step: 0.05, constants: { w: int8([4, 3], 2), ws: { shape: [1], data: [0.01] }, wz: bytes([0], [1], "int8"), b: weights([3], 1, 3) }, nodes: [node("DynamicQuantizeMatMul", ["x", "w", "ws", "wz", "b"], {}, MS)] },
  { name: "MatMulNBits", x: [1, 32], constants: { w: bytes(seededBytes([3, 2, 8], 4), [3, 2, 8]), s: { shape: [6], data: [0.02, 0.05, 0.03, 0.04, 0.01, 0.06] } }, nodes: [node("MatMulNBits", ["x", "w", "s"], { K: 32, N: 3, bits: 4, block_size: 16 }, MS)] },
  { name: "MatMulNBits, packed zero points", x: [1, 32], constants: { w: bytes(seededBytes([3, 2, 8], 4), [3, 2, 8]), s: { shape: [6], data: [0.02, 0.05, 0.03, 0.04, 0.01, 0.06] }, z: bytes([0x73, 0xa8, 0x5f], [3]) }, nodes: [node("MatMulNBits", ["x", "w", "s", "z"], { K: 32, N: 3, bits: 4, block_size: 16 }, MS)] },
  { name: "CDist", x: [2, 3], constants: { c: weights([4, 3], 1, 1) }, nodes: [node("CDist", ["x", "c"], { metric: "sqeuclidean" }, MS)] },
  { name: "Inverse", x: [2, 2, 2], box: { lo: -0.4, hi: 0.4 }, constants: { e: { shape: [2, 2], data: [1, 0, 0, 1] } }, nodes: [node("Add", ["x", "e"], {}, "", ["a"]), node("Inverse", ["a"], {}, MS)] },
  { name: "ExpandDims", x: [2, 3], constants: { a: { shape: [], data: [-2], type: "int32" } }, nodes: [node("ExpandDims", ["x", "a"], {}, MS)] },
  { name: "TransposeMatMul", x: [3, 2], constants: { w: weights([3, 4], 1, 1) }, nodes: [node("TransposeMatMul", ["x", "w"], { transA: 1 }, MS)] },
  { name: "ScaledTanh", x: [2, 3], opset: 8, nodes: [node("ScaledTanh", ["x"], { alpha: { float: 1.5 }, beta: { float: 0.7 } })] },
  { name: "DeformConv", x: [1, 1, 3, 3], opset: 19, constants: { w: weights([2, 1, 2, 2], 1, 1), o: weights([1, 8, 2, 2], 0.7, 2), b: weights([2], 1, 3), m: weights([1, 4, 2, 2], 1, 4) }, nodes: [node("DeformConv", ["x", "w", "o", "b", "m"], { kernel_shape: [2, 2] })] },
  { name: "DeformConv whose offsets the data decides", x: [1, 8, 2, 2], opset: 19, constants: { t: weights([1, 1, 3, 3], 1, 5), w: weights([1, 1, 2, 2], 1, 1) }, nodes: [node("DeformConv", ["t", "w", "x"], { kernel_shape: [2, 2] })] },
  { name: "GridSample, cubic, at constant places", x: [1, 1, 4, 4], opset: 16, constants: { g: weights([1, 3, 3, 2], 1.3, 1) }, nodes: [node("GridSample", ["x", "g"], { mode: "bicubic", padding_mode: "border" })] },
  { name: "Resize, antialiased", x: [1, 1, 8, 8], opset: 18, constants: { n: ints([1, 1, 3, 5]) }, nodes: [node("Resize", ["x", "", "", "n"], { mode: "linear", antialias: 1 })] },
  { name: "Optional", x: [2, 2], opset: 18, nodes: [node("Optional", ["x"], {}, "", ["o"]), node("OptionalHasElement", ["o"], {}, "", ["h"]), node("OptionalGetElement", ["o"], {}, "", ["e"]), node("Cast", ["h"], { to: 1 }, "", ["f"]), node("Mul", ["e", "f"])] },
  { name: "SequenceMap", x: [4, 2], opset: 17, constants: { k: ints([2], []) }, nodes: [node("SplitToSequence", ["x", "k"], { axis: 0 }, "", ["s"]), node("SequenceMap", ["s"], { body: { graph: { inputs: { a: ["n", 2] }, outputs: ["b"], nodes: [node("Relu", ["a"], {}, "", ["b"])] } } }, "", ["t"]), node("ConcatFromSequence", ["t"], { axis: 0 })] },
  { name: "a loop that the data ends", x: [1, 3], constants: { n: ints([5], []), c: { shape: [], data: [1], type: "bool" }, h: { shape: [1, 3], data: [0.1, 0.2, 0.3] } }, nodes: [node("Loop", ["n", "c", "h"], { body: { graph: halving(0.9) } })] },
  {
    name: "Scan backwards along the second axis", x: [2, 4, 3], constants: { h: { shape: [2, 3], data: [0, 0, 0, 0, 0, 0] } },
    nodes: [node("Scan", ["h", "x"], {
      num_scan_inputs: 1, scan_input_axes: [1], scan_output_axes: [1], scan_input_directions: [1],
      body: { graph: { inputs: { a: [2, 3], b: [2, 3] }, outputs: ["m", "o"], constants: { half: scalar(0.5) }, nodes: [node("Mul", ["a", "half"], {}, "", ["k"]), node("Add", ["k", "b"], {}, "", ["m"]), node("Identity", ["m"], {}, "", ["o"])] } },
    }, "", ["last", "y"])],
  },
  { name: "cosine of two vectors as exporters write it", x: [1, 6], constants: { a: { shape: [1], data: [1], type: "int64" }, e: scalar(1e-8), w: weights([6, 6], 1, 1), b: weights([6], 1, 2) },
    nodes: [node("Gemm", ["x", "w", "b"], {}, "", ["v"]), node("Mul", ["x", "v"], {}, "", ["p"]), node("ReduceSum", ["p", "a"], { keepdims: 0 }, "", ["d"]), node("Mul", ["x", "x"], {}, "", ["xx"]), node("ReduceSum", ["xx", "a"], { keepdims: 0 }, "", ["n"]),
      node("Mul", ["v", "v"], {}, "", ["vv"]), node("ReduceSum", ["vv", "a"], { keepdims: 0 }, "", ["m"]), node("Mul", ["n", "m"], {}, "", ["nm"]), node("Sqrt", ["nm"], {}, "", ["r"]), node("Max", ["r", "e"], {}, "", ["g"]), node("Div", ["d", "g"])] },
  { name: "TreeEnsemble of ai.onnx.ml 5", x: [3, 2], mlVersion: 5, opset: 21, nodes: [node("TreeEnsemble", ["x"], {
    nodes_featureids: [0, 1], nodes_modes: bytes([0, 3], [2]), nodes_splits: { shape: [2], data: [0.25, -0.5] }, nodes_truenodeids: [1, 1], nodes_trueleafs: [0, 1], nodes_falsenodeids: [0, 2], nodes_falseleafs: [1, 1],
    leaf_targetids: [0, 0, 0], leaf_weights: { shape: [3], data: [1.5, -2, 0.5] }, tree_roots: [0], n_targets: 1, aggregate_function: 1, post_transform: 0,
  }, "ai.onnx.ml")] },
];

describe("circuits/compiler: operators of ONNX Runtime and rare ones, against ONNX Runtime", function () {
  for (const [number, { name, x: shape, type, box = type ? pixels : { lo: -1, hi: 1 }, step = 0, ...spec }] of cases.entries()) {
    it(name, async function () {
      const model = encode({ ...spec, inputs: { x: shape }, outputs: ["y"], ...(type ? { inputTypes: { x: type } } : {}) });
      const compiled = compileModel(model, { inputs: { x: box }, sampleCount: 8 });
      const next = seeded(number * 31 + 3);
      for (let run = 0; run < 4; run++) {
        const x = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => (type ? Math.floor(next() * 256) : Math.fround(box.lo + next() * (box.hi - box.lo))));
        const want = (await runtime(model, { x: { shape, data: x, ...(type ? { type } : {}) } })).y as number[];
        const { tensors: { y: got = [] }, status } = runInteger(compiled, { x });
        const range = Math.max(...want) - Math.min(...want) || Math.abs(want[0] as number) || 1;
        expect(got.length).to.equal(want.length);
        expect(Number(status) & 1, "status").to.equal(0);
        want.forEach((v, i) => expect(Math.abs(v - (got[i] as number)), `want ${want.slice(0, 6)} got ${got.slice(0, 6)}`).to.be.at.most(Math.max(0.01 * range, 0.003, step * 1.01)));
      }
    });
  }
});
