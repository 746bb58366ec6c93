import { expect } from "chai";
import type { Hex } from "viem";
import { stopAfter } from "../../../keepers/roles/inference/inbox-watch.ts";
import { beatAfter, decideHandover, type HandoverView } from "../../../keepers/roles/full/handover-plan.ts";
import { MAINNET_TIMES } from "../../../scripts/deploy/payment.ts";
import { settlementParameters } from "../../../scripts/deploy/parameters.ts";
import { committeeListHash } from "../../../sdk/protocol/index.ts";
import { type FullRig, fullRig } from "../support/full-rig.ts";

const DAY = 86_400n;

describe("what the inbox has to be told", () => {
  const inbox = `0x${"11".repeat(20)}` as Hex;
  const listHash = `0x${"22".repeat(32)}` as Hex;
  const view = (change: { now?: bigint; heard?: bigint; epoch?: bigint; next?: HandoverView["next"]; settlementNow?: bigint; block?: bigint } = {}): HandoverView => ({
    payment: { chainId: 1n, inbox, now: change.now ?? 1_000_000n },
    inbox: { epoch: change.epoch ?? 4n, lastHeardAt: change.heard ?? 999_999n, silence: DAY },
    settlement: { now: change.settlementNow ?? 1_000_000n, block: change.block ?? 50n, certificateLife: 3n * DAY },
    next: change.next ?? null,
  });
  const next = { epoch: 5n, listHash, block: 50n };

  it("nothing before the first committee, nothing while it is heard", () => {
    expect(decideHandover(view({ epoch: 0n, heard: 0n, next: { ...next, epoch: 1n } }))).to.deep.equal([]);
    expect(decideHandover(view())).to.deep.equal([]);
  });

  it("the next list once its block is final, and no other epoch", () => {
    const [step] = decideHandover(view({ next }));
    expect(step).to.deep.include({ kind: "rotation" });
    expect(step!.message).to.include({ epoch: 5n, listHash, paymentChainId: 1n, inbox });
    expect(decideHandover(view({ next, block: 49n })), "a block that may still go").to.deep.equal([]);
    expect(decideHandover(view({ next: { ...next, epoch: 6n } }))).to.deep.equal([]);
  });

  it("a keep-alive after a sixteenth of T_silent; a hand-over takes its place", () => {
    const period = beatAfter(DAY);
    expect(period).to.equal(5_400n);
    expect(decideHandover(view({ heard: 1_000_000n - period + 1n }))).to.deep.equal([]);
    const [beat] = decideHandover(view({ heard: 1_000_000n - period }));
    expect(beat).to.deep.include({ kind: "beat" });
    expect(beat!.message).to.include({ headerHash: `0x${"00".repeat(32)}`, status: 0, settledAt: 999_000n });
    expect(decideHandover(view({ heard: 0n, next })).map(({ kind }) => kind)).to.deep.equal(["rotation"]);
    // Three may fail before nodes stop taking held work.
    expect(Number(period) * 4).to.be.at.most(stopAfter(Number(DAY)));
  });

  it("members with slightly different heads sign the same bytes; the next slot has others", () => {
    const bytes = (settlementNow: bigint) => JSON.stringify(decideHandover(view({ heard: 0n, settlementNow })), (_, value: unknown) => String(value));
    expect(decideHandover(view({ heard: 0n, settlementNow: 999_001n }))).to.deep.equal(decideHandover(view({ heard: 0n, settlementNow: 1_004_399n })));
    expect(bytes(1_004_400n)).to.be.a("string");
    expect(decideHandover(view({ heard: 0n, settlementNow: 1_004_400n }))).not.to.deep.equal(decideHandover(view({ heard: 0n })));
    expect(decideHandover(view({ next, settlementNow: 1_000_001n }))).to.deep.equal(decideHandover(view({ next })));
  });

  it("X1 what signs for the inbox is still bonded when it is no longer taken: epochLife + grace < stake unlock", () => {
    const { registry, committee } = settlementParameters();
    expect(BigInt(MAINNET_TIMES.epochLife + MAINNET_TIMES.grace) < registry.stakeUnlock).to.equal(true);
    expect(registry.stakeUnlock).to.equal(21n * DAY);
    expect(committee.epochLength < BigInt(MAINNET_TIMES.epochLife), "an epoch is relieved before its life ends").to.equal(true);
    expect(stopAfter(MAINNET_TIMES.silence)).to.equal(6 * 3_600);
  });
});

