/** The terms section of format 2: what the receipts' termsHashes and their tariffHashes stand for, so that a checker sees what may be charged. */
import { type Address, type Hex, bytesToHex, getAddress, hexToBytes } from "viem";
import { mostFor, type Price, type Tariff, tariffHash } from "../payments/tariff.ts";
import { SettlementMode, type Terms, termsHash, Verification } from "../protocol/index.ts";
import { AT, BatchFormatError, MAX_TERMS_BYTES, PRICE_LENGTH, TARIFF_LENGTH, TERMS_LENGTH } from "./format.ts";
import { integerAt, readInteger, writeInteger } from "./numbers.ts";

/** Preimages; a receipt may use any terms, terms any tariff. */
export interface TermsBook {
  terms: readonly Terms[];
  tariffs: readonly Tariff[];
}

/** @throws BatchFormatError when the section is too long. */
export function writeTerms({ terms, tariffs }: TermsBook): Uint8Array {
  const length = 4 + tariffs.reduce((sum, { prices }) => sum + TARIFF_LENGTH + prices.length * PRICE_LENGTH, 0) + terms.length * TERMS_LENGTH;
  if (length > MAX_TERMS_BYTES) throw new BatchFormatError(`terms and tariffs take ${length} bytes; at most ${MAX_TERMS_BYTES} fit`);
  const out = new Uint8Array(length);
  let at = 0;
  const number = (value: bigint | number, bytes: number) => {
    writeInteger(out, at, BigInt(value), bytes);
    at += bytes;
  };
  const hex = (value: Hex) => {
    const bytes = hexToBytes(value);
    out.set(bytes, at);
    at += bytes.length;
  };
  number(tariffs.length, 2);
  for (const { chainId, token, prices } of tariffs) {
    number(chainId, 8);
    hex(token);
    number(prices.length, 2);
    for (const price of prices) {
      hex(price.modelId);
      for (const name of PRICE_FIELDS) number(price[name], 16);
    }
  }
  number(terms.length, 2);
  for (const item of terms) {
    hex(item.nodeId);
    hex(item.payout);
    number(item.settlementMode, 1);
    number(item.verification, 1);
    hex(item.tariffHash);
    hex(item.policyId);
    hex(item.royaltyTo);
    number(item.royaltyBps, 2);
    number(item.feeBpsCap, 2);
    hex(item.inbox);
  }
  return out;
}

const PRICE_FIELDS = ["perRequest", "perMillionInput", "perMillionOutput", "perMillionReasoning"] as const;

/** @throws BatchFormatError when the bytes are not a terms section from end to end. */
export function readTerms(bytes: Uint8Array): TermsBook {
  let at = 0;
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new BatchFormatError(`the terms section ends at ${bytes.length}, in the middle of a record`);
    at += length;
    return bytes.subarray(at - length, at);
  };
  const number = (length: number): bigint => readInteger(take(length), 0, length);
  const hex = (length: number): Hex => bytesToHex(take(length));
  const address = (): Address => getAddress(hex(20));
  const tariffs: Tariff[] = Array.from({ length: Number(number(2)) }, () => {
    const [chainId, token, count] = [number(8), address(), Number(number(2))];
    const prices = Array.from({ length: count }, (): Price => {
      const modelId = hex(32);
      const [perRequest, perMillionInput, perMillionOutput, perMillionReasoning] = PRICE_FIELDS.map(() => number(16)) as [bigint, bigint, bigint, bigint];
      return { modelId, perRequest, perMillionInput, perMillionOutput, perMillionReasoning };
    });
    return { chainId, token, prices };
  });
  const terms = Array.from({ length: Number(number(2)) }, (): Terms => ({
    nodeId: hex(32), payout: address(), settlementMode: Number(number(1)), verification: Number(number(1)), tariffHash: hex(32), policyId: hex(32),
    royaltyTo: address(), royaltyBps: Number(number(2)), feeBpsCap: Number(number(2)), inbox: address(),
  }));
  if (at !== bytes.length) throw new BatchFormatError(`the terms section has ${bytes.length} bytes, its records ${at}`);
  return { terms, tariffs };
}

