import { expect } from "chai";
import { type Hex, concatHex, keccak256, numberToHex } from "viem";

import { makeDevelopmentKey } from "../../circuits/setup/development.ts";
import { encodeKey, encodeProof } from "../../circuits/setup/encode.ts";
import { R } from "../../circuits/setup/field.ts";
import { readVerifyingKey } from "../../circuits/setup/zkey.ts";
import { bisect } from "../../keepers/proving/batch.ts";
import { type ProofTerms, type ProvedRequest, provedBatch, requestBatch, requestContext, requestIdOf, requestStatement } from "../../sdk/protocol/index.ts";
import { CACHE, closeSnarkjs, compile, proveTiny, tiny } from "../circuits/setup/tools.ts";
import { type World, ZERO, bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { negated, rerandomise, withWords, words as wordsOf } from "./groth16/tools.ts";

const NOBODY = "0x0000000000000000000000000000000000000000";
const MAX_NUMBER = (1n << 96n) - 1n;

describe("ProofSettlement", () => {
  let w: World;
  let zkey: string;
  let vkHash: Hex;
  let modelId: Hex;
  let terms: ProofTerms;
  let next = 0n;
  before(async () => {
    w = await settlementWorld();
    const circuit = await tiny();
    ({ zkey, manifest: { vkHash } } = circuit.files);
    const keys = await w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys);
    await keys.getFunction("register")(circuit.files.keyBytes);
    modelId = await publish("credit");
    terms = { modelId, beneficiary: w.relayer.address as Hex, deadline: (await w.now()) + 365n * 86_400n };
  });
  after(closeSnarkjs);

  async function publish(name: string, change: Record<string, unknown> = {}): Promise<Hex> {
    const model = {
      name, version: "1", programHash: bytes32("program"), kind: 2, blobId: bytes32("blob"), contentHash: bytes32("content"), manifestHash: bytes32("manifest"), circuitHash: ZERO, weightsHash: ZERO,
      methods: 0b11110, vkHash, royaltyTo: NOBODY, royaltyBps: 0, licence: "MIT", ...change,
    };
    await w.models.publishModel(model);
    return (await w.models.modelIdOf(w.admin.address, model)) as Hex;
  }
  const place = () => ({ chainId: w.chainId, settlement: w.addresses.ProofSettlement, asker: w.admin.address as Hex });
  const fresh = () => next++;
  async function prove(number: bigint, of: ProofTerms = terms, a = 7n, b = 5n): Promise<ProvedRequest> {
    const { proof, inputs } = await proveTiny(zkey, requestContext(place(), { ...of, number }), a, b);
    return { number, proof: encodeProof(proof), words: inputs.slice(1) };
  }
  const settle = ({ number, proof, words }: ProvedRequest, change: Partial<ProofTerms & { number: bigint }> = {}) => w.proofs.settle({ ...terms, number, ...change }, proof, [...words]);
  const settleBatch = (proved: readonly ProvedRequest[], of: ProofTerms = terms) => {
    const { requests, proofs, words } = provedBatch(place(), of, proved);
    return w.proofs.settleBatch(requests, proofs, words);
  };
  const refused = (call: Promise<unknown>, error: string, contract: { interface: unknown } = w.proofs) => expect(call).to.be.revertedWithCustomError(contract as never, error);
  const groth16 = async () => w.ethers.getContractAt("Groth16Verifier", await (await w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys)).verifierOf(vkHash));
  const isSettled = (number: bigint, asker = w.admin.address) => w.proofs.isSettled(asker, number);

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

  describe("a batch", () => {
    const some = async (numbers: readonly bigint[]) => {
      const made: ProvedRequest[] = [];
      for (const number of numbers) made.push(await prove(number, terms, 3n + (number % 200n), 11n));
      return made;
    };

    it("S8 leaves what its singles leave, and one event commits to all statements", async () => {
      const numbers = [1_000n, 1_001n, 1_005n, 1_023n];
      const made = await some(numbers);
      const { order } = requestBatch(place(), terms, made);
      const statements = keccak256(concatHex(order.flatMap((index) => [requestContext(place(), { ...terms, number: numbers[index]! }), ...made[index]!.words].map((value) => numberToHex(value, { size: 32 })))));
      const { requests } = provedBatch(place(), terms, made);
      await expect(settleBatch(made)).to.emit(w.proofs, "ProofsSettled").withArgs(w.admin.address, modelId, terms.beneficiary, terms.deadline, requests.first, requests.offsets, statements);
      const batch = await w.proofs.settledBits(w.admin.address, 1_000 >> 8);
      const singles = await some(numbers.map((number) => number + 1_024n));
      for (const single of singles) await settle(single);
      expect(await w.proofs.settledBits(w.admin.address, 2_024 >> 8)).to.equal(batch);
      expect(batch).to.equal(numbers.reduce((bits, number) => bits | (1n << (number & 255n)), 0n));
    });

    it("crosses a word of the bitmap, and reaches the last number there is", async () => {
      const across = [510n, 511n, 512n, 513n];
      await settleBatch(await some(across));
      for (const number of across) expect(await isSettled(number)).to.equal(true);
      for (const number of [509n, 514n]) expect(await isSettled(number)).to.equal(false);
      await settleBatch(await some([MAX_NUMBER, MAX_NUMBER - 1n]));
      expect(await isSettled(MAX_NUMBER)).to.equal(true);
      // No request of the next address.
      expect(await w.proofs.settledBits(`0x${(BigInt(w.admin.address) + 1n).toString(16).padStart(40, "0")}`, 0)).to.equal(0n);
    });

    it("S5 a request that was settled, or stands twice, fails the whole by name", async () => {
      const made = await some([600n, 601n, 602n]);
      await settle(made[1]!);
      await expect(settleBatch(made)).to.be.revertedWithCustomError(w.proofs, "ProofSettlementReplayed").withArgs(requestIdOf(place().asker, 601n));
      expect(await isSettled(600n)).to.equal(false);
      // Two answers to one request: different statements, so only the number tells.
      const [one, two] = [await prove(610n, terms, 8n, 9n), await prove(610n, terms, 9n, 10n)];
      const sorted = [one, two].sort((x, y) => (requestStatement(place(), { ...terms, number: 610n }, x.words) < requestStatement(place(), { ...terms, number: 610n }, y.words) ? -1 : 1));
      const call = (first: bigint, offsets: Hex, batch: readonly ProvedRequest[]) =>
        w.proofs.settleBatch({ ...terms, first, offsets }, concatHex(batch.map(({ proof }) => proof)), batch.flatMap(({ words }) => [...words]));
      await expect(call(610n, "0x0000", sorted)).to.be.revertedWithCustomError(w.proofs, "ProofSettlementReplayed").withArgs(requestIdOf(place().asker, 610n));
      await expect(call(511n, "0x6363", sorted)).to.be.revertedWithCustomError(w.proofs, "ProofSettlementReplayed").withArgs(requestIdOf(place().asker, 610n));
      expect(() => requestBatch(place(), terms, [one, two])).to.throw(RangeError, "stands twice");
      // The same request twice with the same answer: the statement repeats, too.
      await refused(call(610n, "0x0000", [one, one]), "ProofSettlementReplayed");
    });

    it("X7 empty batches, words that do not divide, numbers past the end and statements out of order: refused by name", async () => {
      const made = await some([620n, 621n]);
      const { requests, proofs, words } = provedBatch(place(), terms, made);
      await expect(w.proofs.settleBatch({ ...requests, offsets: "0x" }, proofs, words)).to.be.revertedWithCustomError(w.proofs, "ProofSettlementCount").withArgs(0, 4);
      await expect(w.proofs.settleBatch(requests, proofs, words.slice(1))).to.be.revertedWithCustomError(w.proofs, "ProofSettlementCount").withArgs(2, 3);
      await expect(w.proofs.settleBatch({ ...requests, first: MAX_NUMBER - 254n }, proofs, words)).to.be.revertedWithCustomError(w.proofs, "ProofSettlementNumber").withArgs(MAX_NUMBER - 254n);
      await expect(w.proofs.settledBits(w.admin.address, 1n << 88n)).to.be.revertedWithCustomError(w.proofs, "ProofSettlementNumber");
      const verifier = await groth16();
      const reversed = { ...requests, offsets: `0x${requests.offsets.slice(4)}${requests.offsets.slice(2, 4)}` as Hex };
      await expect(w.proofs.settleBatch(reversed, `0x${proofs.slice(514)}${proofs.slice(2, 514)}`, [...words.slice(2), ...words.slice(0, 2)])).to.be.revertedWithCustomError(verifier, "Groth16StatementOrder").withArgs(1);
      await refused(w.proofs.settleBatch(requests, proofs.slice(0, -2), words), "Groth16ProofLength", verifier);
      await refused(w.proofs.settleBatch(requests, proofs.slice(0, 514), words), "Groth16InputCount", verifier);
      expect(() => requestBatch(place(), terms, [])).to.throw(RangeError, "one request");
      expect(() => requestBatch(place(), terms, [{ number: 0n, words: [] }, { number: 256n, words: [] }])).to.throw(RangeError, "too far apart");
      await settleBatch(made);
    });

    it("S9 a bad proof fails the batch and uses nothing up; halves find it, and the rest settles", async () => {
      const made = await some([640n, 641n, 642n, 643n, 644n, 645n]);
      const spoilt = made.map((item, i) => (i === 2 ? { ...item, proof: made[3]!.proof } : i === 5 ? { ...item, proof: withWords(item.proof, { 1: negated(wordsOf(item.proof)[1]!) }) } : item));
      await refused(settleBatch(spoilt), "ProofSettlementInvalid");
      expect(await isSettled(640n)).to.equal(false);
      const accepts = (part: readonly ProvedRequest[]) => {
        const { requests, proofs, words } = provedBatch(place(), terms, part);
        return w.proofs.settleBatch.staticCall(requests, proofs, words).then(() => true, () => false);
      };
      const { good, bad } = await bisect(spoilt, accepts);
      expect(bad.map(({ number }) => number)).to.deep.equal([642n, 645n]);
      await settleBatch(good);
      expect(await isSettled(645n)).to.equal(false);
    });

    it("nobody uses up another's numbers", async () => {
      const made = await some([660n]);
      const { requests, proofs, words } = provedBatch(place(), terms, made);
      await refused(w.proofs.connect(w.relayer).settleBatch(requests, proofs, words), "ProofSettlementInvalid");
      // Own numbers with own proofs: another word of the bitmap.
      const own = { ...place(), asker: w.relayer.address as Hex };
      const { proof, inputs } = await proveTiny(zkey, requestContext(own, { ...terms, number: 660n }), 1n, 2n);
      const batch = provedBatch(own, terms, [{ number: 660n, proof: encodeProof(proof), words: inputs.slice(1) }]);
      await w.proofs.connect(w.relayer).settleBatch(batch.requests, batch.proofs, batch.words);
      expect(await isSettled(660n)).to.equal(false);
      await settleBatch(made);
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
