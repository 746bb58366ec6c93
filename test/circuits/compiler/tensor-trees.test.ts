import { expect } from "chai";

import { compileModel, runInteger, type CompiledModel } from "../../../circuits/compiler/index.ts";
import { seeded } from "../../../circuits/compiler/quantise/samples.ts";
import { encode, type NodeSpec, type TensorSpec } from "../../../circuits/models/build.ts";

const [TREES, DEPTH, FEATURES] = [6, 4, 5];
const INNER = 2 ** DEPTH - 1;
const LEAVES = 2 ** DEPTH;

/** Node n of a tree has the children 2n + 1 (x <= threshold) and 2n + 2; leaves follow the inner nodes. */
interface Tree {
  readonly feature: number[];
  readonly threshold: number[];
  readonly leaf: number[];
}

const trees: Tree[] = (() => {
  const next = seeded(23);
  return Array.from({ length: TREES }, () => ({
    feature: Array.from({ length: INNER }, () => Math.floor(next() * FEATURES)),
    threshold: Array.from({ length: INNER }, () => Math.floor(next() * 20) * 12 + 6.5),
    leaf: Array.from({ length: LEAVES }, () => Math.fround(next() - 0.5)),
  }));
})();

const ints = (data: number[], shape = [data.length]): TensorSpec => ({ shape, data, type: "int64" });
const floats = (data: number[], shape = [data.length]): TensorSpec => ({ shape, data });
const flat = <T>(f: (t: Tree, k: number) => T[]): T[] => trees.flatMap(f);

/** The ensemble as ai.onnx.ml has it: what the tensor forms must come close to. */
function ensemble(): Uint8Array {
  const nodes = INNER + LEAVES;
  const each = <T>(f: (n: number, t: Tree, k: number) => T): T[] => flat((t, k) => Array.from({ length: nodes }, (_, n) => f(n, t, k)));
  const attrs = {
    nodes_treeids: each((_, __, k) => k), nodes_nodeids: each((n) => n), nodes_featureids: each((n, t) => t.feature[n] ?? 0),
    nodes_modes: { strings: each((n) => (n < INNER ? "BRANCH_LEQ" : "LEAF")) }, nodes_values: { floats: each((n, t) => t.threshold[n] ?? 0) },
    nodes_truenodeids: each((n) => (n < INNER ? 2 * n + 1 : 0)), nodes_falsenodeids: each((n) => (n < INNER ? 2 * n + 2 : 0)),
    target_treeids: flat((t, k) => t.leaf.map(() => k)), target_nodeids: flat((t) => t.leaf.map((_, i) => INNER + i)),
    target_ids: flat((t) => t.leaf.map(() => 0)), target_weights: { floats: flat((t) => t.leaf) }, n_targets: 1,
  };
  return encode({ inputs: { x: [1, FEATURES] }, nodes: [{ op: "TreeEnsembleRegressor", domain: "ai.onnx.ml", in: ["x"], out: ["y"], attrs }], outputs: ["y"] });
}

/** Matrix form: select features, compare, count the tests that came out as each path wants them, compare with its length, weigh leaves. */
function matrices(): Uint8Array {
  const select = flat((t) => t.feature.flatMap((f) => Array.from({ length: FEATURES }, (_, i) => Number(i === f))));
  const paths: number[] = [];
  const counts: number[] = [];
  for (let k = 0; k < TREES; k++) {
    for (let l = 0; l < LEAVES; l++) {
      const row = new Array<number>(INNER).fill(0);
      let count = 0;
      for (let n = INNER + l; n > 0; n = (n - 1) >> 1) {
        row[(n - 1) >> 1] = n % 2 ? 1 : -1;
        count += n % 2;
      }
      paths.push(...row);
      counts.push(count);
    }
  }
  const nodes: NodeSpec[] = [
    { op: "Transpose", in: ["x"], out: ["xt"] }, { op: "MatMul", in: ["select", "xt"], out: ["chosen"] },
    { op: "LessOrEqual", in: ["chosen", "thresholds"], out: ["tests"] }, { op: "Cast", in: ["tests"], out: ["d"], attrs: { to: 1 } },
    { op: "Reshape", in: ["d", "shape"], out: ["d3"] }, { op: "MatMul", in: ["paths", "d3"], out: ["met"] },
    { op: "Equal", in: ["met", "counts"], out: ["hit"] }, { op: "Cast", in: ["hit"], out: ["h"], attrs: { to: 1 } },
    { op: "MatMul", in: ["leaves", "h"], out: ["parts"] }, { op: "ReduceSum", in: ["parts", "axes"], out: ["y"], attrs: { keepdims: 0 } },
  ];
  const constants = {
    select: floats(select, [TREES * INNER, FEATURES]), thresholds: floats(flat((t) => t.threshold), [TREES * INNER, 1]), shape: ints([TREES, INNER, 1]),
    paths: floats(paths, [TREES, LEAVES, INNER]), counts: floats(counts, [TREES, LEAVES, 1]), leaves: floats(flat((t) => t.leaf), [TREES, 1, LEAVES]), axes: ints([0]),
  };
  return encode({ inputs: { x: [1, FEATURES] }, constants, nodes, outputs: ["y"], opset: 16 });
}

