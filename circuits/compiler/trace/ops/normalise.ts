import { sizeOf } from "../../import/tensor.ts";
import { isConst, type Real, type RealGraph, type Val } from "../../real/graph.ts";
import type { NodeContext, Operator, OperatorTable } from "../context.ts";
import { alongAxis, axisOf, build, type SymTensor } from "../tensor.ts";
import { abs, apply, powerOf } from "./elementwise.ts";
import { placeOf, uncovered, type Place } from "./mask.ts";
import { oneHotMaximum } from "./reduce.ts";

interface Exponentials {
  readonly top: Val;
  readonly parts: Val[];
  /** Between 1 and n: the largest element contributes exp(0). */
  readonly sum: Val;
}

/** exp(x_j - max): the differences are never negative, so the decaying exponential covers them all. */
function exponentials(r: RealGraph, given: readonly Val[]): Exponentials {
  const places = given.map((v) => placeOf(r, v));
  const seen = places.filter((p) => p.open !== 0);
  const used = seen.length > 0 ? seen : given.map((v): Place => ({ open: 1, value: v, covered: "equal" }));
  const { values, open, none } = uncovered(r, used);
  const top = r.maxn(values);
  const made = values.map((v, i) => {
    const d = r.gap(top, v);
    return r.mul(open[i] as Val, isConst(d) ? Math.exp(-d) : r.fn("expneg", d));
  });
  let next = 0;
  const parts = seen.length > 0 ? places.map((p) => (p.open === 0 ? 0 : (made[next++] as Val))) : made;
  const sum = r.lin(made, made.map(() => 1));
  const refs = made.filter((p): p is Real => !isConst(p));
  const bounded = r.bound(sum, "softmax", 1, used.length, refs.slice(0, 1));
  return { top, parts, sum: isConst(none) ? bounded : r.bound(bounded, "defined", -Infinity, Infinity, [none]) };
}

export function softmax(r: RealGraph, values: readonly Val[]): Val[] {
  if (values.length === 1) return [1];
  const { parts, sum } = exponentials(r, values);
  const one = r.div(1, sum);
  return parts.map((p) => r.mul(p, one));
}

export function logSoftmax(r: RealGraph, values: readonly Val[]): Val[] {
  if (values.length === 1) return [0];
  const { top, sum } = exponentials(r, values);
  const log = apply(r, "log", sum);
  return values.map((v) => r.lin([v, top, log], [1, -1, -1]));
}

export function logSumExp(r: RealGraph, values: readonly Val[]): Val {
  const { top, sum } = exponentials(r, values);
  return r.add(top, apply(r, "log", sum));
}

/** Softmax along the last axis. */
export const softmaxLines = (r: RealGraph, t: SymTensor): SymTensor => alongAxis(t, t.shape.length - 1, (line) => softmax(r, line));

/** Below opset 13 everything from `axis` on is one line; later a line runs along `axis` alone. */
const lines =
  (f: (r: RealGraph, values: readonly Val[]) => Val[]): Operator =>
  (x) => {
    const t = x.input(0);
    const axis = axisOf(x.number("axis", x.opset < 13 ? 1 : -1), Math.max(1, t.shape.length));
    if (x.opset >= 13) return alongAxis(t, axis, (line) => f(x.real, line));
    const outer = sizeOf(t.shape.slice(0, axis));
    const flat = { ...t, shape: [outer, t.data.length / outer] };
    return { ...alongAxis(flat, 1, (line) => f(x.real, line)), shape: t.shape };
  };

/**
 * (v - mean) / sqrt(variance + epsilon) without a division: d_i = n v_i - sum v is exact, V = sum d_i^2 + n^3 epsilon, and
 * d_i sqrt(n) / sqrt(V). By Cauchy-Schwarz |d_i| / sqrt(V) <= 1, which intervals alone would never find.
 */
