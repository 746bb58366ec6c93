import { type Hex, bytesToHex } from "viem";
import {
  type InferenceReceipt,
  Outcome,
  type ProtocolDomain,
  receiptDigest,
  requestHash,
  responseHash,
} from "../../../sdk/protocol/index.ts";
import { receiptToJson } from "../../../sdk/receipts/wire.ts";
import type { Clock } from "../../clock/index.ts";
import type { PaidRequest } from "../../payments/types.ts";
import type { ReceiptKey } from "./key.ts";

/** What an answer was, before it is signed. */
export interface AnswerFacts {
  modelId: Hex;
  /** Committed request and answer; sdk/protocol/answers.ts. */
  request: unknown;
  content: string;
  kind: number;
  finish: number;
  outcome: number;
  charge: bigint;
  inputUnits: bigint;
  outputUnits: bigint;
}

/** A signed receipt as it is stored, settled and sent. */
export interface IssuedReceipt {
  receipt: InferenceReceipt;
  digest: Hex;
  signature: Hex;
  /** The `opengradient` object of the answer. */
  document: Record<string, unknown>;
}

/** Issues receipts of one key epoch. A receipt is signed once for its (payment, sequence), which the payment reserved before inference. */
export function receiptIssuer(options: { key: () => ReceiptKey; domain: ProtocolDomain; clock: Clock }) {
  const { key, domain, clock } = options;
  return async (paid: Pick<PaidRequest, "paymentId" | "termsHash" | "cumulativeBefore" | "sequence">, facts: AnswerFacts): Promise<IssuedReceipt> => {
    const signer = key();
    const salt = bytesToHex(clock.randomBytes(32));
    const receipt: InferenceReceipt = {
      nodeId: signer.nodeId,
      keyId: signer.keyId,
      modelId: facts.modelId,
      termsHash: paid.termsHash,
      requestHash: requestHash(salt, facts.request),
      responseHash: responseHash(salt, facts.kind, facts.finish, facts.content),
      paymentId: paid.paymentId,
      cumulativeBefore: paid.cumulativeBefore,
      charge: facts.outcome === Outcome.Error ? 0n : facts.charge,
      inputUnits: facts.inputUnits,
      outputUnits: facts.outputUnits,
      sequence: paid.sequence,
      issuedAt: BigInt(Math.floor(clock.now() / 1000)),
      outcome: facts.outcome,
    };
    const digest = receiptDigest(receipt, domain);
    const signature = await signer.sign(digest);
    const document = { receipt: receiptToJson(receipt), signature, salt, response: { kind: facts.kind, finish: facts.finish } };
    return { receipt, digest, signature, document };
  };
}
