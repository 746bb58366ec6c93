/** Receipts that payers' watchers leave here: verified, kept, compared with what is posted; what excludes another is shown to the chain. */
import { type Abi, type Hex, encodeFunctionData } from "viem";
import { termsChecker, recordLength, writeReceipt } from "../../../sdk/batch/index.ts";
import { BatchStatus, type InferenceReceipt, nameOf, type ProtocolDomain, receiptDigest } from "../../../sdk/protocol/index.ts";
import { verifyNodeSignature } from "../../../sdk/receipts/signatures.ts";
import { receiptFromJson, ReceiptFormatError } from "../../../sdk/receipts/wire.ts";
import { iFaultCourtAbi } from "../../../types/abi/IFaultCourt.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import { iNodeRegistryAbi } from "../../../types/abi/INodeRegistry.ts";
import { fatal, isKeeperError, messageOf } from "../../errors/index.ts";
import { intentKey } from "../../tx/index.ts";
import type { Platform } from "../platform.ts";
import type { DisputeDesk, OutputVerdict } from "./disputes.ts";
import type { Preimages } from "./preimages.ts";
import type { FullStore } from "./store.ts";
import { decideWatch, type Seen, type WatchState } from "./watch-plan.ts";
import { watchStore } from "./watch-store.ts";

/** Receipts that are kept at once; and of one payment. */
const MAX_KEPT = 100_000;
const MAX_OF_PAYMENT = 5_000;
const DAY_MS = 86_400_000;
/** Receipts that are compared again in one step. */
const PASS = 256;
const MILD = new Set(["tx.superseded", "tx.abandoned", "tx.reverted", "tx.cancelled", "tx.key_conflict"]);

export interface WatchReport {
  digest: Hex;
  state: WatchState;
  /** What is wrong with its charge by its own terms; null: nothing, or the terms are not known. Provable once it is posted. */
  overcharge: string | null;
  /** Whether the answer is the program's; only of requests in words whose opening was left here. */
  output?: OutputVerdict;
}

export interface Watcher {
  /** @throws `watch.bad_receipt`, `watch.bad_opening`, `watch.bad_signature`, `watch.unknown_key`, `watch.full` */
  receive(item: unknown): Promise<WatchReport>;
  report(digest: Hex): Promise<WatchReport | null>;
  /** Compares what is open again, and shows equivocation to the chain, once a key epoch. */
  step(): Promise<void>;
}

export interface WatcherDeps {
  platform: Platform;
  store: FullStore;
  domain: ProtocolDomain;
  preimages: Preimages;
  desk: Pick<DisputeDesk, "take" | "of">;
}

