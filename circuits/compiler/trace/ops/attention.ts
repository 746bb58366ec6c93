import type { Val } from "../../real/graph.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { map, transpose, zip, type SymTensor } from "../tensor.ts";
import { concat } from "./layout.ts";
import { apply } from "./elementwise.ts";
import { matmul } from "./linear.ts";
import { coveredKeys } from "./fused.ts";
import { layerNormalization, softmaxLines } from "./normalise.ts";

/** [batch, tokens, heads * width] as [batch, heads, tokens, width]. */
export function split(t: SymTensor, heads: number): SymTensor {
  const [b, n, w] = t.shape as [number, number, number];
  return transpose({ ...t, shape: [b, n, heads, w / heads] }, [0, 2, 1, 3]);
}

export function join(t: SymTensor): SymTensor {
  const [b, h, n, w] = t.shape as [number, number, number, number];
  return { ...transpose(t, [0, 2, 1, 3]), shape: [b, n, h * w] };
}

/** Fewer key heads than query heads: each serves a group of neighbours. */
export function repeated(t: SymTensor, heads: number): SymTensor {
  const own = t.shape[1] as number;
  if (own === heads) return t;
  const size = t.data.length / (t.shape[0] as number) / own;
  const data: Val[] = [];
  for (let b = 0; b < (t.shape[0] as number); b++) {
    for (let h = 0; h < heads; h++) {
      const from = (b * own + Math.floor((h * own) / heads)) * size;
      data.push(...t.data.slice(from, from + size));
    }
  }
  return { ...t, shape: [t.shape[0] as number, heads, ...t.shape.slice(2)], data };
}


/** softmax(scale Q K^T + masks) V for [batch, heads, tokens, width]; flags in a mask open, numbers are added. */
export function attended(
  x: NodeContext, q: SymTensor, k: SymTensor, v: SymTensor, scale: number, masks: readonly (SymTensor | undefined)[], causal: boolean, cap = 0,
): SymTensor {
  const r = x.real;
  let scores = map(matmul(r, q, transpose(k, [0, 1, 3, 2])), (s) => r.mul(scale, s));
  if (cap > 0) scores = map(scores, (s) => r.mul(cap, apply(r, "tanh", r.mul(1 / cap, s))));
  for (const mask of masks) {
    if (mask) scores = zip(scores, mask, "float", (s, m) => (mask.kind === "bool" ? r.select(m, s, -Infinity) : r.add(s, m)));
  }
  const [n, past] = scores.shape.slice(-2) as [number, number];
  if (causal) scores = map(scores, (s, i) => (i % past > (Math.floor(i / past) % n) + past - n ? -Infinity : s));
  return matmul(r, softmaxLines(r, scores), v);
}

/** The standard operator (opset 23), with caches, grouped heads, a mask and a soft cap. */
function attention(x: NodeContext): SymTensor[] {
  const flat = x.input(0).shape.length === 3;
  const q = flat ? split(x.input(0), x.number("q_num_heads")) : x.input(0);
  const heads = q.shape[1] as number;
  let k = flat ? split(x.input(1), x.number("kv_num_heads")) : x.input(1);
  let v = flat ? split(x.input(2), x.number("kv_num_heads")) : x.input(2);
  if (x.optional(4)) k = concat([x.input(4), k], 2);
  if (x.optional(5)) v = concat([x.input(5), v], 2);
  const scale = x.number("scale", 1 / Math.sqrt(q.shape[3] as number));
  const out = attended(x, q, repeated(k, heads), repeated(v, heads), scale, [x.optional(3)], x.number("is_causal", 0) === 1, x.number("softcap", 0));
  return [flat ? join(out) : out, k, v];
}

/** ONNX Runtime's fused self-attention: one matrix gives queries, keys and values. */
function fusedAttention(x: NodeContext): SymTensor[] {
  const r = x.real;
  const heads = x.number("num_heads");
  const bias = x.optional(2);
  const all = matmul(r, x.input(0), x.input(1));
  const made = bias ? zip(all, bias, "float", (a, b) => r.add(a, b)) : all;
  const width = (made.shape[2] as number) / 3;
  const part = (k: number): SymTensor => {
    const data = made.data.filter((_, i) => Math.floor((i % (3 * width)) / width) === k);
    return split({ ...made, shape: [made.shape[0] as number, made.shape[1] as number, width], data }, heads);
  };
  for (const i of [4, 6]) if (x.optional(i)) throw x.refuse("a cache of keys and values", "Export the model without a cache");
  const [q, k, v] = [part(0), part(1), part(2)];
  const index = x.optional(3);
  const masks = [index && coveredKeys(x, index, k.shape[2] as number), x.optional(5)];
  return [join(attended(x, q, k, v, x.number("scale", 0) || 1 / Math.sqrt(q.shape[3] as number), masks, x.number("unidirectional", 0) === 1))];
}

