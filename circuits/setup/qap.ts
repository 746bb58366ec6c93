/**
 * The discrete logarithms of a proving key: what each of its points is a multiple of, for a known trapdoor.
 *
 * For wire s, with A_s, B_s, C_s its polynomials through the rows and L the Lagrange basis at tau:
 *   a = A_s(tau)   b = B_s(tau)   k = beta a + alpha b + C_s(tau), over gamma for public wires, over delta for private ones.
 * Each public wire gets a row `wire * 0 = 0` of its own, so that it is bound even where no constraint mentions it.
 */
import { A, B, domainExponent, termsOf } from "./r1cs.ts";
import type { R1cs } from "./r1cs.ts";
import { inverse, lagrangeAt, mod, R } from "./field.ts";

export interface Trapdoor {
  tau: bigint;
  alpha: bigint;
  beta: bigint;
  gamma: bigint;
  delta: bigint;
}

export interface KeyScalars {
  a: bigint[];
  b: bigint[];
  /** Public wires and the constant one. */
  ic: bigint[];
  /** Private wires. */
  l: bigint[];
  /** Odd Lagrange points of the doubled domain: snarkjs evaluates the quotient there. */
  h: bigint[];
}

export function keyScalars(r1cs: R1cs, trapdoor: Trapdoor): KeyScalars {
  const { tau, alpha, beta, gamma, delta } = trapdoor;
  const exponent = domainExponent(r1cs);
  const basis = lagrangeAt(tau, exponent);
  const a: bigint[] = new Array(r1cs.wires).fill(0n);
  const b: bigint[] = new Array(r1cs.wires).fill(0n);
  const c: bigint[] = new Array(r1cs.wires).fill(0n);
  for (const { form, row, wire, coefficient } of termsOf(r1cs)) {
    const forms = form === A ? a : form === B ? b : c;
    forms[wire] = (forms[wire]! + coefficient * basis[row]!) % R;
  }
  for (let wire = 0; wire <= r1cs.publics; wire++) a[wire] = mod(a[wire]! + basis[r1cs.rows + wire]!);

  const overGamma = inverse(gamma);
  const overDelta = inverse(delta);
  const k = a.map((value, wire) => (beta * value + alpha * b[wire]! + c[wire]!) % R);
  const odd = lagrangeAt(tau, exponent + 1).filter((_, i) => i % 2 === 1);
  return {
    a,
    b,
    ic: k.slice(0, r1cs.publics + 1).map((value) => (value * overGamma) % R),
    l: k.slice(r1cs.publics + 1).map((value) => (value * overDelta) % R),
    h: odd.map((value) => (value * overDelta) % R),
  };
}
