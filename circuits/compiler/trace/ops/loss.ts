import { sizeOf } from "../../import/tensor.ts";
import { isConst, type Val } from "../../real/graph.ts";
import type { NodeContext, OperatorTable } from "../context.ts";
import { alongAxis, type SymTensor } from "../tensor.ts";
import { logSoftmax } from "./normalise.ts";

/** -weight[label] * score[label] at every position, then none, the sum, or the mean by weight. Ignored labels count nothing. */
function negativeLogLikelihood(x: NodeContext, scores: SymTensor): SymTensor {
  const r = x.real;
  const labels = x.input(1);
  const weight = x.optional(2);
  const classes = scores.shape[1] as number;
  const inner = sizeOf(scores.shape.slice(2));
  const ignored = x.node.attributes.has("ignore_index") ? x.number("ignore_index") : undefined;
  const losses: Val[] = [];
  const shares: Val[] = [];
  labels.data.forEach((label, at) => {
    const base = Math.floor(at / inner) * classes * inner + (at % inner);
    const flags = Array.from({ length: classes }, (_, c) => r.eq0(r.lin([label], [1], -c)));
    if (ignored !== undefined && ignored >= 0 && ignored < classes) flags[ignored] = 0;
    const weighted = flags.map((f, c) => r.mul(f, weight ? (weight.data[c] as Val) : 1));
    shares.push(r.lin(weighted, weighted.map(() => 1)));
    const parts = weighted.map((w, c) => r.mul(w, scores.data[base + c * inner] as Val));
    losses.push(r.lin(parts, parts.map(() => -1)));
  });
  const how = x.text("reduction", "mean");
  if (how === "none") return { shape: labels.shape, kind: "float", data: losses };
  const total = r.lin(losses, losses.map(() => 1));
  if (how === "sum") return { shape: [], kind: "float", data: [total] };
  const share = weight || ignored !== undefined ? r.lin(shares, shares.map(() => 1)) : losses.length;
  return { shape: [], kind: "float", data: [isConst(share) ? r.mul(1 / share, total) : r.div(total, share)] };
}

export const loss: OperatorTable = {
  NegativeLogLikelihoodLoss: (x) => negativeLogLikelihood(x, x.input(0)),
  SoftmaxCrossEntropyLoss: (x) => {
    const scores = alongAxis(x.input(0), 1, (line) => logSoftmax(x.real, line));
    return [negativeLogLikelihood(x, scores), scores];
  },
};
