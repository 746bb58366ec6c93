import { bitLength, type IntBuilder, type IntNode } from "../integer/graph.ts";
import { scaleRound, toReal, up } from "./dyadic.ts";

/**
 * A real number carried by an integer node: value = node * 2^e, off by at most `err`. While a node is lowered its arguments have none, so that
 * `err` is what this step adds; what the lowerer hands out has the whole distance to the real graph.
 */
export interface Quantity {
  readonly node: number;
  readonly e: number;
  readonly err: number;
}

/** Arithmetic on quantities: each function keeps the error bound true for every admissible input. */
export class Quantities {
  readonly int: IntBuilder;
  /** Assertions that go with a hint: kept alive as long as it is. */
  readonly guards = new Map<number, number[]>();
  /** Of each node, the interval on the scale on which it was last asked for. */
  readonly #ranges = new Map<number, { readonly e: number; readonly lo: number; readonly hi: number }>();

  constructor(int: IntBuilder) {
    this.int = int;
  }

  at(q: Quantity): IntNode {
    return this.int.at(q.node);
  }

  width(q: Quantity): number {
    const { lo, hi } = this.at(q);
    return Math.max(bitLength(lo), bitLength(hi)) + 1;
  }

  /** Real interval, without the error. */
  range(q: Quantity): { readonly lo: number; readonly hi: number } {
    const known = this.#ranges.get(q.node);
    if (known?.e === q.e) return known;
    const { lo, hi } = this.at(q);
    const range = { e: q.e, lo: toReal(lo, q.e), hi: toReal(hi, q.e) };
    this.#ranges.set(q.node, range);
    return range;
  }

  magnitude(q: Quantity): number {
    const { lo, hi } = this.range(q);
    return up(Math.max(Math.abs(lo), Math.abs(hi)));
  }

  constant(v: number, e: number): Quantity {
    const c = scaleRound(v, e);
    return { node: this.int.constant(c), e, err: up(Math.abs(v - toReal(c, e))) };
  }

  /** The same value on a finer scale. */
  align(q: Quantity, e: number): Quantity {
    if (e > q.e) throw new RangeError(`cannot coarsen 2^${q.e} to 2^${e} for free`);
    if (e === q.e) return q;
    return { node: this.int.lin([q.node], [1n << BigInt(q.e - e)]), e, err: q.err };
  }

  guard(hint: number, assertions: readonly number[]): void {
    this.guards.set(hint, [...(this.guards.get(hint) ?? []), ...assertions]);
  }

  /** Range check of a value that is never negative. */
  rangeCheck(node: number): number {
    const { lo, hi } = this.int.at(node);
    if (lo < 0n) throw new RangeError("a range check needs a value that is not negative");
    return this.int.bits(node, 0n, Math.max(1, bitLength(hi)));
  }

  /** Drops `shift` low bits, rounding half up: bits + 1 rows. */
  cut(q: Quantity, shift: number): Quantity {
    if (shift <= 0) return q;
    const half = this.int.lin([q.node], [1n], 1n << BigInt(shift - 1));
    return { ...this.floorShift({ node: half, e: q.e, err: q.err }, shift), err: up(q.err + toReal(1n, q.e + shift - 1)) };
  }

  /** floor(x / 2^shift), exact as an integer function. */
  floorShift(q: Quantity, shift: number): Quantity {
    const { lo, hi } = this.at(q);
    const s = BigInt(shift);
    // Offsets that are multiples of 2^shift keep quotient and remainder apart.
    const offset = lo < 0n ? (-lo + (1n << s) - 1n) >> s : 0n;
    const width = Math.max(shift + 1, bitLength(hi + (offset << s)));
    const bits = this.int.bits(q.node, offset << s, width);
    return { node: this.int.lin([this.int.field(bits, shift, width)], [1n], -offset), e: q.e + shift, err: q.err };
  }

  /** Narrows to at most `width` bits. */
  narrow(q: Quantity, width: number): Quantity {
    return this.cut(q, this.width(q) - width);
  }
}
