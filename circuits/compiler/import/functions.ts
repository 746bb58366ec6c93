import onnxProto from "onnx-proto";
import type { onnx } from "onnx-proto";

import { InvalidModelError } from "../errors.ts";
import { isReference, type Attribute, type Graph, type GraphNode } from "./graph.ts";

/** A function that the file itself defines: its calls are replaced by its body. */
export interface LocalFunction {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly GraphNode[];
  /** What attributes are where a call does not name them. */
  readonly defaults: ReadonlyMap<string, Attribute>;
  readonly opset: number | undefined;
}

export const functionKey = (domain: string, operator: string): string => `${domain === "ai.onnx" ? "" : domain}::${operator}`;

/** Deeper nesting than this is a function that calls itself. */
const MAX_DEPTH = 32;
/** A file of a few lines can call functions that call functions: its nodes are counted before memory is full of them. */
const MAX_NODES = 1 << 18;

/** The body of every function in place of its calls, to any depth; names of a body are prefixed with the name of the call. */
export class Inliner {
  readonly #functions: ReadonlyMap<string, LocalFunction>;
  #nodes = 0;

  constructor(functions: ReadonlyMap<string, LocalFunction>) {
    this.#functions = functions;
  }

  graph(g: Graph, depth = 0): Graph {
    if (this.#functions.size === 0) return g;
    return { ...g, nodes: g.nodes.flatMap((n) => this.#node(n, depth)) };
  }

  #node(node: GraphNode, depth: number): GraphNode[] {
    this.#nodes += 1;
    if (this.#nodes > MAX_NODES) throw new InvalidModelError(`its functions come to more than ${MAX_NODES} nodes`);
    const called = this.#functions.get(functionKey(node.domain, node.operator));
    if (!called) return [mapAttributes(node, (a) => (isGraph(a) ? this.graph(a, depth) : a))];
    if (depth >= MAX_DEPTH) throw new InvalidModelError(`function ${node.operator} calls itself`);
    const names = new Map<string, string>();
    called.inputs.forEach((name, i) => names.set(name, node.inputs[i] ?? ""));
    called.outputs.forEach((name, i) => names.set(name, node.outputs[i] || `${node.name}/${name}`));
    const resolve = (a: Attribute): Attribute | undefined => {
      if (isReference(a)) return node.attributes.get(a.refersTo) ?? called.defaults.get(a.refersTo);
      return isGraph(a) ? mapNodes(a, (n) => mapAttributes(n, resolve)) : a;
    };
    return called.nodes
      .map((n) => renamed(mapAttributes(n, resolve), names, node.name))
      .map((n): GraphNode => ({ ...n, ...(n.opset === undefined && called.opset !== undefined ? { opset: called.opset } : {}) }))
      .flatMap((n) => this.#node(n, depth + 1));
  }
}

const isGraph = (a: Attribute): a is Graph => typeof a === "object" && "nodes" in a;

const mapNodes = (g: Graph, f: (n: GraphNode) => GraphNode): Graph => ({ ...g, nodes: g.nodes.map(f) });

/** An attribute that becomes undefined is one that the operator has its own default for. */
function mapAttributes(node: GraphNode, f: (a: Attribute) => Attribute | undefined): GraphNode {
  const made = [...node.attributes].map(([name, a]) => [name, f(a)] as const);
  return { ...node, attributes: new Map(made.filter((pair): pair is readonly [string, Attribute] => pair[1] !== undefined)) };
}

function renamed(node: GraphNode, names: Map<string, string>, prefix: string): GraphNode {
  const own = (name: string): string => {
    if (name === "") return "";
    const known = names.get(name);
    if (known !== undefined) return known;
    const made = `${prefix}/${name}`;
    names.set(name, made);
    return made;
  };
  const inner = mapAttributes(node, (a) => (isGraph(a) ? renamedGraph(a, names, prefix) : a));
  return { ...inner, name: `${prefix}/${node.name}`, inputs: node.inputs.map(own), outputs: node.outputs.map(own) };
}

/** Names that a subgraph makes itself are its own; what it reads of its surroundings follows them. */
function renamedGraph(g: Graph, names: ReadonlyMap<string, string>, prefix: string): Graph {
  const inside = new Map(names);
  for (const name of [...g.inputs.map((i) => i.name), ...g.constants.keys(), ...g.nodes.flatMap((n) => n.outputs)]) inside.set(name, name);
  return { ...mapNodes(g, (n) => renamed(n, inside, prefix)), outputs: g.outputs.map((o) => inside.get(o) ?? `${prefix}/${o}`) };
}

/** Messages of one field of a protobuf message: the package that decodes models does not know the newer fields. */
function fieldsOf(bytes: Uint8Array, field: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++];
      if (byte === undefined) throw new InvalidModelError("a function ends in the middle of a field");
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag % 8;
    if (wire === 0) varint();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else {
      const length = varint();
      if (Math.floor(tag / 8) === field) out.push(bytes.subarray(at, at + length));
      at += length;
    }
  }
  return out;
}

const MODEL_FUNCTIONS = 25;
const FUNCTION_DEFAULTS = 11;

/** Attributes with a default, by function in the order of the file. */
export function defaultAttributes(model: Uint8Array): onnx.IAttributeProto[][] {
  return fieldsOf(model, MODEL_FUNCTIONS).map((f) => fieldsOf(f, FUNCTION_DEFAULTS).map((a) => onnxProto.onnx.AttributeProto.decode(a)));
}
