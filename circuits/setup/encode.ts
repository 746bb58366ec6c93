/** Keys and proofs in the byte order of the precompiles, as contracts/interfaces/IGroth16Verifier.sol lays them down. */
import { keccak_256 } from "@noble/hashes/sha3.js";

import type { G1, G2, VerifyingKey } from "./zkey.ts";

export type Hex = `0x${string}`;

/** A proof as snarkjs writes it: decimal strings, projective with a last coordinate of one. */
export interface ProofJson {
  pi_a: readonly string[];
  pi_b: readonly (readonly string[])[];
  pi_c: readonly string[];
  [other: string]: unknown;
}

export const PROOF_BYTES = 256;

export function word(value: bigint): string {
  if (value < 0n || value >> 256n !== 0n) throw new RangeError("not a 256-bit word");
  return value.toString(16).padStart(64, "0");
}

function g1(point: G1): string {
  return word(point[0]) + word(point[1]);
}

function g2([x, y]: G2): string {
  return word(x[1]) + word(x[0]) + word(y[1]) + word(y[0]);
}

/** alpha, beta, gamma, delta, IC: what Groth16Keys.register takes. */
export function encodeKey(key: VerifyingKey): Hex {
  return `0x${g1(key.alpha)}${g2(key.beta)}${g2(key.gamma)}${g2(key.delta)}${key.ic.map(g1).join("")}`;
}

export function vkHash(key: VerifyingKey): Hex {
  return keccak(encodeKey(key));
}

const CHAIN_TAG = keccak(`0x${Buffer.from("opengradient.groth16.chain.key.v1").toString("hex")}`);

/** What Groth16Keys.registerChain calls a chain of these keys: keccak256(abi.encode(CHAIN_TAG, layers)). */
export function chainHash(layers: readonly Hex[]): Hex {
  return keccak(`${CHAIN_TAG}${word(64n)}${word(BigInt(layers.length))}${layers.map((hash) => hash.slice(2)).join("")}`);
}

/** Refuses anything but affine points: a projective point has many encodings and only one of them would verify. */
export function encodeProof(proof: ProofJson): Hex {
  const [a, b, c] = [proof.pi_a.map(BigInt), proof.pi_b.map((pair) => pair.map(BigInt)), proof.pi_c.map(BigInt)];
  if (a[2] !== 1n || c[2] !== 1n || b[2]?.[0] !== 1n || b[2]?.[1] !== 0n) throw new RangeError("proof is not in affine form");
  const second: G2 = [
    [b[0]![0]!, b[0]![1]!],
    [b[1]![0]!, b[1]![1]!],
  ];
  return `0x${g1([a[0]!, a[1]!])}${g2(second)}${g1([c[0]!, c[1]!])}`;
}

export function decodeProof(bytes: Hex): ProofJson {
  if (bytes.length !== 2 + 2 * PROOF_BYTES) throw new RangeError(`a proof is ${PROOF_BYTES} bytes`);
  const at = (index: number) => BigInt(`0x${bytes.slice(2 + 64 * index, 66 + 64 * index)}`).toString();
  return {
    pi_a: [at(0), at(1), "1"],
    pi_b: [
      [at(3), at(2)],
      [at(5), at(4)],
      ["1", "0"],
    ],
    pi_c: [at(6), at(7), "1"],
    protocol: "groth16",
    curve: "bn128",
  };
}

/** The key as `snarkjs groth16 verify` reads it; without the pairing of alpha and beta, which it does not use. */
export function toSnarkjs(key: VerifyingKey): Record<string, unknown> {
  const one = ([x, y]: G1) => [String(x), String(y), "1"];
  const two = ([x, y]: G2) => [x.map(String), y.map(String), ["1", "0"]];
  return {
    protocol: "groth16",
    curve: "bn128",
    nPublic: key.ic.length - 1,
    vk_alpha_1: one(key.alpha),
    vk_beta_2: two(key.beta),
    vk_gamma_2: two(key.gamma),
    vk_delta_2: two(key.delta),
    IC: key.ic.map(one),
  };
}

/** The order in which a batch lists its statements: ascending keccak256 of the inputs. */
export function statementHash(publicInputs: readonly bigint[]): Hex {
  return keccak(`0x${publicInputs.map(word).join("")}`);
}

export function keccak(bytes: Hex): Hex {
  return `0x${Buffer.from(keccak_256(Buffer.from(bytes.slice(2), "hex"))).toString("hex")}`;
}
