import { isConst, type Val } from "../../real/graph.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { build, map, zip, type SymTensor } from "../tensor.ts";
import { attended, biased, join, repeated, split } from "./attention.ts";
import { convolution } from "./convolution.ts";
import { hardSigmoid, leaky, sigmoid, tanh } from "./elementwise.ts";
import { indexFlags } from "./indexing.ts";
import { gemm } from "./linear.ts";
import { layerNormalization, softmaxLines } from "./normalise.ts";

/** The activation that ONNX Runtime's optimiser put into the node before it. */
function activated(x: NodeContext, t: SymTensor): SymTensor {
  const r = x.real;
  const kind = x.text("activation", "");
  const [a, b] = x.list("activation_params") ?? [];
  const alpha = x.number("activation_alpha", a ?? (kind === "HardSigmoid" ? 0.2 : 0.01));
  const beta = x.number("activation_beta", b ?? 0.5);
  const one = (v: Val): Val => {
    switch (kind) {
      case "":
        return v;
      case "Relu":
        return r.relu(v);
      case "LeakyRelu":
        return leaky(r, v, alpha);
      case "Sigmoid":
        return sigmoid(r, v);
      case "Tanh":
        return tanh(r, v);
      case "HardSigmoid":
        return hardSigmoid(r, v, alpha, beta);
      case "Clip":
        return r.clip(v, a ?? -Infinity, b ?? Infinity);
      default:
        throw x.refuse(`the fused activation ${kind}`, "Export without ONNX Runtime's optimisation");
    }
  };
  return map(t, one);
}

function fusedConvolution(x: NodeContext): SymTensor {
  const made = convolution(x);
  const added = x.optional(3);
  return activated(x, added ? zip(made, added, "float", (a, b) => x.real.add(a, b)) : made);
}

/** Queries, keys and values from three inputs, each [batch, tokens, hidden]. */
function multiHead(x: NodeContext): SymTensor {
  const r = x.real;
  const heads = x.number("num_heads");
  if (!x.optional(1) || !x.optional(2) || [0, 1, 2].some((i) => x.input(i).shape.length !== 3)) throw x.refuse("packed queries, keys or values", "Give three inputs of rank 3");
  for (const i of [6, 7]) if (x.optional(i)) throw x.refuse("a cache of keys and values", "Export the model without a cache");
  const bias = x.optional(3);
  let from = 0;
  const [q, k, v] = [0, 1, 2].map((i) => {
    const t = x.input(i);
    const width = t.shape[2] as number;
    const base = from;
    from += width;
    return split(bias ? map(t, (s, at) => r.add(s, bias.data[base + (at % width)] as Val)) : t, heads);
  }) as [SymTensor, SymTensor, SymTensor];
  const padding = x.optional(4);
  const mask = padding ? coveredKeys(x, padding, k.shape[2] as number) : undefined;
  return join(attended(x, q, k, v, scaleOf(x, q), [mask, x.optional(5)], x.number("unidirectional", 0) === 1));
}

const scaleOf = (x: NodeContext, q: SymTensor): number => x.number("scale", 0) || 1 / Math.sqrt(q.shape[3] as number);

/** What is added to the scores of keys that are padding: 1 keeps a key; one number for a batch is how many there are. */
export function coveredKeys(x: NodeContext, mask: SymTensor, keys: number): SymTensor {
  const low = x.number("mask_filter_value", -10000);
  const batch = mask.shape[0] as number;
  if (mask.shape.length > 2 || (mask.shape.length === 1 && mask.data.length !== batch)) throw x.refuse(`a mask of shape [${mask.shape}]`, "Give a number for each key or each batch");
  return build([batch, 1, 1, keys], "float", (index) => {
    const [b, , , key] = index as [number, number, number, number];
    const open = mask.shape.length === 1 ? x.real.ge0(x.real.lin([mask.data[b] as Val], [1], -key - 1)) : (mask.data[b * keys + key] as Val);
    return x.real.lin([open], [-low], low);
  });
}

/** Fewer heads of keys and values than of queries, each place sees those before it; without a cache. */
function grouped(x: NodeContext): SymTensor[] {
  if (x.optional(3) || x.optional(4)) throw x.refuse("a cache of keys and values", "Export the model without a cache");
  if (x.number("do_rotary", 0) === 1 || !x.optional(1) || !x.optional(2)) throw x.refuse("packed or rotated queries and keys", "Export with the standard operators");
  const heads = x.number("num_heads");
  const [q, k, v] = [split(x.input(0), heads), split(x.input(1), x.number("kv_num_heads")), split(x.input(2), x.number("kv_num_heads"))];
  const lengths = x.known(5, "the lengths of the sequences") ?? [];
  if (lengths.some((l) => l + 1 !== k.shape[2])) throw x.refuse("sequences shorter than the input", "Pass all tokens");
  return [join(attended(x, q, repeated(k, heads), repeated(v, heads), scaleOf(x, q), [], true, x.number("softcap", 0))), k, v];
}

/** Three embeddings, added and normalised: what a BERT begins with. */
function embedding(x: NodeContext): SymTensor[] {
  const r = x.real;
  const ids = x.input(0);
  const [batch, tokens] = ids.shape as [number, number];
  const width = x.input(2).shape[1] as number;
  const positions = x.optional(8);
  const row = (index: Val, table: SymTensor): Val[] => {
    if (isConst(index)) return table.data.slice(index * width, (index + 1) * width);
    const flags = indexFlags(r, index, table.shape[0] as number, true);
    return Array.from({ length: width }, (_, c) => r.lin(flags, flags.map((_, k) => table.data[k * width + c] as number)));
  };
  const constant = [2, 3, 4].every((i) => !x.optional(i) || x.input(i).data.every(isConst));
  if (!constant) throw x.refuse("embeddings that are no constants", "Export with the standard operators");
  const data: Val[] = [];
  for (let at = 0; at < batch * tokens; at++) {
    const parts = [row(ids.data[at] as Val, x.input(2)), row(positions ? (positions.data[at % positions.data.length] as Val) : at % tokens, x.input(3))];
    const segment = x.optional(1);
    if (segment && x.optional(4)) parts.push(row(segment.data[at] as Val, x.input(4)));
    for (let c = 0; c < width; c++) data.push(r.lin(parts.map((p) => p[c] as Val), parts.map(() => 1)));
  }
  const sum: SymTensor = { shape: [batch, tokens, width], kind: "float", data };
  const made = layerNormalization(x, sum, x.input(5), x.optional(6), true, 2)[0] as SymTensor;
  const mask = x.optional(7);
  const counts = Array.from({ length: batch }, (_, b): Val => (mask ? r.lin(mask.data.slice(b * tokens, (b + 1) * tokens), new Array<number>(tokens).fill(1)) : 0));
  return [made, { shape: [batch], kind: "int", data: counts }, sum];
}

/** Operators that ONNX Runtime's optimiser writes in place of several standard ones. */
export const fused: OperatorTable = {
  FusedConv: fusedConvolution,
  FusedGemm: (x) => activated(x, gemm(x)),
  MultiHeadAttention: multiHead,
  GroupQueryAttention: grouped,
  EmbedLayerNormalization: embedding,
  BiasSoftmax: (x) => {
    const axis = x.number("axis", 1);
    const t = biased(x);
    const inner = t.shape.slice(axis).reduce((a, b) => a * b, 1);
    return { ...softmaxLines(x.real, { ...t, shape: [t.data.length / inner, inner] }), shape: t.shape };
  },
};
