import { expect } from "chai";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Hex, keccak256, toHex } from "viem";
import { decodeOutput, evaluateInteger, InputError, quantizeInput } from "../../../circuits/compiler/index.ts";
import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { createTlsIdentity } from "../../../keepers/http/index.ts";
import type { ProvingModel } from "../../../keepers/proving/program.ts";
import { createFullRole, fullRules } from "../../../keepers/roles/full/index.ts";
import { loadPrograms } from "../../../keepers/roles/full/programs.ts";
import { RecourseError } from "../../../sdk/client/recourse.ts";
import type { InferenceClient } from "../../../sdk/client/client.ts";
import { encodePackage } from "../../../sdk/models/package.ts";
import { integerProgram, ProgramError, publishedPrograms } from "../../../sdk/models/program.ts";
import { disputedHeader, disputeToJson, fullNodes, handInDispute } from "../../../sdk/network/disputes.ts";
import { BatchStatus, receiptDigest, SettlementMode, Verification } from "../../../sdk/protocol/index.ts";
import { type Dispute, WrongOutputError } from "../../../sdk/receipts/output.ts";
import { tempFolder } from "../../utils/folder.ts";
import { bytes32, IMAGE, ZERO } from "../../utils/settlement-world.ts";
import { until } from "../../utils/until.ts";
import { type FullRig, fullRig } from "../support/full-rig.ts";
import { blobsInMemory } from "../support/poster.ts";
import { NAME, type WordModel, wordModel, type WordNode, wordNode } from "../support/word-node.ts";
import { deploymentOf, testEvidence, worldPlatform } from "../support/world-platform.ts";

