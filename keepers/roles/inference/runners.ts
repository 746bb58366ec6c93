import { type DecodedOutput, InputError, type LoadedModel, decodeOutput, enteringLayer, evaluateInteger, inputOfWords, quantizeInput } from "../../../circuits/compiler/index.ts";
import { fatal } from "../../errors/index.ts";
import type { OnnxInference, OnnxModel, RequestTensors, ResponseTensor } from "../../inference/index.ts";
import type { TensorRunner } from "./catalog.ts";

/** Elements of one answer that a price is computed for, when a dimension is free: one at least. */
function elements(shapes: readonly (readonly (number | string)[])[]): bigint {
  const size = (shape: readonly (number | string)[]) => shape.reduce<number>((product, dimension) => product * (typeof dimension === "number" ? dimension : 1), 1);
  return BigInt(shapes.reduce((sum, shape) => sum + size(shape), 0));
}

/** A float model: ONNX Runtime, in a process of its own. */
export function onnxRunner(onnx: OnnxInference, model: OnnxModel): TensorRunner {
  const maxUnits = { input: elements(model.inputs.map(({ shape }) => shape)), output: elements(model.outputs.map(({ shape }) => shape)) };
  return {
    maxUnits,
    async run(inputs) {
      const outputs = await onnx.run(model.model, inputs);
      return { outputs, units: maxUnits };
    },
  };
}

/** An `int` program: the integer reference graph, which a proof is about. Its answer is exact and has one right value. */
export function integerRunner(model: LoadedModel): TensorRunner {
  const maxUnits = { input: BigInt(model.boxes.length), output: BigInt(model.graph.outputs.length) };
  return {
    maxUnits,
    async run(inputs) {
      const integers = integerInputs(model, inputs);
      const decoded = decodeOutput(model.graph.outputs, evaluateInteger(model.graph, integers, model.weights?.bytes).outputWords);
      refuseOutside(decoded);
      return { outputs: tensorsOf(model, decoded), units: maxUnits, witness: integers.map(String) };
    },
    ...(model.hashedInput ? {} : { runWords: async (words: readonly bigint[]) => ({ ...answerInWords(model, words), units: maxUnits }) }),
  };
}

/** An `int` program in several circuits: its integers go from layer to layer as in the proof. */
export function chainRunner(layers: readonly LoadedModel[]): TensorRunner {
  const [first, last] = [layers[0]!, layers[layers.length - 1]!];
  const maxUnits = { input: BigInt(first.boxes.length), output: BigInt(last.graph.outputs.length) };
  return {
    maxUnits,
    async run(inputs) {
      const integers = integerInputs(first, inputs);
      const decoded = decodeOutput(last.graph.outputs, evaluateInteger(last.graph, enteringLayer(layers, layers.length - 1, integers)).outputWords);
      refuseOutside(decoded);
      return { outputs: tensorsOf(last, decoded), units: maxUnits, witness: integers.map(String) };
    },
  };
}

function refuseOutside({ status }: DecodedOutput): void {
  if (status !== 0) throw fatal("integer.domain", "An input leads outside of the domain of one of the model's functions.", { status });
}

/**
 * F on a proof's `in` words, as its `out` words, the status lane with them.
 * @throws KeeperError `integer.input` when the words are not those of an admissible input.
 */
function answerInWords(model: LoadedModel, words: readonly bigint[]): { words: bigint[]; witness: string[] } {
  try {
    const values = inputOfWords(model, words);
    return { words: evaluateInteger(model.graph, values, model.weights?.bytes).outputWords, witness: values.map(String) };
  } catch (error) {
    if (error instanceof InputError) throw fatal("integer.input", error.message, {}, { cause: error });
    throw error;
  }
}

/** Quantises a request's tensors as published. @throws KeeperError `integer.input` naming the tensor. */
export function integerInputs(model: LoadedModel, inputs: RequestTensors): bigint[] {
  for (const name of Object.keys(inputs)) {
    if (!model.inputs.some((input) => input.name === name)) {
      throw fatal("integer.input", `The model has no input "${name}"; it has ${model.inputs.map((input) => input.name).join(", ")}.`, { name });
    }
  }
  const values: Record<string, number[]> = {};
  for (const { name, shape } of model.inputs) {
    const given = inputs[name];
    if (!given) throw fatal("integer.input", `Input "${name}" is missing.`, { name });
    if (given.shape.join() !== shape.join()) throw fatal("integer.input", `Input "${name}" has shape [${given.shape}], not [${shape}].`, { name });
    values[name] = given.data.map((value, index) => {
      if (typeof value !== "number" || !Number.isFinite(value)) throw fatal("integer.input", `Element ${index} of input "${name}" is not a finite number.`, { name, index });
      return value;
    });
  }
  try {
    return quantizeInput(model, values).values;
  } catch (error) {
    if (error instanceof InputError) throw fatal("integer.input", error.message, {}, { cause: error });
    throw error;
  }
}

/** Decoded output lanes in the model's output shapes. */
export function tensorsOf(model: LoadedModel, decoded: DecodedOutput): Record<string, ResponseTensor> {
  return Object.fromEntries(model.outputs.map(({ name, shape }) => [name, { type: "float64", shape: [...shape], data: decoded.tensors[name]! }]));
}
