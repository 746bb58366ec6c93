import { oneHots } from "./one-hot.ts";
import type { Combination, R1cs } from "../emit/r1cs.ts";

/** A linear form with signed coefficients; wire 0 (the constant one) is `c`. */
export interface Linear {
  readonly terms: Map<number, bigint>;
  readonly c: bigint;
}

export interface ProductRow {
  readonly row: number;
  readonly a: Linear;
  readonly b: Linear;
  readonly c: Linear;
}

export interface LinearRow {
  readonly row: number;
  readonly form: Linear;
}

/** form = sum 2^i bit_i, hence form >= 0: what a range check says. */
export interface Fact {
  readonly row: number;
  readonly form: Linear;
  readonly bits: number[];
}

/** out is 1 when x is zero and 0 otherwise: x inv = 1 - out, x out = 0, inv out = 0. */
export interface IsZero {
  readonly x: Linear;
  readonly inv: number;
  readonly out: number;
  readonly rows: readonly number[];
}

/** sum s_i = 1 and s_i (index - c_i) = 0, the c_i distinct. */
export interface OneHot {
  readonly index: Linear;
  readonly selectors: readonly number[];
  readonly rows: readonly number[];
}

export interface System {
  readonly prime: bigint;
  readonly wires: number;
  readonly booleans: Set<number>;
  readonly products: ProductRow[];
  readonly linear: LinearRow[];
  readonly facts: Fact[];
  readonly zeros: IsZero[];
  readonly oneHots: OneHot[];
}

function signed(list: Combination, prime: bigint): Linear {
  const terms = new Map<number, bigint>();
  let c = 0n;
  for (const [wire, k] of list) {
    const v = k > prime >> 1n ? k - prime : k;
    if (v === 0n) continue;
    if (wire === 0) c += v;
    else terms.set(wire, v);
  }
  return { terms, c };
}

export function add(a: Linear, b: Linear, k: bigint): Linear {
  const terms = new Map(a.terms);
  for (const [wire, v] of b.terms) {
    const sum = (terms.get(wire) ?? 0n) + k * v;
    if (sum === 0n) terms.delete(wire);
    else terms.set(wire, sum);
  }
  return { terms, c: a.c + k * b.c };
}

export function same(a: Linear, b: Linear): boolean {
  if (a.c !== b.c || a.terms.size !== b.terms.size) return false;
  for (const [wire, v] of a.terms) if (b.terms.get(wire) !== v) return false;
  return true;
}

export const negate = (f: Linear): Linear => ({ terms: new Map([...f.terms].map(([w, k]) => [w, -k])), c: -f.c });

/** Coefficient of the lowest wire. */
function lead(f: Linear): bigint {
  let [wire, k] = [Infinity, f.c];
  for (const [w, v] of f.terms) if (w < wire) [wire, k] = [w, v];
  return k;
}

/** One of the two forms f, -f: for looking things up whatever sign circom gave them. */
export const unsigned = (f: Linear): Linear => (lead(f) < 0n ? negate(f) : f);

/** circom moves signs around: here the right side leads positive, and so does the left side's lone wire. */
function normalised(r: ProductRow): ProductRow {
  let { a, b, c } = r;
  if (lead(c) < 0n) {
    c = negate(c);
    if (lead(b) < 0n) b = negate(b);
    else a = negate(a);
  }
  const loneNegative = (f: Linear): boolean => f.terms.size === 1 && f.c === 0n && lead(f) < 0n;
  if (loneNegative(a) || loneNegative(b)) [a, b] = [negate(a), negate(b)];
  return { row: r.row, a, b, c };
}

/** w (w - 1) = 0, in either order and sign. */
function booleanWire(r: ProductRow): number | undefined {
  if (r.c.terms.size !== 0 || r.c.c !== 0n || r.a.terms.size !== 1 || r.b.terms.size !== 1) return undefined;
  const [[x, p]] = r.a.terms as unknown as [[number, bigint]];
  const [[y, q]] = r.b.terms as unknown as [[number, bigint]];
  if (x !== y) return undefined;
  const zeroRoot = r.a.c === 0n || r.b.c === 0n;
  const oneRoot = r.a.c === -p || r.b.c === -q;
  return zeroRoot && oneRoot ? x : undefined;
}

