import { decodePaymentSignatureHeader } from "@x402/core/http";
import type { FacilitatorClient } from "@x402/core/server";
import type { PaymentPayload, SettleResponse } from "@x402/core/types";
import type { Hex } from "viem";
import type { SchemeName } from "../../sdk/payments/types.ts";
import { messageOf } from "../errors/index.ts";
import type { SeenRequest } from "./answer-store.ts";
import { json } from "./answers.ts";
import type { Admission, GateRequest, Quote } from "./types.ts";

/** A client may sign a higher ceiling than asked, so that it can quote by itself and send a body once; not without bound. */
const MOST_ABOVE_QUOTE = 16n;

/**
 * A facilitator that fails without an answer may have sent the payment: its time ran out, or the line broke. Such a payment stays taken; it
 * may still arrive, and then it has paid once.
 */
export function cautious(facilitator: FacilitatorClient, onDoubt: (payment: PaymentPayload) => void): FacilitatorClient {
  return {
    verify: (payment, requirements) => facilitator.verify(payment, requirements),
    getSupported: () => facilitator.getSupported(),
    async settle(payment, requirements) {
      const pending = (message: string): SettleResponse => ({
        success: false, errorReason: "settlement_pending", errorMessage: message, transaction: "", network: requirements.network,
      });
      const answer = await facilitator.settle(payment, requirements).catch((error: unknown) => pending(messageOf(error)));
      if (!answer.success && answer.errorReason === "settlement_pending") onDoubt(payment);
      return answer;
    },
  };
}

/** What an offer asks: the ceiling, or what the payer has offered above it. */
export function amountOf(name: SchemeName, quote: Quote, offered: PaymentPayload | undefined): bigint {
  if (name === "exact" || offered?.accepted?.scheme !== name || !/^\d{1,39}$/.test(offered.accepted.amount)) return quote.ceiling;
  const amount = BigInt(offered.accepted.amount);
  return amount >= quote.ceiling && amount <= quote.ceiling * MOST_ABOVE_QUOTE ? amount : quote.ceiling;
}

/** The answer to an idempotency key that was seen before. */
export function repeated(seen: SeenRequest, bodyHash: Hex): Admission {
  if (seen.bodyHash !== bodyHash) {
    return { kind: "refused", response: json(409, {}, "IDEMPOTENCY_CONFLICT", "This payment identifier belongs to another request body.") };
  }
  if (seen.response) return { kind: "replay", response: seen.response };
  const message = seen.state === "open" ? "This request is being answered." : "This request was answered by a stream, which is not repeated; fetch its receipt.";
  return { kind: "refused", response: json(409, { "Retry-After": "1" }, "IDEMPOTENCY_CONFLICT", message) };
}

/** @returns undefined for a header that is missing or no payment. */
export function readPayment(request: GateRequest): PaymentPayload | undefined {
  const header = request.header("payment-signature");
  if (!header) return undefined;
  try {
    const payment = decodePaymentSignatureHeader(header);
    return typeof payment === "object" && payment !== null && typeof payment.payload === "object" && payment.payload !== null ? payment : undefined;
  } catch {
    return undefined;
  }
}

/** Unprotected payments are taken up to a cap. */
export function singleAboveCap(payment: PaymentPayload, singleCap: bigint | undefined): boolean {
  const { accepted } = payment;
  if (singleCap === undefined || accepted?.scheme === "batch-settlement" || !/^\d{1,39}$/.test(accepted?.amount ?? "")) return false;
  return BigInt(accepted.amount) > singleCap;
}

/** The path of a resource as a payment names it. */
export function pathOf(url: string): string {
  return URL.canParse(url) ? new URL(url).pathname : url;
}
