import type { Lowerer } from "./lower.ts";

/** The status byte: bit 0 a domain was left, bit 1 a value was saturated, bit 2 a class is uncertain. */
export function statusOf(lowerer: Lowerer): number {
  const { int } = lowerer;
  const any = (flags: readonly number[]): number => {
    if (flags.length === 0) return int.constant(0n);
    return int.lin([int.eqz(int.lin(flags, flags.map(() => 1n)))], [-1n], 1n);
  };
  return int.lin([any(lowerer.violations), any(lowerer.saturations), any(lowerer.ties)], [1n, 2n, 4n]);
}
