import { InvalidModelError, UnsupportedError } from "../errors.ts";
import type { Attribute, Graph, GraphNode } from "../import/model.ts";
import type { Tensor } from "../import/tensor.ts";
import type { RealGraph } from "../real/graph.ts";
import { numbers, type SymTensor } from "./tensor.ts";
import { integerType, type IntegerType } from "./types.ts";

/** What an operator sees of its node: inputs, attributes, the graph to build into, and a way to refuse. */
export class NodeContext {
  readonly node: GraphNode;
  readonly inputs: (SymTensor | undefined)[];
  readonly real: RealGraph;
  readonly opset: number;
  /** ONNX element types of the inputs. */
  readonly types: readonly number[];
  /** Runs a subgraph (If, Loop, Scan) with the names of its surroundings in sight. */
  readonly run: (graph: Graph, inputs: SymTensor[]) => SymTensor[];

  constructor(
    node: GraphNode,
    inputs: (SymTensor | undefined)[],
    real: RealGraph,
    opset: number,
    types: readonly number[],
    run: (graph: Graph, inputs: SymTensor[]) => SymTensor[],
  ) {
    this.node = node;
    this.inputs = inputs;
    this.real = real;
    this.opset = opset;
    this.types = types;
    this.run = run;
  }

  /** The same node as another operator would see it: fused operators are made of plain ones. */
  as(inputs: readonly (SymTensor | undefined)[], attributes: Readonly<Record<string, Attribute>> = {}, opset = this.opset): NodeContext {
    const node = { ...this.node, inputs: inputs.map((t, i) => (t ? (this.node.inputs[i] ?? `input ${i}`) : "")), attributes: new Map([...this.node.attributes, ...Object.entries(attributes)]) };
    return new NodeContext(node, [...inputs], this.real, opset, this.types, this.run);
  }

  refuse(reason: string, advice: string): UnsupportedError {
    return new UnsupportedError({ operator: this.node.operator, node: this.node.name }, reason, advice);
  }

  input(i: number): SymTensor {
    const t = this.inputs[i];
    if (!t) throw new InvalidModelError(`node "${this.node.name}" (${this.node.operator}) lacks input ${i}`);
    return t;
  }

  /** Bits and sign of an integer input: what shifts wrap by and quantised values saturate to. */
  integer(i: number): IntegerType {
    return integerType(this.types[i] ?? 7);
  }

  optional(i: number): SymTensor | undefined {
    return this.inputs[i];
  }

  #attribute(name: string): Attribute | undefined {
    return this.node.attributes.get(name);
  }

  number(name: string, fallback?: number): number {
    const v = this.#attribute(name) ?? fallback;
    if (typeof v !== "number") throw new InvalidModelError(`node "${this.node.name}" (${this.node.operator}) lacks attribute ${name}`);
    return v;
  }

  text(name: string, fallback: string): string {
    const v = this.#attribute(name);
    return typeof v === "string" ? v : fallback;
  }

  list(name: string): number[] | undefined {
    const v = this.#attribute(name);
    return Array.isArray(v) && v.every((x) => typeof x === "number") ? (v as number[]) : undefined;
  }

  texts(name: string): string[] | undefined {
    const v = this.#attribute(name);
    return Array.isArray(v) && v.every((x) => typeof x === "string") ? (v as string[]) : undefined;
  }

  tensorAttribute(name: string): Tensor | undefined {
    const v = this.#attribute(name);
    return v && typeof v === "object" && "data" in v ? v : undefined;
  }

  graphAttribute(name: string): Graph {
    const v = this.#attribute(name);
    if (!v || typeof v !== "object" || !("nodes" in v)) throw new InvalidModelError(`node "${this.node.name}" lacks graph ${name}`);
    return v;
  }

  /** Numbers of an input that decides shapes. Data-dependent ones cannot be a circuit of fixed size. */
  known(i: number, what: string): number[] | undefined {
    const t = this.optional(i);
    if (!t) return undefined;
    const list = numbers(t);
    if (!list) throw this.refuse(`${what} depends on the data`, "Export the model with fixed shapes (constant folding on)");
    return list;
  }

  /** A list that newer opsets pass as an input and older ones as an attribute. */
  listOrInput(name: string, i: number, what: string): number[] | undefined {
    return this.list(name) ?? this.known(i, what);
  }
}

export type Operator = (x: NodeContext) => SymTensor | SymTensor[];
export type OperatorTable = Record<string, Operator>;
