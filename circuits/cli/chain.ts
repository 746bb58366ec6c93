/** `og zk` for models in several circuits: a folder for each layer, and chain.json that names them in order. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { calculateChain, chainSalts, compileChain, decodeOutput, joinChainProof, loadChain, quantizeInput, readChain, writeArtifacts, writeChain } from "../compiler/index.ts";
import type { ChainFile, ChainModel, LoadedModel } from "../compiler/index.ts";
import { chainHash, decodeProof, vkHash } from "../setup/encode.ts";
import type { Hex } from "../setup/encode.ts";
import { setUpForDevelopment } from "../setup/manifest.ts";
import { verifyProof } from "../setup/verify.ts";
import { writeWitness } from "../setup/witness.ts";
import { chooseProver } from "../../keepers/proving/provers.ts";
import { explainChain } from "./explain.ts";
import { keyOf, withTemporary, writable } from "./files.ts";
import { SILENT } from "./progress.ts";
import type { Progress } from "./progress.ts";
import { checkNames, compileOptions, readInputs, readJson, readModel, readWord, UsageError } from "./options.ts";
import type { CompileFlags } from "./options.ts";
import type { Print } from "./commands.ts";

const PROOF_DIGITS = 512;
const LIMITS = { deadlineMs: 1_800_000, memoryMb: 16_000 };

/** `proof` is what Groth16ChainVerifier takes: the layers' proofs, then the words between them. */
export interface ChainProofFile {
  format: 1;
  vkHashes: Hex[];
  prover: string;
  proof: Hex;
  publicInputs: string[];
}

async function chainOf(onnx: string, flags: CompileFlags & { layers: string }): Promise<ChainModel> {
  if (!/^\d{1,3}$/.test(flags.layers) || Number(flags.layers) < 2) throw new UsageError(`--layers ${flags.layers}: write a number of circuits, at least 2`);
  const options = compileOptions(flags);
  const model = compileChain(await readModel(onnx), Number(flags.layers), options);
  checkNames(options, model.inputs);
  return model;
}

export async function explainLayers(onnx: string, flags: CompileFlags & { layers: string }, print: Print, progress: Progress = SILENT): Promise<void> {
  progress.step("compiling");
  explainChain(await chainOf(onnx, flags)).forEach((line) => print(line));
}

export async function compileLayers(onnx: string, directory: string, flags: CompileFlags & { keys?: boolean; layers: string }, print: Print, progress: Progress = SILENT): Promise<void> {
  await writable(directory);
  progress.step("reading, cutting and quantising the model");
  const model = await chainOf(onnx, flags);
  const layers: ChainFile["layers"] = [];
  for (const [k, layer] of model.layers.entries()) {
    const folder = `layer-${k}`;
    print(`${folder}: ${layer.rows.total.toLocaleString("en")} rows, ${layer.graph.inputs.length} values in, ${layer.graph.outputs.length} out`);
    await mkdir(join(directory, folder), { recursive: true });
    progress.step(`${folder}: circom and the gate`);
    await writeArtifacts(layer, join(directory, folder));
    progress.step(`${folder}: development key`);
    const key = flags.keys === false ? undefined : await setUpForDevelopment(join(directory, folder, "model.r1cs"), join(directory, folder));
    layers.push({ folder, vkHash: key?.manifest.vkHash ?? null, rows: layer.rows.total });
  }
  for (const e of model.errors) print(`error of "${e.tensor}": ${e.bound.toExponential(2)}, ${e.kind}${e.vacuous ? ", says little" : ""}`);
  await writeChain(directory, layers);
  const hashes = layers.flatMap(({ vkHash }) => vkHash ?? []);
  print(`${directory}: ${layers.length} layers${hashes.length < layers.length ? " without keys; docs/ceremony.md says how to make them" : `, vkHash ${chainHash(hashes)}, level 0: development keys`}`);
}

const loadLayers = async (directory: string): Promise<LoadedModel[]> => (await loadChain(directory)).map(({ model }) => model);

