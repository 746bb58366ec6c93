/** The whole gateway over HTTP: real models behind it, both chains in process, unmodified x402 clients and OpenGradient-style ones in front. */
import { serve } from "@hono/node-server";
import { x402Client } from "@x402/core/client";
import { decodePaymentRequiredHeader, decodePaymentResponseHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentPayload, PaymentRequired } from "@x402/core/types";
import { toClientEvmSigner } from "@x402/evm";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/client";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { UptoEvmScheme } from "@x402/evm/upto/client";
import { wrapFetchWithPayment } from "@x402/fetch";
import { expect } from "chai";
import type { AddressInfo } from "node:net";
import OpenAI from "openai";
import { type Address, type Hex, createPublicClient, createWalletClient, custom } from "viem";
import { systemClock } from "../../keepers/clock/index.ts";
import { onnxInference } from "../../keepers/inference/index.ts";
import { silentLogger } from "../../keepers/logger/index.ts";
import { localFacilitator, makeFacilitator, walletSender } from "../../keepers/payments/facilitator.ts";
import { type Gate, paymentGate } from "../../keepers/payments/gate.ts";
import { type ServedModel, catalog } from "../../keepers/roles/inference/catalog.ts";
import { evidenceSigner } from "../../keepers/roles/inference/evidence.ts";
import { gateway } from "../../keepers/roles/inference/gateway.ts";
import { type InferenceLedger, inferenceLedger } from "../../keepers/roles/inference/ledger.ts";
import { receiptIssuer } from "../../keepers/roles/inference/receipts.ts";
import { onnxRunner } from "../../keepers/roles/inference/runners.ts";
import { type NodeTerms, rememberAllTerms, termsFor } from "../../keepers/roles/inference/terms.ts";
import { httpUpstream } from "../../keepers/roles/inference/upstream.ts";
import { openStore } from "../../keepers/storage/index.ts";
import { startUpstream, trainLanguageModel } from "../../keepers/upstream/index.ts";
import { buildModels, readModel } from "../../models/index.ts";
import { localAccount } from "../../sdk/crypto/index.ts";
import { paymentClient } from "../../sdk/payments/client.ts";
import { offerFromJson } from "../../sdk/payments/offer.ts";
import { type Tariff, chargeOf, mostFor, tariffHash } from "../../sdk/payments/tariff.ts";
import { Outcome, ProgramKind, Role, SettlementMode, type Terms, Verification, receiptDigest, termsHash } from "../../sdk/protocol/index.ts";
import { verifyNodeSignature } from "../../sdk/receipts/signatures.ts";
import { signedReceiptFromJson } from "../../sdk/receipts/wire.ts";
import { bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { until } from "../utils/until.ts";
import { freshKey } from "../utils/keys.ts";
import { type World, world } from "./fixture.ts";
import { account } from "./node.ts";

const CHAT = bytes32("chat model");
const TENSOR = bytes32("tensor model");
const VAULT = account(6).address;

describe("gateway, end to end", () => {
  let w: World;
  let node: Awaited<ReturnType<Awaited<ReturnType<typeof settlementWorld>>["addNode"]>>;
  let domain: { chainId: number; verifyingContract: Address };
  let url: string;
  let gate: Gate;
  let ledger: InferenceLedger;
  let tariff: Tariff;
  let terms: Terms;
  let reads: ReturnType<typeof createPublicClient>;
  let example: number[];
  let notReady: string | undefined;
  const closing: (() => unknown)[] = [];

  before(async () => {
    w = await world();
    const s = await settlementWorld();
    node = await s.addNode(Role.Inference);
    domain = { chainId: s.chainId, verifyingContract: s.addresses.InferenceSettlement as Address };
    const clock = systemClock();
    const upstream = await startUpstream({ model: trainLanguageModel(), clock });
    const onnx = onnxInference();
    closing.push(() => upstream.close(), () => onnx.close());
    const entry = (await buildModels()).models[0]!;
    example = [...entry.examples[0]!.input];
    const common = { royaltyTo: `0x${"00".repeat(20)}` as Address, royaltyBps: 0, maxOutputTokens: 64, methods: [Verification.Tee, Verification.Vanilla], programKind: ProgramKind.Float };
    const served: ServedModel[] = [
      { ...common, name: "og-demo-lm", modelId: CHAT, kind: "chat" },
      { ...common, name: "scores", modelId: TENSOR, kind: "tensor", runner: onnxRunner(onnx, await onnx.load(await readModel(entry))) },
    ];
    tariff = {
      chainId: BigInt(w.chainId), token: w.addresses.TestDollar,
      prices: [CHAT, TENSOR].sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1)).map((modelId) => ({ modelId, perRequest: 100n, perMillionInput: 1_000_000n, perMillionOutput: 3_000_000n, perMillionReasoning: 3_000_000n })),
    };
    const own: NodeTerms = { nodeId: node.nodeId, payout: w.payout.address as Address, tariffHash: tariffHash(tariff), policyId: `0x${"00".repeat(32)}`, feeBpsCap: 500, inbox: w.addresses.SettlementInbox };
    const store = openStore(":memory:");
    ledger = inferenceLedger(store);
    rememberAllTerms(ledger, own, served);
    terms = termsFor(own, served[0]!, { verification: Verification.Tee, settlementMode: SettlementMode.Batch });

    const transport = custom({ request: (args) => w.connection.provider.request(args as never) as Promise<unknown> }, { retryCount: 0 });
    reads = createPublicClient({ chain: w.chain, transport, pollingInterval: 20, cacheTime: 0 });
    const tx = walletSender(reads as never, createWalletClient({ chain: w.chain, transport, account: account(5) }) as never);
    const network = `eip155:${w.chainId}` as const;
    const facilitator = makeFacilitator({ network, chainId: w.chainId, sender: account(5).address, tx, client: reads as never, assets: [w.addresses.TestDollar] });
    await w.escrow.connect(w.authorizer).setDefaultTerms(terms);
    gate = paymentGate({
      store, clock, facilitator: localFacilitator(facilitator, network), network, chainId: w.chainId, token: w.addresses.TestDollar, tokenName: "Test Dollar", tokenVersion: "1",
      escrow: w.addresses.PaymentEscrow, authorizer: account(1) as never, withdrawDelay: 86_400, vault: VAULT, singleCap: 20_000n, exposureCap: 30_000n, client: reads as never, defaultTerms: terms,
      termsOf: (quote) => termsFor(own, served.find(({ modelId }) => modelId === quote.modelId)!, quote),
    });
    await gate.start();
    const key = { nodeId: node.nodeId, keyId: node.keyId, keyType: node.signer.keyType, publicKey: node.signer.publicKey, sign: (digest: Hex) => Promise.resolve(node.signer.sign(digest)) };
    const app = gateway({
      gate, ledger, issue: receiptIssuer({ key: () => key, domain, clock }), tariff: () => tariff, clock, log: silentLogger, catalog: catalog(served), upstream: httpUpstream({ url: upstream.url }),
      evidence: evidenceSigner(), timeoutMs: 20_000, enqueueProof: () => {}, key: () => key, attest: () => Promise.resolve(new Uint8Array([1])), notReady: () => notReady, heldIntake: () => undefined, maxBodyBytes: 65_536,
      offer: async (quote) => ({
        terms: termsFor(own, served.find(({ modelId }) => modelId === quote.modelId)!, quote), termsHash: termsHash(termsFor(own, served.find(({ modelId }) => modelId === quote.modelId)!, quote)), tariff, ceiling: quote.ceiling,
        network, token: w.addresses.TestDollar, tokenName: "Test Dollar", tokenVersion: "1", escrow: w.addresses.PaymentEscrow, authorizer: account(1).address, withdrawDelay: 86_400, vault: VAULT,
      }),
    });
    const server = await new Promise<ReturnType<typeof serve>>((resolve) => {
      const made = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, () => resolve(made));
    });
    closing.push(() => server.close());
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => Promise.all(closing.map((close) => close())));

  const chat = (content: string, over: object = {}) => ({ model: "og-demo-lm", messages: [{ role: "user", content }], max_tokens: 12, ...over });
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(url + path, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body), headers: { "content-type": "application/json", ...headers } });
  const codeOf = async (response: Response) => ((await response.json()) as { error: { code: string } }).error.code;

  async function buyer() {
    const payer = localAccount(freshKey());
    await w.token.mint(payer.address, 1_000_000n);
    const signer = toClientEvmSigner(payer as never, reads as never);
    const network = `eip155:${w.chainId}` as const;
    const client = new x402Client().register(network, new BatchSettlementEvmScheme(signer)).register(network, new UptoEvmScheme(signer)).register(network, new ExactEvmScheme(signer)).setSpendControls(false);
    const pay = async (path: string, body: object, scheme: string, headers: Record<string, string> = {}): Promise<PaymentPayload> => {
      const required: PaymentRequired = decodePaymentRequiredHeader((await post(path, body, headers)).headers.get("PAYMENT-REQUIRED")!);
      return client.createPaymentPayload({ ...required, accepts: required.accepts.filter((accept) => accept.scheme === scheme) });
    };
    return { payer, client, pay, balance: () => w.token.balanceOf(payer.address) };
  }

  /** The receipt holds: the registry's key, the digest in the ledger, the charge as the tariff says. */
  async function checked(opengradient: unknown, over: { outcome?: number } = {}) {
    const signed = signedReceiptFromJson(opengradient);
    const { receipt, signature } = signed;
    const digest = receiptDigest(receipt, domain);
    expect(await verifyNodeSignature(node.signer.keyType, node.signer.publicKey, digest, signature)).to.equal(true);
    expect(receipt.outcome).to.equal(over.outcome ?? Outcome.Complete);
    expect(ledger.find(digest)?.receipt).to.deep.equal(receipt);
    const price = tariff.prices.find(({ modelId }) => modelId === receipt.modelId)!;
    expect(receipt.charge <= mostFor(price, receipt.inputUnits, receipt.outputUnits)).to.equal(true);
    return { receipt, digest, exact: chargeOf(price, { input: receipt.inputUnits, output: receipt.outputUnits }) };
  }

  it("@x402/fetch, unmodified: chat whole and streamed, completions, infer, on one channel without a salt", async () => {
    const { client, payer } = await buyer();
    const paid = wrapFetchWithPayment(fetch, client);
    const call = (path: string, body: object) => paid(url + path, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
    const first = await call("/v1/chat/completions", chat("What is a receipt?"));
    expect(first.status).to.equal(200);
    const answer = (await first.json()) as { choices: { message: { content: string } }[]; opengradient: unknown; tee_signature: string };
    expect(answer.choices[0]!.message.content).to.be.a("string");
    expect(answer.tee_signature).to.be.a("string");
    const one = await checked(answer.opengradient);
    expect([one.receipt.charge, one.receipt.termsHash, one.receipt.cumulativeBefore]).to.deep.equal([one.exact, termsHash(terms), 0n]);
    const settled = decodePaymentResponseHeader(first.headers.get("PAYMENT-RESPONSE")!);
    expect((settled.extra as { chargedAmount: string }).chargedAmount).to.equal(String(one.receipt.charge));

    const streamed = await (await call("/v1/chat/completions", chat("And a voucher?", { stream: true }))).text();
    const frames = streamed.split("\n\n").filter((frame) => frame.startsWith("data: {")).map((frame) => JSON.parse(frame.slice(6)) as Record<string, never>);
    expect(frames.length).to.be.greaterThan(2);
    expect(streamed.trim().endsWith("data: [DONE]")).to.equal(true);
    const two = await checked(frames.at(-1)!.opengradient);
    expect(two.receipt.cumulativeBefore).to.equal(one.receipt.charge);

    const completion = (await (await call("/v1/completions", { model: "og-demo-lm", prompt: "A receipt", max_tokens: 8 })).json()) as { opengradient: unknown };
    const three = await checked(completion.opengradient);
    const inferred = (await (await call("/v1/infer", { model: "scores", inputs: { features: { shape: [1, 20], data: example } } })).json()) as { outputs: Record<string, { data: number[] }>; opengradient: unknown };
    const four = await checked(inferred.opengradient);
    expect(four.receipt.cumulativeBefore).to.equal(three.receipt.cumulativeBefore + three.receipt.charge);
    expect(Object.values(inferred.outputs)[0]!.data[0]).to.be.a("number");

    // Each receipt can be fetched again; the channel is the payer's, and unclaimed is what was charged.
    const stored = await fetch(`${url}/v1/receipts/${four.receipt.paymentId}/${four.receipt.sequence}`);
    expect((await checked(await stored.json())).digest).to.equal(four.digest);
    const booked = gate.book.bookedOf(four.receipt.paymentId)!;
    expect([booked.channelConfig.payer, BigInt(booked.chargedCumulativeAmount)]).to.deep.equal([payer.address, four.receipt.cumulativeBefore + four.receipt.charge]);
  });

  it("OpenGradient-style: upto by Permit2 under X-SETTLEMENT-TYPE, charged by use under a cap; exact pays the cap", async () => {
    for (const mode of ["private", "batch", "individual"]) {
      const { pay, balance } = await buyer();
      const body = chat(`upto, ${mode}`);
      const headers = { "X-SETTLEMENT-TYPE": mode };
      const payment = await pay("/v1/chat/completions", body, "upto", headers);
      const response = await post("/v1/chat/completions", body, { ...headers, "PAYMENT-SIGNATURE": encodePaymentSignatureHeader(payment) });
      expect(response.status, mode).to.equal(200);
      const { receipt, digest } = await checked(((await response.json()) as { opengradient: unknown }).opengradient);
      expect(1_000_000n - (await balance()), mode).to.equal(receipt.charge);
      expect(receipt.charge < BigInt(payment.accepted.amount), mode).to.equal(true);
      expect(ledger.find(digest)!.settlementMode, mode).to.equal({ private: SettlementMode.Private, batch: SettlementMode.Batch, individual: SettlementMode.Individual }[mode]);
      expect(response.headers.get("x-tee-signature")).to.be.a("string");
      const again = await post("/v1/chat/completions", body, { ...headers, "PAYMENT-SIGNATURE": encodePaymentSignatureHeader(payment) });
      expect([again.status, await codeOf(again)], mode).to.deep.equal([409, "PAYMENT_REUSED"]);
    }
    const { pay, balance } = await buyer();
    const body = { model: "scores", inputs: { features: { shape: [1, 20], data: example } } };
    const payment = await pay("/v1/infer", body, "exact");
    const response = await post("/v1/infer", body, { "PAYMENT-SIGNATURE": encodePaymentSignatureHeader(payment) });
    expect(response.status).to.equal(200);
    expect(1_000_000n - (await balance())).to.equal(BigInt(payment.accepted.amount));
  });

  it("the openai package through our payer: whole and streamed, idempotent, with Acks", async () => {
    const { payer } = await buyer();
    const payments = paymentClient({
      signer: payer as never, chainId: w.chainId, reads: reads as never,
      policy: { network: `eip155:${w.chainId}`, tokens: [w.addresses.TestDollar], escrows: [w.addresses.PaymentEscrow], inboxes: [w.addresses.SettlementInbox], minWithdrawDelay: 86_400, maxCharge: 20_000n },
    });
    const openai = new OpenAI({
      baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0,
      fetch: async (input, init) => {
        const paid = await payments.fetch(String(input), { method: init!.method!, body: init!.body as string, headers: { "content-type": "application/json" } });
        const text = await paid.response.clone().text();
        const object = text.startsWith("data: ") ? text.split("\n\n").filter((frame) => frame.startsWith("data: {")).at(-1)!.slice(6) : text;
        const { receipt } = signedReceiptFromJson((JSON.parse(object) as { opengradient: unknown }).opengradient);
        await paid.confirm(receipt);
        return paid.response;
      },
    });
    const whole = await openai.chat.completions.create({ ...chat("Hello") } as never) as unknown as { choices: { message: { content: string } }[] };
    expect(whole.choices[0]!.message.content).to.have.length.greaterThan(0);
    let text = "";
    for await (const chunk of await openai.chat.completions.create({ ...chat("Hello"), stream: true } as never) as unknown as AsyncIterable<{ choices: { delta: { content?: string } }[] }>) text += chunk.choices[0]?.delta.content ?? "";
    expect(text).to.equal(whole.choices[0]!.message.content);
    await openai.chat.completions.create(chat("Once more") as never);
    const booked = gate.book.booked().find(({ channelConfig }) => channelConfig.payer === payer.address)!;
    expect(booked.ack!.cumulative > 0n && booked.ack!.cumulative < BigInt(booked.chargedCumulativeAmount)).to.equal(true);
  });

  it("a client that hangs up is charged for what went out; one whose request fails pays nothing", async () => {
    const { pay } = await buyer();
    const body = chat("Tell me everything", { stream: true, max_tokens: 64 });
    const payment = await pay("/v1/chat/completions", body, "batch-settlement");
    const stop = new AbortController();
    const response = await fetch(`${url}/v1/chat/completions`, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json", "PAYMENT-SIGNATURE": encodePaymentSignatureHeader(payment) }, signal: stop.signal });
    await response.body!.getReader().read();
    stop.abort();
    const paymentId = (payment.payload as unknown as { voucher: { channelId: Hex } }).voucher.channelId;
    // The deposit's own lock spent sequence 0.
    const { receipt } = signedReceiptFromJson(await until("the receipt", () => gate.storedReceipt(paymentId, 1n)));
    const whole = chargeOf(tariff.prices[0]!, { input: receipt.inputUnits, output: 64n });
    // A short answer may have been whole before the client left.
    expect(receipt.outcome === Outcome.Partial ? receipt.charge < whole : receipt.outcome === Outcome.Complete).to.equal(true);

    const bad = { model: "scores", inputs: { features: { shape: [1, 3], data: [1, 2, 3] } } };
    const single = await buyer();
    const failing = await single.pay("/v1/infer", bad, "upto");
    const refused = await post("/v1/infer", bad, { "PAYMENT-SIGNATURE": encodePaymentSignatureHeader(failing) });
    expect([refused.status, await codeOf(refused), await single.balance()]).to.deep.equal([400, "BAD_TENSOR", 1_000_000n]);
  });

  it("every refusal has its status, code and sentence, and costs nothing", async () => {
    const before = ledger.counts().pending;
    const long = "x".repeat(70_000);
    const cases: [string, unknown, Record<string, string>, number, string][] = [
      ["/v1/chat/completions", chat("free?"), {}, 402, "PAYMENT_REQUIRED"],
      ["/v1/chat/completions", chat("x"), { "PAYMENT-SIGNATURE": "not base64 {" }, 402, "PAYMENT_INVALID"],
      ["/v1/chat/completions", "{", {}, 400, "BAD_JSON"],
      ["/v1/chat/completions", { model: "og-demo-lm" }, {}, 400, "BAD_REQUEST"],
      ["/v1/chat/completions", chat(long), {}, 413, "BODY_TOO_LARGE"],
      ["/v1/chat/completions", chat("x", { model: "nobody" }), {}, 404, "UNKNOWN_MODEL"],
      ["/v1/chat/completions", chat("x", { model: "scores" }), {}, 400, "BAD_REQUEST"],
      ["/v1/chat/completions", chat("x"), { "X-OG-VERIFICATION": "zkml" }, 422, "UNSUPPORTED_VERIFICATION"],
      ["/v1/chat/completions", chat("x"), { "X-OG-VERIFICATION": "magic" }, 400, "BAD_VERIFICATION"],
      ["/v1/chat/completions", chat("x"), { "X-SETTLEMENT-TYPE": "never" }, 400, "BAD_SETTLEMENT_TYPE"],
      ["/v1/chat/completions", chat("x"), { "X-OG-ACK": "e30=" }, 400, "BAD_ACK"],
      ["/v1/nothing", {}, {}, 404, "UNKNOWN_ROUTE"],
    ];
    for (const [path, body, headers, status, code] of cases) {
      const response = await post(path, body, headers);
      expect([response.status, await codeOf(response)], `${path} ${JSON.stringify(headers)}`).to.deep.equal([status, code]);
    }
    expect(await codeOf(await fetch(`${url}/v1/receipts/0x12/0`))).to.equal("UNKNOWN_RECEIPT");
    notReady = "the inbox is silent";
    expect([(await post("/v1/chat/completions", chat("x"))).status, (await fetch(`${url}/health`)).status]).to.deep.equal([503, 503]);
    notReady = undefined;
    expect(ledger.counts().pending).to.equal(before);
  });

  it("a payer with too much unclaimed gets 429 and when to come back; a default channel is not good for other terms", async () => {
    const { client } = await buyer();
    const paid = wrapFetchWithPayment(fetch, client);
    const call = (headers: Record<string, string> = {}) => paid(`${url}/v1/chat/completions`, { method: "POST", body: JSON.stringify(chat("word ".repeat(800))), headers: { "content-type": "application/json", ...headers } });
    let last = await call();
    for (let i = 0; i < 40 && last.status === 200; i++) last = await call();
    expect([last.status, last.headers.get("retry-after"), await codeOf(last)]).to.deep.equal([429, "1", "EXPOSURE_LIMIT"]);
    const fresh = wrapFetchWithPayment(fetch, (await buyer()).client);
    const other = await fresh(`${url}/v1/chat/completions`, { method: "POST", body: JSON.stringify(chat("x")), headers: { "content-type": "application/json", "X-SETTLEMENT-TYPE": "individual" } });
    expect([other.status, await codeOf(other)]).to.deep.equal([402, "TERMS_MISMATCH"]);
  });

  it("a quote tells the ceiling before anything is signed: what the 402 then asks is below it, the terms are the same", async () => {
    const { offer } = (await (await fetch(`${url}/v1/offer?model=og-demo-lm&verification=tee&settlement=batch`)).json()) as { offer: unknown };
    const read = offerFromJson(offer);
    const required = decodePaymentRequiredHeader((await post("/v1/chat/completions", chat("short"))).headers.get("PAYMENT-REQUIRED")!);
    const accept = required.accepts.find(({ scheme }) => scheme === "batch-settlement")!;
    expect(required.accepts.map(({ scheme }) => scheme)).to.deep.equal(["batch-settlement", "upto", "exact"]);
    expect(BigInt(accept.amount) <= read.ceiling).to.equal(true);
    expect((accept.extra as { termsHash: Hex }).termsHash).to.equal(read.termsHash);
    expect(read.terms.tariffHash).to.equal(tariffHash(tariff));
  });
});
