/** Universal circuits: the version's key is folded on chain out of the circuit's key and the version's weights. */
import { type Account, type Address, BaseError, ContractFunctionRevertedError, type Hex, type TransactionReceipt, type WalletClient, encodeAbiParameters, keccak256, toBytes } from "viem";
import { type LoadedModel, WEIGHT_LANES, foldedKey, foldedWords } from "../../circuits/compiler/index.ts";
import { encodeKey } from "../../circuits/setup/encode.ts";
import { planFold } from "../../circuits/setup/fold.ts";
import type { VerifyingKey } from "../../circuits/setup/zkey.ts";
import { groth16FoldAbi } from "../../types/abi/Groth16Fold.ts";
import type { ChainAccess } from "../network/network.ts";

/** A key that Groth16Fold makes, and what it is sent for that. */
export interface Fold {
  circuitHash: Hex;
  weightsHash: Hex;
  /** Of the folded key. */
  vkHash: Hex;
  how:
    | { kind: "weights"; base: Hex; chunkHashes: Hex[]; weights: number; chunks: { points: Hex; weights: Hex }[] }
    | { kind: "constants"; key: Hex; words: readonly bigint[] };
}

const CIRCUIT_TAG = keccak256(toBytes("opengradient.groth16.universal.v1"));

/** Of a universal model; undefined where the weights are baked. @param key The circuit's own, with all public inputs. */
export function foldOf(model: LoadedModel, key: VerifyingKey): Fold | undefined {
  if (!model.weights) return undefined;
  const { bytes, salt } = model.weights;
  const words = foldedWords(model.graph, model.weights);
  if (salt !== undefined) {
    const whole = encodeKey(key);
    const how = { kind: "constants", key: whole, words } as const;
    return { circuitHash: keccak256(whole), weightsHash: model.weights.weightsHash as Hex, vkHash: keccak256(encodeKey(foldedKey(key, model))), how };
  }
  const { base, chunkHashes, weights, chunks, weightsHash, vkHash } = planFold(key, key.ic.length - 1 - words.length, bytes, WEIGHT_LANES);
  const types = [{ type: "bytes32" }, { type: "bytes32" }, { type: "bytes32[]" }, { type: "uint32" }, { type: "uint8" }, { type: "uint8" }] as const;
  const circuitHash = keccak256(encodeAbiParameters(types, [CIRCUIT_TAG, keccak256(base), chunkHashes, weights, WEIGHT_LANES.lanes, WEIGHT_LANES.laneBits]));
  return { circuitHash, weightsHash, vkHash, how: { kind: "weights", base, chunkHashes, weights, chunks } };
}

/** Folds, unless it was done before; what an interrupted run left is continued. One transaction for each 64 words, about 11,500 gas a word. */
export async function foldOnChain(
  settlement: ChainAccess,
  wallet: WalletClient,
  account: Account,
  fold: Fold,
  mined: (hash: Hex) => Promise<TransactionReceipt>,
  told: (done: number, chunks: number) => void = () => {},
): Promise<void> {
  const { client, chain } = settlement;
  const contract = { address: settlement.address("Groth16Fold"), abi: groth16FoldAbi } as const;
  const common = { ...contract, account, chain } as const;
  const { circuitHash, weightsHash, vkHash, how } = fold;
  if (await client.readContract({ ...contract, functionName: "isFolded", args: [vkHash, circuitHash, weightsHash] })) return;
  if (how.kind === "constants") {
    const { request } = await client.simulateContract({ ...common, functionName: "foldConstants", args: [how.key, [...how.words]] });
    await mined(await wallet.writeContract(request));
    return;
  }
  // The salt tells models of one sender apart whose folds are under way at the same time.
  const salt = weightsHash;
  let done = await foldProgress(settlement, account.address, circuitHash, salt);
  if (done === undefined) {
    const args = [how.base, how.chunkHashes, how.weights, WEIGHT_LANES.lanes, WEIGHT_LANES.laneBits] as const;
    const { request } = await client.simulateContract({ ...common, functionName: "registerCircuit", args });
    await mined(await wallet.writeContract(request));
    done = 0;
  }
  for (const { points, weights } of how.chunks.slice(done)) {
    const { request } = await client.simulateContract({ ...common, functionName: "fold", args: [circuitHash, salt, points, weights] });
    await mined(await wallet.writeContract(request));
    told(++done, how.chunks.length);
  }
  const { request } = await client.simulateContract({ ...common, functionName: "finish", args: [circuitHash, salt, how.base] });
  await mined(await wallet.writeContract(request));
}

/** Chunks that are in; undefined where nobody has registered the circuit. */
export async function foldProgress(settlement: ChainAccess, sender: Address, circuitHash: Hex, salt: Hex): Promise<number | undefined> {
  try {
    const [done] = await settlement.client.readContract({ address: settlement.address("Groth16Fold"), abi: groth16FoldAbi, functionName: "progress", args: [circuitHash, sender, salt] });
    return Number(done);
  } catch (error) {
    const revert = error instanceof BaseError ? error.walk((cause) => cause instanceof ContractFunctionRevertedError) : null;
    if (revert instanceof ContractFunctionRevertedError && revert.data?.errorName === "Groth16FoldCircuitUnknown") return undefined;
    throw error;
  }
}
