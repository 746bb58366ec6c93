import { readFileSync } from "node:fs";
import { type Hex, keccak256, zeroAddress } from "viem";
import { z } from "zod";
import { isChain, loadChain } from "../../../circuits/compiler/index.ts";
import { chainHash, vkHash } from "../../../circuits/setup/encode.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import type { Price } from "../../../sdk/payments/tariff.ts";
import { decodePackage } from "../../../sdk/models/package.ts";
import { ProgramKind, Verification } from "../../../sdk/protocol/index.ts";
import { iModelRegistryAbi } from "../../../types/abi/IModelRegistry.ts";
import { fatal, messageOf } from "../../errors/index.ts";
import type { OnnxInference } from "../../inference/index.ts";
import { openProvingModel, type ProvingModel } from "../../proving/program.ts";
import type { WalrusClient } from "../../walrus/index.ts";
import type { ChainAccess } from "../platform.ts";
import type { ServedModel } from "./catalog.ts";
import type { ProvingChain } from "./proofs.ts";
import { chainRunner, integerRunner, onnxRunner } from "./runners.ts";

const amount = z.string().regex(/^\d{1,30}$/).transform(BigInt);

/** The operator's list of models (`OG_MODELS`); prices in the smallest token unit, decimal strings. */
const modelsFile = z.strictObject({
  models: z.array(
    z.strictObject({
      modelId: z.string().regex(/^0x[0-9a-f]{64}$/i),
      price: z.strictObject({
        perRequest: amount,
        perMillionInput: amount.default(0n),
        perMillionOutput: amount.default(0n),
        perMillionReasoning: amount.default(0n),
      }),
      /** Folder with circuit and proving key, or with chain.json and one such folder a layer; only for `int` programs that are to be proved here. */
      circuit: z.string().optional(),
      /** weights.json of this model, where the circuit is universal and its folder holds another model's. */
      weights: z.string().optional(),
      maxOutputTokens: z.number().int().positive().default(512),
    }),
  ).min(1),
});

export interface LoadedModels {
  served: ServedModel[];
  /** Strictly ascending by modelId. */
  prices: Price[];
  proving: Map<Hex, ProvingModel | ProvingChain>;
}

/**
 * Loads what the operator wants to serve: the version from the registry, its package from Walrus, checked against the
 * version's content hash. Nothing is served that the chain does not name.
 */
export async function loadModels(file: string, chain: ChainAccess, walrus: WalrusClient, onnx: OnnxInference): Promise<LoadedModels> {
  const { models } = readModelsFile(file);
  const loaded: LoadedModels = { served: [], prices: [], proving: new Map() };
  for (const { modelId: id, price, circuit, weights, maxOutputTokens } of models) {
    const modelId = id.toLowerCase() as Hex;
    const version = await chain.client.readContract({
      address: chain.deployment.address("ModelRegistry"),
      abi: iModelRegistryAbi,
      functionName: "model",
      args: [modelId],
    });
    const bytes = await walrus.read(version.blobId, { contentHash: version.contentHash });
    if (keccak256(bytes) !== version.contentHash) throw fatal("models.content", `The package of ${version.name} is not what the registry names.`, { modelId });
    const methods = Object.values(Verification).filter((method) => version.methods & (1 << method));
    const common = { name: version.name, modelId, programKind: version.kind, methods, royaltyTo: version.royaltyTo, royaltyBps: version.royaltyBps, maxOutputTokens };
    if (version.royaltyBps > 0 && version.royaltyTo === zeroAddress) throw fatal("models.royalty", `${version.name} has a royalty and nobody to get it.`, { modelId });

    if (version.kind === ProgramKind.Int) {
      if (!circuit) throw fatal("models.circuit", `${version.name} is an integer program: name its folder as "circuit" in ${file}.`, { modelId });
      if (isChain(circuit)) {
        const layers = (await loadChain(circuit)).map(({ model, zkey }) => ({ model, zkey, key: readVerifyingKey(zkey) }));
        const local = chainHash(layers.map(({ key }) => vkHash(key)));
        if (local !== version.vkHash) throw fatal("models.key", `The layers' proving keys in ${circuit} are not those of the chain that the registry names.`, { modelId, local, registry: version.vkHash });
        loaded.served.push({ ...common, kind: "tensor", runner: chainRunner(layers.map(({ model }) => model)) });
        loaded.proving.set(modelId, { layers });
        loaded.prices.push({ modelId, ...price });
        continue;
      }
      const proving = await openProvingModel(circuit, weights, { ...version, modelId });
      loaded.served.push({ ...common, kind: "tensor", runner: integerRunner(proving.model) });
      loaded.proving.set(modelId, proving);
    } else if (isUpstreamPackage(bytes)) {
      loaded.served.push({ ...common, kind: "chat", upstreamModel: isUpstreamPackage(bytes)!.model });
    } else {
      loaded.served.push({ ...common, kind: "tensor", runner: onnxRunner(onnx, await onnx.load(bytes)) });
    }
    loaded.prices.push({ modelId, ...price });
  }
  loaded.prices.sort((a, b) => (BigInt(a.modelId) < BigInt(b.modelId) ? -1 : 1));
  return loaded;
}

function readModelsFile(file: string): z.infer<typeof modelsFile> {
  try {
    return modelsFile.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    throw fatal("models.file", `${file} is not a list of models: ${messageOf(error)}`, { file }, { cause: error });
  }
}

/** ONNX files are protobuf and never begin like a JSON object. */
function isUpstreamPackage(bytes: Uint8Array) {
  if (bytes[0] !== 0x7b) return undefined;
  const content = decodePackage(bytes);
  return content.format === "og-model/upstream/1" ? content : undefined;
}
