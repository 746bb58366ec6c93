import { isConst, type RealGraph, type Val } from "../../real/graph.ts";
import { sumOfSizes } from "../../real/sign.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { map, type SymTensor } from "../tensor.ts";
import { abs, powerOf, sigmoid, tanh } from "./elementwise.ts";
import { indexFlags } from "./indexing.ts";
import { concat } from "./layout.ts";
import { softmax } from "./normalise.ts";
import { maximum } from "./pool.ts";
import { decision, oneHotMaximum, sure } from "./reduce.ts";

/** Rows of a [n, features] tensor; a vector is one row. */
export function rowsOf(t: SymTensor): Val[][] {
  const width = t.shape.length === 0 ? 1 : (t.shape[t.shape.length - 1] as number);
  return Array.from({ length: t.data.length / width }, (_, n) => t.data.slice(n * width, (n + 1) * width));
}

const matrix = (rows: readonly Val[][]): SymTensor => ({ shape: [rows.length, (rows[0] ?? []).length], kind: "float", data: rows.flat() });

/** Integer labels as they are; text has no circuit, so its place in the list stands for it. */
export function classLabels(x: NodeContext, ints = "classlabels_int64s", texts = "classlabels_strings"): number[] | undefined {
  const given = x.list(ints) ?? x.list("classlabels_ints");
  if (given && given.length > 0) return given;
  const names = x.texts(texts);
  return names && names.length > 0 ? names.map((_, i) => i) : undefined;
}

/** The transformations that scikit-learn and its relatives apply to scores. */
export function transformed(x: NodeContext, row: readonly Val[]): Val[] {
  const how = x.text("post_transform", "NONE");
  const r = x.real;
  if (how === "NONE") return [...row];
  if (how === "LOGISTIC") return row.map((v) => sigmoid(r, v));
  if (how === "SOFTMAX") return softmax(r, row);
  if (how === "SOFTMAX_ZERO") {
    // Scores that are exactly zero stay zero; the others are scaled among themselves.
    const top = r.maxn(row);
    const parts = row.map((v) => r.mul(r.sub(1, r.eq0(v)), expneg(r, r.gap(top, v))));
    const sum = r.lin(parts, parts.map(() => 1));
    return parts.map((p) => r.div(p, sum));
  }
  throw x.refuse(`post_transform ${how}`, "Use NONE, LOGISTIC or SOFTMAX");
}

const expneg = (r: RealGraph, d: Val): Val => (isConst(d) ? Math.exp(-d) : r.fn("expneg", d));

/** The label of the largest score, the first among equals, with the certainty bit where the margin is proved. */
export function labelOf(r: RealGraph, scores: readonly Val[], labels: readonly number[]): Val {
  if (scores.length === 1) return labels[0] as number;
  const row = scores.map((v) => r.kept(v));
  const flags = oneHotMaximum(r, row, false);
  const label = r.bound(r.lin(flags, flags.map((_, i) => labels[i] as number)), "index", Math.min(...labels), Math.max(...labels), []);
  return sure(r, label, row, flags);
}

function linearScores(x: NodeContext, targets: number): Val[][] {
  const coefficients = x.list("coefficients") ?? [];
  const intercepts = x.list("intercepts") ?? [];
  const width = coefficients.length / targets;
  return rowsOf(x.input(0)).map((row) =>
    Array.from({ length: targets }, (_, k) => x.real.lin(row, coefficients.slice(k * width, (k + 1) * width), intercepts[k] ?? 0)),
  );
}

function linearClassifier(x: NodeContext): SymTensor[] {
  const labels = classLabels(x);
  const targets = Math.max(1, (x.list("intercepts") ?? []).length || (labels?.length ?? 1));
  return decided(x, linearScores(x, targets), labels ?? [0, 1]);
}

/** One score for two classes decides by its sign; otherwise the largest score wins. */
function decided(x: NodeContext, scores: readonly Val[][], labels: readonly number[]): SymTensor[] {
  const r = x.real;
  const out: Val[][] = [];
  const classes = scores.map((row): Val => {
    if (row.length === 1 && labels.length === 2) {
      const score = row[0] as Val;
      const p = transformed(x, [score])[0] as Val;
      const none = x.text("post_transform", "NONE") === "NONE";
      out.push([none ? r.mul(-1, p) : r.lin([p], [-1], 1), p]);
      return decision(r, score, 0, labels);
    }
    out.push(transformed(x, row));
    return labelOf(r, row, labels);
  });
  return [{ shape: [classes.length], kind: "int", data: classes }, matrix(out)];
}

