/**
 * Development powers of tau: a prepared phase-1 file with the published trapdoor, for trying the ceremony's tools in seconds
 * (2^14: some eight seconds, where contributing and preparing take minutes). Contracts recognise every key made from it by
 * its alpha and beta.
 */
import { DEVELOPMENT_TRAPDOOR } from "./development.ts";
import type { Trapdoor } from "./qap.ts";
import { openFixedBase } from "./fixed-base.ts";
import { inverse, lagrangeAt, mod, power, Q, R, rootOfUnity, writeScalar } from "./field.ts";
import { writeSections } from "./sections.ts";

/** Holds circuits with up to 2^exponent rows. With another trapdoor: for tests of what happens to keys that are not recognised. */
export async function makeDevelopmentPtau(path: string, exponent: number, trapdoor: Pick<Trapdoor, "tau" | "alpha" | "beta"> = DEVELOPMENT_TRAPDOOR): Promise<void> {
  const { tau, alpha, beta } = trapdoor;
  const size = 2 ** exponent;
  const powers: bigint[] = [1n];
  while (powers.length < 2 * size - 1) powers.push((powers.at(-1)! * tau) % R);
  const times = (values: readonly bigint[], factor: bigint) => values.map((value) => (value * factor) % R);
  // The Lagrange basis of each domain, smallest first; in G1 one more, because the quotient lives on the doubled domain. That
  // last one stops a degree early, as there is no higher power in the file.
  const bases = Array.from({ length: exponent + 1 }, (_, k) => (k === 0 ? [1n] : lagrangeAt(tau, k))).flat();
  const doubled = truncated(lagrangeAt(tau, exponent + 1), tau, exponent + 1);
  const half = powers.slice(0, size);

  const base = openFixedBase(10 * size);
  try {
    const header = new Uint8Array(44);
    const view = new DataView(header.buffer);
    view.setUint32(0, 32, true);
    writeScalar(view, 4, Q);
    view.setUint32(36, exponent, true);
    view.setUint32(40, exponent, true);
    const one = (values: readonly bigint[]) => base.multiply(1, values);
    const two = (values: readonly bigint[]) => base.multiply(2, values);
    writeSections(path, "ptau", 1, [
      [1, [header]],
      [2, [await one(powers)]],
      [3, [await two(half)]],
      [4, [await one(times(half, alpha))]],
      [5, [await one(times(half, beta))]],
      [6, [await two([beta])]],
      // No contributions: there was no ceremony.
      [7, [new Uint8Array(4)]],
      [12, [await one([...bases, ...doubled])]],
      [13, [await two(bases)]],
      [14, [await one(times(bases, alpha))]],
      [15, [await one(times(bases, beta))]],
    ]);
  } finally {
    await base.close();
  }
}

/** L_i(tau) without its term of the highest degree n - 1, whose coefficient is w^i / n. */
function truncated(values: readonly bigint[], tau: bigint, exponent: number): bigint[] {
  const size = 2 ** exponent;
  const scale = mod(inverse(BigInt(size)) * power(tau, BigInt(size - 1)));
  const root = rootOfUnity(exponent);
  let point = 1n;
  return values.map((value) => {
    const term = (point * scale) % R;
    point = (point * root) % R;
    return mod(value - term);
  });
}
