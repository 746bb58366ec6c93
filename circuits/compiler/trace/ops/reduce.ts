import { isConst, type Real, type RealGraph, type Val } from "../../real/graph.ts";
import type { NodeContext, Operator, OperatorTable } from "../context.ts";
import { axisOf, build, flat, strides, type SymTensor } from "../tensor.ts";
import { abs, apply, powerOf } from "./elementwise.ts";
import { logSumExp } from "./normalise.ts";
import { maximum } from "./pool.ts";

/** Gathers the elements that fall together when `axes` are reduced. */
function reduced(x: NodeContext, f: (r: RealGraph, values: Val[]) => Val): SymTensor {
  const t = x.input(0);
  const rank = t.shape.length;
  const given = x.listOrInput("axes", 1, "the axes");
  if ((!given || given.length === 0) && x.number("noop_with_empty_axes", 0) === 1) return t;
  const axes = new Set((given && given.length > 0 ? given : t.shape.map((_, i) => i)).map((a) => axisOf(a, rank)));
  const keep = x.number("keepdims", 1) === 1;
  const own = strides(t.shape);
  const kept = t.shape.map((d, i) => (axes.has(i) ? 1 : d));
  const inner = t.shape.map((d, i) => (axes.has(i) ? d : 1));
  const offsets = build(inner, "int", (index) => flat(index, own)).data as number[];
  const made = build(kept, t.kind, (index) => {
    const base = flat(index, own);
    return f(x.real, offsets.map((o) => t.data[base + o] as Val));
  });
  return keep ? made : { ...made, shape: t.shape.filter((_, i) => !axes.has(i)) };
}

const operator =
  (f: (r: RealGraph, values: Val[]) => Val): Operator =>
  (x) => reduced(x, f);

const sum = (r: RealGraph, values: readonly Val[]): Val => r.lin(values, values.map(() => 1));
const squares = (r: RealGraph, values: readonly Val[]): Val => sum(r, values.map((v) => r.mul(v, v)));
const minimum = (r: RealGraph, values: readonly Val[]): Val => r.mul(-1, maximum(r, values.map((v) => r.mul(-1, v))));

/** Which elements are as large as all others, of equals the first (or last) one alone where `alone` cannot be told from rounding. */
function largestOf(r: RealGraph, values: readonly Val[], last: boolean): Val[] {
  if (!values.some(isConst)) {
    const m = maximum(r, values);
    return values.map((v) => r.ge0(r.sub(v, m)));
  }
  // A maximum with a constant in it is rounded: every pair is compared instead.
  const ahead = (i: number, j: number): Val => r.ge0(r.sub(values[i] as Val, values[j] as Val));
  const beats = (i: number, j: number): Val => (i < j === !last ? ahead(i, j) : r.sub(1, ahead(j, i)));
  return values.map((_, i) => values.reduce<Val>((all, _v, j) => (i === j ? all : r.mul(all, beats(i, j))), 1));
}

/** Position of the largest element as one-hot flags: first (or last) one among equals. Give values that are `kept`. */
export function oneHotMaximum(r: RealGraph, values: readonly Val[], last: boolean): Val[] {
  const hit = largestOf(r, values, last);
  const order = last ? [...hit.keys()].reverse() : [...hit.keys()];
  const out = new Array<Val>(values.length).fill(0);
  let free: Val = 1;
  order.forEach((i, k) => {
    out[i] = k === order.length - 1 ? free : r.mul(free, hit[i] as Val);
    free = r.sub(free, out[i] as Val);
  });
  return out;
}

/** The same index; where another value comes within twice the proved error of the largest, the status lane says so. */
export function sure(r: RealGraph, index: Val, values: readonly Val[], flags: readonly Val[]): Val {
  const because = [maximum(r, values), ...values, ...flags].filter((v): v is Real => !isConst(v));
  return because.length === 2 * values.length + 1 ? r.bound(index, "sure", -Infinity, Infinity, because) : index;
}

/** labels[1] where a score exceeds its threshold, else labels[0], with the certainty bit where the distance is proved. */
export function decision(r: RealGraph, score: Val, threshold: number, labels: readonly number[]): Val {
  const positive = r.lin([r.ge0(r.lin([score], [-1], threshold))], [-1], 1);
  const [no, yes] = labels as [number, number];
  const label = r.lin([positive], [yes - no], no);
  return isConst(score) ? label : r.bound(label, "side", threshold, threshold, [score]);
}

const argument =
  (sign: number): Operator =>
  (x) => {
    const t = x.input(0);
    const axis = axisOf(x.number("axis", 0), t.shape.length);
    const last = x.number("select_last_index", 0) === 1;
    const keep = x.number("keepdims", 1) === 1;
    const own = strides(t.shape);
    const kept = t.shape.map((d, i) => (i === axis ? 1 : d));
    const made = build(kept, "int", (index) => {
      const base = flat(index, own);
      const values = Array.from({ length: t.shape[axis] as number }, (_, k) => x.real.kept(x.real.mul(sign, t.data[base + k * (own[axis] as number)] as Val)));
      const flags = oneHotMaximum(x.real, values, last);
      const picked = x.real.bound(x.real.lin(flags, flags.map((_, k) => k)), "index", 0, values.length - 1, []);
      return sure(x.real, picked, values, flags);
    });
    return keep ? made : { ...made, shape: t.shape.filter((_, i) => i !== axis) };
  };

