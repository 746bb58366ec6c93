/** Constants of SHA-384 from their definition (FIPS 180-4: fractional parts of square and cube roots of primes), not from a table. */

export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

function primes(count: number): bigint[] {
  const found: bigint[] = [];
  for (let n = 2n; found.length < count; n++) if (found.every((p) => n % p !== 0n)) found.push(n);
  return found;
}

/** floor(value ** (1 / degree)), by bisection. */
function root(value: bigint, degree: bigint): bigint {
  let low = 0n;
  let high = 1n << 80n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** degree <= value) low = middle;
    else high = middle;
  }
  return low;
}

const fraction = (prime: bigint, degree: bigint): bigint => root(prime << (64n * degree), degree) & ((1n << 64n) - 1n);

export const K: readonly bigint[] = primes(80).map((prime) => fraction(prime, 3n));
export const INITIAL: readonly bigint[] = primes(16).slice(8).map((prime) => fraction(prime, 2n));

/** The eight working variables of round t: names rotate at generation time, so nothing moves on the stack. */
export const namesOf = (t: number): string[] => [0, 1, 2, 3, 4, 5, 6, 7].map((i) => "abcdefgh"[(i - t + 800) % 8] as string);
