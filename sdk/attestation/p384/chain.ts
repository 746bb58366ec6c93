import { addPoints, doublePoint, negate, P, SameX, type Point } from "./curve.ts";
import { generatorMultiples, GENERATOR_SPLIT, GENERATOR_WIDTH, oddMultiples } from "./generator.ts";

/** The window of Q and R: odd multiples 1 .. 15, as the contract builds them. */
const WIDTH = 5;
const TABLE_SIZE = 2 ** (WIDTH - 2);
/** Of a header: plain doublings in front, at most. */
const MAX_DOUBLINGS = 15;
const GENERATOR_INDEX = 256;
/** Half of index 511: with `minus`, the header of a step that only doubles. */
const NOTHING: Term = { index: 255, minus: true };
export const Kind = { add: 0, fused: 1, close: 2 } as const;

/** One addition of the ladder: record `index`, subtracted when `minus`. */
export interface Term {
  index: number;
  minus: boolean;
}

/** What is summed: a multiple of the generator, and of each table point in the contract's order Q_0, R_0, Q_1, R_1, .. */
export interface Combination {
  generator: bigint;
  points: { point: Point; multiple: bigint }[];
}

/** Collects what the contract reads: headers and slopes. */
export class Writer {
  #parts: string[] = [];

  header(doublings: number, kind: number, term: Term): void {
    const value = (doublings << 12) | (kind << 10) | (2 * term.index + Number(term.minus));
    this.#parts.push(value.toString(16).padStart(4, "0"));
  }

  /** A slope in 48 bytes, two's complement, of the representative closest to 0. */
  slope(value: bigint): void {
    const balanced = value > P / 2n ? value - P + 2n ** 384n : value;
    this.#parts.push(balanced.toString(16).padStart(96, "0"));
  }

  toString(): string {
    return this.#parts.join("");
  }
}

/** Width-w non-adjacent form: odd digits below 2^(w-1) in magnitude, by position. */
export function nonAdjacentForm(value: bigint, width: number): Map<number, number> {
  const digits = new Map<number, number>();
  const sign = value < 0n ? -1 : 1;
  let rest = value < 0n ? -value : value;
  const modulus = 2n ** BigInt(width);
  for (let position = 0; rest > 0n; position++, rest >>= 1n) {
    if (!(rest & 1n)) continue;
    let digit = rest % modulus;
    if (digit >= modulus / 2n) digit -= modulus;
    rest -= digit;
    digits.set(position, sign * Number(digit));
  }
  return digits;
}

/** Table slopes, in the contract's order, and the tables. */
export function buildTable(point: Point, writer: Writer): Point[] {
  const table = oddMultiples(point, TABLE_SIZE);
  const twice = doublePoint(point);
  writer.slope(twice.slope);
  let running = twice.point;
  writer.slope(addPoints(running, point).slope);
  running = table[1]!;
  for (let i = 2; i < TABLE_SIZE; i++) {
    writer.slope(addPoints(running, twice.point).slope);
    running = table[i]!;
  }
  return table;
}

function schedule(combination: Combination): Map<number, Term[]> {
  const terms = new Map<number, Term[]>();
  const put = (value: bigint, width: number, base: number) => {
    for (const [position, digit] of nonAdjacentForm(value, width)) {
      const term = { index: base + (Math.abs(digit) - 1) / 2, minus: digit < 0 };
      terms.set(position, [...(terms.get(position) ?? []), term]);
    }
  };
  combination.points.forEach(({ multiple }, i) => put(multiple, WIDTH, i * TABLE_SIZE));
  const split = 2n ** GENERATOR_SPLIT;
  const low = combination.generator % split;
  put(low, GENERATOR_WIDTH, GENERATOR_INDEX);
  put(combination.generator / split, GENERATOR_WIDTH, GENERATOR_INDEX + generatorMultiples().length / 2);
  return terms;
}

/**
 * Position, table slopes and program for a sum that is the point at infinity, as hex without prefix.
 * Throws SameX when two points met on the way: the caller then tries other multiples of the same relation.
 */
export function proveChain(combination: Combination): string {
  const writer = new Writer();
  const points = combination.points.flatMap(({ point }) => buildTable(point, writer));
  const slopesOfTables = writer.toString();

  const terms = schedule(combination);
  const lookUp = ({ index, minus }: Term): Point => {
    const point = index < GENERATOR_INDEX ? points[index]! : generatorMultiples()[index - GENERATOR_INDEX]!;
    return minus ? negate(point) : point;
  };
  const order = [...terms.keys()].sort((a, b) => b - a).flatMap((position) => terms.get(position)!.map((term) => ({ position, term })));
  const [first, ...rest] = order;
  const last = rest.pop();
  if (!first || !last || last.position !== 0) throw new SameX("the last addition must stand at position 0");

  const program = new Writer();
  program.header(0, Kind.add, first.term);
  let running = lookUp(first.term);
  let position = first.position;
  const doubleOnce = () => {
    const { slope, point } = doublePoint(running);
    program.slope(slope);
    running = point;
  };
  for (const next of [...rest, last]) {
    const closing = next === last;
    let doublings = position - next.position;
    position = next.position;
    while (doublings > MAX_DOUBLINGS + (closing ? 0 : 1)) {
      program.header(MAX_DOUBLINGS, Kind.add, NOTHING);
      for (let i = 0; i < MAX_DOUBLINGS; i++) doubleOnce();
      doublings -= MAX_DOUBLINGS;
    }
    const fused = doublings > 0 && !closing;
    const plain = fused ? doublings - 1 : doublings;
    program.header(plain, closing ? Kind.close : fused ? Kind.fused : Kind.add, next.term);
    for (let i = 0; i < plain; i++) doubleOnce();
    const point = lookUp(next.term);
    if (closing) {
      if (running.x !== point.x || running.y !== P - point.y) throw new SameX("the sum is not the point at infinity");
      continue;
    }
    const chord = addPoints(running, point);
    program.slope(chord.slope);
    if (fused) {
      const second = addPoints(running, chord.point);
      program.slope(second.slope);
      running = second.point;
    } else {
      running = chord.point;
    }
  }
  return first.position.toString(16).padStart(4, "0") + slopesOfTables + program.toString();
}
