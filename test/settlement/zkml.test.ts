import { expect } from "chai";
import { encodeProof } from "../../circuits/setup/encode.ts";
import { BatchStatus, Outcome, Role, type Terms, termsHash } from "../../sdk/protocol/index.ts";
import { closeSnarkjs, proveTiny, tiny } from "../circuits/setup/tools.ts";
import { type World, ZERO, bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { build, receipt, settlementOf, terms } from "./builder.ts";

const NOBODY = "0x0000000000000000000000000000000000000000";

describe("models, routes and proofs", () => {
  let w: World;
  let circuit: Awaited<ReturnType<typeof tiny>>;
  let node: Awaited<ReturnType<World["addNode"]>>;
  before(async () => {
    w = await settlementWorld();
    circuit = await tiny();
    const keys = await w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys);
    await keys.getFunction("register")(circuit.files.keyBytes);
    node = await w.addNode(Role.Inference);
  });
  after(closeSnarkjs);

  const version = (change: Record<string, unknown> = {}) => ({
    name: "credit", version: "1.0.0", programHash: bytes32("program"), kind: 2, blobId: bytes32("blob"), contentHash: bytes32("content"),
    manifestHash: bytes32("manifest"), circuitHash: ZERO, weightsHash: ZERO, methods: 0b11110, vkHash: circuit.files.manifest.vkHash as string, royaltyTo: NOBODY, royaltyBps: 0, licence: "MIT", ...change,
  });
  const publish = async (change: Record<string, unknown> = {}) => {
    const model = version(change);
    const modelId = await w.models.modelIdOf(w.admin.address, model);
    await w.models.publishModel(model);
    return modelId as `0x${string}`;
  };

  it("R8 one id, one content; a version cannot be published twice and has its route for ever", async () => {
    const modelId = await publish();
    await expect(w.models.publishModel(version())).to.be.revertedWithCustomError(w.models, "ModelRegistryExists").withArgs(modelId);
    const ids = new Set<string>([modelId]);
    for (const [field, value] of Object.entries({
      name: "x", version: "2", programHash: bytes32("x"), blobId: bytes32("x"), contentHash: bytes32("x"), manifestHash: bytes32("x"), methods: 0b00100, licence: "x",
    })) ids.add(await w.models.modelIdOf(w.admin.address, version({ [field]: value })));
    expect(ids.size).to.equal(9);
    expect((await w.models.model(modelId)).contentHash).to.equal(bytes32("content"));
    expect((await w.router.route(modelId)).setupLevel).to.equal(0n);
    const next = await publish({ version: "1.1.0" });
    const [series] = await w.models.versions(await w.models.seriesIdOf(w.admin.address, "credit"), 0, 10);
    expect([...series]).to.deep.equal([modelId, next]);
    await w.models.deprecate(modelId, next);
    expect(await w.models.successor(modelId)).to.equal(next);
    await expect(w.models.connect(w.relayer).deprecate(next, ZERO)).to.be.revertedWithCustomError(w.models, "ModelRegistryNotPublisher");
  });

  it("a registry without keys or fold cannot be deployed", async () => {
    for (const [args, field] of [[[NOBODY, w.addresses.Groth16Fold], "keys"], [[w.addresses.Groth16Keys, NOBODY], "fold"]] as const) {
      await expect(w.ethers.deployContract("ModelRegistry", [...args])).to.be.revertedWithCustomError(w.models, "ModelRegistryBadParams").withArgs(field);
    }
  });

  const bad: [string, Record<string, unknown>, string][] = [
    ["a float program with proofs", { kind: 1 }, "ModelRegistryBadParams"], ["proofs without a key", { vkHash: ZERO }, "ModelRegistryBadParams"],
    ["an unregistered key", { vkHash: bytes32("x") }, "ModelRegistryUnknownKey"], ["a royalty above 30 %", { royaltyBps: 3_001, royaltyTo: "0x1111111111111111111111111111111111111111" }, "ModelRegistryRoyalty"],
    ["a royalty to nobody", { royaltyBps: 1 }, "ModelRegistryBadParams"], ["no methods", { methods: 0 }, "ModelRegistryBadParams"],
    ["unknown methods", { methods: 64 }, "ModelRegistryBadParams"], ["no name", { name: "" }, "ModelRegistryBadParams"], ["no licence", { licence: "" }, "ModelRegistryBadParams"],
  ];
  for (const [title, change, error] of bad) {
    it(`${title}: refused by name`, async () => {
      await expect(w.models.publishModel(version(change))).to.be.revertedWithCustomError(w.models, error);
    });
  }

  /** A receipt under these terms with its proof: signed first, then proved. */
  async function proved(modelId: `0x${string}`, t: Terms, payment: string) {
    const r = receipt(node, await w.now(), { modelId, termsHash: termsHash(t), paymentId: bytes32(payment) });
    const built = await build(w, node, [r]);
    const context = await w.settlement.proofContext(r, t.payout);
    const { proof, inputs } = await proveTiny(circuit.files.zkey, context, 7n, 5n);
    return { built, proof: encodeProof(proof), inputs };
  }

  for (const [verification, name] of [[2, "ZKML"], [3, "TEE and ZKML"]] as const) {
    it(`${name}: the proof is bound to the receipt, final at once`, async () => {
      const modelId = await publish({ name });
      const t = terms(node, { verification });
      const { built, proof, inputs } = await proved(modelId, t, name);
      const call = (publicInputs: bigint[], bytes: string) => w.settlement.settle(settlementOf(built, [t], { 0: { proof: bytes as `0x${string}`, publicInputs } }));
      await expect(call([inputs[0]! + 1n, inputs[1]!, inputs[2]!], proof)).to.be.revertedWithCustomError(w.settlement, "SettlementProofContext");
      await expect(call([inputs[0]!, inputs[1]! + 1n, inputs[2]!], proof)).to.be.revertedWithCustomError(w.settlement, "SettlementProofInvalid");
      await expect(call(inputs.slice(0, 2), proof)).to.revert(w.ethers);
      await expect(call(inputs, proof)).to.emit(w.settlement, "ProofVerified");
      expect(Number(await w.settlement.status(built.header))).to.equal(BatchStatus.Final);
    });
  }

  it("an error needs no proof, a free answer does", async () => {
    const t = terms(node, { verification: 2 });
    const base = { modelId: await publish({ name: "free of charge" }), termsHash: termsHash(t), charge: 0n };
    const settle = async (payment: string, outcome: number) => {
      const built = await build(w, node, [receipt(node, await w.now(), { ...base, paymentId: bytes32(payment), outcome })]);
      return w.settlement.settle(settlementOf(built, [t]));
    };
    await expect(settle("free", Outcome.Complete)).to.be.revertedWithCustomError(w.settlement, "SettlementProofMissing");
    await expect(settle("failed", Outcome.Error)).to.emit(w.settlement, "StretchSettled");
  });

  it("a guardian's freeze stops one model's proofs for 7 days and no other's, and cannot be repeated at once", async () => {
    const [frozen, free] = [await publish({ name: "frozen" }), await publish({ name: "free" })];
    const { inputs, proof } = await proved(frozen, terms(node, { verification: 2 }), "frozen");
    await w.router.freeze(frozen);
    await expect(w.router.verify(frozen, proof, inputs)).to.be.revertedWithCustomError(w.router, "VerifierRouterFrozen");
    expect(await w.router.verify(free, proof, inputs)).to.equal(true);
    await expect(w.router.freeze(frozen)).to.be.revertedWithCustomError(w.router, "VerifierRouterFreezeTooSoon");
    await expect(w.router.connect(w.relayer).freeze(free)).to.be.revertedWithCustomError(w.router, "AccessManagedUnauthorized");
    await w.networkHelpers.time.increase(7 * 86_400 + 1);
    expect(await w.router.verify(frozen, proof, inputs)).to.equal(true);
    await expect(w.router.freeze(frozen)).to.be.revertedWithCustomError(w.router, "VerifierRouterFreezeTooSoon");
    await expect(w.router.verify(bytes32("unknown"), proof, inputs)).to.be.revertedWithCustomError(w.router, "VerifierRouterNoVerifier");
  });
});
