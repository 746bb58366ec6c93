import { sizeOf, type Kind } from "../../import/tensor.ts";
import { isConst, type Val } from "../../real/graph.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { axisOf, broadcastShape, broadcastTo, build, constant, flat, strides, transpose, type SymTensor } from "../tensor.ts";

const vector = (data: number[], kind: Kind = "int"): SymTensor => ({ shape: [data.length], kind, data });

function reshape(x: NodeContext): SymTensor {
  const t = x.input(0);
  const want = x.listOrInput("shape", 1, "the new shape") ?? [];
  const keepZero = x.number("allowzero", 0) === 1;
  const shape = want.map((d, i) => (d === 0 && !keepZero ? (t.shape[i] as number) : d));
  const rest = shape.reduce((p, d) => (d === -1 ? p : p * d), 1);
  return { ...t, shape: shape.map((d) => (d === -1 ? t.data.length / rest : d)) };
}

function slice(x: NodeContext): SymTensor {
  const t = x.input(0);
  const starts = x.listOrInput("starts", 1, "a slice") as number[];
  const ends = x.listOrInput("ends", 2, "a slice") as number[];
  const axes = x.listOrInput("axes", 3, "a slice") ?? starts.map((_, i) => i);
  const steps = x.known(4, "a slice") ?? starts.map(() => 1);
  const from = t.shape.map(() => 0);
  const by = t.shape.map(() => 1);
  const shape = [...t.shape];
  axes.forEach((a, i) => {
    const d = axisOf(a, t.shape.length);
    const n = t.shape[d] as number;
    const step = steps[i] as number;
    const clamp = (v: number, lo: number, hi: number): number => Math.min(hi, Math.max(lo, v < 0 ? v + n : v));
    const start = step > 0 ? clamp(starts[i] as number, 0, n) : clamp(starts[i] as number, 0, n - 1);
    const end = step > 0 ? clamp(ends[i] as number, 0, n) : clamp(ends[i] as number, -1, n - 1);
    from[d] = start;
    by[d] = step;
    shape[d] = Math.max(0, Math.ceil((end - start) / step));
  });
  const own = strides(t.shape);
  return build(shape, t.kind, (index) => t.data[flat(index.map((v, d) => (from[d] as number) + v * (by[d] as number)), own)] as Val);
}

export function concat(list: readonly SymTensor[], at: number): SymTensor {
  const first = list[0] as SymTensor;
  const axis = axisOf(at, first.shape.length);
  const outer = sizeOf(first.shape.slice(0, axis));
  const data: Val[] = [];
  for (let o = 0; o < outer; o++) {
    for (const t of list) {
      const chunk = t.data.length / outer;
      for (let i = 0; i < chunk; i++) data.push(t.data[o * chunk + i] as Val);
    }
  }
  const extent = list.reduce((sum, t) => sum + (t.shape[axis] as number), 0);
  return { shape: first.shape.map((d, i) => (i === axis ? extent : d)), kind: first.kind, data };
}

function split(x: NodeContext): SymTensor[] {
  const t = x.input(0);
  const axis = axisOf(x.number("axis", 0), t.shape.length);
  const n = t.shape[axis] as number;
  const parts = x.number("num_outputs", x.node.outputs.length);
  const even = Math.ceil(n / parts);
  const sizes = x.listOrInput("split", 1, "the sizes") ?? Array.from({ length: parts }, (_, i) => Math.min(even, n - i * even));
  return slicesOf(t, axis, sizes);
}

/** Neighbouring slices of the given sizes along an axis. */
export function slicesOf(t: SymTensor, axis: number, sizes: readonly number[]): SymTensor[] {
  const own = strides(t.shape);
  let start = 0;
  return sizes.map((size) => {
    const base = start;
    start += size;
    const shape = t.shape.map((d, i) => (i === axis ? size : d));
    return build(shape, t.kind, (index) => t.data[flat(index, own) + base * (own[axis] as number)] as Val);
  });
}

function pad(x: NodeContext): SymTensor {
  const t = x.input(0);
  const rank = t.shape.length;
  const given = x.list("pads") ?? x.list("paddings") ?? (x.known(1, "the padding") as number[]);
  const axes = (x.known(3, "the axes") ?? t.shape.map((_, i) => i)).map((a) => axisOf(a, rank));
  const pads = new Array<number>(2 * rank).fill(0);
  axes.forEach((a, i) => {
    pads[a] = given[i] as number;
    pads[rank + a] = given[axes.length + i] as number;
  });
  const fill: Val = x.opset < 11 ? x.number("value", 0) : (x.optional(2)?.data[0] ?? 0);
  const mode = x.text("mode", "constant");
  const own = strides(t.shape);
  return build(t.shape.map((d, i) => d + (pads[i] as number) + (pads[rank + i] as number)), t.kind, (index) => {
    let outside = false;
    const source = index.map((v, d) => {
      const n = t.shape[d] as number;
      let p = v - (pads[d] as number);
      if (p >= 0 && p < n) return p;
      outside = true;
      if (mode === "wrap") return ((p % n) + n) % n;
      if (mode === "reflect") {
        const period = 2 * Math.max(1, n - 1);
        p = ((p % period) + period) % period;
        return p < n ? p : period - p;
      }
      return Math.min(n - 1, Math.max(0, p));
    });
    return outside && mode === "constant" ? fill : (t.data[flat(source, own)] as Val);
  });
}

function unsqueeze(x: NodeContext): SymTensor {
  const t = x.input(0);
  const axes = x.listOrInput("axes", 1, "the axes") as number[];
  const rank = t.shape.length + axes.length;
  const at = new Set(axes.map((a) => axisOf(a, rank)));
  const rest = [...t.shape];
  return { ...t, shape: Array.from({ length: rank }, (_, i) => (at.has(i) ? 1 : (rest.shift() as number))) };
}