export function createWatcher({ platform, store: ledger, domain, preimages, desk }: WatcherDeps): Watcher {
  const { settlement, journal, clock, metrics, store } = platform;
  const logger = platform.logger.child({ part: "watch" });
  const kept = watchStore(store);
  const registry = { address: settlement.deployment.address("NodeRegistry"), abi: iNodeRegistryAbi } as const;
  const contract = { address: settlement.deployment.address("InferenceSettlement"), abi: iInferenceSettlementAbi } as const;
  const court = settlement.deployment.has("FaultCourt") ? settlement.deployment.address("FaultCourt") : null;
  let maxAge: bigint | undefined;

  async function receive(item: unknown): Promise<WatchReport> {
    const { receipt, signature } = parse(item);
    const digest = receiptDigest(receipt, domain);
    if (!kept.get(digest)) {
      const key = await settlement.client.readContract({ ...registry, functionName: "key", args: [receipt.keyId] }).catch(() => null);
      if (!key || key.nodeId.toLowerCase() !== receipt.nodeId) throw fatal("watch.unknown_key", `The registry knows no key ${receipt.keyId} of node ${receipt.nodeId}.`, { keyId: receipt.keyId });
      const publicKey = key.keyType === 1 ? key.signer : await settlement.client.readContract({ ...registry, functionName: "publicKey", args: [receipt.keyId] });
      if (!(await verifyNodeSignature(key.keyType, publicKey, digest, signature))) throw fatal("watch.bad_signature", "The signature is not the key's over this receipt, on this chain and contract.", { digest });
      if (kept.count() >= MAX_KEPT || kept.countOf(receipt.paymentId) >= MAX_OF_PAYMENT) throw fatal("watch.full", "This node keeps no more receipts of that payment now; another full node may.", {});
      kept.add({ digest, receipt, signature }, clock.now());
      metrics.count("watched_receipts_total");
    }
    const { opening } = item as { opening?: unknown };
    const output = opening === undefined ? undefined : desk.take(digest, receipt, opening);
    return { ...(await report(digest))!, ...(output ? { output } : {}) };
  }

  async function report(digest: Hex): Promise<WatchReport | null> {
    const mine = kept.get(digest);
    if (!mine) return null;
    const state = await compare(mine);
    const output = desk.of(digest);
    return { digest, state, overcharge: await overcharge(mine), ...(output ? { output } : {}) };
  }

  async function compare(mine: Seen): Promise<WatchState> {
    maxAge ??= (await settlement.client.readContract({ ...contract, functionName: "params" })).maxAge;
    const { paymentId, nodeId } = mine.receipt;
    const others = [...ledger.leavesOfPayment(paymentId, MAX_OF_PAYMENT), ...kept.ofPayment(paymentId, MAX_OF_PAYMENT)].filter(({ receipt }) => receipt.nodeId === nodeId);
    const leaf = ledger.leafByDigest(mine.digest);
    const header = leaf && ledger.header(leaf.headerHash);
    const posted = header && stands(header.status) ? { headerHash: header.hash, status: nameOf(BatchStatus, header.status) } : null;
    const stretches = ledger.stretchesOf(nodeId, paymentId).map(({ headerHash, status, stretch }) => ({ headerHash, status: nameOf(BatchStatus, status), from: stretch.from, to: stretch.to }));
    return decideWatch({ mine, others, posted, stretches, now: (await settlement.pool.head()).timestamp, maxAge });
  }

  async function overcharge({ receipt, signature }: Seen): Promise<string | null> {
    const checker = termsChecker(await preimages.of(receipt.nodeId, [receipt.termsHash]));
    const record = new Uint8Array(recordLength({ signatureLength: (signature.length - 2) / 2 }));
    writeReceipt(record, 0, { receipt, signature });
    return checker.record(record, 0, 0);
  }

  /** The court slashes once a key epoch; a second pair of the same key is not shown. */
  async function accuse(mine: Seen, against: Hex): Promise<void> {
    const other = kept.get(against) ?? ledger.leafByDigest(against);
    if (!court || !other || kept.isShown(mine.receipt.keyId) || kept.isShown(other.receipt.keyId)) return;
    const abi = iFaultCourtAbi as unknown as Abi;
    const [first, second] = mine.receipt.issuedAt <= other.receipt.issuedAt ? [mine, other] : [other, mine];
    try {
      const data = encodeFunctionData({ abi, functionName: "proveReceiptEquivocation", args: [first.receipt, first.signature, second.receipt, second.signature] });
      const key = intentKey(platform.name, settlement.chainId, court, "proveReceiptEquivocation", second.receipt.keyId);
      const { receipt } = await journal.submit({ key, chainId: settlement.chainId, to: court, data, label: "prove equivocation", abi, again: true });
      logger.warn({ node: second.receipt.nodeId, key: second.receipt.keyId, tx: receipt.transactionHash }, "equivocation is proved");
    } catch (error) {
      if (!isKeeperError(error) || !MILD.has(error.code)) throw error;
      logger.info({ node: second.receipt.nodeId, reason: messageOf(error) }, "equivocation was not taken: the key has paid already, or it is too old");
    }
    kept.markShown(second.receipt.keyId);
  }

  return {
    receive,
    report,
    async step() {
      kept.prune(clock.now() - 30 * DAY_MS);
      for (const mine of kept.open(PASS)) {
        const state = await compare(mine);
        kept.setState(mine.digest, state, clock.now());
        if (state.state === "equivocated") await accuse(mine, state.against);
        if (state.state === "omitted") logger.warn({ digest: mine.digest, node: mine.receipt.nodeId, passedBy: state.passedBy }, "a receipt was left out");
      }
    },
  };
}

const stands = (status: number): boolean => status === BatchStatus.Posted || status === BatchStatus.Certified || status === BatchStatus.Final;

function parse(item: unknown): { receipt: InferenceReceipt; signature: Hex } {
  const { receipt, signature } = (item ?? {}) as Record<string, unknown>;
  if (typeof signature !== "string" || !/^0x([0-9a-f]{2}){64,256}$/i.test(signature)) throw fatal("watch.bad_receipt", "Expected {receipt, signature}; the signature has 64, 65 or 256 bytes as hexadecimal.", {});
  try {
    return { receipt: receiptFromJson(receipt), signature: signature.toLowerCase() as Hex };
  } catch (error) {
    if (error instanceof ReceiptFormatError) throw fatal("watch.bad_receipt", error.message, {});
    throw error;
  }
}
