/**
 * Tensors as they cross HTTP, checked against what a model declares before anything runs. What is wrong is named: which
 * input, what was expected, what came.
 */
import type { ErrorDetails, KeeperError } from "../errors/index.ts";
import { fatal } from "../errors/index.ts";

export const TENSOR_TYPES = [
  ...(["float32", "float64", "int8", "int16", "int32", "int64"] as const),
  ...(["uint8", "uint16", "uint32", "uint64", "bool", "string"] as const),
] as const;
export type TensorType = (typeof TENSOR_TYPES)[number];

/** A dimension is a number, or a name that any positive size may take the place of. */
export type Dimension = number | string;

export interface TensorDescription {
  readonly name: string;
  readonly type: TensorType;
  readonly shape: readonly Dimension[];
}

/** One value. 64-bit integers may be decimal strings, because JSON numbers end at 2^53. */
export type Scalar = number | string | boolean;

export interface RequestTensor {
  /** May be left out; if present it must be the model's own. */
  readonly type?: string;
  readonly shape: readonly number[];
  /** Row by row, flat. */
  readonly data: readonly Scalar[];
}

export interface ResponseTensor {
  readonly type: TensorType;
  readonly shape: readonly number[];
  readonly data: readonly Scalar[];
}

type Numeric = Float32Array | Float64Array | Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array | Uint32Array;
export type TensorData = Numeric | BigInt64Array | BigUint64Array | string[];

