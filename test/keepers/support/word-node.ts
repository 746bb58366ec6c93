/** An inference node with one `int` program of level 2: its gateway over HTTPS as registered, paid on the payment chain, with a runtime that lies when told to. */
import { mkdir, readFile } from "node:fs/promises";
import { type Address, type Hex, createPublicClient, createWalletClient, custom, keccak256 } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { compileModel, loadModel, writeArtifacts } from "../../../circuits/compiler/index.ts";
import { encode, weights } from "../../../circuits/models/build.ts";
import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { encodeKey, keccak } from "../../../circuits/setup/encode.ts";
import { LEVEL, sha256File, writePapers } from "../../../circuits/setup/manifest.ts";
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
import type { WalrusClient } from "../../../keepers/walrus/index.ts";
import { type ClientOptions, InferenceClient } from "../../../sdk/client/client.ts";
import { NodeSession } from "../../../sdk/client/session.ts";
import { localAccount } from "../../../sdk/crypto/index.ts";
import { encodePackage, programHash } from "../../../sdk/models/package.ts";
import { publishedPrograms } from "../../../sdk/models/program.ts";
import type { ChainAccess } from "../../../sdk/network/network.ts";
import { paymentClient } from "../../../sdk/payments/client.ts";
import { type Tariff, tariffHash } from "../../../sdk/payments/tariff.ts";
import { ProgramKind, Role, termsHash, Verification } from "../../../sdk/protocol/index.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import { freshKey } from "../../utils/keys.ts";
import { bytes32, ZERO } from "../../utils/settlement-world.ts";
import type { FullRig } from "./full-rig.ts";
import { tlsDoor } from "./tls-door.ts";
import { worldPlatform } from "./world-platform.ts";

const MNEMONIC = "test test test test test test test test test test test junk";
const account = (addressIndex: number) => mnemonicToAccount(MNEMONIC, { addressIndex });
/** Not the development trapdoor: a key that may be attested as level 2. */
const PARTY = { tau: 31n, alpha: 32n, beta: 33n, gamma: 1n, delta: 34n };
const NOBODY = `0x${"00".repeat(20)}` as Address;

export const NAME = "classes";
export type WordNode = Awaited<ReturnType<typeof wordNode>>;
export type WordModel = ProvingModel & { bytes: Uint8Array; programHash: Hex; directory: string };

/** A circuit with its proving key, as `og zk compile` leaves it, and the package that its publisher puts on Walrus. */
export async function wordModel(): Promise<WordModel> {
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
  const { rows, publics, domainExponent } = await makeDevelopmentKey(`${directory}/model.r1cs`, zkey, PARTY);
  await writePapers(directory, zkey, { format: 1, level: LEVEL.singleParty, rows, publicInputs: publics, domainExponent, r1csSha256: await sha256File(`${directory}/model.r1cs`) });
  const graph = await readFile(`${directory}/graph.json`, "utf8");
  const processing: unknown = JSON.parse(await readFile(`${directory}/public.json`, "utf8"));
  const bytes = encodePackage({ format: "og-model/integer/1", graph, public: processing, verifyingKey: {} });
  return { bytes, programHash: programHash("int", graph, processing), model: await loadModel(directory), zkey, key: readVerifyingKey(zkey), directory };
}

