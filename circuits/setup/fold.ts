/**
 * Folds weights that are public inputs of a universal circuit into its verifying key: the counterpart of
 * contracts/settlement/Groth16Fold.sol, which does the same on chain, chunk by chunk.
 */
import { bn254 } from "@noble/curves/bn254.js";

import { encodeKey, keccak, vkHash, word } from "./encode.ts";
import type { Hex } from "./encode.ts";
import { mod, R } from "./field.ts";
import type { G1, VerifyingKey } from "./zkey.ts";

/** How weights lie in words: word j holds weights j * lanes, ..., each shifted by laneBits more than the one before. */
export interface Lanes {
  lanes: number;
  laneBits: number;
}

export interface FoldPlan {
  /** Arguments of registerCircuit. */
  base: Hex;
  chunkHashes: Hex[];
  weights: number;
  /** Arguments of fold, in order. */
  chunks: { points: Hex; weights: Hex }[];
  weightsHash: Hex;
  /** The key that comes out. */
  folded: VerifyingKey;
  vkHash: Hex;
}

export const CHUNK = 64;
const WORD_BITS = 252;
const { Point } = bn254.G1;

/** Signed bytes as field elements. */
export function packWeights(weights: Int8Array, { lanes, laneBits }: Lanes): bigint[] {
  if (lanes < 1 || laneBits < 8 || lanes * laneBits > WORD_BITS) throw new RangeError(`${lanes} lanes of ${laneBits} bits do not fit into a word`);
  return Array.from({ length: Math.ceil(weights.length / lanes) }, (_, j) =>
    mod(weights.subarray(j * lanes, (j + 1) * lanes).reduce((sum, weight, lane) => sum + (BigInt(weight) << BigInt(laneBits * lane)), 0n)),
  );
}

/** What the chain knows a model by: the hashes of its bytes, chunk by chunk, each joined to the one before. */
export function weightsHash(weights: Int8Array, { lanes }: Pick<Lanes, "lanes">): Hex {
  let hash: Hex = `0x${"00".repeat(32)}`;
  for (let at = 0; at < weights.length; at += CHUNK * lanes) {
    const chunk = Buffer.from(weights.subarray(at, at + CHUNK * lanes)).toString("hex");
    hash = keccak(`0x${hash.slice(2)}${keccak(`0x${chunk}`).slice(2)}`);
  }
  return hash;
}

/** The key in which the last inputs are `constants`. */
export function foldKey(key: VerifyingKey, constants: readonly bigint[]): VerifyingKey {
  const kept = key.ic.length - constants.length;
  if (kept < 2 || constants.some((value) => value < 0n || value >= R)) throw new RangeError("constants do not fit the key");
  const sum = constants.reduce((total, value, i) => (value === 0n ? total : total.add(point(key.ic[kept + i]!).multiply(value))), point(key.ic[0]!));
  const { x, y } = sum.toAffine();
  return { ...key, ic: [[x, y], ...key.ic.slice(1, kept)] };
}

/** Everything that a publisher sends to Groth16Fold for `weights`. `kept`: inputs that stay (ctx, in, out: 3). */
export function planFold(key: VerifyingKey, kept: number, weights: Int8Array, lanes: Lanes): FoldPlan {
  const words = packWeights(weights, lanes);
  if (key.ic.length !== 1 + kept + words.length) throw new RangeError(`the key has ${key.ic.length - 1 - kept} weight words, the model has ${words.length}`);
  const points = key.ic.slice(1 + kept);
  const chunks: FoldPlan["chunks"] = [];
  for (let at = 0; at < words.length; at += CHUNK) {
    const bytes = Buffer.from(weights.subarray(at * lanes.lanes, (at + CHUNK) * lanes.lanes));
    const chunk: FoldPlan["chunks"][number] = {
      points: `0x${points.slice(at, at + CHUNK).map(([x, y]) => word(x) + word(y)).join("")}`,
      weights: `0x${bytes.toString("hex")}`,
    };
    chunks.push(chunk);
  }
  const folded = foldKey(key, words);
  return {
    base: encodeKey({ ...key, ic: key.ic.slice(0, 1 + kept) }),
    chunkHashes: chunks.map((chunk) => keccak(chunk.points)),
    weights: weights.length,
    chunks,
    weightsHash: weightsHash(weights, lanes),
    folded,
    vkHash: vkHash(folded),
  };
}

function point([x, y]: G1) {
  return x === 0n && y === 0n ? Point.ZERO : Point.fromAffine({ x, y });
}
