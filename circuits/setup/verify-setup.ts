/**
 * Re-derives a set-up link by link: source -> r1cs -> powers of tau -> proving key -> contributions -> verifying key ->
 * code on chain. The first link that does not hold ends it, with a code that tests and people can name.
 *
 * Trusts snarkjs to check the contributions' proofs; reads everything else by itself.
 */
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

import { sourceHash } from "./ceremony.ts";
import { readPhaseTwo } from "./contributions.ts";
import { DEVELOPMENT_TRAPDOOR, makeDevelopmentKey } from "./development.ts";
import { checkDeployed } from "./deployed.ts";
import type { Deployed } from "./deployed.ts";
import type { Hex } from "./encode.ts";
import { encodeKey, toSnarkjs, vkHash } from "./encode.ts";
import { checkPtau, checkZkey, named } from "./layout.ts";
import { LEVEL, readJson, readManifest, sha256File } from "./manifest.ts";
import type { SetupLevel, SetupManifest } from "./manifest.ts";
import { verifyPhaseTwo } from "./phase-two.ts";
import { readR1cs } from "./r1cs.ts";
import type { R1cs } from "./r1cs.ts";
import { SetupBroken } from "./setup-broken.ts";
import { compareContributions, levelOf, parseTranscript, transcriptHash } from "./transcript.ts";
import { checkKey, sharesDevelopmentTrapdoor } from "./verifying-key.ts";
import type { VerifyingKey } from "./zkey.ts";
import { readVerifyingKey } from "./zkey.ts";

export interface SetupClaim {
  /** proving.zkey, setup.json and, of a ceremony, transcript.json. */
  directory: string;
  /** Files that the circuit is compiled from. */
  sources: readonly string[];
  /** Compiles them again and says where the r1cs is. */
  rederive(): Promise<string>;
  /** Needed for everything but a development key. */
  ptau?: string;
  /** If given, what stands on chain is compared too. */
  deployed?: Deployed;
  /** What is being done, for whoever waits: the last link may take an hour. */
  progress?(step: string): void;
}

export interface SetupReport {
  level: SetupLevel;
  vkHash: Hex;
  transcriptHash?: Hex;
  /** One sentence for each link that holds. */
  links: string[];
}

export async function verifySetup(claim: SetupClaim): Promise<SetupReport> {
  const manifest = readManifest(claim.directory);
  const zkey = join(claim.directory, "proving.zkey");
  const links: string[] = [];

  claim.progress?.("compiling the source");
  const r1cs = await claim.rederive();
  const r1csSha256 = await sha256File(r1cs);
  hold(r1csSha256 === manifest.r1csSha256, "R1CS_DIFFERS", `The source compiles to ${r1csSha256}, the set-up was made for ${manifest.r1csSha256}.`);
  links.push(`source compiles to r1cs ${r1csSha256}`);

  claim.progress?.("hashing the proving key");
  hold(existsSync(zkey), "ZKEY_FILE", `${zkey} is missing.`);
  const zkeySha256 = await sha256File(zkey);
  hold(zkeySha256 === manifest.zkeySha256, "ZKEY_CHANGED", `The proving key is ${zkeySha256}, the manifest says ${manifest.zkeySha256}.`);
  const circuit = readR1cs(r1cs);
  const key = named("ZKEY_FILE", () => readVerifyingKey(zkey));
  checkKey(key, circuit.publics);
  checkZkey(zkey, circuit);
  hold(vkHash(key) === manifest.vkHash, "VK_DIFFERS", `The proving key's verifying key is ${vkHash(key)}, the manifest says ${manifest.vkHash}.`);
  const published = readJson(join(claim.directory, "verifying-key.json"));
  hold(isDeepStrictEqual(published, toSnarkjs(key)), "VK_DIFFERS", "verifying-key.json is not the key in the proving key: proofs would be checked against another one.");
  links.push(`verifying key ${manifest.vkHash} stands in the proving key; delta, gamma and IC are sound`);

  const development = sharesDevelopmentTrapdoor(key, DEVELOPMENT_TRAPDOOR);
  const derived = development ? await development0(claim, r1cs, manifest, links) : await ceremony(claim, circuit, manifest, key, links);
  hold(manifest.level <= derived.level, "LEVEL_OVERCLAIMED", `The manifest claims level ${manifest.level}; what can be shown is level ${derived.level}.`);
  links.push(`set-up level ${derived.level}`);

  if (claim.deployed) {
    await checkDeployed(claim.deployed, encodeKey(key), manifest.vkHash, derived);
    links.push(`the verifier on chain runs the project's code with this key, at set-up level ${claim.deployed.level}`);
  }
  return { ...derived, vkHash: manifest.vkHash, links };
}

