import type { Hex } from "viem";
import { type Program, programOf } from "../../circuits/compiler/index.ts";
import { decodePackage, programHash } from "./package.ts";

/** The blob is not the program that the registry names, or cannot be run from it alone. */
export class ProgramError extends Error {
  readonly code = "PROGRAM";
  constructor(message: string) {
    super(message);
    this.name = "ProgramError";
  }
}

/**
 * A published `int` program, to be run here: what answers are right.
 * @param version As the registry holds it: the package must be this program, whoever served it.
 * @throws ProgramError
 */
export function integerProgram(bytes: Uint8Array, version: { programHash: Hex }): Program {
  const content = decodePackage(bytes);
  if (content.format !== "og-model/integer/1") throw new ProgramError("The package is of a served model, not of an int program: no answer of it is the right one.");
  if (programHash("int", content.graph, content.public) !== version.programHash) throw new ProgramError("The package holds another program than the registry names.");
  const program = programOf(content.graph, content.public);
  if (program.graph.weights.length > 0) throw new ProgramError("The circuit is universal and its weights are not in the package: load the model from its folder instead.");
  return program;
}
