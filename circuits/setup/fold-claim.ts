/**
 * Folds that are claimed instead of computed: what a registrant posts to Groth16FoldClaims, and what a watcher does with it. The watcher
 * needs only what stands on chain: the calldata of the posts.
 */
import { bn254 } from "@noble/curves/bn254.js";

import { word } from "./encode.ts";
import type { Hex } from "./encode.ts";
import { CHUNK, packWeights } from "./fold.ts";
import type { FoldPlan, Lanes } from "./fold.ts";

/** Arguments of postChunks: all chunks of a claim, or the next few. */
export interface Chunks {
  points: Hex;
  weights: Hex;
  sums: Hex;
}

/** Arguments of refute, but for whose claim it is. */
export interface FalseChunk {
  chunk: number;
  sums: { x: bigint; y: bigint; nextX: bigint; nextY: bigint };
  points: Hex;
  weights: Hex;
}

const { Point } = bn254.G1;
type G1Point = InstanceType<typeof Point>;

/** An honest claim of what `plan` computes. */
export function planClaim(plan: Pick<FoldPlan, "chunks">, lanes: Lanes): Chunks {
  let sum = Point.ZERO;
  const sums = plan.chunks.map((chunk) => {
    sum = sum.add(chunkSum(chunk.points, chunk.weights, lanes)!);
    return encode(sum);
  });
  const joined = (parts: readonly string[]): Hex => `0x${parts.map((part) => part.replace(/^0x/, "")).join("")}`;
  return { points: joined(plan.chunks.map(({ points }) => points)), weights: joined(plan.chunks.map(({ weights }) => weights)), sums: joined(sums) };
}

/** The first chunk whose sum does not follow from the one before, or undefined: then the claim is true. */
export function findFalseChunk(posted: Chunks, lanes: Lanes): FalseChunk | undefined {
  const count = (posted.sums.length - 2) / 128;
  let before = { x: 0n, y: 0n };
  for (let chunk = 0; chunk < count; chunk++) {
    const weights = slice(posted.weights, chunk * CHUNK * lanes.lanes, CHUNK * lanes.lanes);
    const points = slice(posted.points, chunk * CHUNK * 64, CHUNK * 64);
    const after = { x: at(posted.sums, 2 * chunk), y: at(posted.sums, 2 * chunk + 1) };
    const added = chunkSum(points, weights, lanes);
    const start = decode(before.x, before.y);
    if (!added || !start || encode(start.add(added)) !== word(after.x) + word(after.y)) {
      return { chunk, sums: { ...before, nextX: after.x, nextY: after.y }, points, weights };
    }
    before = after;
  }
  return undefined;
}

/** Undefined if a point is not on the curve. */
function chunkSum(points: Hex, weights: Hex, lanes: Lanes): G1Point | undefined {
  const words = packWeights(Int8Array.from(Buffer.from(weights.slice(2), "hex")), lanes);
  let sum = Point.ZERO;
  for (const [i, value] of words.entries()) {
    const point = decode(at(points, 2 * i), at(points, 2 * i + 1));
    if (!point) return undefined;
    if (value !== 0n) sum = sum.add(point.multiply(value));
  }
  return sum;
}

function decode(x: bigint, y: bigint): G1Point | undefined {
  if (x === 0n && y === 0n) return Point.ZERO;
  try {
    const point = Point.fromAffine({ x, y });
    point.assertValidity();
    return point;
  } catch {
    return undefined;
  }
}

function encode(point: G1Point): string {
  if (point.is0()) return word(0n) + word(0n);
  const { x, y } = point.toAffine();
  return word(x) + word(y);
}

function at(bytes: Hex, index: number): bigint {
  return BigInt(`0x${bytes.slice(2 + 64 * index, 66 + 64 * index)}`);
}

function slice(bytes: Hex, start: number, length: number): Hex {
  return `0x${bytes.slice(2 + 2 * start, 2 + 2 * (start + length))}`;
}
