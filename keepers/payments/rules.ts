import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import type { Channel } from "@x402/evm/batch-settlement/server";
import type { Hex } from "viem";
import { type Terms, channelSalt } from "../../sdk/protocol/index.ts";
import { channelIdOf } from "../../sdk/payments/voucher.ts";
import { describeTerms } from "../../sdk/payments/wire.ts";
import { type ChannelBook, canChangeItsMind, unclaimedOf } from "./book.ts";

type ChannelConfig = Channel["channelConfig"];

export interface AdmissionRules {
  exposureCap: bigint;
  chainId: number;
  defaultTerms?: Terms;
}

/**
 * What the stock server does not ask of a channel. A refusal here comes before the channel's lock and before any call to the chain.
 * Side effect: the terms of a good channel are written down, claims need them.
 */
export function objectionToChannel(
  payment: PaymentPayload,
  requirements: PaymentRequirements,
  terms: Terms,
  book: ChannelBook,
  rules: AdmissionRules,
): { reason?: string; urgent?: string } {
  const config = (payment.payload as { channelConfig?: ChannelConfig }).channelConfig;
  if (!config || typeof config.salt !== "string" || !/^0x[0-9a-fA-F]{64}$/.test(config.salt)) return { reason: "invalid_payload" };
  const isDefault = BigInt(config.salt) === 0n;
  const { hash, json } = describeTerms(terms);
  // Salt 0 stands for the default terms: good for requests that are under these terms anyway.
  if (isDefault && (!rules.defaultTerms || describeTerms(rules.defaultTerms).hash !== hash)) return { reason: "TERMS_MISMATCH" };
  const clientNonce = (payment.accepted.extra as { clientNonce?: unknown } | undefined)?.clientNonce;
  if (!isDefault) {
    if (typeof clientNonce !== "string" || !/^0x[0-9a-fA-F]{64}$/.test(clientNonce)) return { reason: "TERMS_MISMATCH" };
    if (channelSalt(hash, clientNonce as Hex).toLowerCase() !== config.salt.toLowerCase()) return { reason: "TERMS_MISMATCH" };
  }

  const id = idOf(config, rules.chainId);
  if (!id) return { reason: "invalid_payload" };
  const known = book.bookedOf(id);
  if (known) {
    if (known.withdrawRequestedAt !== 0) return { reason: "WITHDRAWAL_PENDING", urgent: id };
    if (canChangeItsMind(known) && unclaimedOf(known) > 0n) return { reason: "CHANNEL_CAN_CHANGE_ITS_MIND", urgent: id };
    if (!known.termsHash) book.setTerms(id, hash, json, isDefault ? undefined : (clientNonce as Hex));
  }
  const exposure = exposureOf(book, config.payer);
  if (exposure + BigInt(requirements.amount) > rules.exposureCap) return { reason: "EXPOSURE_LIMIT", urgent: id };
  return {};
}

/** Delivered to a payer over all its channels, and not claimed. */
export function exposureOf(book: ChannelBook, payer: string): bigint {
  return book.unclaimedOfPayer(payer);
}

function idOf(config: ChannelConfig, chainId: number): string | undefined {
  try {
    return channelIdOf(config as Parameters<typeof channelIdOf>[0], chainId);
  } catch {
    return undefined;
  }
}