/** Pairs of channels turned by the angle of their position. */
function rotary(x: NodeContext, places: { cos: number; sin: number; positions: number }): SymTensor {
  const r = x.real;
  const given = x.input(0);
  const [cos, sin] = [x.input(places.cos), x.input(places.sin)];
  const flat = given.shape.length === 3;
  const count = x.number("num_heads", 0) || (given.shape[2] as number) / (2 * (cos.shape[cos.shape.length - 1] as number));
  const t = flat ? split(given, count) : given;
  const [, heads, tokens, width] = t.shape as [number, number, number, number];
  const turned = x.number("rotary_embedding_dim", 0) || width;
  const half = turned / 2;
  const interleaved = x.number("interleaved", 0) === 1;
  const positions = x.known(places.positions, "the positions");
  const line = (b: number, n: number): number => {
    if (!positions) return b * tokens + n;
    // One position for all is that of the first token.
    return positions.length === 1 ? (positions[0] as number) + n : (positions[b * tokens + n] as number);
  };
  const angle = (m: SymTensor, b: number, n: number, i: number): Val => m.data[line(b, n) * half + i] as Val;
  const data = t.data.map((v, at): Val => {
    const c = at % width;
    if (c >= turned) return v;
    const n = Math.floor(at / width) % tokens;
    const b = Math.floor(at / width / tokens / heads);
    const i = interleaved ? c >> 1 : c % half;
    const first = interleaved ? c % 2 === 0 : c < half;
    const other = t.data[at + (first ? 1 : -1) * (interleaved ? 1 : half)] as Val;
    const [p, q] = [r.mul(angle(cos, b, n, i), v), r.mul(angle(sin, b, n, i), other)];
    return first ? r.sub(p, q) : r.add(p, q);
  });
  return flat ? join({ ...t, data }) : { ...t, data };
}

/** Normalisation of a sum: input, skip, gamma, beta, bias. */
function skipNormalization(x: NodeContext, centre: boolean): SymTensor[] {
  const r = x.real;
  const bias = x.optional(centre ? 4 : 3);
  let sum = zip(x.input(0), x.input(1), "float", (a, b) => r.add(a, b));
  if (bias) sum = zip(sum, bias, "float", (a, b) => r.add(a, b));
  return [layerNormalization(x, sum, x.input(2), centre ? x.optional(3) : undefined, centre, sum.shape.length - 1)[0] as SymTensor];
}

export const biased = (x: NodeContext): SymTensor => {
  const bias = x.optional(1);
  return bias ? zip(x.input(0), bias, "float", (a, b) => x.real.add(a, b)) : x.input(0);
};

/** A product of operands whose last two axes may be turned. */
function turnedProduct(x: NodeContext): SymTensor {
  const turn = (t: SymTensor, flag: string): SymTensor => {
    if (x.number(flag, 0) === 0) return t;
    const n = t.shape.length;
    return transpose(t, Array.from({ length: n }, (_, i) => (i < n - 2 ? i : 2 * n - 3 - i)));
  };
  return map(matmul(x.real, turn(x.input(0), "transA"), turn(x.input(1), "transB")), (v) => x.real.mul(x.number("alpha", 1), v));
}

export const attentionOperators: OperatorTable = {
  Attention: (x) => (x.node.domain === "com.microsoft" ? fusedAttention(x) : attention(x)),
  RotaryEmbedding: (x) => rotary(x, x.node.domain === "com.microsoft" ? { cos: 2, sin: 3, positions: 1 } : { cos: 1, sin: 2, positions: 3 }),
  SkipLayerNormalization: (x) => skipNormalization(x, true),
  SkipSimplifiedLayerNormalization: (x) => skipNormalization(x, false),
  FastGelu: (x) => map(biased(x), (v) => apply(x.real, "geluTanh", v)),
  BiasGelu: (x) => map(biased(x), (v) => apply(x.real, "gelu", v)),
  QuickGelu: (x) => {
    const alpha = x.number("alpha", 1.702);
    return map(x.input(0), (v) => x.real.mul(1 / alpha, apply(x.real, "silu", x.real.mul(alpha, v))));
  },
  FusedMatMul: turnedProduct,
  TransposeMatMul: turnedProduct,
};
