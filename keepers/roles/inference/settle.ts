import { type Address, type Hex, concatHex, encodeFunctionData, hexToBigInt, keccak256, numberToHex, zeroHash } from "viem";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import { BATCH_FORMAT } from "../../../sdk/batch/index.ts";
import {
  BatchStatus,
  type ProtocolDomain,
  type Terms,
  Verification,
  encodeRun,
  headerHash,
  runOf,
  prevHeaderOf,
} from "../../../sdk/protocol/index.ts";
import type { Clock } from "../../clock/index.ts";
import { fatal } from "../../errors/index.ts";
import type { Logger } from "../../logger/index.ts";
import { type Journal, intentKey } from "../../tx/index.ts";
import type { WalrusClient } from "../../walrus/index.ts";
import type { ChainAccess } from "../platform.ts";
import { batchBlob } from "./blobs.ts";
import type { ReceiptKey } from "./key.ts";
import type { InferenceLedger, PendingReceipt, StoredHeader } from "./ledger.ts";
import { refusedProofs } from "./proofCheck.ts";
import { type BatchPolicy, type Plan, buildHeader, planHeader } from "./plan.ts";
import type { TrapWork } from "./traps.ts";

export interface SettleDeps {
  ledger: InferenceLedger;
  journal: Journal;
  settlement: ChainAccess;
  domain: ProtocolDomain;
  /** A key epoch of this process; undefined for one whose key died with an earlier process. */
  keyById(keyId: Hex): ReceiptKey | undefined;
  walrus: WalrusClient;
  /** Notes a stored blob for renewal. */
  keepBlob?: (blobId: Hex, contentHash: Hex) => void;
  /** Where the payments' money stands. */
  place: { paymentChainId: bigint; escrow: Address };
  policy: BatchPolicy;
  /** Planted headers, where this node plants some. */
  traps?: TrapWork;
  clock: Clock;
  log: Logger;
}

/** Receipts that one pass looks at. */
const PASS = 5_000;

/**
 * Brings receipts to the settlement chain, one header after another: the contract takes only the next nonce, so the next
 * header is signed when the last one is on chain. Each pass continues what an earlier one, or an earlier process, began.
 * @returns True when there is more to do at once. One pass runs at a time; with `everything`, receipts are due that have not waited yet.
 */
export function settlementPass(deps: SettleDeps): (options?: { everything?: boolean }) => Promise<boolean> {
  const { ledger, clock, log, settlement } = deps;
  const oldestTaken = oldestTakenBy(settlement);
  let running: Promise<unknown> = Promise.resolve();
  return (options = {}) => {
    const next = running.catch(() => undefined).then(() => pass(options.everything ? { ...deps.policy, idleMs: 0, ageMs: 0, proofWaitMs: 0 } : deps.policy, !options.everything));
    running = next;
    return next;
  };

  async function pass(policy: BatchPolicy, planting: boolean): Promise<boolean> {
    const last = ledger.lastHeader();
    if (last?.state === "signed") {
      if (!(await takenBack(deps, last, await oldestTaken()))) await submit(deps, last);
      return true;
    }
    await refreshPosted(deps);
    const expired = ledger.expire(await oldestTaken());
    if (expired > 0) log.error({ count: expired }, "receipts grew too old for any header; they wait for the payers' Acks");
    const plan = planHeader(ledger.pending(PASS), clock.now(), policy);
    if (!plan) return planting && (await plantNext(deps, last));
    const keyId = plan.receipts[0]!.receipt.keyId;
    const signer = deps.keyById(keyId);
    if (!signer) {
      // The enclave that signed these receipts is gone and its key with it. The payers' Acks still release their money.
      const count = ledger.setAside(keyId);
      log.error({ keyId, count }, "receipts of a lost key cannot be settled; they wait for the payers' Acks");
      return true;
    }
    // A signed header is the next or none: one with a proof that the chain refuses would be the node's last.
    const refused = await refusedProofs(settlement, plan.receipts);
    for (const { digest, receipt } of refused) {
      ledger.failProof(digest, "proving.refused_on_chain");
      log.error({ digest, modelId: receipt.modelId }, "the chain refuses a proof; its receipt is not settled");
    }
    if (refused.length > 0) return true;
    const stored = await signNext(deps, plan, signer, last);
    log.info({ nonce: stored.nonce, kind: stored.kind, receipts: stored.header.count, header: stored.hash }, "header signed");
    await submit(deps, stored);
    return true;
  }
}

