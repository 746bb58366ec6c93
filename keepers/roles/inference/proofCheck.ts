/**
 * Asks the chain by a call whether it would take the proofs of a header that is about to be signed, and finds the ones that it would
 * not by halves. The prover has verified each against the key that it was given; the chain's may be another, or its verifier frozen.
 */
import { BaseError, ContractFunctionRevertedError, type Hex } from "viem";

import { iGroth16VerifierAbi } from "../../../types/abi/IGroth16Verifier.ts";
import { iVerifierRouterAbi } from "../../../types/abi/IVerifierRouter.ts";
import { messageOf, retryable } from "../../errors/index.ts";
import { batchArguments, bisect, inOrder } from "../../proving/batch.ts";
import type { ChainAccess } from "../platform.ts";
import type { PendingReceipt } from "./ledger.ts";

const ABI = [...iVerifierRouterAbi, ...iGroth16VerifierAbi.filter((entry) => entry.type === "error")] as const;

interface Item {
  entry: PendingReceipt;
  proof: Hex;
  publicInputs: readonly bigint[];
}

/**
 * @returns The receipts whose proofs the chain refuses. Receipts without a proof are none of them.
 * @throws retryable when the chain cannot be asked, or the model's verifier is frozen or gone: that says nothing about a proof.
 */
export async function refusedProofs(settlement: Pick<ChainAccess, "client" | "deployment">, receipts: readonly PendingReceipt[]): Promise<PendingReceipt[]> {
  const models = new Map<Hex, Item[]>();
  for (const entry of receipts) {
    if (!entry.proof) continue;
    const { modelId } = entry.receipt;
    models.set(modelId, [...(models.get(modelId) ?? []), { entry, proof: entry.proof.bytes, publicInputs: entry.proof.publicInputs }]);
  }
  const refused: PendingReceipt[] = [];
  for (const [modelId, items] of models) {
    const { bad } = await bisect(inOrder(items), (part) => accepts(settlement, modelId, part));
    refused.push(...bad.map(({ entry }) => entry));
  }
  return refused;
}

async function accepts({ client, deployment }: Pick<ChainAccess, "client" | "deployment">, modelId: Hex, items: readonly Item[]): Promise<boolean> {
  const { proofs, publicInputs } = batchArguments(items);
  try {
    return await client.readContract({ address: deployment.address("VerifierRouter"), abi: ABI, functionName: "verifyBatch", args: [modelId, proofs, publicInputs] });
  } catch (error) {
    const revert = error instanceof BaseError ? error.walk((cause) => cause instanceof ContractFunctionRevertedError) : null;
    const name = revert instanceof ContractFunctionRevertedError ? revert.data?.errorName : undefined;
    // Short gas says nothing about a proof.
    if (name?.startsWith("Groth16") && name !== "Groth16GasTooLow") return false;
    throw retryable("settlement.proofs_not_asked", `The chain cannot be asked about proofs: ${name ?? messageOf(error)}.`, { modelId, proofs: items.length }, { cause: error });
  }
}