function squeeze(x: NodeContext): SymTensor {
  const t = x.input(0);
  const axes = x.listOrInput("axes", 1, "the axes")?.map((a) => axisOf(a, t.shape.length));
  return { ...t, shape: t.shape.filter((d, i) => (axes ? !axes.includes(i) : d !== 1)) };
}

function constantNode(x: NodeContext): SymTensor {
  const t = x.tensorAttribute("value") ?? x.tensorAttribute("sparse_value");
  if (t) return constant(t);
  for (const [name, kind] of [["value_float", "float"], ["value_int", "int"]] as const) {
    if (x.node.attributes.has(name)) return { shape: [], kind, data: [x.number(name)] };
  }
  const list = x.list("value_floats") ?? x.list("value_ints");
  if (!list) throw x.refuse("a constant that is not a number", "Remove it");
  return vector(list, x.node.attributes.has("value_floats") ? "float" : "int");
}

/** Block and channel swaps: pure permutations of elements. */
function depthToSpace(x: NodeContext): SymTensor {
  const t = x.input(0);
  const b = x.number("blocksize");
  const [n, c, h, w] = t.shape as [number, number, number, number];
  const crd = x.text("mode", "DCR") === "CRD";
  const parts = crd ? [n, c / (b * b), b, b, h, w] : [n, b, b, c / (b * b), h, w];
  const moved = transpose({ ...t, shape: parts }, crd ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]);
  return { ...moved, shape: [n, c / (b * b), h * b, w * b] };
}

function spaceToDepth(x: NodeContext): SymTensor {
  const t = x.input(0);
  const b = x.number("blocksize");
  const [n, c, h, w] = t.shape as [number, number, number, number];
  const moved = transpose({ ...t, shape: [n, c, h / b, b, w / b, b] }, [0, 3, 5, 1, 2, 4]);
  return { ...moved, shape: [n, c * b * b, h / b, w / b] };
}

export const layout: OperatorTable = {
  Reshape: reshape,
  Flatten: (x) => {
    const t = x.input(0);
    const axis = x.number("axis", 1);
    const at = axis < 0 ? axis + t.shape.length : axis;
    return { ...t, shape: [sizeOf(t.shape.slice(0, at)), sizeOf(t.shape.slice(at))] };
  },
  Transpose: (x) => {
    const t = x.input(0);
    return transpose(t, x.list("perm") ?? t.shape.map((_, i) => t.shape.length - 1 - i));
  },
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Concat: (x) => concat(x.inputs.map((_, i) => x.input(i)), x.number("axis", 1)),
  Split: split,
  Slice: slice,
  Pad: pad,
  Constant: constantNode,
  Shape: (x) => {
    const s = x.input(0).shape;
    return vector(s.slice(x.number("start", 0), x.node.attributes.has("end") ? x.number("end") : s.length));
  },
  Size: (x) => ({ shape: [], kind: "int", data: [x.input(0).data.length] }),
  ConstantOfShape: (x) => {
    const t = x.tensorAttribute("value");
    const value = t?.data[0] ?? 0;
    return build(x.known(0, "the shape") as number[], t?.kind ?? "float", () => value);
  },
  Expand: (x) => broadcastTo(x.input(0), broadcastShape(x.input(0).shape, x.known(1, "the shape") as number[])),
  Tile: (x) => {
    const t = x.input(0);
    const repeats = x.known(1, "the repeats") as number[];
    const own = strides(t.shape);
    return build(t.shape.map((d, i) => d * (repeats[i] as number)), t.kind, (index) =>
      t.data[flat(index.map((v, d) => v % (t.shape[d] as number)), own)] as Val);
  },
  Range: (x) => {
    const [start, limit, delta] = [0, 1, 2].map((i) => (x.known(i, "the range") as number[])[0]) as [number, number, number];
    const n = Math.max(0, Math.ceil((limit - start) / delta));
    return vector(Array.from({ length: n }, (_, i) => start + i * delta), x.input(0).kind);
  },
  EyeLike: (x) => build(x.input(0).shape, x.input(0).kind, ([i, j]) => Number((j as number) - (i as number) === x.number("k", 0))),
  NonZero: (x) => {
    const t = x.input(0);
    if (!t.data.every(isConst)) throw x.refuse("the shape depends on the data", "Keep data-dependent shapes outside of the model");
    const found: number[][] = [];
    build(t.shape, "int", (index, i) => {
      if (t.data[i] !== 0) found.push([...index]);
      return 0;
    });
    return build([t.shape.length, found.length], "int", ([d, i]) => (found[i as number] as number[])[d as number] as number);
  },
  Trilu: (x) => {
    const t = x.input(0);
    const k = x.known(1, "the diagonal")?.[0] ?? 0;
    const upper = x.number("upper", 1) === 1;
    return build(t.shape, t.kind, (index, at) => {
      const d = (index[index.length - 1] as number) - (index[index.length - 2] as number);
      return (upper ? d >= k : d <= k) ? (t.data[at] as Val) : 0;
    });
  },
  Compress: (x) => {
    const flags = x.known(1, "the condition") as number[];
    const axis = x.node.attributes.has("axis") ? axisOf(x.number("axis"), x.input(0).shape.length) : undefined;
    const t = axis === undefined ? { ...x.input(0), shape: [x.input(0).data.length] } : x.input(0);
    const at = flags.flatMap((f, i) => (f ? [i] : []));
    const own = strides(t.shape);
    return build(t.shape.map((d, i) => (i === (axis ?? 0) ? at.length : d)), t.kind, (index) =>
      t.data[flat(index.map((v, d) => (d === (axis ?? 0) ? (at[v] as number) : v)), own)] as Val);
  },
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};
