import type { CompileOptions } from "../compiler/index.ts";
import { seeded } from "../compiler/quantise/samples.ts";
import { encode, weights, type NodeSpec, type TensorSpec } from "./build.ts";

const bits = (n: number): CompileOptions => ({ inputBits: n, weightBits: n, activationBits: n });

/** A dense network with ReLU between the layers; `normalise` puts (x - mean) / deviation and a scale in front. */
export function mlp(widths: number[], seed = 1, normalise = false): Uint8Array {
  const constants: Record<string, TensorSpec> = {};
  const nodes: NodeSpec[] = [];
  let at = "x";
  const n = widths[0] as number;
  if (normalise) {
    constants.mean = weights([n], 0.5, seed + 100);
    constants.deviation = { shape: [n], data: weights([n], 0.5, seed + 200).data.map((v) => Math.fround(Math.abs(v) + 0.5)) };
    constants.gain = { shape: [], data: [0.5] };
    nodes.push({ op: "Sub", in: ["x", "mean"], out: ["centred"] }, { op: "Div", in: ["centred", "deviation"], out: ["scaled"] });
    nodes.push({ op: "Mul", in: ["scaled", "gain"], out: ["normal"] }, { op: "Flatten", in: ["normal"], out: ["flat"] });
    at = "flat";
  }
  for (let i = 1; i < widths.length; i++) {
    const [a, b] = [widths[i - 1] as number, widths[i] as number];
    constants[`w${i}`] = weights([a, b], 1.7 / Math.sqrt(a), seed + i);
    constants[`b${i}`] = weights([b], 0.2, seed + i + 50);
    const last = i === widths.length - 1;
    nodes.push({ op: "Gemm", in: [at, `w${i}`, `b${i}`], out: [last ? "y" : `h${i}`] });
    if (!last) {
      nodes.push({ op: "Relu", in: [`h${i}`], out: [`r${i}`] });
      at = `r${i}`;
    }
  }
  return encode({ inputs: { x: ["batch", n] }, constants, nodes, outputs: ["y"] });
}

/** LeNet-5 on 28x28: two 5x5 convolutions with ReLU and 2x2 average pools, then 120, 84 and 10 neurons. */
export function lenet5(seed = 5): Uint8Array {
  const constants: Record<string, TensorSpec> = {
    k1: weights([6, 1, 5, 5], 0.2, seed), c1: weights([6], 0.1, seed + 1),
    k2: weights([16, 6, 5, 5], 0.08, seed + 2), c2: weights([16], 0.1, seed + 3),
    w1: weights([256, 120], 0.06, seed + 4), b1: weights([120], 0.05, seed + 5),
    w2: weights([120, 84], 0.09, seed + 6), b2: weights([84], 0.05, seed + 7),
    w3: weights([84, 10], 0.11, seed + 8), b3: weights([10], 0.05, seed + 9),
  };
  const nodes: NodeSpec[] = [
    { op: "Conv", in: ["x", "k1", "c1"], out: ["t1"], attrs: { kernel_shape: [5, 5] } },
    { op: "Relu", in: ["t1"], out: ["t2"] },
    { op: "AveragePool", in: ["t2"], out: ["t3"], attrs: { kernel_shape: [2, 2], strides: [2, 2] } },
    { op: "Conv", in: ["t3", "k2", "c2"], out: ["t4"], attrs: { kernel_shape: [5, 5] } },
    { op: "Relu", in: ["t4"], out: ["t5"] },
    { op: "AveragePool", in: ["t5"], out: ["t6"], attrs: { kernel_shape: [2, 2], strides: [2, 2] } },
    { op: "Flatten", in: ["t6"], out: ["t7"] },
    { op: "Gemm", in: ["t7", "w1", "b1"], out: ["t8"] }, { op: "Relu", in: ["t8"], out: ["t9"] },
    { op: "Gemm", in: ["t9", "w2", "b2"], out: ["t10"] }, { op: "Relu", in: ["t10"], out: ["t11"] },
    { op: "Gemm", in: ["t11", "w3", "b3"], out: ["y"] },
  ];
  return encode({ inputs: { x: [1, 1, 28, 28] }, constants, nodes, outputs: ["y"] });
}

