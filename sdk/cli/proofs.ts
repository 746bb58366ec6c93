/** `og zk request`, `og zk settle` and `og zk settled`: proofs that a person asked for, on record without a receipt. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { type Address, type Hex, createWalletClient, getAddress, http, isAddress, isHex, numberToHex, size, zeroAddress } from "viem";
import { iVerifierRouterAbi } from "../../types/abi/IVerifierRouter.ts";
import { statusTexts } from "../models/tensors.ts";
import type { ChainAccess } from "../network/network.ts";
import { isRequestSettled, nextRequestNumber, proofPlace, settleProof, settledProof } from "../network/proofs.ts";
import { type ProofRequest, requestContext } from "../protocol/proofRequests.ts";
import { CliError, NETWORK_OPTION, callerKey, openNetwork } from "./network.ts";

const FORMAT = "og-proof-request/1";

/** What `og zk request` writes and `og zk settle` reads. */
interface RequestFile {
  format: typeof FORMAT;
  chainId: number;
  settlement: Address;
  asker: Address;
  /** Decimal. */
  number: string;
  modelId: Hex;
  beneficiary: Address;
  /** Seconds. */
  deadline: number;
  /** For `og zk prove --ctx`. */
  ctx: Hex;
}

/** Adds the commands that need a network to `og zk`. */
export function withProofCommands(zk: Command): Command {
  zk.command("request <modelId>")
    .description("the context that a proof for you must have: prove with it, then `og zk settle`")
    .option("--number <n>", "of your own counting; default: the first that you have not settled")
    .option("--beneficiary <address>", "for whom the proof is made; default: you")
    .option("--deadline <seconds>", "from now", "86400")
    .option("--out <file>", "where the request goes", "request.json")
    .option(...NETWORK_OPTION)
    .action(async (modelId: string, options: { number?: string; beneficiary?: string; deadline: string; out: string; network?: string }) => {
      const { settlement } = await openNetwork(options.network);
      const router = { address: settlement.address("VerifierRouter"), abi: iVerifierRouterAbi } as const;
      const [verifier, setupLevel] = await settlement.client.readContract({ ...router, functionName: "route", args: [idOf(modelId)] });
      if (verifier === zeroAddress) throw new CliError(`Model ${modelId} is not in the registry, or offers no proofs. "og model list" shows the methods of each.`);
      const asker = callerKey([settlement.chain.id]).address;
      const number = options.number === undefined ? await nextRequestNumber(settlement, asker) : numberOf(options.number);
      if (await isRequestSettled(settlement, asker, number)) throw new CliError(`Your request ${number} was settled before; leave --number out to get the next free one.`);
      const { timestamp } = await settlement.client.getBlock();
      const request = { number, modelId: idOf(modelId), beneficiary: beneficiaryOf(options.beneficiary ?? asker), deadline: timestamp + BigInt(secondsOf(options.deadline)) };
      const place = proofPlace(settlement, asker);
      const ctx = numberToHex(requestContext(place, request));
      const file: RequestFile = { format: FORMAT, ...place, number: String(number), modelId: request.modelId, beneficiary: request.beneficiary, deadline: Number(request.deadline), ctx };
      if (existsSync(options.out)) throw new CliError(`${options.out} exists; name another file with --out.`);
      writeFileSync(options.out, `${JSON.stringify(file, null, 2)}\n`);
      console.log(`request ${number} of ${asker}, until ${new Date(file.deadline * 1_000).toISOString()}; in ${options.out}`);
      if (setupLevel < 2) console.log(`the model's key has set-up level ${setupLevel}: ${setupLevel === 0 ? "anyone can forge its proofs" : "whoever made the key may be able to forge its proofs"}`);
      console.log(`ctx ${ctx}`);
    });

  zk.command("settle <request.json> <proof.json>")
    .description("settles a proof for your request on chain, once")
    .option("--keep", "keep the answer where contracts can ask for it later (22,300 gas more)")
    .option(...NETWORK_OPTION)
    .action(async (requestFile: string, proofFile: string, { keep, network }: { keep?: boolean; network?: string }) => {
      const { settlement } = await openNetwork(network);
      const { request, asker, ctx } = readRequest(requestFile, settlement);
      const account = callerKey([settlement.chain.id]);
      if (account.address !== asker) throw new CliError(`${requestFile} is a request of ${asker}, and your key is that of ${account.address}: only the asker can settle it.`);
      const { proof, publicInputs } = readProof(proofFile);
      if (publicInputs[0] !== BigInt(ctx)) throw new CliError(`${proofFile} was made for ctx ${numberToHex(publicInputs[0]!)}, and ${requestFile} asks for ${ctx}. Prove again with --ctx ${ctx}.`);
      const wallet = createWalletClient({ chain: settlement.chain, transport: http(settlement.rpcUrl), account });
      const { hash, gas, settled } = await settleProof(settlement, wallet, account, request, { proof, words: publicInputs.slice(1) }, keep);
      console.log(`sent   ${hash} (${gas} gas)`);
      print(settled.words);
    });

  zk.command("settled <number>")
    .description("what a request was settled with")
    .option("--asker <address>", "default: you")
    .option(...NETWORK_OPTION)
    .action(async (text: string, { asker: of, network }: { asker?: string; network?: string }) => {
      const { settlement } = await openNetwork(network);
      const asker = of === undefined ? callerKey([settlement.chain.id]).address : beneficiaryOf(of);
      const number = numberOf(text);
      if (!(await isRequestSettled(settlement, asker, number))) throw new CliError(`Request ${number} of ${asker} has not been settled.`);
      const settled = await settledProof(settlement, asker, number);
      if (!settled) return console.log(`settled, in a batch: its event holds a hash of the words, the call's data the words themselves`);
      console.log(`settled: model ${settled.modelId}, for ${settled.beneficiary}, deadline ${new Date(Number(settled.deadline) * 1_000).toISOString()}`);
      print(settled.words);
    });
  return zk;
}

