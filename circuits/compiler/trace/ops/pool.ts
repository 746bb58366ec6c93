import { sizeOf } from "../../import/tensor.ts";
import type { RealGraph, Val } from "../../real/graph.ts";
import type { NodeContext, Operator, OperatorTable } from "../context.ts";
import { alongAxis, strides, type SymTensor } from "../tensor.ts";
import { tapTable, window, type Window } from "./convolution.ts";
import { powerOf } from "./elementwise.ts";
import { oneHotMaximum } from "./reduce.ts";
import { slidingMaxima } from "./sliding.ts";

/** Applies `f` to the elements under each window; padding is left out. */
function pooled(x: NodeContext, f: (r: RealGraph, values: Val[], position: number, win: Window) => Val): SymTensor {
  const t = x.input(0);
  const spatial = t.shape.slice(2);
  const win = window(x, spatial, kernelOf(x));
  const table = tapTable(win, spatial, strides(spatial));
  const size = sizeOf(spatial);
  const planes = (t.shape[0] as number) * (t.shape[1] as number);
  const data: Val[] = [];
  for (let p = 0; p < planes; p++) {
    table.forEach((taps, position) => {
      const values: Val[] = [];
      for (const at of taps) if (at >= 0) values.push(t.data[p * size + at] as Val);
      data.push(f(x.real, values, position, win));
    });
  }
  return { shape: [...t.shape.slice(0, 2), ...win.out], kind: t.kind, data };
}

/** How many taps of a window lie within the data plus its declared padding: what `count_include_pad` counts. */
function paddedCount(position: number, win: Window, spatial: readonly number[]): number {
  let rest = position;
  let count = 1;
  for (let d = spatial.length - 1; d >= 0; d--) {
    const n = win.out[d] as number;
    const start = (rest % n) * (win.stride[d] as number) - (win.before[d] as number);
    rest = Math.floor(rest / n);
    let inside = 0;
    for (let k = 0; k < (win.kernel[d] as number); k++) {
      if (start + k * (win.dilation[d] as number) < (spatial[d] as number) + (win.after[d] as number)) inside += 1;
    }
    count *= inside;
  }
  return count;
}

/** Pairs first, so that the tree is shallow and equal pairs of overlapping windows are shared. */
export function maximum(r: RealGraph, values: readonly Val[]): Val {
  if (values.length === 1) return values[0] as Val;
  const next: Val[] = [];
  for (let i = 0; i < values.length; i += 2) {
    next.push(i + 1 < values.length ? r.max(values[i] as Val, values[i + 1] as Val) : (values[i] as Val));
  }
  return maximum(r, next);
}

/** A window is a product of runs, one for each dimension: the maximum is taken along one dimension after the other. */
function maxPool(x: NodeContext): SymTensor {
  let t = x.input(0);
  const kernel = kernelOf(x);
  const win = window(x, t.shape.slice(2), kernel);
  kernel.forEach((k, d) => {
    const n = t.shape[2 + d] as number;
    const [step, dilation] = [win.stride[d] as number, win.dilation[d] as number];
    const windows = Array.from({ length: win.out[d] as number }, (_, o) =>
      Array.from({ length: k }, (_, i) => o * step - (win.before[d] as number) + i * dilation).filter((p) => p >= 0 && p < n),
    );
    t = alongAxis(t, 2 + d, (line) => slidingMaxima(x.real, line, windows, dilation, k));
  });
  return t;
}

function kernelOf(x: NodeContext): number[] {
  const kernel = x.list("kernel_shape");
  if (!kernel) throw x.refuse("kernel_shape is missing", "Export it with the node");
  return kernel;
}

/** Flat positions of the maxima, the first one among equals. */
function maxIndices(x: NodeContext): SymTensor {
  const t = x.input(0);
  const spatial = t.shape.slice(2);
  const size = sizeOf(spatial);
  const win = window(x, spatial, kernelOf(x));
  const columns = x.number("storage_order", 0) === 1;
  const order = strides(columns ? [...spatial].reverse() : spatial);
  const place = (at: number): number => {
    const index = strides(spatial).map((s, d) => Math.floor(at / s) % (spatial[d] as number));
    return (columns ? index.reverse() : index).reduce((sum, v, d) => sum + v * (order[d] as number), 0);
  };
  const table = tapTable(win, spatial, strides(spatial));
  const planes = (t.shape[0] as number) * (t.shape[1] as number);
  const data: Val[] = [];
  for (let p = 0; p < planes; p++) {
    for (const taps of table) {
      const at = [...taps].filter((k) => k >= 0);
      const flags = oneHotMaximum(x.real, at.map((k) => x.real.kept(t.data[p * size + k] as Val)), false);
      const index = x.real.lin(flags, at.map((k) => p * size + place(k)));
      data.push(x.real.bound(index, "index", p * size, (p + 1) * size - 1, []));
    }
  }
  return { shape: [...t.shape.slice(0, 2), ...win.out], kind: "int", data };
}

const global =
  (f: (r: RealGraph, values: Val[]) => Val): Operator =>
  (x) => {
    const t = x.input(0);
    const size = sizeOf(t.shape.slice(2));
    const planes = t.data.length / size;
    const data = Array.from({ length: planes }, (_, p) => f(x.real, t.data.slice(p * size, (p + 1) * size)));
    return { shape: [...t.shape.slice(0, 2), ...t.shape.slice(2).map(() => 1)], kind: t.kind, data };
  };

/** (sum |v|^p)^(1/p) */
function norm(r: RealGraph, values: readonly Val[], p: number): Val {
  const parts = values.map((v) => powerOf(r, p % 2 === 0 ? v : r.max(v, r.mul(-1, v)), p));
  return powerOf(r, r.lin(parts, parts.map(() => 1)), 1 / p);
}

const mean = (r: RealGraph, values: readonly Val[], n: number): Val => r.lin(values, values.map(() => 1 / n));

export const pool: OperatorTable = {
  MaxPool: (x) => (x.node.outputs.length > 1 ? [maxPool(x), maxIndices(x)] : maxPool(x)),
  AveragePool: (x) => {
    const include = x.number("count_include_pad", 0) === 1;
    const spatial = x.input(0).shape.slice(2);
    return pooled(x, (r, values, position, win) => mean(r, values, include ? paddedCount(position, win, spatial) : values.length));
  },
  LpPool: (x) => {
    const p = x.number("p", 2);
    return pooled(x, (r, values) => norm(r, values, p));
  },
  GlobalAveragePool: global((r, values) => mean(r, values, values.length)),
  GlobalMaxPool: global(maximum),
  GlobalLpPool: (x) => {
    const p = x.number("p", 2);
    return global((r, values) => norm(r, values, p))(x);
  },
};
