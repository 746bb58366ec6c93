import { expect } from "chai";
import type { Hex } from "viem";
import { decideRewards, type RewardView } from "../../../keepers/roles/full/rewards.ts";
import { BatchStatus, nameOf } from "../../../sdk/protocol/index.ts";
import type { FullNodeRewards } from "../../../types/contracts/index.js";
import { type FullRig, fullRig } from "../support/full-rig.ts";
import { createPoster, type Poster, blobsInMemory } from "../support/poster.ts";

const h = (n: number): Hex => `0x${n.toString(16).padStart(64, "0")}`;

describe("what is due for rewards", () => {
  const view = (change: Partial<RewardView> = {}): RewardView => ({ now: 100n, currentEpoch: 5n, next: { epoch: 4n, readyAt: 0n }, uncounted: [], collectable: 0n, owed: [], ...change });

  it("nothing while nothing is due; headers of a running epoch wait until they are worth a call", () => {
    expect(decideRewards(view())).to.deep.equal([]);
    const some = (count: number, epoch = 5n) => Array.from({ length: count }, (_, i) => ({ epoch, hash: h(i) }));
    expect(decideRewards(view({ uncounted: some(31) }))).to.deep.equal([]);
    expect(decideRewards(view({ uncounted: some(32) }))[0]).to.include({ kind: "count", epoch: 5n });
    expect(decideRewards(view({ uncounted: some(1, 4n) }))[0]).to.include({ kind: "count", epoch: 4n });
  });

  it("counts before it closes: a header that is counted later is not paid", () => {
    const due = { next: { epoch: 4n, readyAt: 100n } };
    expect(decideRewards(view({ ...due, uncounted: [{ epoch: 4n, hash: h(1) }], collectable: 9n })).map(({ kind }) => kind)).to.deep.equal(["count"]);
    expect(decideRewards(view({ ...due, collectable: 9n })).map(({ kind }) => kind)).to.deep.equal(["collect", "close"]);
    expect(decideRewards(view({ next: { epoch: 4n, readyAt: 101n } }))).to.deep.equal([]);
    expect(decideRewards(view({ ...due, uncounted: [{ epoch: 3n, hash: h(1) }] })).map(({ kind }) => kind), "of a closed epoch").to.deep.equal(["close"]);
  });

  it("64 headers and 64 claims a call", () => {
    const many = decideRewards(view({ uncounted: Array.from({ length: 100 }, (_, i) => ({ epoch: 4n, hash: h(i) })), owed: Array.from({ length: 100 }, (_, i) => ({ epoch: BigInt(i), seat: 0 })) }));
    expect(many.map((step) => (step.kind === "count" ? step.hashes.length : step.kind === "claim" ? step.claims.length : 0))).to.deep.equal([64, 64]);
  });
});

describe("from a posted batch to the certificate and the pay", () => {
  let rig: FullRig;
  let poster: Poster;
  let rewards: FullNodeRewards;
  before(async () => {
    const walrus = blobsInMemory();
    rig = await fullRig({ walrus, members: 7 });
    await rig.open();
    poster = await createPoster(rig.world, walrus);
    rewards = (await rig.world.ethers.getContractAt("FullNodeRewards", rig.world.addresses.FullNodeRewards)) as unknown as FullNodeRewards;
  });
  after(() => rig.stop());

  const status = async (hash: Hex) => nameOf(BatchStatus, Number((await rig.world.batchOf(hash)).status));
  const finalize = async () => {
    await rig.pass(Number(rig.world.parameters.settlement.window));
    await rig.world.networkHelpers.mine(Number(rig.world.parameters.settlement.windowBlocks));
    await rig.round(["finalize"]);
  };

  it("post to certificate within 3 blocks when nobody objects: seven members, blocks mined one by one", async () => {
    const spans: number[] = [];
    for (let run = 0; run < 3; run++) {
      const { hash, block } = await poster.post({ count: 20 });
      await rig.world.provider.request({ method: "evm_setAutomine", params: [false] });
      try {
        let done = false;
        const work = rig.round(["check", "sign", "certify"]).finally(() => (done = true));
        // A block comes only when somebody waits for one: time plays no part.
        while (!done) {
          const waiting = rig.members.some(({ platform }) => (platform.journal.counts().broadcast ?? 0) > 0);
          if (waiting) await rig.world.networkHelpers.mine(1);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        await work;
      } finally {
        await rig.world.provider.request({ method: "evm_setAutomine", params: [true] });
      }
      const [certified] = await rig.world.settlement.queryFilter(rig.world.settlement.filters.BatchCertified(hash));
      spans.push(certified!.blockNumber - block);
    }
    expect(Math.max(...spans), `blocks: ${spans.join(", ")}`).to.be.at.most(3);
  });

  it("and from Final to the verdict on the payment chain: the members sign, exchange and carry it, in 3 of its blocks", async () => {
    const { hash } = await poster.post();
    await rig.round(["check", "sign", "certify"]);
    await finalize();
    expect(await status(hash)).to.equal("Final");
    const before = await rig.inbox.runner!.provider!.getBlockNumber();
    await rig.carry();
    await rig.carry();
    const [recorded] = await rig.inbox.queryFilter(rig.inbox.filters.VerdictRecorded(hash));
    expect(recorded!.blockNumber - before).to.be.within(1, 3 + rig.members.length);
    expect((await rig.inbox.verdictOf(hash)).status).to.equal(BigInt(BatchStatus.Final));
  });

  it("a member that was away joins the certificate when it has checked", async () => {
    const away = rig.members[6]!;
    away.switches.offline = true;
    const { hash } = await poster.post();
    await rig.round(["check", "sign", "certify"]);
    expect(await status(hash)).to.equal("Certified");
    const before = (await rig.world.batchOf(hash)).signers;
    away.switches.offline = false;
    await rig.round(["check", "sign", "certify"]);
    await rig.round(["check", "sign", "certify"]);
    const after = (await rig.world.batchOf(hash)).signers;
    expect(after).to.not.equal(before);
    expect(after).to.equal((1n << 7n) - 1n);
  });

  it("members count, close and claim by themselves; all of them are paid, in proportion, and the pool keeps the dust", async () => {
    await finalize();
    const { world: w } = rig;
    const [funder] = await w.ethers.getSigners();
    await w.token.mint(funder!.address, 7_000n);
    await w.token.connect(funder!).approve(rewards, 7_000n);
    await rewards.connect(funder!).fund(7_000n);
    const { start } = await w.committee.epochInfo(1n);
    await w.networkHelpers.time.increaseTo(start + w.parameters.committee.epochLength + 1n);
    await rig.round(["seat"]);
    await rig.round(["rewards"]);
    const certified = await w.settlement.queryFilter(w.settlement.filters.BatchFinalized());
    expect(await Promise.all(certified.map(({ args }) => rewards.isCounted(args.headerHash)))).to.not.include(false);
    await w.networkHelpers.time.increase(await rewards.settleTime());
    for (let i = 0; i < 3; i++) await rig.round(["rewards"]);
    expect((await rewards.epochOf(1n)).closed).to.equal(true);
    const paid = await Promise.all(rig.members.map(({ node }) => w.token.balanceOf(node.operator.address)));
    expect(paid.every((amount) => amount > 0n && amount <= 1_000n), paid.join(" ")).to.equal(true);
    expect(paid.reduce((sum, amount) => sum + amount, 0n) + (await rewards.pool())).to.equal(7_000n);
    for (const { platform } of rig.members) expect(platform.journal.counts().reverted ?? 0).to.equal(0);
  });
});
