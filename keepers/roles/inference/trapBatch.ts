/** A batch with one fault in it, made like any other of this node's: its own models, terms and prices, and payments that nobody made. */
import { type Hex, bytesToHex, hexToBytes, keccak256 } from "viem";
import { type Price, chargeOf, mostFor } from "../../../sdk/payments/tariff.ts";
import { type InferenceReceipt, Outcome, type ProtocolDomain, SettlementMode, Verification, compareReceipts, receiptDigest } from "../../../sdk/protocol/index.ts";
import { signDigest } from "../../../sdk/crypto/index.ts";
import type { Clock } from "../../clock/index.ts";
import type { ReceiptKey } from "./key.ts";
import type { PendingReceipt } from "./ledger.ts";

/** What a leaf's check finds; nothing of it shows in header, roots or sums. Names are those of sdk/batch's findings. */
export const TRAP_FAULTS = ["signature", "overcharge", "outcome"] as const;
export type TrapFault = (typeof TRAP_FAULTS)[number];

export interface TrapBatch {
  fault: TrapFault;
  /** Place of the bad leaf in the tree. */
  leaf: number;
  /** In the order of the tree. */
  receipts: PendingReceipt[];
}

/** A version that this node serves, with the terms of an attested answer in a batch. */
export interface TrapOffer {
  modelId: Hex;
  termsHash: Hex;
  price: Price;
}

/** Seconds over which a trap's receipts seem to have come. */
const SPREAD = 8;

export async function makeTrapBatch(offers: readonly TrapOffer[], key: ReceiptKey & { validFrom: bigint }, domain: ProtocolDomain, clock: Pick<Clock, "now" | "randomBytes">): Promise<TrapBatch> {
  const below = (limit: number): number => Number(BigInt(bytesToHex(clock.randomBytes(8))) % BigInt(limit));
  const bytes = (): Hex => bytesToHex(clock.randomBytes(32));
  const now = BigInt(Math.floor(clock.now() / 1_000));
  const fault = TRAP_FAULTS[below(TRAP_FAULTS.length)]!;
  const drafts: Omit<InferenceReceipt, "issuedAt">[] = [];
  for (let payment = 1 + below(4); payment > 0; payment--) {
    const { modelId, termsHash, price } = offers[below(offers.length)]!;
    const paymentId = bytes();
    // As if the payer had been here before.
    let cumulativeBefore = chargeOf(price, { input: 20n, output: 1n }) * BigInt(below(50));
    let sequence = BigInt(below(60));
    for (let count = 2 + below(8); count > 0; count--) {
      const [inputUnits, outputUnits] = [BigInt(1 + below(200)), BigInt(1 + below(60))];
      const charge = chargeOf(price, { input: inputUnits, output: outputUnits });
      drafts.push({ nodeId: key.nodeId, keyId: key.keyId, modelId, termsHash, requestHash: bytes(), responseHash: bytes(), paymentId, cumulativeBefore, charge, inputUnits, outputUnits, sequence: sequence++, outcome: Outcome.Complete });
      cumulativeBefore += charge;
    }
  }
  drafts.sort((a, b) => compareReceipts(a as InferenceReceipt, b as InferenceReceipt));
  const leaf = below(drafts.length);
  bend(drafts, leaf, fault, offers);
  const latest = now - BigInt(SPREAD) > key.validFrom ? SPREAD : 0;
  const receipts = await Promise.all(drafts.map(async (draft, index): Promise<PendingReceipt> => {
    const receipt = { ...draft, issuedAt: now - BigInt(Math.floor((latest * (drafts.length - 1 - index)) / drafts.length)) };
    const digest = receiptDigest(receipt, domain);
    // A signature of another key has the same form; only recovering it tells.
    const stranger = index === leaf && fault === "signature" ? hexToBytes(keccak256(clock.randomBytes(32))) : null;
    const signature = stranger ? bytesToHex(signDigest(hexToBytes(digest), stranger)) : await key.sign(digest);
    return { digest, receipt, signature, settlementMode: SettlementMode.Batch, verification: Verification.Tee, storedAt: clock.now() };
  }));
  return { fault, leaf, receipts };
}

function bend(drafts: Omit<InferenceReceipt, "issuedAt">[], leaf: number, fault: TrapFault, offers: readonly TrapOffer[]): void {
  const bad = drafts[leaf]!;
  if (fault === "outcome") bad.outcome = Outcome.Error;
  if (fault !== "overcharge") return;
  const { price } = offers.find(({ modelId, termsHash }) => modelId === bad.modelId && termsHash === bad.termsHash)!;
  const more = mostFor(price, bad.inputUnits, bad.outputUnits) + 1n - bad.charge;
  bad.charge += more;
  // What follows on the line moves with it: the sums hold.
  for (const later of drafts.slice(leaf + 1)) if (later.paymentId === bad.paymentId) later.cumulativeBefore += more;
}
