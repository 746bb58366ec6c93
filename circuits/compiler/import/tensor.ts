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

/** An 8-bit float with `fraction` digits behind the point; only some formats have infinities. */
function smallFloat(bits: number, fraction: number, bias: number, infinite: boolean): number {
  const sign = bits & 0x80 ? -1 : 1;
  const width = 7 - fraction;
  const exponent = (bits >> fraction) & (2 ** width - 1);
  const rest = bits & (2 ** fraction - 1);
  if (infinite && exponent === 2 ** width - 1) return rest === 0 ? sign * Infinity : NaN;
  if (!infinite && bias === 7 && (bits & 0x7f) === 0x7f) return NaN;
  if (!infinite && bias !== 7 && bits === 0x80) return NaN;
  return exponent === 0 ? sign * rest * 2 ** (1 - bias - fraction) : sign * (1 + rest / 2 ** fraction) * 2 ** (exponent - bias);
}

const small = (fraction: number, bias: number, infinite = false): Reader => ({ width: 1, kind: "float", read: (v, i) => smallFloat(v.getUint8(i), fraction, bias, infinite) });

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
  17: small(3, 7), 18: small(3, 8), 19: small(2, 15, true), 20: small(2, 16),
  // Two in a byte: their width is seen to below.
  21: { width: 1, kind: "int", read: (v, i) => v.getUint8(i) },
  22: { width: 1, kind: "int", read: (v, i) => v.getInt8(i) },
};

/** Types of which a byte holds two, the low one first. */
const NIBBLES: ReadonlySet<number> = new Set([21, 22]);

function nibbles(bytes: Uint8Array, size: number, signed: boolean): number[] {
  return Array.from({ length: size }, (_, i) => {
    const v = ((bytes[i >> 1] as number) >> (4 * (i & 1))) & 15;
    return signed && v > 7 ? v - 16 : v;
  });
}

export const TEXT = 8;

/** Text has no circuit: a place in the list stands for it, the first one of equal texts. */
function places(proto: onnx.ITensorProto): Tensor {
  const texts = (proto.stringData ?? []).map((b) => new TextDecoder().decode(b));
  const shape = (proto.dims ?? []).map(Number);
  if (texts.length !== sizeOf(shape)) throw new InvalidModelError(`tensor "${proto.name ?? ""}" holds ${texts.length} texts for ${sizeOf(shape)} elements`);
  return { shape, kind: "int", data: texts.map((t) => texts.indexOf(t)), type: TEXT };
}

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
  if (type >= 17 && type <= 20) return ints.map((v) => (raw[type] as Reader).read(new DataView(Uint8Array.of(v).buffer), 0));
  if (type === 10) return ints.map(half);
  if (type === 16) return ints.map(brainFloat);
  return ints;
}

/** Decodes one TensorProto, whichever of the two encodings it uses. */
export function decodeTensor(proto: onnx.ITensorProto): Tensor {
  const type = proto.dataType ?? 0;
  const reader = raw[type];
  const name = proto.name ?? "";
  if (type === TEXT) return places(proto);
  if (!reader) throw new InvalidModelError(`tensor "${name}" has type ${type}, which is not numeric`);
  if (proto.dataLocation === 1) {
    throw new InvalidModelError(`tensor "${name}" is stored outside of the file: read the model from its folder, or save it as one file`);
  }
  const shape = (proto.dims ?? []).map(Number);
  if (shape.some((d) => !Number.isSafeInteger(d) || d < 0)) throw new InvalidModelError(`tensor "${name}" has shape [${shape}]`);
  const size = sizeOf(shape);
  if (size > MAX_ELEMENTS) throw new InvalidModelError(`tensor "${name}" has ${size} elements, limit ${MAX_ELEMENTS}`);
  let data: number[];
  if (proto.rawData && proto.rawData.length > 0) {
    const bytes = proto.rawData;
    const wanted = NIBBLES.has(type) ? Math.ceil(size / 2) : size * reader.width;
    if (bytes.length !== wanted) throw new InvalidModelError(`tensor "${name}" holds ${bytes.length} bytes for ${size} elements`);
    if (NIBBLES.has(type)) return { shape, kind: reader.kind, data: nibbles(bytes, size, type === 22), type };
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    data = Array.from({ length: size }, (_, i) => reader.read(view, i * reader.width));
  } else {
    const packed = NIBBLES.has(type) ? Uint8Array.from((proto.int32Data ?? []).map(Number)) : undefined;
    data = packed && packed.length === Math.ceil(size / 2) ? nibbles(packed, size, type === 22) : typedField(proto, type);
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
