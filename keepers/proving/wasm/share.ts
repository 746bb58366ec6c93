/** What a thread of the prover is given: its part of a proving key, and the buffers that all of them share. */

export type Form = "a" | "b" | "c";
export type Request = "rows" | "forms" | "quotient";

export interface SharedBuffers {
  /** Plain values, 32 bytes each. */
  witness: SharedArrayBuffer;
  rows: { a: SharedArrayBuffer; b: SharedArrayBuffer };
  coset: Record<Form, SharedArrayBuffer>;
}

export interface Share {
  domainExponent: number;
  wires: number;
  publics: number;
  shared: SharedBuffers;
  /** Forms that this thread evaluates and transforms. */
  forms: Form[];
  /** Row, wire (4 bytes each) and coefficient (32) of each term. */
  coefficients: { a?: Uint8Array; b?: Uint8Array };
  /** The thread's wires start here ... */
  first: number;
  /** ... and its points of the coset here. */
  firstQuotient: number;
  points: Record<"a" | "b1" | "b2" | "c" | "h", { group: 1 | 2; bytes: Uint8Array }>;
}

/**
 * Wires per thread such that all end together: a thread that transforms more forms sums up fewer points. Costs in field products,
 * of a typical witness (half ones, half zeros).
 */
export function divide(wires: number, domainExponent: number, forms: readonly number[]): number[] {
  const transform = 2 ** domainExponent * domainExponent * 1.6;
  const sums = wires * 20;
  let low = 0;
  let high = sums + 3 * transform;
  for (let i = 0; i < 50; i++) {
    const level = (low + high) / 2;
    const room = forms.reduce((sum, count) => sum + Math.max(0, level - count * transform), 0);
    if (room < sums) low = level;
    else high = level;
  }
  const rooms = forms.map((count) => Math.max(0, high - count * transform));
  const all = rooms.reduce((sum, room) => sum + room, 0);
  let done = 0;
  const bounds = rooms.map((room) => Math.round((wires * (done += room)) / all));
  return bounds.map((bound, i) => bound - (bounds[i - 1] ?? 0));
}
