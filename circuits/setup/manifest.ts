/** `setup.json`: what a set-up made, from what, and how far it can be trusted. */
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { makeDevelopmentKey } from "./development.ts";
import { encodeKey, toSnarkjs, vkHash } from "./encode.ts";
import type { Hex } from "./encode.ts";
import { SetupFileError } from "./sections.ts";
import { readVerifyingKey } from "./zkey.ts";

export const LEVEL = { development: 0, singleParty: 1, ceremony: 2 } as const;
export type SetupLevel = (typeof LEVEL)[keyof typeof LEVEL];

export interface SetupManifest {
  format: 1;
  level: SetupLevel;
  warning?: string;
  rows: number;
  publicInputs: number;
  /** Domain 2^k; what proving time follows. */
  domainExponent: number;
  r1csSha256: string;
  zkeySha256: string;
  vkHash: Hex;
}

export interface SetupFiles {
  zkey: string;
  /** For snarkjs. */
  verifyingKey: string;
  /** For Groth16Keys.register. */
  keyBytes: Hex;
  manifest: SetupManifest;
}

/** A development key and its papers in `directory`: proving.zkey, verifying-key.json, setup.json. */
export async function setUpForDevelopment(r1cs: string, directory: string): Promise<SetupFiles> {
  mkdirSync(directory, { recursive: true });
  const zkey = join(directory, "proving.zkey");
  const made = await makeDevelopmentKey(r1cs, zkey);
  return writePapers(directory, zkey, {
    format: 1,
    level: LEVEL.development,
    warning: "development key: its trapdoor is public, anyone can forge proofs; refused off development networks",
    rows: made.rows,
    publicInputs: made.publics,
    domainExponent: made.domainExponent,
    r1csSha256: await sha256File(r1cs),
  });
}

export async function writePapers(directory: string, zkey: string, facts: Omit<SetupManifest, "zkeySha256" | "vkHash">): Promise<SetupFiles> {
  const key = readVerifyingKey(zkey);
  const manifest: SetupManifest = { ...facts, zkeySha256: await sha256File(zkey), vkHash: vkHash(key) };
  const verifyingKey = join(directory, "verifying-key.json");
  writeFileSync(verifyingKey, JSON.stringify(toSnarkjs(key), null, 1) + "\n");
  writeFileSync(join(directory, "setup.json"), JSON.stringify(manifest, null, 2) + "\n");
  return { zkey, verifyingKey, keyBytes: encodeKey(key), manifest };
}

export function readManifest(directory: string): SetupManifest {
  const path = join(directory, "setup.json");
  const manifest = readJson(path) as SetupManifest | null;
  const level = manifest?.level as number | undefined;
  if (manifest?.format !== 1 || level === undefined || ![0, 1, 2].includes(level) || [manifest.r1csSha256, manifest.zkeySha256, manifest.vkHash].some((hash) => typeof hash !== "string")) {
    throw new SetupFileError(`${path} is not a set-up's manifest of format 1`);
  }
  return manifest;
}

/** @throws SetupFileError for a file that cannot be read or is not JSON. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as unknown;
  } catch (error) {
    throw new SetupFileError(`${path}: ${error instanceof SyntaxError ? "not JSON" : "cannot be read"}`, { cause: error });
  }
}

/** Streams: a proving key may be larger than a Buffer should be. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
