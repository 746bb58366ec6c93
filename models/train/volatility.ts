/** Volatility forecaster: two convolutions over 32 returns, a small dense head, the result in per cent. */
import { HORIZON, RETURN_LIMIT, volatilitySamples, WINDOW } from "../data/volatility.ts";
import { explained, rootMeanSquareError, round4 } from "../metrics.ts";
import { conv, dense, relu } from "../nn/layers.ts";
import { exp, log } from "../nn/math.ts";
import { Network, squared, train } from "../nn/network.ts";
import { Random } from "../nn/random.ts";
import type { TrainedModel } from "./model.ts";
import { WEIGHT_STEP } from "./model.ts";

const SEQUENCE = { rank: 1, height: 1, kernelHeight: 1, strideHeight: 1 } as const;

export function trainVolatility(): TrainedModel {
  const training = volatilitySamples(111, 12_000);
  const held = volatilitySamples(222, 4_000);
  const random = new Random(333);
  const network = new Network([
    // The first convolution looks at one return at a time: it learns what a return's size says, rises and falls apart.
    conv(random, { ...SEQUENCE, channels: 1, filters: 8, width: WINDOW, kernelWidth: 1, strideWidth: 1 }),
    relu(8 * WINDOW),
    conv(random, { ...SEQUENCE, channels: 8, filters: 8, width: WINDOW, kernelWidth: 4, strideWidth: 4 }),
    relu(8 * (WINDOW / 4)),
    dense(random, 8 * (WINDOW / 4), 16),
    relu(16),
    dense(random, 16, 1),
  ]);
  train(network, training, { loss: squared, epochs: 14, batch: 32, rate: 0.004, random, decay: 0.01 });
  network.snap(WEIGHT_STEP);

  const window = fitted(training.inputs.map(windowVolatility), training.targets, held.inputs.map(windowVolatility));
  const ewma = fitted(training.inputs.map(weighted), training.targets, held.inputs.map(weighted));
  const windowError = rootMeanSquareError(window, held.targets);
  const ewmaError = rootMeanSquareError(ewma, held.targets);

  return {
    name: "volatility",
    title: "Volatility forecaster",
    task: `Volatility of the next ${HORIZON} returns, in per cent a step, from the last ${WINDOW}.`,
    data:
      "12,000 made-up price paths to train, 4,000 to test: GJR-GARCH(1,1) with calm and stormy regimes and jumps. Part of what " +
      "comes is chance that nobody can forecast, so the error cannot go near zero.",
    limits: "The paths are made up; real markets have other habits. Not for trading.",
    graph: {
      name: "volatility",
      description: "Volatility demonstration model, trained on synthetic data.",
      input: "returns",
      inputShape: [1, 1, WINDOW],
      output: "volatility",
      finalOperator: "Exp",
    },
    network,
    predict: (x) => network.forward(x).map(exp),
    input: {
      name: "returns",
      dtype: "float32",
      shape: [1, 1, WINDOW],
      min: -RETURN_LIMIT,
      max: RETURN_LIMIT,
      meaning: "returns in per cent, oldest first",
    },
    output: { name: "volatility", dtype: "float32", shape: [1, 1], meaning: "root mean square of the coming returns, in per cent a step" },
    heldOut: {
      inputs: held.inputs,
      measure: (outputs) => {
        const predicted = outputs.map((o) => log(o[0]!));
        const error = rootMeanSquareError(predicted, held.targets);
        return [
          {
            name: "log_rmse",
            value: round4(error),
            threshold: 0.4,
            better: "lower",
            meaning: "root mean square error of the logarithm of volatility",
          },
          {
            name: "gain_over_window",
            value: round4(1 - error / windowError),
            threshold: 0.05,
            better: "higher",
            meaning: `relative to the window's own volatility, fitted, which has ${windowError.toFixed(4)}`,
          },
          {
            name: "gain_over_ewma",
            value: round4(1 - error / ewmaError),
            threshold: 0.03,
            better: "higher",
            meaning: `relative to an exponentially weighted average (0.94), fitted, which has ${ewmaError.toFixed(4)}`,
          },
          { name: "explained", value: round4(explained(predicted, held.targets)), threshold: 0.5, better: "higher", meaning: "R squared" },
        ];
      },
    },
  };
}

/** Logarithm of the volatility of the window itself. */
function windowVolatility(returns: Float64Array): number {
  return log(Math.sqrt(returns.reduce((sum, r) => sum + r * r, 0) / returns.length) + 1e-3);
}

/** The same, newer returns weighing more, as RiskMetrics does. */
function weighted(returns: Float64Array): number {
  let variance = returns[0]! ** 2;
  for (const r of returns) variance = 0.94 * variance + 0.06 * r * r;
  return log(Math.sqrt(variance) + 1e-3);
}

/** Gives the baseline its best chance: a straight line from its forecast to the target, fitted on the training data. */
function fitted(x: readonly number[], y: Float64Array, apply: readonly number[]): number[] {
  const meanX = x.reduce((a, b) => a + b, 0) / x.length;
  const meanY = y.reduce((a, b) => a + b, 0) / y.length;
  let covariance = 0;
  let variance = 0;
  x.forEach((v, i) => {
    covariance += (v - meanX) * (y[i]! - meanY);
    variance += (v - meanX) ** 2;
  });
  const slope = covariance / variance;
  return apply.map((v) => meanY + slope * (v - meanX));
}
