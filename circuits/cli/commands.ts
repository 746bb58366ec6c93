/** The commands of `og zk`, as functions: what they do, apart from how they are called. */
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { calculateWitness, compileModel, decodeOutput, loadModel, foldedKey, quantizeInput, writeArtifacts } from "../compiler/index.ts";
import type { CompiledModel, LoadedModel } from "../compiler/index.ts";
import { runCircom } from "../compiler/emit/run.ts";
import { R } from "../setup/field.ts";
import { decodeProof, vkHash } from "../setup/encode.ts";
import type { Hex } from "../setup/encode.ts";
import type { Deployed } from "../setup/deployed.ts";
import { readManifest, setUpForDevelopment } from "../setup/manifest.ts";
import { verifyProof } from "../setup/verify.ts";
import { verifySetup } from "../setup/verify-setup.ts";
import type { SetupReport } from "../setup/verify-setup.ts";
import { writeWitness } from "../setup/witness.ts";
import type { VerifyingKey } from "../setup/zkey.ts";
import { chooseProver } from "../../keepers/proving/provers.ts";
import { explain } from "./explain.ts";
import { hasKeys, keyOf, withTemporary, writable } from "./files.ts";
import { SILENT } from "./progress.ts";
import type { Progress } from "./progress.ts";
import { checkNames, compileOptions, readInputs, readJson, readModel, readWord, UsageError } from "./options.ts";
import type { CompileFlags } from "./options.ts";

export type Print = (line: string) => void;

export interface ProofFile {
  format: 1;
  vkHash: Hex;
  prover: string;
  proof: Hex;
  publicInputs: string[];
}

const LIMITS = { deadlineMs: 1_800_000, memoryMb: 16_000 };

export async function explainModel(onnx: string, flags: CompileFlags, print: Print, progress: Progress = SILENT): Promise<void> {
  progress.step("compiling");
  explain(compileFor(await readModel(onnx), flags)).forEach((line) => print(line));
}

function compileFor(onnx: Uint8Array, flags: CompileFlags): CompiledModel {
  const options = compileOptions(flags);
  const model = compileModel(onnx, options);
  checkNames(options, model.inputs);
  return model;
}

/** Everything that proving needs, in one folder. */
export async function compile(onnx: string, directory: string, flags: CompileFlags & { keys?: boolean }, print: Print, progress: Progress = SILENT): Promise<void> {
  await writable(directory);
  progress.step("reading and quantising the model");
  const model = compileFor(await readModel(onnx), flags);
  explain(model).forEach((line) => print(line));
  progress.step("circom and the gate");
  await writeArtifacts(model, directory);
  if (model.weights) print(`${model.weights.bytes.length} bytes of weights in weights.json; every model of graph ${model.graphHash} has this circuit`);
  if (flags.keys === false) return print(`${directory}: circuit without keys; docs/ceremony.md says how to make them`);
  progress.step("development key");
  const { manifest } = await setUpForDevelopment(join(directory, "model.r1cs"), directory);
  print(`${directory}: vkHash ${manifest.vkHash}, level ${manifest.level}: ${manifest.warning ?? ""}`);
}

export async function prove(directory: string, inputFile: string, flags: { ctx?: string; salt?: string; out?: string; weights?: string }, print: Print, progress: Progress = SILENT): Promise<ProofFile> {
  const model = await loadModel(directory, flags.weights);
  const out = flags.out ?? join(directory, "proof.json");
  await writable(dirname(out));
  progress.step("calculating the witness");
  const { key, hash } = modelKey(directory, model);
  const { values, saturated } = quantizeInput(model, await readInputs(inputFile, model.inputs));
  if (saturated > 0) print(`${saturated} input elements lay outside of the model's range and were moved to its edge`);
  const witness = calculateWitness(model, model.sym, values, readWord("--ctx", flags.ctx ?? "0"), readWord("--salt", flags.salt ?? "0"));
  return withTemporary(async (folder) => {
    const path = join(folder, "witness.wtns");
    writeWitness(path, witness.values);
    const zkey = join(directory, "proving.zkey");
    const { prover, reason } = chooseProver();
    print(`proving with ${prover.name}${reason ? ` (${reason})` : ""}`);
    progress.step("proving");
    const proven = await prover.prove({ zkey, witness: path, key, publicInputs: witness.publicInputs, folded: witness.folded }, LIMITS);
    const file: ProofFile = {
      format: 1,
      vkHash: hash,
      prover: proven.prover,
      proof: proven.proof,
      publicInputs: witness.publicInputs.map((value) => `0x${value.toString(16)}`),
    };
    await writeFile(out, JSON.stringify(file, null, 2) + "\n");
    print(`${out}: proved and verified`);
    await printOutput(directory, file, print);
    return file;
  });
}

