/**
 * From proven items to the next transaction: when a batch is due (batch.ts), the chain is asked by a call whether it would take it. If
 * not, the bad items are found by halves and refused by name, and the rest goes: one bad item blocks nobody and costs nobody.
 */
import { isRetryable } from "../errors/index.ts";
import { bisect, inOrder, planBatch } from "./batch.ts";
import type { BatchItem, BatchRules } from "./batch.ts";

export type RefusalCode = "proving.duplicate" | "proving.refused_on_chain" | "proving.late";

export interface Refusal<T> {
  item: T;
  code: RefusalCode;
}

export interface Submission<T> {
  /** In the contract's order; empty while nothing is due. */
  send: T[];
  /** Never to be sent: their requests are not settled, so nothing is charged for them. */
  refused: Refusal<T>[];
  /** Wait for the next batch. */
  rest: T[];
}

/**
 * @param accepts eth_call of the batch: false if the contract answers false or refuses by name. It throws when the chain cannot be asked:
 * then nothing is refused and everything waits.
 * @throws what `accepts` throws, unless it can be retried.
 */
export async function planSubmission<T extends BatchItem>(items: readonly T[], rules: BatchRules, now: number, accepts: (items: readonly T[]) => Promise<boolean>): Promise<Submission<T>> {
  const late = items.filter((item) => item.deadline < now);
  const { send, duplicates, rest } = planBatch(items.filter((item) => item.deadline >= now), rules, now);
  const refused: Refusal<T>[] = [...refuse(late, "proving.late"), ...refuse(duplicates, "proving.duplicate")];
  if (send.length === 0) return { send, refused, rest };
  try {
    // A part of an ordered batch is ordered, and so is what is left of it.
    const { good, bad } = await bisect(send, accepts);
    return { send: inOrder(good), refused: [...refused, ...refuse(bad, "proving.refused_on_chain")], rest };
  } catch (error) {
    if (!isRetryable(error)) throw error;
    return { send: [], refused, rest: [...send, ...rest] };
  }
}

function refuse<T>(items: readonly T[], code: RefusalCode): Refusal<T>[] {
  return items.map((item) => ({ item, code }));
}
