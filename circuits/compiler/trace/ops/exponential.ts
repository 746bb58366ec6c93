import { isConst, type Real, type RealGraph, type Val } from "../../real/graph.ts";
import { belongsTo } from "../../real/variance.ts";

/** e^a; where a is a value less a maximum it belongs to, the decaying exponential covers it and cannot overflow. */
export function exp(r: RealGraph, a: Val): Val {
  if (isConst(a)) return Math.exp(a);
  return lessMaximum(r, a) ?? softmaxShare(r, a) ?? r.fn("exp", a);
}

/** e^(x - top) for a maximum that x took part in. */
function lessMaximum(r: RealGraph, a: Real): Val | undefined {
  for (const { x, taken: top } of differences(r, a)) {
    if (x === top || !belongsTo(top, x)) continue;
    const gap = r.gap(top, x);
    return isConst(gap) ? Math.exp(-gap) : r.fn("expneg", gap);
  }
  return undefined;
}

/** The values that a sum takes away, and what it takes each of them from. */
function differences(r: RealGraph, a: Real): { x: Real; taken: Real }[] {
  if (a.op !== "lin") return [];
  const out: { x: Real; taken: Real }[] = [];
  for (const [i, v] of a.args.entries()) {
    if (a.w[i] !== -1 || out.length === 4 || !(v.op === "maxn" || v.op === "max2" || v.op === "lin")) continue;
    const x = r.lin(a.args.filter((_, k) => k !== i), a.w.filter((_, k) => k !== i), a.c);
    if (!isConst(x)) out.push({ x, taken: v });
  }
  return out;
}

/** e^(x - log sum e^x): the part of a softmax, whose sum is known to be at least one. */
function softmaxShare(r: RealGraph, a: Real): Val | undefined {
  for (const { x, taken: lse } of differences(r, a)) {
    const [top, log] = lse.op === "lin" && lse.args.length === 2 && lse.c === 0 && lse.w.every((w) => w === 1) ? lse.args : [];
    const sum = log?.op === "fn" && log.fn === "log" ? (log.args[0] as Real) : undefined;
    if (!top || sum?.op !== "bound" || sum.fn !== "softmax" || !belongsTo(top, x)) continue;
    const gap = r.gap(top, x);
    return isConst(gap) ? undefined : r.mul(r.fn("expneg", gap), r.div(1, sum));
  }
  return undefined;
}
