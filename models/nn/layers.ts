/**
 * The layers that the trainer knows: dense, convolution, ReLU. Each keeps its last input, so one network serves one
 * sample at a time; gradients add up in `Parameter.gradient` until the optimiser takes a step.
 */
import type { Random } from "./random.ts";

export interface Parameter {
  /** What the ONNX initializer is called, after the layer's own name. */
  readonly role: "weight" | "bias";
  readonly shape: readonly number[];
  readonly value: Float64Array;
  readonly gradient: Float64Array;
}

interface LayerBase {
  readonly inputs: number;
  readonly outputs: number;
  readonly parameters: readonly Parameter[];
  forward(x: Float64Array): Float64Array;
  /** Takes dLoss/dOutput, adds to the gradients, returns dLoss/dInput. */
  backward(gradient: Float64Array): Float64Array;
}

export interface DenseLayer extends LayerBase {
  readonly kind: "dense";
}
export interface ReluLayer extends LayerBase {
  readonly kind: "relu";
}
export interface ConvLayer extends LayerBase {
  readonly kind: "conv";
  readonly geometry: ConvGeometry;
}
export type Layer = DenseLayer | ReluLayer | ConvLayer;

function parameter(role: Parameter["role"], shape: number[], fill: () => number): Parameter {
  const size = shape.reduce((product, side) => product * side, 1);
  return { role, shape, value: Float64Array.from({ length: size }, fill), gradient: new Float64Array(size) };
}

/** He initialisation, uniform: keeps the variance through ReLU layers. */
function he(random: Random, fanIn: number): () => number {
  const limit = Math.sqrt(6 / fanIn);
  return () => random.uniform(-limit, limit);
}

/** y = W x + b with W stored row by row, one row an output (ONNX `Gemm` with transB = 1). */
export function dense(random: Random, inputs: number, outputs: number): DenseLayer {
  const weight = parameter("weight", [outputs, inputs], he(random, inputs));
  const bias = parameter("bias", [outputs], () => 0);
  let last = new Float64Array(inputs);
  return {
    kind: "dense",
    inputs,
    outputs,
    parameters: [weight, bias],
    forward(x) {
      last = x as Float64Array<ArrayBuffer>;
      const y = new Float64Array(outputs);
      for (let o = 0, at = 0; o < outputs; o++) {
        let sum = bias.value[o]!;
        for (let i = 0; i < inputs; i++, at++) sum += weight.value[at]! * x[i]!;
        y[o] = sum;
      }
      return y;
    },
    backward(gradient) {
      const back = new Float64Array(inputs);
      for (let o = 0, at = 0; o < outputs; o++) {
        const g = gradient[o]!;
        bias.gradient[o]! += g;
        for (let i = 0; i < inputs; i++, at++) {
          weight.gradient[at]! += g * last[i]!;
          back[i]! += g * weight.value[at]!;
        }
      }
      return back;
    },
  };
}

export function relu(size: number): ReluLayer {
  let last = new Float64Array(size);
  return {
    kind: "relu",
    inputs: size,
    outputs: size,
    parameters: [],
    forward(x) {
      last = x as Float64Array<ArrayBuffer>;
      return x.map((v) => (v > 0 ? v : 0));
    },
    backward(gradient) {
      return gradient.map((g, i) => (last[i]! > 0 ? g : 0));
    },
  };
}

export interface ConvGeometry {
  /** 1: a sequence (height is 1), 2: an image. Decides the rank of the ONNX tensors. */
  readonly rank: 1 | 2;
  readonly channels: number;
  readonly filters: number;
  readonly height: number;
  readonly width: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
}

export function outputSides(g: ConvGeometry): { height: number; width: number } {
  return {
    height: Math.floor((g.height - g.kernelHeight) / g.strideHeight) + 1,
    width: Math.floor((g.width - g.kernelWidth) / g.strideWidth) + 1,
  };
}

/** Convolution without padding; data are laid out channel, row, column. */
export function conv(random: Random, g: ConvGeometry): ConvLayer {
  const out = outputSides(g);
  const patch = g.channels * g.kernelHeight * g.kernelWidth;
  const kernelShape = g.rank === 1 ? [g.kernelWidth] : [g.kernelHeight, g.kernelWidth];
  const weight = parameter("weight", [g.filters, g.channels, ...kernelShape], he(random, patch));
  const bias = parameter("bias", [g.filters], () => 0);
  const positions = out.height * out.width;
  const source = patchIndices(g);
  let last = new Float64Array(0);
  return {
    kind: "conv",
    geometry: g,
    inputs: g.channels * g.height * g.width,
    outputs: g.filters * positions,
    parameters: [weight, bias],
    forward(x) {
      last = x as Float64Array<ArrayBuffer>;
      const y = new Float64Array(g.filters * positions);
      for (let f = 0; f < g.filters; f++) {
        for (let p = 0; p < positions; p++) {
          let sum = bias.value[f]!;
          for (let k = 0; k < patch; k++) sum += weight.value[f * patch + k]! * x[source[p * patch + k]!]!;
          y[f * positions + p] = sum;
        }
      }
      return y;
    },
    backward(gradient) {
      const back = new Float64Array(last.length);
      for (let f = 0; f < g.filters; f++) {
        for (let p = 0; p < positions; p++) {
          const d = gradient[f * positions + p]!;
          if (d === 0) continue; // half of them after a ReLU
          bias.gradient[f]! += d;
          for (let k = 0; k < patch; k++) {
            const from = source[p * patch + k]!;
            weight.gradient[f * patch + k]! += d * last[from]!;
            back[from]! += d * weight.value[f * patch + k]!;
          }
        }
      }
      return back;
    },
  };
}

/** For each output position, the input indices that its patch reads, in the kernel's order. */
function patchIndices(g: ConvGeometry): Uint32Array {
  const out = outputSides(g);
  const indices: number[] = [];
  for (let row = 0; row < out.height; row++) {
    for (let column = 0; column < out.width; column++) {
      for (let c = 0; c < g.channels; c++) {
        for (let i = 0; i < g.kernelHeight; i++) {
          for (let j = 0; j < g.kernelWidth; j++) {
            indices.push((c * g.height + row * g.strideHeight + i) * g.width + column * g.strideWidth + j);
          }
        }
      }
    }
  }
  return Uint32Array.from(indices);
}
