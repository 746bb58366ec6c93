/** Order of the BN254 scalar field. */
export const P = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

export function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let b = base % P;
  for (let e = exponent; e > 0n; e >>= 1n) {
    if (e & 1n) result = (result * b) % P;
    b = (b * b) % P;
  }
  return result;
}

/** Extended Euclid: several times faster than the power. */
export function inverse(v: bigint): bigint {
  let [a, b] = [P, ((v % P) + P) % P];
  let [x, y] = [0n, 1n];
  while (b !== 0n) {
    const q = a / b;
    [a, b] = [b, a - q * b];
    [x, y] = [y, x - q * y];
  }
  if (a !== 1n) throw new RangeError("zero has no inverse");
  return ((x % P) + P) % P;
}
