/** Individual settlements into the ledger, receipt by receipt. */
import { hexToBytes, size, zeroHash } from "viem";
import { type BatchFault, recordLength, termsChecker, writeReceipt } from "../../../sdk/batch/index.ts";
import { type SettlementCall, settlementsIn, stretchesOfCall } from "../../../sdk/network/settlements.ts";
import { BatchStatus, headerHash, type ProtocolDomain, receiptDigest, receiptLeaf, termsHash } from "../../../sdk/protocol/index.ts";
import type { Platform } from "../platform.ts";
import type { Judge } from "./judge.ts";
import type { Preimages } from "./preimages.ts";
import type { FullStore, HeaderRow } from "./store.ts";

export interface SettlementDeps {
  platform: Platform;
  store: FullStore;
  domain: ProtocolDomain;
  judge: Judge;
  preimages: Preimages;
}

/** Indexes individual settlements, oldest first. Returns whether there may be more. */
export async function indexSettlements(deps: SettlementDeps): Promise<boolean> {
  const rows = deps.store.unindexed(32);
  for (const row of rows) await indexOne(deps, row);
  return rows.length === 32;
}

async function indexOne(deps: SettlementDeps, row: HeaderRow): Promise<void> {
  const { platform, store, domain } = deps;
  const { settlement, clock, logger } = platform;
  const { hash, header, txHash } = row;
  const { input } = await settlement.client.getTransaction({ hash: txHash });
  const chain = { nonce: header.nonce, prevHeader: store.headerAt(header.nodeId, header.nonce - 1n) ?? zeroHash };
  const call = settlementsIn(input, chain, domain).find((found) => headerHash(found.header, domain) === hash);
  if (!call) logger.warn({ header: hash, tx: txHash }, "the settling call is not readable: its receipts are not indexed");
  // The contract has verified every receipt in the posting call. A header with vanilla receipts is only Posted: prices are left to check.
  const pending = row.status === BatchStatus.Posted || row.status === BatchStatus.Certified;
  const found = pending && call ? await judgeCall(deps, call) : { fault: null, unjudged: pending ? "the settling call is not readable" : null };
  store.transaction(() => {
    if (call) store.completeHeader(hash, call.header);
    call?.items.forEach(({ receipt, signature }, index) => {
      const digest = receiptDigest(receipt, domain);
      store.addLeaf(hash, index, hexToBytes(digest), hexToBytes(receiptLeaf(digest, signature)), { receipt, signature });
    });
    if (call) stretchesOfCall(call).forEach((stretch, index) => store.addStretch(hash, index, stretch));
    const overlap = pending && call ? store.overlapOf({ ...row, header: call.header }) : null;
    const fault: BatchFault | null = overlap ? { kind: "overlap", index: null, detail: `stretch ${overlap.here} overlaps stretch ${overlap.there} of ${overlap.other}` } : found.fault;
    const verdict = fault ? "faulty" : found.unjudged ? "unjudged" : "valid";
    const shown = fault ?? (found.unjudged ? { kind: "unjudged", index: null, detail: found.unjudged } : null);
    store.saveCheck({ headerHash: hash, verdict, fault: shown, leaves: call?.items.length ?? 0, seconds: 0 }, clock.now());
  });
}

/** Charges against the tariffs behind the call's terms, as for a batch. */
async function judgeCall({ judge, preimages }: SettlementDeps, { header, terms, items }: SettlementCall): Promise<{ fault: BatchFault | null; unjudged: string | null }> {
  const { tariffs } = await preimages.of(header.nodeId, terms.map(termsHash));
  const checker = termsChecker({ terms, tariffs });
  for (const [index, item] of items.entries()) {
    const record = new Uint8Array(recordLength({ signatureLength: size(item.signature) }));
    writeReceipt(record, 0, item);
    const detail = checker.record(record, 0, index);
    if (detail) return { fault: { kind: "overcharge", index, detail }, unjudged: null };
  }
  const { fault, unjudged } = await judge.judge(header.nodeId, checker.uses());
  return { fault, unjudged: fault ? null : (checker.unjudged() ?? unjudged) };
}
