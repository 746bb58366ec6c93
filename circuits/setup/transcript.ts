/** `transcript.json`: the public record of a ceremony, and how it is held against the record in the key. */
import type { Contribution, PhaseTwo } from "./contributions.ts";
import { keccak } from "./encode.ts";
import type { Hex } from "./encode.ts";
import { LEVEL } from "./manifest.ts";
import type { SetupLevel } from "./manifest.ts";
import { SetupBroken } from "./setup-broken.ts";

/** Its keccak256 is what the registry records. */
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

export function transcriptHash(text: string): Hex {
  return keccak(`0x${Buffer.from(text).toString("hex")}`);
}

/** What the record of contributions earns, if the rest of the chain holds and the key is no development key. A name counts once. */
export function levelOf(contributions: readonly Contribution[]): SetupLevel {
  const people = new Set(contributions.filter(({ kind }) => kind === "contribution").map(({ name }) => name));
  const closed = contributions.at(-1)?.kind === "beacon";
  return people.size >= CONTRIBUTIONS_FOR_CEREMONY && closed ? LEVEL.ceremony : LEVEL.singleParty;
}

/** @throws SetupBroken `TRANSCRIPT_DIFFERS` for JSON that is none. */
export function parseTranscript(path: string, json: unknown): Transcript {
  const found = json as Partial<Transcript> | null;
  const listed = found?.contributions as unknown;
  const wellFormed =
    found?.format === 1 &&
    typeof found.ptau?.sha256 === "string" &&
    Array.isArray(listed) &&
    listed.every((one: Partial<Contribution> | null) => typeof one?.hash === "string" && typeof one.name === "string" && (one.kind === "contribution" || one.kind === "beacon"));
  if (!wellFormed) throw new SetupBroken("TRANSCRIPT_DIFFERS", `${path} is not a transcript of format 1.`);
  return found as Transcript;
}

/**
 * The two records name the same contributions in the same order, closed at most once.
 *
 * @throws SetupBroken `BEACON_REPEATED`, `CONTRIBUTION_REPEATED`, `CONTRIBUTION_MISSING`, `CONTRIBUTION_ORDER`, `TRANSCRIPT_DIFFERS`
 */
export function compareContributions(recorded: PhaseTwo, transcript: Transcript): void {
  const [inKey, listed] = [recorded.contributions, transcript.contributions];
  for (const [where, list] of [["key", inKey], ["transcript", listed]] as const) {
    const beacons = list.filter(({ kind }) => kind === "beacon");
    if (beacons.length > 1) throw new SetupBroken("BEACON_REPEATED", `The ${where} holds ${beacons.length} beacons: with a second one whoever closes can choose among keys.`);
  }
  const repeated = listed.find((one, i) => listed.findIndex(({ hash }) => hash === one.hash) < i);
  if (repeated) throw new SetupBroken("CONTRIBUTION_REPEATED", `The transcript lists ${title(repeated)} twice.`);
  for (const [holder, lacking, a, b] of [["transcript", "key", listed, inKey], ["key", "transcript", inKey, listed]] as const) {
    const at = a.findIndex(({ hash }) => b.every((other) => other.hash !== hash));
    if (at >= 0) throw new SetupBroken("CONTRIBUTION_MISSING", `${title(a[at]!)}, number ${at + 1} of the ${holder}, is missing from the ${lacking}.`);
  }
  const place = inKey.findIndex(({ hash }, i) => listed[i]?.hash !== hash);
  if (place >= 0) throw new SetupBroken("CONTRIBUTION_ORDER", `The transcript has ${title(listed[place]!)} as number ${place + 1}, the key ${title(inKey[place]!)}.`);
  inKey.forEach((one, i) => {
    const other = listed[i]!;
    const same = one.kind === other.kind && one.name === other.name && one.beacon?.value === other.beacon?.value && one.beacon?.iterationsExponent === other.beacon?.iterationsExponent;
    if (!same) throw new SetupBroken("TRANSCRIPT_DIFFERS", `Contribution ${i + 1} is ${title(one)} in the key and ${title(other)} in the transcript.`);
  });
}

function title({ kind, name, hash, beacon }: Contribution): string {
  return `${kind} ${JSON.stringify(name)}${beacon ? ` of ${beacon.value}, 2^${beacon.iterationsExponent} iterations` : ""} (${hash.slice(0, 16)}...)`;
}
