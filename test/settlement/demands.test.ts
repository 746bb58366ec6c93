import { expect } from "chai";
import type { Hex } from "viem";
import { BatchStatus, Role } from "../../sdk/protocol/index.ts";
import { type World, bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { build, receipt } from "./builder.ts";
import { type FaultBench, faultBench } from "./fault-bench.ts";
import type { FullNode } from "./quorum.ts";

describe("demands", () => {
  let w: World;
  let node: FullNode;
  let bench: FaultBench;
  before(async () => {
    w = await settlementWorld();
  });
  beforeEach(async () => {
    node = await w.addNode(Role.Inference);
    bench = faultBench(w, node);
  });
  const posted = async () => {
    const built = await build(w, node, await bench.valid(41));
    await bench.post(built);
    return built;
  };

  it("answered by anyone, who is paid; the window grew once; open demands hold finality", async () => {
    const built = await posted();
    const bond = await w.demands.bondFor(2);
    await expect(w.demands.ask(built.header, 1, 0, 2, { value: 0n })).to.be.revertedWithCustomError(w.demands, "DemandsBond");
    await expect(w.demands.ask(built.header, 1, 0, 17, { value: bond * 20n })).to.be.revertedWithCustomError(w.demands, "DemandsBadRange");
    const count = Math.min(2, built.receipts.length);
    await w.demands.ask(built.header, 1, 0, count, { value: bond });
    const id = (await w.demands.demandCount()) - 1n;
    expect((await w.settlement.batch(built.header)).openDemands).to.equal(1n);
    expect((await w.settlement.batch(built.header)).extension).to.equal(w.parameters.settlement.responseTime);
    const { leaf } = bench.parts(built);
    const answer = Array.from({ length: count }, (_, i) => leaf(i));
    await expect(w.demands.answerReceipts(id, built.header, [...answer].reverse())).to.revert(w.ethers);
    const paid = (await w.demands.demand(id)).bond;
    await w.demands.connect(w.relayer).answerReceipts(id, built.header, answer);
    expect(await w.demands.credit(w.relayer.address)).to.be.greaterThanOrEqual(paid);
    expect((await w.settlement.batch(built.header)).openDemands).to.equal(0n);
    await expect(w.demands.enforce(id, built.header)).to.be.revertedWithCustomError(w.demands, "DemandsNotOpen");
    await w.demands.connect(w.relayer).withdraw();
  });

  it("the last receipt of a payment, or that there is none", async () => {
    const built = await posted();
    const { leaf, stretch } = bench.parts(built);
    const last = built.stretches.length - 1;
    const end = (j: number) => built.stretches[j]!.firstLeaf + built.stretches[j]!.leafCount - 1;
    const ask = async (paymentId: Hex) => {
      await w.demands.askLast(built.header, paymentId, { value: await w.demands.bondFor(3) });
      return (await w.demands.demandCount()) - 1n;
    };
    await w.demands.answerLast(await ask(built.stretches[last]!.paymentId), built.header, { stretches: [stretch(last)], leaf: [leaf(end(last))] });
    await w.demands.answerLast(await ask(`0x${"00".repeat(32)}`), built.header, { stretches: [stretch(0)], leaf: [] });
    await w.demands.answerLast(await ask(`0x${"ff".repeat(32)}`), built.header, { stretches: [stretch(last)], leaf: [] });
    const id = await ask(built.stretches[last]!.paymentId);
    await expect(w.demands.answerLast(id, built.header, { stretches: [stretch(last)], leaf: [] })).to.be.revertedWithCustomError(w.demands, "DemandsBadAnswer");
  });

  it("unanswered at T_resp: rejected, the asker has bond and reward", async () => {
    const built = await posted();
    const { locked } = await w.registry.bond(node.nodeId);
    const asker = (await w.ethers.getSigners())[3]!;
    await w.demands.connect(asker).ask(built.header, 2, 0, 1, { value: await w.demands.bondFor(1) });
    const id = (await w.demands.demandCount()) - 1n;
    await expect(w.demands.enforce(id, built.header)).to.be.revertedWithCustomError(w.demands, "DemandsNotYet");
    await w.networkHelpers.time.increase(Number(w.parameters.settlement.responseTime) + 1);
    await w.networkHelpers.mine(Number(w.parameters.settlement.windowBlocks) + 1);
    await w.demands.enforce(id, built.header);
    expect(Number(await w.settlement.status(built.header))).to.equal(BatchStatus.Rejected);
    expect(await w.demands.credit(asker.address)).to.be.greaterThan(0n);
    expect(await w.registry.reward(asker.address)).to.equal((locked * 30n) / 100n);
  });

  it("at most 16 open; none after the window", async () => {
    const built = await posted();
    const value = await w.demands.bondFor(1);
    for (let i = 0; i < 16; i++) await w.demands.ask(built.header, 1, 0, 1, { value: value * 2n });
    await expect(w.demands.ask(built.header, 1, 0, 1, { value: value * 2n })).to.be.revertedWithCustomError(w.settlement, "SettlementTooManyDemands");
    const late = await build(w, node, [bench.priced(receipt(node, await w.now(), { paymentId: bytes32("late") }))], {}, built.hash);
    await bench.post(late);
    await w.networkHelpers.time.increase(Number(w.parameters.settlement.window));
    await expect(w.demands.ask(late.header, 1, 0, 1, { value: value * 2n })).to.be.revertedWithCustomError(w.settlement, "SettlementTooLate");
  });
});
