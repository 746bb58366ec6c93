import type { Val } from "../../real/graph.ts";
import type { NodeContext, Operator, OperatorTable } from "../context.ts";
import { axisOf, build, flat, strides, type SymTensor } from "../tensor.ts";

/** Windows are constants once their length is known. */
const window =
  (weights: readonly number[]): Operator =>
  (x) => {
    const n = (x.known(0, "the length") as number[])[0] as number;
    const period = x.number("periodic", 1) === 1 ? n : n - 1;
    const at = (k: number): number => weights.reduce((sum, w, j) => sum + w * Math.cos((2 * Math.PI * j * k) / period), 0);
    return { shape: [n], kind: "float", data: Array.from({ length: n }, (_, k) => at(k)) };
  };

/** The discrete Fourier transform: a linear map with constant weights. */
function dft(x: NodeContext): SymTensor {
  const t = x.input(0);
  const rank = t.shape.length;
  const axis = axisOf(x.opset < 20 ? x.number("axis", 1) : (x.known(2, "the axis")?.[0] ?? -2), rank);
  const n = x.known(1, "the length")?.[0] ?? (t.shape[axis] as number);
  const inverse = x.number("inverse", 0) === 1;
  const bins = x.number("onesided", 0) === 1 ? Math.floor(n / 2) + 1 : n;
  const own = strides(t.shape);
  const parts = t.shape[rank - 1] as number;
  const shape = t.shape.map((d, i) => (i === rank - 1 ? 2 : i === axis ? bins : d));
  return build(shape, "float", (index) => {
    const [bin, imaginary] = [index[axis] as number, index[rank - 1] === 1];
    const base = flat(index.map((v, d) => (d === axis || d === rank - 1 ? 0 : v)), own);
    const values: Val[] = [];
    const weights: number[] = [];
    for (let k = 0; k < Math.min(n, t.shape[axis] as number); k++) {
      const angle = ((inverse ? 2 : -2) * Math.PI * ((bin * k) % n)) / n;
      const [c, s] = [Math.cos(angle) / (inverse ? n : 1), Math.sin(angle) / (inverse ? n : 1)];
      const at = base + k * (own[axis] as number);
      values.push(t.data[at] as Val);
      weights.push(imaginary ? s : c);
      if (parts === 2) {
        values.push(t.data[at + 1] as Val);
        weights.push(imaginary ? c : -s);
      }
    }
    return x.real.lin(values, weights);
  });
}

/** Leibniz' formula by expansion along the first row: matrices are small or the products too many. */
function determinant(x: NodeContext, m: readonly (readonly Val[])[]): Val {
  if (m.length === 1) return m[0]?.[0] as Val;
  if (m.length > 5) throw x.refuse(`a determinant of ${m.length} x ${m.length}`, "Use at most 5 x 5");
  const parts = (m[0] as readonly Val[]).map((v, j) => x.real.mul(v, determinant(x, m.slice(1).map((row) => row.filter((_, k) => k !== j)))));
  return x.real.lin(parts, parts.map((_, j) => (j % 2 ? -1 : 1)));
}

export const signal: OperatorTable = {
  HannWindow: window([0.5, -0.5]),
  HammingWindow: window([25 / 46, -21 / 46]),
  BlackmanWindow: window([0.42, -0.5, 0.08]),
  DFT: dft,
  Det: (x) => {
    const t = x.input(0);
    const n = t.shape[t.shape.length - 1] as number;
    const matrix = (k: number): Val[][] => Array.from({ length: n }, (_, i) => t.data.slice(k * n * n + i * n, k * n * n + (i + 1) * n));
    return { shape: t.shape.slice(0, -2), kind: "float", data: Array.from({ length: t.data.length / (n * n) }, (_, k) => determinant(x, matrix(k))) };
  },
};
