import onnxProto from "onnx-proto";
import type { onnx } from "onnx-proto";

import { InvalidModelError } from "../errors.ts";
import { defaultAttributes, functionKey, Inliner, type LocalFunction } from "./functions.ts";
import type { Attribute, Graph, GraphNode, Model, ValueInfo } from "./graph.ts";
import { decodeSparse, decodeTensor, kindOf, TEXT, type Tensor } from "./tensor.ts";

export type { Attribute, Graph, GraphNode, Model, ValueInfo } from "./graph.ts";

const text = (bytes: Uint8Array | null | undefined): string => new TextDecoder().decode(bytes ?? new Uint8Array());

function attribute(proto: onnx.IAttributeProto): Attribute {
  if (proto.refAttrName) return { refersTo: proto.refAttrName };
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
  if (tensor.elemType === TEXT) throw new InvalidModelError(`"${proto.name}" is text: turn text into numbers outside of the model`);
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

function graphNode(n: onnx.INodeProto): GraphNode {
  return {
    operator: n.opType ?? "",
    domain: n.domain ?? "",
    name: n.name || n.output?.[0] || n.opType || "",
    inputs: n.input ?? [],
    outputs: n.output ?? [],
    attributes: new Map((n.attribute ?? []).map((a) => [a.name ?? "", attribute(a)])),
  };
}

function graph(proto: onnx.IGraphProto): Graph {
  const constants = new Map<string, Tensor>();
  for (const t of proto.initializer ?? []) constants.set(t.name ?? "", decodeTensor(t));
  for (const t of proto.sparseInitializer ?? []) constants.set(t.values?.name ?? "", decodeSparse(t));
  for (const [name, t] of constants) {
    if (t.data.some((v) => Number.isNaN(v))) throw new InvalidModelError(`weight "${name}" contains NaN, which no input can make a number again: train or export the model again`);
  }
  const inputs = (proto.input ?? []).filter((i) => !constants.has(i.name ?? "")).map(valueInfo);
  return { nodes: (proto.node ?? []).map(graphNode), inputs, outputs: (proto.output ?? []).map((o) => o.name ?? ""), constants };
}

function localFunctions(proto: onnx.IModelProto, bytes: Uint8Array): Map<string, LocalFunction> {
  const list = proto.functions ?? [];
  if (list.length === 0) return new Map();
  const defaults = defaultAttributes(bytes);
  return new Map(list.map((f, i) => [functionKey(f.domain ?? "", f.name ?? ""), {
    inputs: f.input ?? [], outputs: f.output ?? [], nodes: (f.node ?? []).map(graphNode), opset: opsetOf(f.opsetImport),
    defaults: new Map((defaults[i] ?? []).map((a) => [a.name ?? "", attribute(a)])),
  }]));
}

function opsetOf(imports: readonly onnx.IOperatorSetIdProto[] | null | undefined): number | undefined {
  const own = imports?.find((o) => !o.domain || o.domain === "ai.onnx")?.version;
  return own === undefined || own === null ? undefined : Number(own);
}

/** Reads a model file. Everything that is wrong with the bytes is one error family. */
export function importModel(bytes: Uint8Array): Model {
  let proto: onnx.ModelProto;
  try {
    proto = onnxProto.onnx.ModelProto.decode(bytes);
  } catch (error: unknown) {
    throw new InvalidModelError(`not an ONNX file, or one that is cut off (${error instanceof Error ? error.message : String(error)}): export or copy it again`);
  }
  if (!proto.graph) throw new InvalidModelError("the file holds no graph: it is empty, or not an ONNX file");
  const flat = new Inliner(localFunctions(proto, bytes)).graph(graph(proto.graph));
  // A subgraph may read the names of its surroundings: only the top level can tell what is missing.
  const nodes = sorted(flat.nodes, [...flat.constants.keys(), ...flat.inputs.map((i) => i.name)]);
  const model = { graph: { ...flat, nodes }, opset: opsetOf(proto.opsetImport) ?? 1 };
  if (model.graph.outputs.length === 0) throw new InvalidModelError("the graph has no output");
  for (const name of model.graph.outputs) {
    const made = model.graph.nodes.some((n) => n.outputs.includes(name)) || model.graph.constants.has(name);
    if (!made && !model.graph.inputs.some((i) => i.name === name)) throw new InvalidModelError(`output "${name}" is never computed`);
  }
  return model;
}
