import { type Address, type ContractFunctionReturnType, type Hex, encodeAbiParameters, keccak256, toBytes, zeroAddress } from "viem";
import { iGroth16KeysAbi } from "../../types/abi/IGroth16Keys.ts";
import { iModelRegistryAbi } from "../../types/abi/IModelRegistry.ts";
import { nameOf, ProgramKind, Verification } from "../protocol/enums.ts";
import type { ChainAccess } from "./network.ts";

/** One immutable model version as the registry holds it. */
export interface ModelInfo {
  modelId: Hex;
  publisher: Address;
  name: string;
  version: string;
  programHash: Hex;
  kind: string;
  /** Walrus blob of the package, 32 bytes. */
  blobId: Hex;
  contentHash: Hex;
  manifestHash: Hex;
  /** Verification methods that the version offers, e.g. ["Tee", "Vanilla"]. */
  methods: string[];
  verifier: Address;
  vkHash: Hex;
  /** Universal circuit and weights out of which Groth16Fold made the key; zero for a key of the version's own circuit. */
  circuitHash: Hex;
  weightsHash: Hex;
  /** Of the verifying key: 0 development, 1 single party, 2 ceremony; absent without zero-knowledge methods. */
  setupLevel: number | undefined;
  royaltyTo: Address;
  royaltyBps: number;
  licence: string;
  deprecated: boolean;
  /** The version to use instead of a deprecated one; zero for none. */
  successor: Hex;
  /** Seconds. */
  publishedAt: bigint;
}

const registry = (settlement: ChainAccess) => ({ address: settlement.address("ModelRegistry"), abi: iModelRegistryAbi }) as const;

/** @throws The registry's ModelRegistryUnknown for an id that it does not hold. */
export async function modelById(settlement: ChainAccess, modelId: Hex): Promise<ModelInfo> {
  const contract = registry(settlement);
  const [model, publisher, deprecated, successor, publishedAt, [verifier]] = await Promise.all([
    settlement.client.readContract({ ...contract, functionName: "model", args: [modelId] }),
    settlement.client.readContract({ ...contract, functionName: "publisher", args: [modelId] }),
    settlement.client.readContract({ ...contract, functionName: "isDeprecated", args: [modelId] }),
    settlement.client.readContract({ ...contract, functionName: "successor", args: [modelId] }),
    settlement.client.readContract({ ...contract, functionName: "publishedAt", args: [modelId] }),
    settlement.client.readContract({ ...contract, functionName: "verifierOf", args: [modelId] }),
  ]);
  const keys = { address: settlement.address("Groth16Keys"), abi: iGroth16KeysAbi } as const;
  const setupLevel =
    verifier === zeroAddress ? undefined : await settlement.client.readContract({ ...keys, functionName: "setupLevel", args: [model.vkHash] });
  return { ...model, modelId, publisher, deprecated, successor, publishedAt, verifier, setupLevel, kind: nameOf(ProgramKind, model.kind), methods: methodNames(model.methods) };
}

/** A version as the registry's `model` returns it. */
export type ModelVersion = ContractFunctionReturnType<typeof iModelRegistryAbi, "view", "model">;

const MODEL_TAG = keccak256(toBytes("opengradient.model.v1"));

/** The id that a version has, as ModelRegistry.modelIdOf computes it. */
export function modelIdOf(chainId: number, registryAddress: Address, publisher: Address, version: ModelVersion): Hex {
  const types = [{ type: "bytes32" }, { type: "uint256" }, { type: "address" }, { type: "address" }, VERSION] as const;
  return keccak256(encodeAbiParameters(types, [MODEL_TAG, BigInt(chainId), registryAddress, publisher, version]));
}

/** Layout of contracts/interfaces/IModelRegistry.sol: ModelVersion. */
const VERSION = {
  type: "tuple",
  components: [
    { name: "name", type: "string" }, { name: "version", type: "string" }, { name: "programHash", type: "bytes32" }, { name: "kind", type: "uint8" }, { name: "blobId", type: "bytes32" },
    { name: "contentHash", type: "bytes32" }, { name: "manifestHash", type: "bytes32" }, { name: "methods", type: "uint8" }, { name: "vkHash", type: "bytes32" }, { name: "circuitHash", type: "bytes32" },
    { name: "weightsHash", type: "bytes32" }, { name: "royaltyTo", type: "address" }, { name: "royaltyBps", type: "uint16" }, { name: "licence", type: "string" },
  ],
} as const;

/** A publisher's versions of one name, oldest first. */
export async function versionsOf(settlement: ChainAccess, publisher: Address, name: string): Promise<Hex[]> {
  const seriesId = await settlement.client.readContract({ ...registry(settlement), functionName: "seriesIdOf", args: [publisher, name] });
  const all: Hex[] = [];
  let cursor = 0n;
  do {
    const [ids, next] = await settlement.client.readContract({ ...registry(settlement), functionName: "versions", args: [seriesId, cursor, 100n] });
    all.push(...ids);
    cursor = next;
  } while (cursor !== 0n);
  return all;
}

/** All published versions, oldest first. */
export async function allModels(settlement: ChainAccess): Promise<ModelInfo[]> {
  const models: ModelInfo[] = [];
  let cursor = 0n;
  do {
    const [ids, next] = await settlement.client.readContract({ ...registry(settlement), functionName: "models", args: [cursor, 100n] });
    models.push(...(await Promise.all(ids.map((modelId) => modelById(settlement, modelId)))));
    cursor = next;
  } while (cursor !== 0n);
  return models;
}

/** Bit v of the registry's mask stands for verification method v. */
export function methodMask(methods: readonly number[]): number {
  return methods.reduce((mask, method) => mask | (1 << method), 0);
}

function methodNames(mask: number): string[] {
  return Object.entries(Verification).filter(([, method]) => mask & (1 << method)).map(([name]) => name);
}
