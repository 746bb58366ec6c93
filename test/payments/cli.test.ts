/** `og pay`, called as the command line calls it, against both chains with the real contracts. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { CommanderError } from "commander";
import { type Address, type Hex, createPublicClient, createWalletClient, custom } from "viem";
import { type PayIo, payCommand } from "../../sdk/cli/pay.ts";
import { type PayWorld, describeToken } from "../../sdk/cli/pay/world.ts";
import { localAccount } from "../../sdk/crypto/index.ts";
import type { ChainAccess } from "../../sdk/network/network.ts";
import { memoryChannels } from "../../sdk/payments/channels.ts";
import { type Tariff, tariffHash } from "../../sdk/payments/tariff.ts";
import type { Offer } from "../../sdk/payments/types.ts";
import { type InferenceReceipt, Role, SettlementMode, Verification, receiptDigest, termsHash } from "../../sdk/protocol/index.ts";
import { receiptToJson } from "../../sdk/receipts/wire.ts";
import { bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { freshKey } from "../utils/keys.ts";
import { type World, world } from "./fixture.ts";

const MODEL = bytes32("model");

describe("og pay", () => {
  let w: World;
  let s: Awaited<ReturnType<typeof settlementWorld>>;
  let pay: PayWorld;
  let node: Awaited<ReturnType<typeof s.addNode>>;
  let offer: Offer;
  const stored: unknown[] = [];
  const payer = localAccount(freshKey());

  before(async () => {
    w = await world();
    s = await settlementWorld();
    node = await s.addNode(Role.Inference);
    const chainOf = (chain: World["chain"], provider: { request(args: never): Promise<unknown> }, addresses: Record<string, string>): ChainAccess => ({
      chain, rpcUrl: "in process", address: (name) => addresses[name] as Address,
      client: createPublicClient({ chain, transport: custom({ request: (args) => provider.request(args as never) }), pollingInterval: 10, cacheTime: 0 }) as never,
    });
    const payment = chainOf(w.chain, w.connection.provider as never, w.addresses as never);
    const settlement = chainOf({ ...w.chain, id: s.chainId }, { request: ({ method, params }: { method: string; params: unknown[] }) => s.ethers.provider.send(method, params ?? []) as Promise<unknown> } as never, s.addresses as never);
    const tariff: Tariff = { chainId: BigInt(w.chainId), token: w.addresses.TestDollar, prices: [{ modelId: MODEL, perRequest: 10n, perMillionInput: 500_000n, perMillionOutput: 1_000_000n, perMillionReasoning: 0n }] };
    const terms = w.terms({ nodeId: node.nodeId, tariffHash: tariffHash(tariff), settlementMode: SettlementMode.Batch, verification: Verification.Tee });
    offer = {
      terms, termsHash: termsHash(terms), tariff, ceiling: 4_000n, network: `eip155:${w.chainId}`, token: w.addresses.TestDollar, tokenName: "Test Dollar", tokenVersion: "1",
      escrow: w.addresses.PaymentEscrow, authorizer: w.authorizer.address as Address, withdrawDelay: 86_400,
    };
    await w.token.mint(payer.address, 1_000_000n);
    await w.networkHelpers.setBalance(payer.address, 10n ** 18n);
    const wallet = createWalletClient({ chain: w.chain, transport: custom({ request: (args) => w.connection.provider.request(args as never) as Promise<unknown> }), account: payer });
    pay = {
      payment, settlement, memory: memoryChannels(), offer: () => Promise.resolve({ offer, modelId: MODEL }), receipt: (_, sequence) => Promise.resolve(stored[Number(sequence)]), close: () => {},
      money: { client: payment.client, wallet, account: payer, escrow: w.addresses.PaymentEscrow, lens: w.addresses.EscrowLens, token: await describeToken(payment) },
    };
  });

  async function og(args: string[], over: Partial<PayIo> = {}) {
    let [out, error, code] = ["", "", 0];
    const io: PayIo = {
      print: (line) => void (out += `${line}\n`), fail: (line) => void (error += `${line}\n`), setExitCode: (value) => void (code = value), env: {},
      open: () => Promise.resolve(pay), fetch: globalThis.fetch, ...over,
    };
    const command = payCommand(io);
    for (const part of [command, ...command.commands]) part.exitOverride().configureOutput({ writeErr: (line) => void (error += line), writeOut: () => {} });
    await command.parseAsync(args, { from: "user" }).catch((reason: unknown) => {
      if (!(reason instanceof CommanderError)) throw reason;
      code = reason.exitCode;
    });
    return { out, error, code, json: () => JSON.parse(out) as Record<string, string> };
  }
  let paymentId: Hex;

  it("quote: the ceiling before anything is signed, by the tariff's rule", async () => {
    const { out, code } = await og(["quote", "--model", "m", "--input", "101", "--output", "20"]);
    // 10 + ceil(101 x 0.5 + 20 x 1)
    expect([code, out.split("\n")[0]]).to.deep.equal([0, "at most   0.000081 tUSD (81 units) for 101 input and 20 output units"]);
    expect((await og(["quote", "--model", "m", "--json"])).json()).to.include({ ceiling: "4000", tariffHash: offer.terms.tariffHash });
  });

  it("deposit opens a channel under the offered terms, and adds to it", async () => {
    const { out, code } = await og(["deposit", "50000", "--model", "m"]);
    expect(code, out).to.equal(0);
    paymentId = /channel {3}(0x[0-9a-f]{64})/.exec(out)![1] as Hex;
    expect(out).to.contain(`channel   ${paymentId} with node ${node.nodeId}\ndeposited 0.05 tUSD (50000 units), balance 0.05 tUSD (50000 units), free 0.05 tUSD (50000 units)\nsent      0x`);
    expect((await w.channels.channels(paymentId)).balance).to.equal(50_000n);
    const more = await og(["deposit", "10000", "--channel", paymentId, "--json"]);
    expect(more.json()).to.include({ paymentId, deposited: "10000", balance: "60000", free: "60000" });
    expect(await w.token.balanceOf(payer.address)).to.equal(940_000n);
  });

  it("balance: what is owed, claimed, held and free", async () => {
    const [record] = await pay.memory.channels();
    await pay.memory.set(paymentId, { chargedCumulativeAmount: "3000" } as never);
    const channel = { config: record!.config, paymentId, payer: { signTypedData: (domain: object, types: object, message: object) => payer.signTypedData({ domain, types, primaryType: "Voucher", message } as never) } };
    await w.escrow.register(record!.config, record!.terms, record!.clientNonce);
    await w.escrow.connect(w.authorizer).claim([await w.row(channel as never, 2_000n, 4_000n)], "0x");
    const { out } = await og(["balance"]);
    expect(out).to.equal([
      `account   ${payer.address}`, "tokens    0.94 tUSD (940000 units)", "credit    0 tUSD (0 units) in the escrow", "", `channel   ${paymentId}`,
      "  deposited 0.06 tUSD (60000 units)", "  owed      0.001 tUSD (1000 units) for verified answers that the node has not claimed",
      "  claimed   0.002 tUSD (2000 units): 0 tUSD (0 units) decided, 0.002 tUSD (2000 units) held until you, a certificate or time decides", "  free      0.057 tUSD (57000 units)", "",
    ].join("\n"));
  });

  it("withdraw: begins, says when, finishes, and never touches what is owed", async () => {
    const begun = await og(["withdraw", paymentId, "--json"]);
    expect(begun.json()).to.include({ state: "begun", amount: "57000" });
    const early = await og(["withdraw", paymentId]);
    expect([early.code, early.error]).to.satisfy(([code, error]: [number, string]) => code === 1 && /is due at .* Run this again then\.\n$/.test(error));
    await w.networkHelpers.time.increase(86_401);
    expect((await og(["withdraw", paymentId, "--json"])).json()).to.include({ state: "finished" });
    expect(await w.token.balanceOf(payer.address)).to.equal(997_000n);
    const nothing = await og(["withdraw", paymentId]);
    expect([nothing.code, nothing.error]).to.deep.equal([1, `og pay: Nothing is free on channel ${paymentId}: 3000 units deposited, all of it claimed or owed.\n`]);
  });

  it("withdraw pulls an operator's earnings, for whoever sends it", async () => {
    const ack = await payer.signTypedData({ domain: w.escrowDomain as never, types: { Ack: [{ name: "paymentId", type: "bytes32" }, { name: "cumulative", type: "uint128" }] }, primaryType: "Ack", message: { paymentId, cumulative: 2_000n } });
    await w.escrow.ack(paymentId, 2_000n, ack);
    const { payout } = offer.terms;
    const earned = await w.escrow.credit(payout, w.addresses.TestDollar);
    expect((await og(["withdraw", "--beneficiary", payout, "--json"])).json()).to.include({ beneficiary: payout, amount: String(earned) });
    expect(await w.token.balanceOf(payout)).to.equal(earned);
    const empty = await og(["withdraw"]);
    expect([empty.code, empty.error]).to.deep.equal([1, `og pay: The escrow owes ${payer.address} nothing in tUSD.\n`]);
  });

  it("receipts: checked against the registry, as one line; a bad one is named and fails the command", async () => {
    const domain = { chainId: s.chainId, verifyingContract: s.addresses.InferenceSettlement as Address };
    const issue = (sequence: bigint, cumulativeBefore: bigint, charge: bigint, over: Partial<InferenceReceipt> = {}) => {
      const receipt: InferenceReceipt = {
        nodeId: node.nodeId, keyId: node.keyId, modelId: MODEL, termsHash: offer.termsHash, requestHash: bytes32("q"), responseHash: bytes32("a"), paymentId, cumulativeBefore, charge,
        inputUnits: 1n, outputUnits: 2n, sequence, issuedAt: 1_800_000_000n, outcome: 1, ...over,
      };
      stored[Number(sequence)] = { receipt: receiptToJson(receipt), signature: node.signer.sign(receiptDigest(receipt, domain)), salt: bytes32("salt"), response: { kind: 1, finish: 1 } };
    };
    issue(0n, 0n, 2_000n);
    issue(2n, 2_000n, 1_000n);
    const good = await og(["receipts", paymentId]);
    expect([good.code, good.out.split("\n")[2]]).to.deep.equal([0, "2 receipts, 0.003 tUSD (3000 units) charged, all in order"]);
    issue(2n, 1_999n, 1_001n);
    (stored[0] as { signature: Hex }).signature = `0x${"11".repeat(64)}1b`;
    const bad = await og(["receipts", paymentId]);
    expect(bad.code).to.equal(1);
    expect(bad.out).to.contain("NOT IN ORDER: not signed by the key that the registry holds").and.to.contain("NOT IN ORDER: begins at 1999, the one before ended at 2000");
  });

  it("claim asks the operator's own node, with its token", async () => {
    const answer = { claimed: [{ paymentId, amount: "700", reason: "company" }], acked: 1, transactions: ["0xabc"], unclaimed: "0" };
    const seen: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      const ok = request.headers.authorization === "Bearer right";
      response.writeHead(ok ? 200 : 401).end(JSON.stringify(ok ? answer : { error: { message: "A bearer token is needed (OG_OPS_TOKEN)." } }));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const keeper = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const done = await og(["claim", "--keeper", keeper], { env: { OG_OPS_TOKEN: "right" } });
    expect(done.out).to.equal(`claimed   700 units on ${paymentId} (company)\nreleased  1 channels by their payers' Acks\nsent      0xabc\nunclaimed 0 units\n`);
    const wrong = await og(["claim", "--keeper", keeper], { env: { OG_OPS_TOKEN: "wrong" } });
    expect([wrong.code, wrong.error]).to.deep.equal([2, "og pay: The node did not claim (401): A bearer token is needed (OG_OPS_TOKEN).\n"]);
    expect((await og(["claim", "--keeper", keeper])).error).to.contain("OG_OPS_TOKEN is not set");
    expect(seen).to.deep.equal(["POST /actions/claim Bearer right", "POST /actions/claim Bearer wrong"]);
    server.close();
    const gone = await og(["claim", "--keeper", keeper], { env: { OG_OPS_TOKEN: "right" } });
    expect([gone.code, gone.error.startsWith(`og pay: No node answers at ${keeper}`)]).to.deep.equal([2, true]);
  });

  it("what is wrong is said in words: amounts, addresses, unknown channels, forged offers, too little money", async () => {
    const cases: [string[], RegExp][] = [
      [["deposit", "1.5", "--model", "m"], /a whole number of smallest units/],
      [["deposit", "-1", "--model", "m"], /unknown option|whole number/],
      [["deposit", "0", "--model", "m"], /Deposit more than 0 units/],
      [["deposit", "5"], /Name a model with --model/],
      [["deposit", "5", "--channel", `0x${"ab".repeat(32)}`], /This machine knows no channel/],
      [["deposit", "999999999", "--model", "m"], /less than the 999999999 to deposit\. Nothing was sent/],
      [["balance", "0x12"], /an address, 0x and 40 hexadecimal digits/],
      [["withdraw", "0x12"], /This machine knows no channel 0x12/],
      [["receipts"], /missing required argument/],
    ];
    for (const [args, want] of cases) {
      const { error, code } = await og(args);
      expect(code, args.join(" ")).to.not.equal(0);
      expect(error, args.join(" ")).to.match(want);
    }
    const honest = offer;
    offer = { ...honest, escrow: payer.address };
    const forged = await og(["deposit", "5", "--model", "m"]);
    offer = honest;
    expect([forged.code, forged.error]).to.deep.equal([1, `og pay: ${payer.address} is not an escrow that this payer knows.\n`]);
  });
});
