/** An `int` program's folder (`og zk compile`) with its proving key, held against the version that the registry names. */
import { type Hex, zeroHash } from "viem";
import { openCircuit } from "../../circuits/build.ts";
import { foldedKey, type LoadedModel, loadModel } from "../../circuits/compiler/index.ts";
import { vkHash } from "../../circuits/setup/encode.ts";
import { readVerifyingKey } from "../../circuits/setup/zkey.ts";
import { fatal, messageOf } from "../errors/index.ts";
import type { ProvingTask } from "./prover.ts";

/** A model's proving material on this machine. */
export interface ProvingModel {
  model: LoadedModel;
  zkey: string;
  key: ProvingTask["key"];
}

/**
 * @param circuit Folder with circuit and proving key. @param weights weights.json, where the circuit is universal and the folder holds another model's.
 * @throws `models.circuit` where the folder is none or its weights do not fit, `models.key`, `models.fold`
 */
export async function openProvingModel(circuit: string, weights: string | undefined, version: { modelId: Hex; name: string; vkHash: Hex; circuitHash: Hex }): Promise<ProvingModel> {
  const { modelId, name } = version;
  const { model, zkey, key } = await read(circuit, weights).catch((error: unknown) => {
    throw fatal("models.circuit", `${circuit} is not the circuit folder of ${name} ("og zk compile" makes one): ${messageOf(error)}`, { modelId, circuit }, { cause: error });
  });
  const local = vkHash(key);
  if (local !== version.vkHash) throw fatal("models.key", `The proving key in ${circuit}${model.weights ? ", with the weights folded in," : ""} is not the one that the registry names.`, { modelId, local, registry: version.vkHash });
  if (model.weights && version.circuitHash === zeroHash) {
    throw fatal("models.fold", `${name} has a universal circuit, and the registry does not say what was folded into its key: whoever proves could choose the weights. Publish it with its fold ("og model publish").`, { modelId });
  }
  return { model, zkey, key };
}

async function read(circuit: string, weights: string | undefined): Promise<ProvingModel> {
  const model = await loadModel(circuit, weights);
  const { zkey } = openCircuit(circuit);
  return { model, zkey, key: foldedKey(readVerifyingKey(zkey), model) };
}
