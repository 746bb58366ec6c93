import { sizeOf } from "../../import/tensor.ts";
import type { RealGraph, Val } from "../../real/graph.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { axisOf, broadcastTo, build, map, transpose, zip, type SymTensor } from "../tensor.ts";
import { powerOf, softplus, tanh } from "./elementwise.ts";
import { concat } from "./layout.ts";
import { matmul } from "./linear.ts";
import { normalise } from "./normalise.ts";
import { pool } from "./pool.ts";
import { columns, dequantised, dynamic, outputRange, quantised, rows } from "./quantised.ts";
import { reduce } from "./reduce.ts";

/**
 * Operators that ONNX Runtime adds, and a few that ONNX once had. The quantised ones dequantise, compute and quantise: what they save is time,
 * and no rows.
 */

const only = (made: SymTensor | SymTensor[]): SymTensor => (Array.isArray(made) ? (made[0] as SymTensor) : made);

/** One operand with its scale and zero point, the result with the two that follow. */
function throughFloats(x: NodeContext, f: (t: SymTensor) => SymTensor): SymTensor {
  const t = dequantised(x.real, x.input(0), x.input(1), x.optional(2));
  return quantised(x.real, f(t), x.input(3), x.optional(4), outputRange(x, 4));
}

/** Result scale and zero point first, then each part with its own. */
function concatenated(x: NodeContext): SymTensor {
  const parts = Array.from({ length: (x.inputs.length - 2) / 3 }, (_, k) => dequantised(x.real, x.input(2 + 3 * k), x.input(3 + 3 * k), x.optional(4 + 3 * k)));
  const axis = axisOf(x.number("axis"), (parts[0] as SymTensor).shape.length);
  return quantised(x.real, concat(parts, axis), x.input(0), x.optional(1), outputRange(x, 1));
}

function chosen(x: NodeContext): SymTensor {
  const r = x.real;
  const [a, b] = [1, 4].map((i) => dequantised(r, x.input(i), x.input(i + 1), x.optional(i + 2))) as [SymTensor, SymTensor];
  const sides = zip(a, b, "float", (p) => p);
  const shape = zip(x.input(0), sides, "float", (p) => p).shape;
  const [c, yes, no] = [x.input(0), a, b].map((t) => broadcastTo(t, shape)) as [SymTensor, SymTensor, SymTensor];
  const made: SymTensor = { shape, kind: "float", data: c.data.map((v, i) => r.select(v, yes.data[i] as Val, no.data[i] as Val)) };
  return quantised(r, made, x.input(7), x.optional(8), outputRange(x, 8));
}

const added = (r: RealGraph, t: SymTensor, bias: SymTensor | undefined): SymTensor => (bias ? zip(t, bias, t.kind, (p, q) => r.add(p, q)) : t);

/** alpha (a - za) sa (b - zb) sb + c sa sb, quantised where the result has a scale. */
function quantisedGemm(x: NodeContext): SymTensor {
  const r = x.real;
  const alpha = x.number("alpha", 1);
  const turned = (t: SymTensor, flag: string): SymTensor => (x.number(flag, 0) === 1 ? transpose(t, [1, 0]) : t);
  const a = turned(dequantised(r, x.input(0), x.input(1), x.optional(2)), "transA");
  const b = turned(dequantised(r, x.input(3), x.input(4), x.optional(5), x.number("transB", 0) === 1 ? 0 : 1), "transB");
  const product = map({ ...matmul(r, a, b), kind: "float" }, (v) => r.mul(alpha, v));
  const c = x.optional(6);
  const scales = x.input(4).data.map((s) => r.mul(x.input(1).data[0] as Val, s));
  const bias = c && build(c.shape, "float", (index, i) => r.mul(c.data[i] as Val, scales[scales.length === 1 ? 0 : (index[c.shape.length - 1] as number)] as Val));
  const sum = added(r, product, bias && map(bias, (v) => r.mul(alpha, v)));
  return x.optional(7) ? quantised(r, sum, x.input(7), x.optional(8), outputRange(x, 8)) : sum;
}

function integerProduct(x: NodeContext, a: SymTensor, scale: SymTensor, zero: SymTensor | undefined, own: readonly [scale: number, zero: number]): SymTensor {
  const r = x.real;
  const b = x.input(1);
  const left = dequantised(r, a, scale, zero, rows(a));
  const right = dequantised(r, b, x.input(own[0]), x.optional(own[1]), columns(b));
  return { ...matmul(r, left, right), kind: "float" };
}

/** Weights of 2 to 8 bits, several in a byte, the low digits first, with a scale and a zero point for each block of a row. */
function packedWeights(x: NodeContext): SymTensor {
  const r = x.real;
  const [k, n, bits, block] = [x.number("K"), x.number("N"), x.number("bits", 4), x.number("block_size")] as [number, number, number, number];
  if (x.optional(4)) throw x.refuse("reordered weights (g_idx)", "Export without act_order");
  const bytes = x.known(1, "the weights") as number[];
  const scales = x.input(2).data;
  const zeros = x.optional(3);
  const blocks = Math.ceil(k / block);
  const perByte = 8 / bits;
  const unpack = (list: readonly number[], row: number, at: number, width: number): number => ((list[row * width + Math.floor(at / perByte)] as number) >> (bits * (at % perByte))) % 2 ** bits;
  const packedZeros = zeros && zeros.kind !== "float" ? (x.known(3, "the zero points") as number[]) : undefined;
  const zeroOf = (row: number, b: number): Val => {
    if (packedZeros) return unpack(packedZeros, row, b, Math.ceil(blocks / perByte));
    return zeros ? (zeros.data[row * blocks + b] as Val) : 2 ** (bits - 1);
  };
  return build([k, n], "float", (index) => {
    const [i, row] = index as [number, number];
    const b = Math.floor(i / block);
    const q = unpack(bytes, row * blocks + b, i % block, (block * bits) / 8);
    return r.mul(r.sub(q, zeroOf(row, b)), scales[row * blocks + b] as Val);
  });
}

