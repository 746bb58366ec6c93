import onnxProto from "onnx-proto";

import { seeded } from "../compiler/quantise/samples.ts";

/** Writes ONNX models for tests and benchmarks: nothing is fetched, every weight comes from a seed. */
const { onnx } = onnxProto;

export type ElementType = keyof typeof types;

const types = { float: 1, uint8: 2, int8: 3, uint16: 4, int32: 6, int64: 7, bool: 9 } as const;

export interface TensorSpec {
  readonly shape: number[];
  readonly data: number[];
  readonly type?: ElementType;
}

export type Attr = number | number[] | string | TensorSpec | { float: number } | { floats: number[] } | { strings: string[] } | { graph: ModelSpec };

export interface NodeSpec {
  readonly op: string;
  readonly in: string[];
  readonly out: string[];
  readonly attrs?: Record<string, Attr>;
  readonly domain?: string;
  readonly name?: string;
}

export interface ModelSpec {
  readonly inputs: Record<string, (number | string)[]>;
  readonly inputTypes?: Record<string, ElementType>;
  readonly constants?: Record<string, TensorSpec>;
  readonly nodes: NodeSpec[];
  readonly outputs: string[];
  readonly outputTypes?: Record<string, ElementType>;
  readonly opset?: number;
  /** Version of ai.onnx.ml. */
  readonly mlVersion?: number;
}

function tensor(name: string, t: TensorSpec): object {
  const base = { name, dims: t.shape, dataType: types[t.type ?? "float"] };
  if (t.type === "int64") return { ...base, int64Data: t.data };
  if (t.type === undefined || t.type === "float") return { ...base, floatData: t.data };
  return { ...base, int32Data: t.data };
}

function attribute(name: string, v: Attr): object {
  if (typeof v === "number") return { name, type: 2, i: v };
  if (typeof v === "string") return { name, type: 3, s: new TextEncoder().encode(v) };
  if (Array.isArray(v)) return { name, type: 7, ints: v };
  if ("float" in v) return { name, type: 1, f: v.float };
  if ("floats" in v) return { name, type: 6, floats: v.floats };
  if ("strings" in v) return { name, type: 8, strings: v.strings.map((s) => new TextEncoder().encode(s)) };
  if ("graph" in v) return { name, type: 5, g: graph(v.graph) };
  return { name, type: 4, t: tensor(name, v) };
}

function graph(spec: ModelSpec): object {
  const info = (name: string, shape: (number | string)[] | undefined, type: ElementType = "float"): object => ({
    name,
    type: {
      tensorType: {
        elemType: types[type],
        ...(shape ? { shape: { dim: shape.map((d) => (typeof d === "string" ? { dimParam: d } : { dimValue: d })) } } : {}),
      },
    },
  });
  return {
    name: "g",
    node: spec.nodes.map((n) => ({
      opType: n.op,
      name: n.name ?? n.out[0],
      domain: n.domain ?? "",
      input: n.in,
      output: n.out,
      attribute: Object.entries(n.attrs ?? {}).map(([k, v]) => attribute(k, v)),
    })),
    input: Object.entries(spec.inputs).map(([name, shape]) => info(name, shape, spec.inputTypes?.[name])),
    output: spec.outputs.map((name) => info(name, undefined, spec.outputTypes?.[name])),
    initializer: Object.entries(spec.constants ?? {}).map(([name, t]) => tensor(name, t)),
  };
}

export function encode(spec: ModelSpec): Uint8Array {
  const domains = new Set(spec.nodes.map((n) => n.domain ?? "").filter((d) => d !== ""));
  const message = onnx.ModelProto.fromObject({
    irVersion: 8,
    opsetImport: [{ domain: "", version: spec.opset ?? 13 }, ...[...domains].map((domain) => ({ domain, version: domain === "com.microsoft" ? 1 : (spec.mlVersion ?? 3) }))],
    graph: graph(spec),
  });
  return onnx.ModelProto.encode(message).finish();
}

/** Weights rounded to float32, uniform in [-size, size]. */
export function weights(shape: number[], size: number, seed: number): TensorSpec {
  const next = seeded(seed * 7919 + 13);
  return { shape, data: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.fround((next() * 2 - 1) * size)) };
}

