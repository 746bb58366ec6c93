/** P-384 over BigInt, affine, for the prover: every operation also yields its slope. Not constant time; handles public data only. */

export const P = 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n;
export const N = 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n;
const CURVE_B = 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn;

export interface Point {
  x: bigint;
  y: bigint;
}

export const GENERATOR: Point = {
  x: 0xaa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7n,
  y: 0x3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5fn,
};

export function mod(a: bigint, m: bigint): bigint {
  const r = a % m;
  return r < 0n ? r + m : r;
}

/** a^-1 modulo a prime m; throws on 0, which has none. */
export function invert(a: bigint, m: bigint): bigint {
  let [r0, r1, s0, s1] = [m, mod(a, m), 0n, 1n];
  while (r1 > 1n) {
    const q = r0 / r1;
    [r0, r1] = [r1, r0 - q * r1];
    [s0, s1] = [s1, s0 - q * s1];
  }
  if (r1 === 0n) throw new RangeError("0 has no inverse");
  return mod(s1, m);
}

export function isOnCurve({ x, y }: Point): boolean {
  return x >= 0n && x < P && y >= 0n && y < P && mod(y * y - (x * x - 3n) * x - CURVE_B, P) === 0n;
}

export function negate({ x, y }: Point): Point {
  return { x, y: mod(-y, P) };
}

/** The third point of the line of this slope, mirrored. */
function alongSlope(a: Point, otherX: bigint, slope: bigint): Point {
  const x = mod(slope * slope - a.x - otherX, P);
  return { x, y: mod(slope * (a.x - x) - a.y, P) };
}

export interface Step {
  slope: bigint;
  point: Point;
}

/** Thrown where the contract would refuse: a chord through one x. The prover then takes another chain. */
export class SameX extends Error {}

export function addPoints(a: Point, b: Point): Step {
  if (a.x === b.x) throw new SameX("chord through points of one x");
  const slope = mod((b.y - a.y) * invert(b.x - a.x, P), P);
  return { slope, point: alongSlope(a, b.x, slope) };
}

export function doublePoint(a: Point): Step {
  const slope = mod(3n * (a.x * a.x - 1n) * invert(2n * a.y, P), P);
  return { slope, point: alongSlope(a, a.x, slope) };
}

/** Jacobian-free multiplication for setting up; undefined is the point at infinity. */
export function multiply(k: bigint, point: Point): Point | undefined {
  let sum: Point | undefined;
  let power: Point | undefined = point;
  for (let rest = mod(k, N); rest > 0n; rest >>= 1n) {
    if (rest & 1n) sum = addAny(sum, power);
    power = addAny(power, power);
  }
  return sum;
}

/** Addition that knows every case. */
export function addAny(a: Point | undefined, b: Point | undefined): Point | undefined {
  if (!a || !b) return a ?? b;
  if (a.x !== b.x) return addPoints(a, b).point;
  return a.y === b.y ? doublePoint(a).point : undefined;
}