describe("a wrong output, from the payer's request to the rejected batch", () => {
  let rig: FullRig;
  let made: WordModel;
  let node: WordNode;
  let client: InferenceClient;
  let walrus: ReturnType<typeof blobsInMemory>;

  before(async () => {
    made = await wordModel();
    const programs = new Map<Hex, ProvingModel>();
    walrus = blobsInMemory();
    rig = await fullRig({ walrus, programs, members: 1 });
    await rig.addMember();
    await rig.round(["seat"]);
    node = await wordNode(rig, made, walrus);
    programs.set(node.modelId, made);
    client = await node.client();
  });
  after(async () => {
    await node?.stop();
    await rig.stop();
  });

  const choice = { verification: Verification.Vanilla, settlementMode: SettlementMode.Batch };
  const x = [0.25, -0.5, 0.125, 0.75];
  const inputs = { x: { shape: [1, 4], data: x } };
  const failure = (work: Promise<unknown>): Promise<Error> => work.then(() => expect.fail("it did not fail"), (error: Error) => error);
  const give = async (...disputes: object[]) => {
    const body = JSON.stringify({ receipts: disputes });
    const response = await rig.members[0]!.api(new Request("https://in.process/watch/receipts", { method: "POST", body }));
    return (await response.json()) as { reports?: { output?: string; state: { state: string } }[]; error?: { code: string } };
  };
  const statusOf = (hash: Hex) => rig.members[0]!.store.header(hash)?.status;

  it("below level 2 an answer is checked all the same, and said to convict nobody", async () => {
    const early = await node.client();
    const { recourse } = await early.infer(NAME, inputs, choice);
    expect(recourse).to.deep.include({ checked: true, provable: false });
    expect(recourse.why).to.contain("set-up level 1");
    node.lies.words = (words) => [words[0]! ^ 1n, ...words.slice(1)];
    const error = await failure(early.infer(NAME, inputs, choice));
    node.lies.words = null;
    expect(error).to.be.instanceOf(WrongOutputError);
    expect(error.message).to.contain("convicts nobody");
    await node.attestCeremony();
    // Only headers of what comes now are looked at below.
    while (await node.settle({ everything: true }));
  });

  it("an honest answer: asked in words without being told to, run again, decoded; nothing to dispute", async () => {
    const { answer, receipt, recourse, status } = await client.infer(NAME, inputs, choice);
    const { outputWords, inputWords } = evaluateInteger(made.model.graph, quantizeInput(made.model, { x }).values);
    expect(answer).to.deep.equal({ y: { type: "float64", shape: [1, 3], data: decodeOutput(made.model.graph.outputs, outputWords).tensors.y } });
    expect([recourse, status]).to.deep.equal([{ checked: true, provable: true, why: undefined }, 0]);
    const opening = { salt: receipt.salt, model: NAME, words: inputWords.map((word) => `0x${word.toString(16).padStart(64, "0")}` as Hex) };
    expect(node.seen.at(-1)).to.deep.equal({ model: NAME, words: opening.words });
    const dispute: Dispute = { receipt: receipt.receipt, signature: receipt.signature, opening };
    expect((await give(disputeToJson(dispute))).reports![0]!.output).to.equal("right");

    for (const bad of [{ ...opening, salt: bytes32("another") }, { ...opening, model: "another" }, { ...opening, words: [...opening.words, opening.words[0]!] }, { ...opening, words: [] }, "x"]) {
      expect((await give({ ...disputeToJson(dispute), opening: bad })).error?.code).to.equal("watch.bad_opening");
    }
  });

  it("without recourse only where there is none, or where the caller says so, and the answer says which", async () => {
    const opted = await client.infer(NAME, inputs, { ...choice, recourse: false });
    expect(node.seen.at(-1)).to.deep.equal({ model: NAME, inputs });
    expect(opted.recourse).to.deep.include({ checked: false, provable: false });
    expect(opted.recourse.why).to.contain("as you chose");
    const float = await client.infer("float", inputs, choice);
    expect(node.seen.at(-1)).to.deep.equal({ model: "float", inputs });
    expect(float.recourse.why).to.contain("float program");
    expect(float.answer).to.deep.equal(opted.answer);
    const hashed = await node.client({ programs: async () => ({ program: null, why: "its proofs show the hash of its input, not the words" }) });
    expect((await hashed.infer(NAME, inputs, choice)).recourse).to.deep.equal({ checked: false, provable: false, why: "its proofs show the hash of its input, not the words" });
  });

  it("nothing is asked or paid: no program to be had, another program than the registry names, inputs that are none", async () => {
    const asked = node.seen.length;
    const stranger = encodePackage({ format: "og-model/upstream/1", model: "m", description: "" });
    for (const [programs, reason] of [
      [undefined, "no source of programs"],
      [async () => { throw new Error("every aggregator is down"); }, "every aggregator is down"],
      [publishedPrograms(async () => stranger), "a served model"],
      [publishedPrograms(async () => new Uint8Array([1])), "not JSON"],
    ] as const) {
      const error = await failure((await node.client({ programs })).infer(NAME, inputs, choice));
      expect(error).to.be.instanceOf(RecourseError);
      expect(error.message).to.contain(reason).and.contain("recourse: false");
    }
    expect(() => integerProgram(made.bytes, { programHash: bytes32("another") })).to.throw(ProgramError, "another program");
    for (const bad of [{}, { y: inputs.x }, { x: { shape: [4], data: x } }, { x: { shape: [1, 4], data: [1, 2, 3, "4"] } }, { x: { shape: [1, 4], data: [1, 2, 3, Infinity] } }, { x: 3 }]) {
      expect(await failure(client.infer(NAME, bad as never, choice)), JSON.stringify(bad)).to.be.instanceOf(InputError);
    }
    expect(node.seen.length).to.equal(asked);
  });

  it("an answer that cannot be read is refused, and the channel with it", async () => {
    for (const spoil of [(body: Record<string, unknown>) => delete body.words, (body: Record<string, unknown>) => delete body.opengradient, (body: Record<string, unknown>) => (body.words = ["0x"])]) {
      const fresh = await node.client();
      node.lies.body = spoil;
      const error = await failure(fresh.infer(NAME, inputs, choice));
      node.lies.body = null;
      expect(error).to.not.be.instanceOf(WrongOutputError);
      const asked = node.seen.length;
      await failure(fresh.infer(NAME, inputs, choice));
      expect(node.seen.length, "nothing more is signed").to.equal(asked);
    }
  });

  it("right words in the body over a signature for wrong ones convict all the same", async () => {
    const right = evaluateInteger(made.model.graph, quantizeInput(made.model, { x }).values).outputWords.map((word) => `0x${word.toString(16).padStart(64, "0")}`);
    node.lies.words = (words) => [words[0]! ^ 1n, ...words.slice(1)];
    node.lies.body = (body) => (body.words = right);
    const error = await failure((await node.client()).infer(NAME, inputs, choice));
    Object.assign(node.lies, { words: null, body: null });
    expect(error).to.be.instanceOf(WrongOutputError);
  });

  it("a lie: the client refuses it and keeps what convicts; the full node proves the right answer and the batch falls", async () => {
    node.lies.words = (words) => [words[0]! ^ 1n, ...words.slice(1)];
    const kept: [Dispute, Hex][] = [];
    const liedTo = await node.client({ keepDispute: async (dispute, digest) => `file ${kept.push([dispute, digest])}` });
    const error = await failure(liedTo.infer(NAME, inputs, choice));
    node.lies.words = null;
    expect(error).to.be.instanceOf(WrongOutputError);
    expect(error.message).to.contain("og dispute file 1");
    const { dispute } = error as WrongOutputError;
    expect(kept).to.deep.equal([[dispute, receiptDigest(dispute.receipt, rig.domain)]]);
    expect((await failure(liedTo.infer(NAME, inputs, choice))).message, "nothing more is signed on the channel").to.contain("not its program's");

    const taken = await give(disputeToJson(dispute));
    expect(taken.reports![0]).to.deep.include({ output: "wrong" });
    expect(taken.reports![0]!.state.state).to.equal("pending");
    const member = rig.members[0]!;
    await member.desk.step(); // not posted: nothing to prove yet

    while (await node.settle({ everything: true }));
    const before = await rig.world.registry.bond(node.node.nodeId);
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
    const bond = await rig.world.registry.bond(node.node.nodeId);
    expect(before.locked > bond.locked && bond.free + bond.locked < before.free + before.locked, "the lock is slashed").to.equal(true);
    expect((await rig.world.registry.reward(member.platform.signer.address)) > 0n, "its finder is paid").to.equal(true);
    expect(member.platform.store.get("SELECT opening, evidence, state FROM disputes WHERE verdict = 'wrong'"), "the question is forgotten").to.deep.include({ opening: null, evidence: null, state: "proved" });
  });

  it("the role by itself: OG_COURT_MODELS loaded at its start, a dispute over HTTPS, its own job until the header is rejected", async () => {
    const { world: w } = rig;
    const directory = tempFolder("og-court");
    const courtModels = join(directory, "court.json");
    writeFileSync(courtModels, JSON.stringify({ models: [{ modelId: node.modelId, circuit: made.directory }] }));
    await w.policy.approveImage(ZERO, keccak256(toHex("og.full")), IMAGE);
    const deployment = deploymentOf(w);
    const platform = await worldPlatform(w, "court", () => fullRules({ settlement: deployment, payment: null }, { maxDemandBond: 0n }));
    await w.token.mint(platform.signer.address, w.parameters.registry.minBondFull);
    const role = createFullRole(platform, {
      walrus, blobDir: join(directory, "blobs"), checkWorkers: 1, postgres: "", leaderMs: 1, firstCommittee: 64, exchangeMs: 1_000, relaySize: 0, relayWaitMs: 1_000, courtModels,
      proof: { deadlineMs: 120_000, memoryMb: 4_096 }, mirrorRetentionMs: 1_000_000, demandAfterMs: 1_000_000, demandsPerHeader: 0, maxDemandBond: 0n, listen: { host: "127.0.0.1", port: 0 },
      tls: await createTlsIdentity("127.0.0.1", Date.now()), node: { payout: platform.signer.address, policyId: ZERO, bond: 0n, makeEvidence: testEvidence(w, "court"), heartbeatMs: 3_600_000 },
    });
    try {
      await role.start();
      platform.jobs.start();
      node.lies.words = (words) => [words[0]! ^ 1n, ...words.slice(1)];
      const { dispute } = (await failure((await node.client()).infer(NAME, inputs, choice))) as WrongOutputError;
      node.lies.words = null;
      const answers = await handInDispute(node.access, dispute);
      expect(answers.map(({ output }) => output)).to.have.members(["wrong", null]); // the rig's own member is nowhere to be reached
      while (await node.settle({ everything: true }));
      const nodes = await fullNodes(node.access);
      const state = async () => (await disputedHeader(node.access, receiptDigest(dispute.receipt, rig.domain), dispute.signature, nodes))?.status;
      await until("the header's rejection", async () => {
        await w.networkHelpers.mine(1);
        return (await state()) === "Rejected" && /wrong_outputs_proved_total\S* 1/.test(platform.metrics.render());
      });
    } finally {
      await platform.jobs.stop();
      await role.stop();
      await platform.stop();
    }
  });

  it("OG_COURT_MODELS that cannot be: each stops the start with its code", async () => {
    const directory = tempFolder("og-court");
    const file = join(directory, "list.json");
    const access = { client: node.access.client as never, deployment: deploymentOf(rig.world) };
    const codeOf = async (content: unknown): Promise<string> => {
      writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
      return loadPrograms(file, access).then(({ size }) => `loaded ${size}`, (error: { code: string }) => error.code);
    };
    const entry = { modelId: node.modelId, circuit: made.directory };
    expect(await codeOf({ models: [entry] })).to.equal("loaded 1");
    expect(await codeOf({ models: [{ ...entry, modelId: node.modelId.toUpperCase().replace("0X", "0x") }] }), "an id in capitals").to.equal("loaded 1");
    for (const bad of ["not JSON", {}, { models: [] }, { models: [{ modelId: "0x12", circuit: "x" }] }, { models: [{ ...entry, more: 1 }] }]) expect(await codeOf(bad), JSON.stringify(bad)).to.equal("models.file");
    expect(await codeOf({ models: [{ ...entry, modelId: node.floatId }] })).to.equal("models.kind");
    // The same circuit under another key is another version's.
    const other = join(directory, "circuit");
    cpSync(made.directory, other, { recursive: true });
    await makeDevelopmentKey(join(other, "model.r1cs"), join(other, "proving.zkey"), { tau: 41n, alpha: 42n, beta: 43n, gamma: 1n, delta: 44n });
    expect(await codeOf({ models: [{ ...entry, circuit: other }] })).to.equal("models.key");
    expect(await codeOf({ models: [{ ...entry, circuit: join(directory, "nowhere") }] })).to.equal("models.circuit");
    await rejects(loadPrograms(join(directory, "missing.json"), access), "models.file");
  });
});

async function rejects(work: Promise<unknown>, code: string): Promise<void> {
  expect(await work.then(() => "done", (error: { code: string }) => error.code)).to.equal(code);
}
