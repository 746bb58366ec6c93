import { expect } from "chai";
import type { FullNodeRewards } from "../../types/contracts/index.js";
import { type World, bytes32 } from "../utils/settlement-world.ts";
import { type Built, build, line } from "./builder.ts";
import { certify, committeeWorld, elapse, type FullNode, keep, membersOf, seatsOf } from "./quorum.ts";

describe("pay for checking", () => {
  let w: World;
  let rewards: FullNodeRewards;
  let node: FullNode;
  let full: FullNode[];
  let counter = 0;
  let anew: () => Promise<void>;
  before(async () => {
    // The first one has as much stake as the other two together.
    ({ w, node, full } = await committeeWorld({ stakes: [4n, 2n, 2n] }));
    rewards = (await w.ethers.getContractAt("FullNodeRewards", w.addresses.FullNodeRewards)) as unknown as FullNodeRewards;
    anew = await keep(w);
  });
  beforeEach(() => anew());

  async function final(count: number, signers: FullNode[], late: FullNode[] = []): Promise<Built> {
    const built = await build(w, node, line(node, await w.now(), count, { paymentId: bytes32(`reward ${counter++}`) }));
    await w.settlement.postBatch(built.header, built.signature, false);
    await certify(w, built, 1n, signers);
    if (late.length > 0) await certify(w, built, 1n, late);
    await elapse(w);
    await w.settlement.finalize(built.header);
    return built;
  }
  const fund = async (amount: bigint) => {
    await w.token.mint(w.relayer.address, amount);
    await w.token.connect(w.relayer).approve(rewards, amount);
    await rewards.connect(w.relayer).fund(amount);
  };
  const end = async () => {
    const { start } = await w.committee.epochInfo(1n);
    await w.networkHelpers.time.increaseTo(start + w.parameters.committee.epochLength);
    await w.committee.rotate();
  };
  const settled = async () => w.networkHelpers.time.increase(await rewards.settleTime());
  const claims = async (nodes: FullNode[], epoch = 1n) => (await seatsOf(w, epoch, nodes)).map((seat) => ({ epoch, seat }));
  const earned = async (n: FullNode) => w.token.balanceOf(n.operator.address);

  it("S14 shares follow stake and the receipts that each one checked; what the absent leave stays in the pool", async () => {
    const all = await final(6, full);
    const two = await final(2, [full[0]!, full[1]!]);
    await fund(8_000n);
    await end();
    await rewards.count(1n, [all.header, two.header]);
    expect((await rewards.epochOf(1n)).weight).to.equal(8n);
    await settled();
    await expect(rewards.close(1n)).to.emit(rewards, "EpochClosed").withArgs(1n, 8_000n, 7_500n);
    await rewards.claim(await claims(full));
    // Half of the stake and all receipts; a quarter and all; a quarter and six of eight.
    expect(await Promise.all(full.map(earned))).to.deep.equal([4_000n, 2_000n, 1_500n]);
    expect(await rewards.pool()).to.equal(500n);
    expect(await w.token.balanceOf(rewards)).to.equal(500n);
  });

  it("a member earns the same whether others are there or not: keeping a signature out pays nobody", async () => {
    const amounts: bigint[] = [];
    for (const signers of [full, [full[0]!, full[1]!]]) {
      const built = await final(5, signers);
      await fund(1_000n);
      await end();
      await rewards.count(1n, [built.header]);
      await settled();
      await rewards.close(1n);
      amounts.push(await rewards.due(1n, (await seatsOf(w, 1n, [full[1]!]))[0]!));
      await anew();
    }
    expect(amounts[0]).to.equal(amounts[1]).and.to.equal(250n);
  });

  it("two seats of one operator earn what one with their stake does: splitting pays nobody", async () => {
    const built = await final(4, full);
    await fund(1_000n);
    await end();
    await rewards.count(1n, [built.header]);
    await settled();
    await rewards.close(1n);
    const [one, a, b] = await Promise.all((await seatsOf(w, 1n, full)).map((seat) => rewards.due(1n, seat)));
    expect(a! + b!).to.equal(one!);
  });

  it("whose signature came after the certificate is paid like the others", async () => {
    const built = await final(4, [full[0]!, full[1]!], [full[2]!]);
    await rewards.count(1n, [built.header]);
    const [a, b] = await seatsOf(w, 1n, [full[1]!, full[2]!]);
    expect(await rewards.weightOf(1n, a!)).to.equal(await rewards.weightOf(1n, b!)).and.to.equal(4n);
  });

  it("only final headers with a certificate of the epoch count, each once; the others are passed over", async () => {
    const built = await final(3, full);
    const pending = await build(w, node, line(node, await w.now(), 2, { paymentId: bytes32("pending") }));
    await w.settlement.postBatch(pending.header, pending.signature, false);
    await certify(w, pending, 1n, full);
    const bare = await build(w, node, line(node, await w.now(), 2, { paymentId: bytes32("bare") }));
    await w.settlement.postBatch(bare.header, bare.signature, true);
    await elapse(w);
    await w.settlement.finalize(bare.header);
    await expect(rewards.count(1n, [pending.header, built.header, bare.header, built.header])).to.emit(rewards, "HeaderCounted").withArgs(built.hash, 1n, 0b111n, 3n);
    expect((await rewards.epochOf(1n)).weight).to.equal(3n);
    await rewards.count(1n, [built.header]);
    await rewards.count(2n, [built.header]);
    expect((await rewards.epochOf(1n)).weight).to.equal(3n);
    expect((await rewards.epochOf(2n)).weight).to.equal(0n);
    // A header that was made up has no slot.
    await rewards.count(1n, [{ ...built.header, count: 1_000_000 }]);
    expect((await rewards.epochOf(1n)).weight).to.equal(3n);
  });

  it("epochs are closed in order, after their end and the time that their headers need; nothing is counted after", async () => {
    const built = await final(1, full);
    await expect(rewards.close(1n)).to.be.revertedWithCustomError(rewards, "RewardsNotYet");
    await end();
    await expect(rewards.close(2n)).to.be.revertedWithCustomError(rewards, "RewardsNotNext");
    const { end: ended } = await w.committee.epochInfo(1n);
    await w.networkHelpers.time.setNextBlockTimestamp(ended + (await rewards.settleTime()) - 1n);
    await expect(rewards.close(1n)).to.be.revertedWithCustomError(rewards, "RewardsNotYet");
    await expect(rewards.claim(await claims([full[0]!]))).to.be.revertedWithCustomError(rewards, "RewardsNotClosed");
    await w.networkHelpers.time.increaseTo(ended + (await rewards.settleTime()));
    await rewards.close(1n);
    await expect(rewards.close(1n)).to.be.revertedWithCustomError(rewards, "RewardsNotNext");
    await expect(rewards.count(1n, [built.header])).to.be.revertedWithCustomError(rewards, "RewardsClosed");
  });

  it("a seat is paid once, to its node's payout, by whoever asks; a seat that is none is named", async () => {
    const built = await final(4, full);
    await fund(1_000n);
    await end();
    await rewards.count(1n, [built.header]);
    await settled();
    await rewards.close(1n);
    const [claim] = await claims([full[0]!]);
    await expect(rewards.connect(w.relayer).claim([claim!, claim!])).to.emit(rewards, "RewardPaid").withArgs(full[0]!.nodeId, 1n, full[0]!.operator.address, 500n);
    expect(await earned(full[0]!)).to.equal(500n);
    await rewards.claim([claim!]);
    expect(await earned(full[0]!)).to.equal(500n);
    await expect(rewards.claim([{ epoch: 1n, seat: 3 }])).to.be.revertedWithCustomError(rewards, "RewardsNoSeat");
  });

  it("the pool's part of every slash is collected; nothing else comes in without a transfer", async () => {
    await w.registry.connect(await w.acting("FaultCourt")).slash(node.nodeId, bytes32("s"), 1_000n, false, w.relayer.address);
    await rewards.collect();
    expect(await rewards.pool()).to.equal(300n);
    await rewards.collect();
    expect(await rewards.pool()).to.equal(300n);
    await w.token.mint(w.addresses.FullNodeRewards, 50n);
    expect(await rewards.pool(), "a donation is not in the pool").to.equal(300n);
  });

  it("S14 whatever is rounded, what is set aside covers what is paid", async () => {
    const headers = [await final(7, full), await final(11, [full[0]!, full[2]!])];
    await fund(1_000_003n);
    await end();
    await rewards.count(1n, headers.map(({ header }) => header));
    await settled();
    await rewards.close(1n);
    await rewards.claim(await claims(full));
    expect(await w.token.balanceOf(rewards)).to.equal(await rewards.pool());
  });

  it("bounds: 64 headers and 64 claims a call; a full committee's count stays far below a block", async () => {
    const built = await final(1, full);
    await expect(rewards.count(1n, Array.from({ length: 65 }, () => built.header))).to.be.revertedWithCustomError(rewards, "RewardsTooMany");
    await expect(rewards.claim(Array.from({ length: 65 }, () => ({ epoch: 1n, seat: 0 })))).to.be.revertedWithCustomError(rewards, "RewardsTooMany");
    expect((await membersOf(w, 1n)).length).to.equal(3);
    expect(await rewards.count.estimateGas(1n, Array.from({ length: 64 }, () => built.header))).to.be.lessThan(5_000_000n);
  });
});
