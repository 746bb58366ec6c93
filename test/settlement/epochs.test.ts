import { expect } from "chai";
import { committeeListHash, Role } from "../../sdk/protocol/index.ts";
import { settlementParameters } from "../../scripts/deploy/parameters.ts";
import { type World, bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { build, line } from "./builder.ts";
import { certify, committeeWorld, type FullNode, keep, membersOf, quorumOf, seat } from "./quorum.ts";

/** EpochStatus of ICommittee. */
const Status = { None: 0n, Scheduled: 1n, Current: 2n, Grace: 3n, Dead: 4n } as const;

describe("committee epochs: Scheduled -> Current -> Grace -> Dead", () => {
  let w: World;
  let node: FullNode;
  let full: FullNode[];
  let counter = 0;
  let anew: () => Promise<void>;
  before(async () => {
    ({ w, node, full } = await committeeWorld({ change: (p) => (p.committee.maxOperatorBps = 3_334) }));
    anew = await keep(w);
  });
  beforeEach(() => anew());

  const posted = async () => {
    const built = await build(w, node, line(node, await w.now(), 1, { paymentId: bytes32(`epoch ${counter++}`) }));
    await w.settlement.postBatch(built.header, built.signature, false);
    return built;
  };
  const rotate = async () => {
    await w.networkHelpers.time.increase(Number(w.parameters.committee.epochLength));
    await w.committee.rotate();
  };
  const dead = async (epoch: bigint) => expect(certify(w, await posted(), epoch, full)).to.be.revertedWithCustomError(w.committee, "CommitteeDeadEpoch");

  it("None, Scheduled: signs nothing", async () => {
    expect(await w.committee.epochStatus(0n)).to.equal(Status.None);
    expect(await w.committee.epochStatus(3n)).to.equal(Status.None);
    expect(await w.committee.epochStatus(2n)).to.equal(Status.Scheduled);
    const built = await posted();
    for (const epoch of [0n, 2n, 3n]) {
      await expect(w.settlement.certify(built.header, epoch, await membersOf(w, 1n), await quorumOf(w, 1n, bytes32("x"), full))).to.be.revertedWithCustomError(w.committee, "CommitteeDeadEpoch");
    }
  });

  it("Scheduled -> Current: by rotate, after the epoch's length and not a second before", async () => {
    const { start } = await w.committee.epochInfo(1n);
    await w.networkHelpers.time.setNextBlockTimestamp(start + w.parameters.committee.epochLength - 1n);
    await expect(w.committee.rotate()).to.be.revertedWithCustomError(w.committee, "CommitteeNotYet");
    await w.networkHelpers.time.setNextBlockTimestamp(start + w.parameters.committee.epochLength);
    await w.committee.connect(w.relayer).rotate();
    expect(await w.committee.epochStatus(2n)).to.equal(Status.Current);
    await expect(w.committee.rotate(), "once").to.be.revertedWithCustomError(w.committee, "CommitteeNotYet");
  });

  it("Current: certifies, however long nobody relieves it", async () => {
    expect(await w.committee.epochStatus(1n)).to.equal(Status.Current);
    await w.networkHelpers.time.increase(Number(w.parameters.committee.epochLength) * 3);
    await expect(certify(w, await posted(), 1n, full)).to.emit(w.settlement, "BatchCertified");
  });

  it("Current -> Grace: what the relieved epoch signs counts to the last second of the grace", async () => {
    await rotate();
    expect(await w.committee.epochStatus(1n)).to.equal(Status.Grace);
    const built = await posted();
    const { end } = await w.committee.epochInfo(1n);
    await w.networkHelpers.time.setNextBlockTimestamp(end + w.parameters.committee.grace);
    await expect(certify(w, built, 1n, full)).to.emit(w.settlement, "BatchCertified");
  });

  it("Grace -> Dead: a second later it signs nothing, and nothing brings it back", async () => {
    await rotate();
    const { end } = await w.committee.epochInfo(1n);
    await w.networkHelpers.time.increaseTo(end + w.parameters.committee.grace + 1n);
    expect(await w.committee.epochStatus(1n)).to.equal(Status.Dead);
    await dead(1n);
    await rotate();
    await dead(1n);
    expect(await w.committee.epochStatus(1n)).to.equal(Status.Dead);
    expect(await w.committee.epochStatus(2n)).to.equal(Status.Grace);
  });

  it("Grace -> Dead: also by the rotation after next, at once", async () => {
    await rotate();
    await rotate();
    expect(await w.committee.epochStatus(1n)).to.equal(Status.Dead);
    await dead(1n);
  });

  it("a list is closed when its epoch begins: who joins, leaves or adds bond later counts in the next one", async () => {
    const before = await membersOf(w, 1n);
    const newcomer = await w.addNode(Role.Full);
    await w.committee.join(newcomer.nodeId);
    await w.committee.connect(full[0]!.operator).leave(full[0]!.nodeId);
    const extra = w.parameters.registry.minBondFull;
    await w.token.mint(w.admin.address, extra);
    await w.token.approve(w.registry, extra);
    await w.registry.addBond(full[1]!.nodeId, extra);
    expect(await membersOf(w, 1n)).to.deep.equal(before);
    expect((await w.committee.epochInfo(1n)).listHash).to.equal(committeeListHash(1n, before));
    await expect(certify(w, await posted(), 1n, full), "one that left still signs for its epoch").to.emit(w.settlement, "BatchCertified");
    await rotate();
    const next = await membersOf(w, 2n);
    const stakes = new Map(next.map(({ signer, stake }) => [signer as string, stake]));
    expect(stakes.has(full[0]!.authorizer.address)).to.equal(false);
    expect(stakes.has(newcomer.authorizer.address)).to.equal(true);
    expect(stakes.get(full[1]!.authorizer.address)).to.equal(3n * extra);
  });

  it("another list than the epoch's is refused: changed stake, order, member, epoch", async () => {
    const list = await membersOf(w, 1n);
    const built = await posted();
    const quorum = await quorumOf(w, 1n, bytes32("x"), full);
    const wrong = [list.slice(1), [...list].reverse(), list.map((m, i) => (i === 0 ? { ...m, stake: m.stake + 1n } : m)), [...list, list[0]!], []];
    for (const members of wrong) await expect(w.settlement.certify(built.header, 1n, members, quorum)).to.be.revertedWithCustomError(w.committee, "CommitteeWrongList");
  });

  it("fast path off: one operator's seats together over a third, though no seat alone is", async () => {
    const operator = await w.account();
    const small = w.parameters.registry.minBondFull;
    // 3 x 2 and 2 x 2 of one operator: 4 of 10.
    for (let i = 0; i < 2; i++) await w.committee.join((await w.addNode(Role.Full, { operator, bond: 2n * small })).nodeId);
    await rotate();
    expect(await w.committee.fastPath(2n)).to.equal(false);
    await expect(certify(w, await posted(), 2n, full)).to.be.revertedWithCustomError(w.committee, "CommitteeFastPathOff");
    // A fourth honest node makes it 4 of 12: a third is not over a third.
    await w.committee.join((await w.addNode(Role.Full)).nodeId);
    await rotate();
    expect(await w.committee.fastPath(3n)).to.equal(true);
  });

  it("fast path off: less stake than minTotalStake, on from exactly there", async () => {
    for (const [least, on] of [[6n, true], [7n, false]] as const) {
      const world = await settlementWorld((p) => {
        p.committee.minTotalStake = least * p.registry.minBondFull;
      });
      await seat(world, [await world.addNode(Role.Full), await world.addNode(Role.Full), await world.addNode(Role.Full)]);
      expect(await world.committee.fastPath(1n)).to.equal(on);
    }
  });

  it("a seat whose node is not Active or under the minimum bond falls out at the rotation", async () => {
    await w.registry.connect(await w.acting("FaultCourt")).slash(full[0]!.nodeId, bytes32("s"), w.parameters.registry.minBondFull + 1n, false, w.admin.address);
    await rotate();
    expect((await membersOf(w, 2n)).map(({ signer }) => signer)).to.have.members(full.slice(1).map(({ authorizer }) => authorizer.address));
  });

  it("stake unlock is 21 days on a public chain, longer than everything that a member's word is good for", async () => {
    const { registry, committee } = settlementParameters();
    expect(registry.stakeUnlock).to.equal(21n * 86_400n);
    expect(registry.stakeUnlock >= committee.epochLength + committee.grace + committee.certificateLife).to.equal(true);
    const exposed = w.parameters.committee.epochLength + w.parameters.committee.grace + w.parameters.committee.certificateLife;
    const short = settlementWorld((p) => {
      p.registry.stakeUnlock = exposed - 1n;
    });
    await expect(short).to.be.rejectedWith(/CommitteeBadParams|revert|reverted/);
  });

  it("a member that leaves for good is slashable until its stake is unlocked, and cannot have it a second earlier", async () => {
    const [leaver] = full as [FullNode];
    await w.committee.connect(leaver.operator).leave(leaver.nodeId);
    await w.registry.connect(leaver.operator).drain(leaver.nodeId);
    await w.registry.connect(leaver.operator).exit(leaver.nodeId);
    const { exitAt, exiting } = await w.registry.bond(leaver.nodeId);
    expect(exitAt).to.equal((await w.now()) + w.parameters.registry.stakeUnlock);
    await w.networkHelpers.time.setNextBlockTimestamp(exitAt - 1n);
    await expect(w.registry.connect(leaver.operator).withdraw(leaver.nodeId, leaver.operator.address)).to.be.revertedWithCustomError(w.registry, "NodeRegistryNotYet");
    const { rotationDigest } = await import("../../sdk/protocol/index.ts");
    const lie = { paymentChainId: 713371n, inbox: "0x2222222222222222222222222222222222222222" as const, epoch: 2n, listHash: bytes32("lie"), validUntil: 1n };
    const quorum = await quorumOf(w, 1n, rotationDigest(lie, { chainId: w.chainId, verifyingContract: w.addresses.InferenceSettlement }), [leaver]);
    await w.committee.connect(w.relayer).slashFalseRotation(lie, await membersOf(w, 1n), quorum);
    expect((await w.registry.bond(leaver.nodeId)).exiting).to.equal(exiting - w.parameters.committee.falseStatementSlash);
  });
});
