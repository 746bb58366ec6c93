import onnxProto from "onnx-proto";
import type { onnx } from "onnx-proto";

import { InvalidModelError } from "../errors.ts";
import { decodeSparse, decodeTensor, kindOf, type Kind, type Tensor } from "./tensor.ts";

export type Attribute = number | string | number[] | string[] | Tensor | Graph;

export interface GraphNode {
  readonly operator: string;
  readonly domain: string;
  /** Never empty: nodes without a name are called after their first output. */
  readonly name: string;
  readonly inputs: string[];
  readonly outputs: string[];
  readonly attributes: Map<string, Attribute>;
}

/** `null` stands for a symbolic dimension. */
export interface ValueInfo {
  readonly name: string;
  readonly kind: Kind;
  readonly type: number;
  readonly shape: (number | string | null)[];
}

export interface Graph {
  readonly nodes: GraphNode[];
  readonly inputs: ValueInfo[];
  readonly outputs: string[];
  readonly constants: Map<string, Tensor>;
}

export interface Model {
  readonly graph: Graph;
  readonly opset: number;
}

const text = (bytes: Uint8Array | null | undefined): string => new TextDecoder().decode(bytes ?? new Uint8Array());

function attribute(proto: onnx.IAttributeProto): Attribute {
  switch (proto.type) {
    case 1:
      return Number(proto.f ?? 0);
    case 2:
      return Number(proto.i ?? 0);
    case 3:
      return text(proto.s);
    case 4:
      return decodeTensor(proto.t ?? {});
    case 5:
      return graph(proto.g ?? {});
    case 6:
      return (proto.floats ?? []).map(Number);
    case 7:
      return (proto.ints ?? []).map(Number);
    case 8:
      return (proto.strings ?? []).map(text);
    case 11:
      return decodeSparse(proto.sparseTensor ?? {});
    default:
      throw new InvalidModelError(`attribute "${proto.name}" has type ${proto.type}`);
  }
}

function valueInfo(proto: onnx.IValueInfoProto): ValueInfo {
  const tensor = proto.type?.tensorType;
  if (!tensor) throw new InvalidModelError(`"${proto.name}" is not a tensor`);
  const shape = (tensor.shape?.dim ?? []).map((d) => {
    if (d.dimParam) return d.dimParam;
    const value = Number(d.dimValue ?? 0);
    return value > 0 ? value : null;
  });
  return { name: proto.name ?? "", kind: kindOf(tensor.elemType ?? 0), type: tensor.elemType ?? 0, shape };
}

/** Order in which every value is written before it is read; a cycle or a missing tensor is refused. */
function sorted(nodes: GraphNode[], known: Iterable<string>): GraphNode[] {
  const written = new Set<string>(known);
  const out: GraphNode[] = [];
  let waiting = nodes;
  while (waiting.length > 0) {
    const next = waiting.filter((n) => {
      if (!n.inputs.every((i) => i === "" || written.has(i))) return true;
      for (const o of n.outputs) written.add(o);
      out.push(n);
      return false;
    });
    if (next.length === waiting.length) {
      const missing = next[0]?.inputs.find((i) => i !== "" && !written.has(i));
      throw new InvalidModelError(`node "${next[0]?.name}" reads "${missing}", which nothing computes (a cycle, or a missing tensor)`);
    }
    waiting = next;
  }
  return out;
}

function graph(proto: onnx.IGraphProto, top = false): Graph {
  const constants = new Map<string, Tensor>();
  for (const t of proto.initializer ?? []) constants.set(t.name ?? "", decodeTensor(t));
  for (const t of proto.sparseInitializer ?? []) constants.set(t.values?.name ?? "", decodeSparse(t));
  for (const [name, t] of constants) {
    if (t.data.some((v) => Number.isNaN(v))) throw new InvalidModelError(`weight "${name}" contains NaN`);
  }
  const inputs = (proto.input ?? []).filter((i) => !constants.has(i.name ?? "")).map(valueInfo);
  const nodes = (proto.node ?? []).map((n): GraphNode => ({
    operator: n.opType ?? "",
    domain: n.domain ?? "",
    name: n.name || n.output?.[0] || n.opType || "",
    inputs: n.input ?? [],
    outputs: n.output ?? [],
    attributes: new Map((n.attribute ?? []).map((a) => [a.name ?? "", attribute(a)])),
  }));
  const outputs = (proto.output ?? []).map((o) => o.name ?? "");
  // A subgraph may read the names of its surroundings: only the top level can tell what is missing.
  return { nodes: top ? sorted(nodes, [...constants.keys(), ...inputs.map((i) => i.name)]) : nodes, inputs, outputs, constants };
}

/** Reads a model file. Everything that is wrong with the bytes is one error family. */
export function importModel(bytes: Uint8Array): Model {
  let proto: onnx.ModelProto;
  try {
    proto = onnxProto.onnx.ModelProto.decode(bytes);
  } catch (error: unknown) {
    throw new InvalidModelError(`not an ONNX file (${error instanceof Error ? error.message : String(error)})`);
  }
  if (!proto.graph) throw new InvalidModelError("the file holds no graph");
  const opset = proto.opsetImport?.find((o) => !o.domain || o.domain === "ai.onnx")?.version;
  const model = { graph: graph(proto.graph, true), opset: Number(opset ?? 1) };
  if (model.graph.outputs.length === 0) throw new InvalidModelError("the graph has no output");
  for (const name of model.graph.outputs) {
    const made = model.graph.nodes.some((n) => n.outputs.includes(name)) || model.graph.constants.has(name);
    if (!made && !model.graph.inputs.some((i) => i.name === name)) throw new InvalidModelError(`output "${name}" is never computed`);
  }
  return model;
}
