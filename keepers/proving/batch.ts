/** Puts proofs of one key into batches, and finds the bad ones in a batch that the contract refuses. */
import { statementHash } from "../../circuits/setup/encode.ts";
import type { Hex } from "../../circuits/setup/encode.ts";

export interface BatchItem {
  /** The request; what a caller recognises the item by. */
  id: string;
  proof: Hex;
  publicInputs: readonly bigint[];
  /** Milliseconds. */
  readyAt: number;
  deadline: number;
}

export interface BatchRules {
  size: number;
  /** A batch leaves when its oldest item has waited this long ... */
  maxWaitMs: number;
  /** ... or when an item's deadline is this near. */
  marginMs: number;
}

export interface BatchPlan<T> {
  send: T[];
  /** Same statement as another item: it would be paid once, so it is sent never. */
  duplicates: T[];
  rest: T[];
}

/** Pure: which of `items` to send now, in the contract's order. Empty until there is a reason to send. */
export function planBatch<T extends BatchItem>(items: readonly T[], rules: BatchRules, now: number): BatchPlan<T> {
  const byStatement = new Map<Hex, T>();
  const duplicates: T[] = [];
  for (const item of [...items].sort((a, b) => a.deadline - b.deadline)) {
    const hash = statementHash(item.publicInputs);
    if (byStatement.has(hash)) duplicates.push(item);
    else byStatement.set(hash, item);
  }
  const candidates = [...byStatement.values()];
  const pressed = candidates.some((item) => now - item.readyAt >= rules.maxWaitMs || item.deadline - now <= rules.marginMs);
  if (candidates.length < rules.size && !pressed) return { send: [], duplicates, rest: candidates };
  const chosen = candidates.slice(0, rules.size);
  return { send: inOrder(chosen), duplicates, rest: candidates.slice(rules.size) };
}

/** Ascending keccak256 of the inputs: the order that verifyBatch demands. */
export function inOrder<T extends Pick<BatchItem, "publicInputs">>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, hash: statementHash(item.publicInputs) }))
    .sort((a, b) => (a.hash < b.hash ? -1 : 1))
    .map(({ item }) => item);
}

/** The arguments of IGroth16Verifier.verifyBatch. */
export function batchArguments(items: readonly Pick<BatchItem, "proof" | "publicInputs">[]): { proofs: Hex; publicInputs: bigint[] } {
  return { proofs: `0x${items.map(({ proof }) => proof.slice(2)).join("")}`, publicInputs: items.flatMap(({ publicInputs }) => publicInputs) };
}

/**
 * Splits a refused batch until the bad items stand alone: about 2 b log2(n / b) calls for b bad ones. `accepts` asks the
 * contract (eth_call) and may be wrong in neither direction; a throw ends the search.
 */
export async function bisect<T>(items: readonly T[], accepts: (items: readonly T[]) => Promise<boolean>): Promise<{ good: T[]; bad: T[] }> {
  if (items.length === 0 || (await accepts(items))) return { good: [...items], bad: [] };
  if (items.length === 1) return { good: [], bad: [...items] };
  const middle = items.length >> 1;
  const left = await bisect(items.slice(0, middle), accepts);
  const right = await bisect(items.slice(middle), accepts);
  return { good: [...left.good, ...right.good], bad: [...left.bad, ...right.bad] };
}
