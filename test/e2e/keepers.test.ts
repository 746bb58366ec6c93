/** Real processes: three full nodes and a data node, batches good and bad, a node killed on the way. */
import { x402Client } from "@x402/core/client";
import { HTTPFacilitatorClient } from "@x402/core/http";
import { toClientEvmSigner } from "@x402/evm";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { expect } from "chai";
import { join } from "node:path";
import { type Hex, keccak256, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { createPlatform } from "../../keepers/app/platform.ts";
import { systemClock } from "../../keepers/clock/index.ts";
import { commonFields, loadConfig } from "../../keepers/config/index.ts";
import { silentLogger } from "../../keepers/logger/index.ts";
import { createNodeIdentity, evidenceMaker, nodeFields, nodeRules } from "../../keepers/roles/node/index.ts";
import type { Platform } from "../../keepers/roles/platform.ts";
import { type BlobIds, blobIds, walrusClient } from "../../keepers/walrus/index.ts";
import { artifact } from "../../scripts/deploy/chain.ts";
import { BATCH_FORMAT, encodeBatch } from "../../sdk/batch/index.ts";
import { type Tariff, tariffHash } from "../../sdk/payments/tariff.ts";
import {
  type BatchHeader, BatchStatus, compareReceipts, headerHash, type InferenceReceipt, positionalTree, receiptDigest, receiptLeaf, Role, rootFromPath, SettlementMode, stretchesOf,
  stretchLeaf, type Terms, termsHash, Verification,
} from "../../sdk/protocol/index.ts";
import { pinnedFetch } from "../../sdk/transport/pinnedFetch.ts";
import { until } from "../utils/until.ts";
import { bootstrapInbox, startNetwork, status, type TestNetwork, WORKLOADS } from "./network.ts";

const ZERO = `0x${"00".repeat(32)}` as Hex;
const COUNT = 30;

describe("keepers as processes", () => {
  let net: TestNetwork;
  let platform: Platform;
  let ids: BlobIds;
  let identity: ReturnType<typeof createNodeIdentity>;
  let opsUrls: string[];
  let terms: Terms;
  let tariff: Tariff;

  before(async () => {
    net = await startNetwork({ window: 10n });
    opsUrls = (await Promise.all([1, 2, 3].map((index) => net.startKeeper("full", index)))).map(({ opsUrl }) => opsUrl);
    const key = keccak256(toHex("inference operator"));
    await net.fund(privateKeyToAccount(key).address);
    const config = loadConfig({ ...commonFields, ...nodeFields }, { ...net.env, OG_DEV_PRIVATE_KEY: key, OG_DATA_DIR: join(net.dir, "inference") });
    platform = createPlatform({ name: "inference", config, clock: systemClock(), logger: silentLogger, rules: ({ settlement }) => nodeRules(settlement) });
    platform.journal.start();
    identity = createNodeIdentity(platform, {
      role: Role.Inference, workload: WORKLOADS.inference, policyId: config.policyId, payout: platform.signer.address, paymentAuthorizer: platform.signer.address,
      endpoint: "https://127.0.0.1:1", tlsSpkiHash: keccak256("0x01"), hpkeKeyHash: ZERO, bond: 20_000n * 10n ** 18n, heartbeatMs: 600_000,
      makeEvidence: evidenceMaker({ ...config, instance: platform.signer.address, chain: platform.settlement }),
    });
    await identity.start();
    ids = blobIds();
    const models = artifact("ModelRegistry").abi;
    const [zero, none] = [ZERO, `0x${"00".repeat(20)}` as Hex];
    const version = { name: "m", version: "1", programHash: keccak256("0x01"), kind: 1, blobId: keccak256("0x02"), contentHash: keccak256("0x03"), manifestHash: keccak256("0x04"), circuitHash: zero, weightsHash: zero, methods: 1 << Verification.Tee, vkHash: zero, royaltyTo: none, royaltyBps: 0, licence: "MIT" };
    await net.settlement.write(net.addresses.settlement.ModelRegistry, models, "publishModel", [version]);
    const modelId = (await net.settlement.read(net.addresses.settlement.ModelRegistry, models, "modelIdOf", [net.settlement.deployer, version])) as Hex;
    tariff = { chainId: BigInt(net.payment.chainId), token: net.addresses.payment.TestDollar, prices: [{ modelId, perRequest: 5n, perMillionInput: 0n, perMillionOutput: 0n, perMillionReasoning: 0n }] };
    terms = {
      nodeId: identity.nodeId(), payout: platform.signer.address, settlementMode: SettlementMode.Batch, verification: Verification.Tee, tariffHash: tariffHash(tariff), policyId: config.policyId,
      royaltyTo: none, royaltyBps: 0, feeBpsCap: 500, inbox: net.addresses.payment.SettlementInbox,
    };
  });

  afterEach(function () {
    if (this.currentTest?.state === "failed") console.log(net?.logs());
  });
  after(async () => {
    await platform?.journal.stop();
    await ids?.close();
    await net?.stop();
  });

  /** Posts a batch of unpaid receipts; `spoil` changes its leaves after they were signed. */
  async function post(nonce: bigint, prevHeader: Hex, spoil = false) {
    const { nodeId, keyId, sign } = identity.current();
    const domain = { chainId: net.settlement.chainId, verifyingContract: net.addresses.settlement.InferenceSettlement };
    const now = (await platform.settlement.pool.head()).timestamp;
    const receipts = Array.from({ length: COUNT }, (_, index): InferenceReceipt => ({
      nodeId, keyId, modelId: tariff.prices[0]!.modelId, termsHash: termsHash(terms), requestHash: keccak256(toHex(index)), responseHash: keccak256(toHex(index + 1)),
      paymentId: keccak256(toHex(`payment ${nonce} ${Math.floor(index / 10)}`)), cumulativeBefore: BigInt(index % 10) * 5n, charge: 5n, inputUnits: 1n, outputUnits: 2n,
      sequence: BigInt(index % 10), issuedAt: now, outcome: 1,
    })).sort(compareReceipts);
    const leaves = await Promise.all(receipts.map(async (receipt) => ({ receipt, signature: await sign(receiptDigest(receipt, domain)) })));
    if (spoil) leaves[7]!.signature = await privateKeyToAccount(keccak256("0x07")).sign({ hash: receiptDigest(leaves[7]!.receipt, domain) });
    const stretches = stretchesOf(receipts, () => ({ paymentChainId: BigInt(net.payment.chainId), escrow: net.addresses.payment.PaymentEscrow }));
    const blob = await encodeBatch({ nodeId, keyId, count: COUNT, leaves, book: { terms: [terms], tariffs: [tariff] }, stretches });
    const { blobId } = await walrusClient({ publisher: net.walrusUrl, aggregators: [net.walrusUrl], blobIds: ids, clock: systemClock() }).storeAndReadBack(blob);
    const header: BatchHeader = {
      nodeId, keyId, nonce, prevHeader, receiptsRoot: positionalTree(leaves.map(({ receipt, signature }) => receiptLeaf(receiptDigest(receipt, domain), signature))).root,
      channelsRoot: positionalTree(stretches.map(stretchLeaf)).root, count: COUNT, channels: stretches.length, totalCharge: BigInt(COUNT) * 5n,
      minIssuedAt: now, maxIssuedAt: now, blobId, contentHash: keccak256(blob), format: BATCH_FORMAT,
    };
    const hash = headerHash(header, domain);
    await net.settlement.write(net.addresses.settlement.InferenceSettlement, artifact("InferenceSettlement").abi, "postBatch", [header, await sign(hash), false]);
    return { hash, header, leaves, domain };
  }

  const reached = (header: BatchHeader, wanted: number) =>
    until(`status ${wanted}`, async () => (await net.settlement.read(net.addresses.settlement.InferenceSettlement, artifact("InferenceSettlement").abi, "status", [header])) === wanted);

  it("take seats, start the first committee epoch, observe a feed; check, certify, finalize and carry a batch; reject a bad one; survive kill -9", async () => {
    const { settlement, payment } = net.addresses;
    const committee = artifact("Committee").abi;
    await until("the first epoch", async () => ((await net.settlement.read(settlement.Committee, committee, "currentEpoch")) as bigint) > 0n);
    const members = (await net.settlement.read(settlement.Committee, committee, "members", [1n])) as { signer: Hex; stake: bigint }[];
    expect(members).to.have.length(3);
    await bootstrapInbox(net.payment, payment.SettlementInbox, 1n, members);

    const feeds = artifact("DataFeeds").abi;
    const definition = { name: "TEST/USD", sources: [net.source.url], tlsPins: [ZERO], period: 4, decimals: 8, minOperators: 1, policyId: ZERO, maxDeviationBps: 0, maxAge: 60 };
    await net.settlement.write(settlement.DataFeeds, feeds, "createFeed", [definition]);
    const data = net.startKeeper("data", 1);

    const good = await post(1n, ZERO);
    await reached(good.header, BatchStatus.Certified);
    // One of three dies without a word; the other two are still two thirds.
    await net.kill("full-3");
    const bad = await post(2n, good.hash, true);
    await reached(bad.header, BatchStatus.Rejected);
    await reached(good.header, BatchStatus.Final);
    const verdict = await until("the verdict on the payment chain", async () => {
      const found = (await net.payment.read(payment.SettlementInbox, artifact("SettlementInbox").abi, "verdictOf", [good.hash])) as { status: number; channelsRoot: Hex };
      return found.status !== 0 && found;
    });
    expect(verdict).to.include({ status: BatchStatus.Final, channelsRoot: good.header.channelsRoot });

    await data;
    const feedId = await net.settlement.read(settlement.DataFeeds, feeds, "feedIdOf", [definition]);
    const answer = await until("an answer", async () => {
      const found = (await net.settlement.read(settlement.DataFeeds, feeds, "peek", [feedId])) as { operators: number; value: bigint };
      return found.operators > 0 && found;
    });
    expect(answer.value).to.equal(123_456_780_000n);

    // The dead one comes back, opens a new key epoch and catches up with the ledger.
    const restarted = await net.startKeeper("full", 3);
    const ledger = (await until("the ledger of the restarted node", async () => {
      const { role } = (await status(restarted.opsUrl)) as unknown as { role: { url: string; counts: Record<string, number>; node: { nodeId: Hex } } };
      return (role.counts.Final ?? 0) >= 1 && role;
    })) as { url: string; node: { nodeId: Hex } };
    const registry = artifact("NodeRegistry").abi;
    const { tlsSpkiHash } = (await net.settlement.read(settlement.NodeRegistry, registry, "node", [ledger.node.nodeId])) as { tlsSpkiHash: Hex };
    const get = pinnedFetch(tlsSpkiHash);
    const leaf = good.leaves[17]!;
    const digest = receiptDigest(leaf.receipt, good.domain);
    const proof = (await until("the receipt in the ledger", async () => {
      const response = await get(`${ledger.url}/ledger/receipts/${digest}`);
      return response.ok && ((await response.json()) as { index: number; path: Hex[]; batch: { status: string } });
    })) as { index: number; path: Hex[]; batch: { status: string } };
    expect(proof.batch.status).to.equal("Final");
    expect(rootFromPath(receiptLeaf(digest, leaf.signature), proof.index, COUNT, proof.path)).to.equal(good.header.receiptsRoot);
    get.close();
    expect(opsUrls).to.have.length(3);
  });

  it("a facilitator on its own: official client and HTTP client, a wrong payment refused, a right one sent once", async () => {
    const token = net.addresses.payment.TestDollar;
    const payer = privateKeyToAccount(keccak256(toHex("a payer without gas")));
    await net.payment.write(token, artifact("TestDollar").abi, "mint", [payer.address, 1_000n]);
    const { opsUrl } = await net.startKeeper("facilitator", 1, { OG_LISTEN: "127.0.0.1:0", OG_MAX_PAYMENT: "500" });
    const { role } = (await status(opsUrl)) as unknown as { role: { url: string; network: `eip155:${number}` } };
    const http = new HTTPFacilitatorClient({ url: role.url });
    expect((await http.getSupported()).kinds.map(({ scheme, network }) => `${scheme} ${network}`)).to.have.members(["batch-settlement", "upto", "exact"].map((scheme) => `${scheme} ${role.network}`));

    const payTo = privateKeyToAccount(keccak256(toHex("a seller"))).address;
    const offer = (amount: string) => ({ scheme: "exact", network: role.network, asset: token, amount, payTo, maxTimeoutSeconds: 60, extra: { name: "Test Dollar", version: "1" } });
    const client = new x402Client().register(role.network, new ExactEvmScheme(toClientEvmSigner(payer, net.payment.client as never))).setSpendControls(false);
    const pay = (amount: string) => client.createPaymentPayload({ x402Version: 2, resource: { url: "https://seller.example/answer", description: "", mimeType: "application/json" }, accepts: [offer(amount)] });
    const payment = await pay("300");
    expect(await http.verify(payment, offer("301"))).to.include({ isValid: false });
    expect(await http.verify(await pay("600"), offer("600"))).to.include({ isValid: false, invalidReason: "amount_above_limit" });
    expect(await http.verify(payment, offer("300"))).to.include({ isValid: true, payer: payer.address });
    const [first, again] = await Promise.all([http.settle(payment, offer("300")), http.settle(payment, offer("300"))]);
    expect([first, again].some(({ success }) => success), JSON.stringify([first, again])).to.equal(true);
    expect(await net.payment.read(token, artifact("TestDollar").abi, "balanceOf", [payTo])).to.equal(300n);
    expect(await (await fetch(`${opsUrl}/metrics`)).text()).to.match(/facilitator_calls\{call="verify",outcome="refused"\} 2/);
  });
});