function print(words: readonly bigint[]): void {
  words.forEach((value, i) => console.log(`word ${i} ${numberToHex(value)}`));
  const status = Number(words.at(-1)! & 0xffn);
  // With several output words the status is in the first of them, and only the model's public.json tells which that is.
  if (words.length === 2) for (const text of statusTexts(status)) console.log(`status: a value ${text}`);
}

function readRequest(path: string, settlement: ChainAccess): { request: ProofRequest; asker: Address; ctx: Hex } {
  const file = readJson(path) as Partial<RequestFile>;
  const whole = file.format === FORMAT && [file.number, file.modelId, file.ctx].every((text) => typeof text === "string") && typeof file.deadline === "number";
  if (!whole || !isAddress(file.beneficiary ?? "", { strict: false }) || !isAddress(file.asker ?? "", { strict: false })) throw new CliError(`${path} is no request: "og zk request" writes one.`);
  const asker = getAddress(file.asker!);
  const place = proofPlace(settlement, asker);
  if (file.chainId !== place.chainId || getAddress(file.settlement!) !== getAddress(place.settlement)) {
    throw new CliError(`${path} is for ProofSettlement ${file.settlement} on chain ${file.chainId}, and the network has ${place.settlement} on ${place.chainId}. Ask for a new request here.`);
  }
  const request = { number: numberOf(file.number!), modelId: idOf(file.modelId!), beneficiary: getAddress(file.beneficiary!), deadline: BigInt(file.deadline!) };
  const ctx = numberToHex(requestContext(place, request));
  if (ctx !== file.ctx) throw new CliError(`${path} was changed: its fields give ctx ${ctx}, it says ${file.ctx}.`);
  return { request, asker, ctx };
}

function readProof(path: string): { proof: Hex; publicInputs: bigint[] } {
  const { proof, publicInputs } = readJson(path) as { proof?: unknown; publicInputs?: unknown };
  const wellFormed = isHex(proof) && proof.length % 2 === 0 && Array.isArray(publicInputs) && publicInputs.length > 1 && publicInputs.every((text) => isHex(text) && text.length > 2 && text.length <= 66);
  if (!wellFormed) throw new CliError(`${path} is no proof file: "og zk prove" writes one.`);
  return { proof: proof as Hex, publicInputs: (publicInputs as Hex[]).map(BigInt) };
}

function readJson(path: string): object {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof parsed === "object" && parsed !== null) return parsed;
  } catch (error) {
    throw new CliError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
  }
  throw new CliError(`${path} holds no JSON object.`);
}

function idOf(text: string): Hex {
  if (!isHex(text) || size(text) !== 32) throw new CliError(`"${text}" is not a modelId: 0x and 64 hexadecimal digits; "og model list" shows them.`);
  return text;
}

function beneficiaryOf(text: string): Address {
  if (!isAddress(text, { strict: false })) throw new CliError(`"${text}" is no address.`);
  return getAddress(text);
}

function numberOf(text: string): bigint {
  if (!/^\d{1,29}$/.test(text) || BigInt(text) >> 96n !== 0n) throw new CliError(`A request's number is a whole number below 2^96, not "${text}".`);
  return BigInt(text);
}

/** A year is more than any proof takes. */
function secondsOf(text: string): number {
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 31_536_000) throw new CliError(`--deadline is "${text}"; a number of seconds from 1 to 31536000.`);
  return seconds;
}
