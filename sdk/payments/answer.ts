import { decodePaymentResponseHeader } from "@x402/core/http";
import type { PaymentPayload, SettleResponse } from "@x402/core/types";
import type { Hex } from "viem";
import type { PayerChannel } from "./channels.ts";
import type { CheckedOffer } from "./offers.ts";
import type { PaidResponse, Payment, ReceiptView } from "./types.ts";
import { singlePaymentId } from "./wire.ts";

/** A request that was sent with a payment. */
export interface Sent {
  response: Response;
  offer: CheckedOffer;
  payment: PaymentPayload;
  channel: PayerChannel | undefined;
  /** Where the line stood. */
  before: bigint;
}

/** The answer does not fit what was signed; nothing more is signed on the channel. */
export class ChargeRefused extends Error {
  override readonly name = "ChargeRefused";
}

/** The caller's handle on an answer. Until it is confirmed or rejected the channel's next request waits. */
export function answerOf(
  input: (Sent & { leave(): void; balanceOf?: (() => Promise<bigint>) | undefined }) | { response: Response; free: true },
): PaidResponse {
  if ("free" in input) {
    return { response: input.response, confirm: () => Promise.reject(new Error("nothing was paid")), reject: () => Promise.resolve() };
  }
  const { response, offer, payment, channel, before, leave } = input;
  const deposited = depositOf(payment);
  let open = true;

  const close = async (change: () => Promise<void>): Promise<void> => {
    if (!open) return;
    open = false;
    try {
      await change();
    } finally {
      leave();
    }
  };
  const settled = settlementOf(response);

  const reject = (reason: string, options: { poison?: boolean } = {}) =>
    close(async () => {
      if (channel && options.poison) channel.poisoned = reason;
      // A deposit may be on chain although the answer failed: the chain knows.
      if (channel && deposited > 0n && input.balanceOf) await channel.move({ charged: before, balance: await input.balanceOf() });
    });

  const confirm = async (receipt: ReceiptView): Promise<Payment> => {
    if (!open) throw new ChargeRefused("this answer was confirmed or rejected already");
    const wrong = objectionToCharge(receipt, input);
    if (wrong) {
      await reject(wrong, { poison: true });
      throw new ChargeRefused(wrong);
    }
    await close(async () => {
      if (!channel) return;
      const balance = deposited > 0n ? ((await input.balanceOf?.()) ?? (await channel.balance()) + deposited) : undefined;
      await channel.move({ charged: before + receipt.charge, ...(balance === undefined ? {} : { balance }) });
    });
    const transaction = settled?.transaction;
    return {
      scheme: offer.scheme, paymentId: receipt.paymentId, charge: receipt.charge, cumulativeBefore: before, protected: channel !== undefined,
      ...(transaction ? { transaction: transaction as Hex } : {}),
    };
  };

  // A refused or failed request charged nothing: the queue goes on without the caller.
  const handled = response.ok ? undefined : reject(`the node answered ${response.status}`);
  handled?.catch(() => undefined);
  return {
    response, scheme: offer.scheme, ceiling: offer.amount, cumulativeBefore: before, termsHash: offer.termsHash,
    paymentId: channel?.paymentId ?? singlePaymentId(payment, Number(offer.requirements.network.split(":")[1])),
    confirm, reject,
  };
}

function objectionToCharge(receipt: ReceiptView, { offer, channel, before, response }: Sent): string | undefined {
  if (receipt.charge < 0n || receipt.charge > offer.amount) return `the receipt charges ${receipt.charge}, above the signed ceiling of ${offer.amount}`;
  if (receipt.termsHash.toLowerCase() !== offer.termsHash.toLowerCase()) return "the receipt is for other terms";
  if (channel) {
    if (receipt.paymentId.toLowerCase() !== channel.paymentId) return "the receipt is for another channel";
    if (receipt.cumulativeBefore !== before) return `the receipt starts at ${receipt.cumulativeBefore}, the channel stands at ${before}`;
  }
  const charged = (settlementOf(response)?.extra as { chargedAmount?: unknown } | undefined)?.chargedAmount;
  if (typeof charged === "string" && channel && BigInt(charged) !== receipt.charge) return "receipt and PAYMENT-RESPONSE name different charges";
  return undefined;
}

function settlementOf(response: Response): SettleResponse | undefined {
  const header = response.headers.get("PAYMENT-RESPONSE");
  return header ? decodePaymentResponseHeader(header) : undefined;
}

function depositOf(payment: PaymentPayload): bigint {
  const { type, deposit } = payment.payload as { type?: string; deposit?: { amount?: string } };
  return type === "deposit" && deposit?.amount ? BigInt(deposit.amount) : 0n;
}
