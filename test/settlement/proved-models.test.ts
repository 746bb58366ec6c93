import { expect } from "chai";
import type { Hex } from "viem";

import { decodeOutput } from "../../circuits/compiler/index.ts";
import { word } from "../../circuits/setup/encode.ts";
import { BatchStatus, Role, requestBatch, requestContext, termsHash } from "../../sdk/protocol/index.ts";
import { closeSnarkjs } from "../circuits/setup/tools.ts";
import { type World, bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { PLAIN, build, line, receipt, runSettlement, settlementOf, terms } from "./builder.ts";
import { runs } from "../utils/deep.ts";
import { type Statement, mutations, otherProof } from "./groth16/mutations.ts";
import { type ProvableModel, bakedModel, chainModel, manyModel } from "./groth16/circuits.ts";

const SLOTS = 2;

/** Real circuits of every kind through every call that takes proofs: to a settlement they are all one verifier. */
describe("compiled models, settled", () => {
  let w: World;
  let node: Awaited<ReturnType<World["addNode"]>>;
  const models: Record<string, ProvableModel> = {};
  let one: Awaited<ReturnType<typeof bakedModel>>;
  before(async () => {
    w = await settlementWorld();
    node = await w.addNode(Role.Inference);
    one = await bakedModel(w, 4);
    for (const [kind, model] of [["one", one], ["committed", await bakedModel(w, 24)], ["chain", await chainModel(w)], ["many", await manyModel(w, SLOTS)]] as const) models[kind] = model;
  });
  after(closeSnarkjs);

  let payments = 0;
  /** `count` receipts of a fresh payment, signed and then proved. */
  async function proved(model: ProvableModel, count: number, verification = 2) {
    const t = terms(node, { verification });
    const built = await build(w, node, line(node, await w.now(), count, { modelId: model.modelId, termsHash: termsHash(t), paymentId: bytes32(`payment ${payments++}`) }), PLAIN);
    const contexts = await Promise.all(built.receipts.map((r) => w.settlement.proofContext(r, t.payout)));
    const { proofs, statements, order } = await model.prove(contexts);
    const places = built.receipts.map((_, index) => order.indexOf(index));
    return { built, t, proofs, statements, places, run: runSettlement(built, t, places) };
  }
  const refused = (call: Promise<unknown>, error: string) => expect(call).to.be.revertedWithCustomError(w.settlement, error);

  for (const [kind, counts] of [["one", [1, 3]], ["chain", [1, 2]], ["many", [1, 2, 5]]] as const) {
    describe(kind, () => {
      for (const count of counts) {
        it(`settleProvedRun: ${count} receipts, each with its own statement`, async () => {
          const { built, t, proofs, statements, places, run } = await proved(models[kind]!, count, count === 1 ? 3 : 2);
          const send = (r: Hex, p: Hex = proofs, s: bigint[] = statements) => w.settlement.settleProvedRun(r, p, s);
          const changed = (index: number, value: bigint) => statements.map((old, i) => (i === index ? value : old));
          await refused(send(run, proofs, changed(0, statements[0]! + 1n)), "SettlementProofContext");
          if (count === 1) for (const index of [1, 2]) await refused(send(run, proofs, changed(index, statements[index]! + 1n)), "SettlementProofInvalid");
          // Two receipts trade their statements: each context stands where another receipt points.
          else await refused(send(runSettlement(built, t, [places[1]!, places[0]!, ...places.slice(2)])), "SettlementProofContext");
          await expect(send(run)).to.emit(w.settlement, "ProofsVerified");
          expect(await w.settlement.status(built.header)).to.equal(BigInt(BatchStatus.Final));
          await refused(send(run), "SettlementAlreadySettled");
        });
      }

      it("settle: a receipt with its proof and statement", async () => {
        const model = models[kind]!;
        const t = terms(node, { verification: 2 });
        const r = receipt(node, await w.now(), { modelId: model.modelId, termsHash: termsHash(t), paymentId: bytes32(`payment ${payments++}`) });
        const built = await build(w, node, [r]);
        const { proofs, statements } = await model.prove([await w.settlement.proofContext(r, t.payout)]);
        const call = (proof: Hex, publicInputs: bigint[]) => w.settlement.settle(settlementOf(built, [t], { 0: { proof, publicInputs } }));
        await refused(call(proofs, [statements[0]!, statements[1]!, statements[2]! + 1n]), "SettlementProofInvalid");
        // A proof of the same circuit for another receipt.
        const other = await model.prove([5n]);
        await refused(call(other.proofs, statements), "SettlementProofInvalid");
        await expect(call(proofs, statements)).to.emit(w.settlement, "ProofVerified");
        expect(await w.settlement.status(built.header)).to.equal(BigInt(BatchStatus.Final));
      });

      it("ProofSettlement: one request, and several at once", async () => {
        const model = models[kind]!;
        const place = { chainId: w.chainId, settlement: w.addresses.ProofSettlement, asker: w.admin.address as Hex };
        const of = { modelId: model.modelId, beneficiary: node.operator.address as Hex, deadline: (await w.now()) + 3_600n };
        const contextOf = (number: bigint) => requestContext(place, { ...of, number });
        const first = BigInt(Object.keys(models).indexOf(kind) * 300);
        const one = await model.prove([contextOf(first)]);
        await expect(w.proofs.settle({ ...of, number: first }, one.proofs, one.statements.slice(1))).to.emit(w.proofs, "ProofSettled");
        const numbers = [1n, 2n, 3n].map((i) => first + i);
        const { proofs, statements, order } = await model.prove(numbers.map(contextOf));
        const proven = order.map((index, i) => ({ number: numbers[index]!, words: statements.slice(3 * i + 1, 3 * i + 3) }));
        const { requests, words } = requestBatch(place, of, proven);
        await expect(w.proofs.settleBatch(requests, proofs, words.map((value, i) => (i === 3 ? value ^ 1n : value)))).to.revert(w.ethers);
        await expect(w.proofs.settleBatch({ ...requests, beneficiary: w.admin.address }, proofs, words)).to.revert(w.ethers);
        await expect(w.proofs.settleBatch(requests, proofs, words)).to.emit(w.proofs, "ProofsSettled");
        for (const number of [first, ...numbers]) expect(await w.proofs.isSettled(w.admin.address, number)).to.equal(true);
      });
    });
  }

  describe("mutations, through the calls that settle", () => {
    const refusals = /(ProofSettlementInvalid|SettlementProofInvalid|SettlementProofContext|Groth16InputNotInField|Groth16StatementOrder)\(/;
    /** Names of the cases that were taken; a refusal without a declared reason is a defect. */
    async function survivors(statement: Statement, settles: (proof: Hex, inputs: bigint[]) => Promise<unknown>): Promise<string[]> {
      const cases = mutations(statement);
      expect(cases.length).to.be.at.least(40);
      const taken: string[] = [];
      for (const [name, proof, inputs] of cases) {
        await settles(proof, inputs).then(
          () => taken.push(name),
          (error: Error) => {
            if (!refusals.test(error.message)) throw new Error(`${name}: ${error.message}`);
          },
        );
      }
      return taken;
    }
    const place = () => ({ chainId: w.chainId, settlement: w.addresses.ProofSettlement, asker: w.admin.address as Hex });
    let next = 10_000n;
    const termsOf = async (model: ProvableModel) => ({ modelId: model.modelId, beneficiary: node.operator.address as Hex, deadline: (await w.now()) + 3_600n });

    for (const kind of ["one", "committed", "chain", "many"]) {
      it(`S5 ProofSettlement, ${kind}: none survives, and a re-randomised proof settles its request once`, async () => {
        const model = models[kind]!;
        const request = { ...(await termsOf(model)), number: next++ };
        const made = await model.prove([requestContext(place(), request)]);
        const statement = { proof: made.proofs, proofs: model.points, inputs: made.statements.slice(1) };
        const settle = (change: object, proof: Hex, words: bigint[]) => w.proofs.settle.staticCall({ ...request, ...change }, proof, words);
        expect(await survivors(statement, (proof, words) => settle({}, proof, words))).to.deep.equal([]);
        const others = [{ number: request.number + 1n }, { number: 0n }, { modelId: models[kind === "one" ? "committed" : "one"]!.modelId }, { beneficiary: w.admin.address }, { deadline: request.deadline + 1n }];
        for (const change of others) await expect(settle(change, statement.proof, statement.inputs)).to.revert(w.ethers);
        await w.proofs.settle(request, otherProof(statement), statement.inputs);
        for (const proof of [statement.proof, otherProof(statement), otherProof(statement, 777n)]) {
          await expect(w.proofs.settle(request, proof, statement.inputs)).to.be.revertedWithCustomError(w.proofs, "ProofSettlementReplayed");
        }
      });
    }

    it("S5 ProofSettlement, a batch: none survives", async () => {
      const model = models.one!;
      const of = await termsOf(model);
      const numbers = [next++, next++];
      const made = await model.prove(numbers.map((number) => requestContext(place(), { ...of, number })));
      const inputs = made.order.flatMap((_, i) => made.statements.slice(3 * i + 1, 3 * i + 3));
      const { requests } = requestBatch(place(), of, made.order.map((index, i) => ({ number: numbers[index]!, words: inputs.slice(2 * i, 2 * i + 2) })));
      const statement = { proof: made.proofs, proofs: 2, inputs };
      expect(await survivors(statement, (proof, words) => w.proofs.settleBatch.staticCall(requests, proof, words))).to.deep.equal([]);
      await w.proofs.settleBatch(requests, otherProof(statement), inputs);
    });

    it("S5 no single bit of a proof or a statement can be flipped", async () => {
      const model = models.one!;
      const request = { ...(await termsOf(model)), number: next++ };
      const made = await model.prove([requestContext(place(), request)]);
      const bytes = Buffer.from(made.proofs.slice(2) + made.statements.slice(1).map(word).join(""), "hex");
      // Every bit comes once before any comes twice: steps of a number that divides no multiple of eight.
      for (let i = 0, bit = 5; i < runs(120, bytes.length * 8); i++, bit = (bit + 1_009) % (bytes.length * 8)) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        const hex = flipped.toString("hex");
        const words = [0, 1].map((k) => BigInt(`0x${hex.slice(512 + 64 * k, 576 + 64 * k)}`));
        await w.proofs.settle.staticCall(request, `0x${hex.slice(0, 512)}`, words).then(
          () => expect.fail(`bit ${bit}`),
          (error: Error) => expect(error.message).to.match(refusals),
        );
      }
      await w.proofs.settle(request, made.proofs, made.statements.slice(1));
    });

    for (const kind of ["one", "committed", "chain", "many"]) {
      it(`S5 settleProvedRun, ${kind}: none survives, and a re-randomised proof settles its receipt once`, async () => {
        const { proofs, statements, run } = await proved(models[kind]!, 1);
        const statement = { proof: proofs, proofs: models[kind]!.points, inputs: statements };
        expect(await survivors(statement, (proof, inputs) => w.settlement.settleProvedRun.staticCall(run, proof, inputs))).to.deep.equal([]);
        await w.settlement.settleProvedRun(run, otherProof(statement), statements);
        await refused(w.settlement.settleProvedRun(run, proofs, statements), "SettlementAlreadySettled");
      });
    }
  });

  it("a contract that asks reads from a proved word what the model answers", async () => {
    const { model, modelId, prove } = one;
    const lanes = model.graph.outputs;
    for (const [i, lane] of lanes.entries()) {
      if (lane.kind === "status") continue;
      const consumer = await w.ethers.deployContract("ProofConsumer", [w.addresses.ProofSettlement, modelId, lane.shift, lane.w, lane.lo]);
      const deadline = (await w.now()) + 3_600n;
      const context = requestContext({ chainId: w.chainId, settlement: w.addresses.ProofSettlement, asker: (await consumer.getAddress()) as Hex }, { number: 0n, modelId, beneficiary: w.relayer.address as Hex, deadline });
      const { proofs, statements } = await prove([context]);
      await consumer.ask(statements[1]!, deadline, { value: 1n });
      await (consumer.connect(w.relayer) as typeof consumer).answer(0, statements[2]!, proofs);
      const { tensors, status } = decodeOutput(lanes, [statements[2]!]);
      expect(status).to.equal(0);
      const values = lanes.slice(0, i).filter((before) => before.tensor === lane.tensor).length;
      expect(Number((await consumer.questions(0)).answer) * 2 ** lane.e).to.equal(tensors[lane.tensor]![values]);
    }
    expect(lanes.length).to.be.greaterThan(1);
    const beyond = await w.ethers.deployContract("ProofConsumer", [w.addresses.ProofSettlement, modelId, 240, 9, 0]);
    const deadline = (await w.now()) + 3_600n;
    const context = requestContext({ chainId: w.chainId, settlement: w.addresses.ProofSettlement, asker: (await beyond.getAddress()) as Hex }, { number: 0n, modelId, beneficiary: w.admin.address as Hex, deadline });
    const { proofs, statements } = await prove([context]);
    await beyond.ask(statements[1]!, deadline);
    await expect(beyond.answer(0, statements[2]!, proofs)).to.be.revertedWithCustomError(beyond, "OutputLanesRange").withArgs(240, 9);
  });

  it("a chain's layers serve one context: a layer of another receipt does not fit in", async () => {
    const model = models.chain!;
    const [left, right] = [await proved(model, 1), await proved(model, 1)];
    // The second layer, proved from the same activations for the other receipt.
    const mixed = `${left.proofs.slice(0, 2 + 512)}${right.proofs.slice(2 + 512, 2 + 1024)}${left.proofs.slice(2 + 1024)}` as Hex;
    expect(left.statements.slice(1)).to.deep.equal(right.statements.slice(1));
    await refused(w.settlement.settleProvedRun(left.run, mixed, left.statements), "SettlementProofInvalid");
  });

  it("many: the items of a proof are all or none, and none but those it was challenged with", async () => {
    const model = models.many!;
    const { built, t, proofs, statements } = await proved(model, 2);
    // One of the two alone, under the proof of both.
    const single = await build(w, node, [built.receipts[0]!], PLAIN);
    const at = statements.indexOf(await w.settlement.proofContext(built.receipts[0]!, t.payout));
    await refused(w.settlement.settleProvedRun(runSettlement(single, t, [0]), proofs, statements.slice(at, at + 3)), "SettlementProofInvalid");
    const verifier = await w.ethers.getContractAt("Groth16Verifier", (await w.router.route(model.modelId)).verifier);
    const places = built.receipts.map((r) => (built.receipts[0] === r ? at / 3 : 1 - at / 3));
    await expect(w.settlement.settleProvedRun(runSettlement(built, t, places), `0x${proofs.slice(2)}${proofs.slice(2)}`, statements)).to.be.revertedWithCustomError(verifier, "Groth16InputCount");
    await expect(w.settlement.settleProvedRun(runSettlement(built, t, places), proofs, statements)).to.emit(w.settlement, "ProofsVerified");
  });
});
