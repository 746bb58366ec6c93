/** `og pay`: money in channels and in the escrow, for those who pay and those who earn. */
import { Command, InvalidArgumentError } from "commander";
import { type Address, formatUnits, getAddress, isAddress } from "viem";
import { erc20Abi } from "../payments/abi.ts";
import { owedTo } from "../payments/credit.ts";
import { type ChannelRecord, openChannel } from "../payments/channels.ts";
import { OfferRefused, checkRequirements } from "../payments/offers.ts";
import { requirementsOf } from "../payments/offer.ts";
import { ceilingOf, priceFor } from "../payments/tariff.ts";
import { MoneyError, depositInto, finishWithdrawal, moneyOfChannel, startWithdrawal, withdrawCredit } from "../payments/wallet.ts";
import { claimNow } from "./pay/claim.ts";
import { type ReceiptLine, receiptLines } from "./pay/receipts.ts";
import { type OfferQuery, type PayWorld, openPayWorld } from "./pay/world.ts";
import { CliError, NETWORK_OPTION } from "./network.ts";

export interface PayIo {
  print(line: string): void;
  fail(line: string): void;
  setExitCode(code: number): void;
  env: NodeJS.ProcessEnv;
  open(options: { network?: string }): Promise<PayWorld>;
  fetch: typeof globalThis.fetch;
}

interface Common {
  network?: string;
  json?: boolean;
}

/** 0 done, 1 refused with a reason, 2 called wrongly (commander's own check). */
const REFUSED = 1;
const MISUSED = 2;
/** Smallest channel delay that a payer's policy takes here: the channel contract's own minimum; public deployments ask for a day. */
const MIN_DELAY = 900;

const processIo: PayIo = {
  print: (line) => void process.stdout.write(`${line}\n`),
  fail: (line) => void process.stderr.write(`${line}\n`),
  setExitCode: (code) => void (process.exitCode = code),
  env: process.env,
  open: openPayWorld,
  fetch: globalThis.fetch,
};

export function payCommand(io: PayIo = processIo): Command {
  const pay = new Command("pay").description("payments: channels, escrow, claims, receipts");
  const command = (name: string, description: string) =>
    pay.command(name).description(description).option(...NETWORK_OPTION).option("--json", "one JSON object, amounts in smallest units as decimal strings");
  const buying = (made: Command) =>
    made
      .option("--node <nodeId>", "this node; by default the first active one that serves the model")
      .option("--verification <method>", "tee, zkml, tee+zkml, vanilla", "tee")
      .option("--settlement <mode>", "private, batch, individual", "batch");

  buying(command("quote", "what a request may cost at most, before anything is signed"))
    .requiredOption("--model <name>", "model name or modelId")
    .option("--input <units>", "input units: tokens, or elements of a tensor", amount)
    .option("--output <units>", "most output units", amount)
    .action((options: OfferQuery & Common & { input?: bigint; output?: bigint }) => guarded(io, options, (world) => quote(io, world, options)));

  buying(command("deposit", "opens a channel with a node, or adds to one; amounts in smallest token units"))
    .argument("<amount>", "smallest token units", amount)
    .option("--model <name>", "a model that the node serves under the terms to sign")
    .option("--channel <paymentId>", "add to this channel instead")
    .action((units: bigint, options: OfferQuery & Common & { channel?: string }) => guarded(io, options, (world) => deposit(io, world, units, options)));

  command("balance", "tokens, channels and what the escrow owes")
    .argument("[address]", "whose escrow credit: a payout, a payer; your own by default", account)
    .action((address: Address | undefined, options: Common) => guarded(io, options, (world) => balance(io, world, address, options)));

  command("withdraw", "without a channel: pulls what the escrow owes; with one: begins, later finishes, taking back what is free")
    .argument("[paymentId]")
    .option("--beneficiary <address>", "whose credit, paid to it or to where it redirects; your own by default", account)
    .action((paymentId: string | undefined, options: Common & { beneficiary?: Address }) => guarded(io, options, (world) => withdraw(io, world, paymentId, options)));

  command("claim", "operator: the node claims everything that it delivered, at once")
    .requiredOption("--keeper <url>", "the inference node's operator door, e.g. http://127.0.0.1:9100; token in OG_OPS_TOKEN")
    .action((options: Common & { keeper: string }) => guardedAlone(io, () => claimNow(io, options)));

  command("receipts", "a channel's receipts from its node, each checked: signature, key, and that they form one line")
    .argument("<paymentId>")
    .option("--from <sequence>", "first sequence", amount, 0n)
    .option("--limit <n>", "most receipts", amount, 100n)
    .action((paymentId: string, options: Common & { from: bigint; limit: bigint }) => guarded(io, options, (world) => receipts(io, world, paymentId, options)));
  return pay;
}

