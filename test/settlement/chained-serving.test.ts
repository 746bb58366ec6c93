import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect } from "chai";
import { type Hex, createWalletClient, http, keccak256, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { compileLayers, explainLayers, proveLayers, verifyLayers } from "../../circuits/cli/chain.ts";
import { decodeOutput } from "../../circuits/compiler/index.ts";
import { encode, weights } from "../../circuits/models/build.ts";
import { chainHash } from "../../circuits/setup/encode.ts";
import { type InferenceLedger, inferenceLedger } from "../../keepers/roles/inference/ledger.ts";
import { type LoadedModels, loadModels } from "../../keepers/roles/inference/models.ts";
import { refusedProofs } from "../../keepers/roles/inference/proofCheck.ts";
import { encodeProven, type ProvingChain, proofPreparation } from "../../keepers/roles/inference/proofs.ts";
import { provingRoom } from "../../keepers/roles/inference/provingRoom.ts";
import { wasmProver } from "../../keepers/proving/provers.ts";
import { openProvingQueue } from "../../keepers/proving/queue.ts";
import { proveNext } from "../../keepers/proving/worker.ts";
import { BatchStatus, Role, SettlementMode, termsHash, Verification } from "../../sdk/protocol/index.ts";
import { integerPublication } from "../../sdk/models/integer.ts";
import { verifyPackage } from "../../sdk/models/manifest.ts";
import { publishModel } from "../../sdk/models/publish.ts";
import { chainAccess, modelById } from "../../sdk/network/index.ts";
import { CACHE } from "../circuits/setup/tools.ts";
import { worldPlatform } from "../keepers/support/world-platform.ts";
import { type RpcServer, rpcServer } from "../utils/rpc-server.ts";
import { type World, bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { type Built, build, receipt, settlementOf, terms } from "./builder.ts";
import { LIMITS } from "../utils/limits.ts";

/** A residual crosses the cuts: three circuits, linked by commitments. */
const onnx = encode({
  inputs: { x: [1, 6] },
  constants: { w1: weights([6, 6], 0.6, 1), b1: weights([6], 0.2, 2), w2: weights([6, 6], 0.6, 3), w3: weights([6, 3], 0.8, 4) },
  nodes: [
    { op: "Gemm", in: ["x", "w1", "b1"], out: ["a"] }, { op: "Relu", in: ["a"], out: ["h"] }, { op: "MatMul", in: ["h", "w2"], out: ["b"] }, { op: "Tanh", in: ["b"], out: ["t"] },
    { op: "Add", in: ["t", "h"], out: ["s"] }, { op: "MatMul", in: ["s", "w3"], out: ["y"] },
  ],
  outputs: ["y"],
});
const X = [0.5, -0.25, 0.75, -1, 0.125, 0.9];
const LAYERS = 3;
const publisher = privateKeyToAccount(keccak256(toHex("chain publisher")));

describe("a model in several circuits, from the command line to a settled receipt", () => {
  const folder = `${CACHE}/chained-serving`;
  const scratch = `${folder}/witnesses`;
  let w: World;
  let server: RpcServer;
  let platform: Awaited<ReturnType<typeof worldPlatform>>;
  let node: Awaited<ReturnType<World["addNode"]>>;
  let modelId: Hex;
  let loaded: LoadedModels;
  let ledger: InferenceLedger;
  let payments = 0;
  const said: string[] = [];

  before(async () => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "model.onnx"), onnx);
    writeFileSync(join(folder, "input.json"), JSON.stringify({ x: X }));
    await compileLayers(join(folder, "model.onnx"), folder, { layers: String(LAYERS), outputBits: "16" }, (line) => said.push(line));
    w = await settlementWorld();
    server = await rpcServer((method, params) => w.ethers.provider.send(method, params));
    await w.networkHelpers.setBalance(publisher.address, 10n ** 20n);
    const settlement = chainAccess("settlement", server.url, { chainId: w.chainId, contracts: w.addresses as never });
    const wallet = createWalletClient({ chain: settlement.chain, transport: http(server.url), account: publisher });
    const blobs = { storeAndReadBack: (bytes: Uint8Array) => Promise.resolve({ blobId: keccak256(bytes) }) };
    const what = { ...(await integerPublication(folder)), name: "chain", version: "1", methods: [Verification.Zkml], licence: "MIT" };
    const published = await publishModel(settlement, wallet, publisher, blobs, what);
    expect(published.transactions).to.have.length(LAYERS + 2);
    expect((await publishModel(settlement, wallet, publisher, blobs, what)).transactions).to.have.length(0);
    modelId = published.modelId;
    expect(said.at(-1)).to.include(`vkHash ${published.vkHash}`);
    const info = await modelById(settlement, modelId);
    expect(verifyPackage(what.bytes, { ...info, kind: "int" }).map(({ ok }) => ok)).to.deep.equal([true, true, true, true]);

    node = await w.addNode(Role.Inference);
    platform = await worldPlatform(w, "chained", () => []);
    ledger = inferenceLedger(platform.store);
    const list = join(folder, "models.json");
    writeFileSync(list, JSON.stringify({ models: [{ modelId, price: { perRequest: "1" }, circuit: folder }] }));
    loaded = await loadModels(list, platform.settlement, { read: () => Promise.resolve(what.bytes) } as never, {} as never);
  });
  after(async () => {
    await platform.stop();
    await server.close();
  });

  const context = (built: Built) => w.settlement.proofContext(built.receipts[0]!, terms(node).payout);
  const room = (models = loaded.proving) =>
    provingRoom(platform, { ledger, models, scratch, limits: { timeoutMs: LIMITS.deadlineMs, memoryMb: LIMITS.memoryMb }, context: (r) => w.settlement.proofContext(r, terms(node).payout) });

  /** An answer is given, its receipt stored and its proof ordered, as the gateway does it. */
  async function serve(into = room()) {
    const t = terms(node, { verification: Verification.Zkml });
    const built = await build(w, node, [receipt(node, await w.now(), { modelId, termsHash: termsHash(t), paymentId: bytes32(`chain ${++payments}`) })]);
    const answer = await loaded.served[0]!.runner!.run({ x: { type: "float64", shape: [1, 6], data: X } }, new AbortController().signal);
    const digest = keccak256(toHex(`receipt ${payments}`));
    platform.store.transaction(() => {
      ledger.add({ digest, receipt: built.receipts[0]!, signature: "0x", settlementMode: SettlementMode.Individual, verification: Verification.Zkml, storedAt: 0 });
      into.enqueue({ digest, modelId, witness: answer.witness as string[] });
    });
    return { built, t, digest, answer };
  }
  const pass = (of: ReturnType<typeof room>) => of.pass(new AbortController().signal);

  it("is served, proved layer by layer, and its receipt settles through the chain's verifier", async () => {
    const proving = room();
    const { built, t, digest, answer } = await serve(proving);
    expect(proving.counts().queued).to.equal(LAYERS);
    for (let k = 0; k < LAYERS; k++) {
      expect(ledger.find(digest)!.proof).to.equal(undefined);
      expect(await pass(proving)).to.equal(true);
    }
    const proof = ledger.find(digest)!.proof!;
    const last = (loaded.proving.get(modelId) as ProvingChain).layers[LAYERS - 1]!.model;
    expect(decodeOutput(last.graph.outputs, [proof.publicInputs[2]!]).tensors.y).to.deep.equal(answer.outputs.y!.data);
    expect(await refusedProofs(platform.settlement, [ledger.find(digest)!])).to.deep.equal([]);
    expect(proof.publicInputs[0]).to.equal(await context(built));
    const settle = (bytes: Hex) => w.settlement.settle(settlementOf(built, [t], { 0: { proof: bytes, publicInputs: proof.publicInputs } }));
    // The last word between layers, changed.
    const other = `${proof.bytes.slice(0, -1)}${proof.bytes.endsWith("0") ? "1" : "0"}` as Hex;
    await expect(settle(other)).to.be.revertedWithCustomError(w.settlement, "SettlementProofInvalid");
    expect(await refusedProofs(platform.settlement, [{ ...ledger.find(digest)!, proof: { ...proof, bytes: other } }])).to.have.length(1);
    await expect(settle(proof.bytes)).to.emit(w.settlement, "ProofVerified");
    expect(Number(await w.settlement.status(built.header))).to.equal(BatchStatus.Final);
  });

  it("two workers share its layers", async () => {
    const [a, b] = [room(), room()];
    const { digest } = await serve(a);
    await Promise.all([pass(a), pass(b)]);
    expect(await pass(b)).to.equal(true);
    expect(await pass(a)).to.equal(false);
    expect(await refusedProofs(platform.settlement, [ledger.find(digest)!])).to.deep.equal([]);
  });

  it("a keeper that dies between its last proof and the receipt finds it again", async () => {
    const proving = room();
    const { digest } = await serve(proving);
    await pass(proving);
    await pass(proving);
    // What the worker does, without what comes after it.
    const queue = openProvingQueue(platform.store, { capacity: 256, maxAttempts: 3, leaseMs: 60_000, backoffMs: 1 });
    const prepare = proofPreparation({ ledger, models: loaded.proving, scratch, context: (r) => w.settlement.proofContext(r, terms(node).payout) });
    await proveNext({ queue, prover: wasmProver(), now: () => platform.clock.now(), prepare, encode: encodeProven, limits: LIMITS, heartbeatMs: 1_000 });
    expect(ledger.find(digest)!.proof).to.equal(undefined);
    expect(await pass(room())).to.equal(false);
    expect(await refusedProofs(platform.settlement, [ledger.find(digest)!])).to.deep.equal([]);
  });

  it("one layer that cannot be proved sets the receipt aside, and says which code; the next receipt is proved", async () => {
    const chain = loaded.proving.get(modelId) as ProvingChain;
    // The middle layer's registered key is another layer's.
    const broken = new Map([[modelId, { layers: chain.layers.map((layer, k) => (k === 1 ? { ...layer, key: chain.layers[0]!.key } : layer)) }]]);
    const proving = room(broken);
    const { digest } = await serve(proving);
    while (await pass(proving));
    expect([ledger.find(digest)!.proofError, ledger.find(digest)!.proof]).to.deep.equal(["proving.invalid_proof", undefined]);
    const next = await serve();
    while (await pass(room()));
    expect(ledger.find(next.digest)!.proof).to.not.equal(undefined);
  });

  it("refuses to serve a folder whose keys are not the chain that the registry names", async () => {
    const list = join(folder, "other.json");
    const file = JSON.parse(readFileSync(join(folder, "chain.json"), "utf8")) as { layers: object[] };
    const write = (content: object) => writeFileSync(join(folder, "chain.json"), JSON.stringify(content));
    const { bytes } = await integerPublication(folder);
    writeFileSync(list, JSON.stringify({ models: [{ modelId, price: { perRequest: "1" }, circuit: folder }] }));
    const load = () => loadModels(list, platform.settlement, { read: () => Promise.resolve(bytes) } as never, {} as never).then(() => "loaded", (error: { code: string }) => error.code);
    for (const [content, outcome] of [
      [{ ...file, layers: [...file.layers].reverse() }, "models.key"],
      [{ format: 1, layers: [{ folder: ".." }, { folder: "layer-0" }] }, "CHAIN_FILE"],
      [{ format: 2, layers: file.layers }, "CHAIN_FILE"],
      [file, "loaded"],
    ] as const) {
      write(content);
      expect(await load()).to.equal(outcome);
    }
  });

  it("the command line proves and checks it as well, and names its key", async () => {
    const lines: string[] = [];
    const { vkHashes } = await proveLayers(folder, join(folder, "input.json"), { ctx: "7", salt: "9" }, (line) => lines.push(line));
    expect(chainHash(vkHashes as Hex[])).to.equal((await modelById(chainAccess("settlement", server.url, { chainId: w.chainId, contracts: w.addresses as never }), modelId)).vkHash);
    expect(await verifyLayers(folder, join(folder, "proof.json"), (line) => lines.push(line))).to.equal(true);
    expect(lines).to.include("valid");
    await explainLayers(join(folder, "model.onnx"), { layers: String(LAYERS), outputBits: "16" }, (line) => lines.push(line));
    expect(lines.filter((line) => /^layer \d: \d+ values in, \d+ out$/.test(line))).to.have.length(LAYERS);
  });
});
