import { sizeOf } from "../../import/tensor.ts";
import { isConst, type RealGraph, type Val } from "../../real/graph.ts";
import type { NodeContext, Operator, OperatorTable } from "../context.ts";
import { axisOf, build, map, zip, type SymTensor } from "../tensor.ts";
import type { IntegerType } from "../types.ts";
import { convolve } from "./convolution.ts";
import { leaky, round, sigmoid } from "./elementwise.ts";
import { matmul } from "./linear.ts";
import { maximum } from "./pool.ts";

/** A scale or zero point spread over the tensor it belongs to: one number, one for each slice of an axis, or one for each block of it. */
function spread(p: SymTensor | undefined, shape: readonly number[], axis: number, block: number): (index: readonly number[]) => Val {
  if (!p) return () => 0;
  if (p.data.length === 1) return () => p.data[0] as Val;
  if (p.shape.length <= 1) return (index) => p.data[index[axis] as number] as Val;
  return (index) => {
    let at = 0;
    p.shape.forEach((d, i) => (at = at * d + (i === axis ? Math.floor((index[i] as number) / (block || (shape[i] as number) / d)) : (index[i] as number))));
    return p.data[at] as Val;
  };
}

export function dequantised(r: RealGraph, t: SymTensor, scale: SymTensor, zero: SymTensor | undefined, axis = 1, block = 0): SymTensor {
  const [s, z] = [spread(scale, t.shape, axis, block), spread(zero, t.shape, axis, block)];
  return build(t.shape, "float", (index, i) => r.mul(r.sub(t.data[i] as Val, z(index)), s(index)));
}

/** round(v / scale) + zero, half to even, saturated to the type. */
export function quantised(r: RealGraph, t: SymTensor, scale: SymTensor, zero: SymTensor | undefined, type: IntegerType, axis = 1, block = 0): SymTensor {
  const [s, z] = [spread(scale, t.shape, axis, block), spread(zero, t.shape, axis, block)];
  return build(t.shape, "int", (index, i) => {
    const step = s(index);
    const v = t.data[i] as Val;
    return saturate(r, r.add(round(r, isConst(step) ? r.mul(v, 1 / step) : r.div(v, step)), z(index)), type);
  });
}

const saturate = (r: RealGraph, v: Val, type: IntegerType): Val => r.clip(v, type.lo, type.hi);

function axisAttribute(x: NodeContext, t: SymTensor): number {
  return t.shape.length === 0 ? 0 : axisOf(Math.min(x.number("axis", 1), t.shape.length - 1), t.shape.length);
}

/** The type that a zero point input stands for; without one it is uint8. */
export const outputRange = (x: NodeContext, zero: number): IntegerType => (x.optional(zero) ? x.integer(zero) : { bits: 8, signed: false, lo: 0, hi: 255 });

/** The scale follows from the data: its own rounding and that of the zero point are part of the model. */
export function dynamic(x: NodeContext): SymTensor[] {
  const r = x.real;
  const t = x.input(0);
  const top = r.max(maximum(r, t.data), 0);
  const bottom = r.mul(-1, r.max(maximum(r, t.data.map((v) => r.mul(-1, v))), 0));
  const scale = r.mul(1 / 255, r.sub(top, bottom));
  const type = { bits: 8, signed: false, lo: 0, hi: 255 };
  const zero = saturate(r, round(r, r.div(r.mul(-1, bottom), scale)), type);
  const one = (v: Val, kind: "float" | "int"): SymTensor => ({ shape: [], kind, data: [v] });
  return [quantised(r, t, one(scale, "float"), one(zero, "int"), type), one(scale, "float"), one(zero, "int")];
}

function shiftedBy(x: NodeContext, i: number, zero: number, axis: number): SymTensor {
  const t = x.input(i);
  const z = spread(x.optional(zero), t.shape, axis, 0);
  return build(t.shape, "int", (index, at) => x.real.sub(t.data[at] as Val, z(index)));
}

