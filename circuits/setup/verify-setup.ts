/**
 * Re-derives a set-up link by link: source -> r1cs -> powers of tau -> proving key -> contributions -> verifying key ->
 * code on chain. The first link that does not hold ends it, with a code that tests and people can name.
 *
 * Trusts snarkjs to check the contributions' proofs; reads everything else by itself.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";

import * as snarkjs from "snarkjs";

import { levelOf, sourceHash, transcriptHash } from "./ceremony.ts";
import type { Transcript } from "./ceremony.ts";
import { readPhaseTwo } from "./contributions.ts";
import { DEVELOPMENT_TRAPDOOR, makeDevelopmentKey } from "./development.ts";
import { checkDeployed } from "./deployed.ts";
import type { Deployed } from "./deployed.ts";
import type { Hex } from "./encode.ts";
import { encodeKey, toSnarkjs, vkHash } from "./encode.ts";
import { LEVEL, readJson, readManifest, sha256File } from "./manifest.ts";
import type { SetupLevel, SetupManifest } from "./manifest.ts";
import { readR1cs } from "./r1cs.ts";
import { SetupBroken } from "./setup-broken.ts";
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

  const r1cs = await claim.rederive();
  const r1csSha256 = await sha256File(r1cs);
  hold(r1csSha256 === manifest.r1csSha256, "R1CS_DIFFERS", `The source compiles to ${r1csSha256}, the set-up was made for ${manifest.r1csSha256}.`);
  links.push(`source compiles to r1cs ${r1csSha256}`);

  const zkeySha256 = await sha256File(zkey);
  hold(zkeySha256 === manifest.zkeySha256, "ZKEY_CHANGED", `The proving key is ${zkeySha256}, the manifest says ${manifest.zkeySha256}.`);
  const key = readVerifyingKey(zkey);
  checkKey(key, readR1cs(r1cs).publics);
  hold(vkHash(key) === manifest.vkHash, "VK_DIFFERS", `The proving key's verifying key is ${vkHash(key)}, the manifest says ${manifest.vkHash}.`);
  const published = readJson(join(claim.directory, "verifying-key.json"));
  hold(isDeepStrictEqual(published, toSnarkjs(key)), "VK_DIFFERS", "verifying-key.json is not the key in the proving key: proofs would be checked against another one.");
  links.push(`verifying key ${manifest.vkHash} stands in the proving key; delta, gamma and IC are sound`);

  const development = sharesDevelopmentTrapdoor(key, DEVELOPMENT_TRAPDOOR);
  const derived = development ? await development0(claim, r1cs, manifest, links) : await ceremony(claim, r1cs, zkey, key, links);
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
  const again = join(claim.directory, "again.zkey");
  await makeDevelopmentKey(r1cs, again);
  hold((await sha256File(again)) === manifest.zkeySha256, "ZKEY_NOT_DERIVED", "The key has the development trapdoor but does not come from this circuit.");
  links.push("development key: made again, byte for byte; anyone can forge its proofs");
  return { level: LEVEL.development };
}

async function ceremony(claim: SetupClaim, r1cs: string, zkey: string, key: VerifyingKey, links: string[]): Promise<Pick<SetupReport, "level" | "transcriptHash">> {
  const path = join(claim.directory, "transcript.json");
  hold(existsSync(path), "TRANSCRIPT_MISSING", "A key that is not a development key comes with transcript.json.");
  const text = readFileSync(path, "utf8");
  const transcript = parseTranscript(path);

  const source = sourceHash(claim.sources);
  hold(source === transcript.sourceSha256, "SOURCE_CHANGED", `The source is ${source}, the ceremony was for ${transcript.sourceSha256}.`);
  hold(claim.ptau !== undefined, "PTAU_MISSING", "Give the powers-of-tau file that the ceremony started from.");
  const ptauSha256 = await sha256File(claim.ptau!);
  hold(ptauSha256 === transcript.ptau.sha256, "PTAU_DIFFERS", `The powers of tau are ${ptauSha256}, the ceremony used ${transcript.ptau.sha256}.`);
  links.push(`powers of tau ${transcript.ptau.name} (${ptauSha256})`);

  hold(await snarkjs.zKey.verifyFromR1cs(r1cs, claim.ptau!, zkey), "ZKEY_NOT_DERIVED", "The proving key does not follow from circuit, powers of tau and contributions.");
  links.push("the proving key follows from circuit, powers of tau and contributions (snarkjs zkey verify)");

  const recorded = readPhaseTwo(zkey);
  const same =
    JSON.stringify(recorded.contributions) === JSON.stringify(transcript.contributions) &&
    recorded.circuitHash === transcript.circuitHash &&
    transcript.vkHash === vkHash(key) &&
    transcript.r1csSha256 === (await sha256File(r1cs)) &&
    transcript.zkeySha256 === (await sha256File(zkey));
  hold(same, "TRANSCRIPT_DIFFERS", "The transcript is not the one of this key.");
  links.push(`transcript: ${recorded.contributions.map(({ kind, name }) => `${kind} ${JSON.stringify(name)}`).join(", ")}`);
  return { level: levelOf(recorded.contributions), transcriptHash: transcriptHash(text) };
}

function parseTranscript(path: string): Transcript {
  const transcript = readJson(path) as Transcript | null;
  hold(transcript?.format === 1 && typeof transcript.ptau?.sha256 === "string", "TRANSCRIPT_DIFFERS", `${path} is not a transcript of format 1.`);
  return transcript;
}

function hold(condition: boolean, code: string, message: string): asserts condition {
  if (!condition) throw new SetupBroken(code, message);
}
