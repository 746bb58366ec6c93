/** What the commands of `og zk` share: reading options and files, with refusals that name the option. */
import { readFile } from "node:fs/promises";

import { CompileError, withExternalData, type CompileOptions, type Inputs } from "../compiler/index.ts";
import { SetupFileError } from "../setup/sections.ts";

/** A refusal of the command line itself; printed without a stack. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export interface CompileFlags {
  input?: string[];
  dim?: string[];
  inputBits?: string;
  weightBits?: string;
  outputBits?: string;
  words?: boolean;
  weights?: string;
  weightRange?: string[];
}

/** `--input name=lo:hi[:bits]`, `--dim batch=1`, `--weight-range name=limit`. */
export function compileOptions(flags: CompileFlags): CompileOptions {
  const inputs: Record<string, { lo?: number; hi?: number; bits?: number }> = {};
  for (const text of flags.input ?? []) {
    const [, name, range] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    const [lo, hi, bits] = (range ?? "").split(":").map(Number);
    if (!name || !Number.isFinite(lo) || !Number.isFinite(hi) || (bits !== undefined && !Number.isInteger(bits))) {
      throw new UsageError(`--input ${text}: write NAME=LOW:HIGH or NAME=LOW:HIGH:BITS`);
    }
    inputs[name] = { lo, hi, ...(bits === undefined ? {} : { bits }) };
  }
  if (flags.weights !== undefined && !["baked", "public", "committed"].includes(flags.weights)) throw new UsageError(`--weights ${flags.weights}: write baked, public or committed`);
  const lifted = flags.weights === "public" || flags.weights === "committed" ? flags.weights : undefined;
  const weightRanges: Record<string, number> = {};
  for (const text of flags.weightRange ?? []) {
    const [, name, limit] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    if (!lifted) throw new UsageError("--weight-range goes with --weights public or committed");
    if (!name || !(Number(limit) > 0)) throw new UsageError(`--weight-range ${text}: write NAME=LIMIT`);
    weightRanges[name] = Number(limit);
  }
  return {
    inputs,
    ...(lifted ? { weights: lifted, weightRanges } : {}),
    ...count("inputBits", flags.inputBits),
    ...count("weightBits", flags.weightBits),
    ...count("outputBits", flags.outputBits),
    ...(flags.words ? { inputMode: "words" as const } : {}),
  };
}

/** A range for an input that the model does not have is a typing error, and the model's own input would have the default range. */
export function checkNames({ inputs = {} }: CompileOptions, has: readonly { name: string }[]): void {
  const unknown = Object.keys(inputs).find((name) => has.every((input) => input.name !== name));
  if (unknown !== undefined) throw new UsageError(`--input ${unknown}: the model has no such input, only ${has.map(({ name }) => `"${name}"`).join(", ")}`);
}

function count(name: "inputBits" | "weightBits" | "outputBits", text: string | undefined): CompileOptions {
  if (text === undefined) return {};
  if (!/^\d{1,2}$/.test(text)) throw new UsageError(`${name} is a number of bits, not "${text}"`);
  return { [name]: Number(text) };
}

/** `{"tensor": [numbers, nested or flat]}`, of `has` and no other: a second tensor would be taken for an input that counts. */
export async function readInputs(path: string, has: readonly { name: string }[]): Promise<Inputs> {
  const parsed = await readJson(path);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw new UsageError(`${path}: write {"tensor name": [numbers]}`);
  const unknown = Object.keys(parsed).find((name) => has.every((input) => input.name !== name));
  if (unknown !== undefined) throw new UsageError(`${path}: the model has no input "${unknown}", only ${has.map(({ name }) => `"${name}"`).join(", ")}`);
  return Object.fromEntries(
    Object.entries(parsed).map(([name, values]) => {
      const flat = [values].flat(Infinity) as unknown[];
      if (flat.some((value) => typeof value !== "number" || !Number.isFinite(value))) throw new UsageError(`${path}: "${name}" holds something that is not a finite number`);
      return [name, flat as number[]];
    }),
  );
}

export async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${path} cannot be read: ${error.code ?? error.message}`);
  });
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new UsageError(`${path} is not JSON`);
  }
}

/** The model as one array of bytes, weights from files beside it included. */
export async function readModel(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${path} cannot be read: ${error.code ?? error.message}`);
  });
  return withExternalData(bytes, path);
}

/** Decimal or 0x, below 2^248. */
export function readWord(name: string, text: string): bigint {
  if (!/^(0x[0-9a-fA-F]{1,62}|\d{1,75})$/.test(text) || BigInt(text) >> 248n !== 0n) throw new UsageError(`${name} is a number below 2^248, not "${text}"`);
  return BigInt(text);
}

/** What a person should see of whatever was thrown, or undefined for a defect. */
export function refusal(error: unknown): string | undefined {
  if (error instanceof UsageError) return error.message;
  if (error instanceof SetupFileError) return error.message;
  if (error instanceof CompileError) return `${error.code}: ${error.message}`;
  if (error instanceof Error && typeof (error as { code?: unknown }).code === "string" && /^(SetupBroken|KeeperError)$/.test(error.name)) {
    return `${(error as unknown as { code: string }).code}: ${error.message}`;
  }
  return undefined;
}
