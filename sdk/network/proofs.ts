/** ProofSettlement: proofs that an application or a person asked for, settled without a receipt. */
import { type Account, type Address, BaseError, ContractFunctionRevertedError, type Hex, type WalletClient, parseEventLogs } from "viem";
import { bisect } from "../../keepers/proving/batch.ts";
import { iGroth16VerifierAbi } from "../../types/abi/IGroth16Verifier.ts";
import { iProofSettlementAbi } from "../../types/abi/IProofSettlement.ts";
import { iVerifierRouterAbi } from "../../types/abi/IVerifierRouter.ts";
import { type ProofPlace, type ProofRequest, type ProofTerms, type ProvedRequest, provedBatch, requestIdOf } from "../protocol/proofRequests.ts";
import type { ChainAccess } from "./network.ts";

/** Its own errors, and those that it hands on. */
const ABI = [...iProofSettlementAbi, ...[...iGroth16VerifierAbi, ...iVerifierRouterAbi].filter((entry) => entry.type === "error")] as const;
const contract = (settlement: ChainAccess) => ({ address: settlement.address("ProofSettlement"), abi: ABI }) as const;

/** A proof that the chain does not take; `error` is the contract's, the message says what to do. */
export class ProofRefused extends Error {
  override readonly name = "ProofRefused";
  readonly error: string;
  constructor(error: string, message: string) {
    super(message);
    this.error = error;
  }
}

export interface SettledProof {
  requestId: bigint;
  modelId: Hex;
  beneficiary: Address;
  /** Seconds. */
  deadline: bigint;
  /** in..., out... */
  words: readonly bigint[];
}

/** Where `asker` settles its requests: what contexts are made of. */
export function proofPlace(settlement: ChainAccess, asker: Address): ProofPlace {
  return { chainId: settlement.chain.id, settlement: settlement.address("ProofSettlement"), asker };
}

/** The first number from `from` on that `asker` has not settled. */
export async function nextRequestNumber(settlement: ChainAccess, asker: Address, from = 0n): Promise<bigint> {
  for (let word = from >> 8n; ; word++) {
    const bits = await settlement.client.readContract({ ...contract(settlement), functionName: "settledBits", args: [asker, word] });
    for (let place = word === from >> 8n ? from & 255n : 0n; place < 256n; place++) if (((bits >> place) & 1n) === 0n) return (word << 8n) | place;
  }
}

/** Whether `asker`'s request has been settled. */
export function isRequestSettled(settlement: ChainAccess, asker: Address, number: bigint): Promise<boolean> {
  return settlement.client.readContract({ ...contract(settlement), functionName: "isSettled", args: [asker, number] });
}

/**
 * What one request was settled with, from its event; undefined if it was settled in a batch (whose event commits to the words) or not at all.
 * @param fromBlock Where to begin to look, e.g. the deployment's start block.
 */
export async function settledProof(settlement: ChainAccess, asker: Address, number: bigint, fromBlock = 0n): Promise<SettledProof | undefined> {
  const args = { requestId: requestIdOf(asker, number) };
  const [event] = await settlement.client.getContractEvents({ ...contract(settlement), eventName: "ProofSettled", args, fromBlock, strict: true });
  return event?.args;
}

/**
 * Settles one request of `account`. Asked by a call first: what the chain would refuse is not sent.
 * @param keep Lets contracts ask for the answer later (`answers`), for about 22,300 gas.
 * @throws ProofRefused
 */
export async function settleProof(
  settlement: ChainAccess, wallet: WalletClient, account: Account, request: ProofRequest, { proof, words }: Pick<ProvedRequest, "proof" | "words">, keep = false,
): Promise<{ hash: Hex; gas: bigint; settled: SettledProof }> {
  const { client, chain } = settlement;
  const call = { ...contract(settlement), functionName: keep ? "settleAndKeep" : "settle", args: [request, proof, words], account, chain } as const;
  const { request: prepared } = await client.simulateContract(call).catch(refusal);
  const hash = await wallet.writeContract(prepared);
  const receipt = await client.waitForTransactionReceipt({ hash });
  const [event] = parseEventLogs({ abi: iProofSettlementAbi, eventName: "ProofSettled", logs: receipt.logs });
  if (receipt.status !== "success" || !event) throw new ProofRefused("reverted", `Transaction ${hash} reverted after a call had passed: the request may have been settled in between, or its deadline passed.`);
  return { hash, gas: receipt.gasUsed, settled: event.args };
}

