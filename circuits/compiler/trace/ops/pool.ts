import { sizeOf } from "../../import/tensor.ts";
import type { RealGraph, Val } from "../../real/graph.ts";
import type { NodeContext, Operator, OperatorTable } from "../context.ts";
import { strides, type SymTensor } from "../tensor.ts";
import { tapTable, window, type Window } from "./convolution.ts";
import { powerOf } from "./elementwise.ts";

/** Applies `f` to the elements under each window; padding is left out. */
function pooled(x: NodeContext, f: (r: RealGraph, values: Val[], position: number, win: Window) => Val): SymTensor {
  const t = x.input(0);
  const spatial = t.shape.slice(2);
  const kernel = x.list("kernel_shape");
  if (!kernel) throw x.refuse("kernel_shape is missing", "Export it with the node");
  const win = window(x, spatial, kernel);
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

const global =
  (f: (r: RealGraph, values: Val[]) => Val): Operator =>
  (x) => {
    const t = x.input(0);
    const size = sizeOf(t.shape.slice(2));
    const planes = t.data.length / size;
    const data = Array.from({ length: planes }, (_, p) => f(x.real, t.data.slice(p * size, (p + 1) * size)));
    return { shape: [...t.shape.slice(0, 2), ...t.shape.slice(2).map(() => 1)], kind: t.kind, data };
  };

const mean = (r: RealGraph, values: readonly Val[], n: number): Val => r.lin(values, values.map(() => 1 / n));

export const pool: OperatorTable = {
  MaxPool: (x) => {
    if (x.node.outputs.length > 1) throw x.refuse("the output Indices has no circuit", "Remove its reader (MaxUnpool)");
    return pooled(x, (r, values) => maximum(r, values));
  },
  AveragePool: (x) => {
    const include = x.number("count_include_pad", 0) === 1;
    const spatial = x.input(0).shape.slice(2);
    return pooled(x, (r, values, position, win) => mean(r, values, include ? paddedCount(position, win, spatial) : values.length));
  },
  LpPool: (x) => {
    const p = x.number("p", 2);
    if (p !== 1 && p !== 2) throw x.refuse(`p = ${p}`, "Use p = 1 or 2");
    return pooled(x, (r, values) => {
      const parts = values.map((v) => (p === 2 ? r.mul(v, v) : r.max(v, r.mul(-1, v))));
      const total = r.lin(parts, parts.map(() => 1));
      return p === 2 ? powerOf(r, total, 0.5) : total;
    });
  },
  GlobalAveragePool: global((r, values) => mean(r, values, values.length)),
  GlobalMaxPool: global(maximum),
};