/** Earliest issuedAt that the chain still takes, by its own clock. */
function oldestTakenBy({ client, deployment, pool }: ChainAccess): () => Promise<bigint> {
  let maxAge: bigint | undefined;
  return async () => {
    maxAge ??= (await client.readContract({ address: deployment.address("InferenceSettlement"), abi: iInferenceSettlementAbi, functionName: "params" })).maxAge;
    return (await pool.head()).timestamp - maxAge;
  };
}

/**
 * A header waits while the chain takes none: a stop of the guardian's may outlast what receipts may be old. The chain's clock never goes back,
 * so a header past it will not be taken whatever happens, and would block the node's line for good: another one gets its nonce.
 * @returns Whether there is nothing to send.
 */
async function takenBack(deps: SettleDeps, { nonce, hash, header }: StoredHeader, oldest: bigint): Promise<boolean> {
  const { ledger, log, traps } = deps;
  // A trap's receipts are nobody's; its own work says when it is too late for it.
  if (traps?.isTrap({ nonce, hash }) || header.minIssuedAt >= oldest - BigInt(CLOCK_MARGIN)) return false;
  // It may stand there already, and this process ended before it was noted.
  if ((await tipOf(deps, header.nodeId)) !== nonce - 1n) return false;
  ledger.takeBack(nonce);
  log.error({ nonce, header: hash, receipts: header.count }, "a header was not taken until it was too old; what is young enough of it goes into the next");
  return true;
}

/** A planted header takes its turn when no receipt waits for one. */
async function plantNext(deps: SettleDeps, last: StoredHeader | undefined): Promise<boolean> {
  const trap = await deps.traps?.due();
  if (!trap) return false;
  await submit(deps, await signNext(deps, trap.plan, trap.signer, last, trap.keep));
  return true;
}

async function signNext(deps: SettleDeps, plan: Plan, signer: ReceiptKey, last: StoredHeader | undefined, keep?: (stored: StoredHeader) => void): Promise<StoredHeader> {
  const { ledger, domain } = deps;
  const receipts = plan.receipts;
  const { keyId } = signer;
  const chain = { nodeId: signer.nodeId, keyId, nonce: (last?.nonce ?? 0n) + 1n, prevHeader: prevHeaderOf(last?.hash ?? zeroHash, await slotFor(deps, signer.nodeId)) };
  await assertTip(deps, chain.nodeId, chain.nonce - 1n);
  const place = () => deps.place;
  let built = buildHeader(plan, chain, place);
  if (plan.kind === "batch") {
    const bytes = await batchBlob(ledger, chain, receipts, built.stretches);
    // Read back before it is named on chain: a root whose data nobody can fetch costs the lock.
    const { blobId } = await deps.walrus.storeAndReadBack(bytes);
    const contentHash = keccak256(bytes);
    deps.keepBlob?.(blobId, contentHash);
    built = buildHeader(plan, chain, place, { blobId, contentHash, format: BATCH_FORMAT });
  }
  const hash = headerHash(built.header, domain);
  const stored: StoredHeader = { nonce: chain.nonce, hash, kind: plan.kind, state: "signed", signature: await signer.sign(hash), ...built };
  ledger.addHeader(stored, receipts.map((entry) => entry.digest), keep && (() => keep(stored)));
  return stored;
}

/** Seconds that the chain's clock may be behind ours. */
const CLOCK_MARGIN = 60;

/**
 * Number of the slot that keeps the next header: the one used longest ago if it is free again, which costs 5,000 gas instead of 22,100;
 * else a new one.
 */
async function slotFor({ ledger, settlement, clock }: SettleDeps, nodeId: Hex): Promise<bigint> {
  const { used, oldest } = ledger.slots();
  if (oldest !== undefined) {
    const [, freeAt] = await settlement.client.readContract({
      address: settlement.deployment.address("InferenceSettlement"), abi: iInferenceSettlementAbi, functionName: "numberedSlot", args: [nodeId, oldest],
    });
    if (clock.now() / 1_000 > Number(freeAt) + CLOCK_MARGIN) return oldest;
  }
  return used + 1n;
}

/** A store that is behind the chain was restored from a copy: signing on would equivocate. */
async function assertTip(deps: SettleDeps, nodeId: Hex, nonce: bigint): Promise<void> {
  const onChain = await tipOf(deps, nodeId);
  if (onChain !== nonce) {
    throw fatal("settlement.tip", `The chain has seen header ${onChain} of this node, the store has ${nonce}. Restore the newest copy of the store; nothing was signed.`, { onChain, nonce });
  }
}

/** Nonce of the node's last header on chain. */
async function tipOf({ settlement }: SettleDeps, nodeId: Hex): Promise<bigint> {
  const [nonce] = await settlement.client.readContract({ address: settlement.deployment.address("InferenceSettlement"), abi: iInferenceSettlementAbi, functionName: "tip", args: [nodeId] });
  return nonce;
}

