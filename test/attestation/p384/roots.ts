import { invert, mod, P } from "../../../sdk/attestation/p384/curve.ts";

/** Polynomials over the field of P-384, lowest coefficient first, without leading zeros; [] is 0. For forgeries: they solve for points. */
export type Poly = bigint[];

const trim = (a: Poly): Poly => {
  let size = a.length;
  while (size > 0 && a[size - 1] === 0n) size--;
  return a.slice(0, size);
};

const add = (a: Poly, b: Poly): Poly => {
  return trim(Array.from({ length: Math.max(a.length, b.length) }, (_, i) => ((a[i] ?? 0n) + (b[i] ?? 0n)) % P));
};
const scale = (a: Poly, k: bigint): Poly => trim(a.map((c) => mod(c * k, P)));
const subtract = (a: Poly, b: Poly): Poly => add(a, scale(b, -1n));

function multiply(a: Poly, b: Poly): Poly {
  if (a.length === 0 || b.length === 0) return [];
  const product = new Array<bigint>(a.length + b.length - 1).fill(0n);
  for (let i = 0; i < a.length; i++) for (let j = 0; j < b.length; j++) product[i + j]! += a[i]! * b[j]!;
  return trim(product.map((c) => c % P));
}

function divide(a: Poly, b: Poly): { quotient: Poly; rest: Poly } {
  const rest = [...a];
  const inverse = invert(b.at(-1)!, P);
  const quotient: Poly = [];
  for (let shift = a.length - b.length; shift >= 0; shift--) {
    const factor = mod(rest[shift + b.length - 1]! * inverse, P);
    quotient[shift] = factor;
    if (factor === 0n) continue;
    for (let i = 0; i < b.length; i++) rest[shift + i] = mod(rest[shift + i]! - factor * b[i]!, P);
  }
  return { quotient: trim(quotient), rest: trim(rest.slice(0, b.length - 1)) };
}

const reduce = (a: Poly, m: Poly): Poly => (a.length < m.length ? a : divide(a, m).rest);

function gcd(a: Poly, b: Poly): Poly {
  while (b.length > 0) [a, b] = [b, reduce(a, b)];
  return a.length > 0 ? scale(a, invert(a.at(-1)!, P)) : a;
}

function power(base: Poly, exponent: bigint, m: Poly): Poly {
  let result: Poly = [1n];
  for (const bit of exponent.toString(2)) {
    result = reduce(multiply(result, result), m);
    if (bit === "1") result = reduce(multiply(result, base), m);
  }
  return result;
}

/** All roots in the field: those of gcd(t^p - t, f), split by Cantor and Zassenhaus. */
export function roots(f: Poly): bigint[] {
  if (f.length < 2) return [];
  const linear = gcd(subtract(power([0n, 1n], P, f), [0n, 1n]), f);
  const found: bigint[] = [];
  const split = (g: Poly, seed: bigint): void => {
    if (g.length === 2) found.push(mod(-g[0]! * invert(g[1]!, P), P));
    if (g.length <= 2) return;
    const factor = gcd(subtract(power([seed, 1n], (P - 1n) / 2n, g), [1n]), g);
    if (factor.length > 1 && factor.length < g.length) {
      split(factor, seed + 1n);
      split(divide(g, factor).quotient, seed + 1n);
    } else {
      split(g, seed + 1n);
    }
  };
  split(linear, 1n);
  return found;
}

/** A rational function n / d, kept short by its common factor. */
export class Ratio {
  readonly n: Poly;
  readonly d: Poly;
  constructor(n: Poly, d: Poly = [1n]) {
    const common = n.length > 1 && d.length > 1 ? gcd(n, d) : [1n];
    this.n = common.length > 1 ? divide(n, common).quotient : n;
    this.d = common.length > 1 ? divide(d, common).quotient : d;
  }

  static of(value: bigint): Ratio {
    return new Ratio(trim([mod(value, P)]));
  }

  static variable = new Ratio([0n, 1n]);

  plus(other: Ratio): Ratio {
    return new Ratio(add(multiply(this.n, other.d), multiply(other.n, this.d)), multiply(this.d, other.d));
  }

  minus(other: Ratio): Ratio {
    return this.plus(other.times(Ratio.of(-1n)));
  }

  times(other: Ratio): Ratio {
    return new Ratio(multiply(this.n, other.n), multiply(this.d, other.d));
  }

  over(other: Ratio): Ratio {
    return this.times(new Ratio(other.d, other.n));
  }
}