/** Kernels between a row and one support vector. */
function kernel(x: NodeContext): (row: readonly Val[], support: readonly number[]) => Val {
  const [gamma, offset, degree] = (x.list("kernel_params") ?? [1, 0, 3]) as [number, number, number];
  const r = x.real;
  const kind = x.text("kernel_type", "LINEAR");
  switch (kind) {
    case "LINEAR":
      return (row, s) => r.lin(row, s);
    case "POLY":
      return (row, s) => powerOf(r, r.lin(row, s.map((v) => v * gamma), offset), degree);
    case "SIGMOID":
      return (row, s) => tanh(r, r.lin(row, s.map((v) => v * gamma), offset));
    case "RBF":
      return (row, s) => {
        const squares = row.map((v, i) => r.sub(v, s[i] as number)).map((d) => r.mul(d, d));
        const distance = r.mul(gamma, r.lin(squares, squares.map(() => 1)));
        return isConst(distance) ? Math.exp(-distance) : r.fn("expneg", distance);
      };
    default:
      throw x.refuse(`kernel ${kind}`, "Use LINEAR, POLY, RBF or SIGMOID");
  }
}

function supportVectors(x: NodeContext, width: number): number[][] {
  const list = x.list("support_vectors") ?? [];
  return Array.from({ length: list.length / width }, (_, i) => list.slice(i * width, (i + 1) * width));
}

function svmRegressor(x: NodeContext): SymTensor {
  const rows = rowsOf(x.input(0));
  const k = kernel(x);
  const weights = x.list("coefficients") ?? [];
  const rho = (x.list("rho") ?? [0])[0] as number;
  const vectors = supportVectors(x, (rows[0] ?? []).length);
  const one = x.number("one_class", 0) === 1;
  return matrix(rows.map((row) => {
    const score = vectors.length > 0
      ? x.real.lin(vectors.map((s) => k(row, s)), weights, rho)
      : x.real.lin(row, weights, rho);
    return one ? [decision(x.real, score, 0, [-1, 1])] : transformed(x, [score]);
  }));
}

/** One vote for each pair of classes: libsvm's layout of coefficients. */
function svmClassifier(x: NodeContext): SymTensor[] {
  const labels = classLabels(x) ?? [0, 1];
  const r = x.real;
  const rows = rowsOf(x.input(0));
  const counts = x.list("vectors_per_class") ?? [];
  const [weights, rho] = [x.list("coefficients") ?? [], x.list("rho") ?? [0]];
  const [platt, offset] = [x.list("prob_a") ?? [], x.list("prob_b") ?? []];
  const n = labels.length;
  if (platt.length > 1) throw x.refuse("probabilities of more than two classes by Platt's scaling", "Export without probabilities");
  if (counts.length === 0) {
    // Without support vectors this is a linear classifier with one line of coefficients per class.
    const width = weights.length / n;
    return decided(x, rows.map((row) => labels.map((_, k) => r.lin(row, weights.slice(k * width, (k + 1) * width), rho[0]))), labels);
  }
  const vectors = supportVectors(x, (rows[0] ?? []).length);
  const total = vectors.length;
  const starts = counts.map((_, i) => counts.slice(0, i).reduce((a, b) => a + b, 0));
  const k = kernel(x);
  const scores: Val[][] = [];
  const classes = rows.map((row): Val => {
    const values = vectors.map((s) => k(row, s));
    const votes: Val[][] = labels.map(() => []);
    const pairs: Val[] = [];
    for (let i = 0; i < n; i++) {
      for (let j = i + 1; j < n; j++) {
        const terms: Val[] = [];
        const w: number[] = [];
        for (let s = 0; s < (counts[i] as number); s++) {
          terms.push(values[(starts[i] as number) + s] as Val);
          w.push(weights[(j - 1) * total + (starts[i] as number) + s] as number);
        }
        for (let s = 0; s < (counts[j] as number); s++) {
          terms.push(values[(starts[j] as number) + s] as Val);
          w.push(weights[i * total + (starts[j] as number) + s] as number);
        }
        const score = r.lin(terms, w, rho[pairs.length]);
        pairs.push(score);
        const first = r.lin([r.ge0(r.mul(-1, score))], [-1], 1);
        votes[i]?.push(first);
        votes[j]?.push(r.lin([first], [-1], 1));
      }
    }
    if (platt.length === 1) {
      // The sigmoid that was fitted to the score; its value decides the class as well.
      const first = sigmoid(r, r.lin([pairs[0] as Val], [-(platt[0] as number)], -(offset[0] as number)));
      scores.push([first, r.lin([first], [-1], 1)]);
      return decision(r, r.mul(-1, first), -0.5, labels);
    }
    scores.push(n === 2 ? [r.mul(-1, pairs[0] as Val), pairs[0] as Val] : pairs);
    const sums = votes.map((v) => r.lin(v, v.map(() => 1)));
    const flags = oneHotMaximum(r, sums, false);
    return r.bound(r.lin(flags, flags.map((_, i) => labels[i] as number)), "index", Math.min(...labels), Math.max(...labels), []);
  });
  return [{ shape: [rows.length], kind: "int", data: classes }, matrix(scores)];
}

