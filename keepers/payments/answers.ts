import { decodePaymentRequiredHeader } from "@x402/core/http";
import type { PlainResponse } from "./types.ts";

interface Refusal {
  status: number;
  code: string;
  message: string;
}

const busy: Refusal = { status: 409, code: "CHANNEL_BUSY", message: "Another request holds this channel; wait for it, or open a second channel." };

/** Reasons that this room gives; every other reason is the official packages' own word for a bad payment. */
const REFUSALS: Record<string, Refusal> = {
  PAYMENT_REUSED: { status: 409, code: "PAYMENT_REUSED", message: "This payment has served a request already; sign a new one." },
  EXPOSURE_LIMIT: { status: 429, code: "EXPOSURE_LIMIT", message: "Too much of yours is delivered and not claimed yet; try again after the next claim." },
  TERMS_MISMATCH: { status: 402, code: "TERMS_MISMATCH", message: "The channel's salt commits to other terms than this request has; open a channel for the offered terms." },
  WITHDRAWAL_PENDING: { status: 402, code: "PAYMENT_INVALID", message: "The payer has begun to withdraw from this channel; open a new one." },
  CHANNEL_CAN_CHANGE_ITS_MIND: { status: 402, code: "PAYMENT_INVALID", message: "Vouchers of this channel are checked by a contract at claim time; name a payerAuthorizer." },
  WRONG_RESOURCE: { status: 402, code: "PAYMENT_INVALID", message: "The payment names another resource than this request." },
  NOT_READY: { status: 503, code: "NOT_READY", message: "The payment could not be checked now. Nothing was charged; try again." },
  invalid_batch_settlement_evm_channel_busy: busy,
};

/** The gateway's error shape around an x402 refusal: headers stay, so that official clients go on. */
export function refusal(status: number, headers: Record<string, string>): PlainResponse {
  const required = Object.entries(headers).find(([name]) => name.toLowerCase() === "payment-required")?.[1];
  const reason = required ? decodePaymentRequiredHeader(required).error : undefined;
  if (!reason || reason === "Payment required") {
    return json(402, headers, "PAYMENT_REQUIRED", "This route is paid: sign one of the offers in PAYMENT-REQUIRED and send it as PAYMENT-SIGNATURE.");
  }
  const known = REFUSALS[reason];
  if (known) return json(known.status, { ...headers, ...(known.status === 402 ? {} : { "Retry-After": "1" }) }, known.code, known.message);
  return json(status, headers, "PAYMENT_INVALID", `The payment was refused: ${reason}.`, { reason });
}

export function json(status: number, headers: Record<string, string>, code: string, message: string, details?: unknown): PlainResponse {
  const error = { code, message, ...(details === undefined ? {} : { details }) };
  return { status, headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify({ error }) };
}
