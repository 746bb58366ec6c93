import { sizeOf } from "../../import/tensor.ts";
import { isConst, type RealGraph, type Val } from "../../real/graph.ts";
import { caseCount, perCase } from "../../real/cases.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { axisOf, build, flat, strides, type SymTensor } from "../tensor.ts";

/** One flag per possible index, for an index that the data decides. Negative indices count from the end. */
export function indexFlags(r: RealGraph, index: Val, n: number, positive = false): Val[] {
  return Array.from({ length: n }, (_, i) => {
    const here = r.eq0(r.lin([index], [1], -i));
    return positive || isConst(index) || neverNegative(index) ? here : r.add(here, r.eq0(r.lin([index], [1], n - i)));
  });
}

/** What ArgMax and TopK give; for others the flags of negative indices vanish when the interval turns out to start at 0. */
function neverNegative(index: Val): boolean {
  return !isConst(index) && index.op === "bound" && index.fn === "index";
}

/** sum of flag_i * option_i. */
function choose(r: RealGraph, flags: readonly Val[], options: readonly Val[]): Val {
  const parts = flags.map((f, i) => r.mul(f, options[i] as Val));
  return r.lin(parts, parts.map(() => 1));
}

/** Element at `index` of `options`: known indices are free, others are a one-hot sum. */
function element(x: NodeContext, index: Val, options: readonly Val[], memo: Map<Val, Val[]>, positive = false): Val {
  const n = options.length;
  if (isConst(index)) {
    const at = index < 0 ? index + n : index;
    if (!(at >= 0 && at < n)) throw x.refuse(`index ${index} of ${n}`, "Correct the index");
    return options[at] as Val;
  }
  // An index that flags choose among constants is a choice among the elements themselves.
  if (caseCount(x.real, index, 2 * n) !== undefined) return perCase(x.real, index, (at) => element(x, at, options, memo, positive));
  const flags = memo.get(index) ?? indexFlags(x.real, index, n, positive);
  memo.set(index, flags);
  return choose(x.real, flags, options);
}

function gather(x: NodeContext): SymTensor {
  const t = x.input(0);
  const indices = x.input(1);
  const axis = axisOf(x.number("axis", 0), t.shape.length);
  const [outer, inner] = [t.shape.slice(0, axis), t.shape.slice(axis + 1)];
  const n = t.shape[axis] as number;
  const step = sizeOf(inner);
  const memo = new Map<Val, Val[]>();
  const data: Val[] = [];
  for (let o = 0; o < sizeOf(outer); o++) {
    for (const index of indices.data) {
      for (let i = 0; i < step; i++) data.push(element(x, index, Array.from({ length: n }, (_, k) => t.data[(o * n + k) * step + i] as Val), memo));
    }
  }
  return { shape: [...outer, ...indices.shape, ...inner], kind: t.kind, data };
}

function gatherElements(x: NodeContext): SymTensor {
  const t = x.input(0);
  const indices = x.input(1);
  const axis = axisOf(x.number("axis", 0), t.shape.length);
  const own = strides(t.shape);
  const memo = new Map<Val, Val[]>();
  return build(indices.shape, t.kind, (index, at) => {
    const base = flat(index.map((v, d) => (d === axis ? 0 : v)), own);
    const options = Array.from({ length: t.shape[axis] as number }, (_, k) => t.data[base + k * (own[axis] as number)] as Val);
    return element(x, indices.data[at] as Val, options, memo);
  });
}

/** Where a tuple of indices points, flat: a number, or a value that the data decides. Negative ones count from the end. */
function flatIndex(r: RealGraph, tuple: readonly Val[], dims: readonly number[]): Val {
  const own = strides(dims);
  const parts = tuple.map((v, d): Val => {
    const n = dims[d] as number;
    if (isConst(v)) return v < 0 ? v + n : v;
    return neverNegative(v) ? v : r.lin([v, r.ge0(v)], [1, -n], n);
  });
  return r.lin(parts, parts.map((_, d) => own[d] as number));
}

