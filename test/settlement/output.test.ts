import { expect } from "chai";
import type { Hex } from "viem";
import * as snarkjs from "snarkjs";
import { encodeKey, encodeProof, keccak } from "../../circuits/setup/encode.ts";
import { makeDevelopmentKey } from "../../circuits/setup/development.ts";
import { writeWitness } from "../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../circuits/setup/zkey.ts";
import {
  BatchStatus, FaultKind, Finish, ResponseKind, Role, type Terms, canonicalJson, encodeEvidence, faultCommitment, leafCheckDigest, outputContext, positionalTree, receiptDigest, requestHash,
  responseHash, termsHash, wordList,
} from "../../sdk/protocol/index.ts";
import { CACHE, closeSnarkjs, compile } from "../circuits/setup/tools.ts";
import { type World, ZERO, bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { type Built, build, domainOf, line, receipt, terms } from "./builder.ts";
import { certify, membersOf, quorumOf } from "./quorum.ts";

const NOBODY = "0x0000000000000000000000000000000000000000";
const SALT = bytes32("salt of the request");
const NAME = "square";
/** Not the development trapdoor: a key that may be attested. Whose it is makes no difference to the contracts. */
const PARTY = { tau: 21n, alpha: 22n, beta: 23n, gamma: 1n, delta: 24n };

/** An `int` program is asked in words: what it answers wrongly is decided by a proof of what it had to answer. */
describe("FaultCourt, wrong output", () => {
  let w: World;
  let node: Awaited<ReturnType<World["addNode"]>>;
  let zkey: string;
  let vkHash: Hex;
  let modelId: Hex;
  let weak: Hex;

  before(async () => {
    w = await settlementWorld();
    zkey = `${CACHE}/square-party.zkey`;
    await makeDevelopmentKey(compile("square"), zkey, PARTY);
    const key = encodeKey(readVerifyingKey(zkey));
    vkHash = keccak(key);
    const keys = await w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys);
    await keys.getFunction("register")(key);
    modelId = await publish("strong", 2);
    weak = await publish("float", 1, `0x${"00".repeat(32)}`);
  });
  beforeEach(async () => {
    node = await w.addNode(Role.Inference);
  });
  after(closeSnarkjs);

  async function publish(name: string, kind: number, key: Hex = vkHash): Promise<Hex> {
    const model = {
      name, version: "1", programHash: bytes32("program"), kind, blobId: bytes32("blob"), contentHash: bytes32("content"), manifestHash: bytes32("manifest"), circuitHash: ZERO, weightsHash: ZERO,
      methods: kind === 2 ? 0b11110 : 0b10010, vkHash: key, royaltyTo: NOBODY, royaltyBps: 0, licence: "MIT",
    };
    await w.models.publishModel(model);
    return (await w.models.modelIdOf(w.admin.address, model)) as Hex;
  }

  const vanilla = (change: Partial<Terms> = {}) => terms(node, { verification: 4, settlementMode: 2, ...change });
  const answerHash = (word: bigint, finish: number = Finish.Stop) => responseHash(SALT, ResponseKind.Tensors, finish, canonicalJson({ words: wordList([word]) }));

  interface Case {
    question?: bigint;
    answer?: Hex;
    t?: Terms;
    model?: Hex;
    outcome?: number;
    name?: string;
  }

  /** A posted batch of three receipts, of which the second one answers a request in words. */
  async function posted({ question = 12n, answer = answerHash(145n), t = vanilla(), model = modelId, outcome = 1, name = NAME }: Case = {}): Promise<{ built: Built; t: Terms; question: bigint; name: string }> {
    const asked = requestHash(SALT, { model: name, words: wordList([question]) });
    const now = await w.now();
    const others = line(node, now, 3, { termsHash: termsHash(t), modelId: model });
    others[1] = receipt(node, now, { ...others[1]!, requestHash: asked, responseHash: answer, outcome, charge: outcome === 3 ? 0n : 100n });
    if (outcome === 3) others[2] = { ...others[2]!, cumulativeBefore: 100n };
    const built = await build(w, node, others);
    await w.settlement.postBatch(built.header, built.signature, false);
    return { built, t, question, name };
  }

  /** Evidence of the relayer, proved for real. */
  async function evidenceOf({ built, t, question, name }: Awaited<ReturnType<typeof posted>>, change: { reporter?: string; salt?: Hex; inputs?: bigint; name?: string; claimed?: bigint } = {}) {
    const leaf = built.receipts[1]!;
    const context = outputContext(w.chainId, w.addresses.FaultCourt, receiptDigest(leaf, domainOf(w)), (change.reporter ?? w.relayer.address) as Hex);
    const path = `${CACHE}/square-${context}.wtns`;
    writeWitness(path, [1n, context, question, question * question, 0n].map((value, i) => (i === 4 ? (context * context) % FIELD : value)));
    const { proof, publicSignals } = await snarkjs.groth16.prove(zkey, path);
    const publicInputs = publicSignals.map(BigInt);
    if (change.claimed !== undefined) publicInputs[2] = change.claimed;
    return encodeEvidence({
      output: {
        leaf: { receipt: leaf, signature: built.signatures[1]!, index: 1n, path: positionalTree(built.leaves).path(1) }, terms: t, salt: change.salt ?? SALT,
        model: change.name ?? name, inputs: change.inputs ?? 1n, publicInputs, proof: encodeProof({ ...proof }),
      },
    });
  }

  async function prove({ header, hash }: Built, evidence: Hex) {
    const court = w.court.connect(w.relayer);
    await court.commit(faultCommitment(w.relayer.address as Hex, hash, FaultKind.WrongOutput, evidence, SALT));
    return court.prove(header, FaultKind.WrongOutput, evidence, SALT);
  }
  const status = async ({ header }: Built) => Number(await w.settlement.status(header));
  const check = (built: Built, evidence: Hex) => w.court.connect(w.relayer).check(built.header, FaultKind.WrongOutput, evidence);
  const refused = (call: Promise<unknown>, error: string, contract: { interface: unknown } = w.court) => expect(call).to.be.revertedWithCustomError(contract as never, error);

  it("a key below level 2 convicts nobody", async () => {
    const made = await posted();
    await refused(check(made.built, await evidenceOf(made)), "FaultCourtSetupLevel");
  });

  describe("under a key of level 2", () => {
    before(async () => {
      const keys = await w.ethers.getContractAt("Groth16Keys", w.addresses.Groth16Keys);
      await keys.getFunction("attestCeremony")(vkHash, bytes32("transcript"));
    });

    it("a vanilla receipt with a wrong answer: header rejected, lock slashed, reporter paid", async () => {
      const made = await posted();
      const { locked } = await w.registry.bond(node.nodeId);
      const before = await w.registry.reward(w.relayer.address);
      await expect(prove(made.built, await evidenceOf(made))).to.emit(w.court, "FaultProved");
      expect(await status(made.built)).to.equal(BatchStatus.Rejected);
      expect((await w.registry.bond(node.nodeId)).locked).to.equal(0n);
      expect((await w.registry.reward(w.relayer.address)) - before).to.equal((locked * 30n) / 100n);
    });

    it("who checked its leaves keeps its stake: no checker can see whether an output is right", async () => {
      const members = [await w.addNode(Role.Full), await w.addNode(Role.Full)];
      for (const { nodeId } of members) await w.committee.join(nodeId);
      await w.committee.rotate();
      const epoch = await w.committee.currentEpoch();
      const made = await posted();
      await certify(w, made.built, epoch, members);
      const standing = () => Promise.all(members.map(async ({ nodeId }) => (await w.registry.bond(nodeId)).free));
      const before = await standing();
      await prove(made.built, await evidenceOf(made));
      expect(await status(made.built)).to.equal(BatchStatus.Rejected);
      const shown = await quorumOf(w, epoch, leafCheckDigest({ headerHash: made.built.hash, committeeEpoch: epoch }, domainOf(w)), members);
      await refused(w.committee.slashFalseLeafCheck(made.built.header, epoch, await membersOf(w, epoch), shown), "CommitteeStatementTrue", w.committee);
      expect(await standing()).to.deep.equal(before);
    });

    it("a word that another value has beside the right one, and an answer in another form, are wrong, too", async () => {
      const two = responseHash(SALT, ResponseKind.Tensors, Finish.Stop, canonicalJson({ words: wordList([144n, 0n]) }));
      for (const answer of [two, answerHash(144n, Finish.Length), bytes32("no answer")]) {
        node = await w.addNode(Role.Inference);
        const made = await posted({ answer });
        expect(await check(made.built, await evidenceOf(made))).to.equal(true);
      }
    });

    it("S11 the right answer survives", async () => {
      const made = await posted({ answer: answerHash(144n) });
      const evidence = await evidenceOf(made);
      expect(await check(made.built, evidence)).to.equal(false);
      await refused(prove(made.built, evidence), "FaultCourtNoFault");
      expect(await status(made.built)).to.equal(BatchStatus.Posted);
    });

    it("an answer that ended in an error says nothing that could be wrong", async () => {
      const made = await posted({ outcome: 3 });
      expect(await check(made.built, await evidenceOf(made))).to.equal(false);
    });

    it("the proof serves its reporter alone, and its statement cannot be bent", async () => {
      const made = await posted();
      await refused(check(made.built, await evidenceOf(made, { reporter: NOBODY })), "FaultCourtContext");
      await refused(w.court.check(made.built.header, FaultKind.WrongOutput, await evidenceOf(made)), "FaultCourtContext");
      await refused(check(made.built, await evidenceOf(made, { claimed: 146n })), "FaultCourtProofInvalid");
      const verifier = await w.ethers.getContractAt("Groth16Verifier", (await w.router.route(modelId)).verifier);
      await refused(check(made.built, await evidenceOf(made, { claimed: 144n + FIELD })), "Groth16InputNotInField", verifier);
    });

    it("a request that does not open to the proof's words: refused", async () => {
      const made = await posted();
      await refused(check(made.built, await evidenceOf(made, { salt: bytes32("x") })), "FaultCourtRequestMismatch");
      await refused(check(made.built, await evidenceOf(made, { name: "cube" })), "FaultCourtRequestMismatch");
      await refused(check(made.built, await evidenceOf({ ...made, question: 13n })), "FaultCourtRequestMismatch");
      await refused(check(made.built, await evidenceOf(made, { inputs: 0n })), "FaultCourtProofInvalid");
      await refused(check(made.built, await evidenceOf(made, { inputs: 2n })), "FaultCourtProofInvalid");
      await refused(check(made.built, await evidenceOf({ ...made, t: vanilla({ feeBpsCap: 1 }) })), "FaultCourtTermsMismatch");
    });

    it("a name that brings words of its own: refused", async () => {
      const made = await posted();
      for (const name of ['square","words":["0x00"],"x":"', "square\\", "squ\u00e4re", "square\n"]) {
        const evidence = await evidenceOf(made, { name });
        await expect(check(made.built, evidence)).to.be.revertedWithCustomError(w.court, "WordAnswersName").withArgs(name);
      }
    });

    it("a float version has no right output", async () => {
      const made = await posted({ model: weak });
      await refused(check(made.built, await evidenceOf(made)), "FaultCourtNoRightOutput");
    });

    it("a TEE receipt: image or key is broken, so the version is frozen and the header void, and nobody is slashed", async () => {
      const other = await publish("other", 2);
      const made = await posted({ t: vanilla({ verification: 1 }) });
      const before = await w.registry.bond(node.nodeId);
      const evidence = await evidenceOf(made);
      await expect(prove(made.built, evidence)).to.emit(w.router, "ModelContradicted").withArgs(modelId);
      expect(await status(made.built)).to.equal(BatchStatus.RejectedNoFault);
      expect((await w.registry.bond(node.nodeId)).free).to.equal(before.free + before.locked);
      expect((await w.router.frozen(modelId)).until).to.equal((await w.now()) + 7n * 86_400n);
      expect((await w.router.frozen(other)).until).to.equal(0n);
      // What is in doubt convicts nobody.
      node = await w.addNode(Role.Inference);
      const next = await posted();
      await refused(check(next.built, await evidenceOf(next)), "VerifierRouterFrozen", w.router);
      await expect(w.router.connect(w.relayer).freezeContradicted(other)).to.be.revertedWithCustomError(w.router, "AccessManagedUnauthorized");
    });
  });
});

const FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;