/** Chasing indices through tables of children, features and thresholds. */
function traversal(): Uint8Array {
  const size = INNER + LEAVES;
  const table = (f: (n: number, t: Tree, k: number) => number): number[] => flat((t, k) => Array.from({ length: size }, (_, n) => f(n, t, k)));
  const nodes: NodeSpec[] = [];
  let at = "roots";
  for (let d = 0; d < DEPTH; d++) {
    nodes.push(
      { op: "Gather", in: ["features", at], out: [`f${d}`] }, { op: "GatherElements", in: ["x", `f${d}`], out: [`v${d}`], attrs: { axis: 1 } },
      { op: "Gather", in: ["thresholds", at], out: [`t${d}`] }, { op: "Gather", in: ["lefts", at], out: [`l${d}`] }, { op: "Gather", in: ["rights", at], out: [`r${d}`] },
      { op: "LessOrEqual", in: [`v${d}`, `t${d}`], out: [`c${d}`] }, { op: "Where", in: [`c${d}`, `l${d}`, `r${d}`], out: [`n${d}`] },
    );
    at = `n${d}`;
  }
  nodes.push({ op: "Gather", in: ["values", at], out: ["parts"] }, { op: "ReduceSum", in: ["parts", "axes"], out: ["y"] });
  const constants = {
    roots: ints(trees.map((_, k) => k * size), [1, TREES]), features: ints(table((n, t) => t.feature[n] ?? 0)), thresholds: floats(table((n, t) => t.threshold[n] ?? 0)),
    lefts: ints(table((n, _, k) => k * size + (n < INNER ? 2 * n + 1 : n))), rights: ints(table((n, _, k) => k * size + (n < INNER ? 2 * n + 2 : n))),
    values: floats(table((n, t) => t.leaf[n - INNER] ?? 0)), axes: ints([1]),
  };
  return encode({ inputs: { x: [1, FEATURES] }, constants, nodes, outputs: ["y"], opset: 16 });
}

/** Index arithmetic on complete trees: the next index is twice this one plus the outcome of the test. */
function perfect(): Uint8Array {
  const nodes: NodeSpec[] = [
    { op: "Gather", in: ["x", "f0"], out: ["v0"], attrs: { axis: 1 } }, { op: "Greater", in: ["v0", "t0"], out: ["c0"] },
    { op: "Cast", in: ["c0"], out: ["b0"], attrs: { to: 7 } }, { op: "Add", in: ["b0", "offset"], out: ["n0"] },
  ];
  const constants: Record<string, TensorSpec> = {
    f0: ints(trees.map((t) => t.feature[0] as number)), t0: floats(trees.map((t) => t.threshold[0] as number), [1, TREES]), offset: ints(trees.map((_, k) => 2 * k), [1, TREES]),
    two: ints([2], []), leaves: floats(flat((t) => t.leaf)), axes: ints([1]),
  };
  for (let d = 1; d < DEPTH; d++) {
    const level = (list: (t: Tree) => number[]): number[] => flat((t) => list(t).slice(2 ** d - 1, 2 ** (d + 1) - 1));
    constants[`f${d}`] = ints(level((t) => t.feature));
    constants[`t${d}`] = floats(level((t) => t.threshold));
    const [now, before] = [`n${d}`, `n${d - 1}`];
    nodes.push(
      { op: "Gather", in: [`f${d}`, before], out: [`i${d}`] }, { op: "GatherElements", in: ["x", `i${d}`], out: [`v${d}`], attrs: { axis: 1 } },
      { op: "Gather", in: [`t${d}`, before], out: [`s${d}`] }, { op: "Greater", in: [`v${d}`, `s${d}`], out: [`c${d}`] },
      { op: "Cast", in: [`c${d}`], out: [`b${d}`], attrs: { to: 7 } }, { op: "Mul", in: [before, "two"], out: [`m${d}`] }, { op: "Add", in: [`m${d}`, `b${d}`], out: [now] },
    );
  }
  nodes.push({ op: "Gather", in: ["leaves", `n${DEPTH - 1}`], out: ["parts"] }, { op: "ReduceSum", in: ["parts", "axes"], out: ["y"] });
  return encode({ inputs: { x: [1, FEATURES] }, constants, nodes, outputs: ["y"], opset: 16 });
}

describe("circuits/compiler: trees written with tensor operators", () => {
  const options = { inputBits: 8, weightBits: 12, inputs: { x: { lo: 0, hi: 255 } } };
  let reference: CompiledModel;
  before(() => {
    reference = compileModel(ensemble(), options);
  });

  for (const [name, make] of Object.entries({ matrices, traversal, perfect })) {
    it(`${name}: the same outputs as the ensemble, and rows close to its own`, () => {
      const model = compileModel(make(), options);
      const next = seeded(5);
      for (let run = 0; run < 40; run++) {
        const x = Array.from({ length: FEATURES }, () => Math.floor(next() * 256));
        const [want, got] = [reference, model].map((m) => runInteger(m, { x }).tensors.y?.[0] as number) as [number, number];
        const exact = trees.reduce((sum, t) => {
          let n = 0;
          while (n < INNER) n = 2 * n + ((x[t.feature[n] as number] as number) <= (t.threshold[n] as number) ? 1 : 2);
          return sum + (t.leaf[n - INNER] as number);
        }, 0);
        expect(Math.abs(got - exact), `want ${exact}`).to.be.at.most(0.002);
        expect(Math.abs(got - want)).to.be.at.most(0.002);
      }
      expect(model.rows.total).to.be.at.most(Math.ceil(reference.rows.total * 1.05));
    });
  }
});
