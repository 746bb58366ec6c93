/** The folder of a model in several circuits: one folder a layer, and chain.json that names them in order. */
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { keccak, word, type Hex } from "../../setup/encode.ts";
import { mod } from "../../setup/field.ts";
import { loadModel, type LoadedModel } from "../artifacts.ts";
import { CompileError } from "../errors.ts";

const FILE = "chain.json";

export interface ChainFile {
  format: 1;
  /** `vkHash`: null until the layer has a key. */
  layers: { folder: string; vkHash: Hex | null; rows: number }[];
}

/** A layer as a keeper loads it. */
export interface LoadedLayer {
  directory: string;
  zkey: string;
  model: LoadedModel;
}

export const isChain = (directory: string): boolean => existsSync(join(directory, FILE));

/** @throws CompileError CHAIN_FILE */
export function readChain(directory: string): ChainFile {
  const path = join(directory, FILE);
  const refused = (why: string): CompileError => new CompileError("CHAIN_FILE", `${path} ${why}: compile the model again with --layers`);
  let file: Partial<ChainFile>;
  try {
    file = JSON.parse(readFileSync(path, "utf8")) as typeof file;
  } catch (error: unknown) {
    throw refused(`cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
  const named = Array.isArray(file.layers) && file.layers.length >= 2 && file.layers.every((layer) => typeof layer?.folder === "string" && /^[\w.-]+$/.test(layer.folder) && !/^\.+$/.test(layer.folder));
  if (file.format !== 1 || !named) throw refused("is no list of layers");
  return file as ChainFile;
}

export function writeChain(directory: string, layers: ChainFile["layers"]): Promise<void> {
  return writeFile(join(directory, FILE), `${JSON.stringify({ format: 1, layers } satisfies ChainFile, null, 2)}\n`);
}

export function loadChain(directory: string): Promise<LoadedLayer[]> {
  return Promise.all(
    readChain(directory).layers.map(async ({ folder }) => {
      const layer = join(directory, folder);
      return { directory: layer, zkey: join(layer, "proving.zkey"), model: await loadModel(layer) };
    }),
  );
}

/** Salts of what the layers hand on, out of one secret: all layers' provers have to agree on them. The first hides the input. */
export function chainSalts(input: bigint, secret: bigint, count: number): bigint[] {
  const derived = (k: number): bigint => mod(BigInt(keccak(`0x${Buffer.from(`og-zk chain salt ${secret} ${k}`).toString("hex")}`)));
  return Array.from({ length: count }, (_, k) => (k === 0 ? input : derived(k)));
}

/**
 * What Groth16ChainVerifier takes: the layers' proofs, then the words between them; and the public inputs (ctx, in, out).
 * @throws CompileError CHAIN_LINK when neighbours speak of other words, or layers of another context
 */
export function joinChainProof(parts: readonly { proof: Hex; publicInputs: readonly bigint[] }[]): { proof: Hex; publicInputs: bigint[] } {
  parts.forEach(({ publicInputs: [ctx, entering] }, k) => {
    const before = parts[k - 1];
    if (before && (ctx !== before.publicInputs[0] || entering !== before.publicInputs[2])) throw new CompileError("CHAIN_LINK", `layer ${k} does not go on from layer ${k - 1}: prove both for the same input, context and salt`);
  });
  const last = parts[parts.length - 1]!;
  const between = parts.slice(0, -1).map(({ publicInputs }) => word(publicInputs[2]!));
  return { proof: `0x${parts.map(({ proof }) => proof.slice(2)).join("")}${between.join("")}`, publicInputs: [last.publicInputs[0]!, parts[0]!.publicInputs[1]!, last.publicInputs[2]!] };
}
