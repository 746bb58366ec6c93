/**
 * Trains the repository's three models and writes them as ONNX, with a manifest. See models/README.md for what they are.
 *
 *   const manifest = await buildModels(".cache/models");
 *
 * A second call with the same sources reads the manifest and checks the files' hashes instead of training again.
 */
import { createHash } from "node:crypto";
import { globSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { keccak256 } from "viem";

import type { ModelEntry, ModelManifest } from "./manifest.ts";
import { operatorsOf, toOnnx } from "./onnx.ts";
import { trainCredit } from "./train/credit.ts";
import { trainDigits } from "./train/digits.ts";
import type { TrainedModel } from "./train/model.ts";
import { trainVolatility } from "./train/volatility.ts";

export type { ModelEntry, ModelManifest } from "./manifest.ts";

/** Where the project keeps its built models unless told otherwise. */
export const MODELS_DIRECTORY = fileURLToPath(new URL("../.cache/models", import.meta.url));

const TRAININGS: readonly { name: string; training: () => TrainedModel }[] = [
  { name: "credit-score", training: trainCredit },
  { name: "volatility", training: trainVolatility },
  { name: "digits", training: trainDigits },
];
const EXAMPLES = 4;

export interface BuildOptions {
  /** Train even if the files are there. */
  readonly force?: boolean;
  readonly onProgress?: (message: string) => void;
}

export async function buildModels(directory: string = MODELS_DIRECTORY, options: BuildOptions = {}): Promise<ModelManifest> {
  const sources = await sourceHash();
  const kept = options.force ? new Map<string, ModelEntry>() : await intact(directory, sources);
  if (kept.size === TRAININGS.length) return { format: 1, sources, models: [...kept.values()] };

  await mkdir(directory, { recursive: true });
  const models: ModelEntry[] = [];
  for (const { name, training } of TRAININGS) {
    const entry = kept.get(name) ?? (await build(training(), directory));
    models.push(entry);
    options.onProgress?.(`${entry.title}: ${entry.parameters} parameters, ${entry.metrics[0]?.name} ${entry.metrics[0]?.value}`);
  }
  const manifest: ModelManifest = { format: 1, sources, models };
  // The manifest comes last: where it stands, the files it names are whole.
  await replace(join(directory, "manifest.json"), Buffer.from(JSON.stringify(manifest, null, 2) + "\n"));
  return manifest;
}

async function build(model: TrainedModel, directory: string): Promise<ModelEntry> {
  const bytes = toOnnx(model.network, model.graph);
  const entry = describe(model, bytes);
  await replace(join(directory, entry.file), bytes);
  return entry;
}

/** The bytes of one built model. */
export async function readModel(entry: ModelEntry, directory: string = MODELS_DIRECTORY): Promise<Uint8Array> {
  return new Uint8Array(await readFile(join(directory, entry.file)));
}

function describe(model: TrainedModel, bytes: Uint8Array): ModelEntry {
  const outputs = model.heldOut.inputs.map((x) => model.predict(x));
  return {
    name: model.name,
    title: model.title,
    task: model.task,
    data: model.data,
    limits: model.limits,
    file: `${model.name}.onnx`,
    bytes: bytes.length,
    sha256: sha256(bytes),
    keccak256: keccak256(bytes),
    parameters: model.network.parameterCount,
    operators: operatorsOf(bytes),
    inputs: [model.input],
    outputs: [model.output],
    metrics: model.heldOut.measure(outputs),
    examples: outputs.slice(0, EXAMPLES).map((output, i) => ({ input: [...model.heldOut.inputs[i]!], output: [...output] })),
  };
}

/** What an earlier build of the same sources left whole, by name and in order. */
async function intact(directory: string, sources: string): Promise<Map<string, ModelEntry>> {
  const found = new Map<string, ModelEntry>();
  try {
    const manifest = JSON.parse(await readFile(join(directory, "manifest.json"), "utf8")) as ModelManifest;
    if (manifest.format !== 1 || manifest.sources !== sources) return found;
    for (const entry of manifest.models) {
      const bytes = await readModel(entry, directory).catch(() => new Uint8Array());
      if (sha256(bytes) === entry.sha256) found.set(entry.name, entry);
    }
  } catch {
    // No manifest, or not one of ours: everything is built.
  }
  return found;
}

async function sourceHash(): Promise<`0x${string}`> {
  const root = fileURLToPath(new URL(".", import.meta.url));
  const hash = createHash("sha256");
  for (const file of globSync("**/*.ts", { cwd: root }).sort()) {
    hash.update(`${file}\0`).update(await readFile(join(root, file)));
  }
  return `0x${hash.digest("hex")}`;
}

function sha256(bytes: Uint8Array): `0x${string}` {
  return `0x${createHash("sha256").update(bytes).digest("hex")}`;
}

async function replace(path: string, bytes: Uint8Array): Promise<void> {
  const next = `${path}.${process.pid}.tmp`;
  await writeFile(next, bytes);
  await rename(next, path);
}
