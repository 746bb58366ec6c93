import type { OperatorTable } from "./context.ts";
import { elementwise } from "./ops/elementwise.ts";
import { layout } from "./ops/layout.ts";
import { frames } from "./ops/frames.ts";
import { fused } from "./ops/fused.ts";
import { sampling } from "./ops/sampling.ts";
import { indexing } from "./ops/indexing.ts";
import { linear } from "./ops/linear.ts";
import { normalise } from "./ops/normalise.ts";
import { pool } from "./ops/pool.ts";
import { recurrent } from "./ops/recurrent.ts";
import { reduce } from "./ops/reduce.ts";
import { trees } from "./ops/trees.ts";
import { attentionOperators } from "./ops/attention.ts";
import { classic } from "./ops/classic.ts";
import { contrib } from "./ops/contrib.ts";
import { control } from "./ops/control.ts";
import { integer } from "./ops/integer.ts";
import { loss } from "./ops/loss.ts";
import { quantisedOperators } from "./ops/quantised.ts";
import { resizing } from "./ops/resize.ts";
import { sequence } from "./ops/sequence.ts";
import { signal } from "./ops/signal.ts";

/** Every operator that has a circuit. What is not here is refused by name. */
export const operators: OperatorTable = {
  ...linear, ...layout, ...elementwise, ...pool, ...reduce, ...normalise, ...indexing, ...recurrent, ...trees, ...control,
  ...integer, ...quantisedOperators, ...classic, ...sequence, ...signal, ...resizing, ...loss, ...attentionOperators,
  ...sampling, ...frames, ...fused, ...contrib,
};
