import type { Kind, Tensor } from "./tensor.ts";

/** In the body of a function: the value that the call gives to the attribute of this name. */
export interface Reference {
  readonly refersTo: string;
}

export type Attribute = number | string | number[] | string[] | Tensor | Graph | Reference;

export const isReference = (a: Attribute): a is Reference => typeof a === "object" && "refersTo" in a;

export interface GraphNode {
  readonly operator: string;
  readonly domain: string;
  /** Never empty: nodes without a name are called after their first output. */
  readonly name: string;
  readonly inputs: string[];
  readonly outputs: string[];
  readonly attributes: Map<string, Attribute>;
  /** Where it differs from the model's: the body of a function says which opset it was written in. */
  readonly opset?: number;
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
