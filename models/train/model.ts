/** What each of the three trainings hands over. */
import type { Network } from "../nn/network.ts";
import type { GraphOptions } from "../onnx.ts";

export interface TensorInfo {
  readonly name: string;
  readonly dtype: "float32";
  readonly shape: readonly number[];
  /** The box that inputs must lie in: the model saw nothing else, and a circuit's proof covers exactly this box. */
  readonly min?: number;
  readonly max?: number;
  /** What each position means, where positions have names. */
  readonly features?: readonly string[];
  readonly meaning: string;
}

export interface Metric {
  readonly name: string;
  readonly value: number;
  /** What the test suite demands. */
  readonly threshold: number;
  readonly better: "higher" | "lower";
  readonly meaning: string;
}

/** Held-out cases: what goes in, and how to turn the model's answers into the stated measures. */
export interface HeldOut {
  readonly inputs: readonly Float64Array[];
  /** `outputs` are the model's raw output tensors, case by case. */
  readonly measure: (outputs: readonly ArrayLike<number>[]) => Metric[];
}

export interface TrainedModel {
  readonly name: string;
  readonly title: string;
  readonly task: string;
  readonly data: string;
  readonly limits: string;
  readonly graph: GraphOptions;
  readonly network: Network;
  /** The trainer's own forward pass in float64, final operator included. */
  readonly predict: (x: Float64Array) => Float64Array;
  readonly input: TensorInfo;
  readonly output: TensorInfo;
  readonly heldOut: HeldOut;
}

/** Weights are multiples of this: exact in float32, and small differences between machines cannot show. */
export const WEIGHT_STEP = 1 / 4096;
