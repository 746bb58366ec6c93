import type { RealGraph, Val } from "../../real/graph.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { classLabels, labelOf, transformed } from "./classic.ts";
import type { SymTensor } from "../tensor.ts";
import { decision } from "./reduce.ts";

/** A node of a decision tree: leaves have weights by target, branches test one feature. */
interface TreeNode {
  readonly feature: number;
  readonly threshold: number;
  readonly mode: string;
  readonly yes: number;
  readonly no: number;
  readonly weights: Map<number, number>;
}

type Forest = Map<number, TreeNode>[];

const MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
const MEMBER = 6;

/** TreeEnsemble of ai.onnx.ml 5: branches and leaves are lists of their own, and a tree is the number of its first branch. */
function listedForest(x: NodeContext): Forest {
  const need = (name: string): number[] => x.list(name) ?? [];
  const values = (name: string): readonly number[] => x.tensorAttribute(name)?.data ?? [];
  const [features, modes, splits] = [need("nodes_featureids"), values("nodes_modes"), values("nodes_splits")];
  const sides = [[need("nodes_truenodeids"), need("nodes_trueleafs")], [need("nodes_falsenodeids"), need("nodes_falseleafs")]] as const;
  const [targets, weights] = [need("leaf_targetids"), values("leaf_weights")];
  if (modes.includes(MEMBER)) throw x.refuse("a branch on membership of a set", "Split it into branches on equality");
  return need("tree_roots").map((root) => {
    const tree = new Map<number, TreeNode>();
    // Leaves are numbered behind the branches. A tree that is one leaf is a branch with the same leaf on both sides.
    const visit = (at: number, depth: number): number => {
      if (depth > 64 || !(at >= 0 && at < features.length)) throw x.refuse("a tree that is not a tree", "Check the export");
      const [yes, no] = sides.map(([ids, leafs]) => {
        const id = ids[at] as number;
        if (leafs[at] !== 1) return visit(id, depth + 1);
        const leaf = { feature: 0, threshold: 0, mode: "LEAF", yes: 0, no: 0, weights: new Map([[targets[id] as number, weights[id] as number]]) };
        tree.set(features.length + id, leaf);
        return features.length + id;
      }) as [number, number];
      tree.set(at, { feature: features[at] as number, threshold: splits[at] as number, mode: MODES[modes[at] as number] ?? "", yes, no, weights: new Map() });
      return at;
    };
    visit(root, 0);
    // The root comes first in the map.
    return new Map([[root, tree.get(root) as TreeNode], ...tree]);
  });
}

function forest(x: NodeContext, prefix: string): Forest {
  const need = (name: string): number[] => x.list(name) ?? [];
  const ids = need("nodes_treeids");
  const nodes = need("nodes_nodeids");
  const features = need("nodes_featureids");
  const modes = x.texts("nodes_modes") ?? [];
  const values = need("nodes_values");
  const [yes, no] = [need("nodes_truenodeids"), need("nodes_falsenodeids")];
  const trees = new Map<number, Map<number, TreeNode>>();
  ids.forEach((tree, i) => {
    const t = trees.get(tree) ?? new Map<number, TreeNode>();
    trees.set(tree, t);
    t.set(nodes[i] as number, {
      feature: features[i] as number, threshold: values[i] as number, mode: modes[i] as string,
      yes: yes[i] as number, no: no[i] as number, weights: new Map(),
    });
  });
  const [owner, leaf, target, weight] = [need(`${prefix}_treeids`), need(`${prefix}_nodeids`), need(`${prefix}_ids`), need(`${prefix}_weights`)];
  owner.forEach((tree, i) => {
    const w = trees.get(tree)?.get(leaf[i] as number)?.weights;
    if (!w) throw x.refuse(`a weight for a node that does not exist (${tree}/${leaf[i]})`, "Check the export");
    w.set(target[i] as number, (w.get(target[i] as number) ?? 0) + (weight[i] as number));
  });
  return [...trees.keys()].sort((a, b) => a - b).map((k) => trees.get(k) as Map<number, TreeNode>);
}

/** 1 where the test of a branch holds. Equal tests of different trees are one node of the real graph. */
function test(x: NodeContext, node: TreeNode, row: readonly Val[]): Val {
  const r = x.real;
  const v = row[node.feature] as Val;
  const t = node.threshold;
  switch (node.mode) {
    case "BRANCH_LEQ":
      return r.lin([greater(r, v, t)], [-1], 1);
    case "BRANCH_LT":
      return r.lin([r.step(v, t)], [-1], 1);
    case "BRANCH_GTE":
      return r.step(v, t);
    case "BRANCH_GT":
      return greater(r, v, t);
    case "BRANCH_EQ":
      return r.eq0(r.lin([v], [1], -t));
    case "BRANCH_NEQ":
      return r.lin([r.eq0(r.lin([v], [1], -t))], [-1], 1);
    default:
      throw x.refuse(`branch mode ${node.mode}`, "Use comparisons with a threshold");
  }
}