function standardise(r: RealGraph, raw: readonly Val[], epsilon: number, centre: boolean): Val[] {
  const values = raw.map((v) => r.seam(v));
  const n = values.length;
  const total = r.lin(values, values.map(() => 1));
  const d = centre ? values.map((v) => r.lin([v, total], [n, -1])) : values;
  const squares = d.map((v) => r.mul(v, v));
  const v = r.lin(squares, squares.map(() => 1), (centre ? n ** 3 : n) * epsilon);
  const inverse = isConst(v) ? 1 / Math.sqrt(v) : r.fn("rsqrt", v);
  return d.map((x) => {
    return r.mul(Math.sqrt(n), r.seam(r.mul(x, inverse)));
  });
}

/** The result, and on request the mean and the inverse deviation of each line. */
export function layerNormalization(x: NodeContext, t: SymTensor, scale: SymTensor, bias: SymTensor | undefined, centre: boolean, axis: number): SymTensor[] {
  const r = x.real;
  const inner = sizeOf(t.shape.slice(axis));
  const epsilon = x.number("epsilon", 1e-5);
  const data: Val[] = [];
  const [means, deviations]: [Val[], Val[]] = [[], []];
  for (let at = 0; at < t.data.length; at += inner) {
    const line = t.data.slice(at, at + inner);
    standardise(r, line, epsilon, centre).forEach((v, i) => {
      const k = scale.data[i % scale.data.length] as Val;
      data.push(r.add(r.mul(v, k), bias ? (bias.data[i % bias.data.length] as Val) : 0));
    });
    if (x.node.outputs.length > 1) {
      const { mean, variance } = moments(r, line);
      means.push(mean);
      deviations.push(powerOf(r, r.lin([variance], [1], epsilon), -0.5));
    }
  }
  const shape = t.shape.map((d, i) => (i < axis ? d : 1));
  return [{ ...t, data }, { shape, kind: "float", data: means }, { shape, kind: "float", data: deviations }].filter((m) => m.data.length > 0) as SymTensor[];
}

function moments(r: RealGraph, values: readonly Val[]): { mean: Val; variance: Val } {
  const mean = r.lin(values, values.map(() => 1 / values.length));
  const squares = values.map((v) => r.sub(v, mean)).map((d) => r.mul(d, d));
  return { mean, variance: r.lin(squares, squares.map(() => 1 / values.length)) };
}

const lineNormalization = (x: NodeContext, centre: boolean): SymTensor[] =>
  layerNormalization(x, x.input(0), x.input(1), x.optional(2), centre, axisOf(x.number("axis", -1), x.input(0).shape.length));

/** Statistics of each sample over `groups` of channels, with a scale and a bias per channel. */
function groupwise(x: NodeContext, groups: number, perGroup: boolean): SymTensor {
  const t = x.input(0);
  const channels = t.shape[1] as number;
  const block = t.data.length / (t.shape[0] as number) / groups;
  const spatial = sizeOf(t.shape.slice(2));
  const [scale, bias] = [x.input(1), x.input(2)];
  const data: Val[] = [];
  for (let at = 0; at < t.data.length; at += block) {
    standardise(x.real, t.data.slice(at, at + block), x.number("epsilon", 1e-5), true).forEach((v, i) => {
      const channel = Math.floor((at + i) / spatial) % channels;
      const p = perGroup ? Math.floor(channel / (channels / groups)) : channel;
      data.push(x.real.add(x.real.mul(v, scale.data[p] as Val), bias.data[p] as Val));
    });
  }
  return { ...t, data };
}

function lrn(x: NodeContext): SymTensor {
  const t = x.input(0);
  const size = x.number("size");
  const [alpha, beta, bias] = [x.number("alpha", 1e-4), x.number("beta", 0.75), x.number("bias", 1)];
  const plane = sizeOf(t.shape.slice(2));
  const channels = t.shape[1] as number;
  return build(t.shape, "float", (index, at) => {
    const c = index[1] as number;
    const from = Math.max(0, c - Math.floor((size - 1) / 2));
    const to = Math.min(channels - 1, c + Math.ceil((size - 1) / 2));
    const near = Array.from({ length: to - from + 1 }, (_, i) => t.data[at + (from + i - c) * plane] as Val);
    const total = x.real.lin(near.map((v) => x.real.mul(v, v)), near.map(() => alpha / size), bias);
    return x.real.mul(t.data[at] as Val, powerOf(x.real, total, -beta));
  });
}

