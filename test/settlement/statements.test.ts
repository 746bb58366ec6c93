import { expect } from "chai";
import type { Hex } from "viem";
import {
  BatchStatus, encodeEvidence, FaultKind, type Finality, finalityDigest, leafCheckDigest, positionalTree, Role, type Rotation, rotationDigest, stretchLeaf,
} from "../../sdk/protocol/index.ts";
import { type World, bytes32, ZERO } from "../utils/settlement-world.ts";
import { type Built, build, domainOf, line } from "./builder.ts";
import { certify, committeeWorld, elapse, type FullNode, keep, membersOf, prove, quorumOf } from "./quorum.ts";

describe("what members sign, and what a lie costs", () => {
  let w: World;
  let node: FullNode;
  let full: FullNode[];
  let counter = 0;
  let anew: () => Promise<void>;
  before(async () => {
    ({ w, node, full } = await committeeWorld({ stakes: [2n, 2n, 2n, 2n] }));
    anew = await keep(w);
  });
  beforeEach(() => anew());

  const fresh = async () => build(w, node, line(node, await w.now(), 3, { paymentId: bytes32(`statement ${counter++}`) }));
  const post = async (built: Built) => {
    await w.settlement.postBatch(built.header, built.signature, false);
    return built;
  };
  const stakes = () => Promise.all(full.map(async ({ nodeId }) => (await w.registry.bond(nodeId)).free));
  /** What each member has lost since. */
  const lost = async (before: bigint[]) => (await stakes()).map((stake, i) => before[i]! - stake);
  const fine = () => w.parameters.committee.falseStatementSlash;
  /** A header with a leaf that another key signed, and the evidence. */
  async function bad(): Promise<{ built: Built; evidence: Hex }> {
    const { positionalTree: tree, receiptDigest, receiptLeaf, headerHash } = await import("../../sdk/protocol/index.ts");
    const built = await fresh();
    const digest = receiptDigest(built.receipts[1]!, domainOf(w));
    const signatures = built.signatures.with(1, full[0]!.signer.sign(digest));
    const leaves = built.leaves.with(1, receiptLeaf(digest, signatures[1]!));
    const header = { ...built.header, receiptsRoot: tree(leaves).root };
    const hash = headerHash(header, domainOf(w));
    const evidence = encodeEvidence({ leaf: { receipt: built.receipts[1]!, signature: signatures[1]!, index: 1n, path: tree(leaves).path(1) } });
    return { built: { ...built, header, hash, signature: node.signer.sign(hash), signatures, leaves }, evidence };
  }
  const showLeafCheck = async (built: Built, nodes: FullNode[]) => {
    const quorum = await quorumOf(w, 1n, leafCheckDigest({ headerHash: built.hash, committeeEpoch: 1n }, domainOf(w)), nodes);
    return w.committee.connect(w.relayer).slashFalseLeafCheck(built.header, 1n, await membersOf(w, 1n), quorum);
  };

  describe("Rotation", () => {
    const rotation = (change: Partial<Rotation>): Rotation => ({ paymentChainId: 713371n, inbox: "0x2222222222222222222222222222222222222222", epoch: 2n, listHash: bytes32("?"), validUntil: 9_999_999_999n, ...change });
    const show = async (statement: Rotation, signing = 1n, nodes = full.slice(0, 2)) => {
      const quorum = await quorumOf(w, signing, rotationDigest(statement, domainOf(w)), nodes);
      return w.committee.connect(w.relayer).slashFalseRotation(statement, await membersOf(w, signing), quorum);
    };
    const next = async () => {
      await w.networkHelpers.time.increase(Number(w.parameters.committee.epochLength));
      await w.committee.rotate();
      return (await w.committee.epochInfo(2n)).listHash as Hex;
    };

    it("the chain's own list is true, and costs nobody anything", async () => {
      await expect(show(rotation({ listHash: await next() }))).to.be.revertedWithCustomError(w.committee, "CommitteeStatementTrue");
    });

    it("another list than the chain's is slashed, each signer once", async () => {
      await next();
      const before = await stakes();
      await expect(show(rotation({}))).to.emit(w.committee, "FalseStatementProved");
      expect(await lost(before)).to.deep.equal([fine(), fine(), 0n, 0n]);
      await expect(show(rotation({}))).to.be.revertedWithCustomError(w.committee, "CommitteeAlreadySlashed");
      await show(rotation({}), 1n, full.slice(1, 3));
      expect(await lost(before), "only who was not slashed for it yet").to.deep.equal([fine(), fine(), fine(), 0n]);
    });

    it("a list for an epoch that has not begun is slashed: nobody can know it", async () => {
      const before = await stakes();
      await show(rotation({ listHash: (await w.committee.epochInfo(1n)).listHash as Hex }));
      expect((await lost(before))[0]).to.equal(fine());
    });

    it("signatures of another epoch's members, or over another statement, prove nothing", async () => {
      await w.committee.join((await w.addNode(Role.Full)).nodeId);
      await next();
      await expect(show(rotation({ epoch: 3n, listHash: bytes32("x") }), 1n)).to.be.revertedWithCustomError(w.committee, "CommitteeWrongList");
      await expect(show(rotation({ epoch: 0n }))).to.be.revertedWithCustomError(w.committee, "CommitteeUnknownEpoch");
      const quorum = await quorumOf(w, 1n, bytes32("another"), [full[0]!]);
      await expect(w.committee.slashFalseRotation(rotation({}), await membersOf(w, 1n), quorum)).to.be.revertedWithCustomError(w.committee, "CommitteeWrongSigner");
    });
  });

  describe("keep-alive", () => {
    const beat = async (change: Partial<Finality> = {}): Promise<Finality> => ({
      paymentChainId: 713371n, inbox: "0x2222222222222222222222222222222222222222", committeeEpoch: 1n, headerHash: ZERO, slot: ZERO, channelsRoot: ZERO, status: 0,
      settledAt: await w.now(), validUntil: (await w.now()) + w.parameters.committee.certificateLife, ...change,
    });
    const show = async (statement: Finality) => {
      const quorum = await quorumOf(w, 1n, finalityDigest(statement, domainOf(w)), [full[0]!]);
      return w.committee.slashFalseFinality(statement, (await fresh()).header, await membersOf(w, 1n), quorum);
    };

    it("says its time and nothing else: an honest one is not slashable as a statement about an unknown header", async () => {
      await expect(show(await beat())).to.be.revertedWithCustomError(w.committee, "CommitteeStatementTrue");
    });

    it("from the future, or with a life too long, it is false; so is one that names a root", async () => {
      const late = { settledAt: (await w.now()) + 1_000n, validUntil: (await w.now()) + 1_001n };
      for (const change of [late, { validUntil: (await w.now()) + w.parameters.committee.certificateLife + 2n }, { channelsRoot: bytes32("x") }]) {
        await expect(show(await beat(change))).to.emit(w.committee, "FalseStatementProved");
        await anew();
      }
    });
  });

  describe("LeafCheck", () => {
    it("S6 one blind signature among honest ones costs as much as a certificate of blind ones", async () => {
      const { built, evidence } = await bad();
      await post(built);
      const before = await stakes();
      await expect(showLeafCheck(built, [full[3]!]), "nothing is proved yet").to.be.revertedWithCustomError(w.committee, "CommitteeStatementTrue");
      await prove(w, w.relayer, built.header, built.hash, FaultKind.BadSignature, evidence);
      expect(await lost(before), "no certificate, so the fault alone slashes nobody").to.deep.equal([0n, 0n, 0n, 0n]);
      await expect(showLeafCheck(built, [full[3]!])).to.emit(w.committee, "FalseStatementProved");
      expect(await lost(before)).to.deep.equal([0n, 0n, 0n, fine()]);
    });

    it("S6 a signer pays once, whether its certificate fell or its signature was shown", async () => {
      const { built, evidence } = await bad();
      await post(built);
      await certify(w, built, 1n, full.slice(0, 3));
      const before = await stakes();
      await prove(w, w.relayer, built.header, built.hash, FaultKind.BadSignature, evidence);
      expect(await lost(before)).to.deep.equal([fine(), fine(), fine(), 0n]);
      await expect(showLeafCheck(built, full.slice(0, 3))).to.be.revertedWithCustomError(w.committee, "CommitteeAlreadySlashed");
      await showLeafCheck(built, full);
      expect(await lost(before)).to.deep.equal([fine(), fine(), fine(), fine()]);
    });

    it("a check of a header that fell without a fault, or stands, is no lie", async () => {
      const built = await post(await fresh());
      await certify(w, built, 1n, full.slice(0, 3));
      await expect(showLeafCheck(built, full)).to.be.revertedWithCustomError(w.committee, "CommitteeStatementTrue");
      await w.settlement.connect(await w.acting("FaultCourt")).void(built.header, 0);
      await expect(showLeafCheck(built, full)).to.be.revertedWithCustomError(w.committee, "CommitteeStatementTrue");
      const final = await post(await fresh());
      await certify(w, final, 1n, full.slice(0, 3));
      await elapse(w);
      await w.settlement.finalize(final.header);
      await expect(showLeafCheck(final, full)).to.be.revertedWithCustomError(w.committee, "CommitteeStatementTrue");
    });

    it("a repost does not make the check of the rejected header true", async () => {
      const { built, evidence } = await bad();
      await post(built);
      await prove(w, w.relayer, built.header, built.hash, FaultKind.BadSignature, evidence);
      const again = await build(w, node, built.receipts.filter((_, i) => i !== 1), {}, built.hash);
      await w.settlement.repost(built.header, again.header, again.signature, false);
      expect(await w.settlement.status(built.header)).to.equal(BigInt(BatchStatus.Reposted));
      await expect(showLeafCheck(built, [full[0]!])).to.emit(w.committee, "FalseStatementProved");
    });

    it("who checked and came late joins the certificate, with the same risk; nobody joins twice or from another epoch", async () => {
      const { built, evidence } = await bad();
      await post(built);
      await certify(w, built, 1n, full.slice(0, 3));
      await expect(certify(w, built, 1n, [full[3]!])).to.emit(w.settlement, "BatchCertified");
      expect((await w.settlement.batch(built.header)).signers).to.equal(0b1111n);
      await expect(certify(w, built, 1n, [full[3]!])).to.be.revertedWithCustomError(w.settlement, "SettlementInvalidTransition");
      const before = await stakes();
      await prove(w, w.relayer, built.header, built.hash, FaultKind.BadSignature, evidence);
      expect(await lost(before)).to.deep.equal([fine(), fine(), fine(), fine()]);

      const other = await post(await fresh());
      await certify(w, other, 1n, full.slice(0, 3)).catch(() => {}); // jailed members still sign for their epoch
      await w.networkHelpers.time.increase(Number(w.parameters.committee.epochLength));
      await w.committee.join((await w.addNode(Role.Full)).nodeId);
      await w.committee.rotate();
      await expect(w.settlement.certify(other.header, 2n, await membersOf(w, 2n), { signers: 1n, signatures: "0x" })).to.be.revertedWithCustomError(w.settlement, "SettlementInvalidTransition");
    });

    it("an honest check cannot be made a lie afterwards: a later header that overlaps falls itself", async () => {
      const first = await post(await fresh());
      await certify(w, first, 1n, full.slice(0, 3));
      const second = await post(await build(w, node, first.receipts.slice(1), {}, first.hash));
      const proof = (built: Built) => ({ stretch: built.stretches[0]!, index: 0n, path: positionalTree(built.stretches.map(stretchLeaf)).path(0) });
      const about = (here: Built, there: Built) => encodeEvidence({ overlap: { here: proof(here), other: there.header, there: proof(there) } });
      expect(await w.court.check(first.header, FaultKind.Overlap, about(first, second))).to.equal(false);
      const before = await stakes();
      await prove(w, w.relayer, second.header, second.hash, FaultKind.Overlap, about(second, first));
      expect(await w.settlement.status(first.header)).to.equal(BigInt(BatchStatus.Certified));
      expect(await lost(before)).to.deep.equal([0n, 0n, 0n, 0n]);
    });
  });
});