async function submit(deps: SettleDeps, stored: StoredHeader): Promise<void> {
  const { ledger, journal, settlement, log, traps } = deps;
  if (traps && !(await traps.mayPost(stored))) return;
  const to = settlement.deployment.address("InferenceSettlement");
  const method = stored.kind === "batch" ? "postBatch" : "settle";
  const { hash, receipt } = await journal.submit({
    key: intentKey("inference", settlement.chainId, to, method, stored.hash),
    chainId: settlement.chainId,
    to,
    data: stored.kind === "batch" ? postBatchCall(stored) : settleCall(deps, stored),
    abi: iInferenceSettlementAbi,
    label: method,
    // It is the next header or none: what refused it for a while, a stop of the guardian's or a bond that was short, must not be the end.
    again: true,
  });
  ledger.setHeaderState(stored.nonce, "posted");
  log.info({ header: stored.hash, nonce: stored.nonce, tx: hash, gas: receipt.gasUsed }, `${method} mined`);
}

function postBatchCall({ header, signature }: StoredHeader): Hex {
  return encodeFunctionData({ abi: iInferenceSettlementAbi, functionName: "postBatch", args: [header, signature, false] });
}

function settleCall({ ledger }: SettleDeps, stored: StoredHeader): Hex {
  const { nonce, header, signature, stretches } = stored;
  const entries = ledger.receiptsOf(nonce);
  const hashes = [...new Set(entries.map((entry) => entry.receipt.termsHash))];
  const terms = hashes.map((hash): Terms => {
    const known = ledger.terms(hash);
    if (!known) throw fatal("settlement.terms", `The terms ${hash} of a receipt are not in the store.`, { hash });
    return known;
  });
  const run = terms.length === 1 ? runCall(stored, entries, terms[0]!) : null;
  if (run) return run;
  const items = entries.map(({ receipt, signature: own, proof }) => ({
    receipt,
    signature: own,
    terms: hashes.indexOf(receipt.termsHash),
    proof: proof?.bytes ?? "0x",
    publicInputs: proof?.publicInputs ?? [],
  }));
  const places = stretches.map(({ paymentChainId, escrow }) => ({ paymentChainId, escrow }));
  return encodeFunctionData({
    abi: iInferenceSettlementAbi,
    functionName: "settle",
    args: [{ header, signature, terms, places, items, fullBond: false }],
  });
}

/** The cheaper call for receipts of one model and one set of terms, whose proofs are checked as one; null if it cannot say this. */
function runCall(stored: StoredHeader, entries: readonly PendingReceipt[], terms: Terms): Hex | null {
  const proofs = entries.flatMap(({ proof }) => proof ?? []);
  if (proofs.length !== (terms.verification === Verification.Tee ? 0 : entries.length)) return null;
  // A verifier takes statements in ascending order of their hash.
  const order = entries.map((_, index) => index).sort((a, b) => (statementOf(entries[a]!) < statementOf(entries[b]!) ? -1 : 1));
  const run = runOf(stored, entries, terms, entries.map((_, index) => order.indexOf(index)));
  if (!run) return null;
  const bytes = encodeRun(run);
  if (proofs.length === 0) return encodeFunctionData({ abi: iInferenceSettlementAbi, functionName: "settleRun", args: [bytes] });
  const sorted = order.map((index) => entries[index]!.proof!);
  const statements = sorted.flatMap(({ publicInputs }) => publicInputs);
  return encodeFunctionData({ abi: iInferenceSettlementAbi, functionName: "settleProvedRun", args: [bytes, concatHex(sorted.map((proof) => proof.bytes)), statements] });
}

/** keccak256 of a receipt's public inputs. */
function statementOf({ proof }: PendingReceipt): bigint {
  return proof ? hexToBigInt(keccak256(concatHex(proof.publicInputs.map((input) => numberToHex(input, { size: 32 }))))) : 0n;
}

/** Looks after headers that are on chain and not final yet. */
async function refreshPosted({ ledger, settlement, log, traps }: SettleDeps): Promise<void> {
  for (const { nonce, hash, header } of ledger.headersIn("posted")) {
    const status = await settlement.client.readContract({
      address: settlement.deployment.address("InferenceSettlement"),
      abi: iInferenceSettlementAbi,
      functionName: "status",
      args: [header],
    });
    if (status === BatchStatus.Final) ledger.setHeaderState(nonce, "done");
    if (status === BatchStatus.Rejected || status === BatchStatus.RejectedNoFault) {
      ledger.setHeaderState(nonce, "failed");
      if (!traps?.isTrap({ nonce, hash })) log.error({ header: hash, status }, "a header of this node was rejected");
    }
  }
}
