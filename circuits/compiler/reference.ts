import { realProgram, type RealProgram } from "./real/evaluate.ts";
import { isConst, type Real, type Val } from "./real/graph.ts";
import type { Traced } from "./trace/trace.ts";

/** The model over the reals: each output tensor, flat, for the input elements of all tensors in order. */
export type Reference = (inputs: readonly number[]) => number[][];

/**
 * The model in float64, which errors are measured against.
 * @param size More than the largest id in `order`.
 * @param outputs Elements of all output tensors, in the order of `traced.outputs`.
 */
export function referenceOf(order: readonly Real[], size: number, outputs: readonly Val[], traced: Traced): Reference {
  let program: RealProgram | undefined;
  return (inputs) => {
    program ??= realProgram(order, size);
    const value = program(inputs);
    let at = 0;
    return traced.outputs.map((t) =>
      t.values.data.map(() => {
        const v = outputs[at++] as Val;
        return isConst(v) ? v : (value[v.id] as number);
      }),
    );
  };
}
