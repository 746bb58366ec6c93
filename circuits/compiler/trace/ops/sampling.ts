import { isConst, type RealGraph, type Val } from "../../real/graph.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { build, type SymTensor } from "../tensor.ts";
import { window } from "./convolution.ts";
import { dot } from "./linear.ts";
import { maximum } from "./pool.ts";
import { cubic } from "./resize.ts";

/** How much each of `n` places along an axis counts at a position, which the data may decide. */
type Taps = readonly (readonly [at: number, weight: Val])[];

/** max(0, 1 - |v - k|): what a linear interpolation gives to place k. */
function hat(r: RealGraph, v: Val, k: number): Val {
  if (isConst(v)) return Math.max(0, 1 - Math.abs(v - k));
  const distance = r.max(r.lin([v], [1], -k), r.lin([v], [-1], k));
  return r.relu(r.lin([distance], [-1], 1));
}

const nearestOf = (v: number): number => {
  const f = Math.floor(v);
  return v - f < 0.5 || (v - f === 0.5 && f % 2 === 0) ? f : f + 1;
};

/** 1 where place k is the nearest to v; half-way values belong to the even place, as in the runtimes. */
function nearest(r: RealGraph, v: Val, k: number): Val {
  if (isConst(v)) return Number(nearestOf(v) === k);
  const from = r.ge0(r.lin([v], [1], 0.5 - k));
  const past = r.ge0(r.lin([v], [1], -0.5 - k));
  return r.sub(from, past);
}

/** A coordinate beyond the edge: outside counts as zero, at the edge, or as in a mirror. */
function kept(x: NodeContext, v: Val, size: number, corners: boolean): Val {
  const r = x.real;
  const mode = x.text("padding_mode", "zeros");
  if (mode === "zeros") return v;
  if (mode === "border") return r.clip(v, 0, size - 1);
  if (!isConst(v)) throw x.refuse("reflection at places that the data decides", "Use padding_mode zeros or border");
  const [lo, hi] = corners ? [0, size - 1] : [-0.5, size - 0.5];
  const span = hi - lo;
  if (span <= 0) return 0;
  const far = (((v - lo) % (2 * span)) + 2 * span) % (2 * span);
  return Math.min(size - 1, Math.max(0, lo + (far <= span ? far : 2 * span - far)));
}

/** Four places around a position, by cubic convolution; each is padded by itself. */
function cubicTaps(x: NodeContext, v: Val, size: number, corners: boolean): Taps {
  if (!isConst(v)) throw x.refuse("cubic reading at places that the data decides", "Use mode linear or nearest");
  const low = Math.floor(v);
  const list = [low - 1, low, low + 1, low + 2].map((p) => [kept(x, p, size, corners) as number, cubic(-0.75, v - p)] as const);
  return list.filter(([p]) => p >= 0 && p < size);
}

function taps(x: NodeContext, raw: Val, size: number, mode: string, corners: boolean): Taps {
  const r = x.real;
  const v = r.lin([raw], [corners ? (size - 1) / 2 : size / 2], (size - 1) / 2);
  if (mode === "cubic") return cubicTaps(x, v, size, corners);
  const at = kept(x, v, size, corners);
  const weight = mode === "nearest" ? nearest : hat;
  const list = Array.from({ length: size }, (_, k) => [k, weight(r, at, k)] as const);
  return list.filter(([, w]) => w !== 0);
}

/** Reads an image at given places: products of the weights along each axis. */
function gridSample(x: NodeContext): SymTensor {
  const [t, grid] = [x.input(0), x.input(1)];
  const r = x.real;
  const mode = x.text("mode", "linear").replace("bilinear", "linear").replace("bicubic", "cubic");
  if (!["linear", "nearest", "cubic"].includes(mode)) throw x.refuse(`mode ${mode}`, "Use linear, nearest or cubic");
  const spatial = t.shape.slice(2);
  const [n, channels] = t.shape as [number, number];
  const corners = x.number("align_corners", 0) === 1;
  const places = grid.data.length / n / spatial.length;
  const size = spatial.reduce((a, b) => a * b, 1);
  const data: Val[] = new Array<Val>(n * channels * places);
  for (let b = 0; b < n; b++) {
    for (let p = 0; p < places; p++) {
      // The last axis of the image comes first in the grid.
      const at = (b * places + p) * spatial.length;
      const axes = spatial.map((d, i) => taps(x, grid.data[at + spatial.length - 1 - i] as Val, d, mode, corners));
      for (let c = 0; c < channels; c++) data[(b * channels + c) * places + p] = weighted(r, t.data, (b * channels + c) * size, spatial, axes);
    }
  }
  return { shape: [n, channels, ...grid.shape.slice(1, -1)], kind: t.kind, data };
}

