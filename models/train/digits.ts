/** Digits classifier: one convolution and a dense layer over 14 x 14 images. */
import { digitSamples, SIDE } from "../data/digits.ts";
import { accuracy, argmax, round4 } from "../metrics.ts";
import { conv, dense, outputSides, relu } from "../nn/layers.ts";
import { crossEntropy, Network, train } from "../nn/network.ts";
import type { Samples } from "../nn/network.ts";
import { Random } from "../nn/random.ts";
import type { TrainedModel } from "./model.ts";
import { WEIGHT_STEP } from "./model.ts";

const FIRST = {
  rank: 2,
  channels: 1,
  filters: 8,
  height: SIDE,
  width: SIDE,
  kernelHeight: 4,
  kernelWidth: 4,
  strideHeight: 2,
  strideWidth: 2,
} as const;

export function trainDigits(): TrainedModel {
  const training = digitSamples(121, 6_000);
  const held = digitSamples(242, 2_000);
  const random = new Random(363);
  const { height, width } = outputSides(FIRST);
  const hidden = FIRST.filters * height * width;
  const network = new Network([conv(random, FIRST), relu(hidden), dense(random, hidden, 32), relu(32), dense(random, 32, 10)]);
  train(network, training, { loss: crossEntropy, epochs: 14, batch: 32, rate: 0.003, random, decay: 0.02 });
  network.snap(WEIGHT_STEP);

  const centroidAccuracy = accuracy(nearestCentroid(training, held), held.targets);

  return {
    name: "digits",
    title: "Digits classifier",
    task: "Which digit a 14 x 14 grey image shows.",
    data: "6,000 images to train, 2,000 to test, drawn by a program: strokes moved, turned, sheared, scaled, thickened, with noise.",
    limits: "It has seen this program's hand only, not people's.",
    graph: {
      name: "digits",
      description: "Digits demonstration model, trained on synthetic images.",
      input: "image",
      inputShape: [1, 1, SIDE, SIDE],
      output: "logits",
    },
    network,
    predict: (x) => network.forward(x),
    input: {
      name: "image",
      dtype: "float32",
      shape: [1, 1, SIDE, SIDE],
      min: 0,
      max: 1,
      meaning: "grey values row by row, 0 paper, 1 ink",
    },
    output: { name: "logits", dtype: "float32", shape: [1, 10], meaning: "one score a digit; the greatest wins" },
    heldOut: {
      inputs: held.inputs,
      measure: (outputs) => {
        const right = accuracy(outputs.map(argmax), held.targets);
        return [
          { name: "accuracy", value: round4(right), threshold: 0.95, better: "higher", meaning: "share of images named right" },
          {
            name: "accuracy_over_centroid",
            value: round4(right - centroidAccuracy),
            threshold: 0.05,
            better: "higher",
            meaning: `gain over the nearest mean image, which has ${centroidAccuracy.toFixed(4)}`,
          },
        ];
      },
    },
  };
}

/** The baseline: compare with the mean image of each digit. */
function nearestCentroid(training: Samples, held: Samples): number[] {
  const size = SIDE * SIDE;
  const means = Array.from({ length: 10 }, () => new Float64Array(size));
  const counts = new Float64Array(10);
  training.inputs.forEach((x, n) => {
    const digit = training.targets[n]!;
    counts[digit]!++;
    for (let i = 0; i < size; i++) means[digit]![i]! += x[i]!;
  });
  means.forEach((mean, digit) => mean.forEach((v, i) => (mean[i] = v / counts[digit]!)));
  return held.inputs.map((x) =>
    argmax(means.map((mean) => -mean.reduce((sum, v, i) => sum + (v - x[i]!) ** 2, 0))),
  );
}