/** What goes to the runtime. */
export interface RuntimeTensor {
  readonly name: string;
  readonly type: TensorType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

const INTEGERS: Partial<Record<TensorType, readonly [low: bigint, high: bigint]>> = {
  int8: [-(2n ** 7n), 2n ** 7n - 1n],
  int16: [-(2n ** 15n), 2n ** 15n - 1n],
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0n, 2n ** 8n - 1n],
  uint16: [0n, 2n ** 16n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
} as const;

export function isTensorType(type: string): type is TensorType {
  return (TENSOR_TYPES as readonly string[]).includes(type);
}

/** Checks a request's inputs and turns them into what the runtime takes. */
export function checkInputs(
  declared: readonly TensorDescription[],
  inputs: Readonly<Record<string, RequestTensor>>,
  maxElements: number,
): RuntimeTensor[] {
  if (typeof inputs !== "object" || inputs === null || Array.isArray(inputs)) {
    throw bad("onnx.bad_inputs", "inputs must be an object that maps each input's name to {shape, data}.");
  }
  const known = declared.map((d) => d.name);
  for (const name of Object.keys(inputs)) {
    if (!known.includes(name)) {
      const input = shorten(name);
      throw bad("onnx.unknown_input", `The model has no input "${input}"; it takes ${list(known)}.`, { input, known });
    }
  }
  const sizes = new Map<string, { input: string; size: number }>();
  let elements = 0;
  return declared.map((description) => {
    const { name } = description;
    const tensor = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
    if (tensor === undefined) throw bad("onnx.missing_input", `The input "${name}" is missing.`, { input: name });
    if (typeof tensor !== "object" || tensor === null || !Array.isArray(tensor.shape) || !Array.isArray(tensor.data)) {
      throw bad("onnx.bad_tensor", `The input "${name}" must be {shape: [...], data: [...]}, data flat and row by row.`, { input: name });
    }
    if (tensor.type !== undefined && tensor.type !== description.type) {
      const details = { input: name, expected: description.type, got: shorten(String(tensor.type)) };
      throw bad("onnx.dtype_mismatch", `The input "${name}" is ${description.type}, not ${details.got}.`, details);
    }
    const size = checkShape(description, tensor.shape, sizes);
    elements += size;
    if (elements > maxElements) {
      throw bad("onnx.too_large", `The inputs have more than ${maxElements} values.`, { input: name, maxElements });
    }
    if (tensor.data.length !== size) {
      const details = { input: name, expected: size, got: tensor.data.length };
      throw bad("onnx.shape_mismatch", `The input "${name}" has ${details.got} values; its shape needs ${size}.`, details);
    }
    return { name, type: description.type, shape: [...tensor.shape], data: convert(name, description.type, tensor.data) };
  });
}

function checkShape(
  { name, shape }: TensorDescription,
  given: readonly number[],
  named: Map<string, { input: string; size: number }>,
): number {
  const details = { input: name, expected: shape, got: given.slice(0, 16) };
  const mismatch = (why: string): KeeperError => {
    return bad("onnx.shape_mismatch", `The input "${name}" has shape [${shape.join(", ")}]; ${why}.`, details);
  };
  if (given.length !== shape.length) throw mismatch(`${given.length} dimensions came`);
  return given.reduce((product, side, i) => {
    if (!Number.isSafeInteger(side) || side < 1) throw mismatch("each side must be a whole number from 1");
    const wanted = shape[i]!;
    if (typeof wanted === "number") {
      if (side !== wanted) throw mismatch(`[${details.got.join(", ")}] came`);
    } else if (wanted !== "") {
      // One name means one size, in all inputs.
      const before = named.get(wanted);
      if (before && before.size !== side) throw mismatch(`${wanted} is ${before.size} in "${before.input}" but ${side} here`);
      named.set(wanted, { input: name, size: side });
    }
    return product * side;
  }, 1);
}

function convert(input: string, type: TensorType, data: readonly Scalar[]): TensorData {
  const wrong = (index: number, value: unknown, expected: string): KeeperError => {
    const shown = shorten(typeof value === "string" ? JSON.stringify(value) : String(value));
    return bad("onnx.bad_value", `The input "${input}" has ${shown} at ${index}; ${expected} is needed.`, { input, index, value: shown });
  };
  if (type === "string") {
    data.forEach((v, i) => {
      if (typeof v !== "string") throw wrong(i, v, "a string");
    });
    return data as string[];
  }
  if (type === "bool") {
    return Uint8Array.from(data, (v, i) => {
      if (typeof v !== "boolean") throw wrong(i, v, "true or false");
      return v ? 1 : 0;
    });
  }
  const range = INTEGERS[type];
  if (range) {
    const whole = data.map((v, i) => {
      const value = integer(v);
      if (value === undefined) throw wrong(i, v, "a whole number (beyond 2^53 as a decimal string)");
      if (value < range[0] || value > range[1]) throw wrong(i, v, `a number in the range of ${type}`);
      return value;
    });
    if (type === "int64") return BigInt64Array.from(whole);
    if (type === "uint64") return BigUint64Array.from(whole);
    return ARRAYS[type as "int8"].from(whole, Number);
  }
  const out = new ARRAYS[type as "float32"](data.length);
  data.forEach((v, i) => {
    if (typeof v !== "number" || !Number.isFinite(v)) throw wrong(i, v, "a finite number");
    out[i] = v;
    // 1e39 is finite as JSON, yet infinite as float32.
    if (!Number.isFinite(out[i])) throw wrong(i, v, `a number in the range of ${type}`);
  });
  return out;
}

function integer(value: unknown): bigint | undefined {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  return typeof value === "string" && /^-?(0|[1-9][0-9]{0,19})$/.test(value) ? BigInt(value) : undefined;
}

/** Turns the runtime's answer into JSON values. NaN and infinities have no JSON, and no meaning to settle on: refused. */
export function toResponse({ name, type, shape, data }: RuntimeTensor): ResponseTensor {
  const values: Scalar[] = Array.from(data as ArrayLike<number | bigint | string>, (value, index) => {
    if (typeof value === "bigint") return value.toString();
    if (typeof value === "string") return value;
    if (type === "bool") return value !== 0;
    if (!Number.isFinite(value)) {
      const details = { output: name, index, value: String(value) };
      throw fatal("onnx.output_not_finite", `The model gives ${value} in output "${name}" at ${index} for these inputs.`, details);
    }
    return value;
  });
  return { type, shape, data: values };
}

function bad(code: string, message: string, details?: ErrorDetails): KeeperError {
  return fatal(code, message, details);
}

function shorten(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}...` : text;
}

function list(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ") || "none";
}
