import type { OperatorTable } from "./context.ts";
import { elementwise } from "./ops/elementwise.ts";
import { layout } from "./ops/layout.ts";
import { indexing } from "./ops/indexing.ts";
import { linear } from "./ops/linear.ts";
import { normalise } from "./ops/normalise.ts";
import { pool } from "./ops/pool.ts";
import { recurrent } from "./ops/recurrent.ts";
import { reduce } from "./ops/reduce.ts";
import { trees } from "./ops/trees.ts";
import { control } from "./ops/control.ts";

/** Every operator that has a circuit. What is not here is refused by name. */
export const operators: OperatorTable = {
  ...linear, ...layout, ...elementwise, ...pool, ...reduce, ...normalise, ...indexing, ...recurrent, ...trees, ...control,
};
