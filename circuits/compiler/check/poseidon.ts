import { PRIME } from "./format.ts";

/** A second writing of Poseidon (x^5, 8 full rounds), used to see that the rows of an input commitment compute it. */
const PARTIAL = [56, 57, 56, 60, 60, 63, 64, 63, 60, 66, 60, 65, 70, 60, 64, 68];

const power = (b: bigint, e: bigint): bigint => {
  let r = 1n;
  for (let x = b % PRIME; e > 0n; e >>= 1n, x = (x * x) % PRIME) if (e & 1n) r = (r * x) % PRIME;
  return r;
};

function stream(t: number, partial: number): () => bigint {
  // 80-bit Grain register as an integer, first bit on top.
  const seed: [number, number][] = [[1, 2], [0, 4], [254, 12], [t, 12], [8, 10], [partial, 10], [(1 << 30) - 1, 30]];
  let register = seed.reduce((r, [v, n]) => (r << BigInt(n)) | BigInt(v), 0n);
  const bit = (i: bigint): bigint => (register >> (79n - i)) & 1n;
  const step = (): bigint => {
    const b = bit(62n) ^ bit(51n) ^ bit(38n) ^ bit(23n) ^ bit(13n) ^ bit(0n);
    register = ((register << 1n) | b) & ((1n << 80n) - 1n);
    return b;
  };
  for (let i = 0; i < 160; i++) step();
  return () => {
    let v = 0n;
    for (let i = 0; i < 254; ) {
      const use = step();
      const b = step();
      if (use === 0n) continue;
      v = (v << 1n) | b;
      i += 1;
    }
    return v;
  };
}

export function poseidon(inputs: readonly bigint[]): bigint {
  const t = inputs.length + 1;
  const partial = PARTIAL[t - 2] as number;
  const next = stream(t, partial);
  const rounds = 8 + partial;
  const constants = Array.from({ length: rounds * t }, () => {
    for (;;) {
      const v = next();
      if (v < PRIME) return v;
    }
  });
  const points = Array.from({ length: 2 * t }, () => next() % PRIME);
  const matrix = Array.from({ length: t }, (_, i) =>
    Array.from({ length: t }, (_, j) => power((points[i] as bigint) + (points[t + j] as bigint), PRIME - 2n)));
  let state = [0n, ...inputs];
  for (let r = 0; r < rounds; r++) {
    state = state.map((v, i) => (v + (constants[r * t + i] as bigint)) % PRIME);
    state = state.map((v, i) => (r < 4 || r >= rounds - 4 || i === 0 ? power(v, 5n) : v));
    state = matrix.map((row) => row.reduce((sum, k, j) => (sum + k * (state[j] as bigint)) % PRIME, 0n));
  }
  return state[0] as bigint;
}

/** Commitment to packed words: (tag, lanes, bits), salt, words; sixteen at a time, the hash so far in front. */
export function commitment(lanes: number, bits: number, salt: bigint, words: readonly bigint[]): bigint {
  const head = (0x6f67696en << 128n) | (BigInt(lanes) << 64n) | BigInt(bits);
  let h = poseidon([head, salt, ...words.slice(0, 14)]);
  for (let at = 14; at < words.length; at += 15) h = poseidon([h, ...words.slice(at, at + 15)]);
  return h;
}
