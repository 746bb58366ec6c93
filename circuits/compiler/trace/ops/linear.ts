import { sizeOf } from "../../import/tensor.ts";
import { isConst, type RealGraph, type Val } from "../../real/graph.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { broadcastShape, broadcastTo, build, map, strides, transpose, zip, type SymTensor } from "../tensor.ts";
import { convolution, convolutionTransposed } from "./convolution.ts";
import { powerOf } from "./elementwise.ts";
import { trainedBatchNormalization } from "./normalise.ts";

/** sum a_i b_i where either side may be constant; the products of two references cost a row each. */
export function dot(r: RealGraph, a: readonly Val[], b: readonly Val[], c: Val = 0): Val {
  const values: Val[] = [c];
  const weights: number[] = [1];
  for (let i = 0; i < a.length; i++) {
    const p = a[i] as Val;
    const q = b[i] as Val;
    if (isConst(q)) {
      values.push(p);
      weights.push(q);
    } else if (isConst(p)) {
      values.push(q);
      weights.push(p);
    } else {
      values.push(r.mul(p, q));
      weights.push(1);
    }
  }
  return r.lin(values, weights);
}

/** NumPy's matmul: vectors are promoted, leading dimensions broadcast. */
export function matmul(r: RealGraph, x: SymTensor, y: SymTensor): SymTensor {
  const a = x.shape.length === 1 ? { ...x, shape: [1, ...x.shape] } : x;
  const b = y.shape.length === 1 ? { ...y, shape: [...y.shape, 1] } : y;
  const [m, k] = a.shape.slice(-2) as [number, number];
  const n = b.shape[b.shape.length - 1] as number;
  if (b.shape[b.shape.length - 2] !== k) throw new RangeError(`matmul of [${x.shape}] and [${y.shape}]`);
  const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const left = broadcastTo(a, [...batch, m, k]);
  const right = broadcastTo(b, [...batch, k, n]);
  const data: Val[] = [];
  for (let s = 0; s < sizeOf(batch); s++) {
    const columns = Array.from({ length: n }, (_, j) => Array.from({ length: k }, (_, i) => right.data[(s * k + i) * n + j] as Val));
    for (let i = 0; i < m; i++) {
      const row = left.data.slice((s * m + i) * k, (s * m + i + 1) * k);
      for (const column of columns) data.push(dot(r, row, column));
    }
  }
  let shape = [...batch, m, n];
  if (y.shape.length === 1) shape = shape.slice(0, -1);
  if (x.shape.length === 1) shape = [...batch, ...shape.slice(batch.length + 1)];
  return { shape, kind: x.kind, data };
}

export function gemm(x: NodeContext): SymTensor {
  const t = (i: number, flag: string): SymTensor => (x.number(flag, 0) ? transpose(x.input(i), [1, 0]) : x.input(i));
  const alpha = x.number("alpha", 1);
  const beta = x.number("beta", 1);
  const product = matmul(x.real, t(0, "transA"), t(1, "transB"));
  const c = x.optional(2);
  if (!c) return map(product, (v) => x.real.mul(alpha, v));
  return zip(product, broadcastTo(c, product.shape), "float", (p, q) => x.real.lin([p, q], [alpha, beta]));
}

/** Batch normalisation with the stored statistics: one multiply-add per channel, which folds into the convolution before it. */
function batchNormalization(x: NodeContext): SymTensor | SymTensor[] {
  // Before opset 14 a node that gives statistics is one in training; its last two outputs are those of the batch.
  if (x.number("training_mode", 0) === 1 || (x.opset < 14 && x.node.outputs.filter((o) => o !== "").length > 1)) return trainedBatchNormalization(x);
  const r = x.real;
  const t = x.input(0);
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map((i) => x.input(i).data) as [Val[], Val[], Val[], Val[]];
  const epsilon = x.number("epsilon", 1e-5);
  const inner = sizeOf(t.shape.slice(2));
  const channels = t.shape[1] as number;
  const factor = scale.map((s, c) => r.mul(s, powerOf(r, r.lin([variance[c] as Val], [1], epsilon), -0.5)));
  return map(t, (v, i) => {
    // Before opset 9, statistics may stand for every position of a channel.
    const c = scale.length === channels ? Math.floor(i / inner) % channels : i % scale.length;
    return r.add(r.mul(factor[c] as Val, r.sub(v, mean[c] as Val)), bias[c] as Val);
  });
}

/** The equation with letters of its own for what an ellipsis stands for, and an explicit right side. */
function written(x: NodeContext): [string, string | undefined] {
  const [left, right] = x.text("equation", "").replaceAll(" ", "").split("->") as [string, string | undefined];
  if (!left.includes("...")) return [left, right];
  const terms = left.split(",");
  const room = terms.map((term, i) => x.input(i).shape.length - term.replace("...", "").length);
  const most = Math.max(...terms.map((term, i) => (term.includes("...") ? (room[i] as number) : 0)));
  const letters = Array.from({ length: most }, (_, i) => String.fromCharCode(0x100 + i)).join("");
  const full = terms.map((term, i) => term.replace("...", letters.slice(most - (room[i] as number))));
  const named = [...new Set(left.replaceAll("...", "").replaceAll(",", ""))].filter((l) => left.split(l).length === 2).sort();
  return [full.join(","), right === undefined ? letters + named.join("") : right.replace("...", letters)];
}

/** Einstein summation over constants and references. */
function einsum(x: NodeContext): SymTensor {
  const [left, right] = written(x);
  const terms = (left ?? "").split(",");
  const extent = new Map<string, number>();
  terms.forEach((labels, i) => [...labels].forEach((l, d) => extent.set(l, x.input(i).shape[d] as number)));
  const once = [...extent.keys()].sort().filter((l) => (left ?? "").split(l).length === 2);
  const out = right === undefined ? once : [...right];
  const summed = [...extent.keys()].filter((l) => !out.includes(l));
  const labels = [...out, ...summed];
  const stride = terms.map((own, i) => {
    const s = strides(x.input(i).shape);
    return labels.map((l) => [...own].reduce((total, o, d) => total + (o === l ? (s[d] as number) : 0), 0));
  });
  const inner = summed.map((l) => extent.get(l) as number);
  return build(out.map((l) => extent.get(l) as number), x.input(0).kind, (index) => {
    const products = build(inner, "float", (rest) => {
      const all = [...index, ...rest];
      return terms.reduce<Val>((acc, _, i) => {
        const at = (stride[i] as number[]).reduce((sum, s, d) => sum + s * (all[d] as number), 0);
        return x.real.mul(acc, x.input(i).data[at] as Val);
      }, 1);
    });
    return x.real.lin(products.data, products.data.map(() => 1));
  });
}

export const linear: OperatorTable = {
  MatMul: (x) => matmul(x.real, x.input(0), x.input(1)),
  Gemm: gemm,
  Conv: convolution,
  ConvTranspose: convolutionTransposed,
  BatchNormalization: batchNormalization,
  SpatialBN: batchNormalization,
  Einsum: einsum,
  Identity: (x) => x.input(0),
  Dropout: (x) => [x.input(0), map(x.input(0), () => 1, "bool")],
};
