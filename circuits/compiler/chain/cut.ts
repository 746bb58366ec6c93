import { isConst, type Real, type Val } from "../real/graph.ts";

/** Where a model is cut: nodes of each layer, and the values that cross into it. */
export interface Cut {
  readonly nodes: readonly Real[];
  /** Values of earlier layers that this layer or a later one reads. */
  readonly carried: readonly Real[];
}

/** Rows of a node, roughly: enough to balance layers. */
const ROWS: Partial<Record<Real["op"], number>> = { relu: 14, ge0: 14, max2: 15, maxn: 40, fn: 45, div: 60, floordiv: 30, eq0: 3, step: 2, mul: 1, bitwise: 30 };

/** Bits of a value that crosses, roughly: what follows a seam is narrow, sums and products are wide. */
const BITS: Partial<Record<Real["op"], number>> = { lin: 24, mul: 24, ge0: 1, eq0: 1, step: 1 };

/** Part of a layer's share by which a cut may move to where fewer values cross. */
const PLAY = 0.4;

/** Cuts a topological order into `count` layers of about equal rows, each where little crosses. */
export function cutLayers(order: readonly Real[], outputs: readonly Val[], count: number): Cut[] {
  const index = new Map(order.map((n, i) => [n, i]));
  const last = new Int32Array(order.length);
  order.forEach((n, i) => {
    for (const a of n.args) last[index.get(a) as number] = i;
  });
  for (const o of outputs) if (!isConst(o)) last[index.get(o) as number] = order.length;
  // width[p]: bits that cross between node p - 1 and node p.
  const width = new Float64Array(order.length + 1);
  const rows = new Float64Array(order.length + 1);
  order.forEach((n, i) => {
    const bits = BITS[n.op] ?? 12;
    width[i + 1] = (width[i + 1] as number) + bits;
    if ((last[i] as number) < order.length) width[(last[i] as number) + 1] = (width[(last[i] as number) + 1] as number) - bits;
    rows[i + 1] = (rows[i] as number) + (ROWS[n.op] ?? 0);
  });
  for (let p = 1; p <= order.length; p++) width[p] = (width[p] as number) + (width[p - 1] as number);
  const total = rows[order.length] as number;
  const inputs = order.findIndex((n) => n.op !== "input");
  const cuts = [0];
  for (let k = 1; k < count; k++) {
    let best = -1;
    for (let p = Math.max(cuts[k - 1] as number, inputs) + 1; p < order.length; p++) {
      const off = Math.abs((rows[p] as number) - (total * k) / count);
      if (off <= (PLAY * total) / count && (best < 0 || (width[p] as number) < (width[best] as number))) best = p;
    }
    if (best > 0) cuts.push(best);
    else cuts.push(cuts[k - 1] as number);
  }
  const starts = [...new Set(cuts)];
  return starts.map((from, k) => ({
    nodes: order.slice(from, starts[k + 1] ?? order.length),
    carried: order.slice(0, from).filter((_, i) => (last[i] as number) >= from),
  }));
}