/** A development key is checked by making it again: it is deterministic. */
async function development0(claim: SetupClaim, r1cs: string, manifest: SetupManifest, links: string[]): Promise<Pick<SetupReport, "level">> {
  claim.progress?.("making the development key again");
  const again = await aside((path) => makeDevelopmentKey(r1cs, path).then(() => sha256File(path)));
  hold(again === manifest.zkeySha256, "ZKEY_NOT_DERIVED", "The key has the development trapdoor but does not come from this circuit.");
  links.push("development key: made again, byte for byte; anyone can forge its proofs");
  return { level: LEVEL.development };
}

/** What is cheap comes first: of the last check, large keys take an hour. */
async function ceremony(claim: SetupClaim, circuit: R1cs, manifest: SetupManifest, key: VerifyingKey, links: string[]): Promise<Pick<SetupReport, "level" | "transcriptHash">> {
  const path = join(claim.directory, "transcript.json");
  const zkey = join(claim.directory, "proving.zkey");
  hold(existsSync(path), "TRANSCRIPT_MISSING", "A key that is not a development key comes with transcript.json.");
  const text = readFileSync(path, "utf8");
  const transcript = parseTranscript(path, readJson(path));

  const source = sourceHash(claim.sources);
  hold(source === transcript.sourceSha256, "SOURCE_CHANGED", `The source is ${source}, the ceremony was for ${transcript.sourceSha256}.`);

  const recorded = named("ZKEY_FILE", () => readPhaseTwo(zkey));
  compareContributions(recorded, transcript);
  const facts = { circuitHash: recorded.circuitHash, vkHash: vkHash(key), r1csSha256: manifest.r1csSha256, zkeySha256: manifest.zkeySha256 };
  for (const [name, value] of Object.entries(facts)) {
    const listed = transcript[name as keyof typeof facts];
    hold(listed === value, "TRANSCRIPT_DIFFERS", `The transcript's ${name} is ${listed}, this key's ${value}.`);
  }
  const record = `transcript: ${recorded.contributions.map(({ kind, name }) => `${kind} ${JSON.stringify(name)}`).join(", ")}`;

  hold(claim.ptau !== undefined, "PTAU_MISSING", "Give the powers-of-tau file that the ceremony started from.");
  checkPtau(claim.ptau, circuit);
  claim.progress?.("hashing the powers of tau");
  const ptauSha256 = await sha256File(claim.ptau);
  hold(ptauSha256 === transcript.ptau.sha256, "PTAU_DIFFERS", `The powers of tau are ${ptauSha256}, the ceremony used ${transcript.ptau.sha256}.`);
  links.push(`powers of tau ${transcript.ptau.name} (${ptauSha256})`);

  claim.progress?.("deriving the key before its contributions, and checking each of them");
  const wrong = await aside((initial) => verifyPhaseTwo(circuit.path, claim.ptau!, zkey, initial));
  hold(wrong === undefined, "ZKEY_NOT_DERIVED", `The proving key does not follow from circuit, powers of tau and contributions${wrong ? `: ${wrong}` : ""}.`);
  links.push("the proving key follows from circuit, powers of tau and contributions (snarkjs zkey verify)", record);
  return { level: levelOf(recorded.contributions), transcriptHash: transcriptHash(text) };
}

/** With a path for a key that is large and needed only meanwhile. TMPDIR says where, and a read-only folder can be verified. */
async function aside<T>(work: (path: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "og-setup-"));
  try {
    return await work(join(folder, "key.zkey"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function hold(condition: boolean, code: string, message: string): asserts condition {
  if (!condition) throw new SetupBroken(code, message);
}
