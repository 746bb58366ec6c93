/** `og zk`: from an ONNX file to a proof and back. */
import { join } from "node:path";

import { Command } from "commander";
import * as snarkjs from "snarkjs";

import { isChain, readChain } from "../compiler/index.ts";
import { compileLayers, explainLayers, proveLayers, verifyLayers } from "./chain.ts";
import { compile, explainModel, prove, verify, verifySetupOf } from "./commands.ts";
import type { Print, VerifySetupFlags } from "./commands.ts";
import { readDeployed } from "./deployed.ts";
import { openProgress } from "./progress.ts";
import type { Progress } from "./progress.ts";
import { fileRefusal } from "./files.ts";
import { refusal, UsageError } from "./options.ts";
import { readManifest } from "../setup/manifest.ts";

const collect = (value: string, list: string[] = []) => [...list, value];

export function zkCommand(say: Print = console.log, progress: Progress = openProgress()): Command {
  const print: Print = (line) => {
    progress.clear();
    say(line);
  };
  const zk = new Command("zk").description("zero-knowledge proofs of ONNX models");

  /** Refusals are one line and exit code 1; a defect keeps its stack. */
  const guarded = <A extends unknown[]>(work: (...args: A) => Promise<unknown>) => async (...args: A) => {
    try {
      await work(...args);
      progress.clear();
    } catch (error) {
      progress.clear();
      const reason = refusal(error) ?? fileRefusal(error);
      if (reason === undefined) throw error;
      print(`refused: ${reason}`);
      process.exitCode = 1;
    }
  };
  const quantisation = (command: Command) =>
    command
      .option("--input <NAME=LOW:HIGH[:BITS]>", "admissible range of an input tensor (repeatable)", collect)
      .option("--input-bits <n>", "bits of an input element")
      .option("--weight-bits <n>", "bits of a weight")
      .option("--weights <mode>", "baked: part of the circuit; public: folded into the key, so that a retrained model needs no new set-up; committed: the same, and private", "baked")
      .option("--weight-range <NAME=LIMIT>", "public weights: what a tensor's elements stay below (repeatable)", collect)
      .option("--output-bits <n>", "bits of an output element")
      .option("--words", "inputs as public words, even where there are several, instead of a commitment");

  quantisation(zk.command("explain <model.onnx>").description("rows per layer, error, expected time and gas"))
    .option("--layers <n>", "as several circuits")
    .action(guarded((onnx: string, flags) => (flags.layers ? explainLayers : explainModel)(onnx, flags, print, progress)));
  quantisation(zk.command("compile <model.onnx> <directory>").description("circuit, certificate and development key"))
    .option("--no-keys", "leave the keys to a ceremony")
    .option("--layers <n>", "several circuits that hand commitments on, for models too large for one")
    .action(guarded((onnx: string, directory: string, flags) => (flags.layers ? compileLayers : compile)(onnx, directory, flags, print, progress)));
  zk.command("prove <directory> <input.json>")
    .description("prove the model's output for an input")
    .option("--ctx <word>", "what the proof is bound to: settlement's proofContext", "0")
    .option("--salt <word>", "hides an input that is committed to", "0")
    .option("--weights <file>", "weights.json of a model of the same architecture (default: the directory's)")
    .option("--out <file>", "where the proof goes (default: proof.json in the directory)")
    .action(guarded((directory: string, input: string, flags) => (isChain(directory) ? proveLayers : prove)(directory, input, flags, print, progress)));
  zk.command("verify <directory> <proof.json>")
    .description("check a proof and print what it says")
    .option("--weights <file>", "weights.json of the model that it is about (default: the directory's)")
    .action(
      guarded(async (directory: string, proof: string, flags: { weights?: string }) => {
        if (!(await (isChain(directory) ? verifyLayers : verify)(directory, proof, print, flags.weights))) process.exitCode = 1;
      }),
    );
  quantisation(zk.command("verify-setup <directory>").description("re-derive source, r1cs, proving key, verifying key and code on chain"))
    .option("--ptau <file>", "powers of tau that the ceremony started from")
    .option("--onnx <file>", "start from the model instead of the published circuit")
    .option("--rpc <url>", "compare with the chain, too")
    .option("--registry <address>", "Groth16Keys there")
    .action(
      guarded(async (directory: string, flags: VerifySetupFlags & { rpc?: string; registry?: string }) => {
        if ((flags.rpc === undefined) !== (flags.registry === undefined)) throw new UsageError("--rpc and --registry go together");
        const chain = isChain(directory);
        if (chain && flags.onnx) throw new UsageError("the layers of a chain are verified from their circuits: leave --onnx out");
        const folders = chain ? readChain(directory).layers.map(({ folder }) => join(directory, folder)) : [directory];
        try {
          for (const folder of folders) {
            if (chain) print(`${folder}:`);
            const deployed = flags.rpc && flags.registry ? await readDeployed(flags.rpc, flags.registry, readManifest(folder).vkHash) : undefined;
            await verifySetupOf(folder, { ...flags, deployed }, print, progress);
          }
        } finally {
          // Its worker threads would keep the process alive.
          await (await snarkjs.curves.getCurveFromName("bn128")).terminate();
        }
      }),
    );
  return zk;
}
