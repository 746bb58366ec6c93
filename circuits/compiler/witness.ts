import { CompileError } from "./errors.ts";
import { lanesHeader } from "./emit/sponge.ts";
import { spongeWires } from "./hash/sponge.ts";
import { P } from "./integer/field.ts";
import { wireValues } from "./integer/evaluate.ts";
import type { IntGraph, Lane } from "./integer/finish.ts";
import type { InputScale } from "./quantise/options.ts";
import { checkBox, evaluateInteger } from "./io.ts";
import { foldedWords, wordsFor, type ModelWeights } from "./weights.ts";

/** The parts of a compiled model that the witness needs; `sym` maps signal names to witness indices. */
export interface WitnessModel {
  readonly graph: IntGraph;
  readonly boxes: readonly InputScale[];
  readonly hashedInput: boolean;
  /** A layer of a chain that is not the last one commits to what it hands on. */
  readonly hashedOutput?: boolean;
  /** Of a universal circuit: the model. */
  readonly weights?: ModelWeights;
}

export interface Witness {
  readonly values: bigint[];
  /** ctx, in..., out... */
  readonly publicInputs: bigint[];
  /** Packed weights of a universal circuit, or the commitment to them: the public inputs behind those, which a folded key holds. */
  readonly folded: bigint[];
}

/**
 * All wires of the circuit from the integer graph, placed where circom put them. The salt hides inputs that are committed to by hash;
 * with inputs in plain words it is not used.
 */
export function calculateWitness(model: WitnessModel, sym: ReadonlyMap<string, number>, inputs: readonly bigint[], ctx: bigint, salt = 0n, outputSalt = 0n): Witness {
  if (ctx < 0n || ctx >> 248n !== 0n) throw new CompileError("CTX_RANGE", "ctx has at most 248 bits");
  checkBox(model.boxes, inputs);
  const { nodes, inputWords, outputWords } = evaluateInteger(model.graph, inputs, model.weights?.bytes);
  const wires = wireValues(model.graph, nodes);
  const size = 1 + [...sym.values()].reduce((m, i) => Math.max(m, i), 0);
  const values = new Array<bigint>(size).fill(0n);
  values[0] = 1n;
  const publicInputs: bigint[] = [];
  const put = (name: string, v: bigint): void => {
    const at = sym.get(`main.${name}`);
    if (at === undefined) throw new CompileError("SYM_MISMATCH", `the circuit has no signal ${name}`);
    if (at >= 0) values[at] = v;
  };
  const announce = (name: string, v: bigint): void => {
    put(name, v);
    publicInputs.push(v);
  };
  announce("ctx", ctx);
  const commit = (name: "in" | "out", lanes: readonly Lane[], words: readonly bigint[], with_: bigint): void => {
    if (with_ < 0n || with_ >= P) throw new CompileError("SALT_RANGE", "the salt is not a field element");
    const made = spongeWires(lanesHeader(lanes), with_, words);
    for (const v of made.wires) wires.push(v);
    announce(`${name}[0]`, made.hash);
  };
  if (model.hashedInput) commit("in", model.graph.inputs, inputWords, salt);
  else inputWords.forEach((v, i) => announce(`in[${i}]`, v));
  if (model.hashedOutput) commit("out", model.graph.outputs, outputWords, outputSalt);
  else outputWords.forEach((v, i) => announce(`out[${i}]`, v));
  const folded = model.weights ? foldedWords(model.graph, model.weights) : [];
  if (model.weights?.salt !== undefined) {
    const words = wordsFor(model.graph, model.weights.bytes).map((v) => (v < 0n ? v + P : v));
    for (const v of spongeWires(lanesHeader(model.graph.weights), model.weights.salt, words).wires) wires.push(v);
  }
  wires.forEach((v, i) => put(`w[${i}]`, v));
  folded.forEach((v, i) => put(`weights[${i}]`, v));
  return { values, publicInputs, folded };
}
