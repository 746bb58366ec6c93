import { readFileSync } from "node:fs";
import { Command } from "commander";
import type { Inferred, Verified } from "../client/client.ts";
import { type TensorInput, statusTexts } from "../models/tensors.ts";
import { SettlementMode, type Value, Verification } from "../protocol/enums.ts";
import { receiptToJson } from "../receipts/wire.ts";
import { CliError, NETWORK_OPTION } from "./network.ts";
import { type BuyOptions, openClient } from "./payer.ts";

interface Options extends BuyOptions {
  verification: string;
  settlement: string;
  json?: boolean;
}

const VERIFICATIONS: Record<string, Value<typeof Verification>> = { tee: Verification.Tee, zkml: Verification.Zkml, "tee+zkml": Verification.TeeAndZkml, vanilla: Verification.Vanilla };
const MODES: Record<string, Value<typeof SettlementMode>> = { private: SettlementMode.Private, batch: SettlementMode.Batch, individual: SettlementMode.Individual };

function buying(command: Command): Command {
  return command
    .option("--verification <method>", Object.keys(VERIFICATIONS).join(", "), "tee")
    .option("--settlement <mode>", Object.keys(MODES).join(", "), "batch")
    .option("--node <nodeId>", "this node; by default the first active one that serves the model")
    .option("--max-charge <units>", "most that the answer may cost, smallest token unit", "1000000")
    .option(...NETWORK_OPTION)
    .option("--json", "answer and receipt as JSON");
}

function choiceOf({ verification, settlement }: Options) {
  const method = VERIFICATIONS[verification];
  const mode = MODES[settlement];
  if (!method) throw new CliError(`--verification is "${verification}"; use ${Object.keys(VERIFICATIONS).join(", ")}.`);
  if (!mode) throw new CliError(`--settlement is "${settlement}"; use ${Object.keys(MODES).join(", ")}.`);
  return { verification: method, settlementMode: mode };
}

/** `og chat`: a streamed chat, paid and verified. */
export function chatCommand(): Command {
  return buying(new Command("chat").description("asks a language model; streams, pays by x402, verifies the receipt"))
    .argument("<message>")
    .option("--model <name>", "model name or modelId", "og-demo-lm")
    .option("--max-tokens <n>", "most output tokens", "128")
    .action(async (message: string, options: Options & { model: string; maxTokens: string }) => {
      const choice = choiceOf(options);
      const { client, close } = await openClient(options.model, choice.verification, options);
      try {
        const stream = await client.chatStream({ model: options.model, messages: [{ role: "user", content: message }], max_tokens: Number(options.maxTokens) }, choice);
        for await (const piece of stream) if (!options.json) process.stdout.write(piece);
        const verified = await stream.verified;
        if (!options.json) process.stdout.write("\n\n");
        report(verified, options);
      } finally {
        await close();
      }
    });
}

/** `og infer`: a tensor model, paid and verified, an int program run here as well; with zkml, waits for the proof. */
export function inferCommand(): Command {
  return buying(new Command("infer").description("runs a tensor model; pays by x402, verifies the receipt"))
    .argument("<model>", "model name or modelId")
    .argument("<inputs>", 'JSON file or text: {"name": {"shape": [1, 20], "data": [...]}}')
    .option("--no-recourse", "ask an int program in tensors, too: its answer is not checked, and nobody can prove that it is wrong")
    .action(async (model: string, inputs: string, options: Options & { recourse: boolean }) => {
      const choice = { ...choiceOf(options), recourse: options.recourse };
      const given = readInputs(inputs);
      const { client, close } = await openClient(model, choice.verification, options);
      try {
        const verified = await client.infer(model, given, choice);
        if (!options.json) for (const [name, { shape, data }] of Object.entries(verified.answer)) console.log(`${name} [${shape.join(", ")}] = ${data.join(", ")}`);
        report(verified, options);
        if (!options.json) printRecourse(verified);
        if (choice.verification === Verification.Zkml || choice.verification === Verification.TeeAndZkml) await waitForProof(client, verified.digest);
      } finally {
        await close();
      }
    });
}

async function waitForProof(client: Awaited<ReturnType<typeof openClient>>["client"], digest: `0x${string}`): Promise<void> {
  for (;;) {
    const { status, reason, publicInputs } = await client.proof(digest);
    if (status === "proven") return console.log(`proof     made, ${publicInputs!.length} public inputs; the node settles it on chain (og settle show lists its headers)`);
    if (status === "failed") throw new CliError(`The node could not prove its answer: ${reason}.`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

function readInputs(text: string): Record<string, TensorInput> {
  let inputs: unknown;
  try {
    inputs = JSON.parse(text.trimStart().startsWith("{") ? text : readFileSync(text, "utf8"));
  } catch (error) {
    throw new CliError(`The inputs are not JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
  for (const [name, tensor] of Object.entries((inputs ?? {}) as Record<string, Partial<TensorInput> | null>)) {
    if (!Array.isArray(tensor?.shape) || !Array.isArray(tensor.data)) throw new CliError(`Input "${name}" is no tensor: expected {"shape": [...], "data": [...]}.`);
  }
  return inputs as Record<string, TensorInput>;
}

function printRecourse({ status, recourse: { checked, provable, why } }: Inferred): void {
  for (const text of status ? statusTexts(status) : []) console.log(`status    a value ${text}`);
  if (checked) console.log(`recourse  run here too, with the same answer; a wrong one ${provable ? "would have been a fault on chain" : `would have convicted nobody: ${why}`}`);
  else console.log(`recourse  none, the answer was taken as it came: ${why}`);
}

function report<T>(verified: Verified<T> & Partial<Pick<Inferred, "recourse" | "status">>, { json }: Options): void {
  const { receipt, digest, checks, payment, answer, status, recourse } = verified;
  if (json) {
    const rest = { charge: payment.charge.toString(), paymentId: payment.paymentId, ...(recourse ? { recourse, ...(status === undefined ? {} : { status }) } : {}) };
    console.log(JSON.stringify({ answer, digest, receipt: { ...receipt, receipt: receiptToJson(receipt.receipt) }, ...rest }, null, 2));
    return;
  }
  console.log(`receipt   ${digest}`);
  console.log(`checks    ${checks.filter((check) => check.ok).length} of ${checks.length} hold`);
  console.log(`charge    ${payment.charge} units on payment ${payment.paymentId}`);
}
