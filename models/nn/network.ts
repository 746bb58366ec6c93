/** A chain of layers, its losses and its optimiser (Adam). */
import type { Layer, Parameter } from "./layers.ts";
import { exp, sigmoid } from "./math.ts";
import type { Random } from "./random.ts";

export class Network {
  readonly layers: readonly Layer[];

  constructor(layers: readonly Layer[]) {
    layers.forEach((layer, i) => {
      const before = layers[i - 1];
      if (before && before.outputs !== layer.inputs) {
        throw new Error(`layer ${i} takes ${layer.inputs} values but the one before gives ${before.outputs}`);
      }
    });
    this.layers = layers;
  }

  get parameters(): Parameter[] {
    return this.layers.flatMap((layer) => [...layer.parameters]);
  }

  get parameterCount(): number {
    return this.parameters.reduce((sum, p) => sum + p.value.length, 0);
  }

  forward(x: Float64Array): Float64Array {
    return this.layers.reduce((value, layer) => layer.forward(value), x);
  }

  backward(gradient: Float64Array): void {
    for (let i = this.layers.length - 1; i >= 0; i--) gradient = this.layers[i]!.backward(gradient);
  }

  /** Puts every weight on multiples of `step`, a power of two: exact in float32, and kind to integer circuits. */
  snap(step: number): void {
    for (const { value } of this.parameters) for (let i = 0; i < value.length; i++) value[i] = Math.round(value[i]! / step) * step;
  }
}

export interface Samples {
  readonly inputs: readonly Float64Array[];
  /** Class number, 0/1 label or real target, as the loss wants it. */
  readonly targets: Float64Array;
}

/** Gives dLoss/dOutput. */
export type Loss = (output: Float64Array, target: number) => Float64Array;

export const logistic: Loss = (output, target) => Float64Array.of(sigmoid(output[0]!) - target);

export const squared: Loss = (output, target) => Float64Array.of(output[0]! - target);

export const crossEntropy: Loss = (output, target) => {
  const p = softmax(output);
  p[target]! -= 1;
  return p;
};

export function softmax(logits: Float64Array): Float64Array {
  const top = logits.reduce((a, b) => (a > b ? a : b));
  const e = logits.map((v) => exp(v - top));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
}

export interface TrainingOptions {
  readonly loss: Loss;
  readonly epochs: number;
  readonly batch: number;
  readonly rate: number;
  readonly random: Random;
  /** L2 pull towards zero, decoupled from the gradient (AdamW). */
  readonly decay?: number;
}

/** Adam with a learning rate that falls linearly to a twentieth. */
export function train(network: Network, samples: Samples, options: TrainingOptions): void {
  const { loss, epochs, batch, rate, random, decay = 0 } = options;
  const order = Uint32Array.from({ length: samples.inputs.length }, (_, i) => i);
  const optimiser = adam(network.parameters, decay);
  const steps = epochs * Math.ceil(order.length / batch);
  let step = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    random.shuffle(order);
    for (let start = 0; start < order.length; start += batch) {
      const end = Math.min(start + batch, order.length);
      for (let i = start; i < end; i++) {
        const index = order[i]!;
        network.backward(loss(network.forward(samples.inputs[index]!), samples.targets[index]!));
      }
      optimiser(rate * (1 - (0.95 * step) / steps), end - start);
      step++;
    }
  }
}

function adam(parameters: readonly Parameter[], decay: number): (rate: number, samples: number) => void {
  const beta1 = 0.9;
  const beta2 = 0.999;
  const first = parameters.map((p) => new Float64Array(p.value.length));
  const second = parameters.map((p) => new Float64Array(p.value.length));
  let power1 = 1;
  let power2 = 1;
  return (rate, samples) => {
    power1 *= beta1;
    power2 *= beta2;
    parameters.forEach(({ value, gradient, role }, n) => {
      const m = first[n]!;
      const v = second[n]!;
      const shrink = role === "weight" ? 1 - rate * decay : 1;
      for (let i = 0; i < value.length; i++) {
        const g = gradient[i]! / samples;
        m[i] = beta1 * m[i]! + (1 - beta1) * g;
        v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
        value[i] = value[i]! * shrink - (rate * (m[i]! / (1 - power1))) / (Math.sqrt(v[i]! / (1 - power2)) + 1e-8);
      }
      gradient.fill(0);
    });
  };
}
