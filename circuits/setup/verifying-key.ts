/** What a verifying key must be: the checks of contracts/settlement/Groth16KeyCheck.sol, before any gas is spent. */
import { bn254 } from "@noble/curves/bn254.js";

import type { Trapdoor } from "./qap.ts";
import { SetupBroken } from "./setup-broken.ts";
import type { G1, G2, VerifyingKey } from "./zkey.ts";

const GENERATOR = bn254.G2.Point.BASE.toAffine();

const same1 = (a: G1, b: G1) => a[0] === b[0] && a[1] === b[1];
const same2 = (a: G2, b: G2) => same1(a[0], b[0]) && same1(a[1], b[1]);

export function checkKey(key: VerifyingKey, publicInputs: number): void {
  const { x, y } = GENERATOR;
  const generator: G2 = [
    [x.c0, x.c1],
    [y.c0, y.c1],
  ];
  if (same2(key.delta, generator)) throw new SetupBroken("DELTA_IS_GENERATOR", "Nobody has contributed: delta is the generator, and anyone can forge proofs.");
  if (same2(key.gamma, key.delta)) throw new SetupBroken("GAMMA_IS_DELTA", "Gamma equals delta: proofs can move weight between public and private inputs.");
  if (key.ic.length !== publicInputs + 1) {
    throw new SetupBroken("IC_LENGTH", `${key.ic.length} IC points for ${publicInputs} public inputs: there must be one more than inputs.`);
  }
  key.ic.forEach((point, i) => {
    if (same1(point, [0n, 0n])) throw new SetupBroken("IC_POINT", `IC point ${i} is zero: its public input binds nothing.`);
    const twin = key.ic.findIndex((other) => same1(other, point));
    if (twin < i) throw new SetupBroken("IC_POINT", `IC points ${twin} and ${i} are equal: two public inputs could trade their values.`);
  });
}

/** One shared secret is enough. */
export function sharesDevelopmentTrapdoor(key: VerifyingKey, trapdoor: Trapdoor): boolean {
  const alpha = bn254.G1.Point.BASE.multiply(trapdoor.alpha).toAffine();
  if (same1(key.alpha, [alpha.x, alpha.y])) return true;
  return [
    [trapdoor.beta, key.beta],
    [trapdoor.delta, key.delta],
  ].some(([secret, point]) => {
    const { x, y } = bn254.G2.Point.BASE.multiply(secret as bigint).toAffine();
    return same2(point as G2, [
      [x.c0, x.c1],
      [y.c0, y.c1],
    ]);
  });
}
