import { type Hex, zeroHash } from "viem";
import { type Program, programOf } from "../../circuits/compiler/index.ts";
import type { ModelInfo } from "../network/models.ts";
import type { Runnable } from "../receipts/output.ts";
import { integerProgramHash } from "./manifest.ts";
import { decodePackage } from "./package.ts";

/** The blob is not the program that the registry names. */
export class ProgramError extends Error {
  readonly code = "PROGRAM";
  constructor(message: string) {
    super(message);
    this.name = "ProgramError";
  }
}

/** A program that answers in words are held against. */
export type WordProgram = Program & Runnable;

/** The program of a version that can be asked in words; or why it cannot. */
export type AskedInWords = { program: WordProgram } | { program: null; why: string };

/** Where a client has `int` programs from: `publishedPrograms`, or a map of its own. @throws ProgramError, or what the transport throws. */
export type ProgramSource = (version: ModelInfo) => Promise<AskedInWords>;

/** @param read A version's package, from Walrus. Each is read once. */
export function publishedPrograms(read: (version: ModelInfo) => Promise<Uint8Array>): ProgramSource {
  const known = new Map<Hex, AskedInWords>();
  return async (version) => {
    const made = known.get(version.modelId) ?? integerProgram(await read(version), version);
    known.set(version.modelId, made);
    return made;
  };
}

/**
 * A published `int` program, to be run here: what answers are right.
 * @param version As the registry holds it: the package must be this program, whoever served it.
 * @throws ProgramError, TypeError when it is no package at all
 */
export function integerProgram(bytes: Uint8Array, version: { programHash: Hex }): AskedInWords {
  const content = decodePackage(bytes);
  if (content.format === "og-model/upstream/1") throw new ProgramError("The package is of a served model, not of an int program: no answer of it is the right one.");
  if (integerProgramHash(content) !== version.programHash) throw new ProgramError("The package holds another program than the registry names.");
  if (content.format === "og-model/layers/1") return { program: null, why: "it is proved in several circuits, whose words no single proof shows" };
  const program = programOf(content.graph, content.public);
  if (program.hashedInput || program.hashedOutput) return { program: null, why: `its proofs show the hash of its ${program.hashedInput ? "input" : "output"}, not the words` };
  if (program.graph.weights.length > 0) return { program: null, why: "its circuit is universal, and its weights are not in its package" };
  return { program };
}

/** Least level of a verifying key whose proofs convict: below, a publisher who knows his own trapdoor could convict anybody. */
export const CEREMONY = 2;

/** Why a proof against a version convicts nobody; undefined where it does. */
export function notProvable({ vkHash, setupLevel }: Pick<ModelInfo, "vkHash" | "setupLevel">): string | undefined {
  if (vkHash === zeroHash || setupLevel === undefined) return "the version has no verifying key";
  return setupLevel < CEREMONY ? `its verifying key is of set-up level ${setupLevel}, and only level ${CEREMONY} convicts` : undefined;
}