/** Axis by axis from the last one on, so that a weight meets each line once. */
function weighted(r: RealGraph, data: readonly Val[], base: number, spatial: readonly number[], axes: readonly Taps[]): Val {
  const [first, ...rest] = axes as [Taps, ...Taps[]];
  const step = spatial.slice(1).reduce((a, b) => a * b, 1);
  const parts = first.map(([k, w]) => {
    const inner = rest.length > 0 ? weighted(r, data, base + k * step, spatial.slice(1), rest) : (data[base + k] as Val);
    return r.mul(w, inner);
  });
  return r.lin(parts, parts.map(() => 1));
}

/** Base grid times theta. */
function affineGrid(x: NodeContext): SymTensor {
  const theta = x.input(0);
  const [n, , ...spatial] = x.known(1, "the size") as [number, number, ...number[]];
  const corners = x.number("align_corners", 0) === 1;
  const rank = spatial.length;
  return build([n, ...spatial, rank], "float", (index) => {
    const [b, row] = [index[0] as number, index[rank + 1] as number];
    const base = spatial.map((d, i) => {
      const k = index[i + 1] as number;
      return corners ? (d > 1 ? (2 * k) / (d - 1) - 1 : 0) : (2 * k + 1) / d - 1;
    }).reverse();
    const line = theta.data.slice((b * rank + row) * (rank + 1), (b * rank + row + 1) * (rank + 1));
    return x.real.lin(line, [...base, 1]);
  });
}

/** A convolution that reads between the places of its taps: each is moved by an offset, and weighed by a mask. */
function deformable(x: NodeContext): SymTensor {
  const r = x.real;
  const [t, w, offset] = [x.input(0), x.input(1), x.input(2)];
  const [bias, mask] = [x.optional(3), x.optional(4)];
  const spatial = t.shape.slice(2);
  const [groups, shifts] = [x.number("group", 1), x.number("offset_group", 1)];
  const win = window(x, spatial, w.shape.slice(2));
  if (spatial.length !== 2) throw x.refuse("offsets in other than two dimensions", "Use images");
  const [channels, [m, perGroup]] = [t.shape[1] as number, w.shape as [number, number]];
  const [taps, places, plane] = [win.kernel, win.out, spatial].map((l) => l.reduce((a, b) => a * b, 1)) as [number, number, number];
  const read = new Map<string, Val>();
  const sample = (n: number, c: number, tap: number, place: number): Val => {
    const key = [n, c, tap, place].join();
    const known = read.get(key);
    if (known !== undefined) return known;
    const own = Math.floor(c / (channels / shifts));
    const [i, j] = [[Math.floor(place / (win.out[1] as number)), place % (win.out[1] as number)], [Math.floor(tap / (win.kernel[1] as number)), tap % (win.kernel[1] as number)]] as const;
    const axes = spatial.map((size, d) => {
      const base = (i[d] as number) * (win.stride[d] as number) - (win.before[d] as number) + (j[d] as number) * (win.dilation[d] as number);
      const v = r.lin([offset.data[((n * shifts + own) * taps * 2 + tap * 2 + d) * places + place] as Val], [1], base);
      return Array.from({ length: size }, (_, k) => [k, hat(r, v, k)] as const).filter(([, weight]) => weight !== 0);
    });
    const value = weighted(r, t.data, (n * channels + c) * plane, spatial, axes);
    const made = mask ? r.mul(mask.data[((n * shifts + own) * taps + tap) * places + place] as Val, value) : value;
    read.set(key, made);
    return made;
  };
  return build([t.shape[0] as number, m, ...win.out], "float", (index, at) => {
    const [n, o] = index as [number, number];
    const group = Math.floor(o / (m / groups));
    const values: Val[] = [];
    for (let c = 0; c < perGroup; c++) for (let tap = 0; tap < taps; tap++) values.push(sample(n, group * perGroup + c, tap, at % places));
    return dot(r, values, w.data.slice(o * perGroup * taps, (o + 1) * perGroup * taps), bias?.data[o]);
  });
}

interface Region {
  readonly batch: number;
  readonly box: readonly [x1: number, y1: number, x2: number, y2: number];
}

