/**
 * Phase 2, step by step, through snarkjs: start from a real powers-of-tau file, let people contribute one after another,
 * close with a beacon, write the transcript. docs/ceremony.md says who does what on which machine.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { createHash } from "node:crypto";

import * as snarkjs from "snarkjs";

import { readPhaseTwo } from "./contributions.ts";
import type { Hex } from "./encode.ts";
import { checkPtau } from "./layout.ts";
import { sha256File, writePapers } from "./manifest.ts";
import type { SetupFiles } from "./manifest.ts";
import { makeInitialKey } from "./phase-two.ts";
import { domainExponent, readR1cs } from "./r1cs.ts";
import { SetupFileError } from "./sections.ts";
import { levelOf, transcriptHash } from "./transcript.ts";
import type { Transcript } from "./transcript.ts";

/** What snarkjs takes as a beacon. */
const ITERATIONS_EXPONENT = { least: 10, most: 63 };
const BEACON_BYTES = 255;

const numbered = (directory: string) => (existsSync(directory) ? readdirSync(directory).filter((file) => /^\d{4}\.zkey$/.test(file)).sort() : []);

/** The newest key of an open ceremony. @throws SetupFileError if there is none, or it is closed already */
function latest(directory: string): string {
  const newest = numbered(directory).at(-1);
  if (newest === undefined) throw new SetupFileError(`${directory} holds no ceremony: there is no 0000.zkey or later key`);
  if (existsSync(join(directory, "transcript.json"))) throw new SetupFileError(`${directory} holds a ceremony that is closed: nothing follows its beacon`);
  return newest;
}

/** Through a file of another name: what was interrupted is not taken for a key by the next one. */
async function making<T>(path: string, make: (unfinished: string) => Promise<T>): Promise<T> {
  const unfinished = `${path}.unfinished`;
  try {
    const made = await make(unfinished);
    renameSync(unfinished, path);
    return made;
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}

/** 0000.zkey: deterministic, so everybody checks it by making it himself. Its delta is the generator: it proves nothing yet. */
export async function startCeremony(directory: string, r1cs: string, ptau: string): Promise<string> {
  if (numbered(directory).length > 0) throw new SetupFileError(`${directory} already holds a ceremony`);
  checkPtau(ptau, readR1cs(r1cs));
  mkdirSync(directory, { recursive: true });
  copyFileSync(r1cs, join(directory, "circuit.r1cs"));
  const file = join(directory, "0000.zkey");
  await making(file, (unfinished) => makeInitialKey(r1cs, ptau, unfinished));
  return file;
}

export interface Contributed {
  /** What the contributor publishes. */
  hash: string;
  /** The key to hand on. */
  file: string;
}

/** `entropy` is mixed with the system's randomness and then forgotten. The folder need not hold older keys than the newest. */
export async function contribute(directory: string, name: string, entropy: string): Promise<Contributed> {
  const newest = latest(directory);
  if (name.trim() === "") throw new SetupFileError("A contribution has a name: the transcript says who took part.");
  const file = join(directory, `${String(Number(newest.slice(0, 4)) + 1).padStart(4, "0")}.zkey`);
  const hash = await making(file, (unfinished) => snarkjs.zKey.contribute(join(directory, newest), unfinished, name, entropy));
  return { hash: Buffer.from(hash).toString("hex"), file };
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
  const newest = latest(directory);
  const zkey = join(directory, "proving.zkey");
  const { iterationsExponent } = closing;
  const beacon = closing.beacon.replace(/^0x/, "").toLowerCase();
  const { least, most } = ITERATIONS_EXPONENT;
  if (!/^([0-9a-f]{2})+$/.test(beacon) || beacon.length > 2 * BEACON_BYTES) throw new SetupFileError(`The beacon is 1 to ${BEACON_BYTES} bytes as hex digits, not "${closing.beacon}"`);
  if (!Number.isInteger(iterationsExponent) || iterationsExponent < least || iterationsExponent > most) {
    throw new SetupFileError(`The beacon's iterations are 2^${least} to 2^${most}: give the exponent`);
  }
  const sourceSha256 = sourceHash(closing.sources);
  const r1cs = join(directory, "circuit.r1cs");
  const circuit = readR1cs(r1cs);
  checkPtau(closing.ptau, circuit);
  await making(zkey, (unfinished) => snarkjs.zKey.beacon(join(directory, newest), unfinished, "beacon", beacon, iterationsExponent));
  const { contributions, circuitHash } = readPhaseTwo(zkey);
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
    sourceSha256,
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

/** Over names and contents, sorted by name: the order of arguments does not matter, a renamed file does. */
export function sourceHash(files: readonly string[]): string {
  const read = (file: string) => {
    try {
      return readFileSync(file);
    } catch (error) {
      throw new SetupFileError(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, { cause: error });
    }
  };
  const digests = [...files].map((file) => ({ name: basename(file), digest: createHash("sha256").update(read(file)).digest("hex") }));
  digests.sort((a, b) => (a.name < b.name ? -1 : 1));
  return createHash("sha256").update(digests.map(({ name, digest }) => `${digest}  ${name}\n`).join("")).digest("hex");
}
