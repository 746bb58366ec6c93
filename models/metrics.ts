/** Held-out measures. All are plain counts and means, so that a test can recompute them from the ONNX file's own answers. */

/** Chance that a random positive outranks a random negative (ties count half). */
export function auc(scores: ArrayLike<number>, labels: ArrayLike<number>): number {
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  let positives = 0;
  let rankSum = 0;
  for (let i = 0; i < order.length; ) {
    let end = i;
    while (end < order.length && scores[order[end]!] === scores[order[i]!]) end++;
    const rank = (i + end + 1) / 2; // mean rank of the tie, counted from 1
    for (; i < end; i++) {
      if (labels[order[i]!] === 1) {
        positives++;
        rankSum += rank;
      }
    }
  }
  const negatives = order.length - positives;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** Share of cases where the prediction is the target. */
export function accuracy(predictions: ArrayLike<number>, targets: ArrayLike<number>): number {
  let right = 0;
  for (let i = 0; i < targets.length; i++) if (predictions[i] === targets[i]) right++;
  return right / targets.length;
}

export function rootMeanSquareError(predictions: ArrayLike<number>, targets: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < targets.length; i++) sum += (predictions[i]! - targets[i]!) ** 2;
  return Math.sqrt(sum / targets.length);
}

/** Share of the target's variance that the prediction explains. */
export function explained(predictions: ArrayLike<number>, targets: ArrayLike<number>): number {
  const mean = Array.from(targets).reduce((a, b) => a + b, 0) / targets.length;
  let total = 0;
  for (let i = 0; i < targets.length; i++) total += (targets[i]! - mean) ** 2;
  return 1 - (rootMeanSquareError(predictions, targets) ** 2 * targets.length) / total;
}

export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** Figures are stated with four decimals. */
export function round4(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
