/** Folds that are claimed instead of computed (IGroth16FoldClaims): a sixth of the gas, a bond, and a window in which anyone may refute. */
import type { Account, Hex, TransactionReceipt, WalletClient } from "viem";
import { WEIGHT_LANES } from "../../circuits/compiler/index.ts";
import { planClaim } from "../../circuits/setup/fold-claim.ts";
import { groth16FoldAbi } from "../../types/abi/Groth16Fold.ts";
import type { ChainAccess } from "../network/network.ts";
import { type Fold, foldProgress } from "./fold.ts";

/** Chunks of one transaction: 64 words each, about 7 kB of calldata. */
const AT_ONCE = 8;

export type ClaimState =
  /** The key is folded. */
  | { state: "folded" }
  /** The window runs until `closesAt` (seconds, the chain's clock): then call again. */
  | { state: "waiting"; closesAt: number };

/**
 * Goes as far as a claim can go now: registers the circuit, posts, seals, or finishes and fetches the bond. Whatever an interrupted run has
 * sent is not sent again; a claim that was refuted or abandoned begins anew.
 * @param told Chunks that stand on chain.
 * @throws Error for committed weights: they are folded in one transaction.
 */
export async function claimOnChain(
  settlement: ChainAccess,
  wallet: WalletClient,
  account: Account,
  fold: Fold,
  mined: (hash: Hex) => Promise<TransactionReceipt>,
  told: (posted: number, chunks: number) => void = () => {},
): Promise<ClaimState> {
  const { client, chain } = settlement;
  const contract = { address: settlement.address("Groth16Fold"), abi: groth16FoldAbi } as const;
  const common = { ...contract, account, chain } as const;
  const { circuitHash, weightsHash, vkHash, how } = fold;
  if (how.kind === "constants") throw new Error("Committed weights are one word, folded in one transaction: there is nothing to claim.");
  if (await client.readContract({ ...contract, functionName: "isFolded", args: [vkHash, circuitHash, weightsHash] })) return { state: "folded" };
  const salt = weightsHash;
  if ((await foldProgress(settlement, account.address, circuitHash, salt)) === undefined) {
    const args = [how.base, how.chunkHashes, how.weights, WEIGHT_LANES.lanes, WEIGHT_LANES.laneBits] as const;
    const { request } = await client.simulateContract({ ...common, functionName: "registerCircuit", args });
    await mined(await wallet.writeContract(request));
  }

  const claim = () => client.readContract({ ...contract, functionName: "claimOf", args: [circuitHash, account.address, salt] });
  let posted = Number((await claim())[0]);
  const bond = await client.readContract({ ...contract, functionName: "CLAIM_BOND" });
  const { sums } = planClaim(how, WEIGHT_LANES);
  const joined = (parts: readonly Hex[]): Hex => `0x${parts.map((part) => part.slice(2)).join("")}`;
  while (posted < how.chunks.length) {
    const chunks = how.chunks.slice(posted, posted + AT_ONCE);
    const post = {
      points: joined(chunks.map(({ points }) => points)),
      weights: joined(chunks.map(({ weights }) => weights)),
      sums: `0x${sums.slice(2 + 128 * posted, 2 + 128 * (posted + chunks.length))}` as Hex,
    };
    const { request } = await client.simulateContract({ ...common, functionName: "postChunks", args: [circuitHash, salt, post], value: posted === 0 ? bond : 0n });
    await mined(await wallet.writeContract(request));
    posted += chunks.length;
    told(posted, how.chunks.length);
  }

  if ((await claim())[1] === 0) {
    const { request } = await client.simulateContract({ ...common, functionName: "sealClaim", args: [circuitHash, salt, how.base] });
    await mined(await wallet.writeContract(request));
  }
  const closesAt = (await claim())[1];
  if ((await client.getBlock()).timestamp < BigInt(closesAt)) return { state: "waiting", closesAt };
  const { request } = await client.simulateContract({ ...common, functionName: "finishClaim", args: [circuitHash, account.address, salt, how.base] });
  await mined(await wallet.writeContract(request));
  const credit = await client.simulateContract({ ...common, functionName: "withdrawCredit", args: [account.address] });
  await mined(await wallet.writeContract(credit.request));
  return { state: "folded" };
}
