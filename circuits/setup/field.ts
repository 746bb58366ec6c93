/**
 * BN254 as far as set-up needs it: the two primes, scalar arithmetic on bigint, roots of unity of the scalar field.
 *
 * Curve arithmetic is not here: points are made in WebAssembly (fixed-base.ts) and judged by snarkjs or the precompiles.
 */

/** Order of the base field: coordinates of points are below it. */
export const Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583n;
/** Order of the scalar field: witness values and public inputs are below it. */
export const R = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
/** R - 1 = 2^28 * odd: no circuit has a domain larger than 2^28. */
export const TWO_ADICITY = 28;

export function mod(value: bigint): bigint {
  const rest = value % R;
  return rest < 0n ? rest + R : rest;
}

export function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = mod(base);
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % R;
    square = (square * square) % R;
  }
  return result;
}

export function inverse(value: bigint): bigint {
  if (mod(value) === 0n) throw new RangeError("zero has no inverse");
  return power(value, R - 2n);
}

/** Inverts all values with one inversion and three products each; a zero among them is an error. */
export function batchInverse(values: readonly bigint[]): bigint[] {
  const prefix: bigint[] = new Array(values.length);
  let product = 1n;
  for (let i = 0; i < values.length; i++) {
    prefix[i] = product;
    product = (product * values[i]!) % R;
  }
  let inverted = inverse(product);
  const result: bigint[] = new Array(values.length);
  for (let i = values.length - 1; i >= 0; i--) {
    result[i] = (inverted * prefix[i]!) % R;
    inverted = (inverted * values[i]!) % R;
  }
  return result;
}

/**
 * Primitive root of unity of order 2^exponent. Derived from 5, the smallest quadratic non-residue, by squaring: the same
 * roots as snarkjs uses, because a zkey is only usable by a prover that walks the same domain.
 */
export function rootOfUnity(exponent: number): bigint {
  if (exponent > TWO_ADICITY) throw new RangeError(`no domain of size 2^${exponent} in this field`);
  let root = power(5n, (R - 1n) >> BigInt(TWO_ADICITY));
  for (let level = TWO_ADICITY; level > exponent; level--) root = (root * root) % R;
  return root;
}

/** Values at `tau` of the Lagrange basis over the domain of size 2^exponent. */
export function lagrangeAt(tau: bigint, exponent: number): bigint[] {
  return [...lagrangeBlocks(tau, exponent, 2 ** exponent)].flat();
}

/** The same, `block` values at a time: the whole basis may not fit memory. */
export function* lagrangeBlocks(tau: bigint, exponent: number, block: number): Generator<bigint[]> {
  const size = 2 ** exponent;
  const root = rootOfUnity(exponent);
  const scale = (mod(power(tau, BigInt(size)) - 1n) * inverse(BigInt(size))) % R;
  let point = 1n;
  for (let first = 0; first < size; first += block) {
    const points: bigint[] = [];
    for (let i = Math.min(block, size - first); i > 0; i--) {
      points.push(point);
      point = (point * root) % R;
    }
    const inverses = batchInverse(points.map((at) => mod(tau - at)));
    yield inverses.map((value, i) => (((value * points[i]!) % R) * scale) % R);
  }
}

/** Little-endian, 32 bytes: how r1cs, zkey and wtns files store numbers. */
export function readScalar(view: DataView, offset: number): bigint {
  return (
    view.getBigUint64(offset, true) |
    (view.getBigUint64(offset + 8, true) << 64n) |
    (view.getBigUint64(offset + 16, true) << 128n) |
    (view.getBigUint64(offset + 24, true) << 192n)
  );
}

export function writeScalar(view: DataView, offset: number, value: bigint): void {
  for (let limb = 0; limb < 4; limb++) {
    view.setBigUint64(offset + 8 * limb, BigInt.asUintN(64, value >> BigInt(64 * limb)), true);
  }
}