async function quote(io: PayIo, world: PayWorld, options: OfferQuery & Common & { input?: bigint; output?: bigint }): Promise<void> {
  const { offer, modelId } = await world.offer(options);
  const price = priceFor(offer.tariff, modelId);
  if (!price) throw new CliError(`The node's tariff has no price for ${options.model}.`);
  const given = options.input !== undefined || options.output !== undefined;
  const ceiling = given ? ceilingOf(price, options.input ?? 0n, options.output ?? 0n) : offer.ceiling;
  if (options.json) return io.print(text({ modelId, nodeId: offer.terms.nodeId, ceiling, price, tariffHash: offer.terms.tariffHash, termsHash: offer.termsHash }));
  const show = shower(world);
  io.print(`at most   ${show(ceiling)} for ${given ? `${options.input ?? 0n} input and ${options.output ?? 0n} output units` : "the largest request that the node takes"}`);
  io.print(`price     ${price.perRequest} a request, and for a million units ${price.perMillionInput} in, ${price.perMillionOutput} out, ${price.perMillionReasoning} reasoning (smallest units, the sum rounded up once)`);
  io.print(`node      ${offer.terms.nodeId}`);
  io.print(`tariff    ${offer.terms.tariffHash}, in the terms that a channel signs`);
}

async function deposit(io: PayIo, world: PayWorld, units: bigint, options: OfferQuery & Common & { channel?: string }): Promise<void> {
  if (units === 0n) throw new CliError("Deposit more than 0 units.");
  if (!options.channel && !options.model) throw new CliError("Name a model with --model, for its node's terms, or a channel with --channel.");
  const record = options.channel ? await recordOf(world, options.channel) : await channelFor(world, options);
  const transaction = await depositInto(world.money, record, units);
  const money = await moneyOf(world, record);
  if (options.json) return io.print(text({ paymentId: record.paymentId, deposited: units, balance: money.balance, free: money.free, transaction }));
  const show = shower(world);
  io.print(`channel   ${record.paymentId} with node ${record.terms.nodeId}`);
  io.print(`deposited ${show(units)}, balance ${show(money.balance)}, free ${show(money.free)}`);
  io.print(`sent      ${transaction}`);
}

/** The channel for a node's terms, checked as every offer is. */
async function channelFor(world: PayWorld, options: OfferQuery): Promise<ChannelRecord> {
  const { money, payment, memory } = world;
  const { offer } = await world.offer(options);
  const checked = await checkRequirements(requirementsOf(offer), {
    network: `eip155:${payment.chain.id}`, tokens: [money.token.address], escrows: [money.escrow], inboxes: [payment.address("SettlementInbox")],
    // A ceiling binds a request, not a deposit.
    minWithdrawDelay: MIN_DELAY, maxCharge: 2n ** 128n, allowPrivate: options.settlement === "private",
  });
  const signer = { address: money.account.address, signTypedData: () => Promise.reject(new Error("a deposit signs no voucher")) };
  const { paymentId } = await openChannel(checked, { signer: signer as never, memory });
  return recordOf(world, paymentId);
}

async function balance(io: PayIo, world: PayWorld, address: Address | undefined, options: Common): Promise<void> {
  const { money, memory } = world;
  const owner = address ?? money.account.address;
  const [tokens, owed, records] = await Promise.all([
    money.client.readContract({ address: money.token.address, abi: erc20Abi, functionName: "balanceOf", args: [owner] }),
    owedTo({ client: money.client, escrow: money.escrow, token: money.token.address }, owner),
    address ? [] : memory.channels(),
  ]);
  const credit = owed.credit + owed.setAside;
  const channels = await Promise.all(records.map((record) => moneyOf(world, record)));
  if (options.json) return io.print(text({ address: owner, token: money.token.address, tokens, credit, channels }));
  const show = shower(world);
  io.print(`account   ${owner}`);
  io.print(`tokens    ${show(tokens)}`);
  io.print(`credit    ${show(credit)} in the escrow${credit > 0n ? ": og pay withdraw" : ""}`);
  for (const channel of channels) {
    io.print(`\nchannel   ${channel.paymentId}`);
    io.print(`  deposited ${show(channel.balance)}`);
    io.print(`  owed      ${show(channel.agreed > channel.claimed ? channel.agreed - channel.claimed : 0n)} for verified answers that the node has not claimed`);
    io.print(`  claimed   ${show(channel.claimed)}: ${show(channel.settled)} decided, ${show(channel.held)} held until you, a certificate or time decides`);
    io.print(`  free      ${show(channel.free)}`);
    if (channel.withdrawal) io.print(`  leaving   ${show(channel.withdrawal.amount)} from ${new Date(Number(channel.withdrawal.due) * 1_000).toISOString()}: og pay withdraw ${channel.paymentId}`);
  }
  if (!address && channels.length === 0) io.print("channels  none on this machine");
}

