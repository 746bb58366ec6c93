import { BudgetError, InvalidModelError, UnsupportedError } from "../errors.ts";
import type { Graph, GraphNode, Model } from "../import/model.ts";
import { sizeOf, TEXT, type Kind } from "../import/tensor.ts";
import type { QuantiseOptions } from "../quantise/options.ts";
import { isConst, RealGraph } from "../real/graph.ts";
import { takesWeights, type WeightOptions } from "../weights.ts";
import { NodeContext, type OperatorTable } from "./context.ts";
import { Lifted } from "./lifted.ts";
import { operators } from "./operators.ts";
import { constant, type SymTensor } from "./tensor.ts";
import { outputType } from "./types.ts";

export interface TracedTensor {
  readonly name: string;
  readonly kind: Kind;
  readonly shape: number[];
}

/** A float constant that is an input of the circuit. */
export interface TracedWeight {
  readonly name: string;
  readonly shape: number[];
  readonly values: readonly number[];
}

export interface Traced {
  readonly real: RealGraph;
  /** Elements of input tensor k are the graph inputs offset[k], offset[k] + 1, ... */
  readonly inputs: (TracedTensor & { readonly offset: number })[];
  readonly outputs: (TracedTensor & { readonly values: SymTensor })[];
  /** Behind the inputs, in this order, where weights are public. */
  readonly weights: TracedWeight[];
  readonly warnings: string[];
}

/** Fixed shapes for inputs with symbolic dimensions, by input name; and sizes by the name of a dimension. */
export interface Shapes {
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  readonly dimensions?: Readonly<Record<string, number>>;
  /** Inputs that are the same for every proof, such as a shape or a sequence length: they become constants of the circuit. */
  readonly fixed?: Readonly<Record<string, readonly number[]>>;
  /** Boxes of inputs: whole ones from 0 to 1 are flags. */
  readonly inputs?: QuantiseOptions["inputs"];
}

/** More elements of one input or output than this never fit: each has its own digits. */
const MAX_PORT = 1 << 20;

/** Specialises shapes, then executes the graph on references: folding, specialisation and CSE happen on the way. */
export function trace(model: Model, given: Shapes & WeightOptions): Traced {
  const real = new RealGraph();
  const warnings: string[] = [];
  const values = new Map<string, SymTensor>();
  const inputs: Traced["inputs"] = [];
  let offset = 0;
  for (const info of model.graph.inputs) {
    const fixed = given.shapes?.[info.name];
    const shape = info.shape.map((d, i) => {
      if (fixed) return fixed[i] as number;
      if (typeof d === "number") return d;
      const named = d === null ? undefined : given.dimensions?.[d];
      if (named === undefined) warnings.push(`dimension ${d ?? i} of input "${info.name}" is symbolic: compiled for 1`);
      return named ?? 1;
    });
    if (fixed && fixed.length !== info.shape.length) throw new InvalidModelError(`input "${info.name}" has rank ${info.shape.length}`);
    const size = sizeOf(shape);
    if (size > MAX_PORT) throw new InvalidModelError(`input "${info.name}" has ${size} elements, limit ${MAX_PORT}: no circuit takes in as much`);
    const known = given.fixed?.[info.name];
    if (known) {
      if (known.length !== size) throw new InvalidModelError(`input "${info.name}" is fixed to ${known.length} values, its shape holds ${size}`);
      values.set(info.name, { shape, kind: info.kind, data: [...known] });
      continue;
    }
    real.at("Input", info.name);
    const base = offset;
    const data = Array.from({ length: size }, (_, i) => real.input(base + i, info.kind !== "float"));
    const box = given.inputs?.[info.name];
    const flags = info.kind === "bool" || (info.kind === "int" && (box?.lo ?? 0) === 0 && box?.hi === 1);
    if (flags) for (const v of data) real.binary.add(v);
    values.set(info.name, { shape, kind: info.kind, data });
    inputs.push({ name: info.name, kind: info.kind, shape, offset });
    offset += size;
  }
  const scope = { values, types: new Map(model.graph.inputs.map((info) => [info.name, info.type])) };
  const lifted = takesWeights(given) ? new Lifted(real, offset) : undefined;
  run(model.graph, scope, real, model.opset, operators, lifted);
  const outputs = model.graph.outputs.map((name) => {
    const t = values.get(name) as SymTensor;
    if (t.data.length > MAX_PORT) throw new BudgetError(`the number of elements of output "${name}"`, t.data.length, MAX_PORT);
    return { name, kind: t.kind, shape: t.shape, values: t };
  });
  return { real, inputs, outputs, weights: lifted?.weights ?? [], warnings };
}

