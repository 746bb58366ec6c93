import type { QuantiseOptions } from "./quantise/options.ts";
import type { Shapes } from "./trace/trace.ts";
import type { WeightOptions } from "./weights.ts";

export interface CompileOptions extends Partial<QuantiseOptions>, Shapes, WeightOptions {
  /** Real-valued inputs (flat, all input tensors in order) that calibrate scales; seeded samples of the box stand in for them. */
  readonly samples?: readonly (readonly number[])[];
  /** Number of seeded samples for calibration and the observed error. */
  readonly sampleCount?: number;
  /** Inputs wider than one word: `hash` (Poseidon sponge, the default) or `words` (public as they are). */
  readonly inputMode?: "hash" | "words";
  /** Largest number of rows; larger models are refused with the figure. */
  readonly maxRows?: number;
}
