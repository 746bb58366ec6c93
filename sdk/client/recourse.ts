import type { AskedInWords, ProgramSource } from "../models/program.ts";
import type { ModelInfo } from "../network/models.ts";

/** An answer could be checked, and what that takes is not here. */
export class RecourseError extends Error {
  readonly code = "NO_PROGRAM";
  constructor(name: string, reason: string, options?: ErrorOptions) {
    super(`"${name}" is an int program, and its answer could not be checked: ${reason}. Nothing was asked or paid. To take an answer that nobody can dispute, opt out with "recourse: false" (og infer --no-recourse).`, options);
    this.name = "RecourseError";
  }
}

/** How a version is asked: one rule for everybody who asks. @throws RecourseError */
export async function askedInWords(version: ModelInfo, { recourse = true }: { recourse?: boolean }, programs: ProgramSource | undefined): Promise<AskedInWords> {
  if (version.kind !== "Int") return { program: null, why: "it is a float program: no output of it is the right one" };
  if (!recourse) return { program: null, why: "it was asked in tensors, as you chose" };
  if (!programs) throw new RecourseError(version.name, "the client was given no source of programs");
  try {
    return await programs(version);
  } catch (error) {
    throw new RecourseError(version.name, `its package could not be had (${error instanceof Error ? error.message : String(error)})`, { cause: error });
  }
}
