import type { PaymentPayload, PaymentRequirements, VerifyResponse } from "@x402/core/types";
import { BatchSettlementEvmScheme, type BatchSettlementEvmSchemeServerConfig } from "@x402/evm/batch-settlement/server";
import { type Hex, zeroAddress } from "viem";
import { recoverSigner } from "../../sdk/crypto/index.ts";
import { voucherDigest } from "../../sdk/payments/voucher.ts";
import type { ChannelConfig } from "../../sdk/payments/types.ts";
import type { BookedChannel, ChannelBook } from "./book.ts";

export interface ChannelSchemeOptions extends Omit<BatchSettlementEvmSchemeServerConfig, "storage" | "onchainStateTtlMs"> {
  storage: ChannelBook;
  chainId: number;
  /** True while the book's copy of the chain is recent enough to decide on; otherwise the facilitator reads the chain. */
  isFresh(channel: BookedChannel): boolean;
}

const REASON = "invalid_batch_settlement_evm_";

/**
 * The official scheme, with the check of a known channel's voucher done from the book: one native signature recovery and
 * comparisons. Locks, charges and corrections stay the official code's. Its own local check is switched off by a lifetime
 * that is always over: it recovers in JavaScript, and it takes signatures that the contract refuses at claim time.
 */
export class ChannelScheme extends BatchSettlementEvmScheme {
  readonly #options: ChannelSchemeOptions;

  constructor(receiver: Hex, options: ChannelSchemeOptions) {
    super(receiver, { ...options, onchainStateTtlMs: -1 });
    this.#options = options;
    const official = this.schemeHooks.onBeforeVerify!;
    this.schemeHooks.onBeforeVerify = async (context) => {
      const answer = await official(context);
      if (answer) return answer;
      const payment = context.paymentPayload as PaymentPayload;
      const result = this.#check(payment, context.requirements as PaymentRequirements);
      if (!result) return undefined;
      this.mergeRequestContext(payment, { localVerify: true });
      return { skip: true, result };
    };
  }

  /** @returns undefined when the chain has to be asked: a deposit, a channel that is new here, or an old copy. */
  #check(payment: PaymentPayload, requirements: PaymentRequirements): VerifyResponse | undefined {
    const payload = payment.payload as unknown as { type: string; channelConfig: ChannelConfig; voucher: { channelId: Hex; maxClaimableAmount: string; signature: Hex } };
    if (payload.type !== "voucher" || payload.channelConfig.payerAuthorizer === zeroAddress) return undefined;
    const { channelConfig: config, voucher } = payload;
    const channel = this.#options.storage.bookedOf(voucher.channelId);
    if (!channel || !this.#options.isFresh(channel)) return undefined;

    const { payer } = config;
    const refuse = (reason: string): VerifyResponse => ({ isValid: false, invalidReason: REASON + reason, payer });
    const wrong = configObjection(config, requirements);
    if (wrong) return refuse(wrong);
    const ceiling = BigInt(voucher.maxClaimableAmount);
    const signer = recoverSigner(voucherDigest(voucher.channelId, ceiling, this.#options.chainId), voucher.signature);
    if (signer !== config.payerAuthorizer.toLowerCase()) return refuse("voucher_signature");
    if (ceiling > BigInt(channel.balance)) return refuse("cumulative_exceeds_balance");
    if (ceiling <= BigInt(channel.totalClaimed)) return refuse("cumulative_below_claimed");
    const { balance, totalClaimed, withdrawRequestedAt, refundNonce } = channel;
    return { isValid: true, payer, extra: { channelId: voucher.channelId, balance, totalClaimed, withdrawRequestedAt, refundNonce: String(refundNonce) } };
  }
}

/** The channel pays this receiver, under this authorizer, in this token, with the offered delay. The official hook has tied config and id. */
function configObjection(config: ChannelConfig, { payTo, asset, extra }: PaymentRequirements): string | undefined {
  const { receiverAuthorizer, withdrawDelay } = (extra ?? {}) as { receiverAuthorizer?: string; withdrawDelay?: number };
  if (!same(config.receiver, payTo)) return "receiver_mismatch";
  if (!receiverAuthorizer || !same(config.receiverAuthorizer, receiverAuthorizer)) return "receiver_authorizer_mismatch";
  if (!same(config.token, asset)) return "token_mismatch";
  return config.withdrawDelay === withdrawDelay ? undefined : "withdraw_delay_mismatch";
}

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

