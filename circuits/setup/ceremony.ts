/**
 * Phase 2, step by step, through snarkjs: start from a real powers-of-tau file, let people contribute one after another,
 * close with a beacon, write the transcript. docs/ceremony.md says who does what on which machine.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { createHash } from "node:crypto";

import * as snarkjs from "snarkjs";

import { readPhaseTwo } from "./contributions.ts";
import type { Contribution } from "./contributions.ts";
import { keccak } from "./encode.ts";
import type { Hex } from "./encode.ts";
import { LEVEL, sha256File, writePapers } from "./manifest.ts";
import type { SetupFiles, SetupLevel } from "./manifest.ts";
import { domainExponent, readR1cs } from "./r1cs.ts";

/** transcript.json; its keccak256 is what the registry records. */
export interface Transcript {
  format: 1;
  circuit: string;
  sourceSha256: string;
  r1csSha256: string;
  ptau: { name: string; sha256: string };
  circuitHash: string;
  contributions: Contribution[];
  zkeySha256: string;
  vkHash: Hex;
}

export const CONTRIBUTIONS_FOR_CEREMONY = 3;

const numbered = (directory: string) => readdirSync(directory).filter((file) => /^\d{4}\.zkey$/.test(file)).sort();
const latest = (directory: string) => join(directory, numbered(directory).at(-1)!);
const next = (directory: string) => join(directory, `${String(numbered(directory).length).padStart(4, "0")}.zkey`);

/** 0000.zkey: deterministic, so everybody checks it by making it himself. Its delta is the generator: it proves nothing yet. */
export async function startCeremony(directory: string, r1cs: string, ptau: string): Promise<string> {
  mkdirSync(directory, { recursive: true });
  if (numbered(directory).length > 0) throw new Error(`${directory} already holds a ceremony`);
  copyFileSync(r1cs, join(directory, "circuit.r1cs"));
  const file = join(directory, "0000.zkey");
  const made = await snarkjs.zKey.newZKey(r1cs, ptau, file);
  if (!(made instanceof Uint8Array)) throw new Error("snarkjs did not make a key: is the powers-of-tau file prepared, and large enough for the circuit?");
  return file;
}

/** Returns the hash that the contributor publishes. `entropy` is mixed with the system's randomness and then forgotten. */
export async function contribute(directory: string, name: string, entropy: string): Promise<string> {
  const [from, to] = [latest(directory), next(directory)];
  return Buffer.from(await snarkjs.zKey.contribute(from, to, name, entropy)).toString("hex");
}

export interface Closing {
  circuit: string;
  sources: readonly string[];
  ptau: string;
  /** A public value that nobody could know when the last contribution was published, as hex. */
  beacon: string;
  iterationsExponent: number;
}

/** Applies the beacon and writes proving.zkey, transcript.json, setup.json and verifying-key.json. */
export async function closeCeremony(directory: string, closing: Closing): Promise<SetupFiles & { transcriptHash: Hex }> {
  const zkey = join(directory, "proving.zkey");
  await snarkjs.zKey.beacon(latest(directory), zkey, "beacon", closing.beacon, closing.iterationsExponent);
  const r1cs = join(directory, "circuit.r1cs");
  const { contributions, circuitHash } = readPhaseTwo(zkey);
  const circuit = readR1cs(r1cs);
  const r1csSha256 = await sha256File(r1cs);
  const files = await writePapers(directory, zkey, {
    format: 1,
    level: levelOf(contributions),
    rows: circuit.rows,
    publicInputs: circuit.publics,
    domainExponent: domainExponent(circuit),
    r1csSha256,
  });
  const transcript: Transcript = {
    format: 1,
    circuit: closing.circuit,
    sourceSha256: sourceHash(closing.sources),
    r1csSha256,
    ptau: { name: basename(closing.ptau), sha256: await sha256File(closing.ptau) },
    circuitHash,
    contributions,
    zkeySha256: files.manifest.zkeySha256,
    vkHash: files.manifest.vkHash,
  };
  const text = JSON.stringify(transcript, null, 2) + "\n";
  writeFileSync(join(directory, "transcript.json"), text);
  return { ...files, transcriptHash: transcriptHash(text) };
}

export function transcriptHash(text: string): Hex {
  return keccak(`0x${Buffer.from(text).toString("hex")}`);
}

/** What the record of contributions earns, if the rest of the chain holds and the key is no development key. */
export function levelOf(contributions: readonly Contribution[]): SetupLevel {
  const people = contributions.filter(({ kind }) => kind === "contribution").length;
  const closed = contributions.at(-1)?.kind === "beacon";
  return people >= CONTRIBUTIONS_FOR_CEREMONY && closed ? LEVEL.ceremony : LEVEL.singleParty;
}

/** Over names and contents, sorted by name: the order of arguments does not matter, a renamed file does. */
export function sourceHash(files: readonly string[]): string {
  const digests = [...files].map((file) => ({ name: basename(file), digest: createHash("sha256").update(readFileSync(file)).digest("hex") }));
  digests.sort((a, b) => (a.name < b.name ? -1 : 1));
  return createHash("sha256").update(digests.map(({ name, digest }) => `${digest}  ${name}\n`).join("")).digest("hex");
}
