import { sizeOf } from "../../import/tensor.ts";
import type { Val } from "../../real/graph.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { axisOf, build, flat, strides, type SymTensor } from "../tensor.ts";
import { indexFlags } from "./indexing.ts";

/** Columns of patches back into an image: what overlaps is added. */
function columnsToImage(x: NodeContext): SymTensor {
  const t = x.input(0);
  const image = x.known(1, "the image's shape") as number[];
  const block = x.known(2, "the block's shape") as number[];
  const rank = image.length;
  const [strided, dilation] = [x.list("strides") ?? block.map(() => 1), x.list("dilations") ?? block.map(() => 1)];
  const pads = x.list("pads") ?? new Array<number>(2 * rank).fill(0);
  const [n, rows, columns] = t.shape as [number, number, number];
  const taps = sizeOf(block);
  const channels = rows / taps;
  const steps = image.map((d, i) => Math.floor((d + (pads[i] as number) + (pads[rank + i] as number) - (dilation[i] as number) * ((block[i] as number) - 1) - 1) / (strided[i] as number)) + 1);
  const [own, blockStride, stepStride] = [strides(image), strides(block), strides(steps)];
  const parts: Val[][] = Array.from({ length: n * channels * sizeOf(image) }, () => []);
  for (let p = 0; p < n * channels; p++) {
    for (let k = 0; k < taps; k++) {
      for (let s = 0; s < columns; s++) {
        const place = image.map((_, i) => {
          const [step, tap] = [Math.floor(s / (stepStride[i] as number)) % (steps[i] as number), Math.floor(k / (blockStride[i] as number)) % (block[i] as number)];
          return step * (strided[i] as number) + tap * (dilation[i] as number) - (pads[i] as number);
        });
        if (place.some((v, i) => v < 0 || v >= (image[i] as number))) continue;
        parts[p * sizeOf(image) + flat(place, own)]?.push(t.data[(p * taps + k) * columns + s] as Val);
      }
    }
  }
  return { shape: [n, channels, ...image], kind: t.kind, data: parts.map((list) => x.real.lin(list, list.map(() => 1))) };
}

/** Frames of a real signal, each a windowed discrete Fourier transform: constant weights throughout. */
function shortTimeFourier(x: NodeContext): SymTensor {
  const t = x.input(0);
  if (t.shape.length > 2 && t.shape[t.shape.length - 1] !== 1) throw x.refuse("a complex signal", "Feed real and imaginary parts through two nodes");
  const [batch, length] = t.shape as [number, number];
  const hop = (x.known(1, "the step") as number[])[0] as number;
  const window = x.known(2, "the window");
  const n = x.known(3, "the length of a frame")?.[0] ?? window?.length;
  if (n === undefined) throw x.refuse("neither a window nor a length of a frame", "Give one of them");
  const bins = x.number("onesided", 1) === 1 ? Math.floor(n / 2) + 1 : n;
  const frames = Math.floor((length - n) / hop) + 1;
  return build([batch, frames, bins, 2], "float", (index) => {
    const [b, frame, bin, part] = index as [number, number, number, number];
    const values = t.data.slice(b * length + frame * hop, b * length + frame * hop + n);
    const weights = values.map((_, k) => {
      const angle = (2 * Math.PI * ((bin * k) % n)) / n;
      return (window?.[k] ?? 1) * (part === 0 ? Math.cos(angle) : -Math.sin(angle));
    });
    return x.real.lin(values, weights);
  });
}

/** Triangles between frequencies that are evenly spaced to the ear. */
function melWeights(x: NodeContext): SymTensor {
  const [bands, length, rate, low, high] = [0, 1, 2, 3, 4].map((i) => (x.known(i, "the filter bank") as number[])[0] as number) as [number, number, number, number, number];
  const bins = Math.floor(length / 2) + 1;
  const mel = (hz: number): number => 2595 * Math.log10(1 + hz / 700);
  const step = (mel(high) - mel(low)) / (bands + 2);
  const edges = Array.from({ length: bands + 2 }, (_, i) => Math.floor(((length + 1) * (700 * (10 ** ((mel(low) + i * step) / 2595) - 1))) / rate));
  return build([bins, bands], "float", (index) => {
    const [bin, band] = index as [number, number];
    const [from, centre, to] = edges.slice(band, band + 3) as [number, number, number];
    if (centre === from && bin === centre) return 1;
    if (bin >= from && bin <= centre && centre > from) return (bin - from) / (centre - from);
    return bin >= centre && bin < to ? (to - bin) / (to - centre) : 0;
  });
}

/** Cuts or pads with zeros on both sides alike. */
function centred(x: NodeContext): SymTensor {
  const t = x.input(0);
  const wanted = x.known(1, "the shape") as number[];
  const axes = (x.list("axes") ?? t.shape.map((_, i) => i)).map((a) => axisOf(a, t.shape.length));
  const shape = t.shape.map((d, i) => (axes.includes(i) ? (wanted[axes.indexOf(i)] as number) : d));
  const shift = shape.map((d, i) => {
    const own = t.shape[i] as number;
    return d <= own ? Math.floor((own - d) / 2) : -Math.floor((d - own) / 2);
  });
  const own = strides(t.shape);
  return build(shape, t.kind, (index) => {
    const source = index.map((v, i) => v + (shift[i] as number));
    return source.every((v, i) => v >= 0 && v < (t.shape[i] as number)) ? (t.data[flat(source, own)] as Val) : 0;
  });
}

/** Values back to where a pooling took them from: each index is one of a few places, so most flags vanish. */
function maxUnpool(x: NodeContext): SymTensor {
  const [t, indices] = [x.input(0), x.input(1)];
  const kernel = x.list("kernel_shape") as number[];
  const [step, pads] = [x.list("strides") ?? kernel.map(() => 1), x.list("pads") ?? new Array<number>(2 * kernel.length).fill(0)];
  const rank = kernel.length;
  const usual = [
    ...t.shape.slice(0, 2),
    ...kernel.map((k, i) => ((t.shape[i + 2] as number) - 1) * (step[i] as number) - (pads[i] as number) - (pads[rank + i] as number) + k),
  ];
  const shape = x.known(2, "the shape") ?? usual;
  const size = sizeOf(shape);
  const parts: Val[][] = Array.from({ length: size }, () => []);
  t.data.forEach((v, i) => {
    indexFlags(x.real, indices.data[i] as Val, size).forEach((flag, at) => {
      if (flag !== 0) parts[at]?.push(x.real.mul(flag, v));
    });
  });
  return { shape, kind: t.kind, data: parts.map((list) => x.real.lin(list, list.map(() => 1))) };
}

export const frames: OperatorTable = {
  Col2Im: columnsToImage, STFT: shortTimeFourier, MelWeightMatrix: melWeights, CenterCropPad: centred, MaxUnpool: maxUnpool,
};
