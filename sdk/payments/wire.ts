import type { PaymentPayload } from "@x402/core/types";
import { type Address, type Hex, encodeAbiParameters, getAddress, isAddress, isHex, keccak256, toBytes } from "viem";
import { canonicalJson } from "../protocol/commitments.ts";
import { type Terms, termsHash } from "../protocol/index.ts";

/** Terms as an offer shows them, with their hash. */
export interface DescribedTerms {
  hash: Hex;
  json: Record<string, string | number>;
}

const described = new Map<string, DescribedTerms>();
/** A node has a few terms for each model; a peer that sends new ones for ever must not fill the memory. */
const MAX_DESCRIBED = 1_024;

/** Hash and JSON of terms, computed once: every paid request needs both. */
export function describeTerms(terms: Terms): DescribedTerms {
  const key = [
    terms.nodeId, terms.payout, terms.settlementMode, terms.verification, terms.tariffHash, terms.policyId, terms.royaltyTo, terms.royaltyBps,
    terms.feeBpsCap, terms.inbox,
  ].join();
  let known = described.get(key);
  if (!known) {
    if (described.size >= MAX_DESCRIBED) described.clear();
    known = { hash: termsHash(terms), json: termsToJson(terms) };
    described.set(key, known);
  }
  return known;
}

/** The value of an x402 header: base64 of JSON. */
export function encodeHeader(value: unknown): string {
  const text = JSON.stringify(value);
  if (typeof Buffer !== "undefined") return Buffer.from(text).toString("base64");
  return btoa(String.fromCodePoint(...new TextEncoder().encode(text)));
}

/** Terms in a 402's `extra.terms`: plain JSON, equal text for equal terms. */
export function termsToJson(terms: Terms): Record<string, string | number> {
  return {
    nodeId: terms.nodeId.toLowerCase(),
    payout: getAddress(terms.payout),
    settlementMode: terms.settlementMode,
    verification: terms.verification,
    tariffHash: terms.tariffHash.toLowerCase(),
    policyId: terms.policyId.toLowerCase(),
    royaltyTo: getAddress(terms.royaltyTo),
    royaltyBps: terms.royaltyBps,
    feeBpsCap: terms.feeBpsCap,
    inbox: getAddress(terms.inbox),
  };
}

/** @throws TypeError when a field is missing or not of its kind: a forged offer is refused before anything is signed. */
export function termsFromJson(json: unknown): Terms {
  const value = (json ?? {}) as Record<string, unknown>;
  const word = (name: string): Hex => {
    const field = value[name];
    if (!isHex(field) || field.length !== 66) throw new TypeError(`terms.${name} is not 32 bytes`);
    return field.toLowerCase() as Hex;
  };
  const address = (name: string): Address => {
    const field = value[name];
    if (typeof field !== "string" || !isAddress(field, { strict: false })) throw new TypeError(`terms.${name} is not an address`);
    return getAddress(field);
  };
  const number = (name: string, max: number): number => {
    const field = value[name];
    if (typeof field !== "number" || !Number.isInteger(field) || field < 0 || field > max) throw new TypeError(`terms.${name} is not in [0, ${max}]`);
    return field;
  };
  return {
    nodeId: word("nodeId"),
    payout: address("payout"),
    settlementMode: number("settlementMode", 3),
    verification: number("verification", 4),
    tariffHash: word("tariffHash"),
    policyId: word("policyId"),
    royaltyTo: address("royaltyTo"),
    royaltyBps: number("royaltyBps", 3_000),
    feeBpsCap: number("feeBpsCap", 500),
    inbox: address("inbox"),
  };
}

/** Hash of a request's canonical body: what idempotency keys and single payments are bound to. Transport-only fields do not count. */
export function bodyHashOf(body: unknown): Hex {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return keccak256(toBytes(canonicalJson(body)));
  const { stream: _, stream_options: __, ...rest } = body as Record<string, unknown>;
  return keccak256(toBytes(canonicalJson(rest)));
}

/** What binds a single payment's offer to its request. */
export const requestTag = (bodyHash: Hex): Hex => bodyHash;

/** `paymentId` of an `upto` or `exact` payment: the authorisation, which can be used once, and its chain. */
export function singlePaymentId(payment: PaymentPayload, chainId: number): Hex | undefined {
  const fields = singleFields(payment);
  if (!fields) return undefined;
  return keccak256(
    encodeAbiParameters(
      [{ type: "string" }, { type: "uint256" }, { type: "string" }, { type: "address" }, { type: "uint256" }],
      ["og.single", BigInt(chainId), payment.accepted.scheme, fields.from, fields.nonce],
    ),
  );
}

export function payerOfSingle(payment: PaymentPayload): Address | undefined {
  return singleFields(payment)?.from;
}

function singleFields(payment: PaymentPayload): { from: Address; nonce: bigint } | undefined {
  const payload = payment.payload as {
    authorization?: { from?: unknown; nonce?: unknown };
    permit2Authorization?: { from?: unknown; nonce?: unknown };
  };
  const fields = payload.permit2Authorization ?? payload.authorization;
  if (typeof fields?.from !== "string" || !isAddress(fields.from, { strict: false })) return undefined;
  if (typeof fields.nonce !== "string" || !/^(0x[0-9a-fA-F]{1,64}|\d{1,78})$/.test(fields.nonce)) return undefined;
  return { from: getAddress(fields.from), nonce: BigInt(fields.nonce) };
}
