import type { GraphNode } from "../import/model.ts";
import type { Kind } from "../import/tensor.ts";

/** Element types as ONNX numbers them; the ones that an operator's result depends on. */
export interface IntegerType {
  readonly bits: number;
  readonly signed: boolean;
  readonly lo: number;
  readonly hi: number;
}

const widths: Record<number, readonly [bits: number, signed: boolean]> = {
  2: [8, false], 3: [8, true], 4: [16, false], 5: [16, true], 6: [32, true], 7: [64, true], 9: [1, false], 12: [32, false], 13: [64, false],
  21: [4, false], 22: [4, true],
};

export function integerType(type: number): IntegerType {
  const [bits, signed] = widths[type] ?? [64, true];
  return { bits, signed, lo: signed ? -(2 ** (bits - 1)) : 0, hi: 2 ** (signed ? bits - 1 : bits) - 1 };
}

const usual: Record<Kind, number> = { float: 1, int: 7, bool: 9 };

export const kindOfType = (type: number): Kind => (type === 9 ? "bool" : [1, 10, 11, 16, 17, 18, 19, 20].includes(type) ? "float" : "int");

/** Operators whose result has the type of a certain input, whatever their first input is. */
const follows: Record<string, number> = { CastLike: 1, Where: 1, QuantizeLinear: 2, OneHot: 2, QLinearConv: 7, QLinearMatMul: 7 };

/** The element type of an output: named by the node, or that of the first input of its kind. */
export function outputType(node: GraphNode, kind: Kind, inputs: readonly ({ kind: Kind; type: number } | undefined)[]): number {
  for (const name of ["to", "dtype", "output_dtype"]) {
    const to = node.attributes.get(name);
    if (typeof to === "number" && to > 0 && kindOfType(to) === kind) return to;
  }
  const value = node.attributes.get("value");
  if (["Constant", "ConstantOfShape"].includes(node.operator) && value && typeof value === "object" && "type" in value) return value.type;
  if (["ConvInteger", "MatMulInteger"].includes(node.operator)) return 6;
  if (node.operator === "DynamicQuantizeLinear" || (node.operator === "QuantizeLinear" && inputs.length < 3)) return kind === "int" ? 2 : 1;
  if (["Shape", "Size", "ArgMax", "ArgMin", "NonZero"].includes(node.operator)) return 7;
  const own = follows[node.operator];
  const source = own === undefined ? undefined : inputs[own];
  return (source?.kind === kind ? source.type : undefined) ?? inputs.find((i) => i?.kind === kind)?.type ?? usual[kind];
}
