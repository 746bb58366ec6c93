import { p384 } from "@noble/curves/nist.js";

import { invert, isOnCurve, mod, N, SameX, type Point } from "./curve.ts";
import { proveChain } from "./chain.ts";
import { drawWeights, shortRelation, shortVectors, type Commitment } from "./lattice.ts";

/** One public tuple: key, hash, signature. */
export interface Signature {
  x: bigint;
  y: bigint;
  e: bigint;
  r: bigint;
  s: bigint;
}

/** The signature does not verify: no hints exist. */
export class InvalidSignature extends Error {
  readonly index: number;
  constructor(index: number, reason: string) {
    super(`signature ${index}: ${reason}`);
    this.index = index;
  }
}

export const MAX_BATCH = 5;
/** Two points meet on the way once in 2^370 for honest input, always for a few contrived ones. */
const ATTEMPTS = 64;

export function hex(value: bigint, bytes: number): string {
  return value.toString(16).padStart(2 * bytes, "0");
}

/** `Qx | Qy | e | r | s`, as IP384 takes it, without prefix. */
export function encodeSignature({ x, y, e, r, s }: Signature): string {
  return [x, y, e, r, s].map((field) => hex(field, 48)).join("");
}

export function encodeSignatures(signatures: readonly Signature[]): `0x${string}` {
  return `0x${signatures.map(encodeSignature).join("")}`;
}

/** R = u1 G + u2 Q, checked against r as ECDSA does. */
export function recoverNonce({ x, y, e, r, s }: Signature, index = 0): Point {
  const reject = (reason: string): never => {
    throw new InvalidSignature(index, reason);
  };
  if (r <= 0n || r >= N || s <= 0n || s >= N) reject("r or s out of range");
  if (!isOnCurve({ x, y })) reject("key is not on the curve");
  const inverse = invert(s, N);
  // The one step where speed asks for projective coordinates.
  const ofGenerator = p384.Point.BASE.multiplyUnsafe(mod(e * inverse, N));
  const sum = ofGenerator.add(p384.Point.fromAffine({ x, y }).multiplyUnsafe(mod(r * inverse, N)));
  if (sum.is0()) return reject("does not verify");
  const point = sum.toAffine();
  if (mod(point.x, N) !== r) return reject("does not verify");
  return point;
}

function nonceHex(point: Point, { r }: Signature): string {
  return hex(point.y, 48) + (point.x === r ? "00" : "01");
}

/** The representative modulo n that is closest to 0. */
function balanced(value: bigint): bigint {
  const reduced = mod(value, N);
  return reduced > N / 2n ? reduced - N : reduced;
}

/** A representative of value modulo n that is odd, so that the ladder has a last addition at position 0. */
function odd(value: bigint): bigint {
  const reduced = mod(value, N);
  return reduced & 1n ? reduced : reduced + N;
}

function retry(attempt: (nonce: bigint) => string): `0x${string}` {
  for (let nonce = 0n; nonce < ATTEMPTS; nonce++) {
    try {
      return `0x${attempt(nonce)}`;
    } catch (error: unknown) {
      if (!(error instanceof SameX)) throw error;
    }
  }
  throw new SameX(`no chain found in ${ATTEMPTS} attempts`);
}

/** Hints for one signature: half-size multiples of Q and R (Antipa et al.). Throws InvalidSignature. */
export function proveSingle(signature: Signature): `0x${string}` {
  const { x, y, e, r, s } = signature;
  const nonce = recoverNonce(signature);
  const inverse = invert(s, N);
  const relation = shortRelation(mod(r * inverse, N));
  return retry((attempt) => {
    // Any multiple of the relation shows the same; the small ones are tried when two points met.
    const scale = 2n * attempt + 1n;
    const ofNonce = -relation.c * scale;
    const ofKey = relation.d * scale;
    const generator = odd(e * inverse * relation.c * scale);
    const points = [
      { point: { x, y }, multiple: ofKey },
      { point: nonce, multiple: ofNonce },
    ];
    return nonceHex(nonce, signature) + proveChain({ generator, points });
  });
}

/** Hints for two to five signatures at once. Throws InvalidSignature with the index of the first that does not verify. */
export function proveBatch(signatures: readonly Signature[]): `0x${string}` {
  if (signatures.length === 1) return proveSingle(signatures[0]!);
  if (signatures.length < 1 || signatures.length > MAX_BATCH) throw new RangeError(`1 to ${MAX_BATCH} signatures`);
  const nonces = signatures.map((signature, index) => recoverNonce(signature, index));
  const inverses = signatures.map(({ s }) => invert(s, N));
  return retry((attempt) => {
    const commitments = signatures.map(({ r }, j): Commitment => {
      return { nonce: nonceHex(nonces[j]!, signatures[j]!), ...shortVectors(mod(r * inverses[j]!, N), attempt) };
    });
    const weights = drawWeights(signatures.map(encodeSignature), commitments);
    const overS = weights.map((c, j) => mod(c * inverses[j]!, N));
    const generator = odd(overS.reduce((sum, i, j) => sum + signatures[j]!.e * i, 0n));
    const points = signatures.flatMap(({ x, y, r }, j) => [
      { point: { x, y }, multiple: balanced(r * overS[j]!) },
      { point: nonces[j]!, multiple: -weights[j]! },
    ]);
    const head = commitments.map(encodeCommitment).join("") + overS.map((i) => hex(i, 48)).join("");
    return head + proveChain({ generator, points });
  });
}

export function encodeCommitment({ nonce, v, v_, w, w_ }: Commitment): string {
  return nonce + [v, v_, w, w_].map((number) => hex(number, 32)).join("");
}