/** Zero points and scales of a matrix product go with rows of the left operand and columns of the right one. */
export const rows = (t: SymTensor): number => Math.max(0, t.shape.length - 2);
export const columns = (t: SymTensor): number => Math.max(0, t.shape.length - 1);

function product(x: NodeContext): SymTensor {
  const r = x.real;
  const [a, b] = [x.input(0), x.input(3)];
  const left = dequantised(r, a, x.input(1), x.optional(2), rows(a));
  const right = dequantised(r, b, x.input(4), x.optional(5), columns(b));
  return quantised(r, { ...matmul(r, left, right), kind: "float" }, x.input(6), x.optional(7), outputRange(x, 7));
}

function convolution(x: NodeContext): SymTensor {
  const r = x.real;
  const t = dequantised(r, x.input(0), x.input(1), x.optional(2));
  const w = dequantised(r, x.input(3), x.input(4), x.optional(5), 0);
  const bias = x.optional(8);
  // The bias is on the scale of the accumulator.
  const scales = bias?.data.map((b, i) => r.mul(b, r.mul(x.input(1).data[0] as Val, x.input(4).data[x.input(4).data.length === 1 ? 0 : i] as Val)));
  return quantised(r, convolve(x, t, w, scales), x.input(6), x.optional(7), outputRange(x, 7));
}

/** The QLinear operators of ONNX Runtime: dequantise, compute, quantise. */
const binary =
  (f: (r: RealGraph, a: Val, b: Val) => Val): Operator =>
  (x) => {
    const a = dequantised(x.real, x.input(0), x.input(1), x.optional(2));
    const b = dequantised(x.real, x.input(3), x.input(4), x.optional(5));
    return quantised(x.real, zip(a, b, "float", (p, q) => f(x.real, p, q)), x.input(6), x.optional(7), outputRange(x, 7));
  };

const unary =
  (f: (x: NodeContext, t: SymTensor) => SymTensor): Operator =>
  (x) => quantised(x.real, f(x, dequantised(x.real, x.input(0), x.input(1), x.optional(2))), x.input(3), x.optional(4), outputRange(x, 4));

export const quantisedOperators: OperatorTable = {
  QuantizeLinear: (x) => {
    const t = x.input(0);
    const to = x.number("output_dtype", 0);
    const range = to === 3 ? { bits: 8, signed: true, lo: -128, hi: 127 } : outputRange(x, 2);
    return quantised(x.real, t, x.input(1), x.optional(2), range, axisAttribute(x, t), x.number("block_size", 0));
  },
  DequantizeLinear: (x) => {
    const t = x.input(0);
    return dequantised(x.real, t, x.input(1), x.optional(2), axisAttribute(x, t), x.number("block_size", 0));
  },
  DynamicQuantizeLinear: dynamic,
  QLinearMatMul: product,
  QLinearConv: convolution,
  MatMulInteger: (x) => ({ ...matmul(x.real, shiftedBy(x, 0, 2, rows(x.input(0))), shiftedBy(x, 1, 3, columns(x.input(1)))), kind: "int" }),
  ConvInteger: (x) => ({ ...convolve(x, shiftedBy(x, 0, 2, 1), shiftedBy(x, 1, 3, 0)), kind: "int" }),
  QLinearAdd: binary((r, a, b) => r.add(a, b)),
  QLinearMul: binary((r, a, b) => r.mul(a, b)),
  QLinearSigmoid: unary((x, t) => map(t, (v) => sigmoid(x.real, v))),
  QLinearLeakyRelu: unary((x, t) => map(t, (v) => leaky(x.real, v, x.number("alpha", 0.01)))),
  QLinearGlobalAveragePool: unary((x, t) => {
    const size = sizeOf(t.shape.slice(2));
    const data = Array.from({ length: t.data.length / size }, (_, p) => x.real.lin(t.data.slice(p * size, (p + 1) * size), new Array<number>(size).fill(1 / size)));
    return { shape: [...t.shape.slice(0, 2), ...t.shape.slice(2).map(() => 1)], kind: "float", data };
  }),
};
