import type { Val } from "../../real/graph.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { axisOf, build, strides, type SymTensor } from "../tensor.ts";

/** What one dimension of the result reads: positions in the source and their weights. Positions outside of it are `null`. */
interface Tap {
  readonly at: number | null;
  readonly w: number;
}

const rounding: Record<string, (v: number) => number> = {
  floor: Math.floor, ceil: Math.ceil, round_prefer_floor: (v) => Math.ceil(v - 0.5), round_prefer_ceil: (v) => Math.floor(v + 0.5),
};

interface Dimension {
  readonly from: number;
  readonly to: number;
  readonly scale: number;
  readonly roi: readonly [number, number];
}

/** Sizes and scales of every dimension, whichever of the two the node gives. */
function dimensions(x: NodeContext, shape: readonly number[], old: boolean): Dimension[] {
  const rank = shape.length;
  const axes = (x.list("axes") ?? shape.map((_, i) => i)).map((a) => axisOf(a, rank));
  const sizes = old ? undefined : x.known(3, "the sizes");
  const scales = x.list("scales") ?? x.known(old ? 1 : 2, "the scales");
  const roi = old ? undefined : x.known(1, "the region");
  const bySize = sizes !== undefined && sizes.length > 0;
  const policy = x.text("keep_aspect_ratio_policy", "stretch");
  const wanted = axes.map((a, i) => (bySize ? (sizes[i] as number) / (shape[a] as number) : ((scales ?? [])[i] ?? 1)));
  const common = policy === "stretch" ? undefined : policy === "not_larger" ? Math.min(...wanted) : Math.max(...wanted);
  return shape.map((from, d) => {
    const i = axes.indexOf(d);
    if (i < 0) return { from, to: from, scale: 1, roi: [0, 1] as const };
    const scale = common ?? (wanted[i] as number);
    const region = [roi?.[i] ?? 0, roi?.[axes.length + i] ?? 1] as const;
    const crop = x.text("coordinate_transformation_mode", "") === "tf_crop_and_resize" ? region[1] - region[0] : 1;
    const to = bySize ? (common ? Math.floor(scale * from + 0.5) : (sizes[i] as number)) : Math.floor(from * crop * scale);
    return { from, to, scale, roi: region };
  });
}

/** Where in the source a position of the result lies. */
function source(x: NodeContext, d: Dimension, v: number, mode: string): number {
  if (d.scale === 1 && d.from === d.to) return v;
  switch (mode) {
    case "asymmetric":
      return v / d.scale;
    case "align_corners":
      return d.to > 1 ? (v * (d.from - 1)) / (d.to - 1) : 0;
    case "pytorch_half_pixel":
      return d.to > 1 ? (v + 0.5) / d.scale - 0.5 : 0;
    case "tf_half_pixel_for_nn":
      return (v + 0.5) / d.scale;
    case "tf_crop_and_resize": {
      const [a, b] = d.roi;
      return d.to > 1 ? a * (d.from - 1) + (v * (b - a) * (d.from - 1)) / (d.to - 1) : 0.5 * (a + b) * (d.from - 1);
    }
    case "half_pixel_symmetric": {
      const adjustment = d.to / (d.scale * d.from);
      return (d.from / 2) * (1 - adjustment) + (v + 0.5) / d.scale - 0.5;
    }
    case "half_pixel":
      return (v + 0.5) / d.scale - 0.5;
    default:
      throw x.refuse(`coordinate mode ${mode}`, "Use half_pixel, asymmetric or align_corners");
  }
}

/** Keys' cubic convolution. */
export const cubic = (a: number, t: number): number => {
  const s = Math.abs(t);
  if (s <= 1) return (a + 2) * s ** 3 - (a + 3) * s ** 2 + 1;
  return s < 2 ? a * s ** 3 - 5 * a * s ** 2 + 8 * a * s - 4 * a : 0;
};

/** A kernel stretched over all that a position of a smaller result stands for; what lies outside counts for the edge, or not at all. */
function smoothed(d: Dimension, at: number, kernel: (t: number) => number, exclude: boolean): Tap[] {
  const reach = Math.ceil(2 / d.scale);
  const weights = new Array<number>(d.from).fill(0);
  for (let p = Math.floor(at) - reach; p <= Math.floor(at) + reach + 1; p++) {
    const edge = Math.min(d.from - 1, Math.max(0, p));
    if (!exclude || edge === p) weights[edge] = (weights[edge] as number) + kernel((p - at) * d.scale);
  }
  const total = weights.reduce((s, w) => s + w, 0);
  return weights.map((w, p): Tap => ({ at: p, w: w / total })).filter((t) => t.w !== 0);
}

function taps(x: NodeContext, d: Dimension, at: number, how: { mode: string; nearest: string; crop: boolean }): Tap[] {
  const clamp = (p: number): number => Math.min(d.from - 1, Math.max(0, p));
  if (how.crop && (at < 0 || at > d.from - 1)) return [{ at: null, w: 1 }];
  if (how.mode === "nearest") return [{ at: clamp((rounding[how.nearest] ?? Math.floor)(at)), w: 1 }];
  const low = Math.floor(at);
  const kernel = how.mode === "cubic" ? (t: number): number => cubic(x.number("cubic_coeff_a", -0.75), t) : (t: number): number => Math.max(0, 1 - Math.abs(t));
  const exclude = x.number("exclude_outside", 0) === 1;
  if (x.number("antialias", 0) === 1 && d.scale < 1) return smoothed(d, at, kernel, exclude);
  const reach = how.mode === "cubic" ? [low - 1, low, low + 1, low + 2] : [low, low + 1];
  const list = reach.map((p) => ({ at: clamp(p), w: exclude && p !== clamp(p) ? 0 : kernel(at - p) }));
  const total = list.reduce((s, t) => s + t.w, 0);
  return list.map((t) => ({ ...t, w: exclude ? t.w / total : t.w })).filter((t) => t.w !== 0);
}

/** Resizing by fixed scales: a linear map with constant weights. */
function resize(x: NodeContext): SymTensor {
  const t = x.input(0);
  const old = x.node.operator === "Upsample" || x.opset < 11;
  const dims = dimensions(x, t.shape, old);
  const mode = x.text("mode", "nearest");
  const coordinates = x.text("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  const nearest = x.text("nearest_mode", old ? "floor" : "round_prefer_floor");
  const how = { mode: mode === "bilinear" ? "linear" : mode, nearest, crop: coordinates === "tf_crop_and_resize" };
  const own = strides(t.shape);
  const table = dims.map((d) => Array.from({ length: d.to }, (_, v) => taps(x, d, source(x, d, v, coordinates), how)));
  const outside = x.number("extrapolation_value", 0);
  return build(dims.map((d) => d.to), t.kind, (index) => {
    let list: { at: number | null; w: number }[] = [{ at: 0, w: 1 }];
    index.forEach((v, d) => {
      const along = (table[d] as Tap[][])[v] as Tap[];
      list = list.flatMap((tap) => along.map((c) => ({ at: tap.at === null || c.at === null ? null : tap.at + c.at * (own[d] as number), w: tap.w * c.w })));
    });
    if (list.some((tap) => tap.at === null)) return outside;
    const values = list.map((tap) => t.data[tap.at as number] as Val);
    return x.real.lin(values, list.map((tap) => tap.w));
  });
}

export const resizing: OperatorTable = { Resize: resize, Upsample: resize };
