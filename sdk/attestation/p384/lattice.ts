import { keccak256 } from "viem";

import { mod, N } from "./curve.ts";

/**
 * Two consecutive remainders of Euclid's algorithm on (n, u): v u = +-w and v' u = -+w' modulo n, all four numbers positive and
 * v w' + v' w = n. The contract checks the last, which makes (v, v') coprime.
 */
export interface ShortVectors {
  v: bigint;
  v_: bigint;
  w: bigint;
  w_: bigint;
}

/** What a batch commits to for one signature before its weights are drawn; `nonce` is R.y and the overflow flag in hex. */
export interface Commitment extends ShortVectors {
  nonce: string;
}

/** c and d with c u = d modulo n, both small. */
export interface Relation {
  c: bigint;
  d: bigint;
}

/** Remainders w_i and the signed cofactors v_i of u: v_i u = w_i modulo n. */
function* euclid(u: bigint): Generator<{ v: bigint; w: bigint }> {
  let [w0, w1, v0, v1] = [N, u, 0n, 1n];
  yield { v: v0, w: w0 };
  while (w1 > 0n) {
    yield { v: v1, w: w1 };
    const q = w0 / w1;
    [w0, w1] = [w1, w0 - q * w1];
    [v0, v1] = [v1, v0 - q * v1];
  }
  yield { v: v1, w: 0n };
}

const magnitude = (a: bigint) => (a < 0n ? -a : a);
const larger = (a: bigint, b: bigint) => (a > b ? a : b);

/** The remainder whose larger entry is smallest: about 2^192 both. */
export function shortRelation(u: bigint): Relation {
  let best: Relation | undefined;
  for (const { v, w } of euclid(u)) {
    if (v === 0n || w === 0n) continue;
    if (!best || larger(magnitude(v), w) < larger(magnitude(best.c), best.d)) best = { c: v, d: w };
  }
  return best!;
}

/** A basis for `drawWeights`; `attempt` picks other pairs around the shortest. */
export function shortVectors(u: bigint, attempt = 0n): ShortVectors {
  const rows = [...euclid(u)];
  const pairs = rows.slice(1).map((row, i): ShortVectors => {
    const before = rows[i]!;
    return { v: magnitude(before.v), v_: magnitude(row.v), w: before.w, w_: row.w };
  });
  const size = ({ v_, w }: ShortVectors) => larger(v_, w);
  pairs.sort((a, b) => (size(a) < size(b) ? -1 : 1));
  const usable = pairs.filter(({ v, v_, w, w_ }) => [v, v_, w, w_].every((a) => a < 2n ** 255n) && larger(v, v_) >= 2n ** 64n);
  return usable[Number(attempt)] ?? anyVectors(attempt);
}

/** Vectors for a u whose remainders skip the middle, such as u = 1: any coprime pair will do, at the price of a longer ladder. */
function anyVectors(attempt: bigint): ShortVectors {
  const v_ = 2n ** 191n;
  const v = v_ + 2n * attempt + 1n;
  const w_ = mod(N * invertOdd(v, v_), v_);
  return { v, v_, w: (N - v * w_) / v_, w_ };
}

/** a^-1 modulo a power of two, by Newton. */
function invertOdd(a: bigint, modulus: bigint): bigint {
  let inverse = 1n;
  while (mod(a * inverse, modulus) !== 1n) inverse = mod(inverse * (2n - a * inverse), modulus);
  return inverse;
}

const LOW_64 = 2n ** 64n - 1n;

/** The contract's weights: c_j = a v - b v' from the hash of everything. c_j u is then short modulo n. */
export function drawWeights(signatures: readonly string[], commitments: readonly Commitment[]): bigint[] {
  const word = (a: bigint) => a.toString(16).padStart(64, "0");
  const committed = commitments.map(({ nonce, v, v_, w, w_ }) => nonce + [v, v_, w, w_].map(word).join(""));
  const seed = keccak256(`0x${signatures.join("")}${committed.join("")}`);
  return commitments.map(({ v, v_ }, j) => {
    const h = BigInt(keccak256(`${seed}${word(BigInt(j))}`));
    const a = h >> 192n;
    const b = (h >> 128n) & LOW_64;
    return a * v - b * v_;
  });
}
