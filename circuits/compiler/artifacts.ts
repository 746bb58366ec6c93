import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { CompiledModel } from "./compile.ts";
import { emitCircom } from "./emit/circom.ts";
import { outputStart } from "./emit/sponge.ts";
import { CompileError } from "./errors.ts";
import { gateModel, type GateReport } from "./gate/index.ts";
import { readR1cs, readSym } from "./emit/r1cs.ts";
import { runCircom } from "./emit/run.ts";
import { parseGraph } from "./integer/canonical.ts";
import type { IntGraph, Lane } from "./integer/finish.ts";
import { wordCount } from "./quantise/pack.ts";
import type { InputScale } from "./quantise/options.ts";
import { foldedWords, weightCount, WEIGHT_LANES, type ModelWeights } from "./weights.ts";
import { keccak, word } from "../setup/encode.ts";
import { weightsHash } from "../setup/fold.ts";

const FORMAT = "og-zkml/1";

const laneJson = (l: Lane): object => ({ tensor: l.tensor, index: l.index, word: l.word, offset: l.shift, width: l.w, lo: String(l.lo), exponent: l.e, kind: l.kind });

/** public.json: the order of the public inputs and how lanes lie in them. */
export function publicJson(model: CompiledModel): object {
  const names = (name: string, lanes: readonly Lane[], one = false): string[] =>
    Array.from({ length: one ? 1 : wordCount(lanes) }, (_, i) => `${name}[${i}]`);
  return {
    format: FORMAT,
    graphHash: model.graphHash,
    names: ["ctx", ...names("in", model.graph.inputs, model.hashedInput), ...names("out", model.graph.outputs, model.hashedOutput), ...names("weights", model.graph.weights, model.hashedWeights)],
    inputMode: model.hashedInput ? "hash" : "words",
    ...(model.hashedOutput ? { outputMode: "hash", outputStart: outputStart(model.graph, model.hashedInput) } : {}),
    tensors: { inputs: model.inputs, outputs: model.outputs },
    ...(model.hashedWeights ? { weightMode: "hash", weightStart: outputStart(model.graph, model.hashedInput) } : {}),
    ...(model.weights ? { weights: { count: model.weights.bytes.length, ...WEIGHT_LANES, tensors: model.weights.tensors } } : {}),
    boxes: runLengths(model.boxes),
    packing: { inputs: model.graph.inputs.map(laneJson), outputs: model.graph.outputs.map(laneJson) },
  };
}

/** 248 random bits: nobody who guesses weights can tell from the commitment that the guess is right. */
const freshSalt = (): bigint => BigInt(`0x${randomBytes(31).toString("hex")}`);

/** What the chain names a model by: the hash of its bytes in chunks, or of the commitment to them. */
function nameOf(graph: IntGraph, weights: ModelWeights): string {
  return weights.salt === undefined ? weightsHash(weights.bytes, WEIGHT_LANES) : keccak(`0x${foldedWords(graph, weights).map(word).join("")}`);
}

/** weights.json: all that tells one model of an architecture from another. With a `salt` it is as secret as the weights. */
export function weightsJson(model: CompiledModel, salt?: bigint): object {
  const bytes = model.weights?.bytes ?? new Int8Array();
  const named = nameOf(model.graph, { bytes, ...(salt === undefined ? {} : { salt }) });
  return { format: FORMAT, graphHash: model.graphHash, weightsHash: named, weights: `0x${Buffer.from(bytes).toString("hex")}`, ...(salt === undefined ? {} : { salt: `0x${salt.toString(16)}` }) };
}

