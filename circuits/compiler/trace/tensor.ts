import { InvalidModelError } from "../errors.ts";
import type { Kind, Tensor } from "../import/tensor.ts";
import { sizeOf } from "../import/tensor.ts";
import { isConst, type Val } from "../real/graph.ts";

/** A tensor whose elements are constants or references into the real graph: layout operators only permute them. */
export interface SymTensor {
  readonly shape: number[];
  readonly kind: Kind;
  readonly data: Val[];
  /** A sequence of tensors has no elements of its own. */
  readonly items?: readonly SymTensor[];
}

const MAX_ELEMENTS = 1 << 24;

export function tensor(shape: readonly number[], kind: Kind, data: Val[]): SymTensor {
  if (sizeOf(shape) !== data.length) throw new InvalidModelError(`${data.length} elements do not fill shape [${shape}]`);
  return { shape: [...shape], kind, data };
}

export function constant(t: Tensor): SymTensor {
  return { shape: [...t.shape], kind: t.kind, data: t.data };
}

export function build(shape: readonly number[], kind: Kind, at: (index: number[], flat: number) => Val): SymTensor {
  const size = sizeOf(shape);
  if (size > MAX_ELEMENTS) throw new InvalidModelError(`a tensor of shape [${shape}] has ${size} elements, limit ${MAX_ELEMENTS}`);
  const data: Val[] = new Array<Val>(size);
  const index = new Array<number>(shape.length).fill(0);
  for (let i = 0; i < size; i++) {
    data[i] = at(index, i);
    for (let d = shape.length - 1; d >= 0; d--) {
      index[d] = (index[d] as number) + 1;
      if ((index[d] as number) < (shape[d] as number)) break;
      index[d] = 0;
    }
  }
  return { shape: [...shape], kind, data };
}

/** Row-major strides. */
export function strides(shape: readonly number[]): number[] {
  const out = new Array<number>(shape.length).fill(1);
  for (let d = shape.length - 2; d >= 0; d--) out[d] = (out[d + 1] as number) * (shape[d + 1] as number);
  return out;
}

export function flat(index: readonly number[], stride: readonly number[]): number {
  let at = 0;
  for (let d = 0; d < stride.length; d++) at += (index[d] as number) * (stride[d] as number);
  return at;
}

export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw new InvalidModelError(`shapes [${a}] and [${b}] do not broadcast`);
    return x === 1 ? y : x;
  });
}

/** Strides into `shape` when it is read with the indices of a larger, broadcast shape. */
export function broadcastStrides(shape: readonly number[], rank: number): number[] {
  const own = strides(shape);
  return Array.from({ length: rank }, (_, i) => {
    const d = i - (rank - shape.length);
    return d < 0 || shape[d] === 1 ? 0 : (own[d] as number);
  });
}

export function broadcastTo(t: SymTensor, shape: readonly number[]): SymTensor {
  if (t.shape.length === shape.length && t.shape.every((d, i) => d === shape[i])) return t;
  const stride = broadcastStrides(t.shape, shape.length);
  return build(shape, t.kind, (index) => t.data[flat(index, stride)] as Val);
}

export function zip(a: SymTensor, b: SymTensor, kind: Kind, f: (x: Val, y: Val) => Val): SymTensor {
  const shape = broadcastShape(a.shape, b.shape);
  const left = broadcastTo(a, shape);
  const right = broadcastTo(b, shape);
  return { shape, kind, data: left.data.map((x, i) => f(x, right.data[i] as Val)) };
}

export function map(t: SymTensor, f: (x: Val, i: number) => Val, kind: Kind = t.kind): SymTensor {
  return { shape: t.shape, kind, data: t.data.map(f) };
}

/** Numbers of a tensor that must be known when the circuit is made, such as a shape. */
export function numbers(t: SymTensor | undefined): number[] | undefined {
  if (!t) return undefined;
  return t.data.every(isConst) ? (t.data as number[]) : undefined;
}

export function transpose(t: SymTensor, perm: readonly number[]): SymTensor {
  const own = strides(t.shape);
  const stride = perm.map((p) => own[p] as number);
  return build(perm.map((p) => t.shape[p] as number), t.kind, (index) => t.data[flat(index, stride)] as Val);
}

/** Views the tensor as [outer, axis, inner] and maps every line along the axis; `f` gives the new line. */
export function alongAxis(t: SymTensor, axis: number, f: (line: Val[]) => Val[], kind: Kind = t.kind): SymTensor {
  const n = t.shape[axis] as number;
  const inner = sizeOf(t.shape.slice(axis + 1));
  const outer = sizeOf(t.shape.slice(0, axis));
  let length = 0;
  let data: Val[] = [];
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const line = f(Array.from({ length: n }, (_, k) => t.data[(o * n + k) * inner + i] as Val));
      if (data.length === 0) {
        length = line.length;
        data = new Array<Val>(outer * length * inner);
      }
      for (let k = 0; k < length; k++) data[(o * length + k) * inner + i] = line[k] as Val;
    }
  }
  return { shape: t.shape.map((d, i) => (i === axis ? length : d)), kind, data };
}

export function axisOf(axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(at) || at < 0 || at >= Math.max(1, rank)) throw new InvalidModelError(`axis ${axis} of a tensor of rank ${rank}`);
  return at;
}
