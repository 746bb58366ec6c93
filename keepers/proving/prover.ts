/**
 * What a prover is to a keeper: a child process that turns a proving key and a witness into a proof, within a deadline and
 * a memory limit, and whose word is never taken: each proof is verified here before anyone sees it.
 */
import { statSync } from "node:fs";

import { encodeProof } from "../../circuits/setup/encode.ts";
import type { Hex, ProofJson } from "../../circuits/setup/encode.ts";
import { verifyProof } from "../../circuits/setup/verify.ts";
import { witnessLength } from "../../circuits/setup/witness.ts";
import { readZkeyHeader } from "../../circuits/setup/zkey.ts";
import type { VerifyingKey } from "../../circuits/setup/zkey.ts";
import { fatal, isKeeperError, messageOf, retryable } from "../errors/index.ts";
import { runChild } from "./child.ts";
import type { ChildLimits } from "./limits.ts";
import { openWarmChild } from "./warm.ts";

export interface ProvingTask {
  /** Paths of the proving key and of the witness. */
  zkey: string;
  witness: string;
  /** The registered key, not one read from the zkey: a swapped file must not verify itself. */
  key: VerifyingKey;
  publicInputs: readonly bigint[];
  /** Inputs behind those that are folded into the registered key: packed weights of a universal circuit. */
  folded?: readonly bigint[];
}

export interface Proven {
  /** 256 bytes, as the contract wants them. */
  proof: Hex;
  publicInputs: readonly bigint[];
  prover: string;
}

export interface Prover {
  readonly name: string;
  prove(task: ProvingTask, limits: ChildLimits): Promise<Proven>;
}

/**
 * A program that is called with the two paths and prints `{"proof": {...}, "publicSignals": [...]}`; or, if it is `warm`, stays and
 * prints that, or `{"error": "..."}`, for each line `{"zkey", "witness", "memoryMb"}` that it reads.
 */
export interface ProverProgram {
  name: string;
  command: string;
  args: readonly string[];
  warm?: boolean;
}

export function createProver(program: ProverProgram): Prover {
  const warm = program.warm ? openWarmChild(program.command, program.args) : undefined;
  const run = ({ zkey, witness }: ProvingTask, limits: ChildLimits) =>
    warm ? warm.ask(JSON.stringify({ zkey, witness, memoryMb: limits.memoryMb }), limits) : runChild(program.command, [...program.args, zkey, witness], limits);
  return {
    name: program.name,
    async prove(task, limits) {
      checkFiles(task);
      const output = await run(task, limits);
      const { proof, publicSignals } = parse(program.name, output);
      checkSignals(task, publicSignals);
      if (!verifyProof(task.key, task.publicInputs, proof)) {
        throw fatal("proving.invalid_proof", "The prover's proof does not verify: the witness does not satisfy the circuit, or key and circuit differ.", {
          prover: program.name,
          zkey: task.zkey,
        });
      }
      return { proof: encodeProof(proof), publicInputs: task.publicInputs, prover: program.name };
    },
  };
}

/** What says that the prover failed, not the task. */
const FAILURES = new Set(["proving.crashed", "proving.bad_output", "proving.no_prover", "proving.invalid_proof", "proving.memory"]);

/** Asks `second` where `first` fails as a program; what is wrong with a task is wrong for both. */
export function withFallback(first: Prover, second: Prover): Prover {
  return {
    name: first.name,
    async prove(task, limits) {
      try {
        return await first.prove(task, limits);
      } catch (error) {
        if (!isKeeperError(error) || !FAILURES.has(error.code)) throw error;
        return second.prove(task, limits);
      }
    },
  };
}

/** Cheap questions first: minutes of proving should not end in a complaint about a file. */
function checkFiles(task: ProvingTask): void {
  let wires: number;
  let publics: number;
  let values: number;
  try {
    statSync(task.zkey);
    ({ wires, publics } = readZkeyHeader(task.zkey));
    values = witnessLength(task.witness);
  } catch (error) {
    throw fatal("proving.bad_file", `Proving key or witness cannot be read: ${messageOf(error)}.`, { zkey: task.zkey, witness: task.witness }, { cause: error });
  }
  if (values !== wires) throw fatal("proving.wrong_witness", "The witness belongs to another circuit.", { wires, values });
  const given = task.publicInputs.length + (task.folded?.length ?? 0);
  if (publics !== given || task.publicInputs.length !== task.key.ic.length - 1) {
    throw fatal("proving.wrong_witness", "The proving key has another number of public inputs.", { publics, given });
  }
}

function parse(prover: string, output: string): { proof: ProofJson; publicSignals: string[] } {
  let made: { proof: ProofJson; publicSignals: string[]; error?: string };
  try {
    made = JSON.parse(output) as typeof made;
  } catch (error) {
    throw fatal("proving.bad_output", `The prover's output is not a proof: ${messageOf(error)}.`, { prover, start: output.slice(0, 200) }, { cause: error });
  }
  if (typeof made?.error === "string") throw retryable("proving.crashed", `The prover gave up: ${made.error}.`, { prover });
  try {
    const { proof, publicSignals } = made;
    if (!Array.isArray(publicSignals)) throw new TypeError("publicSignals is missing");
    // Throws on anything that is not three affine points.
    encodeProof(proof);
    return { proof, publicSignals };
  } catch (error) {
    throw fatal("proving.bad_output", `The prover's output is not a proof: ${messageOf(error)}.`, { prover, start: output.slice(0, 200) }, { cause: error });
  }
}

function checkSignals(task: ProvingTask, signals: readonly string[]): void {
  const asked = [...task.publicInputs, ...(task.folded ?? [])];
  const differs = signals.length !== asked.length || signals.some((text, i) => text !== String(asked[i]));
  if (differs) {
    throw fatal("proving.other_statement", "The witness states something else than what was asked to be proved.", { asked: asked.slice(0, 8).map(String), signals: signals.slice(0, 8) });
  }
}
