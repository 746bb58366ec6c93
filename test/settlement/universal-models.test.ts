import { bn254 } from "@noble/curves/bn254.js";
import { expect } from "chai";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Hex, createWalletClient, http, keccak256, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { WEIGHT_LANES, calculateWitness, compileModel, foldedKey, loadModel, quantizeInput, writeArtifacts } from "../../circuits/compiler/index.ts";
import { mlp } from "../../circuits/models/zoo.ts";
import { makeDevelopmentKey } from "../../circuits/setup/development.ts";
import { encodeKey, word } from "../../circuits/setup/encode.ts";
import { planFold } from "../../circuits/setup/fold.ts";
import { planClaim } from "../../circuits/setup/fold-claim.ts";
import { writeWitness } from "../../circuits/setup/witness.ts";
import { type VerifyingKey, readVerifyingKey } from "../../circuits/setup/zkey.ts";
import { wasmProver } from "../../keepers/proving/provers.ts";
import { foldOf } from "../../sdk/models/fold.ts";
import { integerPublication } from "../../sdk/models/integer.ts";
import { verifyPackage } from "../../sdk/models/manifest.ts";
import { publishModel } from "../../sdk/models/publish.ts";
import { modelById } from "../../sdk/network/models.ts";
import { chainAccess } from "../../sdk/network/network.ts";
import { Verification, requestContext } from "../../sdk/protocol/index.ts";
import { CACHE, closeSnarkjs } from "../circuits/setup/tools.ts";
import { type RpcServer, rpcServer } from "../utils/rpc-server.ts";
import { type World, ZERO, bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { LIMITS } from "../utils/limits.ts";

const X = [0.5, -0.25, 0.75, -1, 0.1, 0.9];
const TRANSCRIPT = bytes32("transcript");
const publisher = privateKeyToAccount(keccak256(toHex("universal publisher")));

/** Architectures whose weights are public inputs: what the registry takes as a model of theirs. */
describe("universal circuits and the model registry", () => {
  const folder = `${CACHE}/universal-registry`;
  const secrets = { tau: 61n, alpha: 62n, beta: 63n, gamma: 1n, delta: 64n };
  let w: World;
  let server: RpcServer;
  let settlement: ReturnType<typeof chainAccess>;
  let key: VerifyingKey;
  const folders = { public: join(folder, "public"), committed: join(folder, "committed") };
  before(async () => {
    w = await settlementWorld();
    server = await rpcServer((method, params) => w.ethers.provider.send(method, params));
    settlement = chainAccess("settlement", server.url, { chainId: w.chainId, contracts: w.addresses as never });
    await w.networkHelpers.setBalance(publisher.address, 10n ** 20n);
    rmSync(folder, { recursive: true, force: true });
    for (const [mode, to] of Object.entries(folders) as ["public" | "committed", string][]) {
      for (const [seed, name] of [[3, ""], [40, "other"]] as const) {
        mkdirSync(join(to, name), { recursive: true });
        await writeArtifacts(compileModel(mlp([6, 7, 3], seed), { weights: mode }), join(to, name));
      }
      await makeDevelopmentKey(join(to, "model.r1cs"), join(to, "proving.zkey"), mode === "public" ? secrets : { ...secrets, delta: 65n });
      writeFileSync(join(to, "verifying-key.json"), "{}");
    }
    key = readVerifyingKey(join(folders.public, "proving.zkey"));
  });
  after(async () => {
    await server.close();
    await closeSnarkjs();
  });

  const keys = () => w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys);
  const fold = () => w.ethers.getContractAt("Groth16Fold", w.addresses.Groth16Fold);
  const register = async (bytes: Hex) => {
    if ((await (await keys()).verifierOf(keccak256(bytes))) === `0x${"00".repeat(20)}`) await (await keys()).register(bytes);
    return keccak256(bytes);
  };
  const version = (vkHash: Hex, change: Record<string, unknown> = {}) => ({
    name: "m", version: "1", programHash: bytes32("program"), kind: 2, blobId: ZERO, contentHash: bytes32("content"), manifestHash: ZERO, circuitHash: ZERO, weightsHash: ZERO,
    methods: 0b00100, vkHash, royaltyTo: "0x0000000000000000000000000000000000000000", royaltyBps: 0, licence: "MIT", ...change,
  });
  const publish = (vkHash: Hex, change: Record<string, unknown> = {}) => w.models.publishModel(version(vkHash, change) as never);
  const refused = (call: Promise<unknown>, error: string) => expect(call).to.be.revertedWithCustomError(w.models, error);

  const blobs = { storeAndReadBack: (bytes: Uint8Array) => Promise.resolve({ blobId: keccak256(bytes) }) };
  const wallet = () => createWalletClient({ chain: settlement.chain, transport: http(server.url), account: publisher });
  async function publishFolder(directory: string, weights?: string) {
    const source = await integerPublication(directory, weights);
    const published = await publishModel(settlement, wallet(), publisher, blobs, { ...source, name: directory, version: weights ?? "own", methods: [Verification.Zkml], licence: "MIT" });
    return { ...published, bytes: source.bytes };
  }

  /** A proof of this model for a request of the admin's, through ProofSettlement. */
  async function settle(directory: string, modelId: Hex, number: bigint, weights?: string) {
    const model = await loadModel(directory, weights);
    const request = { number, modelId, beneficiary: publisher.address, deadline: (await w.now()) + 3_600n };
    const context = requestContext({ chainId: w.chainId, settlement: w.addresses.ProofSettlement, asker: w.admin.address as Hex }, request);
    const witness = calculateWitness(model, model.sym, quantizeInput(model, { x: X }).values, context);
    const path = join(folder, "witness.wtns");
    writeWitness(path, witness.values);
    const zkey = join(directory, "proving.zkey");
    const { proof } = await wasmProver().prove({ zkey, witness: path, key: foldedKey(readVerifyingKey(zkey), model), publicInputs: witness.publicInputs, folded: witness.folded }, LIMITS);
    return w.proofs.settle(request, proof, [...witness.publicInputs.slice(1)]);
  }

  for (const mode of ["public", "committed"] as const) {
    it(`${mode} weights: publishing folds them into the key, the version names circuit and weights, and proofs settle`, async () => {
      const directory = folders[mode];
      const first = await publishFolder(directory);
      const info = await modelById(settlement, first.modelId);
      const model = await loadModel(directory);
      const { circuitHash, weightsHash, vkHash } = foldOf(model, readVerifyingKey(join(directory, "proving.zkey")))!;
      expect([info.circuitHash, info.weightsHash, info.vkHash]).to.deep.equal([circuitHash, weightsHash, vkHash]);
      expect(await (await fold()).isFolded(vkHash, circuitHash, weightsHash)).to.equal(true);
      // What is there is not sent again.
      expect((await publishFolder(directory)).transactions).to.have.length(0);
      const second = await publishFolder(directory, join(directory, "other", "weights.json"));
      await expect(settle(directory, first.modelId, mode === "public" ? 0n : 10n)).to.emit(w.proofs, "ProofSettled");
      // A proof of the retrained model, for the first one's version: the key knows its weights.
      await expect(settle(directory, first.modelId, mode === "public" ? 1n : 11n, join(directory, "other", "weights.json"))).to.be.revertedWithCustomError(w.proofs, "ProofSettlementInvalid");
      await expect(settle(directory, second.modelId, mode === "public" ? 2n : 12n, join(directory, "other", "weights.json"))).to.emit(w.proofs, "ProofSettled");
      const hashes = { ...info, kind: "int" } as const;
      expect(verifyPackage(first.bytes, hashes).filter(({ ok }) => !ok)).to.deep.equal([]);
      expect(verifyPackage(first.bytes, { ...hashes, circuitHash: ZERO }).filter(({ ok }) => !ok).map(({ name }) => name)).to.deep.equal(["fold"]);
    });
  }

  it("a fold that broke off is continued where it stands", async () => {
    // Another key of the circuit: nothing of it is on chain yet.
    const directory = join(folder, "again");
    mkdirSync(directory, { recursive: true });
    for (const name of ["graph.json", "public.json", "certificate.json", "model.r1cs", "model.sym", "weights.json", "verifying-key.json"]) copyFileSync(join(folders.public, name), join(directory, name));
    await makeDevelopmentKey(join(directory, "model.r1cs"), join(directory, "proving.zkey"), { ...secrets, delta: 66n });
    const made = foldOf(await loadModel(directory), readVerifyingKey(join(directory, "proving.zkey")))!;
    if (made.how.kind !== "weights") throw new Error("public weights");
    const by = (await fold()).connect(await w.ethers.getImpersonatedSigner(publisher.address)) as Awaited<ReturnType<typeof fold>>;
    await by.registerCircuit(made.how.base, made.how.chunkHashes, made.how.weights, WEIGHT_LANES.lanes, WEIGHT_LANES.laneBits);
    await by.fold(made.circuitHash, made.weightsHash, made.how.chunks[0]!.points, made.how.chunks[0]!.weights);
    const { transactions } = await publishFolder(directory);
    // What was left: the other chunks, the end, the version.
    expect(transactions).to.have.length(made.how.chunks.length - 1 + 2);
  });

  it("a point that a stranger names proves anything, so the registry takes no key that was not folded", async () => {
    // IC_0' = -(sum of the other terms) for a statement of choice, and the proof (alpha, beta, infinity).
    const request = { number: 100n, modelId: ZERO as Hex, beneficiary: publisher.address, deadline: (await w.now()) + 86_400n };
    const statement = [requestContext({ chainId: w.chainId, settlement: w.addresses.ProofSettlement, asker: w.admin.address as Hex }, request), 5n, 6n];
    const { Point } = bn254.G1;
    const ic = key.ic.map(([x, y]) => Point.fromAffine({ x, y }));
    const { x, y } = statement.reduce((sum, value, i) => sum.add(ic[1 + i]!.multiply(value)), Point.ZERO).negate().toAffine();
    const forged = encodeKey({ ...key, ic: [[x, y], ...key.ic.slice(1, 4)] });
    const proof = `${forged.slice(0, 2 + 384)}${word(0n)}${word(0n)}`;
    const hash = await register(forged);
    const verifier = await w.ethers.getContractAt("Groth16Verifier", await (await keys()).verifierOf(hash));
    expect(await verifier.verify(proof, statement)).to.equal(true);

    const { circuitHash, weightsHash } = foldOf(await loadModel(folders.public), key)!;
    await expect(publish(hash, { circuitHash, weightsHash })).to.be.revertedWithCustomError(w.models, "ModelRegistryNotFolded").withArgs(hash, circuitHash, weightsHash);
    // Nor the circuit's own key with nothing in it, nor with all weights still open.
    const base = await register(encodeKey({ ...key, ic: key.ic.slice(0, 4) }));
    const whole = await register(encodeKey(key));
    for (const other of [base, whole]) await refused(publish(other, { circuitHash, weightsHash }), "ModelRegistryNotFolded");
    // From the ceremony's attestation on, not even without naming a circuit; nor inside of a chain or behind many items.
    await (await fold()).attestCircuit(circuitHash, TRANSCRIPT);
    const registry = await keys();
    await registry.registerChain([hash, base]);
    await registry.registerMany(hash, 4);
    const encode = (types: string[], values: unknown[]) => w.ethers.keccak256(w.ethers.AbiCoder.defaultAbiCoder().encode(types, values)) as Hex;
    const chain = encode(["bytes32", "bytes32[]"], [await registry.CHAIN_TAG(), [hash, base]]);
    const many = encode(["bytes32", "bytes32", "uint16"], [await registry.MANY_TAG(), hash, 4]);
    for (const other of [hash, base, whole, chain, many]) {
      expect(await (await fold()).isUniversal(other)).to.equal(true);
      await expect(publish(other)).to.be.revertedWithCustomError(w.models, "ModelRegistryUnfolded").withArgs(other);
    }
    await refused(publish(many, { circuitHash, weightsHash }), "ModelRegistryNotFolded");
    // Folded ones go on, by name; a ceremony of its own is untouched.
    const folded = (await modelById(settlement, (await publishFolder(folders.public)).modelId)).vkHash;
    await refused(publish(folded), "ModelRegistryUnfolded");
    await publish(folded, { circuitHash, weightsHash });
    const committed = encodeKey(readVerifyingKey(join(folders.committed, "proving.zkey")));
    expect(await (await fold()).isUniversal(await register(committed))).to.equal(false);
    // Many items in one proof of a folded key: the fold is the circuit key's.
    await registry.registerMany(folded, 4);
    await publish(encode(["bytes32", "bytes32", "uint16"], [await registry.MANY_TAG(), folded, 4]), { circuitHash, weightsHash, version: "many" });
  });

  it("names of other weights, of another circuit, or of half a fold: refused", async () => {
    const { circuitHash, weightsHash, vkHash } = foldOf(await loadModel(folders.public), key)!;
    for (const change of [{ circuitHash: bytes32("x"), weightsHash }, { circuitHash, weightsHash: bytes32("x") }, { circuitHash, weightsHash: ZERO }, { circuitHash: ZERO, weightsHash }]) {
      await refused(publish(vkHash, change), "ModelRegistryNotFolded");
    }
    await expect(publish(ZERO, { methods: 0b10000, circuitHash, weightsHash })).to.be.revertedWithCustomError(w.models, "ModelRegistryBadParams").withArgs("circuitHash");
    expect(await (await keys()).layersOf(vkHash)).to.deep.equal([]);
  });

  it("a claimed fold serves when its window has closed, and not before", async () => {
    const other = await loadModel(folders.public, join(folders.public, "other", "weights.json"));
    const bytes = Int8Array.from(other.weights!.bytes, (weight, i) => (i === 0 ? (weight === 5 ? 6 : 5) : weight));
    const plan = planFold(key, 3, bytes, WEIGHT_LANES);
    const { circuitHash } = foldOf(other, key)!;
    const contract = await fold();
    await contract.postChunks(circuitHash, TRANSCRIPT, planClaim(plan, WEIGHT_LANES), { value: await contract.CLAIM_BOND() });
    await contract.sealClaim(circuitHash, TRANSCRIPT, plan.base);
    // Whoever registers the key in the meantime has a key, and no fold.
    await register(encodeKey(plan.folded));
    const named = { circuitHash, weightsHash: plan.weightsHash, version: "claimed" };
    await refused(publish(plan.vkHash, named), "ModelRegistryNotFolded");
    await w.networkHelpers.time.increase(await contract.CLAIM_WINDOW());
    await contract.finishClaim(circuitHash, w.admin.address, TRANSCRIPT, plan.base);
    await publish(plan.vkHash, named);
  });

  it("level 2 reaches committed weights through the circuit's attestation alone", async () => {
    const [contract, registry] = [await fold(), await keys()];
    const { circuitHash, weightsHash, vkHash } = foldOf(await loadModel(folders.committed), readVerifyingKey(join(folders.committed, "proving.zkey")))!;
    await expect(contract.attestCircuit(bytes32("unknown"), TRANSCRIPT)).to.be.revertedWithCustomError(contract, "Groth16FoldCircuitUnknown");
    await expect(contract.inheritLevel(vkHash, circuitHash, weightsHash)).to.be.revertedWithCustomError(contract, "Groth16FoldNotAttested").withArgs(circuitHash);
    await register(encodeKey(readVerifyingKey(join(folders.committed, "proving.zkey"))));
    await contract.attestCircuit(circuitHash, TRANSCRIPT);
    // The whole key, whose prover chooses the commitment, stays below: it convicts nobody, and no version goes under it.
    expect(await registry.setupLevel(circuitHash)).to.equal(1n);
    await refused(publish(circuitHash), "ModelRegistryUnfolded");
    const manager = await w.ethers.getContractAt("AccessManager", w.addresses.AccessManager);
    await manager.grantRole(0n, w.addresses.Groth16Fold, 0);
    await contract.inheritLevel(vkHash, circuitHash, weightsHash);
    expect(await registry.setupLevel(vkHash)).to.equal(2n);
  });

  it("development keys have no ceremony that could be attested", async () => {
    const [contract, registry] = [await fold(), await keys()];
    const directory = join(folder, "development");
    mkdirSync(directory, { recursive: true });
    const path = join(directory, "proving.zkey");
    await makeDevelopmentKey(join(folders.public, "model.r1cs"), path);
    const made = foldOf(await loadModel(folders.public), readVerifyingKey(path))!;
    if (made.how.kind !== "weights") throw new Error("public weights");
    await contract.registerCircuit(made.how.base, made.how.chunkHashes, made.how.weights, WEIGHT_LANES.lanes, WEIGHT_LANES.laneBits);
    const whole = await register(encodeKey(readVerifyingKey(path)));
    for (const circuit of [made.circuitHash, whole]) {
      await expect(contract.attestCircuit(circuit, TRANSCRIPT)).to.be.revertedWithCustomError(registry, "Groth16KeyNotAttestable").withArgs(circuit, 0);
    }
  });
});