/**
 * Boosted trees over features that are bin numbers 0 to 255: thresholds lie half-way between bins, as histogram boosting makes them, and
 * `bins` of them are in use for each feature.
 */
export function boostedTrees(trees: number, depth: number, features: number, bins = 24, seed = 9): Uint8Array {
  const next = seeded(seed);
  const treeIds: number[] = [], nodeIds: number[] = [], featureIds: number[] = [], yes: number[] = [], no: number[] = [];
  const values: number[] = [], leafTree: number[] = [], leafNode: number[] = [], leafWeights: number[] = [];
  const modes: string[] = [];
  for (let t = 0; t < trees; t++) {
    const inner = 2 ** depth - 1;
    for (let n = 0; n < 2 * inner + 1; n++) {
      const leaf = n >= inner;
      treeIds.push(t);
      nodeIds.push(n);
      modes.push(leaf ? "LEAF" : "BRANCH_LEQ");
      featureIds.push(leaf ? 0 : Math.floor(next() * features));
      values.push(leaf ? 0 : Math.floor(((Math.floor(next() * bins) + 1) * 255) / (bins + 1)) + 0.5);
      yes.push(leaf ? 0 : 2 * n + 1);
      no.push(leaf ? 0 : 2 * n + 2);
      if (!leaf) continue;
      leafTree.push(t);
      leafNode.push(n);
      leafWeights.push(Math.fround((next() - 0.5) * 0.2));
    }
  }
  const node: NodeSpec = {
    op: "TreeEnsembleRegressor", domain: "ai.onnx.ml", in: ["x"], out: ["y"], name: "trees",
    attrs: {
      n_targets: 1, nodes_treeids: treeIds, nodes_nodeids: nodeIds, nodes_featureids: featureIds, nodes_modes: { strings: modes },
      nodes_values: { floats: values }, nodes_truenodeids: yes, nodes_falsenodeids: no, target_treeids: leafTree, target_nodeids: leafNode,
      target_ids: leafWeights.map(() => 0), target_weights: { floats: leafWeights },
    },
  };
  return encode({ inputs: { x: [1, features] }, nodes: [node], outputs: ["y"] });
}

/** One recurrent layer, unrolled over `steps`, with a dense head on the last hidden state. */
export function recurrent(op: "LSTM" | "GRU" | "RNN", hidden: number, width: number, steps: number, seed = 11): Uint8Array {
  const gates = { LSTM: 4, GRU: 3, RNN: 1 }[op];
  const size = 1 / Math.sqrt(hidden);
  const constants: Record<string, TensorSpec> = {
    w: weights([1, gates * hidden, width], size, seed), r: weights([1, gates * hidden, hidden], size, seed + 1),
    b: weights([1, 2 * gates * hidden], size, seed + 2), head: weights([hidden, 1], 1, seed + 3),
    axes: { shape: [1], data: [0], type: "int64" },
  };
  const nodes: NodeSpec[] = [
    { op, in: ["x", "w", "r", "b"], out: ["", "h"], name: "cell", attrs: { hidden_size: hidden } },
    { op: "Squeeze", in: ["h", "axes"], out: ["last"] },
    { op: "MatMul", in: ["last", "head"], out: ["y"] },
  ];
  return encode({ inputs: { x: [steps, 1, width] }, constants, nodes, outputs: ["y"] });
}

