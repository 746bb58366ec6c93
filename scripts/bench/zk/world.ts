/** A settlement chain with a model version under the given key: what the gas of proofs is measured on. */
import type { Hex } from "../../../circuits/setup/encode.ts";
import type { ProofTerms } from "../../../sdk/protocol/index.ts";
import { type World, ZERO, bytes32, settlementWorld } from "../../../test/utils/settlement-world.ts";

export interface ProofWorld {
  w: World;
  place: { chainId: number; settlement: Hex; asker: Hex };
  terms: ProofTerms;
  /** Gas of registering the key. */
  registerKey: number;
}

const ZK_METHODS = 0b01100;
const INT = 2;

/** @param slots Items in one proof of this key; absent for one proof each. */
export async function proofWorld(name: string, keyBytes: Hex, vkHash: Hex, slots?: number): Promise<ProofWorld & { vkHash: Hex; verifier: Hex }> {
  const w = await settlementWorld();
  const keys = await w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys);
  const registered = await (await keys.register(keyBytes)).wait();
  let served = vkHash;
  if (slots !== undefined) {
    await (await keys.registerMany(vkHash, slots)).wait();
    served = w.ethers.keccak256(w.ethers.AbiCoder.defaultAbiCoder().encode(["bytes32", "bytes32", "uint16"], [await keys.MANY_TAG(), vkHash, slots])) as Hex;
  }
  const model = {
    name, version: "1", programHash: bytes32("program"), kind: INT, blobId: bytes32("blob"), contentHash: bytes32("content"), manifestHash: bytes32("manifest"), circuitHash: ZERO, weightsHash: ZERO, methods: ZK_METHODS,
    vkHash: served, royaltyTo: "0x0000000000000000000000000000000000000000", royaltyBps: 0, licence: "MIT",
  };
  const modelId = (await w.models.modelIdOf(w.admin.address, model)) as Hex;
  await w.models.publishModel(model);
  return {
    w,
    place: { chainId: w.chainId, settlement: w.addresses.ProofSettlement, asker: w.admin.address as Hex },
    terms: { modelId, beneficiary: w.relayer.address as Hex, deadline: (await w.now()) + 86_400n },
    registerKey: Number(registered!.gasUsed),
    vkHash: served,
    verifier: (await keys.verifierOf(served)) as Hex,
  };
}

/** Of a transaction. */
export async function gasOf(sent: Promise<{ wait(): Promise<{ gasUsed: bigint } | null> }>): Promise<number> {
  return Number((await (await sent).wait())!.gasUsed);
}
