import { expect } from "chai";
import { type Hex, keccak256 } from "viem";

import { makeDevelopmentKey } from "../../circuits/setup/development.ts";
import { encodeKey, encodeProof } from "../../circuits/setup/encode.ts";
import { R } from "../../circuits/setup/field.ts";
import { readVerifyingKey } from "../../circuits/setup/zkey.ts";
import { type ProvedRequest, requestContext, requestIdOf, requestStatement } from "../../sdk/protocol/index.ts";
import { CACHE, closeSnarkjs, compile, proveTiny } from "../circuits/setup/tools.ts";
import { ZERO, bytes32 } from "../utils/settlement-world.ts";
import { negated, rerandomise, withWords, words as wordsOf } from "./groth16/tools.ts";
import { type ProofWorld, proofWorld, NOBODY, MAX_NUMBER } from "./proof-world.ts";

describe("ProofSettlement", () => {
  let w: ProofWorld["w"];
  let zkey: ProofWorld["zkey"];
  let modelId: ProofWorld["modelId"];
  let terms: ProofWorld["terms"];
  let publish: ProofWorld["publish"];
  let place: ProofWorld["place"];
  let fresh: ProofWorld["fresh"];
  let prove: ProofWorld["prove"];
  let settle: ProofWorld["settle"];
  let settleBatch: ProofWorld["settleBatch"];
  let refused: ProofWorld["refused"];
  let groth16: ProofWorld["groth16"];
  let isSettled: ProofWorld["isSettled"];
  before(async () => {
    ({ w, zkey, modelId, terms, publish, place, fresh, prove, settle, settleBatch, refused, groth16, isSettled } = await proofWorld());
  });
  after(closeSnarkjs);

  it("contexts and statements are those of the SDK", async () => {
    for (const number of [0n, 1n, 255n, 256n, MAX_NUMBER]) {
      expect(await w.proofs.contextOf(w.admin.address, { ...terms, number })).to.equal(requestContext(place(), { ...terms, number }));
      expect(await w.proofs.requestIdOf(w.admin.address, number)).to.equal(requestIdOf(place().asker, number));
    }
    expect(() => requestIdOf(place().asker, MAX_NUMBER + 1n)).to.throw(RangeError, "below 2^96");
  });

  describe("one proof", () => {
    it("S5 settles once: the event tells everything, the caller learns the statement, the request's bit is set", async () => {
      const proved = await prove(fresh());
      expect(await w.proofs.settle.staticCall({ ...terms, number: proved.number }, proved.proof, [...proved.words])).to.equal(requestStatement(place(), { ...terms, number: proved.number }, proved.words));
      await expect(settle(proved)).to.emit(w.proofs, "ProofSettled")
        .withArgs(requestIdOf(place().asker, proved.number), modelId, terms.beneficiary, terms.deadline, [...proved.words]);
      expect(await isSettled(proved.number)).to.equal(true);
      expect(await w.proofs.settledBits(w.admin.address, 0)).to.equal(1n << proved.number);
    });

    it("S5 replay by the request, never by proof bytes: the same call, a re-randomised proof and another answer are all refused", async () => {
      const proved = await prove(fresh());
      await settle(proved);
      const id = requestIdOf(place().asker, proved.number);
      const replayed = (again: ProvedRequest) => expect(settle(again)).to.be.revertedWithCustomError(w.proofs, "ProofSettlementReplayed").withArgs(id);
      await replayed(proved);
      const other = { ...proved, proof: rerandomise(proved.proof, 12_345n) };
      // It is a proof: the verifier alone would take it.
      expect(await (await groth16()).verify(other.proof, [requestContext(place(), { ...terms, number: proved.number }), ...proved.words])).to.equal(true);
      await replayed(other);
      await replayed(await prove(proved.number, terms, 9n, 4n));
      // Nor under other terms, with a good proof for them.
      const late = { ...terms, deadline: terms.deadline + 1n };
      await refused(w.proofs.settle({ ...late, number: proved.number }, (await prove(proved.number, late)).proof, [...proved.words]), "ProofSettlementReplayed");
    });

    it("proves for one caller, number, model, beneficiary and deadline, and for its words in their order", async () => {
      const proved = await prove(fresh());
      const other = await publish("another version under the same key");
      for (const change of [{ modelId: other }, { beneficiary: w.admin.address as Hex }, { deadline: terms.deadline + 1n }, { number: proved.number + 1_000n }]) {
        await refused(settle(proved, change), "ProofSettlementInvalid");
      }
      await refused(w.proofs.connect(w.relayer).settle({ ...terms, number: proved.number }, proved.proof, [...proved.words]), "ProofSettlementInvalid");
      const [input, output] = proved.words as [bigint, bigint];
      for (const words of [[output, input], [input + 1n, output], [input, output + 1n], [input, 0n]]) await refused(settle({ ...proved, words }), "ProofSettlementInvalid");
      const twin = await w.ethers.deployContract("ProofSettlement", [w.addresses.VerifierRouter]);
      await refused(twin.settle({ ...terms, number: proved.number }, proved.proof, [...proved.words]), "ProofSettlementInvalid", twin);
      // Nothing of this used the number up, for nobody.
      expect(await isSettled(proved.number)).to.equal(false);
      expect(await isSettled(proved.number, w.relayer.address)).to.equal(false);
      await settle(proved);
    });

    it("a deadline is inclusive and then over", async () => {
      const now = await w.now();
      const soon = { ...terms, deadline: now + 100n };
      const [first, second] = [await prove(fresh(), soon), await prove(fresh(), soon)];
      await w.networkHelpers.time.setNextBlockTimestamp(soon.deadline);
      await settle(first, { deadline: soon.deadline });
      await w.networkHelpers.time.setNextBlockTimestamp(soon.deadline + 1n);
      await expect(settle(second, { deadline: soon.deadline })).to.be.revertedWithCustomError(w.proofs, "ProofSettlementExpired").withArgs(soon.deadline, soon.deadline + 1n);
      await refused(settleBatch([second], soon), "ProofSettlementExpired");
    });

    it("S5 X7 public inputs past the field, too few, too many, and bytes that are no proof: refused by name", async () => {
      const proved = await prove(fresh());
      const [input, output] = proved.words as [bigint, bigint];
      const verifier = await groth16();
      await expect(settle({ ...proved, words: [input + R, output] })).to.be.revertedWithCustomError(verifier, "Groth16InputNotInField").withArgs(1, input + R);
      await expect(settle({ ...proved, words: [input, R] })).to.be.revertedWithCustomError(verifier, "Groth16InputNotInField").withArgs(2, R);
      await expect(settle({ ...proved, words: [input] })).to.be.revertedWithCustomError(verifier, "Groth16InputCount").withArgs(2, 3);
      await expect(settle({ ...proved, words: [] })).to.be.revertedWithCustomError(verifier, "Groth16InputCount").withArgs(1, 3);
      await expect(settle({ ...proved, words: [input, output, 0n] })).to.be.revertedWithCustomError(verifier, "Groth16InputCount").withArgs(4, 3);
      for (const proof of ["0x", proved.proof.slice(0, -2), `${proved.proof}00`]) {
        await refused(settle({ ...proved, proof: proof as Hex }), "Groth16ProofLength", verifier);
      }
      await refused(settle({ ...proved, proof: withWords(proved.proof, { 7: negated(wordsOf(proved.proof)[7]!) }) }), "ProofSettlementInvalid");
    });

    it("S12 X4 versions keep their verifier: an old one settles after new ones came, unknown ones and those without proofs do not", async () => {
      const proved = await prove(fresh());
      await w.models.deprecate(modelId, await publish("credit", { version: "2" }));
      await settle(proved);
      const vanilla = await publish("no proofs", { methods: 0b10000, vkHash: ZERO });
      for (const none of [bytes32("unknown"), vanilla]) {
        const of = { ...terms, modelId: none };
        await refused(settle(await prove(fresh(), of), of), "VerifierRouterNoVerifier", w.router);
        await refused(settleBatch([await prove(fresh(), of)], of), "VerifierRouterNoVerifier", w.router);
      }
    });

    it("a frozen version settles nothing, another under the same key does, and after the freeze the first does again", async () => {
      const [cold, warm] = [{ ...terms, modelId: await publish("cold") }, { ...terms, modelId: await publish("warm") }];
      const [first, second] = [await prove(fresh(), cold), await prove(fresh(), warm)];
      await w.router.freeze(cold.modelId);
      await refused(settle(first, cold), "VerifierRouterFrozen", w.router);
      await refused(settleBatch([first], cold), "VerifierRouterFrozen", w.router);
      await settle(second, warm);
      await w.router.unfreeze(cold.modelId);
      await settle(first, cold);
    });

    it("keeps an answer for whoever asks later", async () => {
      const [kept, passing] = [await prove(fresh()), await prove(fresh())];
      await w.proofs.settleAndKeep({ ...terms, number: kept.number }, kept.proof, [...kept.words]);
      await settle(passing);
      const ask = (proved: ProvedRequest, change: object = {}, asker = w.admin.address) => w.proofs.answers(asker, { ...terms, number: proved.number, ...change }, [...proved.words]);
      expect(await ask(kept)).to.equal(true);
      expect(await ask(passing)).to.equal(false);
      for (const change of [{ modelId: bytes32("x") }, { beneficiary: NOBODY }, { deadline: 1n }]) expect(await ask(kept, change)).to.equal(false);
      expect(await ask(kept, {}, w.relayer.address)).to.equal(false);
      expect(await ask({ ...kept, words: [kept.words[0]!, kept.words[1]! + 1n] })).to.equal(false);
      await refused(w.proofs.settleAndKeep({ ...terms, number: kept.number }, kept.proof, [...kept.words]), "ProofSettlementReplayed");
    });
  });

  it("a contract asks, whoever proves is paid in the same transaction, and a copied call is worth nothing", async () => {
    // out of the test circuit is a product; its "lanes": all bits from bit 8 on.
    const consumer = await w.ethers.deployContract("ProofConsumer", [w.addresses.ProofSettlement, modelId, 8, 240, -3n]);
    const asker = (await consumer.getAddress()) as Hex;
    const deadline = (await w.now()) + 3_600n;
    await consumer.ask(272n, deadline, { value: 1_000n });
    await consumer.ask(48n, deadline, { value: 1_000n });
    const made = await proveTiny(zkey, requestContext({ ...place(), asker }, { number: 0n, modelId, beneficiary: w.relayer.address as Hex, deadline }), 144n, 128n);
    const answer = (sender: typeof w.relayer, output: bigint) => consumer.connect(sender).getFunction("answer")(0, output, encodeProof(made.proof));
    await refused(answer(w.admin, made.inputs[2]!), "ProofSettlementInvalid");
    await refused(answer(w.relayer, made.inputs[2]! + 256n), "ProofSettlementInvalid");
    await expect(answer(w.relayer, made.inputs[2]!)).to.changeEtherBalance(w.ethers, w.relayer, 1_000n);
    expect((await consumer.questions(0)).answer).to.equal(((144n * 128n) >> 8n) - 3n);
    await refused(answer(w.relayer, made.inputs[2]!), "ProofSettlementReplayed");
    // A status that is not zero: the consumer decides, and takes the settlement back.
    const unsure = await proveTiny(zkey, requestContext({ ...place(), asker }, { number: 1n, modelId, beneficiary: w.relayer.address as Hex, deadline }), 47n, 1n);
    await refused(consumer.connect(w.relayer).getFunction("answer")(1, unsure.inputs[2]!, encodeProof(unsure.proof)), "ProofConsumerStatus", consumer);
    expect(await isSettled(1n, asker)).to.equal(false);
  });

  it("a development key is refused off local chains, whatever the registry was told", async () => {
    const { ethers, networkHelpers } = await (await import("hardhat")).network.create({ network: "default", override: { chainId: 8453 } });
    const path = `${CACHE}/tiny8-elsewhere.zkey`;
    await makeDevelopmentKey(compile("tiny8"), path, { tau: 21n, alpha: 22n, beta: 23n, gamma: 1n, delta: 24n });
    const keyBytes = encodeKey(readVerifyingKey(path));
    const hash = keccak256(keyBytes);
    const [admin] = await ethers.getSigners();
    const authority = await ethers.deployContract("TestAccessManager", [admin!.address]);
    const keys = await ethers.deployContract("Groth16Keys", [authority]);
    const fold = await ethers.deployContract("Groth16Fold", [authority, keys, 1_000n, 3_600]);
    const models = await ethers.deployContract("ModelRegistry", [keys, fold]);
    const router = await ethers.deployContract("VerifierRouter", [authority, models]);
    const proofs = await ethers.deployContract("ProofSettlement", [router]);
    await keys.register(keyBytes);
    const publishHere = async (version: string) => {
      const model = {
        name: "x", version, programHash: bytes32("program"), kind: 2, blobId: ZERO, contentHash: bytes32("content"), manifestHash: ZERO, circuitHash: ZERO, weightsHash: ZERO, methods: 0b00100, vkHash: hash, royaltyTo: NOBODY, royaltyBps: 0, licence: "MIT",
      };
      await models.publishModel(model);
      return (await models.modelIdOf(admin!.address, model)) as Hex;
    };
    const attempt = async (id: Hex, number: bigint) => {
      const of = { modelId: id, beneficiary: admin!.address as Hex, deadline: 1n << 40n };
      const context = requestContext({ chainId: 8453, settlement: (await proofs.getAddress()) as Hex, asker: admin!.address as Hex }, { ...of, number });
      const { proof, inputs } = await proveTiny(path, context, 7n, 5n);
      return proofs.settle({ ...of, number }, encodeProof(proof), inputs.slice(1));
    };
    await attempt(await publishHere("1"), 0n);
    // No call can say this of a key on such a chain: written into the registry's storage, mapping 1, behind the verifier's 160 bits.
    const slot = ethers.keccak256(ethers.AbiCoder.defaultAbiCoder().encode(["bytes32", "uint256"], [hash, 1]));
    const before = BigInt(await ethers.provider.getStorage(keys, slot));
    await networkHelpers.setStorageAt(await keys.getAddress(), slot, before | (1n << 160n));
    expect(await keys.setupLevel(hash)).to.equal(0n);
    const development = await publishHere("2");
    await expect(attempt(development, 1n)).to.be.revertedWithCustomError(router, "VerifierRouterDevelopmentKey").withArgs(development, 8453);
  });
});