export async function proveLayers(directory: string, inputFile: string, flags: { ctx?: string; salt?: string; out?: string }, print: Print, progress: Progress = SILENT): Promise<ChainProofFile> {
  const layers = await loadLayers(directory);
  const out = flags.out ?? join(directory, "proof.json");
  await writable(dirname(out));
  progress.step("calculating the witnesses");
  const first = layers[0] as LoadedModel;
  const { values, saturated } = quantizeInput(first, await readInputs(inputFile, first.inputs));
  if (saturated > 0) print(`${saturated} input elements lay outside of the model's range and were moved to its edge`);
  const salt = readWord("--salt", flags.salt ?? "0");
  const salts = chainSalts(salt, salt, layers.length);
  const witnesses = calculateChain(layers, values, readWord("--ctx", flags.ctx ?? "0"), salts);
  return withTemporary(async (folder) => {
    const { prover } = chooseProver();
    const proofs: { proof: Hex; publicInputs: readonly bigint[] }[] = [];
    const vkHashes: Hex[] = [];
    for (const [k, w] of witnesses.entries()) {
      const path = join(folder, `${k}.wtns`);
      writeWitness(path, w.values);
      const layer = join(directory, readChain(directory).layers[k]!.folder);
      const [zkey, key] = [join(layer, "proving.zkey"), keyOf(layer)];
      progress.step(`proving layer ${k} of ${witnesses.length}`);
      const proven = await prover.prove({ zkey, witness: path, key, publicInputs: w.publicInputs }, LIMITS);
      proofs.push(proven);
      vkHashes.push(vkHash(key));
      print(`layer ${k}: proved and verified (${prover.name})`);
    }
    const joined = joinChainProof(proofs);
    const file: ChainProofFile = {
      format: 1, vkHashes, prover: prover.name, proof: joined.proof, publicInputs: joined.publicInputs.map((v) => `0x${v.toString(16)}`),
    };
    await writeFile(out, `${JSON.stringify(file, null, 2)}\n`);
    print(`${out}: ${proofs.length} proofs, linked`);
    printOutput(layers, joined.publicInputs, print);
    return file;
  });
}

/** Every layer against its own key, with the words between layers on both sides. */
export async function verifyLayers(directory: string, proofFile: string, print: Print): Promise<boolean> {
  const file = ((await readJson(proofFile)) ?? {}) as Partial<ChainProofFile>;
  const { layers } = readChain(directory);
  const digits = layers.length * PROOF_DIGITS + (layers.length - 1) * 64;
  const wellFormed = typeof file.proof === "string" && new RegExp(`^0x[0-9a-f]{${digits}}$`, "i").test(file.proof) && Array.isArray(file.publicInputs) && file.publicInputs.length === 3 && file.publicInputs.every((text) => /^0x[0-9a-f]{1,64}$/i.test(text));
  if (!wellFormed) throw new UsageError(`${proofFile} is not a proof file of a chain of ${layers.length} layers`);
  const hex = file.proof!.slice(2);
  const [ctx, input, output] = file.publicInputs!.map(BigInt) as [bigint, bigint, bigint];
  const between = Array.from({ length: layers.length - 1 }, (_, k) => BigInt(`0x${hex.slice(layers.length * PROOF_DIGITS + 64 * k, layers.length * PROOF_DIGITS + 64 * (k + 1))}`));
  const words = [input, ...between, output];
  for (const [k, layer] of layers.entries()) {
    const key = keyOf(join(directory, layer.folder));
    const [made, own] = [file.vkHashes?.[k], vkHash(key)];
    if (made !== own) {
      print(`not valid: layer ${k} was proved for key ${String(made)}, this model's is ${own}`);
      return false;
    }
    const proof = decodeProof(`0x${hex.slice(PROOF_DIGITS * k, PROOF_DIGITS * (k + 1))}`);
    if (verifyProof(key, [ctx, words[k]!, words[k + 1]!], proof)) continue;
    print(`not valid: layer ${k} does not prove these public inputs`);
    return false;
  }
  print("valid");
  printOutput(await loadLayers(directory), [ctx, input, output], print);
  return true;
}

function printOutput(layers: readonly LoadedModel[], statement: readonly bigint[], print: Print): void {
  const { status, tensors } = decodeOutput(layers[layers.length - 1]!.graph.outputs, [statement[2]!]);
  print(`ctx 0x${statement[0]!.toString(16)}, status ${status}`);
  for (const [name, values] of Object.entries(tensors)) print(`${name}: ${values.slice(0, 16).join(", ")}${values.length > 16 ? ", ..." : ""}`);
}
