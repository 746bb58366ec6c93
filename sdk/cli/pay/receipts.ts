import { registryKey } from "../../network/nodes.ts";
import type { ChannelRecord } from "../../payments/channels.ts";
import { describeTerms } from "../../payments/wire.ts";
import { Outcome, nameOf } from "../../protocol/enums.ts";
import { receiptDigest } from "../../protocol/receipt.ts";
import { verifyNodeSignature } from "../../receipts/signatures.ts";
import { signedReceiptFromJson } from "../../receipts/wire.ts";
import type { PayWorld } from "./world.ts";

/** One receipt of a channel, with everything that is wrong about it. */
export interface ReceiptLine {
  sequence: bigint;
  digest: string;
  from: bigint;
  charge: bigint;
  inputUnits: bigint;
  outputUnits: bigint;
  outcome: string;
  issuedAt: bigint;
  problems: string[];
}

/** Sequences without a receipt after which the node has no more. */
const MAX_MISSING = 8;

/**
 * Fetches receipts in sequence until the node has no more. Checked: the key's signature, the key's node, payment, terms, sequence, and that
 * each interval begins where the one before ended. Commitments to request and answer need the payer's own copies; `og verify receipt` says so.
 */
export async function receiptLines(world: PayWorld, channel: ChannelRecord, { from, limit }: { from: bigint; limit: bigint }): Promise<ReceiptLine[]> {
  const { settlement } = world;
  const domain = { chainId: settlement.chain.id, verifyingContract: settlement.address("InferenceSettlement") };
  const terms = describeTerms(channel.terms).hash;
  const lines: ReceiptLine[] = [];
  let end: bigint | undefined = from === 0n ? 0n : undefined;
  let missing = 0;
  for (let sequence = from; sequence < from + limit; sequence++) {
    const stored = await world.receipt(channel, sequence);
    if (stored === undefined) {
      // A sequence is spent when its request never came to an answer.
      if (++missing > MAX_MISSING) break;
      continue;
    }
    missing = 0;
    const { receipt, signature } = signedReceiptFromJson(stored);
    const digest = receiptDigest(receipt, domain);
    const key = await registryKey(settlement, receipt.keyId, receipt.issuedAt);
    const problems: string[] = [];
    if (!(await verifyNodeSignature(key.keyType, key.publicKey, digest, signature))) problems.push("not signed by the key that the registry holds");
    if (key.nodeId !== receipt.nodeId || receipt.nodeId !== channel.terms.nodeId) problems.push("of another node");
    if (receipt.paymentId !== channel.paymentId) problems.push("of another payment");
    if (receipt.termsHash !== terms) problems.push("under other terms");
    if (receipt.sequence !== sequence) problems.push(`numbered ${receipt.sequence}`);
    if (end !== undefined && receipt.cumulativeBefore !== end) problems.push(`begins at ${receipt.cumulativeBefore}, the one before ended at ${end}`);
    end = receipt.cumulativeBefore + receipt.charge;
    lines.push({
      sequence, digest, from: receipt.cumulativeBefore, charge: receipt.charge, inputUnits: receipt.inputUnits, outputUnits: receipt.outputUnits,
      outcome: nameOf(Outcome, receipt.outcome), issuedAt: receipt.issuedAt, problems,
    });
  }
  return lines;
}
