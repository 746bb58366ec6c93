/**
 * Many secp256k1 signatures of one key at once. Each says R = (e/s) G + (r/s) Q; with v the point R is known, so a random
 * combination of all equations is one equation, and one sum of points instead of a recovery for each. A set with a wrong
 * signature passes with a probability of 2^-127, over weights that nobody but this verifier knows.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { type Hex, bytesToBigInt, hexToBytes } from "viem";

const { Point } = secp256k1;
const P = Point.CURVE().p;
const N = Point.CURVE().n;
/** Bits of a weight. */
const WEIGHT_BYTES = 16;

export interface SignedDigests {
  count: number;
  digest(index: number): Uint8Array;
  /** r | s | v, 65 bytes, canonical: the caller has checked the form. */
  signature(index: number): Uint8Array;
}

/** @param publicKey 65 bytes. @returns false when at least one signature is not the key's. */
export function verifyMany(publicKey: Hex, { count, digest, signature }: SignedDigests, randomBytes: (length: number) => Uint8Array = random): boolean {
  const key = Point.fromBytes(hexToBytes(publicKey));
  const points: Affine[] = [];
  const s: bigint[] = [];
  const r: bigint[] = [];
  for (let index = 0; index < count; index++) {
    const bytes = signature(index);
    r.push(bytesToBigInt(bytes.subarray(0, 32)));
    s.push(bytesToBigInt(bytes.subarray(32, 64)));
    if (r[index]! === 0n || r[index]! >= N || s[index]! === 0n || s[index]! >= N) return false;
    const point = lift(r[index]!, bytes[64] === 28);
    if (!point) return false;
    points.push(point);
  }
  const inverses = invertAll(s);
  const weightBytes = randomBytes(WEIGHT_BYTES * count);
  const weights: bigint[] = [];
  let onGenerator = 0n;
  let onKey = 0n;
  for (let index = 0; index < count; index++) {
    // Never zero: a signature without weight would not be looked at.
    const weight = bytesToBigInt(weightBytes.subarray(WEIGHT_BYTES * index, WEIGHT_BYTES * (index + 1))) | 1n;
    weights.push(weight);
    const scaled = (weight * inverses[index]!) % N;
    onGenerator += scaled * (bytesToBigInt(digest(index)) % N);
    onKey += scaled * r[index]!;
    if (index % 64 === 63) [onGenerator, onKey] = [onGenerator % N, onKey % N];
  }
  const expected = times(Point.BASE, onGenerator % N).add(times(key, onKey % N));
  return Point.fromAffine(sumOf(points, weights)).equals(expected);
}

type Affine = { x: bigint; y: bigint };
/** Jacobian; null is the point at infinity. */
type Jacobian = { x: bigint; y: bigint; z: bigint } | null;

function times(point: InstanceType<typeof Point>, scalar: bigint): InstanceType<typeof Point> {
  return scalar === 0n ? Point.ZERO : point.multiplyUnsafe(scalar);
}

/** The curve's point with this x and the asked parity of y. */
function lift(x: bigint, odd: boolean): Affine | null {
  try {
    const y = Point.Fp.sqrt((x * x * x + 7n) % P);
    return { x, y: (y & 1n) === (odd ? 1n : 0n) ? y : P - y };
  } catch {
    return null;
  }
}

/** All inverses modulo the order for the price of one. */
function invertAll(values: readonly bigint[]): bigint[] {
  const prefix: bigint[] = [];
  let product = 1n;
  for (const value of values) {
    prefix.push(product);
    product = (product * value) % N;
  }
  let inverse = Point.Fn.inv(product);
  const out = new Array<bigint>(values.length);
  for (let index = values.length - 1; index >= 0; index--) {
    out[index] = (inverse * prefix[index]!) % N;
    inverse = (inverse * values[index]!) % N;
  }
  return out;
}