/** A pre-norm transformer block: attention with `heads` heads, then a GELU network of width `inner`, residuals around both. */
export function transformerBlock(tokens: number, width: number, heads: number, inner: number, seed = 21): Uint8Array {
  const dense = (a: number, b: number, s: number): TensorSpec => weights([a, b], 1.5 / Math.sqrt(a), seed + s);
  const gain = (s: number): TensorSpec => ({ shape: [width], data: weights([width], 0.2, seed + s).data.map((v) => Math.fround(1 + v)) });
  const part = width / heads;
  const constants: Record<string, TensorSpec> = {
    g1: gain(1), o1: weights([width], 0.1, seed + 2), g2: gain(3), o2: weights([width], 0.1, seed + 4),
    wq: dense(width, width, 5), wk: dense(width, width, 6), wv: dense(width, width, 7), wo: dense(width, width, 8),
    wu: dense(width, inner, 9), bu: weights([inner], 0.1, seed + 10), wd: dense(inner, width, 11), bd: weights([width], 0.1, seed + 12),
    split: { shape: [3], data: [tokens, heads, part], type: "int64" }, join: { shape: [2], data: [tokens, width], type: "int64" },
    root: { shape: [], data: [Math.fround(Math.sqrt(part))] },
  };
  const nodes: NodeSpec[] = [{ op: "LayerNormalization", in: ["x", "g1", "o1"], out: ["n1"] }];
  for (const [m, perm] of [["q", [1, 0, 2]], ["k", [1, 2, 0]], ["v", [1, 0, 2]]] as const) {
    nodes.push({ op: "MatMul", in: ["n1", `w${m}`], out: [`${m}0`] }, { op: "Reshape", in: [`${m}0`, "split"], out: [`${m}1`] });
    nodes.push({ op: "Transpose", in: [`${m}1`], out: [m], attrs: { perm: [...perm] } });
  }
  nodes.push(
    { op: "MatMul", in: ["q", "k"], out: ["s0"] }, { op: "Div", in: ["s0", "root"], out: ["s1"] },
    { op: "Softmax", in: ["s1"], out: ["p"] }, { op: "MatMul", in: ["p", "v"], out: ["a0"] },
    { op: "Transpose", in: ["a0"], out: ["a1"], attrs: { perm: [1, 0, 2] } }, { op: "Reshape", in: ["a1", "join"], out: ["a2"] },
    { op: "MatMul", in: ["a2", "wo"], out: ["a3"] }, { op: "Add", in: ["x", "a3"], out: ["r1"] },
    { op: "LayerNormalization", in: ["r1", "g2", "o2"], out: ["n2"] },
    { op: "MatMul", in: ["n2", "wu"], out: ["u0"] }, { op: "Add", in: ["u0", "bu"], out: ["u1"] }, { op: "Gelu", in: ["u1"], out: ["u2"] },
    { op: "MatMul", in: ["u2", "wd"], out: ["d0"] }, { op: "Add", in: ["d0", "bd"], out: ["d1"] }, { op: "Add", in: ["r1", "d1"], out: ["y"] },
  );
  return encode({ inputs: { x: [tokens, width] }, constants, nodes, outputs: ["y"], opset: 20 });
}

export interface Benchmark {
  readonly name: string;
  readonly onnx: () => Uint8Array;
  readonly options: CompileOptions;
  /** Most rows it may take. */
  readonly target: number;
}

const unit = { x: { lo: 0, hi: 1 } };

/** The models of the benchmark, with the options under which their figures hold. */
export const benchmarks: readonly Benchmark[] = [
  {
    name: "mlp-784-56-10", onnx: () => mlp([784, 56, 10]),
    // Few sums have many terms: digits of their weights cost next to nothing, and with twelve the error is proved.
    options: { ...bits(8), weightBits: 12, inputs: unit, inputMode: "words" }, target: 9_000,
  },
  { name: "lenet5", onnx: () => lenet5(), options: { ...bits(8), weightBits: 7, inputs: unit }, target: 110_000 },
  {
    name: "mlp-2m", onnx: () => mlp([784, 2000, 60, 4000, 10]),
    options: { inputBits: 5, weightBits: 6, activationBits: 5, clamp: true, inputs: unit, inputMode: "words" },
    target: 125_000,
  },
  // A leaf's digits cost no row: two more than a feature's make the sum of 128 roundings small.
  { name: "gbdt-128x6", onnx: () => boostedTrees(128, 6, 32), options: { ...bits(8), weightBits: 10, inputs: { x: { lo: 0, hi: 255 } } }, target: 8_000 },
  {
    name: "lstm-16x16", onnx: () => recurrent("LSTM", 16, 4, 16),
    // Sixteen steps add up what each one rounds.
    options: { ...bits(8), weightBits: 9, activationBits: 10, pieceBits: 7 }, target: 72_000,
  },
  {
    name: "attention-8x16", onnx: () => transformerBlock(8, 16, 2, 64),
    // Tokens of little spread are normalised to full size, and with them what their rounding left.
    options: { ...bits(8), inputBits: 12, activationBits: 9, pieceBits: 8, outputBits: 80, inputs: { x: { lo: -2, hi: 2 } } }, target: 62_000,
  },
];
