import { sizeOf } from "../../import/tensor.ts";
import type { Val } from "../../real/graph.ts";
import type { NodeContext } from "../context.ts";
import { build, flat, strides, type SymTensor } from "../tensor.ts";
import { dot } from "./linear.ts";

export interface Window {
  readonly kernel: number[];
  readonly stride: number[];
  readonly dilation: number[];
  /** Padding in front of and behind each spatial dimension. */
  readonly before: number[];
  readonly after: number[];
  readonly out: number[];
}

/** The attributes that convolutions and pools share; `auto_pad` and `ceil_mode` are resolved here. */
export function window(x: NodeContext, spatial: readonly number[], kernel: readonly number[]): Window {
  const rank = spatial.length;
  const ones = new Array<number>(rank).fill(1);
  const stride = x.list("strides") ?? ones;
  const dilation = x.list("dilations") ?? ones;
  const pads = x.list("pads") ?? new Array<number>(2 * rank).fill(0);
  const auto = x.text("auto_pad", "NOTSET");
  const before = pads.slice(0, rank);
  const after = pads.slice(rank);
  const reach = kernel.map((k, d) => (k - 1) * (dilation[d] as number) + 1);
  if (auto === "VALID") {
    before.fill(0);
    after.fill(0);
  }
  if (auto.startsWith("SAME")) {
    for (let d = 0; d < rank; d++) {
      const s = stride[d] as number;
      const n = spatial[d] as number;
      const total = Math.max(0, (Math.ceil(n / s) - 1) * s + (reach[d] as number) - n);
      before[d] = auto === "SAME_UPPER" ? Math.floor(total / 2) : Math.ceil(total / 2);
      after[d] = total - (before[d] as number);
    }
  }
  const ceil = x.number("ceil_mode", 0) === 1;
  const out = spatial.map((n, d) => {
    const s = stride[d] as number;
    const room = n + (before[d] as number) + (after[d] as number) - (reach[d] as number);
    let size = (ceil ? Math.ceil(room / s) : Math.floor(room / s)) + 1;
    // A window that starts in the padding behind the data does not count.
    if (ceil && (size - 1) * s >= n + (before[d] as number)) size -= 1;
    return size;
  });
  if (out.some((n) => n <= 0)) throw x.refuse(`the window [${kernel}] does not fit [${spatial}]`, "Check pads and strides");
  return { kernel: [...kernel], stride, dilation, before, after, out };
}

export function convolution(x: NodeContext): SymTensor {
  return convolve(x, x.input(0), x.input(1), x.optional(2)?.data);
}

/** Convolution of given operands by the attributes of the node: quantised ones pass what they dequantised. */
export function convolve(x: NodeContext, t: SymTensor, w: SymTensor, bias?: readonly Val[]): SymTensor {
  const groups = x.number("group", 1);
  const spatial = t.shape.slice(2);
  const win = window(x, spatial, w.shape.slice(2));
  const [m, perGroup] = w.shape as [number, number];
  const taps = sizeOf(win.kernel);
  const size = sizeOf(spatial);
  const channels = t.shape[1] as number;
  const inner = strides(spatial);
  const positions = tapTable(win, spatial, inner);
  return build([t.shape[0] as number, m, ...win.out], "float", (index, at) => {
    const [n, o] = index as [number, number];
    const group = Math.floor(o / (m / groups));
    const position = positions[at % sizeOf(win.out)] as Int32Array;
    const values: Val[] = [];
    const weights: Val[] = [];
    for (let c = 0; c < perGroup; c++) {
      const base = (n * channels + group * perGroup + c) * size;
      for (let k = 0; k < taps; k++) {
        const p = position[k] as number;
        if (p < 0) continue;
        values.push(t.data[base + p] as Val);
        weights.push(w.data[(o * perGroup + c) * taps + k] as Val);
      }
    }
    return dot(x.real, values, weights, bias?.[o]);
  });
}

/** For every output position, the flat input position under each tap, or -1 in the padding. */
export function tapTable(win: Window, spatial: readonly number[], inner: readonly number[]): Int32Array[] {
  const taps = build(win.kernel, "int", () => 0).data.length;
  const table: Int32Array[] = [];
  build(win.out, "int", (out) => {
    const row = new Int32Array(taps);
    build(win.kernel, "int", (k, i) => {
      let at = 0;
      for (let d = 0; d < spatial.length; d++) {
        const p = (out[d] as number) * (win.stride[d] as number) - (win.before[d] as number) + (k[d] as number) * (win.dilation[d] as number);
        if (p < 0 || p >= (spatial[d] as number)) at = -1;
        if (at >= 0) at += p * (inner[d] as number);
      }
      row[i] = at;
      return 0;
    });
    table.push(row);
    return 0;
  });
  return table;
}

export function convolutionTransposed(x: NodeContext): SymTensor {
  const t = x.input(0);
  const w = x.input(1);
  const bias = x.optional(2);
  const groups = x.number("group", 1);
  const spatial = t.shape.slice(2);
  const rank = spatial.length;
  const ones = new Array<number>(rank).fill(1);
  const kernel = w.shape.slice(2);
  const stride = x.list("strides") ?? ones;
  const dilation = x.list("dilations") ?? ones;
  const extra = x.list("output_padding") ?? new Array<number>(rank).fill(0);
  const full = spatial.map((n, d) => (n - 1) * (stride[d] as number) + ((kernel[d] as number) - 1) * (dilation[d] as number) + 1 + (extra[d] as number));
  const wanted = x.list("output_shape")?.slice(-rank);
  const auto = x.text("auto_pad", "NOTSET");
  let pads = x.list("pads") ?? new Array<number>(2 * rank).fill(0);
  const target = wanted ?? (auto.startsWith("SAME") ? spatial.map((n, d) => n * (stride[d] as number)) : undefined);
  if (target) {
    const total = full.map((n, d) => Math.max(0, n - (target[d] as number)));
    const small = total.map((n) => Math.floor(n / 2));
    const rest = total.map((n, d) => n - (small[d] as number));
    pads = auto === "SAME_UPPER" ? [...small, ...rest] : [...rest, ...small];
  }
  // A wanted size beyond what the kernel reaches is filled with the bias.
  const out = target ?? full.map((n, d) => n - (pads[d] as number) - (pads[rank + d] as number));
  const channels = t.shape[1] as number;
  const outPerGroup = w.shape[1] as number;
  const inPerGroup = channels / groups;
  const inner = strides(spatial);
  const taps = sizeOf(kernel);
  return build([t.shape[0] as number, outPerGroup * groups, ...out], "float", (index) => {
    const [n, o] = index as [number, number];
    const group = Math.floor(o / outPerGroup);
    const values: Val[] = [];
    const weights: Val[] = [];
    build(kernel, "int", (k, tap) => {
      const source = spatial.map((size, d) => {
        const p = (index[2 + d] as number) + (pads[d] as number) - (k[d] as number) * (dilation[d] as number);
        return p % (stride[d] as number) === 0 && p >= 0 && p / (stride[d] as number) < size ? p / (stride[d] as number) : -1;
      });
      if (source.some((p) => p < 0)) return 0;
      for (let c = 0; c < inPerGroup; c++) {
        const channel = group * inPerGroup + c;
        values.push(t.data[(n * channels + channel) * sizeOf(spatial) + flat(source, inner)] as Val);
        weights.push(w.data[(channel * outPerGroup + (o % outPerGroup)) * taps + tap] as Val);
      }
      return 0;
    });
    return dot(x.real, values, weights, bias?.data[o]);
  });
}