describe("full nodes hand the committee over by themselves", () => {
  let rig: FullRig;
  before(async () => {
    rig = await fullRig();
    await rig.open();
  });
  after(() => rig.stop());

  const epochOf = () => rig.inbox.currentEpoch();
  const counted = async (name: "EpochStarted" | "Beaten") => (await rig.inbox.queryFilter(rig.inbox.filters[name] as never)).length;
  const listOf = async (epoch: bigint) => (await rig.world.committee.members(epoch)).map(({ signer, stake }) => ({ signer: signer as Hex, stake }));
  const nextEpoch = async () => {
    await rig.pass(Number(rig.world.parameters.committee.epochLength) + 1);
    await rig.round();
  };
  /** The world's nodes do not beat by themselves; a node that nobody marks dead stays Active. */
  const expectMirrored = async (epoch: bigint) => {
    expect(await epochOf()).to.equal(epoch);
    expect((await rig.inbox.epochOf(epoch)).listHash).to.equal(committeeListHash(epoch, await listOf(epoch)));
    expect((await rig.inbox.epochOf(epoch)).listHash).to.equal((await rig.world.committee.epochInfo(epoch)).listHash);
  };

  it("an epoch later the next list is on the payment chain, by one transaction", async () => {
    await expectMirrored(1n);
    await nextEpoch();
    await rig.round();
    await expectMirrored(2n);
    expect(await counted("EpochStarted")).to.equal(2);
  });

  it("lives through epochs with changing signers: one joins, one leaves and goes dark", async () => {
    const newcomer = await rig.addMember();
    await rig.round();
    await nextEpoch();
    await rig.round();
    await expectMirrored(3n);
    expect((await listOf(3n)).map(({ signer }) => signer)).to.include(newcomer.node.authorizer.address);

    const leaver = rig.members[0]!;
    leaver.switches.offline = true;
    await rig.world.committee.connect(leaver.node.operator).leave(leaver.node.nodeId);
    await nextEpoch();
    await rig.round();
    await expectMirrored(4n);
    expect((await listOf(4n)).map(({ signer }) => signer)).not.to.include(leaver.node.authorizer.address);
    expect(await counted("EpochStarted"), "one hand-over an epoch").to.equal(4);
  });

  it("an inbox that fell behind catches up epoch by epoch, each list signed by the one before", async () => {
    for (const { switches } of rig.members) switches.payment.down = true;
    for (let i = 0; i < 2; i++) {
      await rig.pass(Number(rig.world.parameters.committee.epochLength) + 1);
      await rig.round(["seat"]);
      await rig.round(["seat"]);
    }
    expect(await rig.world.committee.currentEpoch()).to.equal(6n);
    expect(await epochOf()).to.equal(4n);
    for (const { switches } of rig.members) switches.payment.down = false;
    rig.wall.ahead += 60_000; // the pool lets a dead endpoint rest
    for (let i = 0; i < 4; i++) await rig.round();
    await expectMirrored(6n);
    expect((await rig.inbox.epochOf(5n)).listHash).to.equal((await rig.world.committee.epochInfo(5n)).listHash);
  });

  it("keeps the clock of refunds running while there is nothing to certify, with one keep-alive at a time", async () => {
    await rig.round();
    const before = await counted("Beaten");
    const alive = await rig.inbox.aliveTime();
    for (let i = 0; i < 3; i++) {
      await rig.pass(40);
      await rig.round();
      await rig.round();
    }
    expect(await counted("Beaten")).to.equal(before + 3);
    expect(Number((await rig.inbox.aliveTime()) - alive)).to.be.at.least(120);
  });

  it("a leader that died delays a hand-over by its turn only", async () => {
    const epoch = await epochOf();
    const dead = rig.members[1]!;
    dead.switches.offline = true;
    await nextEpoch();
    await rig.round();
    await rig.round();
    expect(await epochOf()).to.equal(epoch + 1n);
    dead.switches.offline = false;
  });

  it("less than two thirds of the stake hand nothing over", async () => {
    const epoch = await epochOf();
    const living = rig.members.filter(({ switches }) => !switches.offline);
    for (const { switches } of living.slice(1)) switches.offline = true;
    await nextEpoch();
    await rig.round();
    expect(await rig.world.committee.currentEpoch()).to.equal(epoch + 1n);
    expect(await epochOf()).to.equal(epoch);
    for (const { switches } of living) switches.offline = false;
    await rig.round();
    await rig.round();
    expect(await epochOf()).to.equal(epoch + 1n);
  });

  it("nobody lost a transaction to a revert, and nobody can be slashed for what it signed", async () => {
    for (const { platform } of rig.members) expect(platform.journal.counts().reverted ?? 0).to.equal(0);
    const falsehoods = await rig.world.committee.queryFilter(rig.world.committee.filters.FalseStatementProved());
    expect(falsehoods).to.have.length(0);
  });
});