/** @param blobId Of the package. @param walrus Where the node's batches go. */
export async function wordNode(rig: FullRig, made: WordModel, walrus: WalrusClient, blobId: Hex = bytes32("blob")) {
  const { world: w, payment, paymentChain: pay, domain } = rig;
  const closing: (() => unknown)[] = [];
  const door = await tlsDoor();
  closing.push(() => door.server.close(0));
  const node = await w.addNode(Role.Inference, { bond: w.parameters.registry.minBondInference * 50n, payout: account(7).address, reach: door.reach });

  const keys = await w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys);
  const encodedKey = encodeKey(made.key);
  await keys.getFunction("register")(encodedKey);
  const publish = async (name: string, kind: number, methods: number, vkHash: Hex): Promise<Hex> => {
    const version = {
      name, version: "1", programHash: kind === ProgramKind.Int ? made.programHash : bytes32(name), kind, blobId, contentHash: keccak256(made.bytes), manifestHash: ZERO, circuitHash: ZERO, weightsHash: ZERO,
      methods, vkHash, royaltyTo: NOBODY, royaltyBps: 0, licence: "MIT",
    };
    await w.models.publishModel(version);
    return (await w.models.modelIdOf(w.admin.address, version)) as Hex;
  };
  const modelId = await publish(NAME, ProgramKind.Int, (1 << Verification.Vanilla) | (1 << Verification.Zkml), keccak(encodedKey));
  const floatId = await publish("float", ProgramKind.Float, 1 << Verification.Vanilla, ZERO);

  // The chain's clock is not the machine's.
  const ahead = Number(await w.now()) * 1_000 - Date.now() + 1_000;
  const clock = { ...systemClock(), now: () => Date.now() + ahead };
  const honest = integerRunner(made.model);
  /** What the node's runtime does to its right answer, and what is signed in place of what is sent. */
  const lies: { words: ((words: bigint[]) => bigint[]) | null; body: ((body: Record<string, unknown>) => void) | null } = { words: null, body: null };
  const seen: Record<string, unknown>[] = [];
  const runner: TensorRunner = {
    ...honest,
    async runWords(words) {
      const answer = await honest.runWords!(words);
      return { ...answer, words: lies.words ? lies.words(answer.words) : answer.words };
    },
  };
  const { runWords: _, ...tensors } = runner;
  const common = { kind: "tensor", royaltyTo: NOBODY, royaltyBps: 0, maxOutputTokens: 1 } as const;
  const served: ServedModel[] = [
    { ...common, name: NAME, modelId, programKind: ProgramKind.Int, methods: [Verification.Vanilla], runner },
    { ...common, name: "float", modelId: floatId, programKind: ProgramKind.Float, methods: [Verification.Vanilla], runner: tensors },
  ];
  const price = { perRequest: 100n, perMillionInput: 0n, perMillionOutput: 0n, perMillionReasoning: 0n };
  const tariff: Tariff = { chainId: BigInt(pay.chain.id), token: payment.TestDollar, prices: [modelId, floatId].sort().map((id) => ({ modelId: id, ...price })) };
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
    ...escrow, store: platform.store, clock, facilitator: localFacilitator(facilitator, network), chainId: pay.chain.id, authorizer: localAccount(node.authorizer.privateKey as Hex) as never,
    exposureCap: 1_000_000n, singleCap: 20_000n, client: reads as never, termsOf,
  });
  await gate.start();
  const key = { nodeId: node.nodeId, keyId: node.keyId, keyType: node.signer.keyType, publicKey: node.signer.publicKey, sign: (digest: Hex) => Promise.resolve(node.signer.sign(digest)) };
  const app = gateway({
    gate, ledger, issue: receiptIssuer({ key: () => key, domain, clock }), tariff: () => tariff, clock, log: silentLogger, catalog: catalog(served), upstream: httpUpstream({ url: "http://127.0.0.1:1" }),
    evidence: evidenceSigner(), timeoutMs: 20_000, enqueueProof: () => {}, key: () => key, attest: () => Promise.resolve(new Uint8Array([1])), notReady: () => undefined, heldIntake: () => undefined, maxBodyBytes: 65_536,
    offer: async (quote) => ({ ...escrow, terms: termsOf(quote), termsHash: termsHash(termsOf(quote)), tariff, ceiling: quote.ceiling, authorizer: node.authorizer.address as Address }),
  });
  door.opens(async (request) => {
    if (new URL(request.url).pathname !== "/v1/infer") return app.fetch(request);
    seen.push((await request.clone().json()) as Record<string, unknown>);
    const response = await app.fetch(request);
    if (!lies.body || !response.ok) return response;
    const body = (await response.json()) as Record<string, unknown>;
    lies.body(body);
    const headers = new Headers(response.headers);
    headers.delete("content-length");
    return new Response(JSON.stringify(body), { status: 200, headers });
  });
  const settle = settlementPass({
    ledger, journal: platform.journal, settlement: platform.settlement, domain, keyById: () => key, walrus, place: { paymentChainId: BigInt(pay.chain.id), escrow: payment.PaymentEscrow },
    policy: { size: 100, idleMs: 3_600_000, ageMs: 3_600_000, settleSize: 50, proofWaitMs: 0 }, clock, log: silentLogger,
  });

  const dollar = await pay.ethers.getContractAt("TestDollar", payment.TestDollar);
  const chain = { ...pay.chain, id: w.chainId };
  const contracts = w.addresses as unknown as Record<string, Address>;
  /** The settlement chain as an SDK user has it. */
  const access: ChainAccess = {
    chain, rpcUrl: "in process", address: (name) => contracts[name]!,
    client: createPublicClient({ chain, transport: custom({ request: (args) => w.provider.request(args as never) as Promise<unknown> }), pollingInterval: 20, cacheTime: 0 }) as never,
  };
  return {
    node, modelId, floatId, made, lies, seen, settle, access,
    async attestCeremony() {
      await keys.getFunction("attestCeremony")(keccak(encodedKey), bytes32("transcript"));
    },
    /** Tokens for a payer, whose key is its own. */
    async payer() {
      const privateKey = freshKey();
      const payer = localAccount(privateKey);
      await dollar.getFunction("mint")(payer.address, 1_000_000n);
      return { privateKey, payer };
    },
    /** A client of its own channel: what a developer holds. */
    async client(options: Partial<ClientOptions> = {}): Promise<InferenceClient> {
      const { payer } = await this.payer();
      const session = await NodeSession.open(access, node.nodeId);
      closing.push(() => session.close());
      const payments = paymentClient({
        signer: payer as never, chainId: pay.chain.id, reads: reads as never, fetch: session.fetch,
        policy: { network, tokens: [payment.TestDollar], escrows: [payment.PaymentEscrow], inboxes: [payment.SettlementInbox], minWithdrawDelay: 86_400, maxCharge: 10_000n },
      });
      return new InferenceClient({ session, payments, domain, now: () => BigInt(Math.floor(clock.now() / 1_000)), programs: publishedPrograms(async () => made.bytes), ...options });
    },
    async stop() {
      for (const close of closing.reverse()) await close();
    },
  };
}
