/** What the proof tests share: one small circuit, its development key, its witnesses and proofs. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";

import * as snarkjs from "snarkjs";

import { setUpForDevelopment } from "../../../circuits/setup/manifest.ts";
import type { SetupFiles } from "../../../circuits/setup/manifest.ts";
import type { ProofJson } from "../../../circuits/setup/encode.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import type { VerifyingKey } from "../../../circuits/setup/zkey.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";

export const CACHE = ".cache/zk/test";
const CIRCUITS = "test/circuits/setup/circuits";

/** Compiles a circuit of this folder once; circom wants to run from the project's root. */
export function compile(name: string): string {
  mkdirSync(CACHE, { recursive: true });
  const r1cs = `${CACHE}/${name}.r1cs`;
  if (!existsSync(r1cs)) execFileSync("node_modules/.bin/circom2", [`${CIRCUITS}/${name}.circom`, "--O1", "--r1cs", "-o", CACHE], { stdio: "pipe" });
  return r1cs;
}

export interface Tiny {
  r1cs: string;
  files: SetupFiles;
  key: VerifyingKey;
}

export async function tiny(): Promise<Tiny> {
  const r1cs = compile("tiny8");
  const files = await setUpForDevelopment(r1cs, `${CACHE}/tiny8`);
  return { r1cs, files, key: readVerifyingKey(files.zkey) };
}

/** Wires of Tiny(bits): one, ctx, in, out, a, b, then the bits of both, low first. */
export function tinyWitness(ctx: bigint, a: bigint, b: bigint, width = 8): bigint[] {
  const bits = (value: bigint) => Array.from({ length: width }, (_, i) => (value >> BigInt(i)) & 1n);
  return [1n, ctx, a + b, a * b, a, b, ...bits(a), ...bits(b)];
}

export interface Proven {
  proof: ProofJson;
  inputs: bigint[];
}

export async function proveTiny(zkey: string, ctx: bigint, a: bigint, b: bigint, width = 8): Promise<Proven> {
  const path = `${CACHE}/tiny${width}-${ctx}-${a}-${b}.wtns`;
  writeWitness(path, tinyWitness(ctx, a, b, width));
  const { proof, publicSignals } = await snarkjs.groth16.prove(zkey, path);
  return { proof: { ...proof }, inputs: publicSignals.map(BigInt) };
}

/** snarkjs keeps worker threads; a test file that used it ends them. */
export async function closeSnarkjs(): Promise<void> {
  await (await snarkjs.curves.getCurveFromName("bn128")).terminate();
}
