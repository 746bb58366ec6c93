/** What was posted of a claimed fold (IGroth16FoldClaims), read out of calls: pure. */
import { type Address, type Hex, decodeFunctionData, hexToBigInt, size, slice, toFunctionSelector } from "viem";
import { CHUNK } from "../../../circuits/setup/fold.ts";
import { iGroth16FoldClaimsAbi } from "../../../types/abi/IGroth16FoldClaims.ts";

/** A call of postChunks. */
export interface Post {
  circuitHash: Hex;
  salt: Hex;
  points: Hex;
  weights: Hex;
  sums: Hex;
}

export interface Sum {
  x: bigint;
  y: bigint;
}

/** Arguments of `refute` for one chunk, but for whose claim it is. */
export interface Chunk {
  chunk: number;
  sums: { x: bigint; y: bigint; nextX: bigint; nextY: bigint };
  points: Hex;
  weights: Hex;
}

/** What the chain says of a universal circuit when it is registered. */
export interface CircuitSize {
  weights: number;
  chunks: number;
}

export interface TraceCall {
  to?: Address;
  input?: Hex;
  error?: string;
  calls?: TraceCall[];
}

const POINT = 64;
const MAX_LANES = 31;
const SELECTOR = toFunctionSelector(iGroth16FoldClaimsAbi.find((entry) => entry.type === "function" && entry.name === "postChunks")!).slice(2);

/**
 * All calls of postChunks that stand in `input`, at whatever place: alone, or in the arguments of a wallet's or a multicall's method.
 * Some may be none; the contract's hash of what was posted tells.
 */
export function postsIn(input: Hex): Post[] {
  const posts: Post[] = [];
  for (let at = input.indexOf(SELECTOR, 2); at >= 0; at = input.indexOf(SELECTOR, at + 1)) {
    if (at % 2 !== 0) continue;
    try {
      const { functionName, args } = decodeFunctionData({ abi: iGroth16FoldClaimsAbi, data: `0x${input.slice(at)}` });
      if (functionName === "postChunks") posts.push({ circuitHash: args[0], salt: args[1], ...args[2] });
    } catch {
      // The selector's four bytes among others.
    }
  }
  return posts;
}

/** The same out of a trace (debug_traceTransaction, callTracer): for contracts that make their calls themselves. */
export function postsInTrace(call: TraceCall, fold: Address): Post[] {
  if (call.error) return [];
  const own = call.to?.toLowerCase() === fold.toLowerCase() && call.input?.startsWith(`0x${SELECTOR}`) ? postsIn(call.input).slice(0, 1) : [];
  return [...own, ...(call.calls ?? []).flatMap((inner) => postsInTrace(inner, fold))];
}

/** How many weights a word of the circuit may hold: the chain does not say, but its number of chunks leaves few. */
export function possibleLanes({ weights, chunks }: CircuitSize): number[] {
  return Array.from({ length: MAX_LANES }, (_, i) => i + 1).filter((lanes) => Math.ceil(Math.ceil(weights / lanes) / CHUNK) === chunks);
}

export const chunkCount = (post: Post): number => Math.floor(size(post.sums) / POINT);

/** The chunks of `post`, the first of which is `first`; `before` is the sum that it starts from. Null if it has not the bytes for that. */
export function chunksOf(post: Post, circuit: CircuitSize, lanes: number, first: number, before: Sum): Chunk[] | null {
  const chunks: Chunk[] = [];
  let [atPoint, atWeight, sum] = [0, 0, before];
  for (let i = 0; i < chunkCount(post); i++) {
    const weights = Math.min(CHUNK * lanes, circuit.weights - (first + i) * CHUNK * lanes);
    const points = Math.ceil(weights / lanes) * POINT;
    if (weights <= 0 || size(post.weights) < atWeight + weights || size(post.points) < atPoint + points) return null;
    const next = sumAt(post, i);
    chunks.push({
      chunk: first + i,
      sums: { ...sum, nextX: next.x, nextY: next.y },
      points: slice(post.points, atPoint, atPoint + points),
      weights: slice(post.weights, atWeight, atWeight + weights),
    });
    [atPoint, atWeight, sum] = [atPoint + points, atWeight + weights, next];
  }
  return chunks;
}

/** The claimed sum after the i-th chunk of `post`. */
export function sumAt(post: Post, i: number): Sum {
  const word = (at: number) => hexToBigInt(slice(post.sums, at, at + 32));
  return { x: word(i * POINT), y: word(i * POINT + 32) };
}
