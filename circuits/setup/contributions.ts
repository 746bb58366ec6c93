/** Reads the record of phase 2 from a zkey: who contributed, in which order, with which hash. */
import { blake2b } from "@noble/hashes/blake2.js";

import { word } from "./encode.ts";
import { readSection, readSections, SetupFileError } from "./sections.ts";
import { g1, g2 } from "./zkey.ts";

export interface Contribution {
  kind: "contribution" | "beacon";
  name: string;
  /** What the contributor's tool printed, and what he publishes: blake2b-512. */
  hash: string;
  beacon?: { value: string; iterationsExponent: number };
}

export interface PhaseTwo {
  /** Hash of the circuit's key before any contribution. */
  circuitHash: string;
  contributions: Contribution[];
}

const FIXED = 64 * 3 + 128 + 64 + 8;

export function readPhaseTwo(zkey: string): PhaseTwo {
  const bytes = readSection(zkey, readSections(zkey, "zkey"), 10);
  const cutOff = () => new SetupFileError(`${zkey}: the record of contributions is cut off`);
  if (bytes.length < 68) throw cutOff();
  const count = bytes.readUInt32LE(64);
  const contributions: Contribution[] = [];
  let at = 68;
  for (let i = 0; i < count; i++) {
    if (at + FIXED > bytes.length) throw cutOff();
    const second = g2(bytes, at + 192);
    const points = [...g1(bytes, at), ...g1(bytes, at + 64), ...g1(bytes, at + 128), second[0][1], second[0][0], second[1][1], second[1][0]];
    const transcript = bytes.subarray(at + 320, at + 384);
    const hash = blake2b(Buffer.concat([Buffer.from(points.map(word).join(""), "hex"), transcript]), { dkLen: 64 });
    const kind = bytes.readUInt32LE(at + 384) === 1 ? "beacon" : "contribution";
    const length = bytes.readUInt32LE(at + 388);
    if (at + FIXED + length > bytes.length) throw cutOff();
    const parameters = bytes.subarray(at + FIXED, at + FIXED + length);
    contributions.push({ kind, hash: Buffer.from(hash).toString("hex"), ...readParameters(zkey, parameters) });
    at += FIXED + length;
  }
  return { circuitHash: bytes.toString("hex", 0, 64), contributions };
}

/** Tagged values: 1 name, 2 exponent of the beacon's iterations, 3 the beacon's value. */
function readParameters(zkey: string, bytes: Buffer): Pick<Contribution, "name" | "beacon"> {
  let [name, exponent, value] = ["", 0, ""];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at]!;
    const first = bytes[at + 1] ?? 0;
    if (tag === 2) {
      exponent = first;
      at += 2;
      continue;
    }
    const content = bytes.subarray(at + 2, at + 2 + first);
    if (tag === 1) name = content.toString("utf8");
    else if (tag === 3) value = content.toString("hex");
    else throw new SetupFileError(`${zkey}: unknown parameter ${tag} in a contribution`);
    at += 2 + first;
  }
  return value === "" ? { name } : { name, beacon: { value, iterationsExponent: exponent } };
}
