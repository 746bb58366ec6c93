import type { PaymentRequired, PaymentRequirements } from "@x402/core/types";
import { type Address, type Hex, isAddress } from "viem";
import { SettlementMode, type Terms } from "../protocol/index.ts";
import type { Network, SchemeName } from "./types.ts";
import { describeTerms, termsFromJson } from "./wire.ts";

/** What a payer accepts of an offer; everything else is refused before anything is signed. */
export interface OfferPolicy {
  network: Network;
  /** Tokens that may be spent. */
  tokens: readonly Address[];
  /** Escrows that may be paid (from the deployment, never from the offer). */
  escrows: readonly Address[];
  /** Inboxes whose certificates the payer trusts. */
  inboxes: readonly Address[];
  /** Seconds; a channel with less is refused. */
  minWithdrawDelay: number;
  /** Most that one request may cost, smallest token unit. */
  maxCharge: bigint;
  /** Unprotected schemes are refused unless allowed. */
  allowUnprotected?: boolean;
  /** Where unprotected schemes may pay to; any address when absent. */
  vaults?: readonly Address[];
  /** Private terms release at claim, without certificate: only when the user was asked. */
  allowPrivate?: boolean;
  maxRoyaltyBps?: number;
  /** Last word: throw to refuse. Here the caller compares node, payout and authorizer with the registry. */
  check?(offer: CheckedOffer): void | Promise<void>;
}

export interface CheckedOffer {
  scheme: SchemeName;
  requirements: PaymentRequirements;
  amount: bigint;
  /** Of channels; single payments carry only the hash. */
  terms?: Terms;
  termsHash: Hex;
  authorizer?: Address;
}

export class OfferRefused extends Error {
  override readonly name = "OfferRefused";
  readonly field: string;
  constructor(field: string, message: string) {
    super(message);
    this.field = field;
  }
}

/** Picks the wanted scheme from a 402 and checks it. @throws OfferRefused */
export async function checkOffer(required: PaymentRequired, scheme: SchemeName, policy: OfferPolicy): Promise<CheckedOffer> {
  if (required.x402Version !== 2) throw new OfferRefused("x402Version", "The offer is not x402 version 2.");
  const requirements = required.accepts.find((accept) => accept.scheme === scheme && accept.network === policy.network);
  if (!requirements) throw new OfferRefused("scheme", `The node does not offer ${scheme} on ${policy.network}.`);
  return checkRequirements(requirements, policy);
}

export async function checkRequirements(requirements: PaymentRequirements, policy: OfferPolicy): Promise<CheckedOffer> {
  const scheme = requirements.scheme as SchemeName;
  const extra = (requirements.extra ?? {}) as Record<string, unknown>;
  if (requirements.network !== policy.network) throw new OfferRefused("network", `The offer is for ${requirements.network}, not ${policy.network}.`);
  if (!includes(policy.tokens, requirements.asset)) throw new OfferRefused("asset", `${requirements.asset} is not a token that this payer spends.`);
  if (!/^\d{1,39}$/.test(requirements.amount) || BigInt(requirements.amount) === 0n) throw new OfferRefused("amount", "The offer's amount is not a positive integer.");
  const amount = BigInt(requirements.amount);
  if (amount > policy.maxCharge) throw new OfferRefused("amount", `The request may cost ${amount}, above the limit of ${policy.maxCharge}.`);
  if (typeof extra.termsHash !== "string") throw new OfferRefused("termsHash", "The offer names no terms.");

  let checked: CheckedOffer;
  if (scheme === "batch-settlement") {
    checked = { scheme, requirements, amount, ...channelTerms(requirements, extra, policy) };
  } else {
    if (!policy.allowUnprotected) throw new OfferRefused("scheme", `${scheme} is unprotected: allow it, or pay by channel.`);
    if (policy.vaults && !includes(policy.vaults, requirements.payTo)) throw new OfferRefused("payTo", `${requirements.payTo} is not a vault that this payer knows.`);
    checked = { scheme, requirements, amount, termsHash: extra.termsHash as Hex };
  }
  await policy.check?.(checked);
  return checked;
}

function channelTerms(requirements: PaymentRequirements, extra: Record<string, unknown>, policy: OfferPolicy) {
  if (!includes(policy.escrows, requirements.payTo)) throw new OfferRefused("payTo", `${requirements.payTo} is not an escrow that this payer knows.`);
  let terms: Terms;
  try {
    terms = termsFromJson(extra.terms);
  } catch (error) {
    throw new OfferRefused("terms", error instanceof Error ? error.message : "The terms cannot be read.");
  }
  const { hash } = describeTerms(terms);
  if (hash.toLowerCase() !== (extra.termsHash as string).toLowerCase()) throw new OfferRefused("termsHash", "The terms do not have the hash that the offer says.");
  if (!includes(policy.inboxes, terms.inbox)) throw new OfferRefused("inbox", `${terms.inbox} is not an inbox that this payer trusts.`);
  if (terms.settlementMode === SettlementMode.Private && !policy.allowPrivate) {
    throw new OfferRefused("settlementMode", "Private terms pay the node at claim, whatever it delivered: ask your user first.");
  }
  if (policy.maxRoyaltyBps !== undefined && terms.royaltyBps > policy.maxRoyaltyBps) throw new OfferRefused("royaltyBps", `A royalty of ${terms.royaltyBps} bps is above the limit.`);
  const { receiverAuthorizer, withdrawDelay } = extra;
  if (typeof receiverAuthorizer !== "string" || !isAddress(receiverAuthorizer, { strict: false })) throw new OfferRefused("receiverAuthorizer", "The offer names no authorizer.");
  const delay = typeof withdrawDelay === "number" ? withdrawDelay : 0;
  if (delay < policy.minWithdrawDelay || delay > 30 * 86_400) throw new OfferRefused("withdrawDelay", `A withdraw delay of ${delay} s is out of bounds.`);
  return { terms, termsHash: hash, authorizer: receiverAuthorizer as Address };
}

const includes = (list: readonly Address[], address: string) => list.some((entry) => entry.toLowerCase() === address.toLowerCase());
