/**
 * Development powers of tau: a prepared phase-1 file with the published trapdoor, for trying the ceremony's tools in seconds
 * (2^14: some eight seconds, where contributing and preparing take minutes). Contracts recognise every key made from it by
 * its alpha and beta.
 */
import { DEVELOPMENT_TRAPDOOR } from "./development.ts";
import type { Trapdoor } from "./qap.ts";
import { BLOCK, openFixedBase } from "./fixed-base.ts";
import { inverse, lagrangeBlocks, mod, power, Q, R, rootOfUnity, writeScalar } from "./field.ts";
import { streamSections } from "./sections.ts";

export interface PtauOptions {
  /** With another trapdoor: for tests of what happens to keys that are not recognised. */
  trapdoor?: Pick<Trapdoor, "tau" | "alpha" | "beta">;
  /** Points that are held at a time; the file does not depend on it. */
  block?: number;
}

/** Holds circuits with up to 2^exponent rows. */
export async function makeDevelopmentPtau(path: string, exponent: number, { trapdoor = DEVELOPMENT_TRAPDOOR, block = BLOCK }: PtauOptions = {}): Promise<void> {
  const { tau, alpha, beta } = trapdoor;
  const size = 2 ** exponent;
  const header = new Uint8Array(44);
  const view = new DataView(header.buffer);
  view.setUint32(0, 32, true);
  writeScalar(view, 4, Q);
  view.setUint32(36, exponent, true);
  view.setUint32(40, exponent, true);
  // A table is worth its size from some hundred thousand points on.
  const base = openFixedBase(10 * size, { block });
  const powers = (count: number, factor = 1n) => powersOf(tau, count, factor);
  const bases = (factor = 1n) => basesAt(tau, exponent, factor, block);
  try {
    await streamSections(path, "ptau", 1, [
      [1, [header]],
      [2, base.stream(1, powers(2 * size - 1))],
      [3, base.stream(2, powers(size))],
      [4, base.stream(1, powers(size, alpha))],
      [5, base.stream(1, powers(size, beta))],
      [6, base.stream(2, [beta])],
      // No contributions: there was no ceremony.
      [7, [new Uint8Array(4)]],
      [12, base.stream(1, inTurn(bases(), truncated(tau, exponent + 1, block)))],
      [13, base.stream(2, bases())],
      [14, base.stream(1, bases(alpha))],
      [15, base.stream(1, bases(beta))],
    ]);
  } finally {
    await base.close();
  }
}

function* powersOf(tau: bigint, count: number, factor: bigint): Generator<bigint> {
  for (let value = factor; count > 0; count--) {
    yield value;
    value = (value * tau) % R;
  }
}

/** The Lagrange basis of each domain up to 2^exponent, smallest first. */
function* basesAt(tau: bigint, exponent: number, factor: bigint, block: number): Generator<bigint> {
  yield factor;
  for (let k = 1; k <= exponent; k++) for (const values of lagrangeBlocks(tau, k, block)) for (const value of values) yield (value * factor) % R;
}

/**
 * In G1 there is one domain more, because the quotient lives on the doubled one. It stops a degree early, as there is no higher power
 * in the file: L_i(tau) without its term of the highest degree n - 1, whose coefficient is w^i / n.
 */
function* truncated(tau: bigint, exponent: number, block: number): Generator<bigint> {
  const size = 2 ** exponent;
  const scale = mod(inverse(BigInt(size)) * power(tau, BigInt(size - 1)));
  const root = rootOfUnity(exponent);
  let point = 1n;
  for (const values of lagrangeBlocks(tau, exponent, block)) {
    for (const value of values) {
      yield mod(value - point * scale);
      point = (point * root) % R;
    }
  }
}

function* inTurn(...parts: Iterable<bigint>[]): Generator<bigint> {
  for (const part of parts) yield* part;
}