function lpNormalization(x: NodeContext): SymTensor {
  const t = x.input(0);
  const p = x.number("p", 2);
  return alongAxis(t, axisOf(x.number("axis", -1), t.shape.length), (line) => {
    if (p === 2) return standardise(x.real, line, 1e-9, false).map((v) => x.real.mul(1 / Math.sqrt(line.length), v));
    const total = x.real.lin(line.map((v) => abs(x.real, v)), line.map(() => 1));
    return line.map((v) => x.real.div(v, total));
  });
}

/** In training mode the statistics are those of the batch, and the running ones follow with momentum. */
export function trainedBatchNormalization(x: NodeContext): SymTensor[] {
  const r = x.real;
  const t = x.input(0);
  const inner = sizeOf(t.shape.slice(2));
  const channels = t.shape[1] as number;
  const momentum = x.number("momentum", 0.9);
  const data = new Array<Val>(t.data.length);
  const [means, variances]: [Val[], Val[]] = [[], []];
  const own: [Val[], Val[]] = [[], []];
  for (let c = 0; c < channels; c++) {
    const at = [...t.data.keys()].filter((i) => Math.floor(i / inner) % channels === c);
    const values = at.map((i) => t.data[i] as Val);
    standardise(r, values, x.number("epsilon", 1e-5), true).forEach((v, i) => {
      data[at[i] as number] = r.add(r.mul(v, x.input(1).data[c] as Val), x.input(2).data[c] as Val);
    });
    const { mean, variance } = moments(r, values);
    means.push(r.lin([x.input(3).data[c] as Val, mean], [momentum, 1 - momentum]));
    variances.push(r.lin([x.input(4).data[c] as Val, variance], [momentum, 1 - momentum]));
    own[0].push(mean);
    own[1].push(variance);
  }
  const perChannel = (list: Val[]): SymTensor => ({ shape: [channels], kind: "float", data: list });
  return [{ ...t, data }, ...[means, variances, ...own].map(perChannel)];
}

export const normalise: OperatorTable = {
  Softmax: lines(softmax),
  LogSoftmax: lines(logSoftmax),
  Hardmax: lines((r, values) => oneHotMaximum(r, values.map((v) => r.kept(v)), false)),
  LayerNormalization: (x) => lineNormalization(x, true),
  RMSNormalization: (x) => lineNormalization(x, false),
  SimplifiedLayerNormalization: (x) => lineNormalization(x, false),
  InstanceNormalization: (x) => groupwise(x, x.input(0).shape[1] as number, false),
  GroupNormalization: (x) => groupwise(x, x.number("num_groups"), x.opset < 21),
  MeanVarianceNormalization: (x) => {
    const t = x.input(0);
    const axes = x.list("axes") ?? [0, 2, 3];
    if (axes.join() !== "0,2,3" || t.shape.length !== 4) throw x.refuse(`axes [${axes}]`, "Use axes 0, 2, 3 of a 4-D tensor");
    const [n, c, h, w] = t.shape as [number, number, number, number];
    const data = new Array<Val>(t.data.length);
    for (let k = 0; k < c; k++) {
      const at = Array.from({ length: n * h * w }, (_, i) => (Math.floor(i / (h * w)) * c + k) * h * w + (i % (h * w)));
      standardise(x.real, at.map((i) => t.data[i] as Val), 1e-9, true).forEach((v, i) => (data[at[i] as number] = v));
    }
    return { ...t, data };
  },
  LRN: lrn,
  LpNormalization: lpNormalization,
};