/** Shapes and attributes that do not go together show as what a program in their place would stumble over. */
function applied<T>(node: GraphNode, operator: () => T): T {
  try {
    return operator();
  } catch (error: unknown) {
    if (error instanceof RangeError || error instanceof TypeError) throw new InvalidModelError(`node "${node.name}" (${node.operator}): ${error.message}`);
    throw error;
  }
}

/** Constants as the model's own arithmetic has them: a place that is cut or compared later may hang on the last digit of a float. */
function folded(t: SymTensor, type: number): SymTensor {
  const round = type === 1 ? Math.fround : type === 10 ? Math.f16round : undefined;
  return round && t.data.some(isConst) ? { ...t, data: t.data.map((v) => (isConst(v) ? round(v) : v)) } : t;
}

/** Operators that move elements and look at none: text passes as its place in the list that it comes from. */
const CARRIES_TEXT: ReadonlySet<string> = new Set(["ArrayFeatureExtractor", "Gather", "GatherElements", "GatherND", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "ZipMap"]);

/** What the names of a graph stand for. */
interface Scope {
  readonly values: Map<string, SymTensor>;
  /** ONNX element types: the kind of a tensor does not say how wide its integers are. */
  readonly types: Map<string, number>;
}

function run(graph: Graph, { values, types }: Scope, real: RealGraph, opset: number, table: OperatorTable, lifted?: Lifted): void {
  for (const [name, t] of graph.constants) {
    values.set(name, lifted?.initializer(graph, name, t) ?? constant(t));
    types.set(name, t.type);
  }
  for (const node of graph.nodes) {
    real.at(node.operator, node.name);
    const operator = Object.hasOwn(table, node.operator) ? table[node.operator] : undefined;
    if (!operator) {
      throw new UnsupportedError({ operator: node.operator, node: node.name }, "no circuit exists for this operator", advice(node));
    }
    lifted?.check(node);
    if (node.inputs.some((i) => types.get(i) === TEXT) && !CARRIES_TEXT.has(node.operator)) {
      throw new UnsupportedError({ operator: node.operator, node: node.name }, "it computes with text", "Keep text processing outside of the model");
    }
    const inputs = node.inputs.map((i) => (i === "" ? undefined : values.get(i)));
    const inner = (body: Graph, args: SymTensor[]): SymTensor[] => {
      const scope = { values: new Map(values), types: new Map(types) };
      body.inputs.forEach((info, i) => {
        scope.values.set(info.name, args[i] as SymTensor);
        scope.types.set(info.name, info.type);
      });
      run(body, scope, real, opset, table, lifted);
      return body.outputs.map((o) => scope.values.get(o) as SymTensor);
    };
    const own = node.inputs.map((i) => types.get(i) ?? 0);
    const result = applied(node, () => operator(new NodeContext(node, inputs, real, node.opset ?? opset, own, inner)));
    const made = lifted?.constantNode(graph, node, result) ?? result;
    const list = Array.isArray(made) ? made : [made];
    const sources = inputs.map((t, i) => (t ? { kind: t.kind, type: own[i] as number } : undefined));
    node.outputs.forEach((name, i) => {
      const t = list[i];
      if (name === "") return;
      if (!t) throw new UnsupportedError({ operator: node.operator, node: node.name }, `output ${i} is not available`, "Remove its reader");
      const type = outputType(node, t.kind, sources);
      values.set(name, folded(t, type));
      types.set(name, type);
    });
  }
}

function advice(node: GraphNode): string {
  if (node.domain !== "" && node.domain !== "ai.onnx" && node.domain !== "ai.onnx.ml") {
    return `It belongs to the domain ${node.domain}: export with standard operators only`;
  }
  if (node.operator.startsWith("Random") || node.operator === "Multinomial") return "A proof needs a function: feed the random numbers as an input";
  if (node.operator.startsWith("Sequence") || node.operator.startsWith("Optional")) return "Export the model with plain tensors";
  if (node.operator.startsWith("String") || node.operator.startsWith("Tfidf")) return "Keep text processing outside of the model";
  if (node.operator === "NonMaxSuppression") return "Leave detection post-processing to the reader of the output";
  return "Replace it with supported operators (docs/zkml.md) or split the model before it";
}
