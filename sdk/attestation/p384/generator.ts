import { addPoints, doublePoint, GENERATOR, P, type Point } from "./curve.ts";

/** Odd multiples 1, 3, .. 2 count - 1 of a point. */
export function oddMultiples(point: Point, count: number): Point[] {
  const twice = doublePoint(point).point;
  const multiples = [point];
  while (multiples.length < count) multiples.push(addPoints(multiples.at(-1)!, twice).point);
  return multiples;
}

export const GENERATOR_WIDTH = 9;
/** The generator's multiple is split at this bit: low half on G, high half on 2^192 G. */
export const GENERATOR_SPLIT = 192n;

let tables: Point[] | undefined;

/** (2i+1) G for i < 128, then (2i+1) 2^192 G: what the contract's table holds. */
export function generatorMultiples(): Point[] {
  if (!tables) {
    const count = 2 ** (GENERATOR_WIDTH - 2);
    let high = GENERATOR;
    for (let i = 0n; i < GENERATOR_SPLIT; i++) high = doublePoint(high).point;
    tables = [...oddMultiples(GENERATOR, count), ...oddMultiples(high, count)];
  }
  return tables;
}

/** The bytes of the data contract: -x and y of each multiple, 48 bytes each. */
export function generatorTable(): `0x${string}` {
  const field = (value: bigint) => value.toString(16).padStart(96, "0");
  return `0x${generatorMultiples().map(({ x, y }) => field(P - x) + field(y)).join("")}`;
}