function normalizer(x: NodeContext): SymTensor {
  const norm = x.text("norm", "MAX");
  const r = x.real;
  return { ...x.input(0), kind: "float", data: rowsOf(x.input(0)).flatMap((row) => {
    if (norm === "L2") {
      const squares = row.map((v) => r.mul(v, v));
      const root = powerOf(r, r.lin(squares, squares.map(() => 1)), 0.5);
      return row.map((v) => r.div(v, root));
    }
    const size = norm === "L1" ? sumOfSizes(r, row, (v) => abs(r, v)) : maximum(r, row);
    return row.map((v) => r.div(v, size));
  }) };
}

function chosenColumns(x: NodeContext, rows: readonly Val[][], indices: readonly Val[]): SymTensor {
  const r = x.real;
  const made = rows.map((row) => indices.map((index) => {
    const flags = indexFlags(r, index, row.length);
    const parts = flags.map((f, k) => r.mul(f, row[k] as Val));
    return r.lin(parts, parts.map(() => 1));
  }));
  return { ...matrix(made), kind: x.input(0).kind };
}

/** Keys are compared one by one; what no key matches is the default. */
function labelEncoder(x: NodeContext): SymTensor {
  const keys = x.list("keys_int64s") ?? x.list("keys_floats") ?? (x.tensorAttribute("keys_tensor")?.data as number[] | undefined);
  const floats = x.list("values_floats");
  // Text has no circuit: its place in the list of values stands for it, and what no key matches is -1.
  const values = x.list("values_int64s") ?? floats ?? x.texts("values_strings")?.map((_, i) => i) ?? (x.tensorAttribute("values_tensor")?.data as number[] | undefined);
  if (!keys || !values) throw x.refuse("text labels", "Encode text outside of the model");
  const fallback = floats ? x.number("default_float", 0) : x.texts("values_strings") ? -1 : x.number("default_int64", -1);
  const r = x.real;
  return map(x.input(0), (v) => {
    if (isConst(v)) return values[keys.indexOf(v)] ?? fallback;
    const flags = keys.map((k) => r.eq0(r.lin([v], [1], -k)));
    return r.lin(flags, values.map((w) => w - fallback), fallback);
  }, floats ? "float" : "int");
}

function perFeature(x: NodeContext, f: (v: Val, feature: number) => Val): SymTensor {
  const t = x.input(0);
  const width = t.shape[t.shape.length - 1] ?? 1;
  return map(t, (v, i) => f(v, i % width), "float");
}

const nth = (list: readonly number[], i: number, fallback: number): number => (list.length === 1 ? list[0] : list[i]) ?? fallback;

export const classic: OperatorTable = {
  Scaler: (x) => {
    const [offset, scale] = [x.list("offset") ?? [], x.list("scale") ?? []];
    return perFeature(x, (v, i) => x.real.lin([v], [nth(scale, i, 1)], -nth(scale, i, 1) * nth(offset, i, 0)));
  },
  Normalizer: normalizer,
  Binarizer: (x) => map(x.input(0), (v) => x.real.lin([x.real.ge0(x.real.lin([v], [-1], x.number("threshold", 0)))], [-1], 1)),
  // A value that is not a number never enters a circuit: only whole markers can be replaced.
  Imputer: (x) => {
    const ints = x.list("imputed_value_int64s");
    const values = ints && ints.length > 0 ? ints : (x.list("imputed_value_floats") ?? []);
    const marker = ints && ints.length > 0 ? x.number("replaced_value_int64", 0) : x.number("replaced_value_float", 0);
    if (Number.isNaN(marker)) return x.input(0);
    const made = perFeature(x, (v, i) => x.real.select(x.real.eq0(x.real.lin([v], [1], -marker)), nth(values, i, 0), v));
    return { ...made, kind: x.input(0).kind };
  },
  ArrayFeatureExtractor: (x) => {
    const rows = rowsOf(x.input(0));
    const chosen = x.input(1);
    // Pipelines look the class up by its index, which the data decides.
    if (!chosen.data.every(isConst)) return chosenColumns(x, rows, chosen.data);
    const at = chosen.data as number[];
    return { ...matrix(rows.map((row) => at.map((i) => row[i] as Val))), kind: x.input(0).kind };
  },
  FeatureVectorizer: (x) => concat(x.inputs.map((_, i) => matrix(rowsOf(x.input(i)))), 1),
  OneHotEncoder: (x) => {
    const keys = x.list("cats_int64s");
    if (!keys) throw x.refuse("text categories", "Encode text outside of the model");
    const t = x.input(0);
    return { shape: [...t.shape, keys.length], kind: "float", data: t.data.flatMap((v) => keys.map((k) => x.real.eq0(x.real.lin([v], [1], -k)))) };
  },
  LabelEncoder: labelEncoder,
  // A dictionary by class is its list of values; the order of the keys is that of the classes.
  ZipMap: (x) => x.input(0),
  LinearRegressor: (x) => matrix(linearScores(x, x.number("targets", 1)).map((row) => transformed(x, row))),
  LinearClassifier: linearClassifier,
  SVMRegressor: svmRegressor,
  SVMClassifier: svmClassifier,
};
