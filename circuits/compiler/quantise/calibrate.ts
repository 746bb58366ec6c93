import { realProgram } from "../real/evaluate.ts";
import type { Real } from "../real/graph.ts";

/** What samples say about the nodes of the real graph, by id. Scales follow it; no bound does. */
export interface Calibration {
  /** Typical magnitude: the largest in the node's layer among nodes of its kind; of inverse roots, the smallest. */
  readonly typical: Float64Array;
  /** Mean value. */
  readonly mean: Float64Array;
}

/**
 * Runs the model over the reals on the samples. Inverse roots and quotients are of very different sizes over a box, and what multiplies them
 * is large when they are small.
 * @param size More than the largest id in `order`.
 */
export function calibrate(order: readonly Real[], samples: readonly number[][], size: number): Calibration {
  const typical = new Float64Array(size);
  const mean = new Float64Array(size);
  const least = (n: Real): boolean => n.op === "fn" && n.fn === "rsqrt";
  const run = realProgram(order, size);
  for (const s of samples) {
    const value = run(s);
    for (const n of order) {
      const signed = value[n.id] as number;
      const v = Math.abs(signed);
      const before = typical[n.id] as number;
      if (v < Infinity && (least(n) ? v > 0 && (before === 0 || v < before) : v > before)) typical[n.id] = v;
      if (v < Infinity) mean[n.id] = (mean[n.id] as number) + signed / samples.length;
    }
  }
  const group = new Map<string, number>();
  const key = (n: Real): string => `${n.layer}:${n.op}:${n.fn}`;
  for (const n of order) {
    const v = typical[n.id] as number;
    const before = group.get(key(n)) ?? 0;
    group.set(key(n), least(n) && before > 0 && v > 0 ? Math.min(before, v) : Math.max(before, v));
  }
  for (const n of order) typical[n.id] = group.get(key(n)) as number;
  return { typical, mean };
}
