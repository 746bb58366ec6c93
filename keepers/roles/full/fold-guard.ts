/**
 * Watches claimed folds of weights into keys: a claim that nobody refutes within its window makes a key from which anything can be proved.
 * Each chunk that is posted is put to the contract by a call; it refutes false ones only, so whether it would is the whole judgement.
 */
import { type Abi, type Address, BaseError, ContractFunctionRevertedError, type Hex, encodeFunctionData, parseEventLogs } from "viem";
import { groth16FoldAbi } from "../../../types/abi/Groth16Fold.ts";
import { isKeeperError, messageOf, retryable } from "../../errors/index.ts";
import { kv } from "../../storage/index.ts";
import { intentKey } from "../../tx/index.ts";
import type { Platform } from "../platform.ts";
import { type Chunk, chunkCount, chunksOf, type CircuitSize, type Post, possibleLanes, postsIn, postsInTrace, type Sum, sumAt, type TraceCall } from "./fold-posts.ts";

/** Blocks in one question, and those that are read again because a reorganisation may have changed them. */
const CHUNK_OF_BLOCKS = 2_000n;
const OVERLAP = 64n;
const MILD = new Set(["tx.superseded", "tx.abandoned", "tx.reverted", "tx.cancelled", "tx.key_conflict"]);
const ZERO: Sum = { x: 0n, y: 0n };

/** What the contract says about a chunk; "other": these are not the bytes that were posted for it. "over": the claim cannot be refuted any more. */
type Answer = "false" | "true" | "other" | "over";
const ANSWERS: Record<string, Answer> = {
  Groth16ClaimHolds: "true", Groth16ClaimLeaf: "other", Groth16FoldChunk: "other", Groth16FoldWeights: "other", Groth16ClaimUnknown: "over", Groth16ClaimClosed: "over",
};

interface Posted {
  claimId: Hex;
  circuitHash: Hex;
  registrant: Address;
  salt: Hex;
  /** Chunks of the claim that were in after it. */
  posted: number;
  transaction: Hex;
}

export interface FoldGuard {
  /** Reads what was posted since, and refutes what is false. Nothing is passed over: a failure leaves the cursor where it was. */
  step(): Promise<void>;
  /** Fetches what refuting has earned. */
  withdraw(): Promise<void>;
}

