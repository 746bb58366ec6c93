/** What the different clients mean when they refuse a transaction. */
import { RpcAnswerError } from "../chain/index.ts";
import { messageOf } from "../errors/index.ts";

export type SendVerdict =
  /** In a pool, now or before. */
  | "accepted"
  /** The nonce is used up: by which of our hashes, only receipts can tell. */
  | "nonce-used"
  /** The fee is too low for the pool or for replacing what is there. */
  | "underpriced"
  | "no-funds"
  /** Timeout, 5xx, words that we do not know: it may or may not have been taken. */
  | "unknown";

const DIALECTS: readonly [RegExp, SendVerdict][] = [
  [/already known|known transaction|already imported|already in (the )?(mem)?pool|alreadyknown|tx already exists|duplicate transaction/i, "accepted"],
  [/nonce too low|nonce is too low|nonce too small|oldnonce|old nonce|invalid nonce|expected nonce to be|nonce has already been used/i, "nonce-used"],
  [/underpriced|fee too low|feetoolow|gas price too low|max fee per gas less than block base fee|maxfeepergas.*(too low|is too low)|less than (the )?(current )?block base fee|replacement/i, "underpriced"],
  [/insufficient funds|insufficientfunds|doesn't have enough funds|does not have enough funds|insufficient balance|upfront cost/i, "no-funds"],
];

export function verdictOf(error: unknown): SendVerdict {
  if (error === undefined) return "accepted";
  if (!(error instanceof RpcAnswerError)) return "unknown";
  const words = messageOf(error);
  return DIALECTS.find(([pattern]) => pattern.test(words))?.[1] ?? "unknown";
}

/** One acceptance anywhere is an acceptance; a used nonce outweighs complaints about the price. */
export function combine(verdicts: readonly SendVerdict[]): SendVerdict {
  const order: SendVerdict[] = ["accepted", "nonce-used", "unknown", "underpriced", "no-funds"];
  return order.find((verdict) => verdicts.includes(verdict)) ?? "unknown";
}
