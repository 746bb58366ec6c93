/** `og zk` for models in several circuits: a folder for each layer, and chain.json that names them in order. */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { keccak_256 } from "@noble/hashes/sha3.js";

import { calculateChain, compileChain, decodeOutput, loadModel, quantizeInput, writeArtifacts } from "../compiler/index.ts";
import type { LoadedModel } from "../compiler/index.ts";
import { decodeProof, word } from "../setup/encode.ts";
import type { Hex } from "../setup/encode.ts";
import { mod } from "../setup/field.ts";
import { setUpForDevelopment } from "../setup/manifest.ts";
import { verifyProof } from "../setup/verify.ts";
import { writeWitness } from "../setup/witness.ts";
import { readVerifyingKey } from "../setup/zkey.ts";
import { chooseProver } from "../../keepers/proving/provers.ts";
import { compileOptions, readInputs, readJson, readModel, readWord, UsageError } from "./options.ts";
import type { CompileFlags } from "./options.ts";
import type { Print } from "./commands.ts";

const FILE = "chain.json";
const PROOF_DIGITS = 512;
const LIMITS = { deadlineMs: 1_800_000, memoryMb: 16_000 };

interface ChainFile {
  format: 1;
  layers: { folder: string; vkHash: Hex | null; rows: number }[];
}

/** `proof` is what Groth16ChainVerifier takes: the layers' proofs, then the words between them. */
export interface ChainProofFile {
  format: 1;
  vkHashes: (Hex | null)[];
  prover: string;
  proof: Hex;
  publicInputs: string[];
}

export const isChain = (directory: string): boolean => existsSync(join(directory, FILE));

export async function compileLayers(onnx: string, directory: string, flags: CompileFlags & { keys?: boolean; layers: string }, print: Print): Promise<void> {
  if (!/^\d{1,3}$/.test(flags.layers) || Number(flags.layers) < 2) throw new UsageError(`--layers ${flags.layers}: write a number of circuits, at least 2`);
  const model = compileChain(await readModel(onnx), Number(flags.layers), compileOptions(flags));
  const layers: ChainFile["layers"] = [];
  for (const [k, layer] of model.layers.entries()) {
    const folder = `layer-${k}`;
    print(`${folder}: ${layer.rows.total.toLocaleString("en")} rows, ${layer.graph.inputs.length} values in, ${layer.graph.outputs.length} out`);
    await mkdir(join(directory, folder), { recursive: true });
    await writeArtifacts(layer, join(directory, folder));
    const key = flags.keys === false ? undefined : await setUpForDevelopment(join(directory, folder, "model.r1cs"), join(directory, folder));
    layers.push({ folder, vkHash: key?.manifest.vkHash ?? null, rows: layer.rows.total });
  }
  for (const e of model.errors) print(`error of "${e.tensor}": ${e.bound.toExponential(2)}, ${e.kind}${e.vacuous ? ", says little" : ""}`);
  await writeFile(join(directory, FILE), `${JSON.stringify({ format: 1, layers } satisfies ChainFile, null, 2)}\n`);
  print(`${directory}: ${layers.length} layers${flags.keys === false ? " without keys; docs/ceremony.md says how to make them" : ", level 0: development keys"}`);
}

function chainFile(directory: string): ChainFile {
  return JSON.parse(readFileSync(join(directory, FILE), "utf8")) as ChainFile;
}

const loadLayers = (directory: string): Promise<LoadedModel[]> => Promise.all(chainFile(directory).layers.map((l) => loadModel(join(directory, l.folder))));

/** The input's salt as given; what layers hand on is hidden by salts that follow from it. */
function saltsOf(salt: bigint, count: number): bigint[] {
  const derived = (k: number): bigint => mod(BigInt(`0x${Buffer.from(keccak_256(new TextEncoder().encode(`og-zk chain salt ${salt} ${k}`))).toString("hex")}`));
  return Array.from({ length: count }, (_, k) => (k === 0 ? salt : derived(k)));
}

export async function proveLayers(directory: string, inputFile: string, flags: { ctx?: string; salt?: string; out?: string }, print: Print): Promise<ChainProofFile> {
  const layers = await loadLayers(directory);
  const first = layers[0] as LoadedModel;
  const { values, saturated } = quantizeInput(first, await readInputs(inputFile));
  if (saturated > 0) print(`${saturated} input elements lay outside of the model's range and were moved to its edge`);
  const salts = saltsOf(readWord("--salt", flags.salt ?? "0"), layers.length);
  const witnesses = calculateChain(layers, values, readWord("--ctx", flags.ctx ?? "0"), salts);
  const folder = await mkdtemp(join(tmpdir(), "og-zk-"));
  try {
    const { prover } = chooseProver();
    const proofs: Hex[] = [];
    for (const [k, w] of witnesses.entries()) {
      const path = join(folder, `${k}.wtns`);
      writeWitness(path, w.values);
      const zkey = join(directory, chainFile(directory).layers[k]!.folder, "proving.zkey");
      const proven = await prover.prove({ zkey, witness: path, key: readVerifyingKey(zkey), publicInputs: w.publicInputs }, LIMITS);
      proofs.push(proven.proof);
      print(`layer ${k}: proved and verified (${prover.name})`);
    }
    const between = witnesses.slice(0, -1).map((w) => w.publicInputs[2]!);
    const statement = [witnesses[0]!.publicInputs[0]!, witnesses[0]!.publicInputs[1]!, witnesses[witnesses.length - 1]!.publicInputs[2]!];
    const file: ChainProofFile = {
      format: 1, vkHashes: chainFile(directory).layers.map((l) => l.vkHash), prover: prover.name,
      proof: `0x${proofs.map((p) => p.slice(2)).join("")}${between.map(word).join("")}`, publicInputs: statement.map((v) => `0x${v.toString(16)}`),
    };
    const out = flags.out ?? join(directory, "proof.json");
    await writeFile(out, `${JSON.stringify(file, null, 2)}\n`);
    print(`${out}: ${proofs.length} proofs, linked`);
    printOutput(layers, statement, print);
    return file;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Every layer against its own key, with the words between layers on both sides. */
export async function verifyLayers(directory: string, proofFile: string, print: Print): Promise<boolean> {
  const file = (await readJson(proofFile)) as Partial<ChainProofFile>;
  const { layers } = chainFile(directory);
  const digits = layers.length * PROOF_DIGITS + (layers.length - 1) * 64;
  const wellFormed = typeof file.proof === "string" && new RegExp(`^0x[0-9a-f]{${digits}}$`, "i").test(file.proof) && file.publicInputs?.length === 3;
  if (!wellFormed) throw new UsageError(`${proofFile} is not a proof file of a chain of ${layers.length} layers`);
  const hex = file.proof!.slice(2);
  const [ctx, input, output] = file.publicInputs!.map(BigInt) as [bigint, bigint, bigint];
  const between = Array.from({ length: layers.length - 1 }, (_, k) => BigInt(`0x${hex.slice(layers.length * PROOF_DIGITS + 64 * k, layers.length * PROOF_DIGITS + 64 * (k + 1))}`));
  const words = [input, ...between, output];
  for (const [k, layer] of layers.entries()) {
    const key = readVerifyingKey(join(directory, layer.folder, "proving.zkey"));
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