/** BatchFaults.wrongTerms: what a batch's receipts must not be sold under. @param nodePolicy Image policy that the registry has for the node. */
export function wrongTerms(nodeId: Hex, terms: Terms, nodePolicy: Hex): string | null {
  if (terms.nodeId.toLowerCase() !== nodeId.toLowerCase()) return "the terms are another node's";
  if (terms.verification < Verification.Tee || terms.verification > Verification.Vanilla) return `the verification ${terms.verification} does not exist`;
  if (terms.verification === Verification.Zkml || terms.verification === Verification.TeeAndZkml) return "the terms ask for a proof, which a batch does not carry";
  const single = terms.settlementMode === SettlementMode.Individual && terms.verification === Verification.Vanilla;
  if (terms.settlementMode !== SettlementMode.Batch && !single) return `the terms ask for settlement mode ${terms.settlementMode}`;
  if (terms.verification === Verification.Tee && terms.policyId.toLowerCase() !== nodePolicy.toLowerCase()) return `the terms name the image policy ${terms.policyId}, the node has ${nodePolicy}`;
  return null;
}

/** A model under some terms, as the receipts use them. */
export interface TermsUse {
  termsHash: Hex;
  modelId: Hex;
  /** First leaf that does. */
  leaf: number;
  terms: Terms | null;
  tariff: Tariff | null;
  price: Price | null;
}

/** Uses above which a batch cannot be judged: a batch of honest receipts has a few. */
const MAX_USES = 10_000;
const MODEL_AND_TERMS = 64;

export interface TermsChecker {
  /** What is wrong with the record's charge, as far as the book shows. */
  record(bytes: Uint8Array, offset: number, index: number): string | null;
  uses(): TermsUse[];
  /** Why the charges of this batch cannot be judged from the book, or null. */
  unjudged(): string | null;
}

/** Follows which terms and models the records use, and compares each charge with its price. */
export function termsChecker(book: TermsBook): TermsChecker {
  const terms = new Map(book.terms.map((item) => [termsHash(item), item]));
  const tariffs = new Map<Hex, Tariff>();
  for (const tariff of book.tariffs) {
    const hash = hashOf(tariff);
    if (hash) tariffs.set(hash, tariff);
  }
  const uses = new Map<string, TermsUse>();
  const last = new Uint8Array(MODEL_AND_TERMS);
  let current: TermsUse | null = null;
  let reason: string | null = null;

  function useOf(bytes: Uint8Array, offset: number, leaf: number): TermsUse | null {
    // modelId and termsHash stand side by side at the record's beginning, and mostly repeat.
    if (current && same(bytes, offset, last)) return current;
    last.set(bytes.subarray(offset, offset + MODEL_AND_TERMS));
    const key = bytesToHex(last);
    current = uses.get(key) ?? null;
    if (current) return current;
    if (uses.size >= MAX_USES) {
      reason ??= `the receipts use more than ${MAX_USES} pairs of terms and model`;
      return null;
    }
    const [modelId, hash] = [bytesToHex(last.subarray(0, 32)), bytesToHex(last.subarray(32))];
    const found = terms.get(hash) ?? null;
    const tariff = (found && tariffs.get(found.tariffHash)) ?? null;
    current = { termsHash: hash, modelId, leaf, terms: found, tariff, price: tariff?.prices.find((price) => price.modelId === modelId) ?? null };
    uses.set(key, current);
    return current;
  }

  return {
    record(bytes, offset, index) {
      const use = useOf(bytes, offset, index);
      if (!use) return null;
      if (!use.terms) reason ??= `the terms ${use.termsHash} of receipt ${index} are not given`;
      const charge = integerAt(bytes, offset + AT.charge, 16);
      if (charge === 0n || !use.terms) return null;
      if (!use.price) {
        reason ??= use.tariff ? `the tariff of receipt ${index} has no price of the model ${use.modelId}` : `the tariff of receipt ${index} is not given`;
        return null;
      }
      const most = mostFor(use.price, integerAt(bytes, offset + AT.inputUnits, 8), integerAt(bytes, offset + AT.outputUnits, 8));
      return charge > most ? `charged ${charge}, the tariff allows ${most}` : null;
    },
    uses: () => [...uses.values()],
    unjudged: () => reason,
  };
}

function same(bytes: Uint8Array, offset: number, known: Uint8Array): boolean {
  for (let index = 0; index < MODEL_AND_TERMS; index++) if (bytes[offset + index] !== known[index]) return false;
  return true;
}

/** A list that is not ascending has no hash, so no terms can mean it. */
function hashOf(tariff: Tariff): Hex | null {
  try {
    return tariffHash(tariff);
  } catch {
    return null;
  }
}
