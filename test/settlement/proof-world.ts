/** Proofs by themselves: a model that has some, requests to it, and what settles them. */
import { expect } from "chai";
import type { Hex } from "viem";

import { encodeProof } from "../../circuits/setup/encode.ts";
import { type ProofTerms, type ProvedRequest, provedBatch, requestContext } from "../../sdk/protocol/index.ts";
import { proveTiny, tiny } from "../circuits/setup/tools.ts";
import { ZERO, bytes32, settlementWorld } from "../utils/settlement-world.ts";

export const NOBODY = "0x0000000000000000000000000000000000000000";
/** The largest number that a request may have. */
export const MAX_NUMBER = (1n << 96n) - 1n;

export type ProofWorld = Awaited<ReturnType<typeof proofWorld>>;

/** A chain with one model that has proofs, requests to it, and their proofs. */
export async function proofWorld() {
  const w = await settlementWorld();
  const circuit = await tiny();
  const { zkey, manifest: { vkHash }, keyBytes } = circuit.files;
  const keys = await w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys);
  await keys.getFunction("register")(keyBytes);

  async function publish(name: string, change: Record<string, unknown> = {}): Promise<Hex> {
    const model = {
      name, version: "1", programHash: bytes32("program"), kind: 2, blobId: bytes32("blob"), contentHash: bytes32("content"), manifestHash: bytes32("manifest"), circuitHash: ZERO, weightsHash: ZERO,
      methods: 0b11110, vkHash, royaltyTo: NOBODY, royaltyBps: 0, licence: "MIT", ...change,
    };
    await w.models.publishModel(model);
    return (await w.models.modelIdOf(w.admin.address, model)) as Hex;
  }
  const modelId = await publish("credit");
  const terms: ProofTerms = { modelId, beneficiary: w.relayer.address as Hex, deadline: (await w.now()) + 365n * 86_400n };
  const place = () => ({ chainId: w.chainId, settlement: w.addresses.ProofSettlement, asker: w.admin.address as Hex });
  let next = 0n;

  return {
    w, zkey, vkHash, modelId, terms, publish, place,
    fresh: () => next++,
    async prove(number: bigint, of: ProofTerms = terms, a = 7n, b = 5n): Promise<ProvedRequest> {
      const { proof, inputs } = await proveTiny(zkey, requestContext(place(), { ...of, number }), a, b);
      return { number, proof: encodeProof(proof), words: inputs.slice(1) };
    },
    settle: ({ number, proof, words }: ProvedRequest, change: Partial<ProofTerms & { number: bigint }> = {}) => w.proofs.settle({ ...terms, number, ...change }, proof, [...words]),
    settleBatch(proved: readonly ProvedRequest[], of: ProofTerms = terms) {
      const { requests, proofs, words } = provedBatch(place(), of, proved);
      return w.proofs.settleBatch(requests, proofs, words);
    },
    refused: (call: Promise<unknown>, error: string, contract: { interface: unknown } = w.proofs) => expect(call).to.be.revertedWithCustomError(contract as never, error),
    groth16: async () => w.ethers.getContractAt("Groth16Verifier", await keys.getFunction("verifierOf")(vkHash)),
    isSettled: (number: bigint, asker = w.admin.address) => w.proofs.isSettled(asker, number),
  };
}