/**
 * Compare-and-swap networks would cost more: for the k largest of n, the maximum is taken out k times. An index is certain where its value
 * stands clear of the one before and the one after it.
 */
function topK(x: NodeContext): SymTensor[] {
  const t = x.input(0);
  const k = x.opset < 10 ? x.number("k") : (x.known(1, "k")?.[0] as number);
  const axis = axisOf(x.number("axis", -1), t.shape.length);
  const sign = x.number("largest", 1) === 1 ? 1 : -1;
  const own = strides(t.shape);
  const outer = t.shape.map((d, i) => (i === axis ? 1 : d));
  const shape = t.shape.map((d, i) => (i === axis ? k : d));
  const lines = new Map<number, { values: Val[]; indices: Val[] }>();
  build(outer, "int", (index) => {
    const base = flat(index, own);
    const list = Array.from({ length: t.shape[axis] as number }, (_, i) => x.real.kept(x.real.mul(sign, t.data[base + i * (own[axis] as number)] as Val)));
    lines.set(base, largest(x.real, list, k, sign));
    return 0;
  });
  const pick = (index: number[], from: "values" | "indices"): Val => {
    const at = index[axis] as number;
    return lines.get(flat(index.map((v, d) => (d === axis ? 0 : v)), own))?.[from][at] as Val;
  };
  return [build(shape, t.kind, (index) => pick(index, "values")), build(shape, "int", (index) => pick(index, "indices"))];
}

function largest(r: RealGraph, list: readonly Val[], k: number, sign: number): { values: Val[]; indices: Val[] } {
  const values: Val[] = [];
  const indices: Val[] = [];
  const all = list.filter((v): v is Real => !isConst(v));
  let rest = [...list];
  let names: Val[] = rest.map((_, i) => i);
  for (let j = 0; j < k; j++) {
    const flags = oneHotMaximum(r, rest, false);
    // The j-th largest moves by no more than the most that any of them moves.
    values.push(r.bound(maximum(r, rest), "sorted", -Infinity, Infinity, all));
    const parts = flags.map((f, i) => r.mul(f, names[i] as Val));
    indices.push(r.bound(r.lin(parts, parts.map(() => 1)), "index", 0, list.length - 1, []));
    // Close the gap: element i becomes i + 1 from the removed position on.
    let gone: Val = 0;
    const shifted: Val[] = [];
    const moved: Val[] = [];
    for (let i = 0; i + 1 < rest.length; i++) {
      gone = r.add(gone, flags[i] as Val);
      shifted.push(r.add(rest[i] as Val, r.mul(gone, r.sub(rest[i + 1] as Val, rest[i] as Val))));
      moved.push(r.add(names[i] as Val, r.mul(gone, r.sub(names[i + 1] as Val, names[i] as Val))));
    }
    rest = shifted;
    names = moved;
  }
  if (rest.length > 0) values.push(r.bound(maximum(r, rest), "sorted", -Infinity, Infinity, all));
  const clear = (index: Val, above: Val | undefined, below: Val | undefined): Val => {
    if (above === undefined || below === undefined || isConst(above) || isConst(below)) return index;
    return r.bound(index, "apart", -Infinity, Infinity, [above, below]);
  };
  return {
    values: values.slice(0, k).map((v) => r.mul(sign, v)),
    indices: indices.map((index, j) => clear(clear(index, values[j - 1], values[j]), values[j], values[j + 1])),
  };
}

export const reduce: OperatorTable = {
  ReduceSum: operator(sum),
  ReduceMean: operator((r, v) => r.lin(v, v.map(() => 1 / v.length))),
  ReduceMax: operator(maximum),
  ReduceMin: operator(minimum),
  ReduceProd: operator((r, v) => v.reduce((a, b) => r.mul(a, b), 1)),
  ReduceL1: operator((r, v) => sum(r, v.map((a) => abs(r, a)))),
  ReduceL2: operator((r, v) => powerOf(r, squares(r, v), 0.5)),
  ReduceSumSquare: operator(squares),
  ReduceLogSum: operator((r, v) => apply(r, "log", sum(r, v))),
  ReduceLogSumExp: operator((r, v) => logSumExp(r, v)),
  ArgMax: argument(1),
  ArgMin: argument(-1),
  TopK: topK,
  CumSum: (x) => {
    const t = x.input(0);
    const axis = axisOf((x.known(1, "the axis") as number[])[0] as number, t.shape.length);
    const own = strides(t.shape);
    const n = t.shape[axis] as number;
    const [exclusive, reverse] = [x.number("exclusive", 0), x.number("reverse", 0)];
    return build(t.shape, t.kind, (index) => {
      const base = flat(index.map((v, d) => (d === axis ? 0 : v)), own);
      const at = index[axis] as number;
      const [from, to] = reverse ? [at + exclusive, n] : [0, at + 1 - exclusive];
      const values = Array.from({ length: Math.max(0, to - from) }, (_, i) => t.data[base + (from + i) * (own[axis] as number)] as Val);
      return values.every(isConst) ? values.reduce<number>((a, b) => a + (b as number), 0) : sum(x.real, values);
    });
  },
};