/** Distances between every row of the one and every row of the other. */
function distances(x: NodeContext): SymTensor {
  const r = x.real;
  const [a, b] = [x.input(0), x.input(1)];
  const width = a.shape[1] as number;
  const metric = x.text("metric", "sqeuclidean");
  if (metric !== "sqeuclidean" && metric !== "euclidean") throw x.refuse(`metric ${metric}`, "Use euclidean or sqeuclidean");
  return build([a.shape[0] as number, b.shape[0] as number], "float", (index) => {
    const [i, j] = index as [number, number];
    const parts = Array.from({ length: width }, (_, k) => r.sub(a.data[i * width + k] as Val, b.data[j * width + k] as Val)).map((d) => r.mul(d, d));
    const sum = r.lin(parts, parts.map(() => 1));
    return metric === "euclidean" ? powerOf(r, sum, 0.5) : sum;
  });
}

/** Cramer's rule: small matrices alone. */
function inverse(x: NodeContext): SymTensor {
  const r = x.real;
  const t = x.input(0);
  const n = t.shape[t.shape.length - 1] as number;
  if (n > 3) throw x.refuse(`the inverse of a matrix of ${n} x ${n}`, "Use at most 3 x 3, or solve outside of the model");
  const minor = (m: readonly (readonly Val[])[], row: number, column: number): Val[][] => m.filter((_, i) => i !== row).map((line) => line.filter((_, j) => j !== column));
  const determinant = (m: readonly (readonly Val[])[]): Val => {
    if (m.length === 0) return 1;
    const parts = (m[0] as readonly Val[]).map((v, j) => r.mul(v, determinant(minor(m, 0, j))));
    return r.lin(parts, parts.map((_, j) => (j % 2 ? -1 : 1)));
  };
  const data: Val[] = [];
  for (let at = 0; at < t.data.length; at += n * n) {
    const m = Array.from({ length: n }, (_, i) => t.data.slice(at + i * n, at + (i + 1) * n));
    const whole = determinant(m);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) data.push(r.div(r.mul((i + j) % 2 ? -1 : 1, determinant(minor(m, j, i))), whole));
  }
  return { ...t, data };
}

export const contrib: OperatorTable = {
  QLinearAveragePool: (x) => throughFloats(x, (t) => {
    if (x.number("channels_last", 0) === 1) throw x.refuse("channels behind the image", "Export with channels in front");
    return only((pool.AveragePool as NonNullable<typeof pool.AveragePool>)(x.as([t])));
  }),
  QLinearReduceMean: (x) => throughFloats(x, (t) => only((reduce.ReduceMean as NonNullable<typeof reduce.ReduceMean>)(x.as([t])))),
  QLinearSoftmax: (x) => throughFloats(x, (t) => only((normalise.Softmax as NonNullable<typeof normalise.Softmax>)(x.as([t], {}, x.number("opset", 13))))),
  QLinearConcat: concatenated,
  QLinearWhere: chosen,
  QGemm: quantisedGemm,
  MatMulIntegerToFloat: (x) => added(x.real, integerProduct(x, x.input(0), x.input(2), x.optional(4), [3, 5]), x.optional(6)),
  DynamicQuantizeMatMul: (x) => {
    const [q, scale, zero] = dynamic(x) as [SymTensor, SymTensor, SymTensor];
    return added(x.real, integerProduct(x, q, scale, zero, [2, 3]), x.optional(4));
  },
  MatMulNBits: (x) => added(x.real, matmul(x.real, x.input(0), packedWeights(x)), x.optional(5)),
  CDist: distances,
  Inverse: inverse,
  ExpandDims: (x) => {
    const t = x.input(0);
    const at = axisOf((x.known(1, "the axis") as number[])[0] as number, t.shape.length + 1);
    return { ...t, shape: [...t.shape.slice(0, at), 1, ...t.shape.slice(at)] };
  },
  BiasDropout: (x) => added(x.real, added(x.real, x.input(0), x.input(1)), x.optional(2)),
  Affine: (x) => map(x.input(0), (v) => x.real.lin([v], [x.number("alpha", 1)], x.number("beta", 0))),
  ScaledTanh: (x) => map(x.input(0), (v) => x.real.mul(x.number("alpha", 1), tanh(x.real, x.real.mul(x.number("beta", 1), v)))),
  ParametricSoftplus: (x) => map(x.input(0), (v) => x.real.mul(x.number("alpha", 1), softplus(x.real, x.real.mul(x.number("beta", 1), v)))),
  ImageScaler: (x) => {
    const t = x.input(0);
    const bias = x.list("bias") ?? [];
    const size = sizeOf(t.shape.slice(2));
    return map(t, (v, i) => x.real.lin([v], [x.number("scale", 1)], bias[Math.floor(i / size) % (t.shape[1] as number)] ?? 0));
  },
};
