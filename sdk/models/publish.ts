import { type Account, type Address, type Hex, type WalletClient, keccak256, parseEventLogs, zeroAddress, zeroHash } from "viem";
import { chainHash } from "../../circuits/setup/encode.ts";
import { groth16KeysAbi } from "../../types/abi/Groth16Keys.ts";
import { iModelRegistryAbi } from "../../types/abi/IModelRegistry.ts";
import { type Fold, foldOnChain } from "./fold.ts";
import { manifestHash, manifestOf } from "./manifest.ts";
import { methodMask } from "../network/models.ts";
import type { ChainAccess } from "../network/network.ts";
import { ProgramKind } from "../protocol/enums.ts";

/** Where blobs go; the Walrus client of keepers/walrus fits. */
export interface BlobStore {
  storeAndReadBack(bytes: Uint8Array): Promise<{ blobId: Hex }>;
}

/** One version to publish. */
export interface Publication {
  name: string;
  version: string;
  kind: "float" | "int";
  programHash: Hex;
  /** The blob: an ONNX file, or an encoded package. */
  bytes: Uint8Array;
  /** `Verification` methods that the version offers. */
  methods: readonly number[];
  /** Verifying key for Groth16Keys.register; needed for the zero-knowledge methods. */
  keyBytes?: Hex;
  /** Instead of `keyBytes`, where the model is a chain of layers: the key of each, for Groth16Keys.registerChain. */
  layerKeys?: readonly Hex[];
  /** Where the circuit is universal: out of what `keyBytes` is folded. */
  fold?: Fold;
  royaltyTo?: Address;
  /** Hundredths of a percent, <= 3,000. */
  royaltyBps?: number;
  /** SPDX expression. */
  licence: string;
}

export interface PublishedModel {
  modelId: Hex;
  blobId: Hex;
  vkHash: Hex;
  /** Transactions that were sent: none when everything was there already. */
  transactions: { hash: Hex; gas: bigint }[];
}

/**
 * Stores the package, registers its verifying key if it has one (those of all layers; or folds it, where the circuit is universal), and publishes the version. What is there already is not sent
 * again: the same publication twice gives the same modelId.
 */
export async function publishModel(settlement: ChainAccess, wallet: WalletClient, account: Account, blobs: BlobStore, what: Publication): Promise<PublishedModel> {
  const { client, chain } = settlement;
  const transactions: PublishedModel["transactions"] = [];
  const mined = async (hash: Hex) => {
    const receipt = await client.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Error(`transaction ${hash} reverted`);
    transactions.push({ hash, gas: receipt.gasUsed });
    return receipt;
  };

  const { blobId } = await blobs.storeAndReadBack(what.bytes);
  const keys = { address: settlement.address("Groth16Keys"), abi: groth16KeysAbi } as const;
  const unknown = async (hash: Hex) => (await client.readContract({ ...keys, functionName: "verifierOf", args: [hash] })) === zeroAddress;
  const register = async (key: Hex) => {
    if (!(await unknown(keccak256(key)))) return;
    const { request } = await client.simulateContract({ ...keys, functionName: "register", args: [key], account, chain });
    await mined(await wallet.writeContract(request));
  };
  const layers = what.layerKeys?.map((key) => keccak256(key));
  const vkHash = layers ? chainHash(layers) : what.keyBytes ? keccak256(what.keyBytes) : zeroHash;
  if (what.fold) await foldOnChain(settlement, wallet, account, what.fold, mined);
  else if (what.keyBytes) await register(what.keyBytes);
  for (const key of what.layerKeys ?? []) await register(key);
  if (layers && (await unknown(vkHash))) {
    const { request } = await client.simulateContract({ ...keys, functionName: "registerChain", args: [layers], account, chain });
    await mined(await wallet.writeContract(request));
  }

  const contentHash = keccak256(what.bytes);
  const model = {
    name: what.name,
    version: what.version,
    programHash: what.programHash,
    kind: ProgramKind[what.kind === "int" ? "Int" : "Float"],
    blobId,
    contentHash,
    manifestHash: manifestHash(manifestOf(what.kind, what.bytes, vkHash)),
    methods: methodMask(what.methods),
    vkHash,
    circuitHash: what.fold?.circuitHash ?? zeroHash,
    weightsHash: what.fold?.weightsHash ?? zeroHash,
    royaltyTo: what.royaltyTo ?? zeroAddress,
    royaltyBps: what.royaltyBps ?? 0,
    licence: what.licence,
  };
  const registry = { address: settlement.address("ModelRegistry"), abi: iModelRegistryAbi } as const;
  const modelId = await client.readContract({ ...registry, functionName: "modelIdOf", args: [account.address, model] });
  const exists = await client.readContract({ ...registry, functionName: "publishedAt", args: [modelId] }).catch(() => 0n);
  if (exists === 0n) {
    const { request } = await client.simulateContract({ ...registry, functionName: "publishModel", args: [model], account, chain });
    const receipt = await mined(await wallet.writeContract(request));
    const [event] = parseEventLogs({ abi: iModelRegistryAbi, eventName: "ModelPublished", logs: receipt.logs });
    if (event?.args.modelId !== modelId) throw new Error(`the registry published ${event?.args.modelId} instead of ${modelId}`);
  }
  return { modelId, blobId, vkHash, transactions };
}

/**
 * Marks a version as one that nobody should use any more; receipts that name it stay what they are.
 * @param successor The version to use instead; zero for none.
 */
export async function deprecateModel(settlement: ChainAccess, wallet: WalletClient, account: Account, modelId: Hex, successor: Hex = zeroHash): Promise<Hex> {
  const { client, chain } = settlement;
  const registry = { address: settlement.address("ModelRegistry"), abi: iModelRegistryAbi } as const;
  const { request } = await client.simulateContract({ ...registry, functionName: "deprecate", args: [modelId, successor], account, chain });
  const hash = await wallet.writeContract(request);
  const { status } = await client.waitForTransactionReceipt({ hash });
  if (status !== "success") throw new Error(`transaction ${hash} reverted`);
  return hash;
}
