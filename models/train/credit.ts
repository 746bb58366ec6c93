/** Credit score: 20-16-8-1 dense network with ReLU, small enough for a Groth16 circuit with baked weights. */
import { CREDIT_FEATURES, creditSamples } from "../data/credit.ts";
import { accuracy, auc, round4 } from "../metrics.ts";
import { dense, relu } from "../nn/layers.ts";
import { logistic, Network, train } from "../nn/network.ts";
import { Random } from "../nn/random.ts";
import type { TrainedModel } from "./model.ts";
import { WEIGHT_STEP } from "./model.ts";

const FEATURES = CREDIT_FEATURES.length;

export function trainCredit(): TrainedModel {
  const training = creditSamples(101, 16_000);
  const held = creditSamples(202, 4_000);
  const random = new Random(303);
  const network = new Network([dense(random, FEATURES, 16), relu(16), dense(random, 16, 8), relu(8), dense(random, 8, 1)]);
  train(network, training, { loss: logistic, epochs: 30, batch: 64, rate: 0.006, random, decay: 0.002 });
  network.snap(WEIGHT_STEP);

  // The baseline: the best straight line through the same data.
  const linear = new Network([dense(random, FEATURES, 1)]);
  train(linear, training, { loss: logistic, epochs: 15, batch: 64, rate: 0.02, random });
  const linearAuc = auc(held.inputs.map((x) => linear.forward(x)[0]!), held.targets);
  const ceiling = auc(held.chance, held.targets);
  const majority = 1 - held.targets.reduce((a, b) => a + b, 0) / held.targets.length;

  return {
    name: "credit-score",
    title: "Credit score",
    task: "Chance that a loan defaults, from 20 features of the applicant.",
    data:
      "16,000 made-up applicants to train, 4,000 to test; the true chance of default is a known function with thresholds and " +
      "interactions, so the best possible score can be measured.",
    limits: "The applicants are made up. Not for any decision about a person.",
    graph: {
      name: "credit_score",
      description: "Credit score demonstration model, trained on synthetic data.",
      input: "features",
      inputShape: [1, FEATURES],
      output: "logit",
    },
    network,
    predict: (x) => network.forward(x),
    input: {
      name: "features",
      dtype: "float32",
      shape: [1, FEATURES],
      min: 0,
      max: 1,
      features: CREDIT_FEATURES,
      meaning: "features of the applicant, each scaled to [0, 1]",
    },
    output: { name: "logit", dtype: "float32", shape: [1, 1], meaning: "log-odds of default; above 0 means more likely than not" },
    heldOut: {
      inputs: held.inputs,
      measure: (outputs) => {
        const scores = outputs.map((o) => o[0]!);
        const score = auc(scores, held.targets);
        const right = accuracy(scores.map((s) => (s > 0 ? 1 : 0)), held.targets);
        return [
          { name: "auc", value: round4(score), threshold: 0.93, better: "higher", meaning: "area under the ROC curve" },
          {
            name: "auc_over_linear",
            value: round4(score - linearAuc),
            threshold: 0.015,
            better: "higher",
            meaning: `gain over logistic regression, which has ${linearAuc.toFixed(4)}`,
          },
          {
            name: "auc_below_ceiling",
            value: round4(ceiling - score),
            threshold: 0.02,
            better: "lower",
            meaning: `distance to the true chance itself, which has ${ceiling.toFixed(4)}`,
          },
          {
            name: "accuracy",
            value: round4(right),
            threshold: 0.87,
            better: "higher",
            meaning: `at log-odds 0; always saying "repays" has ${majority.toFixed(4)}`,
          },
        ];
      },
    },
  };
}
