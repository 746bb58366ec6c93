import { sizeOf } from "../../import/tensor.ts";
import { isConst, type RealGraph, type Val } from "../../real/graph.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { axisOf, build, flat, strides, type SymTensor } from "../tensor.ts";

/** One flag per possible index, for an index that the data decides. Negative indices count from the end. */
export function indexFlags(r: RealGraph, index: Val, n: number): Val[] {
  return Array.from({ length: n }, (_, i) => {
    const here = r.eq0(r.lin([index], [1], -i));
    return isConst(index) || lowestIsZero(index) ? here : r.add(here, r.eq0(r.lin([index], [1], n - i)));
  });
}

/** Embedding indices are almost never negative; the flags for negative ones vanish when the box starts at 0. */
function lowestIsZero(index: Val): boolean {
  return !isConst(index) && (index.op === "input" || index.op === "bound");
}

/** sum of flag_i * option_i. */
function choose(r: RealGraph, flags: readonly Val[], options: readonly Val[]): Val {
  const parts = flags.map((f, i) => r.mul(f, options[i] as Val));
  return r.lin(parts, parts.map(() => 1));
}

/** Element at `index` of `options`: known indices are free, others are a one-hot sum. */
function element(x: NodeContext, index: Val, options: readonly Val[], memo: Map<Val, Val[]>): Val {
  const n = options.length;
  if (isConst(index)) {
    const at = index < 0 ? index + n : index;
    if (!(at >= 0 && at < n)) throw x.refuse(`index ${index} of ${n}`, "Correct the index");
    return options[at] as Val;
  }
  const flags = memo.get(index) ?? indexFlags(x.real, index, n);
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

function gatherNd(x: NodeContext): SymTensor {
  const t = x.input(0);
  const indices = x.input(1);
  const list = x.known(1, "the index tuple") as number[];
  const batch = x.number("batch_dims", 0);
  const depth = indices.shape[indices.shape.length - 1] as number;
  const own = strides(t.shape);
  const rest = t.shape.slice(batch + depth);
  const lead = indices.shape.slice(0, -1);
  const leadStride = strides(lead);
  return build([...lead, ...rest], t.kind, (index) => {
    const tuple = flat(index.slice(0, lead.length), leadStride) * depth;
    const source = [
      ...index.slice(0, batch),
      ...Array.from({ length: depth }, (_, d) => {
        const v = list[tuple + d] as number;
        return v < 0 ? v + (t.shape[batch + d] as number) : v;
      }),
      ...index.slice(lead.length),
    ];
    return t.data[flat(source, own)] as Val;
  });
}

/** Updates at known or data-decided positions along one axis. */
function scatterElements(x: NodeContext): SymTensor {
  const t = x.input(0);
  const [indices, updates] = [x.input(1), x.input(2)];
  const axis = axisOf(x.number("axis", 0), t.shape.length);
  const mode = x.text("reduction", "none");
  const own = strides(t.shape);
  const n = t.shape[axis] as number;
  const data = [...t.data];
  const combine = (old: Val, v: Val): Val => {
    if (mode === "none") return v;
    if (mode === "add") return x.real.add(old, v);
    if (mode === "mul") return x.real.mul(old, v);
    return mode === "max" ? x.real.max(old, v) : x.real.min(old, v);
  };
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
  const indices = x.input(1);
  const list = x.known(1, "the index tuple") as number[];
  const updates = x.input(2);
  const depth = indices.shape[indices.shape.length - 1] as number;
  const own = strides(t.shape);
  const size = sizeOf(t.shape.slice(depth));
  const add = x.text("reduction", "none") === "add";
  const data = [...t.data];
  for (let k = 0; k < list.length / depth; k++) {
    let base = 0;
    for (let d = 0; d < depth; d++) {
      const v = list[k * depth + d] as number;
      base += (v < 0 ? v + (t.shape[d] as number) : v) * (own[d] as number);
    }
    for (let i = 0; i < size; i++) {
      const v = updates.data[k * size + i] as Val;
      data[base + i] = add ? x.real.add(data[base + i] as Val, v) : v;
    }
  }
  return { ...t, data };
}

/** Nearest and linear resizing by fixed scales: linear maps with constant weights. */
function resize(x: NodeContext): SymTensor {
  const t = x.input(0);
  const old = x.node.operator === "Upsample" || x.opset < 11;
  const scales = x.list("scales") ?? x.known(old ? 1 : 2, "the scales");
  const sizes = old ? undefined : x.known(3, "the sizes");
  const out = sizes && sizes.length > 0 ? sizes : t.shape.map((d, i) => Math.floor(d * ((scales ?? [])[i] ?? 1)));
  const ratio = t.shape.map((d, i) => (sizes && sizes.length > 0 ? (out[i] as number) / d : ((scales ?? [])[i] ?? 1)));
  const mode = x.text("mode", "nearest");
  if (mode === "cubic") throw x.refuse("cubic interpolation", "Use nearest or linear");
  const coordinates = x.text("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  const nearest = x.text("nearest_mode", old ? "floor" : "round_prefer_floor");
  const source = (v: number, d: number): number => {
    const s = ratio[d] as number;
    if (s === 1) return v;
    if (coordinates === "asymmetric") return v / s;
    if (coordinates === "align_corners") return (out[d] as number) > 1 ? (v * ((t.shape[d] as number) - 1)) / ((out[d] as number) - 1) : 0;
    if (coordinates === "pytorch_half_pixel" && (out[d] as number) === 1) return 0;
    if (coordinates === "tf_crop_and_resize") throw x.refuse("tf_crop_and_resize", "Crop before resizing");
    return (v + 0.5) / s - 0.5;
  };
  const rounding: Record<string, (v: number) => number> = {
    floor: Math.floor, ceil: Math.ceil, round_prefer_floor: (v) => Math.ceil(v - 0.5), round_prefer_ceil: (v) => Math.floor(v + 0.5),
  };
  const own = strides(t.shape);
  const clamp = (v: number, d: number): number => Math.min((t.shape[d] as number) - 1, Math.max(0, v));
  return build(out, t.kind, (index) => {
    let taps: { at: number; w: number }[] = [{ at: 0, w: 1 }];
    index.forEach((v, d) => {
      const s = source(v, d);
      const choices = mode === "nearest"
        ? [{ p: clamp((rounding[nearest] ?? Math.floor)(s), d), w: 1 }]
        : [{ p: clamp(Math.floor(s), d), w: 1 - (s - Math.floor(s)) }, { p: clamp(Math.floor(s) + 1, d), w: s - Math.floor(s) }];
      taps = taps.flatMap((tap) => choices.filter((c) => c.w !== 0).map((c) => ({ at: tap.at + c.p * (own[d] as number), w: tap.w * c.w })));
    });
    return x.real.lin(taps.map((tap) => t.data[tap.at] as Val), taps.map((tap) => tap.w));
  });
}

export const indexing: OperatorTable = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  ScatterElements: scatterElements,
  Scatter: scatterElements,
  ScatterND: scatterNd,
  Resize: resize,
  Upsample: resize,
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