/** @throws CompileError WEIGHTS_FILE when the file is for another circuit, or its bytes are not those of its hash. */
export async function readWeights(path: string, graph: IntGraph, graphHash: string, committed: boolean): Promise<ModelWeights & { weightsHash: string }> {
  const refused = (why: string): CompileError => new CompileError("WEIGHTS_FILE", `${path} ${why}: compile the model again with public weights`);
  let file: Partial<{ format: string; graphHash: string; weightsHash: string; weights: string; salt: string }>;
  try {
    file = JSON.parse(await readFile(path, "utf8")) as typeof file;
  } catch (error: unknown) {
    throw refused(`cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
  if (file.format !== FORMAT || typeof file.weights !== "string" || !/^0x([0-9a-f]{2})*$/.test(file.weights)) throw refused("is no file of weights");
  if (file.graphHash !== graphHash) throw refused(`is for circuit ${file.graphHash}, not ${graphHash}`);
  const bytes = Int8Array.from(Buffer.from(file.weights.slice(2), "hex"));
  if (bytes.length !== weightCount(graph)) throw refused(`holds ${bytes.length} bytes, not ${weightCount(graph)}`);
  if ((file.salt !== undefined) !== committed || (committed && !/^0x[0-9a-f]{1,62}$/.test(String(file.salt)))) throw refused(committed ? "has no salt" : "is for committed weights");
  const weights: ModelWeights = { bytes, ...(committed ? { salt: BigInt(String(file.salt)) } : {}) };
  const hash = nameOf(graph, weights);
  if (file.weightsHash !== hash) throw refused(`holds weights with hash ${hash}, not ${file.weightsHash}`);
  return { ...weights, weightsHash: hash };
}

/** Neighbouring elements nearly always share a box. */
function runLengths(boxes: readonly InputScale[]): object[] {
  const out: { count: number; lo: string; hi: string; exponent: number; whole: boolean }[] = [];
  for (const b of boxes) {
    const last = out[out.length - 1];
    if (last && last.lo === String(b.lo) && last.hi === String(b.hi) && last.exponent === b.e && last.whole === b.whole) last.count += 1;
    else out.push({ count: 1, lo: String(b.lo), hi: String(b.hi), exponent: b.e, whole: b.whole });
  }
  return out;
}

export function certificateJson(model: CompiledModel, gate: GateReport): object {
  return {
    format: FORMAT,
    graphHash: model.graphHash,
    claims: ["lifting", "no-overflow"],
    rows: model.rows,
    errors: model.errors,
    pieces: model.pieces,
    warnings: model.warnings,
    gate: { wires: gate.wires, rules: gate.rules },
  };
}

/**
 * Writes the folder of a model, runs circom in it and puts the rows through the gate: a circuit with a wire that is not determined never
 * leaves this function. Everything but the r1cs is byte-deterministic text.
 */
export async function writeArtifacts(model: CompiledModel, directory: string): Promise<GateReport> {
  await mkdir(directory, { recursive: true });
  const json = (v: object): string => `${JSON.stringify(v, null, 1)}\n`;
  await writeFile(join(directory, "model.circom"), emitCircom(model.graph, model.graphHash, model.hashedInput, model.hashedOutput, model.hashedWeights));
  await writeFile(join(directory, "graph.json"), model.graphText);
  await writeFile(join(directory, "public.json"), json(publicJson(model)));
  if (model.weights) await writeFile(join(directory, "weights.json"), json(weightsJson(model, model.hashedWeights ? freshSalt() : undefined)));
  await runCircom(directory);
  const sym = readSym(await readFile(join(directory, "model.sym"), "utf8"));
  const gate = gateModel(readR1cs(await readFile(join(directory, "model.r1cs"))), model.graph, sym, model.hashedInput, model.hashedOutput, model.hashedWeights);
  if (!gate.ok) {
    const count = `${gate.undetermined.length} wires undetermined, ${gate.wrapping.length} rows not lifted, ${gate.unranged.length} lanes unranged`;
    throw new CompileError("GATE_FAILED", `the determinism gate refuses the circuit: ${count}`);
  }
  await writeFile(join(directory, "certificate.json"), json(certificateJson(model, gate)));
  return gate;
}

/** What a keeper loads to serve a model: no ONNX file, no compiler. */
export interface LoadedModel {
  readonly graph: IntGraph;
  readonly graphHash: string;
  readonly inputs: CompiledModel["inputs"];
  readonly outputs: CompiledModel["outputs"];
  readonly boxes: InputScale[];
  readonly hashedInput: boolean;
  readonly hashedOutput: boolean;
  /** Of a universal circuit. */
  readonly weights?: ModelWeights & { readonly weightsHash: string };
  readonly hashedWeights: boolean;
  readonly names: string[];
  readonly sym: Map<string, number>;
}

interface PublicJson {
  graphHash: string;
  names: string[];
  inputMode: string;
  outputMode?: string;
  weightMode?: string;
  tensors: { inputs: CompiledModel["inputs"]; outputs: CompiledModel["outputs"] };
  boxes: { count: number; lo: string; hi: string; exponent: number; whole: boolean }[];
}

/** What runs a program without proving it; a universal circuit's weights come with `LoadedModel`. */
export type Program = Pick<LoadedModel, "graph" | "graphHash" | "inputs" | "outputs" | "boxes" | "hashedInput" | "hashedOutput" | "hashedWeights" | "names">;

/** From the published files. @param graphText Of graph.json. @param processing Content of public.json. */
export function programOf(graphText: string, processing: unknown): Program {
  const pub = processing as PublicJson;
  const boxes = pub.boxes.flatMap((b) =>
    Array.from({ length: b.count }, (): InputScale => ({ lo: BigInt(b.lo), hi: BigInt(b.hi), e: b.exponent, whole: b.whole })),
  );
  return {
    graph: parseGraph(graphText),
    graphHash: pub.graphHash,
    inputs: pub.tensors.inputs,
    outputs: pub.tensors.outputs,
    boxes,
    hashedInput: pub.inputMode === "hash",
    hashedOutput: pub.outputMode === "hash",
    hashedWeights: pub.weightMode === "hash",
    names: pub.names,
  };
}

/** @param weights File with another model's weights, in place of the folder's own weights.json; for universal circuits only. */
export async function loadModel(directory: string, weights?: string): Promise<LoadedModel> {
  const text = async (name: string): Promise<string> => readFile(join(directory, name), "utf8");
  const program = programOf(await text("graph.json"), JSON.parse(await text("public.json")));
  const { graph, graphHash, hashedWeights } = program;
  if (weights !== undefined && graph.weights.length === 0) throw new CompileError("WEIGHTS_FILE", `the weights of ${directory} are baked: leave ${weights} away`);
  return {
    ...program,
    ...(graph.weights.length > 0 ? { weights: await readWeights(weights ?? join(directory, "weights.json"), graph, graphHash, hashedWeights) } : {}),
    sym: readSym(await text("model.sym")),
  };
}
