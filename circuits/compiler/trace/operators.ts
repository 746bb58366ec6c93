import type { OperatorTable } from "./context.ts";
import { elementwise } from "./ops/elementwise.ts";
import { layout } from "./ops/layout.ts";
import { linear } from "./ops/linear.ts";

/** Every operator that has a circuit. What is not here is refused by name. */
export const operators: OperatorTable = { ...linear, ...layout, ...elementwise };
