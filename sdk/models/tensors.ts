/** An `int` program's tensors: as a request names them, as integers in the program's order, and as an answer shows them. */
import { type DecodedOutput, InputError, type Program, quantizeInput } from "../../circuits/compiler/index.ts";

type Scalar = number | string | boolean;

export interface TensorInput {
  type?: string;
  shape: readonly number[];
  /** Row by row, flat. */
  data: readonly Scalar[];
}
export type TensorOutputs = Record<string, { type: string; shape: number[]; data: Scalar[] }>;

/**
 * Quantises a request's tensors as published, one integer for each element.
 * @throws InputError naming the tensor that is missing, unknown, of another shape, or not all finite numbers.
 */
export function integersOf(program: Pick<Program, "inputs" | "boxes">, inputs: Readonly<Record<string, TensorInput>>): bigint[] {
  const known = program.inputs.map(({ name }) => name);
  for (const name of Object.keys(inputs)) if (!known.includes(name)) throw new InputError(`the model has no input "${name}"; it has ${known.join(", ")}`);
  const values: Record<string, number[]> = {};
  for (const { name, shape } of program.inputs) {
    const given = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
    if (!given) throw new InputError(`"${name}" is missing`);
    if (!Array.isArray(given.shape) || !Array.isArray(given.data)) throw new InputError(`"${name}" is no tensor {shape, data}`);
    if (given.shape.join() !== shape.join()) throw new InputError(`"${name}" has shape [${given.shape}], not [${shape}]`);
    values[name] = given.data.map((value: unknown, index: number) => {
      if (typeof value !== "number" || !Number.isFinite(value)) throw new InputError(`element ${index} of "${name}" is not a finite number`);
      return value;
    });
  }
  return quantizeInput(program, values).values;
}

/** Bits of a program's status byte, in words. */
const STATUS = ["left its domain (a root, a logarithm, a quotient)", "was cut off at the circuit's range", "is one of several classes within the proved error"];
/** The only bit with which there is no answer. */
export const OUT_OF_DOMAIN = 1;

/** What a status byte says of an output; nothing for 0. */
export const statusTexts = (status: number): string[] => STATUS.filter((_, bit) => status & (1 << bit));

/** Decoded output lanes in the model's output shapes; the status byte is the caller's to look at. */
export function tensorsOf(program: Pick<Program, "outputs">, { tensors }: DecodedOutput) {
  return Object.fromEntries(program.outputs.map(({ name, shape }) => [name, { type: "float64" as const, shape: [...shape], data: tensors[name]! }]));
}
