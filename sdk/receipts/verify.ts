import type { Hex } from "viem";
import { requestHash, responseHash } from "../protocol/commitments.ts";
import type { ProtocolDomain } from "../protocol/domain.ts";
import { Outcome } from "../protocol/enums.ts";
import { receiptDigest } from "../protocol/receipt.ts";
import { verifyNodeSignature } from "./signatures.ts";
import type { SignedReceipt } from "./wire.ts";

/** A key epoch as the registry holds it. */
export interface RegistryKey {
  nodeId: Hex;
  keyId: Hex;
  keyType: number;
  publicKey: Hex;
  /** Whether a receipt issued at `issuedAt` counts; the registry's keyValidAt. */
  valid: boolean;
}

/** What the client knows for itself; a receipt is compared with it, never believed. */
export interface Expectation {
  domain: ProtocolDomain;
  key: RegistryKey;
  modelId: Hex;
  termsHash: Hex;
  paymentId: Hex;
  /** End of what this payment's earlier receipts used. */
  cumulativeBefore: bigint;
  /** Most that this request may cost. */
  ceiling: bigint;
  /** Lowest sequence number that this payment has not used yet; failed requests use one up too. */
  nextSequence: bigint;
  /** The request's body without transport-only fields. */
  request: unknown;
  /** The answer's committed bytes; see docs/engineer/gateway.md. */
  response: string | Uint8Array;
  /** Client's clock, seconds. */
  now: bigint;
}

export interface Check {
  id: string;
  ok: boolean;
  text: string;
}

/** Seconds that a node's clock may differ from the client's. */
const MAX_SKEW = 30n;
/** Seconds that an answer may have been on its way. */
const MAX_AGE = 3_600n;

/** Every check of a receipt, in words, whether it holds or not. All of them must hold, or the answer is refused with `ReceiptError`. */
export async function checkReceipt({ receipt, signature, salt, response }: SignedReceipt, expected: Expectation): Promise<Check[]> {
  const digest = receiptDigest(receipt, expected.domain);
  const equal = (id: string, actual: unknown, wanted: unknown, what: string): Check => ({
    id,
    ok: actual === wanted,
    text: actual === wanted ? `${what} is the expected one` : `${what} is ${String(actual)}, expected ${String(wanted)}`,
  });
  const signed = await verifyNodeSignature(expected.key.keyType, expected.key.publicKey, digest, signature);
  const fresh = receipt.issuedAt <= expected.now + MAX_SKEW && receipt.issuedAt + MAX_AGE >= expected.now;
  return [
    equal("node", receipt.nodeId, expected.key.nodeId, "the node"),
    equal("key", receipt.keyId, expected.key.keyId, "the key epoch"),
    { id: "key-valid", ok: expected.key.valid, text: expected.key.valid ? "the registry holds the key as valid" : "the registry does not hold the key as valid" },
    { id: "signature", ok: signed, text: signed ? "the node's attested key signed the receipt" : "the signature is not by the node's attested key" },
    equal("model", receipt.modelId, expected.modelId, "the model version"),
    equal("terms", receipt.termsHash, expected.termsHash, "the terms"),
    equal("payment", receipt.paymentId, expected.paymentId, "the payment"),
    equal("line", receipt.cumulativeBefore, expected.cumulativeBefore, "the start on the payment's line"),
    {
      id: "sequence",
      ok: receipt.sequence >= expected.nextSequence,
      text: `sequence number ${receipt.sequence}, ${expected.nextSequence} or later expected`,
    },
    equal("request", receipt.requestHash, requestHash(salt, expected.request), "the committed request"),
    equal("response", receipt.responseHash, responseHash(salt, response.kind, response.finish, expected.response), "the committed response"),
    { id: "charge", ok: receipt.charge <= expected.ceiling, text: `charged ${receipt.charge} of at most ${expected.ceiling}` },
    {
      id: "outcome",
      ok: receipt.outcome !== Outcome.Error || receipt.charge === 0n,
      text: receipt.outcome === Outcome.Error ? `an error was charged ${receipt.charge}` : "the outcome fits the charge",
    },
    { id: "time", ok: fresh, text: `issued ${expected.now - receipt.issuedAt} s ago by the client's clock` },
  ];
}

/** The receipt does not hold: every failed check in words. */
export class ReceiptError extends Error {
  readonly code = "RECEIPT_REFUSED";
  readonly checks: Check[];
  constructor(checks: Check[]) {
    const failed = checks.filter((check) => !check.ok);
    super(
      `the answer's receipt is refused: ${failed.map((check) => check.text).join("; ")}. ` +
        "Do not pay this node again; keep the receipt, it is evidence (og verify receipt FILE).",
    );
    this.name = "ReceiptError";
    this.checks = checks;
  }
}
