import { P, power } from "../integer/field.ts";
import { poseidonParameters } from "./parameters.ts";

/** What the permutation is computed over: field elements for the witness, linear forms for the circuit. */
export interface Algebra<E> {
  readonly linear: (parts: readonly (readonly [E, bigint])[], c: bigint) => E;
  /** A new wire equal to a product: one row. */
  readonly product: (a: E, b: E) => E;
  /** A new wire equal to a sum: one linear row, so that sums stay short in products. */
  readonly wire: (e: E) => E;
}

/**
 * Poseidon of up to 16 elements, compatible with circomlib's: capacity element 0 is zero, the result is element 0. Elements whose value
 * is known (`fixed`, by position) cost no rows in the first round.
 */
export function poseidon<E>(alg: Algebra<E>, inputs: readonly E[], fixed: ReadonlyMap<number, bigint> = new Map()): E {
  const p = poseidonParameters(inputs.length + 1);
  const fifth = (x: E): E => {
    const square = alg.product(x, x);
    return alg.product(alg.product(square, square), x);
  };
  const mix = (s: readonly E[]): E[] => p.matrix.map((row) => alg.linear(s.map((e, j) => [e, row[j] as bigint]), 0n));
  let state: E[] = [alg.linear([], 0n), ...inputs];
  const half = p.full / 2;
  for (let round = 0; round < p.full + p.partial; round++) {
    const isFull = round < half || round >= half + p.partial;
    // Sums grow in the partial rounds: before the last full rounds they become wires once.
    if (round === half + p.partial) state = state.map(alg.wire);
    state = state.map((e, i) => alg.linear([[e, 1n]], p.constants[round * p.t + i] as bigint));
    const known = (i: number): bigint | undefined => (i === 0 ? 0n : fixed.get(i - 1));
    if (round === 0) {
      state = state.map((e, i) => {
        const v = known(i);
        return v === undefined ? fifth(e) : alg.linear([], power(v + (p.constants[i] as bigint), 5n));
      });
    }
    else state = isFull ? state.map(fifth) : [fifth(alg.wire(state[0] as E)), ...state.slice(1)];
    state = mix(state);
  }
  return state[0] as E;
}

const values: Algebra<bigint> = {
  linear: (parts, c) => parts.reduce((sum, [e, k]) => (sum + e * k) % P, c),
  product: (a, b) => (a * b) % P,
  wire: (e) => e,
};

export const poseidonHash = (inputs: readonly bigint[]): bigint => poseidon(values, inputs);

/** "ogin": inputs of a model. */
const TAG = 0x6f67696en;
const RATE = 16;

/** First element of the sponge: what is hashed, how many lanes and how many bits of them. */
export const header = (lanes: number, bits: number): bigint => (TAG << 128n) | (BigInt(lanes) << 64n) | BigInt(bits);

/** Chain of Poseidon calls: (header, salt, 14 words), then (hash so far, 15 words) and so on. */
export function sponge<E>(alg: Algebra<E>, head: bigint, salt: E, words: readonly E[]): E {
  let block: E[] = [alg.linear([], head), salt, ...words.slice(0, RATE - 2)];
  let h = poseidon(alg, block, new Map([[0, head]]));
  for (let at = RATE - 2; at < words.length; at += RATE - 1) {
    block = [alg.wire(h), ...words.slice(at, at + RATE - 1)];
    h = poseidon(alg, block);
  }
  return h;
}

export const spongeHash = (head: bigint, salt: bigint, words: readonly bigint[]): bigint => sponge(values, head, salt, words);

/** Every wire of the sponge, in the order in which the circuit numbers them: salt, words, then the permutations. */
export function spongeWires(head: bigint, salt: bigint, words: readonly bigint[]): { wires: bigint[]; hash: bigint } {
  const wires: bigint[] = [salt, ...words];
  const keep = (v: bigint): bigint => {
    wires.push(v);
    return v;
  };
  const hash = sponge({ ...values, product: (a, b) => keep((a * b) % P), wire: keep }, head, salt, words);
  return { wires, hash };
}