const isConstant = (f: Linear): boolean => f.terms.size === 0;

/** Sorts the rows of an R1CS into booleans, sums and products. Nothing but the rows is believed. */
export function readSystem(r1cs: R1cs): System {
  const booleans = new Set<number>();
  const products: ProductRow[] = [];
  const linear: LinearRow[] = [];
  r1cs.rows.forEach((raw, row) => {
    const r = { row, a: signed(raw.a, r1cs.prime), b: signed(raw.b, r1cs.prime), c: signed(raw.c, r1cs.prime) };
    const wire = booleanWire(r);
    if (wire !== undefined) booleans.add(wire);
    else if (isConstant(r.a)) linear.push({ row, form: add(r.c, r.b, -r.a.c) });
    else if (isConstant(r.b)) linear.push({ row, form: add(r.c, r.a, -r.b.c) });
    else products.push(normalised(r));
  });
  const facts = linear.flatMap((l) => factsOf(l, booleans));
  return { prime: r1cs.prime, wires: r1cs.wires, booleans, products, linear, facts, zeros: isZeros(products), oneHots: oneHots(linear, products) };
}

/**
 * Digit groups of a sum: runs of neighbouring boolean wires whose coefficients double. The neighbourhood is only where to look; that
 * the rest of the row equals the number they spell is then a fact of the row itself.
 */
function factsOf(l: LinearRow, booleans: ReadonlySet<number>): Fact[] {
  const wires = [...l.form.terms.keys()].filter((w) => booleans.has(w)).sort((a, b) => a - b);
  const facts: Fact[] = [];
  for (let i = 0; i < wires.length; ) {
    let j = i + 1;
    const k = (at: number): bigint => l.form.terms.get(wires[at] as number) as bigint;
    while (j < wires.length && wires[j] === (wires[j - 1] as number) + 1 && k(j) === 2n * k(j - 1)) j++;
    const unit = k(i);
    if (unit === 1n || unit === -1n) {
      const bits = wires.slice(i, j);
      const terms = new Map<number, bigint>();
      for (const [w, v] of l.form.terms) if (!(w >= (bits[0] as number) && w <= (bits[bits.length - 1] as number) && booleans.has(w))) terms.set(w, -v * unit);
      facts.push({ row: l.row, form: { terms, c: -l.form.c * unit }, bits });
    }
    i = j;
  }
  return facts;
}

export const keyOf = (f: Linear): string => `${[...f.terms].sort((a, b) => a[0] - b[0]).map(([w, k]) => `${w}:${k}`).join()}|${f.c}`;
export const isEmpty = (f: Linear): boolean => f.terms.size === 0 && f.c === 0n;
/** The wire that a form is, if it is one wire and nothing else. */
export const loneWire = (f: Linear): number | undefined => {
  const [first] = f.terms;
  return f.terms.size === 1 && f.c === 0n && first && first[1] === 1n ? first[0] : undefined;
};

function isZeros(products: readonly ProductRow[]): IsZero[] {
  const name = (a: Linear, b: Linear): string => [keyOf(unsigned(a)), keyOf(unsigned(b))].sort().join("*");
  const zero = new Map<string, number>();
  for (const p of products) if (isEmpty(p.c)) zero.set(name(p.a, p.b), p.row);
  const unit = (w: number): Linear => ({ terms: new Map([[w, 1n]]), c: 0n });
  const found: IsZero[] = [];
  for (const p of products) {
    const right = unsigned(p.c);
    const [out] = [...right.terms.keys()];
    if (right.terms.size !== 1 || right.c !== -1n || out === undefined || right.terms.get(out) !== 1n) continue;
    for (const [x, hint] of [[p.a, p.b], [p.b, p.a]] as const) {
      const inv = loneWire(unsigned(hint));
      if (inv === undefined) continue;
      const second = zero.get(name(x, unit(out)));
      const third = zero.get(name(unit(inv), unit(out)));
      // The sign of the inverse does not matter: either way x and inv determine that out is 1 exactly where x is 0.
      if (second === undefined || third === undefined) continue;
      // Where both are lone wires either could be the inverse: the one whose argument is known first decides.
      found.push({ x, inv, out, rows: [p.row, second, third] });
    }
  }
  return found;
}
