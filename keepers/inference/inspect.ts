/** Reads an ONNX file before it is run: what it is made of, and what in it this node refuses. */
import protobuf from "onnx-proto";

import { fatal, messageOf } from "../errors/index.ts";

const { onnx } = protobuf;

export interface ModelFacts {
  readonly irVersion: number;
  readonly opset: number;
  /** Operator types, sorted; those outside the standard domain with their domain before them. */
  readonly operators: readonly string[];
  readonly parameters: number;
}

/** Their answers differ from run to run, so a receipt over them could never be checked. */
const RANDOM = new Set(["RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"]);
/** The standard domain has two names; the runtime's own extensions and others are not portable. */
const DOMAINS = new Set(["", "ai.onnx", "ai.onnx.ml"]);
const DEPTH = 16;

type Graph = protobuf.onnx.IGraphProto;
type Tensor = protobuf.onnx.ITensorProto;

export function inspectModel(bytes: Uint8Array): ModelFacts {
  const model = decode(bytes);
  const graph = model.graph;
  if (!graph || (graph.node ?? []).length === 0) throw fatal("onnx.bad_model", "The file holds no ONNX graph.");
  const operators = new Set<string>();
  let parameters = 0;

  const visitTensor = (tensor: Tensor): void => {
    // External data names a file on this machine; a model from outside has no business there.
    if (tensor.dataLocation === onnx.TensorProto.DataLocation.EXTERNAL || (tensor.externalData ?? []).length > 0) {
      const details = { tensor: tensor.name };
      throw fatal("onnx.external_data", `The tensor "${tensor.name}" keeps its data in another file, which is not read.`, details);
    }
    parameters += (tensor.dims ?? []).reduce<number>((product, side) => product * Number(side), 1);
  };
  const visit = (current: Graph, depth: number): void => {
    if (depth > DEPTH) throw fatal("onnx.bad_model", `Graphs are nested deeper than ${DEPTH}.`);
    for (const tensor of current.initializer ?? []) visitTensor(tensor);
    for (const sparse of current.sparseInitializer ?? []) if (sparse.values) visitTensor(sparse.values);
    for (const node of current.node ?? []) {
      const domain = node.domain ?? "";
      const name = domain && domain !== "ai.onnx" ? `${domain}.${node.opType}` : `${node.opType}`;
      if (!DOMAINS.has(domain)) {
        throw fatal("onnx.unknown_operator", `The operator ${name} is not a standard one and is not run here.`, { operator: name });
      }
      if (RANDOM.has(name)) {
        throw fatal("onnx.random_operator", `The operator ${name} answers differently each time and is not run here.`, { operator: name });
      }
      operators.add(name);
      for (const attribute of node.attribute ?? []) {
        if (attribute.t) visitTensor(attribute.t);
        for (const tensor of attribute.tensors ?? []) visitTensor(tensor);
        for (const inner of [attribute.g, ...(attribute.graphs ?? [])]) if (inner) visit(inner, depth + 1);
      }
    }
  };
  visit(graph, 0);
  const standard = (model.opsetImport ?? []).find((o) => !o.domain || o.domain === "ai.onnx");
  return { irVersion: Number(model.irVersion), opset: Number(standard?.version ?? 0), operators: [...operators].sort(), parameters };
}

function decode(bytes: Uint8Array): protobuf.onnx.ModelProto {
  try {
    return onnx.ModelProto.decode(bytes);
  } catch (error: unknown) {
    throw fatal("onnx.bad_model", `The file is not an ONNX model: ${messageOf(error)}`, {}, { cause: error });
  }
}