/**
 * Settles requests of one model under a single key in one transaction. The chain is asked first; proofs that it does not take are found by
 * halves and left out.
 * @returns `refused`: places in `proved` that were left out. No transaction if nothing is left.
 * @throws ProofRefused for what is wrong with all of them: an unknown or frozen model, a deadline that has passed, a number that was used.
 */
export async function settleProofs(
  settlement: ChainAccess, wallet: WalletClient, account: Account, terms: ProofTerms, proved: readonly ProvedRequest[],
): Promise<{ hash?: Hex; gas?: bigint; refused: number[] }> {
  const { client, chain } = settlement;
  const place = proofPlace(settlement, account.address);
  const callOf = (places: readonly number[]) => {
    const { requests, proofs, words } = provedBatch(place, terms, places.map((index) => proved[index]!));
    return { ...contract(settlement), functionName: "settleBatch", args: [requests, proofs, words], account, chain } as const;
  };
  const accepts = async (places: readonly number[]): Promise<boolean> => {
    try {
      await client.simulateContract(callOf(places));
      return true;
    } catch (error) {
      if (aboutProofs(revertOf(error))) return false;
      return refusal(error);
    }
  };
  const { good, bad } = await bisect(proved.map((_, index) => index), accepts);
  if (good.length === 0) return { refused: bad };
  const { request } = await client.simulateContract(callOf(good)).catch(refusal);
  const hash = await wallet.writeContract(request);
  const receipt = await client.waitForTransactionReceipt({ hash });
  if (receipt.status !== "success") throw new ProofRefused("reverted", `Transaction ${hash} reverted after a call had passed: a request may have been settled in between, or the deadline passed.`);
  return { hash, gas: receipt.gasUsed, refused: bad };
}

function revertOf(error: unknown): { name: string; args: readonly unknown[] } | undefined {
  const revert = error instanceof BaseError ? error.walk((cause) => cause instanceof ContractFunctionRevertedError) : null;
  const data = revert instanceof ContractFunctionRevertedError ? revert.data : undefined;
  return data && { name: data.errorName, args: data.args ?? [] };
}

/** Says something about a proof of the batch, and not about the batch. Short gas says nothing about a proof. */
const aboutProofs = (revert: { name: string } | undefined): boolean =>
  revert?.name === "ProofSettlementInvalid" || (revert?.name.startsWith("Groth16") === true && revert.name !== "Groth16GasTooLow");

function refusal(error: unknown): never {
  const revert = revertOf(error);
  if (!revert) throw error;
  const [first, second] = revert.args;
  const advice: Record<string, () => string> = {
    ProofSettlementInvalid: () => "The proof does not prove this: it must be for this caller, number, model, beneficiary and deadline, and for exactly these words. `og zk request` prints the ctx to prove with.",
    ProofSettlementReplayed: () => `Request ${String((first as bigint) & ((1n << 96n) - 1n))} of this account was settled before. Take a new number and prove for that.`,
    ProofSettlementExpired: () => `The deadline ${String(first)} has passed (the chain's clock shows ${String(second)}). Choose a later one and prove for that.`,
    VerifierRouterNoVerifier: () => `Model ${String(first)} is not in the registry, or offers no proofs. See "og model list".`,
    VerifierRouterFrozen: () => `Proofs of model ${String(first)} are frozen until ${String(second)} (seconds). Try again then.`,
    VerifierRouterDevelopmentKey: () => `The model's key is a development key: anyone can forge its proofs, so chain ${String(second)} takes none.`,
    Groth16InputNotInField: () => `Public input ${String(first)} is not below the field's order.`,
    Groth16InputCount: () => `The model's key has another number of public inputs: ${String(first)} given, ${String(second)} expected, ctx included.`,
    Groth16ProofLength: () => `The proof has ${String(first)} bytes, which is not what the model's verifier takes.`,
    Groth16StatementOrder: () => `Two requests have the same statement.`,
  };
  throw new ProofRefused(revert.name, advice[revert.name]?.() ?? `The chain refuses it: ${revert.name}(${revert.args.map(String).join(", ")}).`);
}
