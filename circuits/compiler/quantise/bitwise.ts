import { bitLength, signedBits } from "../integer/graph.ts";
import type { Quantities, Quantity } from "./quantity.ts";

/** Two's complement digits of a whole value, low first; the last one is the sign and repeats for ever. */
function digits(q: Quantities, x: Quantity): number[] {
  const { int } = q;
  const whole = q.align(x, 0);
  const { lo, hi } = int.at(whole.node);
  if (lo >= 0n) {
    const width = Math.max(1, bitLength(hi));
    const bits = int.bits(whole.node, 0n, width);
    return [...Array.from({ length: width }, (_, i) => int.bit(bits, i)), int.constant(0n)];
  }
  const width = signedBits(lo, hi);
  const bits = int.signed(whole.node);
  const low = Array.from({ length: width - 1 }, (_, i) => int.bit(bits, i));
  // The top digit of an offset number is 1 where the value is not negative.
  return [...low, int.lin([int.bit(bits, width - 1)], [-1n], 1n)];
}

function constantDigits(q: Quantities, v: bigint): number[] {
  const width = signedBits(v, v);
  return Array.from({ length: width }, (_, i) => q.int.constant((v >> BigInt(i)) & 1n));
}

/** and, or, xor of whole numbers: the digits of both, and one row for each pair of digits that the data decides. */
export function lowerBitwise(q: Quantities, fn: string, x: Quantity, y: Quantity | bigint): Quantity {
  const { int } = q;
  const a = digits(q, x);
  const b = typeof y === "bigint" ? constantDigits(q, y) : digits(q, y);
  const width = Math.max(a.length, b.length);
  const at = (list: readonly number[], i: number): number => list[Math.min(i, list.length - 1)] as number;
  const made = Array.from({ length: width }, (_, i) => {
    const [p, r] = [at(a, i), at(b, i)];
    const both = int.mul(p, r);
    if (fn === "and") return both;
    return int.lin([p, r, both], [1n, 1n, fn === "or" ? -1n : -2n]);
  });
  const weights = made.map((_, i) => (i === width - 1 ? -(1n << BigInt(i)) : 1n << BigInt(i)));
  const err = x.err > 0 || (typeof y !== "bigint" && y.err > 0) ? Infinity : 0;
  return { node: int.lin(made, weights), e: 0, err };
}
