/** Whether an answer in words is the right one: what a payer finds out alone, and what a full node proves for it. */
import { type Hex, isHex } from "viem";
import { evaluateInteger, inputOfWords, type LoadedModel, type Program } from "../../circuits/compiler/index.ts";
import { Finish, ResponseKind, canonicalJson, requestHash, responseHash } from "../protocol/commitments.ts";
import { wordList } from "../protocol/answers.ts";
import { Outcome } from "../protocol/enums.ts";
import type { InferenceReceipt } from "../protocol/receipt.ts";

/** Opens the requestHash of a request in words. Whoever holds it can read the question; a fault on chain shows it to all. */
export interface WordOpening {
  salt: Hex;
  /** As the request named it. */
  model: string;
  words: Hex[];
}

/** What a payer hands to full nodes. */
export interface Dispute {
  receipt: InferenceReceipt;
  signature: Hex;
  opening: WordOpening;
}

/** Words of one request that are looked at. */
export const MAX_OPENING_WORDS = 4_096;

/** A program that can be run; with its weights, where the circuit is universal. */
export type Runnable = Pick<Program, "graph" | "boxes"> & Pick<LoadedModel, "weights">;

/** @returns Null if it is none. */
export function wordOpeningFromJson(value: unknown): WordOpening | null {
  const { salt, model, words } = (value ?? {}) as Record<string, unknown>;
  if (typeof salt !== "string" || !/^0x[0-9a-f]{64}$/i.test(salt) || typeof model !== "string" || model.length === 0 || model.length > 256) return null;
  if (!Array.isArray(words) || words.length === 0 || words.length > MAX_OPENING_WORDS) return null;
  if (!words.every((word): word is Hex => typeof word === "string" && isHex(word) && /^0x[0-9a-f]{64}$/.test(word))) return null;
  return { salt: salt.toLowerCase() as Hex, model, words };
}

/** Whether it is the receipt's own request. */
export const opensRequest = (receipt: Pick<InferenceReceipt, "requestHash">, { salt, model, words }: WordOpening): boolean => requestHash(salt, { model, words }) === receipt.requestHash;

/** @throws InputError when the words are not those of an admissible input: nothing is the right answer to them. */
export function rightWords({ graph, boxes, weights }: Runnable, words: readonly bigint[]): bigint[] {
  return evaluateInteger(graph, inputOfWords({ graph, boxes }, words), weights?.bytes).outputWords;
}

/**
 * As FaultCourt judges it: complete, and committed to anything but the right words alone.
 * @throws InputError as `rightWords`.
 */
export function isWrongOutput(program: Runnable, receipt: Pick<InferenceReceipt, "responseHash" | "outcome">, { salt, words }: WordOpening): boolean {
  const right = canonicalJson({ words: wordList(rightWords(program, words.map(BigInt))) });
  return receipt.outcome === Outcome.Complete && responseHash(salt, ResponseKind.Tensors, Finish.Stop, right) !== receipt.responseHash;
}

/** The node signed an answer that is not its program's. `dispute` is what full nodes take: see `handInDispute`. */
export class WrongOutputError extends Error {
  readonly code = "WRONG_OUTPUT";
  readonly dispute: Dispute;
  /** @param about.unprovable Why no court takes it, where none does. @param about.kept Where the dispute was saved. */
  constructor(dispute: Dispute, { unprovable, kept }: { unprovable?: string | undefined; kept?: string | undefined } = {}) {
    const recourse = unprovable
      ? `It convicts nobody: ${unprovable}.`
      : `Hand the receipt and what opens it to full nodes (${kept ? `og dispute ${kept}` : "handInDispute"}): once it is posted, its lock falls.`;
    super(`The node signed an answer that is not its program's. Do not pay this node again. ${recourse}${kept && unprovable ? ` The dispute is in ${kept}.` : ""}`);
    this.name = "WrongOutputError";
    this.dispute = dispute;
  }
}
