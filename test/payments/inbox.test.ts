import { expect } from "chai";
import { AbiCoder, Wallet, keccak256 } from "ethers";
import { DEVNET_TIMES } from "../../scripts/deploy/payment.ts";
import * as protocol from "../../sdk/protocol/index.ts";
import { type World, eachAnew, id, world } from "./fixture.ts";

const ZERO = `0x${"00".repeat(32)}` as const;
const listHash = (epoch: bigint, members: { signer: string; stake: bigint }[]) =>
  keccak256(AbiCoder.defaultAbiCoder().encode(["uint64", "tuple(address signer,uint96 stake)[]"], [epoch, members])) as `0x${string}`;

describe("SettlementInbox", () => {
  let w: World;
  let header: protocol.BatchHeader;
  let hash: string;
  eachAnew(async () => {
    w = await world();
    const channel = await w.open();
    ({ header, hash } = w.headerOf([w.stretch(channel, 0n, 1n)]));
    return w;
  });

  const now = async () => BigInt(await w.networkHelpers.time.latest());
  const beat = async (settledAt: bigint, over = {}) =>
    w.inbox.record(await w.certificate(header, { headerHash: ZERO, slot: ZERO, channelsRoot: ZERO, status: 0, settledAt, ...over }));

  it("records a verdict by two thirds of the stake, once", async () => {
    await expect(w.inbox.record(await w.certificate(header))).to.emit(w.inbox, "VerdictRecorded").withArgs(hash, 3, header.channelsRoot, 1);
    await expect(w.inbox.record(await w.certificate(header))).not.to.emit(w.inbox, "VerdictRecorded");
    expect((await w.inbox.verdictOf(hash)).status).to.equal(3);
  });

  it("two of three equal stakes are a quorum, one is not; a stranger's signature is refused by seat", async () => {
    await expect(w.inbox.record(await w.certificate(header, {}, w.committee.slice(0, 1)))).to.be.revertedWithCustomError(w.inbox, "InboxNoQuorum");
    const forged = await w.certificate(header);
    const stranger = await w.quorum({ Finality: protocol.statementTypes.Finality }, { ...forged.finality, status: 4 });
    await expect(w.inbox.record({ ...forged, quorum: stranger })).to.be.revertedWithCustomError(w.inbox, "CommitteeWrongSigner");
    await w.inbox.record(await w.certificate(header, {}, w.committee.slice(0, 2)));
  });

  it("E15 another chain, inbox, epoch, list, status, or a late carrier", async () => {
    const cases: [Partial<protocol.Finality>, string][] = [
      [{ paymentChainId: 1n }, "InboxWrongPlace"], [{ inbox: w.payout.address as `0x${string}` }, "InboxWrongPlace"],
      [{ committeeEpoch: 2n }, "InboxEpochNotAccepted"], [{ status: 1 }, "InboxBadStatus"], [{ validUntil: (await now()) - 1n }, "InboxExpired"],
    ];
    for (const [over, error] of cases) {
      await expect(w.inbox.record(await w.certificate(header, over)), error).to.be.revertedWithCustomError(w.inbox, error);
    }
    const members = w.members.map((member) => ({ ...member, stake: member.stake + 1n }));
    await expect(w.inbox.record({ ...(await w.certificate(header)), members })).to.be.revertedWithCustomError(w.inbox, "InboxWrongList");
  });

  it("a second, different statement is reported and changes nothing", async () => {
    await w.inbox.record(await w.certificate(header));
    await expect(w.inbox.record(await w.certificate(header, { status: 4 }))).to.emit(w.inbox, "CertificateConflicted").withArgs(hash, 3, 4, header.channelsRoot, 1);
    expect((await w.inbox.verdictOf(hash)).status).to.equal(3);
  });

  it("the clock of refunds stands still in silence; news and keep-alives wind it, repetitions do not", async () => {
    const start = await w.inbox.aliveTime();
    await w.networkHelpers.time.increase(DEVNET_TIMES.silence * 5);
    const silent = await w.inbox.aliveTime();
    expect(Number(silent - start)).to.be.at.most(DEVNET_TIMES.silence);
    await beat(7n);
    await w.networkHelpers.time.increase(30);
    expect(Number((await w.inbox.aliveTime()) - silent)).to.be.within(30, 33);
    await expect(beat(7n)).to.be.revertedWithCustomError(w.inbox, "InboxStaleBeat");
    const certificate = await w.certificate(header);
    await w.inbox.record(certificate);
    const heard = await w.inbox.lastHeardAt();
    await w.networkHelpers.time.increase(20);
    await w.inbox.record(certificate);
    expect(await w.inbox.lastHeardAt()).to.equal(heard);
    // However long the silence, T_stopMax is the most that is left out of it.
    const before = await w.inbox.aliveTime();
    await w.networkHelpers.time.increase(DEVNET_TIMES.stopMax + DEVNET_TIMES.silence + 500);
    expect(Number((await w.inbox.aliveTime()) - before)).to.be.at.least(480);
  });

  describe("epochs", () => {
    const next = Array.from({ length: 2 }, (_, i) => new Wallet(`0x${String(i + 5).repeat(64)}`)).sort((a, b) => (BigInt(a.address) < BigInt(b.address) ? -1 : 1));
    const nextMembers = next.map(({ address }) => ({ signer: address, stake: 5n }));
    const rotation = async (over: Partial<protocol.Rotation> = {}): Promise<protocol.Rotation> => ({
      paymentChainId: BigInt(w.chainId), inbox: w.addresses.SettlementInbox, epoch: 2n, listHash: listHash(2n, nextMembers), validUntil: (await now()) + 100n, ...over,
    });
    const rotate = async (message: protocol.Rotation, members = nextMembers, signing = w.committee) =>
      w.inbox.rotate(message, members, w.members, await w.quorum({ Rotation: protocol.statementTypes.Rotation }, message, signing));

    it("the current one names the next; the old one speaks on in its grace, and no longer", async () => {
      await expect(rotate(await rotation())).to.emit(w.inbox, "EpochStarted").withArgs(2, listHash(2n, nextMembers), 10);
      await w.networkHelpers.time.increase(DEVNET_TIMES.grace - 10);
      await w.inbox.record(await w.certificate(header));
      await w.networkHelpers.time.increase(20);
      await expect(w.inbox.record(await w.certificate(header))).to.be.revertedWithCustomError(w.inbox, "InboxEpochNotAccepted");
    });

    it("a false rotation is refused", async () => {
      await expect(rotate(await rotation({ epoch: 3n }))).to.be.revertedWithCustomError(w.inbox, "InboxNotNext");
      await expect(rotate(await rotation({ inbox: w.payout.address as `0x${string}` }))).to.be.revertedWithCustomError(w.inbox, "InboxWrongPlace");
      await expect(rotate(await rotation({ validUntil: 1n }))).to.be.revertedWithCustomError(w.inbox, "InboxExpired");
      await expect(rotate(await rotation({ listHash: id("other") }))).to.be.revertedWithCustomError(w.inbox, "InboxWrongList");
      await expect(rotate(await rotation(), nextMembers, w.committee.slice(0, 1))).to.be.revertedWithCustomError(w.inbox, "InboxNoQuorum");
      for (const bad of [[], [...nextMembers].reverse(), [{ ...nextMembers[0]!, stake: 0n }]]) {
        await expect(rotate(await rotation({ listHash: listHash(2n, bad) }), bad)).to.be.revertedWithCustomError(w.inbox, "InboxBadCommittee");
      }
    });

    it("the first committee is named once, by the bootstrapper; an epoch that nobody relieved falls silent", async () => {
      await expect(w.inbox.bootstrap(1, w.members)).to.be.revertedWithCustomError(w.inbox, "InboxAlreadyBootstrapped");
      await expect(w.inbox.connect(w.relayer).bootstrap(1, w.members)).to.be.revertedWithCustomError(w.inbox, "InboxNotBootstrapper");
      await w.networkHelpers.time.increase(DEVNET_TIMES.epochLife + DEVNET_TIMES.grace + 1);
      await expect(beat(9n)).to.be.revertedWithCustomError(w.inbox, "InboxEpochNotAccepted");
    });
  });
});
