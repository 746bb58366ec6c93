import type { HTTPProcessResult, ProcessSettleResultResponse } from "@x402/core/http";
import type { SettleResponse } from "@x402/core/types";
import type { Channel } from "@x402/evm/batch-settlement/server";
import type { Address, Hex } from "viem";
import type { Terms } from "../../sdk/protocol/index.ts";
import { describeTerms, encodeHeader, payerOfSingle } from "../../sdk/payments/wire.ts";
import { fatal } from "../errors/index.ts";
import type { ChannelBook } from "./book.ts";
import type { PaidRequest, Settlement, StoredReceipt } from "./types.ts";

type ChannelConfig = Channel["channelConfig"];

interface Common {
  result: Extract<HTTPProcessResult, { type: "payment-verified" }>;
  book: ChannelBook;
  settle(charge: bigint): Promise<ProcessSettleResultResponse>;
  requestId: string | undefined;
  terms: Terms;
}

/** A voucher whose channel is locked. */
export function paidVoucher(input: Common & { deposit: SettleResponse | undefined }): PaidRequest {
  const { result, book, deposit } = input;
  const payload = result.paymentPayload.payload as { channelConfig: ChannelConfig; voucher: { channelId: Hex } };
  const paymentId = payload.voucher.channelId.toLowerCase() as Hex;
  const channel = book.bookedOf(paymentId);
  if (!channel?.pendingRequest) throw fatal("payments.no_reservation", "The channel is not locked for this request.", { paymentId });
  const { pendingId } = channel.pendingRequest;
  const { sequence, cumulativeBefore } = book.reservationOf(pendingId);
  const { hash, json } = describeTerms(input.terms);
  if (!channel.termsHash) {
    const clientNonce = (result.paymentPayload.accepted.extra as { clientNonce?: Hex }).clientNonce;
    book.setTerms(paymentId, hash, json, BigInt(payload.channelConfig.salt) === 0n ? undefined : clientNonce);
  }
  const end = once(paymentId);
  return {
    scheme: "batch-settlement",
    paymentId,
    payer: payload.channelConfig.payer,
    ceiling: BigInt(result.paymentRequirements.amount),
    cumulativeBefore,
    sequence,
    termsHash: hash,
    protected: true,
    ...(deposit ? { transaction: deposit.transaction as Hex } : {}),
    async commit(charge, receipt) {
      end();
      checkCharge(charge, BigInt(result.paymentRequirements.amount));
      book.attach(pendingId, { charge, receipt, ...request(input.requestId) });
      const settled = await input.settle(charge).finally(() => book.detach(pendingId));
      if (!settled.success) throw settleFailed(settled);
      // The deposit of this request moved money on chain: official clients look for it here.
      const answer = deposit ? { ...bare(settled), transaction: deposit.transaction, amount: deposit.amount } : bare(settled);
      return settlement(input, answer, charge, deposit?.transaction);
    },
    async release(reason, receipt) {
      end();
      book.attach(pendingId, { charge: 0n, receipt, ...request(input.requestId) });
      await result.cancellationDispatcher.cancel({ reason: "handler_failed", error: reason });
      book.detach(pendingId);
    },
  };
}

/** An `upto` or `exact` payment that serves this request only. */
export function paidSingle(input: Common & { paymentId: Hex }): PaidRequest {
  const { result, book, paymentId } = input;
  const scheme = result.paymentRequirements.scheme as "upto" | "exact";
  const amount = BigInt(result.paymentRequirements.amount);
  const upfront = result.beforeHandlerSettlement?.result;
  if (upfront) book.answers.endSingle(paymentId, true);
  const end = once(paymentId);
  return {
    scheme,
    paymentId,
    payer: payerOfSingle(result.paymentPayload) as Address,
    ceiling: amount,
    cumulativeBefore: 0n,
    sequence: 0n,
    termsHash: describeTerms(input.terms).hash,
    protected: false,
    ...(upfront?.transaction ? { transaction: upfront.transaction as Hex } : {}),
    async commit(charge, receipt) {
      end();
      checkCharge(charge, amount);
      const paid = upfront ? amount : charge;
      if (paid === 0n) {
        book.answers.endSingle(paymentId, false);
        book.answers.store(paymentId, 0n, { charge: 0n, receipt, ...request(input.requestId) });
        return settlement(input, { success: true, transaction: "", network: result.paymentRequirements.network, amount: "0" }, 0n, undefined);
      }
      const settled = await input.settle(paid);
      if (!settled.success) {
        // A transfer that may still arrive keeps the payment taken: it must not serve twice.
        if (settled.errorReason !== "settlement_pending") book.answers.endSingle(paymentId, false);
        if (input.requestId) book.answers.finish(input.requestId, false);
        throw settleFailed(settled);
      }
      book.answers.endSingle(paymentId, true);
      book.answers.store(paymentId, 0n, { charge: paid, receipt, ...request(input.requestId) });
      return settlement(input, bare(settled), paid, settled.transaction);
    },
    async release(reason, receipt) {
      end();
      await result.cancellationDispatcher.cancel({ reason: "handler_failed", error: reason });
      // `exact` was paid upfront: it stays spent, and its receipt says that nothing was delivered.
      if (!upfront) book.answers.endSingle(paymentId, false);
      book.answers.store(paymentId, 0n, { charge: 0n, receipt, ...request(input.requestId) });
    },
  };
}

function settlement(input: Common, answer: SettleResponse, charge: bigint, transaction: string | undefined): Settlement {
  return {
    headers: { "PAYMENT-RESPONSE": encodeHeader(answer) },
    charge,
    ...(transaction ? { transaction: transaction as Hex } : {}),
  };
}

function bare(settled: ProcessSettleResultResponse): SettleResponse {
  const { headers: _, ...rest } = settled;
  const { requirements: __, ...answer } = rest as typeof rest & { requirements?: unknown };
  return answer as SettleResponse;
}

function request(id: string | undefined) {
  return id ? { request: { id } } : {};
}

function once(paymentId: Hex): () => void {
  let ended = false;
  return () => {
    if (ended) throw fatal("payments.ended", "This payment was committed or released already.", { paymentId });
    ended = true;
  };
}

function checkCharge(charge: bigint, ceiling: bigint): void {
  if (charge < 0n || charge > ceiling) throw fatal("payments.above_ceiling", "A charge cannot be above the ceiling that the payer signed.", { charge, ceiling });
}

function settleFailed(settled: ProcessSettleResultResponse) {
  const { errorReason, errorMessage } = settled as { errorReason?: string; errorMessage?: string };
  return fatal("payments.settle_failed", `The payment could not be settled: ${errorMessage ?? errorReason}.`, { reason: errorReason });
}

export type { StoredReceipt };
