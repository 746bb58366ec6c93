import type { PaymentRequirements } from "@x402/core/types";
import { type Address, type Hex, getAddress, isAddress, isHex } from "viem";
import { type Tariff, tariffHash } from "./tariff.ts";
import type { Offer } from "./types.ts";
import { describeTerms, termsFromJson } from "./wire.ts";

/** Reads `GET /v1/offer`'s `offer`. @throws TypeError naming the field that is missing, malformed, or not what the terms commit to. */
export function offerFromJson(json: unknown): Offer {
  const fields = (json ?? {}) as Record<string, unknown>;
  const address = (name: string): Address => {
    const value = fields[name];
    if (typeof value !== "string" || !isAddress(value, { strict: false })) throw new TypeError(`offer.${name} is not an address`);
    return getAddress(value);
  };
  const text = (name: string): string => {
    if (typeof fields[name] !== "string") throw new TypeError(`offer.${name} is not a text`);
    return fields[name];
  };
  const terms = termsFromJson(fields.terms);
  const termsHash = describeTerms(terms).hash;
  if (text("termsHash").toLowerCase() !== termsHash) throw new TypeError("offer.termsHash is not the hash of offer.terms");
  const tariff = tariffFromJson(fields.tariff);
  if (tariffHash(tariff).toLowerCase() !== terms.tariffHash.toLowerCase()) throw new TypeError("offer.tariff is not the tariff that the terms commit to");
  const withdrawDelay = Number(fields.withdrawDelay);
  if (!Number.isInteger(withdrawDelay) || withdrawDelay < 0) throw new TypeError("offer.withdrawDelay is not a number of seconds");
  return {
    terms, termsHash, tariff, ceiling: amount(fields.ceiling, "offer.ceiling"), network: text("network") as Offer["network"], token: address("token"),
    tokenName: text("tokenName"), tokenVersion: text("tokenVersion"), escrow: address("escrow"), authorizer: address("authorizer"), withdrawDelay,
    ...(fields.vault === undefined ? {} : { vault: address("vault") }),
  };
}

/** The offer as a channel's x402 requirements: `checkRequirements` judges both alike. */
export function requirementsOf(offer: Offer): PaymentRequirements {
  return {
    scheme: "batch-settlement", network: offer.network, asset: offer.token, amount: offer.ceiling.toString(), payTo: offer.escrow, maxTimeoutSeconds: 3_600,
    extra: {
      name: offer.tokenName, version: offer.tokenVersion, terms: describeTerms(offer.terms).json, termsHash: offer.termsHash,
      receiverAuthorizer: offer.authorizer, withdrawDelay: offer.withdrawDelay,
    },
  };
}

function tariffFromJson(json: unknown): Tariff {
  const { chainId, token, prices } = (json ?? {}) as { chainId?: unknown; token?: unknown; prices?: unknown };
  if (typeof token !== "string" || !isAddress(token, { strict: false }) || !Array.isArray(prices)) throw new TypeError("offer.tariff has no token or no prices");
  return {
    chainId: amount(chainId, "offer.tariff.chainId"),
    token: getAddress(token),
    prices: prices.map((price: Record<string, unknown>) => {
      if (!isHex(price?.modelId) || price.modelId.length !== 66) throw new TypeError("offer.tariff.prices.modelId is not 32 bytes");
      const of = (name: string) => amount(price[name], `offer.tariff.prices.${name}`);
      return {
        modelId: price.modelId as Hex, perRequest: of("perRequest"), perMillionInput: of("perMillionInput"), perMillionOutput: of("perMillionOutput"),
        perMillionReasoning: of("perMillionReasoning"),
      };
    }),
  };
}

function amount(value: unknown, name: string): bigint {
  if (typeof value !== "string" || !/^\d{1,39}$/.test(value)) throw new TypeError(`${name} is not a decimal integer`);
  return BigInt(value);
}
