import { P, inverse } from "../integer/field.ts";

/**
 * Parameters of the Poseidon permutation over BN254 with x^5: 8 full rounds, and the published number of partial rounds for widths
 * 2 to 17. Constants come out of the Grain register that the Poseidon paper prescribes, so nothing has to be copied or trusted.
 */
export interface PoseidonParameters {
  readonly t: number;
  readonly full: number;
  readonly partial: number;
  readonly constants: bigint[];
  readonly matrix: bigint[][];
}

const FULL_ROUNDS = 8;
const PARTIAL_ROUNDS = [56, 57, 56, 60, 60, 63, 64, 63, 60, 66, 60, 65, 70, 60, 64, 68];
const FIELD_BITS = 254;

/** The 80-bit register; only the second bit of each pair that starts with 1 is used. */
function* grain(t: number, partial: number): Generator<number, never> {
  const bits: number[] = [];
  const push = (value: number, width: number): void => {
    for (let i = width - 1; i >= 0; i--) bits.push((value >> i) & 1);
  };
  push(1, 2);
  push(0, 4);
  push(FIELD_BITS, 12);
  push(t, 12);
  push(FULL_ROUNDS, 10);
  push(partial, 10);
  push(0x3fffffff, 30);
  const next = (): number => {
    const b = [62, 51, 38, 23, 13, 0].reduce((x, i) => x ^ (bits[i] as number), 0);
    bits.shift();
    bits.push(b);
    return b;
  };
  for (let i = 0; i < 160; i++) next();
  for (;;) {
    const use = next();
    const bit = next();
    if (use) yield bit;
  }
}

const known = new Map<number, PoseidonParameters>();

export function poseidonParameters(t: number): PoseidonParameters {
  const cached = known.get(t);
  if (cached) return cached;
  const partial = PARTIAL_ROUNDS[t - 2];
  if (partial === undefined) throw new RangeError(`no Poseidon of width ${t}`);
  const source = grain(t, partial);
  const draw = (): bigint => {
    let v = 0n;
    for (let i = 0; i < FIELD_BITS; i++) v = (v << 1n) | BigInt(source.next().value);
    return v;
  };
  const constants = Array.from({ length: t * (FULL_ROUNDS + partial) }, () => {
    let v = draw();
    while (v >= P) v = draw();
    return v;
  });
  const points = Array.from({ length: 2 * t }, () => draw() % P);
  const matrix = Array.from({ length: t }, (_, i) =>
    Array.from({ length: t }, (_, j) => inverse((points[i] as bigint) + (points[t + j] as bigint))),
  );
  const made = { t, full: FULL_ROUNDS, partial, constants, matrix };
  known.set(t, made);
  return made;
}
