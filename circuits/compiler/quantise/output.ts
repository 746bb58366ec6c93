import { isConst, type Val } from "../real/graph.ts";
import { ceilLog2 } from "./dyadic.ts";
import type { Quantities, Quantity } from "./quantity.ts";

/** Bits of an output below those of an activation. */
const SPARE_BITS = 4;

/**
 * An output rounded to what matters at its typical size. Over all weights, the interval of a deep network is far wider than anything it
 * says: a fixed width would spend its digits there.
 */
export function roundOutput(q: Quantities, made: Quantity, v: Val, typical: Float64Array, activationBits: number): Quantity {
  const size = isConst(v) || v.whole ? 0 : (typical[v.id] as number);
  return size > 0 && Number.isFinite(size) ? q.cut(made, ceilLog2(size) - activationBits - SPARE_BITS - made.e) : made;
}
