import { serve } from "@hono/node-server";
import { expect } from "chai";
import { mkdir, readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { type Address, type Hex, createPublicClient, createWalletClient, custom } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { compileModel, decodeOutput, evaluateInteger, InputError, type LoadedModel, loadModel, quantizeInput, writeArtifacts } from "../../../circuits/compiler/index.ts";
import { encode, weights } from "../../../circuits/models/build.ts";
import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { encodeKey, keccak } from "../../../circuits/setup/encode.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { systemClock } from "../../../keepers/clock/index.ts";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { localFacilitator, makeFacilitator, walletSender } from "../../../keepers/payments/facilitator.ts";
import { paymentGate } from "../../../keepers/payments/gate.ts";
import type { ProvingModel } from "../../../keepers/proving/program.ts";
import { type ServedModel, catalog, type TensorRunner } from "../../../keepers/roles/inference/catalog.ts";
import { evidenceSigner } from "../../../keepers/roles/inference/evidence.ts";
import { gateway } from "../../../keepers/roles/inference/gateway.ts";
import { inferenceLedger } from "../../../keepers/roles/inference/ledger.ts";
import { receiptIssuer } from "../../../keepers/roles/inference/receipts.ts";
import { integerRunner } from "../../../keepers/roles/inference/runners.ts";
import { settlementPass } from "../../../keepers/roles/inference/settle.ts";
import { rememberAllTerms, termsFor } from "../../../keepers/roles/inference/terms.ts";
import { httpUpstream } from "../../../keepers/roles/inference/upstream.ts";
import { rulesFor } from "../../../keepers/signer/index.ts";
import { InferenceClient } from "../../../sdk/client/client.ts";
import { localAccount } from "../../../sdk/crypto/index.ts";
import { encodePackage, programHash } from "../../../sdk/models/package.ts";
import { integerProgram, ProgramError } from "../../../sdk/models/program.ts";
import { disputeToJson } from "../../../sdk/network/disputes.ts";
import { paymentClient } from "../../../sdk/payments/client.ts";
import { type Tariff, tariffHash } from "../../../sdk/payments/tariff.ts";
import { BatchStatus, ProgramKind, receiptDigest, Role, termsHash, Verification, SettlementMode } from "../../../sdk/protocol/index.ts";
import { type Dispute, WrongOutputError } from "../../../sdk/receipts/output.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import { bytes32, type TestNode, ZERO } from "../../utils/settlement-world.ts";
import { type FullRig, fullRig } from "../support/full-rig.ts";
import { blobsInMemory } from "../support/poster.ts";
import { worldPlatform } from "../support/world-platform.ts";
import { freshKey } from "../../utils/keys.ts";

const NAME = "classes";
const MNEMONIC = "test test test test test test test test test test test junk";
const account = (addressIndex: number) => mnemonicToAccount(MNEMONIC, { addressIndex });
/** Not the development trapdoor: a key that may be attested as level 2. */
const PARTY = { tau: 31n, alpha: 32n, beta: 33n, gamma: 1n, delta: 34n };
const NOBODY = `0x${"00".repeat(20)}` as Address;

/** A circuit with its proving key, as `og zk compile` leaves it, and the package that its publisher puts on Walrus. */
async function circuit(): Promise<ProvingModel & { bytes: Uint8Array; programHash: Hex }> {
  const directory = ".cache/zk/test/wrong-output";
  const onnx = encode({
    inputs: { x: [1, 4] },
    constants: { w: weights([4, 3], 0.8, 3), b: weights([3], 0.2, 4) },
    nodes: [{ op: "Gemm", in: ["x", "w", "b"], out: ["y"] }],
    outputs: ["y"],
  });
  await mkdir(directory, { recursive: true });
  await writeArtifacts(compileModel(onnx, { inputBits: 7, weightBits: 7 }), directory);
  const zkey = `${directory}/proving.zkey`;
  await makeDevelopmentKey(`${directory}/model.r1cs`, zkey, PARTY);
  const graph = await readFile(`${directory}/graph.json`, "utf8");
  const processing: unknown = JSON.parse(await readFile(`${directory}/public.json`, "utf8"));
  const bytes = encodePackage({ format: "og-model/integer/1", graph, public: processing, verifyingKey: {} });
  return { bytes, programHash: programHash("int", graph, processing), model: await loadModel(directory), zkey, key: readVerifyingKey(zkey) };
}

describe("a wrong output, from the payer's request to the rejected batch", () => {
  let rig: FullRig;
  let node: TestNode;
  let modelId: Hex;
  let made: Awaited<ReturnType<typeof circuit>>;
  let client: InferenceClient;
  let settle: (options?: { everything?: boolean }) => Promise<boolean>;
  /** What the node's runtime does to its right answer. */
  let lie: ((words: bigint[]) => bigint[]) | null = null;
  const closing: (() => unknown)[] = [];

  before(async () => {
    made = await circuit();
    const programs = new Map<Hex, ProvingModel>();
    const walrus = blobsInMemory();
    rig = await fullRig({ walrus, programs, members: 1 });
    const w = rig.world;
    await rig.addMember();
    await rig.round(["seat"]);
    node = await w.addNode(Role.Inference, { bond: w.parameters.registry.minBondInference * 50n });

    const keys = await w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys);
    const key = encodeKey(made.key);
    await keys.getFunction("register")(key);
    const version = {
      name: NAME, version: "1", programHash: made.programHash, kind: ProgramKind.Int, blobId: bytes32("blob"), contentHash: bytes32("content"), manifestHash: ZERO, circuitHash: ZERO, weightsHash: ZERO,
      methods: (1 << Verification.Vanilla) | (1 << Verification.Zkml), vkHash: keccak(key), royaltyTo: NOBODY, royaltyBps: 0, licence: "MIT",
    };
    await w.models.publishModel(version);
    modelId = (await w.models.modelIdOf(w.admin.address, version)) as Hex;
    programs.set(modelId, made);
    await openNode(walrus);
    // Refused below level 2; the test of that is output.test.ts's.
    await keys.getFunction("attestCeremony")(keccak(key), bytes32("transcript"));
  });
  after(async () => {
    for (const close of closing.reverse()) await close();
    await rig.stop();
  });

  /** The inference node's gateway over HTTP, paid on the payment chain; its runtime lies when told to. */
  async function openNode(walrus: ReturnType<typeof blobsInMemory>): Promise<void> {
    const { world: w, payment, paymentChain: pay, domain } = rig;
    // The chain's clock runs ahead of the machine's: a second a block.
    const ahead = Number(await w.now()) * 1_000 - Date.now() + 1_000;
    const clock = { ...systemClock(), now: () => Date.now() + ahead };
    const honest = integerRunner(made.model);
    const runner: TensorRunner = {
      ...honest,
      async runWords(words) {
        const answer = await honest.runWords!(words);
        return { ...answer, words: lie ? lie(answer.words) : answer.words };
      },
    };
    const served: ServedModel[] = [{ name: NAME, modelId, kind: "tensor", programKind: ProgramKind.Int, methods: [Verification.Vanilla], runner, royaltyTo: NOBODY, royaltyBps: 0, maxOutputTokens: 1 }];
    const tariff: Tariff = { chainId: BigInt(pay.chain.id), token: payment.TestDollar, prices: [{ modelId, perRequest: 100n, perMillionInput: 0n, perMillionOutput: 0n, perMillionReasoning: 0n }] };
    const own = { nodeId: node.nodeId, payout: account(7).address, tariffHash: tariffHash(tariff), policyId: ZERO, feeBpsCap: 500, inbox: payment.SettlementInbox };
    const platform = await worldPlatform(w, "inference", (deployment) => rulesFor(w.chainId, deployment.address("InferenceSettlement"), iInferenceSettlementAbi as never, ["postBatch"]));
    closing.push(() => platform.stop());
    const ledger = inferenceLedger(platform.store);
    ledger.rememberTariff(tariff);
    rememberAllTerms(ledger, own, served);
    const termsOf = (quote: { verification: number; settlementMode: number }) => termsFor(own, served[0]!, quote);

    const transport = custom({ request: (args) => pay.provider.request(args as never) as Promise<unknown> }, { retryCount: 0 });
    const reads = createPublicClient({ chain: pay.chain, transport, pollingInterval: 20, cacheTime: 0 });
    const tx = walletSender(reads as never, createWalletClient({ chain: pay.chain, transport, account: account(5) }) as never);
    const network = `eip155:${pay.chain.id}` as const;
    const facilitator = makeFacilitator({ network, chainId: pay.chain.id, sender: account(5).address, tx, client: reads as never, assets: [payment.TestDollar] });
    const escrow = { network, token: payment.TestDollar, tokenName: "Test Dollar", tokenVersion: "1", escrow: payment.PaymentEscrow, withdrawDelay: 86_400 };
    const gate = paymentGate({
      ...escrow, store: platform.store, clock, facilitator: localFacilitator(facilitator, network), chainId: pay.chain.id, authorizer: account(1) as never,
      exposureCap: 1_000_000n, singleCap: 20_000n, client: reads as never, termsOf,
    });
    await gate.start();
    const key = { nodeId: node.nodeId, keyId: node.keyId, keyType: node.signer.keyType, publicKey: node.signer.publicKey, sign: (digest: Hex) => Promise.resolve(node.signer.sign(digest)) };
    const app = gateway({
      gate, ledger, issue: receiptIssuer({ key: () => key, domain, clock }), tariff: () => tariff, clock, log: silentLogger, catalog: catalog(served), upstream: httpUpstream({ url: "http://127.0.0.1:1" }),
      evidence: evidenceSigner(), timeoutMs: 20_000, enqueueProof: () => {}, key: () => key, attest: () => Promise.resolve(new Uint8Array([1])), notReady: () => undefined, heldIntake: () => undefined, maxBodyBytes: 65_536,
      offer: async (quote) => ({ ...escrow, terms: termsOf(quote), termsHash: termsHash(termsOf(quote)), tariff, ceiling: quote.ceiling, authorizer: account(1).address }),
    });
    const server = await new Promise<ReturnType<typeof serve>>((resolve) => {
      const opened = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, () => resolve(opened));
    });
    closing.push(() => server.close());
    settle = settlementPass({
      ledger, journal: platform.journal, settlement: platform.settlement, domain, keyById: () => key, walrus, place: { paymentChainId: BigInt(pay.chain.id), escrow: payment.PaymentEscrow },
      policy: { size: 100, idleMs: 3_600_000, ageMs: 3_600_000, settleSize: 50, proofWaitMs: 0 }, clock, log: silentLogger,
    });

    const payer = localAccount(freshKey());
    const dollar = await pay.ethers.getContractAt("TestDollar", payment.TestDollar);
    await dollar.getFunction("mint")(payer.address, 1_000_000n);
    const newChannel = () => paymentClient({
      signer: payer as never, chainId: pay.chain.id, reads: reads as never,
      policy: { network, tokens: [payment.TestDollar], escrows: [payment.PaymentEscrow], inboxes: [payment.SettlementInbox], minWithdrawDelay: 86_400, maxCharge: 10_000n },
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    // Over plain HTTP on this machine; everything else of a session is asked of the chain.
    const session = {
      info: { nodeId: node.nodeId, endpoint: url }, fetch, url: (path: string) => url + path, modelId: async () => modelId,
      key: async (keyId: Hex, issuedAt: bigint) => ({ nodeId: node.nodeId, keyId, keyType: node.signer.keyType, publicKey: node.signer.publicKey, valid: await w.registry.keyValidAt(keyId, issuedAt, issuedAt) }),
    };
    client = new InferenceClient({ session: session as never, payments: newChannel(), domain, now: () => BigInt(Math.floor(clock.now() / 1_000)) });
  }

  const choice = { verification: Verification.Vanilla, settlementMode: SettlementMode.Batch };
  const inputs = { x: [0.25, -0.5, 0.125, 0.75] };
  const give = async (...disputes: object[]) => {
    const body = JSON.stringify({ receipts: disputes });
    const response = await rig.members[0]!.api(new Request("https://in.process/watch/receipts", { method: "POST", body }));
    return (await response.json()) as { reports?: { output?: string; state: { state: string } }[]; error?: { code: string } };
  };
  const statusOf = (hash: Hex) => rig.members[0]!.store.header(hash)?.status;

  it("an honest answer: asked in words, run again, decoded; nothing to dispute", async () => {
    const program = integerProgram(made.bytes, { programHash: made.programHash });
    expect(() => integerProgram(made.bytes, { programHash: bytes32("another") })).to.throw(ProgramError, "another program");
    expect(() => integerProgram(new Uint8Array([1]), made)).to.throw(TypeError);
    const { answer, receipt } = await client.inferProgram(NAME, program, inputs, choice);
    const { outputWords, inputWords } = evaluateInteger(program.graph, quantizeInput(program, inputs).values);
    expect(answer).to.deep.equal(decodeOutput(program.graph.outputs, outputWords));
    const opening = { salt: receipt.salt, model: NAME, words: inputWords.map((word) => `0x${word.toString(16).padStart(64, "0")}` as Hex) };
    const dispute: Dispute = { receipt: receipt.receipt, signature: receipt.signature, opening };
    expect((await give(disputeToJson(dispute))).reports![0]!.output).to.equal("right");

    for (const bad of [{ ...opening, salt: bytes32("another") }, { ...opening, model: "another" }, { ...opening, words: [...opening.words, opening.words[0]!] }, { ...opening, words: [] }, "x"]) {
      expect((await give({ ...disputeToJson(dispute), opening: bad })).error?.code).to.equal("watch.bad_opening");
    }
  });

  it("a lie: the client refuses it and keeps what convicts; the full node proves the right answer and the batch falls", async () => {
    lie = (words) => [words[0]! ^ 1n, ...words.slice(1)];
    const failure = await client.inferProgram(NAME, made.model, inputs, choice).then(() => null, (error: unknown) => error);
    lie = null;
    expect(failure).to.be.instanceOf(WrongOutputError);
    const { dispute } = failure as WrongOutputError;
    const again = await client.inferProgram(NAME, made.model, inputs, choice).then(() => "paid", (error: { message: string }) => error.message);
    expect(again, "nothing more is signed on the channel").to.contain("not its program's");

    const taken = await give(disputeToJson(dispute));
    expect(taken.reports![0]).to.deep.include({ output: "wrong" });
    expect(taken.reports![0]!.state.state).to.equal("pending");
    const member = rig.members[0]!;
    await member.desk.step(); // not posted: nothing to prove yet

    while (await settle({ everything: true }));
    const before = await rig.world.registry.bond(node.nodeId);
    await rig.round(["check"]);
    const leaf = member.store.leafByDigest(receiptDigest(dispute.receipt, rig.domain))!;
    expect(statusOf(leaf.headerHash), "every leaf of it holds").to.equal(BatchStatus.Posted);
    expect(member.store.check(leaf.headerHash)!.verdict).to.not.equal("faulty");

    for (let i = 0; i < 3 && statusOf(leaf.headerHash) !== BatchStatus.Rejected; i++) {
      await member.desk.step();
      await rig.world.networkHelpers.mine(1);
      await member.follower.step();
    }
    expect(statusOf(leaf.headerHash)).to.equal(BatchStatus.Rejected);
    const bond = await rig.world.registry.bond(node.nodeId);
    expect(before.locked > 0n && bond.locked === 0n && bond.free + bond.locked < before.free + before.locked, "the lock is slashed").to.equal(true);
    expect((await rig.world.registry.reward(member.platform.signer.address)) > 0n, "its finder is paid").to.equal(true);
    expect(member.platform.store.get("SELECT opening, evidence, state FROM disputes WHERE verdict = 'wrong'"), "the question is forgotten").to.deep.include({ opening: null, evidence: null, state: "proved" });
  });

  it("words that are no input have no right answer: the client asks nothing", async () => {
    const words = [(1n << 248n) - 1n];
    expect(await client.inferWords(NAME, words, choice, made.model as LoadedModel).then(() => null, (error: unknown) => error)).to.be.instanceOf(InputError);
  });
});