function modelKey(directory: string, model: LoadedModel): { key: VerifyingKey; hash: Hex } {
  const key = foldedKey(keyOf(directory), model);
  return { key, hash: model.weights ? vkHash(key) : readManifest(directory).vkHash };
}

/** Needs no trust in the file: key, proof and inputs are checked against each other. */
export async function verify(directory: string, proofFile: string, print: Print, weights?: string): Promise<boolean> {
  const file = ((await readJson(proofFile)) ?? {}) as Partial<ProofFile>;
  const wellFormed =
    typeof file.proof === "string" && /^0x[0-9a-f]{512}$/i.test(file.proof) && Array.isArray(file.publicInputs) && file.publicInputs.every((text) => /^0x[0-9a-f]{1,64}$/i.test(text));
  if (!wellFormed) throw new UsageError(`${proofFile} is not a proof file`);
  const { key, hash } = modelKey(directory, await loadModel(directory, weights));
  if (file.vkHash !== hash) {
    print(`not valid: the proof is for key ${file.vkHash}, this model's is ${hash}`);
    return false;
  }
  const inputs = file.publicInputs!.map(BigInt);
  const past = inputs.findIndex((value) => value >= R);
  if (past >= 0) {
    print(`not valid: public input ${past} is not below the field's order, and would stand for another one`);
    return false;
  }
  const valid = verifyProof(key, inputs, decodeProof(file.proof!));
  print(valid ? "valid" : "not valid: the proof does not prove these public inputs");
  if (valid) await printOutput(directory, file as ProofFile, print);
  return valid;
}

async function printOutput(directory: string, file: ProofFile, print: Print): Promise<void> {
  const model = await loadModel(directory);
  const first = model.names.findIndex((name) => name.startsWith("out"));
  const { status, tensors } = decodeOutput(model.graph.outputs, file.publicInputs.slice(first).map(BigInt));
  print(`ctx ${file.publicInputs[0]}, status ${status}`);
  for (const [name, values] of Object.entries(tensors)) print(`${name}: ${values.slice(0, 16).join(", ")}${values.length > 16 ? ", ..." : ""}`);
}

export interface VerifySetupFlags extends CompileFlags {
  ptau?: string;
  onnx?: string;
  deployed?: Deployed;
}

/** From the ONNX file if it is given, else from the folder's own circuit, down to the chain. */
export async function verifySetupOf(directory: string, flags: VerifySetupFlags, print: Print, progress: Progress = SILENT): Promise<SetupReport> {
  hasKeys(directory);
  return withTemporary(async (folder) => {
    const circuit = join(directory, "model.circom");
    const report = await verifySetup({
      directory,
      sources: [circuit],
      ptau: flags.ptau,
      deployed: flags.deployed,
      progress: progress.step,
      async rederive() {
        if (flags.onnx) {
          await writeArtifacts(compileFor(await readModel(flags.onnx), flags), folder);
          const [made, published] = await Promise.all([join(folder, "model.circom"), circuit].map((path) => readFile(path, "utf8")));
          print(made === published ? "ok  the ONNX file compiles to the published circuit" : "    the ONNX file compiles to another circuit");
        } else {
          await copyFile(circuit, join(folder, "model.circom"));
          await runCircom(folder);
        }
        return join(folder, "model.r1cs");
      },
    });
    for (const link of report.links) print(`ok  ${link}`);
    return report;
  });
}
