/**
 * Development keys: a proving key in seconds, from a trapdoor that everybody can compute.
 *
 * NOT FOR VALUE. Whoever knows the trapdoor forges proofs, and this one is derived from a constant below. All development
 * keys share one alpha, one beta and one delta, so a contract recognises any of them by comparing a point; it refuses them
 * on chains that are not development networks.
 */
import { keccak_256 } from "@noble/hashes/sha3.js";

import { openFixedBase } from "./fixed-base.ts";
import type { FixedBase } from "./fixed-base.ts";
import { mod } from "./field.ts";
import { keyScalars } from "./qap.ts";
import type { Trapdoor } from "./qap.ts";
import { domainExponent, readR1cs } from "./r1cs.ts";
import type { R1cs } from "./r1cs.ts";
import { writeZkey } from "./zkey.ts";
import type { KeyPoints } from "./zkey.ts";

export const DEVELOPMENT_SEED = "opengradient: development set-up, trapdoor is public";

/** Not zero and not one: a key whose delta is the generator is refused everywhere. */
function secret(name: string): bigint {
  const digest = keccak_256(new TextEncoder().encode(`${DEVELOPMENT_SEED}: ${name}`));
  return mod(BigInt(`0x${Buffer.from(digest).toString("hex")}`));
}

/** gamma is the generator, as in every key that snarkjs makes: chains of keys then share it. */
export const DEVELOPMENT_TRAPDOOR: Trapdoor = { tau: secret("tau"), alpha: secret("alpha"), beta: secret("beta"), gamma: 1n, delta: secret("delta") };

export interface DevelopmentKey {
  wires: number;
  publics: number;
  rows: number;
  domainExponent: number;
}

/** Makes `zkeyPath` for `r1csPath`; 2^14 rows take a second or two. Deterministic: the same r1cs gives the same bytes. */
export async function makeDevelopmentKey(r1csPath: string, zkeyPath: string, trapdoor: Trapdoor = DEVELOPMENT_TRAPDOOR): Promise<DevelopmentKey> {
  const r1cs = readR1cs(r1csPath);
  const base = openFixedBase(r1cs.wires * 4 + 2 ** domainExponent(r1cs));
  try {
    await writeZkey(zkeyPath, r1cs, await keyPoints(r1cs, trapdoor, base));
  } finally {
    await base.close();
  }
  return { wires: r1cs.wires, publics: r1cs.publics, rows: r1cs.rows, domainExponent: domainExponent(r1cs) };
}

/** The points for each wire and row are made while they are written: `base` has to stay open until then. */
export async function keyPoints(r1cs: R1cs, trapdoor: Trapdoor, base: FixedBase): Promise<KeyPoints> {
  const { alpha, beta, gamma, delta } = trapdoor;
  const { ic, a, b, l, h } = keyScalars(r1cs, trapdoor);
  const first = await base.multiply(1, [alpha, beta, delta]);
  const second = await base.multiply(2, [beta, gamma, delta]);
  return {
    alpha1: first.subarray(0, 64),
    beta1: first.subarray(64, 128),
    delta1: first.subarray(128),
    beta2: second.subarray(0, 128),
    gamma2: second.subarray(128, 256),
    delta2: second.subarray(256),
    ic: base.stream(1, ic),
    a: base.stream(1, a),
    b1: base.stream(1, b),
    b2: base.stream(2, b),
    l: base.stream(1, l),
    h: base.stream(1, h),
  };
}