/** Averages or maxima of interpolated samples in the bins of regions that are known when the circuit is made. */
function roiAlign(x: NodeContext): SymTensor {
  const t = x.input(0);
  const boxes = x.known(1, "the regions") as number[];
  const batches = x.known(2, "the batch of a region") as number[];
  const [, channels, height, width] = t.shape as [number, number, number, number];
  const [rows, columns] = [x.number("output_height", 1), x.number("output_width", 1)];
  const [scale, ratio] = [x.number("spatial_scale", 1), x.number("sampling_ratio", 0)];
  const half = x.text("coordinate_transformation_mode", x.opset < 16 ? "output_half_pixel" : "half_pixel") === "half_pixel";
  const average = x.text("mode", "avg") === "avg";
  const regions = batches.map((batch, i): Region => ({ batch, box: boxes.slice(4 * i, 4 * i + 4).map((v) => v * scale - (half ? 0.5 : 0)) as unknown as Region["box"] }));
  return build([regions.length, channels, rows, columns], t.kind, (index) => {
    const [k, c, i, j] = index as [number, number, number, number];
    const { batch, box: [x1, y1, x2, y2] } = regions[k] as Region;
    const [h, w] = half ? [y2 - y1, x2 - x1] : [Math.max(1, y2 - y1), Math.max(1, x2 - x1)];
    const [ny, nx] = ratio > 0 ? [ratio, ratio] : [Math.ceil(h / rows), Math.ceil(w / columns)];
    const base = (batch * channels + c) * height * width;
    const samples: Val[] = [];
    for (let a = 0; a < ny; a++) {
      for (let b = 0; b < nx; b++) {
        const y = y1 + (h / rows) * (i + (a + 0.5) / ny);
        const xx = x1 + (w / columns) * (j + (b + 0.5) / nx);
        const corners = bilinear(y, xx, height, width);
        const weights = corners.map(([, weight]) => weight);
        const values = corners.map(([at]) => t.data[base + at] as Val);
        // With maxima the runtimes take the largest weighted corner, not the largest interpolated sample.
        if (average) samples.push(x.real.lin(values, weights));
        else samples.push(...values.map((v, m) => x.real.mul(weights[m] as number, v)));
      }
    }
    if (samples.length === 0) return 0;
    return average ? x.real.lin(samples, samples.map(() => 1 / samples.length)) : maximum(x.real, samples);
  });
}

/** The four corners around a place and their weights; more than one step outside nothing is read. */
function bilinear(y: number, x: number, height: number, width: number): (readonly [at: number, weight: number])[] {
  if (y < -1 || y > height || x < -1 || x > width) return [[0, 0]];
  const axis = (v: number, n: number): (readonly [number, number])[] => {
    const at = Math.min(n - 1, Math.max(0, v));
    const low = Math.min(n - 1, Math.floor(at));
    return [[low, 1 - (at - low)], [Math.min(n - 1, low + 1), at - low]];
  };
  return axis(y, height).flatMap(([i, p]) => axis(x, width).map(([j, q]) => [i * width + j, p * q] as const));
}

/** The maximum of each bin of regions that are known when the circuit is made. */
function maxRoiPool(x: NodeContext): SymTensor {
  const t = x.input(0);
  const list = x.known(1, "the regions") as number[];
  const [, channels, height, width] = t.shape as [number, number, number, number];
  const [rows, columns] = x.list("pooled_shape") as [number, number];
  const scale = x.number("spatial_scale", 1);
  return build([list.length / 5, channels, rows, columns], t.kind, (index) => {
    const [k, c, i, j] = index as [number, number, number, number];
    const [batch, x1, y1, x2, y2] = list.slice(5 * k, 5 * k + 5).map((v, m) => (m === 0 ? v : Math.round(v * scale))) as [number, number, number, number, number];
    const [h, w] = [Math.max(1, y2 - y1 + 1), Math.max(1, x2 - x1 + 1)];
    const within = (v: number, n: number): number => Math.min(n, Math.max(0, v));
    const [top, bottom] = [within(y1 + Math.floor((i * h) / rows), height), within(y1 + Math.ceil(((i + 1) * h) / rows), height)];
    const [left, right] = [within(x1 + Math.floor((j * w) / columns), width), within(x1 + Math.ceil(((j + 1) * w) / columns), width)];
    const values: Val[] = [];
    for (let y = top; y < bottom; y++) for (let q = left; q < right; q++) values.push(t.data[((batch * channels + c) * height + y) * width + q] as Val);
    return values.length > 0 ? maximum(x.real, values) : 0;
  });
}

export const sampling: OperatorTable = { GridSample: gridSample, AffineGrid: affineGrid, RoiAlign: roiAlign, MaxRoiPool: maxRoiPool, DeformConv: deformable };
