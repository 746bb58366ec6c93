import { expect } from "chai";
import type { Hex } from "viem";
import { BatchStatus, type Finality, Role, finalityDigest, slotOf } from "../../sdk/protocol/index.ts";
import { type World, bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { type Built, build, domainOf, line } from "./builder.ts";
import { elapse, type FullNode, membersOf, quorumOf } from "./quorum.ts";

describe("Committee", () => {
  let w: World;
  let node: FullNode;
  const full: FullNode[] = [];
  before(async () => {
    w = await settlementWorld((p) => {
      p.committee.maxOperatorBps = 3_334;
    });
    node = await w.addNode(Role.Inference);
    for (let i = 0; i < 3; i++) full.push(await w.addNode(Role.Full));
  });

  const members = (epoch: bigint) => membersOf(w, epoch);
  /** The signatures of the members in these seats. */
  async function quorumIn(epoch: bigint, digest: Hex, seats: number[]) {
    const list = await members(epoch);
    return quorumOf(w, epoch, digest, seats.map((seat) => full.find(({ authorizer }) => authorizer.address === list[seat]!.signer)!));
  }

  it("seats: full nodes only, once, one key one seat; empty committees do not start", async () => {
    await expect(w.committee.rotate()).to.be.revertedWithCustomError(w.committee, "CommitteeEmpty");
    await expect(w.committee.join(node.nodeId)).to.be.revertedWithCustomError(w.committee, "CommitteeNotFullNode");
    for (const { nodeId } of full) await w.committee.join(nodeId);
    await expect(w.committee.join(full[0]!.nodeId)).to.be.revertedWithCustomError(w.committee, "CommitteeSeated");
    await expect(w.committee.connect(w.relayer).leave(full[0]!.nodeId)).to.be.revertedWithCustomError(w.committee, "CommitteeStillActive");
    await w.committee.rotate();
    await expect(w.committee.rotate()).to.be.revertedWithCustomError(w.committee, "CommitteeNotYet");
    const { size, fastPath, totalStake } = await w.committee.epochInfo(1n);
    expect([size, fastPath]).to.deep.equal([3n, true]);
    expect(totalStake).to.equal(3n * 2n * w.parameters.registry.minBondFull);
  });

  const finality = async (built: Built, change: Partial<Finality> = {}): Promise<Finality> => ({
    paymentChainId: 713371n, inbox: "0x2222222222222222222222222222222222222222", committeeEpoch: 1n, headerHash: built.hash, slot: slotOf(built.header, built.hash),
    channelsRoot: built.header.channelsRoot, status: BatchStatus.Final, settledAt: await w.now(), validUntil: (await w.now()) + 10n, ...change,
  });
  const slash = async (built: Built, statement: Finality, seats = [0, 1]) => {
    const quorum = await quorumIn(1n, finalityDigest(statement, domainOf(w)), seats);
    return w.committee.connect(w.relayer).slashFalseFinality(statement, built.header, await members(1n), quorum);
  };
  const posted = async (label: string) => {
    const built = await build(w, node, line(node, await w.now(), 2, { paymentId: bytes32(label) }));
    await w.settlement.postBatch(built.header, built.signature, true);
    return built;
  };

  it("a true statement costs nobody anything", async () => {
    const built = await posted("true");
    await elapse(w);
    await w.settlement.finalize(built.header);
    await expect(slash(built, await finality(built))).to.be.revertedWithCustomError(w.committee, "CommitteeStatementTrue");
  });

  const lies: [string, (built: Built) => Promise<Partial<Finality>>][] = [
    ["final before it is", async () => ({})],
    ["rejected, though it is not", async () => ({ status: BatchStatus.Rejected })],
    ["a status that is not terminal", async () => ({ status: BatchStatus.Posted })],
    ["an unknown header", async () => ({ headerHash: bytes32("unknown") })],
    ["a life too long", async () => ({ validUntil: (await w.now()) + w.parameters.committee.certificateLife + 2n })],
    ["settled in the future", async () => ({ settledAt: (await w.now()) + 100n })],
  ];
  for (const [title, change] of lies) {
    it(`a false statement is slashed, once: ${title}`, async () => {
      const built = await posted(title);
      const statement = await finality(built, await change(built));
      const before = await Promise.all(full.map(async ({ nodeId }) => (await w.registry.bond(nodeId)).free));
      // Bonds that earlier lies used up are topped up, so that each case is about one slash.
      await expect(slash(built, statement, [0])).to.emit(w.committee, "FalseStatementProved").withArgs(1n, statement.headerHash, 1n, w.relayer.address);
      const after = await Promise.all(full.map(async ({ nodeId }) => (await w.registry.bond(nodeId)).free));
      const lost = before.map((stake, i) => stake - after[i]!).reduce((a, b) => a + b);
      expect(lost).to.be.lessThanOrEqual(w.parameters.committee.falseStatementSlash);
      await expect(slash(built, statement, [0])).to.be.revertedWithCustomError(w.committee, "CommitteeAlreadySlashed");
    });
  }

  it("a wrong channels root is false, even of a final header", async () => {
    const built = await posted("channels");
    await elapse(w);
    await w.settlement.finalize(built.header);
    await expect(slash(built, await finality(built, { channelsRoot: bytes32("x") }), [1])).to.emit(w.committee, "FalseStatementProved");
  });

  it("signatures that are not the members' prove nothing", async () => {
    const built = await posted("forged");
    const statement = await finality(built);
    const quorum = await quorumIn(1n, bytes32("another digest"), [0]);
    await expect(w.committee.slashFalseFinality(statement, built.header, await members(1n), quorum)).to.revert(w.ethers);
  });

  it("one operator with over a third turns the fast path off; a dead epoch certifies nothing", async () => {
    const whale = await w.addNode(Role.Full, { bond: w.parameters.registry.minBondFull * 20n });
    full.push(whale);
    await w.committee.join(whale.nodeId);
    await w.networkHelpers.time.increase(Number(w.parameters.committee.epochLength));
    await w.committee.rotate();
    expect(await w.committee.fastPath(2n)).to.equal(false);
    const built = await posted("whale");
    const digest = bytes32("x");
    await expect(w.settlement.certify(built.header, 2n, await members(2n), await quorumIn(2n, digest, [0]))).to.be.revertedWithCustomError(w.committee, "CommitteeFastPathOff");
    await w.networkHelpers.time.increase(Number(w.parameters.committee.grace) + 1);
    await expect(w.settlement.certify(built.header, 1n, await members(1n), await quorumIn(1n, digest, [0]))).to.be.revertedWithCustomError(w.committee, "CommitteeDeadEpoch");
    await expect(w.settlement.certify(built.header, 0n, [], { signers: 0n, signatures: "0x" })).to.be.revertedWithCustomError(w.committee, "CommitteeDeadEpoch");
  });

  it("64 seats at most: a better bonded node takes the weakest, a worse one none", async () => {
    const world = await settlementWorld();
    const first = await world.addNode(Role.Full, { bond: world.parameters.registry.minBondFull });
    await world.committee.join(first.nodeId);
    for (let i = 1; i < 64; i++) await world.committee.join((await world.addNode(Role.Full)).nodeId);
    const poor = await world.addNode(Role.Full, { bond: world.parameters.registry.minBondFull });
    await expect(world.committee.join(poor.nodeId)).to.be.revertedWithCustomError(world.committee, "CommitteeNoSeat");
    const rich = await world.addNode(Role.Full);
    await expect(world.committee.join(rich.nodeId)).to.emit(world.committee, "SeatTaken").withArgs(rich.nodeId, rich.authorizer.address, first.nodeId);
    const tx = await world.committee.rotate();
    expect((await tx.wait())!.gasUsed).to.be.lessThan(16_777_216n);
    expect((await world.committee.epochInfo(1n)).size).to.equal(64n);
  });
});
