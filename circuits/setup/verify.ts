/**
 * Verifies a Groth16 proof in TypeScript, on another implementation of the curve than the one that made it. Points and
 * inputs are judged as the contract judges them: on the curve, in the subgroup, below the field.
 */
import { bn254 } from "@noble/curves/bn254.js";

import { Q, R } from "./field.ts";
import type { ProofJson } from "./encode.ts";
import type { G1, G2, VerifyingKey } from "./zkey.ts";

const { G1: first, G2: second, fields } = bn254;

type Point1 = InstanceType<typeof first.Point>;
type Point2 = InstanceType<typeof second.Point>;

export function verifyProof(key: VerifyingKey, publicInputs: readonly bigint[], proof: ProofJson): boolean {
  if (publicInputs.length !== key.ic.length - 1) return false;
  if (publicInputs.some((value) => value < 0n || value >= R)) return false;
  let points: { a: Point1; b: Point2; c: Point1 };
  try {
    points = { a: point1(pair(proof.pi_a)), b: point2([pair(proof.pi_b[0]), pair(proof.pi_b[1])]), c: point1(pair(proof.pi_c)) };
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
  let x = point1(key.ic[0]!);
  publicInputs.forEach((value, i) => {
    if (value !== 0n) x = x.add(point1(key.ic[i + 1]!).multiply(value));
  });
  const pairs: [Point1, Point2][] = [
    [points.a.negate(), points.b],
    [point1(key.alpha), point2(key.beta)],
    [x, point2(key.gamma)],
    [points.c, point2(key.delta)],
  ];
  // Infinity pairs to one with anything.
  const finite = pairs.filter(([p, q]) => !p.is0() && !q.is0()).map(([g1, g2]) => ({ g1, g2 }));
  return fields.Fp12.eql(bn254.pairingBatch(finite), fields.Fp12.ONE);
}

function pair(values: readonly string[] | undefined): G1 {
  return [coordinate(values?.[0]), coordinate(values?.[1])];
}

function coordinate(text: string | undefined): bigint {
  const value = /^\d{1,78}$/.test(text ?? "") ? BigInt(text!) : Q;
  if (value >= Q) throw new RangeError("coordinate is not below the field");
  return value;
}

function point1([x, y]: G1): Point1 {
  if (x === 0n && y === 0n) return first.Point.ZERO;
  return checked(() => {
    const point = first.Point.fromAffine({ x, y });
    point.assertValidity();
    return point;
  });
}

function point2([x, y]: G2): Point2 {
  if (x[0] === 0n && x[1] === 0n && y[0] === 0n && y[1] === 0n) return second.Point.ZERO;
  return checked(() => {
    const point = second.Point.fromAffine({ x: fields.Fp2.fromBigTuple([x[0], x[1]]), y: fields.Fp2.fromBigTuple([y[0], y[1]]) });
    point.assertValidity();
    return point;
  });
}

function checked<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new RangeError("not a point of the group", { cause: error });
  }
}