async function withdraw(io: PayIo, world: PayWorld, paymentId: string | undefined, options: Common & { beneficiary?: Address }): Promise<void> {
  const show = shower(world);
  if (paymentId === undefined) {
    const beneficiary = options.beneficiary ?? world.money.account.address;
    const { amount: paid, transaction } = await withdrawCredit(world.money, beneficiary);
    if (options.json) return io.print(text({ beneficiary, amount: paid, transaction }));
    io.print(`withdrawn ${show(paid)} to ${beneficiary} or to where it redirects`);
    return io.print(`sent      ${transaction}`);
  }
  const record = await recordOf(world, paymentId);
  const money = await moneyOf(world, record);
  if (money.withdrawal) {
    const transaction = await finishWithdrawal(world.money, record, money.withdrawal);
    if (options.json) return io.print(text({ paymentId: record.paymentId, state: "finished", transaction }));
    io.print(`taken back up to ${show(money.withdrawal.amount)} from channel ${record.paymentId}`);
    return io.print(`sent      ${transaction}`);
  }
  const begun = await startWithdrawal(world.money, record, money);
  if (options.json) return io.print(text({ paymentId: record.paymentId, state: "begun", ...begun }));
  io.print(`begun     ${show(begun.amount)} leave channel ${record.paymentId}; the node stops serving it and claims what it is owed`);
  io.print(`due       ${new Date(Number(begun.due) * 1_000).toISOString()}: run this command again then`);
  io.print(`sent      ${begun.transaction}`);
}

async function receipts(io: PayIo, world: PayWorld, paymentId: string, options: Common & { from: bigint; limit: bigint }): Promise<void> {
  const record = await recordOf(world, paymentId);
  const lines = await receiptLines(world, record, options);
  const bad = lines.filter((line) => line.problems.length > 0);
  const charged = lines.reduce((sum, line) => sum + line.charge, 0n);
  if (options.json) io.print(text({ paymentId: record.paymentId, charged, receipts: lines }));
  else {
    const show = shower(world);
    const state = await moneyOf(world, record);
    for (const line of lines) io.print(rowOf(line, show));
    io.print(lines.length === 0 ? "no receipts: the node keeps them for 24 hours" : `${lines.length} receipts, ${show(charged)} charged, ${bad.length === 0 ? "all in order" : `${bad.length} NOT in order`}`);
    io.print(`claimed ${show(state.claimed)}, decided ${show(state.settled)}, held ${show(state.held)}`);
  }
  if (bad.length > 0) io.setExitCode(REFUSED);
}

function rowOf({ sequence, from, charge, outcome, issuedAt, problems }: ReceiptLine, show: (units: bigint) => string): string {
  const when = new Date(Number(issuedAt) * 1_000).toISOString();
  return `${String(sequence).padStart(4)}  ${when}  ${outcome.padEnd(8)}  ${from} + ${charge} (${show(charge)})${problems.length ? `  NOT IN ORDER: ${problems.join("; ")}` : ""}`;
}

async function recordOf({ memory }: PayWorld, paymentId: string): Promise<ChannelRecord> {
  const records = await memory.channels();
  const found = records.find((record) => record.paymentId === paymentId.toLowerCase());
  if (!found) throw new CliError(`This machine knows no channel ${paymentId}. It knows ${records.map((record) => record.paymentId).join(", ") || "none"}; OG_CHANNELS names another file.`);
  return found;
}

async function moneyOf({ money, memory }: PayWorld, record: ChannelRecord) {
  return moneyOfChannel(money, record, BigInt((await memory.get(record.paymentId))?.chargedCumulativeAmount ?? 0));
}

/** "1.5 TUSD (1500000 units)". */
function shower({ money: { token } }: PayWorld): (units: bigint) => string {
  return (units) => `${formatUnits(units, token.decimals)} ${token.symbol} (${units} units)`;
}

function text(value: object): string {
  return JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? item.toString() : item), 2);
}

function amount(value: string): bigint {
  if (!/^\d{1,38}$/.test(value)) throw new InvalidArgumentError("a whole number of smallest units, without point or sign");
  return BigInt(value);
}

function account(value: string): Address {
  if (!isAddress(value, { strict: false })) throw new InvalidArgumentError("an address, 0x and 40 hexadecimal digits");
  return getAddress(value);
}

async function guarded(io: PayIo, options: Common, work: (world: PayWorld) => Promise<void>): Promise<void> {
  let world: PayWorld | undefined;
  await guardedAlone(io, async () => {
    world = await io.open(options);
    await work(world);
  });
  world?.close();
}

/** Says a refusal in a sentence; what is not one of ours goes on as it is, for main to say. */
async function guardedAlone(io: PayIo, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const known = error instanceof MoneyError || error instanceof CliError || error instanceof OfferRefused || error instanceof TypeError;
    if (!known) throw error;
    io.fail(`og pay: ${error.message}`);
    io.setExitCode(error instanceof CliError ? MISUSED : REFUSED);
  }
}

