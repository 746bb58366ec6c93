import { type DecodedOutput, InputError, type LoadedModel, decodeOutput, enteringLayer, evaluateInteger, inputOfWords } from "../../../circuits/compiler/index.ts";
import { integersOf, statusTexts, tensorsOf } from "../../../sdk/models/tensors.ts";
import { fatal } from "../../errors/index.ts";
import type { OnnxInference, OnnxModel, RequestTensors } from "../../inference/index.ts";
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
      refuseFlagged(decoded);
      return { outputs: tensorsOf(model, decoded), units: maxUnits, witness: integers.map(String) };
    },
    // Where a proof shows the hash of its words, the court would hold an honest answer in words to be a wrong one.
    ...(model.hashedInput || model.hashedOutput ? {} : { runWords: async (words: readonly bigint[]) => ({ ...answerInWords(model, words), units: maxUnits }) }),
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
      refuseFlagged(decoded);
      return { outputs: tensorsOf(last, decoded), units: maxUnits, witness: integers.map(String) };
    },
  };
}

/** An answer in tensors has no place for the status byte, so one that is not 0 is refused; in words it is told. */
function refuseFlagged({ status }: DecodedOutput): void {
  if (status !== 0) throw fatal("integer.status", `A value of the answer ${statusTexts(status).join(", and one ")}: an answer in tensors cannot say so.`, { status });
}

/**
 * F on a proof's `in` words, as its `out` words, the status lane with them.
 * @throws KeeperError `integer.input` when the words are not those of an admissible input.
 */
function answerInWords(model: LoadedModel, words: readonly bigint[]): { words: bigint[]; witness: string[] } {
  const values = admissible(() => inputOfWords(model, words));
  return { words: evaluateInteger(model.graph, values, model.weights?.bytes).outputWords, witness: values.map(String) };
}

/** @throws KeeperError `integer.input` naming the tensor. */
const integerInputs = (model: LoadedModel, inputs: RequestTensors): bigint[] => admissible(() => integersOf(model, inputs));

function admissible(read: () => bigint[]): bigint[] {
  try {
    return read();
  } catch (error) {
    if (error instanceof InputError) throw fatal("integer.input", error.message, {}, { cause: error });
    throw error;
  }
}