/** v > t for float32 values is v >= the next float32. */
function greater(r: RealGraph, v: Val, t: number): Val {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, t);
  const bits = view.getInt32(0);
  if (Math.fround(t) !== t || !Number.isFinite(t)) return r.step(v, t + Math.abs(t) * 2 ** -30);
  view.setInt32(0, t === 0 ? 1 : bits >= 0 ? bits + 1 : bits - 1);
  return r.step(v, view.getFloat32(0));
}

/** Value of one tree for one target: leaves are constants, so the lowest branches cost nothing. */
function value(x: NodeContext, tree: Map<number, TreeNode>, id: number, target: number, row: readonly Val[], depth = 0): Val {
  const node = tree.get(id);
  if (!node || depth > 64) throw x.refuse("a tree that is not a tree", "Check the export");
  if (node.mode === "LEAF") return node.weights.get(target) ?? 0;
  const yes = value(x, tree, node.yes, target, row, depth + 1);
  const no = value(x, tree, node.no, target, row, depth + 1);
  return x.real.select(test(x, node, row), yes, no);
}

/** Scores of `targets` targets, from `first` on: a classifier of two may give all its weights to the second class. */
function scores(x: NodeContext, prefix: string, targets: number, first = 0): { rows: Val[][]; batch: number } {
  const t = x.input(0);
  const listed = x.node.operator === "TreeEnsemble";
  const trees = listed ? listedForest(x) : forest(x, prefix);
  const width = t.shape[t.shape.length - 1] as number;
  const batch = t.data.length / width;
  const base = x.list("base_values") ?? [];
  const aggregate = listed ? (["AVERAGE", "SUM", "MIN", "MAX"][x.number("aggregate_function", 1)] ?? "") : x.text("aggregate_function", "SUM");
  const rows = Array.from({ length: batch }, (_, n) => {
    const row = t.data.slice(n * width, (n + 1) * width);
    return Array.from({ length: targets }, (_, k): Val => {
      const parts = trees.map((tree) => value(x, tree, !listed && tree.has(0) ? 0 : ([...tree.keys()][0] as number), first + k, row));
      const b = base[k] ?? 0;
      if (aggregate === "MIN") return x.real.add(b, parts.reduce((p, q) => x.real.min(p, q)));
      if (aggregate === "MAX") return x.real.add(b, parts.reduce((p, q) => x.real.max(p, q)));
      return x.real.lin(parts, parts.map(() => (aggregate === "AVERAGE" ? 1 / parts.length : 1)), b);
    });
  });
  return { rows, batch };
}

function regressor(x: NodeContext): SymTensor {
  const targets = x.number("n_targets", 1);
  const { rows, batch } = scores(x, "target", targets);
  return { shape: [batch, targets], kind: "float", data: rows.flatMap((row) => transformed(x, row)) };
}

function classifier(x: NodeContext): SymTensor[] {
  const labels = classLabels(x);
  if (!labels) throw x.refuse("no class labels", "Export them with the node");
  const ids = new Set(x.list("class_ids") ?? []);
  const binary = labels.length === 2 && ids.size === 1;
  const { rows, batch } = scores(x, "class", binary ? 1 : labels.length, binary ? ([...ids][0] as number) : 0);
  const r = x.real;
  const out: Val[] = [];
  const classes = rows.map((row): Val => {
    if (binary) {
      const score = row[0] as Val;
      // Weights that are never negative are shares of votes; others are log odds.
      const shares = (x.list("class_weights") ?? []).every((w) => w >= 0);
      // With all weights at the second class the runtimes keep two scores, the first of them zero.
      if (ids.has(1)) {
        out.push(...transformed(x, [0, score]));
        return decision(r, score, shares ? 0.5 : 0, labels);
      }
      const p = transformed(x, [score])[0] as Val;
      const odds = !shares && x.text("post_transform", "NONE") === "NONE";
      out.push(r.lin([p], [-1], odds ? 0 : 1), p);
      return decision(r, score, shares ? 0.5 : 0, labels);
    }
    out.push(...transformed(x, row));
    return labelOf(r, row, labels);
  });
  return [{ shape: [batch], kind: "int", data: classes }, { shape: [batch, labels.length], kind: "float", data: out }];
}

const TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"];

export const trees: OperatorTable = {
  TreeEnsemble: (x) => {
    const targets = x.number("n_targets", 1);
    const { rows, batch } = scores(x, "", targets);
    const how = x.as(x.inputs, { post_transform: TRANSFORMS[x.number("post_transform", 0)] ?? "" });
    return { shape: [batch, targets], kind: "float", data: rows.flatMap((row) => transformed(how, row)) };
  },
  TreeEnsembleRegressor: regressor,
  TreeEnsembleClassifier: classifier,
};
