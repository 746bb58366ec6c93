/** Numbered slots: where the chain keeps headers that are Final from the start, and uses the place again. */
import { expect } from "chai";
import type { Result } from "ethers";
import type { Hex } from "viem";
import { BatchStatus, type Finality, Role, finalityDigest, positionalTree, slotOf } from "../../sdk/protocol/index.ts";
import { type World, ZERO, bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { type Built, PLAIN, build, domainOf, line, runSettlement, settlementOf, terms } from "./builder.ts";
import { type FullNode, certify, elapse, membersOf, quorumOf, seat } from "./quorum.ts";

describe("InferenceSettlement, numbered slots", () => {
  let w: World;
  let node: Awaited<ReturnType<World["addNode"]>>;
  let life: bigint;
  before(async () => {
    w = await settlementWorld();
    life = w.parameters.settlement.slotLife;
  });
  beforeEach(async () => {
    node = await w.addNode(Role.Inference);
  });

  /** The next receipt of the node's line, in a header of its own. */
  async function next(slot: number): Promise<Built> {
    const [settledTo, sequence] = await w.settlement.line(node.nodeId, bytes32("payment"));
    return build(w, node, line(node, await w.now(), 1, { cumulativeBefore: settledTo, sequence }), { ...PLAIN, slot });
  }
  const run = (built: Built) => w.settlement.settleRun(runSettlement(built, terms(node)));
  const settle = (built: Built) => w.settlement.settle(settlementOf(built, [terms(node)]));
  const status = async ({ header }: Built) => Number(await w.settlement.status(header));

  for (const [name, call] of [["settleRun", run], ["settle", settle]] as const) {
    it(`${name}: a header stands in the slot that it names, is Final there, and leaves its hash's slot empty`, async () => {
      const built = await next(1);
      await call(built);
      expect(await status(built)).to.equal(BatchStatus.Final);
      const { timestamp } = (await w.ethers.provider.getBlock("latest"))!;
      expect(await w.settlement.numberedSlot(node.nodeId, 1)).to.deep.equal([built.hash.slice(0, 46), BigInt(timestamp) + life]);
      expect(await w.settlement.statusIn(slotOf(built.header, built.hash), built.hash)).to.deep.equal([BigInt(BatchStatus.Final), 0n]);
      expect(await w.settlement.statusIn(slotOf(built.header, built.hash), bytes32("another"))).to.deep.equal([BigInt(BatchStatus.None), 0n]);
    });

    it(`${name}: a slot takes no other header before its life is over, and then forgets the first`, async () => {
      const first = await next(1);
      await call(first);
      const { timestamp } = (await w.ethers.provider.getBlock("latest"))!;
      const freeAt = BigInt(timestamp) + life;
      const early = await next(1);
      await expect(call(early)).to.be.revertedWithCustomError(w.settlement, "SettlementSlotTaken").withArgs(node.nodeId, 1n, freeAt);
      await call(await next(2));

      await w.networkHelpers.time.setNextBlockTimestamp(freeAt - 10n);
      await w.networkHelpers.mine();
      const late = await next(1);
      await w.networkHelpers.time.setNextBlockTimestamp(freeAt);
      await expect(call(late)).to.be.revertedWithCustomError(w.settlement, "SettlementSlotTaken");
      await w.networkHelpers.time.setNextBlockTimestamp(freeAt + 1n);
      await call(late);
      expect([await status(first), await status(late)]).to.deep.equal([BatchStatus.None, BatchStatus.Final]);
      expect(await w.settlement.statusIn(slotOf(first.header, first.hash), first.hash)).to.deep.equal([BigInt(BatchStatus.None), freeAt + 1n]);
      // Forgotten is not unsettled: its line has passed it.
      const again = await build(w, node, line(node, await w.now(), 1), { ...PLAIN, slot: 3 });
      await expect(call(again)).to.be.revertedWithCustomError(w.settlement, "SettlementAlreadySettled");
    });
  }

  it("the same number is another slot for another node", async () => {
    const first = await next(1);
    await run(first);
    node = await w.addNode(Role.Inference);
    const second = await next(1);
    await run(second);
    expect([await status(first), await status(second)]).to.deep.equal([BatchStatus.Final, BatchStatus.Final]);
  });

  it("a slot that is used again costs 17,100 gas less than a new one", async () => {
    const gas = async (slot: number) => Number((await (await run(await next(slot))).wait())!.gasUsed);
    await gas(1);
    await w.networkHelpers.time.increase(life + 1n);
    const fresh = await gas(2);
    const again = await gas(1);
    // Signatures and hashes have other zero bytes each time.
    expect(Math.abs(fresh - again - 17_100)).to.be.lessThan(300);
  });

  describe("batches", () => {
    const post = async (slot: number, fullBond = true) => {
      const [settledTo] = await w.settlement.line(node.nodeId, bytes32("batches"));
      const [nonce] = await w.settlement.tip(node.nodeId);
      const built = await build(w, node, line(node, await w.now(), 2, { paymentId: bytes32("batches"), cumulativeBefore: settledTo + nonce * 200n, sequence: nonce * 2n }), { slot });
      await w.settlement.postBatch(built.header, built.signature, fullBond);
      return built;
    };

    it("S1 a slot is not given away while its header is undecided, however old", async () => {
      const first = await post(1, false);
      await w.networkHelpers.time.increase(2n * life);
      await expect(post(1)).to.be.revertedWithCustomError(w.settlement, "SettlementSlotTaken").withArgs(node.nodeId, 1n, 2n ** 256n - 1n);
      await w.settlement.annul(first.header); // nobody certified it
      const second = await post(1);
      expect([await status(first), await status(second)]).to.deep.equal([BatchStatus.None, BatchStatus.Posted]);
    });

    it("certificate and demands of a slot's last header are nothing to the next one", async () => {
      const full = await w.addNode(Role.Full, { bond: 20n * w.parameters.registry.minBondFull });
      const epoch = await seat(w, [full]);
      const first = await post(2, false);
      await w.demands.ask(first.header, 1, 0, 1, { value: await w.demands.bondFor(1) });
      await w.demands.answerReceipts((await w.demands.demandCount()) - 1n, first.header, [{ receipt: first.receipts[0]!, signature: first.signatures[0]!, index: 0, path: positionalTree(first.leaves).path(0) }]);
      await certify(w, first, epoch, [full]);
      expect(await status(first)).to.equal(BatchStatus.Certified);
      const { signers, extension, totalDemands } = await w.settlement.batch(first.header);
      expect([signers !== 0n, extension, totalDemands]).to.deep.equal([true, w.parameters.settlement.responseTime, 1n]);
      const [time] = await w.settlement.finalizableAt(first.header);
      await elapse(w);
      await w.networkHelpers.time.increaseTo(time);
      await w.settlement.finalize(first.header);
      expect((await w.settlement.batch(first.header)).signers).to.equal(signers);

      await w.networkHelpers.time.increase(life + 1n);
      const second = await post(2, false);
      expect(await status(second)).to.equal(BatchStatus.Posted);
      const fresh = await w.settlement.batch(second.header);
      expect([fresh.signers, fresh.committeeEpoch, fresh.openDemands, fresh.totalDemands, fresh.extension]).to.deep.equal([0n, 0n, 0n, 0n, 0n]);
      await elapse(w);
      await expect(w.settlement.finalize(second.header)).to.be.revertedWithCustomError(w.settlement, "SettlementInvalidTransition").withArgs(second.hash, BatchStatus.Posted, BatchStatus.Final);
    });

    it("a posted header in a used slot costs 17,100 gas less than in a new one", async () => {
      const gas = async (slot: number) => Number((await w.ethers.provider.getTransactionReceipt((await w.settlement.queryFilter(w.settlement.filters.HeaderPosted((await post(slot)).hash)))[0]!.transactionHash))!.gasUsed);
      await gas(1);
      const [first] = await w.settlement.queryFilter(w.settlement.filters.HeaderPosted(undefined, node.nodeId));
      await elapse(w);
      await w.settlement.finalize((first!.args.header as unknown as Result).toObject() as never);
      await w.networkHelpers.time.increase(life + 1n);
      const fresh = await gas(2);
      expect(Math.abs(fresh - (await gas(1)) - 17_100)).to.be.lessThan(300);
    });
  });

  it("S1 a header in a slot is Final for good: nothing moves it, and the refusal names its state", async () => {
    const { header, hash } = await next(1).then(async (built) => (await run(built), built));
    const refused = expect(w.settlement.annul(header)).to.be.revertedWithCustomError(w.settlement, "SettlementInvalidTransition");
    await refused.withArgs(hash, BatchStatus.Final, BatchStatus.RejectedNoFault);
    await expect(w.settlement.finalize(header)).to.be.revertedWithCustomError(w.settlement, "SettlementInvalidTransition");
    await expect(w.settlement.repost(header, header, "0x", false)).to.be.revertedWithCustomError(w.settlement, "SettlementInvalidTransition");
  });

  describe("what members say about a slot", () => {
    let liar: FullNode;
    let epoch: bigint;
    before(async () => {
      // Each lie below costs it once more.
      liar = await w.addNode(Role.Full, { bond: 20n * w.parameters.registry.minBondFull });
      await w.committee.join(liar.nodeId);
      await w.networkHelpers.time.increase(Number(w.parameters.committee.epochLength));
      await w.committee.rotate();
      epoch = await w.committee.currentEpoch();
    });

    const about = (built: Built, settledAt: bigint, change: Partial<Finality> = {}): Finality => ({
      paymentChainId: 713371n, inbox: "0x2222222222222222222222222222222222222222", committeeEpoch: epoch, headerHash: built.hash, slot: slotOf(built.header, built.hash),
      channelsRoot: built.header.channelsRoot, status: BatchStatus.Final, settledAt, validUntil: settledAt + 1n, ...change,
    });
    const slash = async (built: Built, statement: Finality) =>
      w.committee.connect(w.relayer).slashFalseFinality(statement, built.header, await membersOf(w, epoch), await quorumOf(w, epoch, finalityDigest(statement, domainOf(w)), [liar]));
    const honest = (built: Built, statement: Finality) => expect(slash(built, statement)).to.be.revertedWithCustomError(w.committee, "CommitteeStatementTrue");
    const lie = (built: Built, statement: Finality) => expect(slash(built, statement)).to.emit(w.committee, "FalseStatementProved");

    it("S6 the truth costs nothing, also when the slot has long taken another header; a lie about it costs, in every state of the slot", async () => {
      const first = await next(1);
      const invented = { ...first, hash: bytes32("invented") as Hex };
      const named = { slot: slotOf(first.header, first.hash) };
      await lie(first, about(invented, await w.now(), named)); // nothing has ever stood there
      await run(first);
      const said = await w.now();
      await honest(first, about(first, said));
      await lie(first, about(first, said, { status: BatchStatus.Rejected }));
      await lie(first, about(first, said, { channelsRoot: bytes32("root") }));
      await lie(first, about(first, said, { slot: first.hash })); // it does not stand under its hash
      await lie(first, about(invented, said, named)); // the first use of a slot hides nothing

      await w.networkHelpers.time.increase(life + 1n);
      const second = await next(1);
      await run(second);
      const replacedAt = BigInt((await w.ethers.provider.getBlock("latest"))!.timestamp);
      await honest(second, about(second, replacedAt));
      await honest(first, about(first, said)); // in the first half of its life
      await honest(first, about(first, replacedAt - life / 2n)); // the last moment that an honest member uses
      await lie(first, about(first, replacedAt - life / 2n + 1n));
      await lie(first, about(invented, replacedAt, named));
    });
  });

  it("a slot's life is at least twice the time for which a member's stake answers", async () => {
    const unlock = w.parameters.registry.stakeUnlock;
    const { certTime } = w.parameters.settlement;
    expect(life / 2n >= unlock && certTime > 0n).to.equal(true);
    await expect(settlementWorld((p) => (p.settlement.slotLife = 2n * p.registry.stakeUnlock - 1n))).to.be.rejectedWith(/SettlementBadParams/);
  });

  it("the zero number is a slot of its own, as before", async () => {
    const built = await next(0);
    await run(built);
    expect(await w.settlement.statusIn(built.hash, built.hash)).to.deep.equal([BigInt(BatchStatus.Final), 0n]);
    expect(await status(built)).to.equal(BatchStatus.Final);
    expect(built.header.prevHeader.slice(-16)).to.equal(ZERO.slice(-16));
  });
});
