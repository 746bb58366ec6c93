import { toReal } from "./dyadic.ts";
import type { InputScale } from "./options.ts";

/** A small seeded generator (xorshift32): samples must be the same on every machine. */
export function seeded(seed: number): () => number {
  let s = seed >>> 0 || 1;
  return () => {
    s ^= s << 13;
    s >>>= 0;
    s ^= s >>> 17;
    s ^= s << 5;
    s >>>= 0;
    return s / 2 ** 32;
  };
}

/** `count` admissible inputs, on the quantiser's grid: uniform in the box, every fourth one confined to a tenth of it. */
export function sampleInputs(boxes: readonly InputScale[], count: number, seed = 7): bigint[][] {
  const next = seeded(seed);
  return Array.from({ length: count }, (_, k) =>
    boxes.map((box) => {
      const [lo, hi] = box.inner ?? [box.lo, box.hi];
      const u = k % 4 === 3 ? 0.45 + next() / 10 : next();
      const at = lo + BigInt(Math.floor(u * Number(hi - lo + 1n)));
      return at > hi ? hi : at;
    }),
  );
}

export const realInputs = (ints: readonly bigint[], boxes: readonly InputScale[]): number[] =>
  ints.map((v, i) => toReal(v, (boxes[i] as InputScale).e));

/** Reals that the quantiser takes to the given integers: off the grid by up to half a step, as a user's inputs are. */
export function offGrid(ints: readonly bigint[], boxes: readonly InputScale[], seed: number): number[] {
  const next = seeded(seed);
  return realInputs(ints, boxes).map((v, i) => {
    const { e, whole } = boxes[i] as InputScale;
    return whole ? v : v + (next() - 0.5) * 0.98 * toReal(1n, e);
  });
}