/** Pippenger's sum of weight x point. */
function sumOf(points: readonly Affine[], weights: readonly bigint[]): Affine {
  const width = points.length < 64 ? 5 : points.length < 512 ? 7 : 9;
  const digits = weights.map((weight) => digitsOf(weight, width));
  const windows = Math.ceil((8 * WEIGHT_BYTES) / width);
  let total: Jacobian = null;
  for (let window = windows - 1; window >= 0; window--) {
    for (let bit = 0; bit < width && total; bit++) total = double(total);
    const buckets = new Array<Jacobian>(1 << width).fill(null);
    for (let index = 0; index < points.length; index++) {
      const digit = digits[index]![window]!;
      if (digit !== 0) buckets[digit] = addAffine(buckets[digit]!, points[index]!);
    }
    let running: Jacobian = null;
    let sum: Jacobian = null;
    for (let digit = buckets.length - 1; digit > 0; digit--) {
      running = add(running, buckets[digit]!);
      sum = add(sum, running);
    }
    total = add(total, sum);
  }
  if (!total) return { x: 0n, y: 0n };
  const inverse = Point.Fp.inv(total.z);
  const square = (inverse * inverse) % P;
  return { x: (total.x * square) % P, y: (((total.y * square) % P) * inverse) % P };
}

function digitsOf(weight: bigint, width: number): Uint16Array {
  const mask = (1n << BigInt(width)) - 1n;
  const out = new Uint16Array(Math.ceil((8 * WEIGHT_BYTES) / width));
  for (let index = 0, rest = weight; index < out.length; index++, rest >>= BigInt(width)) out[index] = Number(rest & mask);
  return out;
}

function positive(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

// Formulas of the explicit-formulas database for a = 0: dbl-2009-l, madd-2007-bl, add-2007-bl, with their exceptions.

function double(point: NonNullable<Jacobian>): Jacobian {
  const { x, y, z } = point;
  const a = (x * x) % P;
  const b = (y * y) % P;
  const c = (b * b) % P;
  const d = positive(2n * ((x + b) * (x + b) - a - c));
  const e = 3n * a;
  const x3 = positive(e * e - 2n * d);
  return { x: x3, y: positive(e * (d - x3) - 8n * c), z: (2n * y * z) % P };
}

function addAffine(left: Jacobian, { x: x2, y: y2 }: Affine): Jacobian {
  if (!left) return { x: x2, y: y2, z: 1n };
  const { x, y, z } = left;
  const zz = (z * z) % P;
  const h = positive(x2 * zz - x);
  const t = positive(y2 * ((z * zz) % P) - y);
  if (h === 0n) return t === 0n ? double(left) : null;
  return finish(x, y, (2n * z * h) % P, h, t);
}

function add(left: Jacobian, right: Jacobian): Jacobian {
  if (!left) return right;
  if (!right) return left;
  const zz1 = (left.z * left.z) % P;
  const zz2 = (right.z * right.z) % P;
  const u1 = (left.x * zz2) % P;
  const s1 = (left.y * ((right.z * zz2) % P)) % P;
  const h = positive(right.x * zz1 - u1);
  const t = positive(right.y * ((left.z * zz1) % P) - s1);
  if (h === 0n) return t === 0n ? double(left) : null;
  return finish(u1, s1, (((2n * left.z * right.z) % P) * h) % P, h, t);
}

function finish(u1: bigint, s1: bigint, z3: bigint, h: bigint, t: bigint): Jacobian {
  const i = (4n * h * h) % P;
  const j = (h * i) % P;
  const v = (u1 * i) % P;
  const r = 2n * t;
  const x3 = positive(r * r - j - 2n * v);
  return { x: x3, y: positive(r * (v - x3) - 2n * s1 * j), z: z3 };
}

function random(length: number): Uint8Array {
  const out = new Uint8Array(length);
  // getRandomValues gives at most 64 KiB a call.
  for (let offset = 0; offset < length; offset += 65_536) globalThis.crypto.getRandomValues(out.subarray(offset, Math.min(length, offset + 65_536)));
  return out;
}
