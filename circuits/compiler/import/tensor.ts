import type { onnx } from "onnx-proto";

import { InvalidModelError } from "../errors.ts";

export type Kind = "float" | "int" | "bool";

/** A constant of the model. Numbers are doubles; 64-bit integers beyond 2^53 are refused where they matter. */
export interface Tensor {
  readonly shape: number[];
  readonly kind: Kind;
  readonly data: number[];
  /** ONNX element type: what integer operators wrap and saturate by. */
  readonly type: number;
}

const MAX_ELEMENTS = 1 << 24;

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function brainFloat(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits << 16);
  return view.getFloat32(0);
}

type Reader = { width: number; kind: Kind; read: (view: DataView, at: number) => number };
const raw: Record<number, Reader> = {
  1: { width: 4, kind: "float", read: (v, i) => v.getFloat32(i, true) },
  2: { width: 1, kind: "int", read: (v, i) => v.getUint8(i) },
  3: { width: 1, kind: "int", read: (v, i) => v.getInt8(i) },
  4: { width: 2, kind: "int", read: (v, i) => v.getUint16(i, true) },
  5: { width: 2, kind: "int", read: (v, i) => v.getInt16(i, true) },
  6: { width: 4, kind: "int", read: (v, i) => v.getInt32(i, true) },
  7: { width: 8, kind: "int", read: (v, i) => Number(v.getBigInt64(i, true)) },
  9: { width: 1, kind: "bool", read: (v, i) => (v.getUint8(i) ? 1 : 0) },
  10: { width: 2, kind: "float", read: (v, i) => half(v.getUint16(i, true)) },
  11: { width: 8, kind: "float", read: (v, i) => v.getFloat64(i, true) },
  12: { width: 4, kind: "int", read: (v, i) => v.getUint32(i, true) },
  13: { width: 8, kind: "int", read: (v, i) => Number(v.getBigUint64(i, true)) },
  16: { width: 2, kind: "float", read: (v, i) => brainFloat(v.getUint16(i, true)) },
};

export function kindOf(dataType: number): Kind {
  const reader = raw[dataType];
  if (!reader) throw new InvalidModelError(`tensor type ${dataType} is not numeric`);
  return reader.kind;
}

function typedField(proto: onnx.ITensorProto, type: number): number[] {
  const as = (list: readonly unknown[] | null | undefined): number[] => (list ?? []).map(Number);
  if (type === 1) return as(proto.floatData);
  if (type === 11) return as(proto.doubleData);
  if (type === 7) return as(proto.int64Data);
  if (type === 12 || type === 13) return as(proto.uint64Data);
  const ints = as(proto.int32Data);
  if (type === 10) return ints.map(half);
  if (type === 16) return ints.map(brainFloat);
  return ints;
}

/** Decodes one TensorProto, whichever of the two encodings it uses. */
export function decodeTensor(proto: onnx.ITensorProto): Tensor {
  const type = proto.dataType ?? 0;
  const reader = raw[type];
  const name = proto.name ?? "";
  if (!reader) throw new InvalidModelError(`tensor "${name}" has type ${type}, which is not numeric`);
  if (proto.dataLocation === 1) throw new InvalidModelError(`tensor "${name}" is stored outside of the file`);
  const shape = (proto.dims ?? []).map(Number);
  if (shape.some((d) => !Number.isSafeInteger(d) || d < 0)) throw new InvalidModelError(`tensor "${name}" has shape [${shape}]`);
  const size = sizeOf(shape);
  if (size > MAX_ELEMENTS) throw new InvalidModelError(`tensor "${name}" has ${size} elements, limit ${MAX_ELEMENTS}`);
  let data: number[];
  if (proto.rawData && proto.rawData.length > 0) {
    const bytes = proto.rawData;
    if (bytes.length !== size * reader.width) throw new InvalidModelError(`tensor "${name}" holds ${bytes.length} bytes for ${size} elements`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    data = Array.from({ length: size }, (_, i) => reader.read(view, i * reader.width));
  } else {
    data = typedField(proto, type);
    if (data.length !== size) throw new InvalidModelError(`tensor "${name}" holds ${data.length} values for ${size} elements`);
  }
  return { shape, kind: reader.kind, data, type };
}

/** A tensor that lists what is not zero: by flat position, or by a row of coordinates each. */
export function decodeSparse(proto: onnx.ISparseTensorProto): Tensor {
  const shape = (proto.dims ?? []).map(Number);
  const size = sizeOf(shape);
  if (!(size <= MAX_ELEMENTS) || shape.some((d) => !Number.isSafeInteger(d) || d < 0)) throw new InvalidModelError(`a sparse tensor has shape [${shape}]`);
  const values = decodeTensor(proto.values ?? {});
  const places = decodeTensor(proto.indices ?? {});
  const data = new Array<number>(size).fill(0);
  values.data.forEach((v, i) => {
    const row = places.shape.length < 2 ? undefined : places.data.slice(i * shape.length, (i + 1) * shape.length);
    const at = row ? row.reduce((flat, index, d) => flat * (shape[d] as number) + index, 0) : (places.data[i] as number);
    if (!(at >= 0 && at < size)) throw new InvalidModelError(`a sparse tensor names position ${at} of ${size}`);
    data[at] = v;
  });
  return { shape, kind: values.kind, data, type: values.type };
}