function gatherNd(x: NodeContext): SymTensor {
  const t = x.input(0);
  const indices = x.input(1);
  const batch = x.number("batch_dims", 0);
  const depth = indices.shape[indices.shape.length - 1] as number;
  const dims = t.shape.slice(batch, batch + depth);
  const rest = t.shape.slice(batch + depth);
  const lead = indices.shape.slice(0, -1);
  const [block, step] = [sizeOf(dims) * sizeOf(rest), sizeOf(rest)];
  const groups = sizeOf(t.shape.slice(0, batch));
  const perGroup = sizeOf(lead) / groups;
  const memo = new Map<Val, Val[]>();
  return build([...lead, ...rest], t.kind, (_, at) => {
    const tuple = Math.floor(at / step);
    const base = Math.floor(tuple / perGroup) * block + (at % step);
    const index = flatIndex(x.real, indices.data.slice(tuple * depth, (tuple + 1) * depth), dims);
    return element(x, index, Array.from({ length: sizeOf(dims) }, (__, k) => t.data[base + k * step] as Val), memo, true);
  });
}

/** What an update does to what is there. */
function combined(r: RealGraph, mode: string): (old: Val, v: Val) => Val {
  if (mode === "add") return (old, v) => r.add(old, v);
  if (mode === "mul") return (old, v) => r.mul(old, v);
  if (mode === "max") return (old, v) => r.max(old, v);
  if (mode === "min") return (old, v) => r.min(old, v);
  return (_, v) => v;
}

/** Updates at known or data-decided positions along one axis. */
function scatterElements(x: NodeContext): SymTensor {
  const t = x.input(0);
  const [indices, updates] = [x.input(1), x.input(2)];
  if (indices.shape.join() !== updates.shape.join()) throw x.refuse(`updates of shape [${updates.shape}] at indices of shape [${indices.shape}]`, "Check the export: both have one shape");
  const axis = axisOf(x.number("axis", 0), t.shape.length);
  const mode = x.text("reduction", "none");
  const own = strides(t.shape);
  const n = t.shape[axis] as number;
  const data = [...t.data];
  const combine = combined(x.real, mode);
  build(indices.shape, "int", (index, at) => {
    const base = flat(index.map((v, d) => (d === axis ? 0 : v)), own);
    const place = (k: number): number => base + k * (own[axis] as number);
    const i = indices.data[at] as Val;
    const v = updates.data[at] as Val;
    if (isConst(i)) {
      const k = place(i < 0 ? i + n : i);
      data[k] = combine(data[k] as Val, v);
      return 0;
    }
    indexFlags(x.real, i, n).forEach((flag, k) => {
      const old = data[place(k)] as Val;
      data[place(k)] = x.real.select(flag, combine(old, v), old);
    });
    return 0;
  });
  return { ...t, data };
}

function scatterNd(x: NodeContext): SymTensor {
  const t = x.input(0);
  const [indices, updates] = [x.input(1), x.input(2)];
  const depth = indices.shape[indices.shape.length - 1] as number;
  const dims = t.shape.slice(0, depth);
  const size = sizeOf(t.shape.slice(depth));
  const combine = combined(x.real, x.text("reduction", "none"));
  const data = [...t.data];
  for (let k = 0; k < indices.data.length / depth; k++) {
    const place = flatIndex(x.real, indices.data.slice(k * depth, (k + 1) * depth), dims);
    const flags = isConst(place) ? undefined : indexFlags(x.real, place, sizeOf(dims), true);
    for (let i = 0; i < size; i++) {
      const v = updates.data[k * size + i] as Val;
      const put = (at: number, flag: Val): void => {
        const old = data[at * size + i] as Val;
        data[at * size + i] = x.real.select(flag, combine(old, v), old);
      };
      if (isConst(place)) put(place, 1);
      else flags?.forEach((flag, at) => put(at, flag));
    }
  }
  return { ...t, data };
}

export const indexing: OperatorTable = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  ScatterElements: scatterElements,
  Scatter: scatterElements,
  ScatterND: scatterNd,
  OneHot: (x) => {
    const indices = x.input(0);
    const depth = (x.known(1, "the depth") as number[])[0] as number;
    const [off, on] = x.input(2).data as [Val, Val];
    const rank = indices.shape.length + 1;
    const axis = axisOf(x.number("axis", -1), rank);
    const flags = indices.data.map((v) => indexFlags(x.real, v, depth));
    const own = strides(indices.shape);
    const shape = [...indices.shape.slice(0, axis), depth, ...indices.shape.slice(axis)];
    return build(shape, x.input(2).kind, (index) => {
      const at = flat(index.filter((_, d) => d !== axis), own);
      const flag = (flags[at] as Val[])[index[axis] as number] as Val;
      return x.real.add(off, x.real.mul(flag, x.real.sub(on, off)));
    });
  },
};
