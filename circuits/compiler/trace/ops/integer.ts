import { isConst, type BitOperation, type RealGraph, type Val } from "../../real/graph.ts";
import type { NodeContext, Operator, OperatorTable } from "../context.ts";
import { map, zip, type SymTensor } from "../tensor.ts";
import type { IntegerType } from "../types.ts";
import { indexFlags } from "./indexing.ts";

const bitwise =
  (fn: BitOperation): Operator =>
  (x) => zip(x.input(0), x.input(1), "int", (a, b) => x.real.bitwise(fn, a, b));

/** What an unsigned type keeps of a value that grew beyond it. Signed overflow has no meaning in ONNX and is left to grow. */
export function wrapped(r: RealGraph, v: Val, type: IntegerType): Val {
  const size = 2 ** type.bits;
  return r.lin([v, r.floordiv(v, size)], [1, -size]);
}

function shifted(r: RealGraph, v: Val, places: number, left: boolean, type: IntegerType): Val {
  if (places >= type.bits) return 0;
  if (!left) return r.floordiv(v, 2 ** places);
  const grown = r.mul(2 ** places, v);
  return type.signed || places === 0 ? grown : wrapped(r, grown, type);
}

/** A distance that the data decides is one case for each distance there is. */
function bitShift(x: NodeContext): SymTensor {
  const left = x.text("direction", "") === "LEFT";
  const type = x.integer(0);
  if (type.bits > 32 && left) {
    // Digits beyond 2^53 are not doubles: only what stays below is exact, and boxes of larger values are refused elsewhere.
    return zip(x.input(0), x.input(1), "int", (v, by) => {
      if (!isConst(by)) throw x.refuse("a left shift of 64-bit values by a distance from the data", "Shift by a constant");
      return x.real.mul(2 ** by, v);
    });
  }
  return zip(x.input(0), x.input(1), "int", (v, by) => {
    if (isConst(by)) return shifted(x.real, v, by, left, type);
    const flags = indexFlags(x.real, by, type.bits).map((f, k) => x.real.mul(f, shifted(x.real, v, k, left, type)));
    return x.real.lin(flags, flags.map(() => 1));
  });
}

export const integer: OperatorTable = {
  BitwiseAnd: bitwise("and"),
  BitwiseOr: bitwise("or"),
  BitwiseXor: bitwise("xor"),
  BitwiseNot: (x) => {
    const type = x.integer(0);
    return map(x.input(0), (v) => x.real.lin([v], [-1], type.signed ? -1 : type.hi));
  },
  BitShift: bitShift,
};