export function createFoldGuard(platform: Platform): FoldGuard {
  const { settlement, signer, journal, metrics } = platform;
  if (!settlement.deployment.has("Groth16Fold")) return { step: async () => {}, withdraw: async () => {} };
  const logger = platform.logger.child({ part: "folds" });
  const facts = kv(platform.store);
  const fold = settlement.deployment.address("Groth16Fold");
  const contract = { address: fold, abi: groth16FoldAbi } as const;
  const abi = groth16FoldAbi as unknown as Abi;
  const judged = new Set<string>();

  const refutation = ({ circuitHash, registrant, salt }: Posted, { chunk, sums, points, weights }: Chunk) =>
    [{ circuitHash, registrant, salt, chunk: BigInt(chunk) }, sums, points, weights] as const;

  async function ask(posted: Posted, chunk: Chunk): Promise<Answer> {
    try {
      await settlement.client.simulateContract({ ...contract, functionName: "refute", account: signer.address, args: refutation(posted, chunk) });
      return "false";
    } catch (error) {
      const revert = error instanceof BaseError ? error.walk((cause) => cause instanceof ContractFunctionRevertedError) : null;
      const name = revert instanceof ContractFunctionRevertedError ? revert.data?.errorName : undefined;
      const answer = name === undefined ? undefined : ANSWERS[name];
      if (answer) return answer;
      throw retryable("folds.not_asked", `The chain cannot be asked about chunk ${chunk.chunk} of a claimed fold: ${name ?? messageOf(error)}.`, { claim: posted.claimId }, { cause: error });
    }
  }

  async function refute(posted: Posted, chunk: Chunk): Promise<void> {
    const { claimId, transaction, circuitHash, registrant, salt } = posted;
    logger.error({ claim: claimId, chunk: chunk.chunk, tx: transaction }, "a fold was claimed that is false");
    metrics.count("false_folds_total");
    const [, closesAt] = await settlement.client.readContract({ ...contract, functionName: "claimOf", args: [circuitHash, registrant, salt] });
    const data = encodeFunctionData({ abi, functionName: "refute", args: refutation(posted, chunk) });
    // A refuted claim may be posted again under the same id: then another transaction posts it.
    const key = intentKey(platform.name, settlement.chainId, fold, "refute", `${claimId}:${transaction}`);
    try {
      await journal.submit({ key, chainId: settlement.chainId, to: fold, data, label: "refute a claimed fold", abi, again: true, ...(closesAt > 0 ? { deadline: BigInt(closesAt) } : {}) });
    } catch (error) {
      if (!isKeeperError(error) || !MILD.has(error.code)) throw error;
      logger.info({ claim: claimId, reason: messageOf(error) }, "somebody else was first");
    }
  }

  const sumKey = (claimId: Hex, posted: number) => `folds.sum.${claimId}.${posted}`;
  function sumBefore(claimId: Hex, first: number): Sum | undefined {
    if (first === 0) return ZERO;
    const [x, y] = facts.get(sumKey(claimId, first))?.split(":").map(BigInt) ?? [];
    return x === undefined || y === undefined ? undefined : { x, y };
  }

  /** Undefined: `post` is not what the claim holds. */
  async function judgePost(posted: Posted, post: Post, circuit: CircuitSize): Promise<"done" | undefined> {
    const count = chunkCount(post);
    const first = posted.posted - count;
    const before = count > 0 && first >= 0 ? sumBefore(posted.claimId, first) : undefined;
    if (!before) return undefined;
    for (const lanes of possibleLanes(circuit)) {
      const chunks = chunksOf(post, circuit, lanes, first, before);
      for (const chunk of chunks ?? []) {
        const answer = await ask(posted, chunk);
        if (answer === "other") break;
        if (answer === "over") return "done";
        if (answer === "false") {
          await refute(posted, chunk);
          return "done";
        }
        if (chunk === chunks!.at(-1)) {
          // What the next post of this claim starts from.
          const last = sumAt(post, count - 1);
          facts.set(sumKey(posted.claimId, posted.posted), `${last.x}:${last.y}`);
          return "done";
        }
      }
    }
    return undefined;
  }

  async function judge(posted: Posted): Promise<void> {
    const [weights, chunks] = facts.get(`folds.circuit.${posted.circuitHash}`)?.split(":").map(Number) ?? [];
    if (weights === undefined || chunks === undefined) throw retryable("folds.circuit", "The circuit of a claimed fold is not known yet.", { circuit: posted.circuitHash });
    const mine = (post: Post) => post.circuitHash === posted.circuitHash && post.salt === posted.salt;
    const { input } = await settlement.client.getTransaction({ hash: posted.transaction });
    for (const post of postsIn(input).filter(mine)) if (await judgePost(posted, post, { weights, chunks })) return;
    for (const post of (await traced(posted.transaction)).filter(mine)) if (await judgePost(posted, post, { weights, chunks })) return;
    const [still] = await settlement.client.readContract({ ...contract, functionName: "claimOf", args: [posted.circuitHash, posted.registrant, posted.salt] });
    if (still < posted.posted) return;
    metrics.count("unread_folds_total");
    logger.error({ claim: posted.claimId, tx: posted.transaction }, "a claimed fold cannot be read: its posts stand in no calldata, and the endpoints give no trace (debug_traceTransaction)");
  }

  async function traced(transaction: Hex): Promise<Post[]> {
    try {
      return postsInTrace((await settlement.pool.request("debug_traceTransaction", [transaction, { tracer: "callTracer" }])) as TraceCall, fold);
    } catch (error) {
      logger.warn({ tx: transaction, reason: messageOf(error) }, "no trace of a post");
      return [];
    }
  }

  return {
    async step() {
      const head = (await settlement.pool.head()).number;
      const read = BigInt(facts.get("folds.block") ?? settlement.deployment.startBlock);
      const from = read > OVERLAP ? read - OVERLAP : 0n;
      const to = from + CHUNK_OF_BLOCKS < head ? from + CHUNK_OF_BLOCKS : head;
      const logs = parseEventLogs({ abi: groth16FoldAbi, logs: await settlement.client.getLogs({ address: fold, fromBlock: from, toBlock: to }) });
      for (const log of logs) {
        if (log.eventName === "Groth16CircuitRegistered") facts.set(`folds.circuit.${log.args.circuitHash}`, `${log.args.weights}:${log.args.chunks}`);
        if (log.eventName !== "Groth16ChunksPosted") continue;
        // The block as well: after a reorganisation the same transaction may hold for something else.
        const mark = `${log.blockHash}:${log.transactionHash}:${log.logIndex}`;
        if (judged.has(mark)) continue;
        await judge({ ...log.args, posted: Number(log.args.posted), transaction: log.transactionHash });
        if (judged.size > 10_000) judged.clear();
        judged.add(mark);
      }
      facts.set("folds.block", to.toString());
    },
    async withdraw() {
      const credit = await settlement.client.readContract({ ...contract, functionName: "creditOf", args: [signer.address] });
      if (credit === 0n) return;
      const head = await settlement.pool.head();
      const data = encodeFunctionData({ abi, functionName: "withdrawCredit", args: [signer.address] });
      const key = intentKey(platform.name, settlement.chainId, fold, "withdrawCredit", `${credit}:${head.number}`);
      await journal.submit({ key, chainId: settlement.chainId, to: fold, data, label: "withdraw refuted bonds", abi });
    },
  };
}
