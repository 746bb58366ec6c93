import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Hex, keccak256 } from "viem";
import { foldedKey, isChain, loadModel, readChain } from "../../circuits/compiler/index.ts";
import { encodeKey } from "../../circuits/setup/encode.ts";
import { readVerifyingKey } from "../../circuits/setup/zkey.ts";
import { foldOf } from "./fold.ts";
import { integerProgramHash } from "./manifest.ts";
import { type LayersPackage, encodePackage, programHash } from "./package.ts";
import type { Publication } from "./publish.ts";

type IntegerParts = Pick<Publication, "kind" | "programHash" | "bytes" | "keyBytes" | "layerKeys" | "fold">;

/**
 * What an integer program's folder (graph.json, public.json, model.r1cs, verifying-key.json, proving.zkey; `og zk compile` makes it)
 * contributes to a publication: package, program, key. Of a model in several circuits (chain.json) each layer's folder has these.
 * @param weights weights.json of another model of the same architecture, where the circuit is universal.
 * @throws Error naming the file that is missing.
 */
export async function integerPublication(directory: string, weights?: string): Promise<IntegerParts> {
  if (isChain(directory)) return layersPublication(directory, weights);
  const { graph, public: processing, circuit, verifyingKey, key } = await circuitFolder(directory);
  const universal = (JSON.parse(graph) as { weights?: unknown[] }).weights?.length;
  if (weights !== undefined && !universal) throw new Error(`${directory} has its weights in the circuit: other weights are another circuit.`);
  const model = universal ? await loadModel(directory, weights) : undefined;
  const fold = model && foldOf(model, key);
  const bytes = encodePackage({ format: "og-model/integer/1", graph, public: processing, verifyingKey, circuit });
  return { kind: "int", programHash: programHash("int", graph, processing), bytes, keyBytes: encodeKey(model ? foldedKey(key, model) : key), ...(fold ? { fold } : {}) };
}

async function layersPublication(directory: string, weights: string | undefined): Promise<IntegerParts> {
  if (weights !== undefined) throw new Error(`${directory} has its weights in the circuits of its layers: other weights are other circuits.`);
  const layers = await Promise.all(readChain(directory).layers.map(({ folder }) => circuitFolder(join(directory, folder))));
  const content: LayersPackage = { format: "og-model/layers/1", layers: layers.map(({ key: _, ...layer }) => layer) };
  return { kind: "int", programHash: integerProgramHash(content), bytes: encodePackage(content), layerKeys: layers.map(({ key }) => encodeKey(key)) };
}

async function circuitFolder(directory: string) {
  const read = async (name: string) =>
    readFile(join(directory, name)).catch(() => {
      throw new Error(`${directory} is no circuit folder: it has no ${name}. "og zk compile" makes one from an ONNX file.`);
    });
  const graph = (await read("graph.json")).toString("utf8");
  const processing: unknown = JSON.parse((await read("public.json")).toString("utf8"));
  const circuit: Hex = keccak256(await read("model.r1cs"));
  const verifyingKey: unknown = JSON.parse((await read("verifying-key.json")).toString("utf8"));
  await read("proving.zkey");
  return { graph, public: processing, circuit, verifyingKey, key: readVerifyingKey(join(directory, "proving.zkey")) };
}
