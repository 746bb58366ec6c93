import { UnsupportedError } from "../errors.ts";
import type { Graph, GraphNode } from "../import/model.ts";
import type { Tensor } from "../import/tensor.ts";
import { isConst, type RealGraph } from "../real/graph.ts";
import type { SymTensor } from "./tensor.ts";
import type { TracedWeight } from "./trace.ts";

/** What these read decides shapes and limits: it belongs to the architecture. */
const ARCHITECTURE: ReadonlySet<string> = new Set(["Resize", "Upsample", "Clip", "Pad", "Range", "ConstantOfShape", "OneHot", "Tile", "Expand", "Reshape"]);

/** Operators whose weights are integers or attributes, which stay in the circuit. */
const BAKED = /^(QLinear|QGemm|Quantize|Dequantize|DynamicQuantize|MatMulInteger|ConvInteger|TreeEnsemble|Linear(Regressor|Classifier)$|SVM|Scaler$|Normalizer$)/;

/**
 * Float constants as inputs of the real graph: initializers and Constant nodes with a dimension. Scalars (an epsilon, a limit, a scale) and
 * whatever is no float belong to the architecture.
 */
export class Lifted {
  readonly weights: TracedWeight[] = [];
  readonly #real: RealGraph;
  #next: number;
  /** A body that runs several times has its weights once. */
  readonly #known = new Map<object, SymTensor>();

  constructor(real: RealGraph, first: number) {
    this.#real = real;
    this.#next = first;
  }

  /** @throws UnsupportedError For operators whose weights cannot be lifted. */
  check(node: GraphNode): void {
    if (!BAKED.test(node.operator) && node.domain !== "ai.onnx.ml") return;
    throw new UnsupportedError(
      { operator: node.operator, node: node.name },
      "its weights are integers or attributes, which cannot be public inputs",
      "Export the model in floats, or compile it with baked weights",
    );
  }

  initializer(graph: Graph, name: string, t: Tensor): SymTensor | undefined {
    if (t.kind !== "float" || t.shape.length === 0 || onlyShapes(graph, name)) return undefined;
    return this.#lift(t, name, t.shape, t.data);
  }

  constantNode(graph: Graph, node: GraphNode, made: SymTensor | SymTensor[]): SymTensor | undefined {
    const name = node.outputs[0] ?? "";
    if (node.operator !== "Constant" || Array.isArray(made) || made.kind !== "float" || made.shape.length === 0 || onlyShapes(graph, name)) return undefined;
    return this.#lift(node, name, made.shape, made.data.filter(isConst));
  }

  #lift(key: object, name: string, shape: readonly number[], values: readonly number[]): SymTensor {
    const known = this.#known.get(key);
    if (known) return known;
    this.#real.at("Weights", name);
    const made: SymTensor = { shape: [...shape], kind: "float", data: values.map(() => this.#real.input(this.#next++, false)) };
    this.weights.push({ name, shape: [...shape], values });
    this.#known.set(key, made);
    return made;
  }
}

function onlyShapes(graph: Graph, name: string): boolean {
  const readers = graph.nodes.filter((n) => n.inputs.includes(name));
  // The data of these operators is their first input.
  return readers.length > 0 && readers.every((n) => ARCHITECTURE.has(n.operator) && n.inputs[0] !== name);
}
