/** Deploys the key registry and the verifier of the test circuit; changes proofs. */
import { bn254 } from "@noble/curves/bn254.js";
import { network } from "hardhat";

import { encodeProof, statementHash, word } from "../../../circuits/setup/encode.ts";
import type { Hex } from "../../../circuits/setup/encode.ts";
import { Q } from "../../../circuits/setup/field.ts";
import { proveTiny, tiny } from "../../circuits/setup/tools.ts";
import type { Proven } from "../../circuits/setup/tools.ts";

export interface Submission {
  proof: Hex;
  inputs: bigint[];
}

/** `verifierOf(vkHash)` of a fresh registry on a network of its own. */
export async function deploy(networkName?: string) {
  const connection = await network.create(networkName);
  const { ethers } = connection;
  const circuit = await tiny();
  const [admin] = await ethers.getSigners();
  const authority = await ethers.deployContract("TestAccessManager", [admin!.address]);
  const keys = await ethers.deployContract("Groth16Keys", [await authority.getAddress()]);
  await (await keys.register(circuit.files.keyBytes)).wait();
  const verifier = await ethers.getContractAt("Groth16Verifier", await keys.verifierOf(circuit.files.manifest.vkHash));
  return { connection, ethers, circuit, authority, keys, verifier };
}

export function submission(proven: Proven): Submission {
  return { proof: encodeProof(proven.proof), inputs: proven.inputs };
}

/** `count` proofs of distinct statements, in the order that a batch wants. */
export async function submissions(zkey: string, count: number): Promise<Submission[]> {
  const made: Submission[] = [];
  for (let i = 0; i < count; i++) made.push(submission(await proveTiny(zkey, BigInt(1_000 + i), BigInt(3 * i + 1), 5n)));
  return made.sort((a, b) => (statementHash(a.inputs) < statementHash(b.inputs) ? -1 : 1));
}

export function joined(batch: readonly Submission[]): { proofs: Hex; inputs: bigint[] } {
  return { proofs: `0x${batch.map(({ proof }) => proof.slice(2)).join("")}`, inputs: batch.flatMap(({ inputs }) => inputs) };
}

/** The eight words of a proof: A x, y, B x imaginary, real, y imaginary, real, C x, y. */
export function words(proof: Hex): bigint[] {
  return Array.from({ length: 8 }, (_, i) => BigInt(`0x${proof.slice(2 + 64 * i, 66 + 64 * i)}`));
}

export function withWords(proof: Hex, changes: Record<number, bigint>): Hex {
  return `0x${words(proof).map((value, i) => word(changes[i] ?? value)).join("")}`;
}

/** Another proof of the same statement: (A / r, r B, C). */
export function rerandomise(proof: Hex, r: bigint): Hex {
  const [ax, ay, bxi, bxr, byi, byr] = words(proof) as [bigint, bigint, bigint, bigint, bigint, bigint];
  const { Fp2, Fr } = bn254.fields;
  const a = bn254.G1.Point.fromAffine({ x: ax, y: ay }).multiply(Fr.inv(r)).toAffine();
  const b = bn254.G2.Point.fromAffine({ x: Fp2.fromBigTuple([bxr, bxi]), y: Fp2.fromBigTuple([byr, byi]) }).multiply(r).toAffine();
  return withWords(proof, { 0: a.x, 1: a.y, 2: b.x.c1, 3: b.x.c0, 4: b.y.c1, 5: b.y.c0 });
}

/** A point on the G2 curve that is not in the subgroup, as four words. */
export function strayG2(): [bigint, bigint, bigint, bigint] {
  const { Fp2 } = bn254.fields;
  const b = bn254.G2.Point.CURVE().b;
  for (let i = 1n; ; i++) {
    const x = Fp2.fromBigTuple([i, 1n]);
    let y;
    try {
      y = Fp2.sqrt(Fp2.add(Fp2.mul(Fp2.sqr(x), x), b));
    } catch {
      continue;
    }
    return [x.c1, x.c0, y.c1, y.c0];
  }
}

export const negated = (y: bigint) => Q - y;
