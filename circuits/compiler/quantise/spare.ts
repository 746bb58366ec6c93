import { isConst, type Real, type Val } from "../real/graph.ts";

/** More bits than these an activation does not need: what is read by few is then exact next to what is not. */
const MOST = 3;
/** Share of a circuit's rows that they may take. */
const SHARE = 1 / 100;
/** What a range check is wider than an activation, about: the weights and the number of terms. */
const WIDENING = 6;

/** These hand on the scale of what they read: one digit more there is one more here. */
const HANDS_ON: ReadonlySet<string> = new Set(["lin", "mul", "bound", "seam", "max2", "maxn", "gap"]);
const DIGITS: ReadonlySet<string> = new Set(["relu", "ge0", "step", "max2", "maxn", "fn", "div", "floordiv", "bitwise"]);

/**
 * Bits that the rectified values of a layer get beyond the usual ones. A digit more of an activation costs a row in every range check that its
 * readers reach, and none in its own, which takes its digits from the sum before: 2,000 neurons that 60 read are finer for the price of 60.
 * The layers with the fewest readers come first, until all together cost a hundredth of the circuit.
 * @param inputRows What the inputs' range checks cost.
 * @returns Bits by layer.
 */
export function spareBits(order: readonly Real[], outputs: readonly Val[], inputRows: number, activationBits: number): ReadonlyMap<number, number> {
  const sources = new Map<Real, ReadonlySet<number>>();
  const readers = new Map<number, number>();
  const none: ReadonlySet<number> = new Set();
  let checks = 0;
  const read = (layers: ReadonlySet<number>, times: number): void => layers.forEach((l) => readers.set(l, (readers.get(l) ?? 0) + times));
  for (const n of order) {
    let from = none;
    for (const a of n.args) from = union(from, sources.get(a) as ReadonlySet<number>);
    if (DIGITS.has(n.op)) {
      const times = n.op === "maxn" ? n.args.length : 1;
      checks += times;
      read(from, times);
    }
    sources.set(n, n.op === "relu" ? new Set([n.layer]) : HANDS_ON.has(n.op) ? from : none);
  }
  for (const v of outputs) if (!isConst(v)) read(sources.get(v) as ReadonlySet<number>, 1);
  let left = SHARE * (checks * (activationBits + WIDENING) + inputRows);
  const spare = new Map<number, number>();
  for (const [layer, count] of [...readers].sort(([a, x], [b, y]) => x - y || a - b)) {
    const bits = Math.min(MOST, Math.floor(left / count));
    if (bits === 0) break;
    spare.set(layer, bits);
    left -= bits * count;
  }
  return spare;
}

function union(a: ReadonlySet<number>, b: ReadonlySet<number>): ReadonlySet<number> {
  if (a === b || b.size === 0) return a;
  if (a.size === 0) return b;
  return [...b].every((l) => a.has(l)) ? a : new Set([...a, ...b]);
}
