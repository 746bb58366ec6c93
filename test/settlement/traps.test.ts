import { expect } from "chai";
import { encodeAbiParameters, type Hex, keccak256 } from "viem";
import { encodeEvidence, type BatchHeader, FaultKind, headerHash, leafCheckDigest, positionalTree, receiptDigest, receiptLeaf } from "../../sdk/protocol/index.ts";
import type { FullNodeRewards, Traps } from "../../types/contracts/index.js";
import { type World, bytes32 } from "../utils/settlement-world.ts";
import { type Built, build, domainOf, line } from "./builder.ts";
import { certify, committeeWorld, elapse, foundFault, type FullNode, keep, membersOf, openingOf, prove, quorumOf } from "./quorum.ts";

/** Each line of the game in docs/engineer/committee.md. */
describe("planted bad headers: the game", () => {
  let w: World;
  let traps: Traps;
  let rewards: FullNodeRewards;
  let node: FullNode;
  let full: FullNode[];
  let counter = 0;
  let anew: () => Promise<void>;
  let planter: FullNode["operator"];
  let finder: World["relayer"];
  let prize: bigint;
  const salt = bytes32("the planter's secret");
  before(async () => {
    ({ w, node, full } = await committeeWorld());
    traps = (await w.ethers.getContractAt("Traps", w.addresses.Traps)) as unknown as Traps;
    rewards = (await w.ethers.getContractAt("FullNodeRewards", w.addresses.FullNodeRewards)) as unknown as FullNodeRewards;
    planter = node.operator;
    finder = (await w.ethers.getSigners())[5]!;
    prize = (await traps.params()).minPrize;
    await w.token.mint(planter.address, 10n * prize);
    await w.token.connect(planter).approve(traps, 10n * prize);
    anew = await keep(w);
  });
  beforeEach(() => anew());

  const commitmentOf = (hash: Hex, by: string = planter.address) =>
    keccak256(encodeAbiParameters([{ type: "address" }, { type: "bytes32" }, { type: "bytes32" }], [by as Hex, hash, salt]));
  async function bad(): Promise<{ built: Built; evidence: Hex }> {
    const built = await build(w, node, line(node, await w.now(), 3, { paymentId: bytes32(`trap ${counter++}`) }));
    const digest = receiptDigest(built.receipts[1]!, domainOf(w));
    const signature = full[0]!.signer.sign(digest);
    const leaves = built.leaves.with(1, receiptLeaf(digest, signature));
    const header = { ...built.header, receiptsRoot: positionalTree(leaves).root };
    const hash = headerHash(header, domainOf(w));
    return { built: { ...built, header, hash, signature: node.signer.sign(hash) }, evidence: encodeEvidence({ leaf: { receipt: built.receipts[1]!, signature, index: 1n, path: positionalTree(leaves).path(1) } }) };
  }
  async function planted() {
    const trap = await bad();
    await traps.connect(planter).plant(commitmentOf(trap.built.hash), prize);
    await w.settlement.postBatch(trap.built.header, trap.built.signature, false);
    return trap;
  }
  const find = ({ built, evidence }: Awaited<ReturnType<typeof bad>>, by: { address: string } = finder) => prove(w, by, built.header, built.hash, FaultKind.BadSignature, evidence);
  const nothing = { kind: 0, evidenceHash: bytes32("none"), salt: bytes32("none") };
  const reveal = async (header: BatchHeader) => {
    const found = await foundFault(w, headerHash(header, domainOf(w)));
    return traps.connect(planter).reveal(header, salt, found?.finder ?? planter.address, found?.opening ?? nothing);
  };
  const lock = () => w.parameters.settlement.minLock;
  /** Everything that a party owns or may withdraw. */
  const wealth = async (address: string) => (await w.token.balanceOf(address)) + (await w.registry.reward(address));
  const standing = async () => (await w.registry.bond(node.nodeId)).free + (await w.registry.bond(node.nodeId)).locked;

  it("the finder earns the prize and its part of the lock", async () => {
    const before = await wealth(finder.address);
    const trap = await planted();
    await find(trap);
    await expect(reveal(trap.built.header)).to.emit(traps, "TrapFound").withArgs(commitmentOf(trap.built.hash), trap.built.hash, finder.address, prize);
    expect((await wealth(finder.address)) - before).to.equal(prize + (lock() * 3n) / 10n);
  });

  it("the planter loses the prize and the lock, and nothing beyond: its node goes on", async () => {
    const [money, bond] = [await wealth(planter.address), await standing()];
    const trap = await planted();
    await find(trap);
    await reveal(trap.built.header);
    expect(money - (await wealth(planter.address))).to.equal(prize);
    expect(bond - (await standing())).to.equal(lock());
    expect(await w.registry.isActive(node.nodeId)).to.equal(true);
    expect(await w.token.balanceOf(traps)).to.equal(0n);
  });

  it("a planter that finds its own trap is out of 70 % of the lock", async () => {
    const before = (await wealth(planter.address)) + (await standing());
    const trap = await planted();
    await find(trap, planter);
    await reveal(trap.built.header);
    expect(before - (await wealth(planter.address)) - (await standing())).to.equal((lock() * 7n) / 10n);
  });

  it("who signs it blindly loses the price of a false check, whether a quorum did or one alone", async () => {
    const fine = w.parameters.committee.falseStatementSlash;
    const free = () => Promise.all(full.map(async ({ nodeId }) => (await w.registry.bond(nodeId)).free));
    for (const quorum of [full, []]) {
      const trap = await planted();
      if (quorum.length > 0) await certify(w, trap.built, 1n, quorum);
      const before = await free();
      await find(trap);
      if (quorum.length === 0) {
        const shown = await quorumOf(w, 1n, leafCheckDigest({ headerHash: trap.built.hash, committeeEpoch: 1n }, domainOf(w)), [full[2]!]);
        await w.committee.connect(planter).slashFalseLeafCheck(trap.built.header, 1n, await membersOf(w, 1n), shown);
      }
      const lost = (await free()).map((left, i) => before[i]! - left);
      expect(lost).to.deep.equal(quorum.length > 0 ? [fine, fine, fine] : [0n, 0n, fine]);
      await anew();
    }
  });

  it("checking beats signing blindly as soon as p x slash > cost: with the shipped figures, one trap in 100,000 headers is enough", () => {
    const slash = w.parameters.committee.falseStatementSlash;
    // A check costs less than a cent of processor time; a thousandth of a bond token stands for it here.
    const cost = 10n ** 15n;
    expect(slash > 100_000n * cost).to.equal(true);
  });

  it("with n blind members planting pays for itself: the share of blind signatures that nobody hunts is (0.7 x lock + prize) / (0.3 x n x slash)", async () => {
    const before = (await wealth(planter.address)) + (await standing());
    const trap = await planted();
    await certify(w, trap.built, 1n, full);
    await find(trap, planter);
    await reveal(trap.built.header);
    const gain = (await wealth(planter.address)) + (await standing()) - before;
    // It has the prize back, and 30 % of what three blind members lost.
    expect(gain).to.equal((3n * w.parameters.committee.falseStatementSlash * 3n) / 10n - (lock() * 7n) / 10n);
  });

  it("nobody can tell a trap before it is found: the commitment opens only with the planter's secret", async () => {
    const trap = await planted();
    await find(trap);
    await expect(traps.connect(finder).reveal(trap.built.header, salt, finder.address, nothing)).to.be.revertedWithCustomError(traps, "TrapsUnknown");
    await expect(traps.connect(planter).reveal(trap.built.header, bytes32("guess"), finder.address, nothing)).to.be.revertedWithCustomError(traps, "TrapsUnknown");
    expect(await traps.openTraps()).to.equal(1n);
  });

  it("naming another finder, or none, costs the planter its surety as well", async () => {
    const trap = await planted();
    await find(trap);
    const opening = openingOf(FaultKind.BadSignature, trap.evidence);
    const before = await wealth(planter.address);
    await expect(traps.connect(planter).reveal(trap.built.header, salt, planter.address, opening)).to.emit(traps, "TrapForfeited");
    expect(await wealth(planter.address)).to.equal(before);
    expect(await rewards.pool()).to.equal(2n * prize);
  });

  it("an accident cannot be called a trap afterwards, and calling it one would forgive nothing", async () => {
    const trap = await bad();
    await w.settlement.postBatch(trap.built.header, trap.built.signature, false);
    await traps.connect(planter).plant(commitmentOf(trap.built.hash), prize);
    await find(trap);
    await expect(reveal(trap.built.header)).to.be.revertedWithCustomError(traps, "TrapsPlantedLate");
  });

  it("not told in time, everything goes to the full nodes' pool", async () => {
    const trap = await planted();
    await find(trap);
    await expect(traps.forfeit(commitmentOf(trap.built.hash))).to.be.revertedWithCustomError(traps, "TrapsNotYet");
    await w.networkHelpers.time.increase(Number((await traps.params()).revealTime) + 1);
    await expect(traps.connect(finder).forfeit(commitmentOf(trap.built.hash))).to.emit(traps, "TrapForfeited").withArgs(commitmentOf(trap.built.hash), 2n * prize);
    expect(await rewards.pool()).to.equal(2n * prize);
    await expect(reveal(trap.built.header)).to.be.revertedWithCustomError(traps, "TrapsUnknown");
  });

  it("a good header called a trap, and a bad one that nobody stopped, cost everything", async () => {
    const built = await build(w, node, line(node, await w.now(), 2, { paymentId: bytes32("good") }));
    await traps.connect(planter).plant(commitmentOf(built.hash), prize);
    await w.settlement.postBatch(built.header, built.signature, true);
    await expect(reveal(built.header)).to.be.revertedWithCustomError(traps, "TrapsNotDecided");
    await elapse(w);
    await w.settlement.finalize(built.header);
    await expect(reveal(built.header)).to.emit(traps, "TrapForfeited");
    expect(await rewards.pool()).to.equal(2n * prize);
  });

  it("rejected for missing data it is no trap: there was nothing to find", async () => {
    const trap = await planted();
    await w.settlement.connect(await w.acting("Demands")).reject(trap.built.header, FaultKind.Unanswered, finder.address);
    await expect(reveal(trap.built.header)).to.emit(traps, "TrapForfeited");
  });

  it("a header that nobody signed nor found falls without a fault, and the planter has all back", async () => {
    const before = await wealth(planter.address);
    const trap = await planted();
    await w.networkHelpers.time.increase(Number(w.parameters.settlement.certTime) + 1);
    await w.settlement.annul(trap.built.header);
    await expect(reveal(trap.built.header)).to.emit(traps, "TrapReturned");
    expect(await wealth(planter.address)).to.equal(before);
  });

  it("refused: a prize below the least, a commitment that stands, an unposted header", async () => {
    await expect(traps.connect(planter).plant(bytes32("c"), prize - 1n)).to.be.revertedWithCustomError(traps, "TrapsPrizeTooSmall");
    await traps.connect(planter).plant(bytes32("c"), prize);
    await expect(traps.connect(planter).plant(bytes32("c"), prize)).to.be.revertedWithCustomError(traps, "TrapsKnown");
    const { built } = await bad();
    await traps.connect(planter).plant(commitmentOf(built.hash), prize);
    await expect(reveal(built.header)).to.be.revertedWithCustomError(traps, "TrapsNotDecided");
    await expect(traps.forfeit(bytes32("unknown"))).to.be.revertedWithCustomError(traps, "TrapsUnknown");
  });
});
