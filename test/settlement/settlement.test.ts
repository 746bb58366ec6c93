import { expect } from "chai";
import { recoverAddress } from "viem";
import { AbiCoder } from "ethers";
import { BatchStatus, Role, leafCheckDigest, positionalTree, termsHash } from "../../sdk/protocol/index.ts";
import { type World, ZERO, bytes32, secpSigner, settlementWorld } from "../utils/settlement-world.ts";
import { type Built, assemble, build, domainOf, line, receipt, settlementOf, terms } from "./builder.ts";
import { elapse, type FullNode, membersOf, quorumOf, seat } from "./quorum.ts";

describe("InferenceSettlement", () => {
  let w: World;
  let node: Awaited<ReturnType<World["addNode"]>>;
  before(async () => {
    w = await settlementWorld();
  });
  beforeEach(async () => {
    node = await w.addNode(Role.Inference);
  });

  const status = async (built: Built) => Number(await w.settlement.status(built.header));
  const settle = (built: Built, t = [terms(node)]) => w.settlement.settle(settlementOf(built, t));
  const post = async (built: Built, fullBond = false) => w.settlement.postBatch(built.header, built.signature, fullBond);

  describe("individual", () => {
    it("TEE: every receipt verified, final at once, watermark moved", async () => {
      const built = await build(w, node, line(node, await w.now(), 3));
      await expect(settle(built)).to.emit(w.settlement, "StretchSettled").withArgs(built.hash, node.nodeId, bytes32("payment"), 1n, built.header.channelsRoot, 300n, 3n);
      expect(await status(built)).to.equal(BatchStatus.Final);
      expect(await w.settlement.line(node.nodeId, bytes32("payment"))).to.deep.equal([300n, 3n]);
      expect((await w.registry.bond(node.nodeId)).locked).to.equal(0n);
    });

    it("several payments and gaps: stretches as the SDK cuts them", async () => {
      const now = await w.now();
      const receipts = [...line(node, now, 2), ...line(node, now, 2, { cumulativeBefore: 500n, sequence: 2n }), ...line(node, now, 3, { paymentId: bytes32("p2") })];
      const built = await build(w, node, receipts);
      expect(built.stretches.length).to.equal(3);
      await settle(built);
      expect(await status(built)).to.equal(BatchStatus.Final);
    });

    it("S2 nothing settles twice: neither the header nor its receipts in another one", async () => {
      const receipts = line(node, await w.now(), 2);
      const built = await build(w, node, receipts);
      await settle(built);
      await expect(settle(built)).to.be.revertedWithCustomError(w.settlement, "SettlementNonce").withArgs(node.nodeId, 1n, 2n);
      const again = await build(w, node, receipts, {}, built.hash);
      await expect(settle(again)).to.be.revertedWithCustomError(w.settlement, "SettlementAlreadySettled").withArgs(0n, bytes32("payment"), 200n, 2n);
      const wrongParent = await build(w, node, line(node, await w.now(), 1, { cumulativeBefore: 200n, sequence: 2n }), {}, bytes32("x"));
      await expect(settle(wrongParent)).to.be.revertedWithCustomError(w.settlement, "SettlementPrevHeader");
    });

    const now = () => w.now();
    const bad: [string, string, () => Promise<ReturnType<typeof settlementOf>>][] = [
      ["a receipt of another node", "SettlementBadReceipt", async () => settlementOf(await build(w, node, [receipt(node, await now(), { nodeId: bytes32("x") })]), [terms(node)])],
      ["a receipt of another key", "SettlementBadReceipt", async () => settlementOf(await build(w, node, [receipt(node, await now(), { keyId: bytes32("x") })]), [terms(node)])],
      ["an unknown outcome", "SettlementBadReceipt", async () => settlementOf(await build(w, node, [receipt(node, await now(), { outcome: 4 })]), [terms(node)])],
      ["a charged error", "SettlementBadReceipt", async () => settlementOf(await build(w, node, [receipt(node, await now(), { outcome: 3 })]), [terms(node)])],
      ["times outside of the header's", "SettlementBadReceipt", async () => settlementOf(await build(w, node, [receipt(node, await now())], { minIssuedAt: (await now()) + 1n, maxIssuedAt: (await now()) + 1n }), [terms(node)])],
      ["too old", "SettlementTooOld", async () => settlementOf(await build(w, node, [receipt(node, (await now()) - 1_000n)]), [terms(node)])],
      ["from the future", "SettlementFromTheFuture", async () => settlementOf(await build(w, node, [receipt(node, (await now()) + 100n)]), [terms(node)])],
      ["a wrong total", "SettlementTotalMismatch", async () => settlementOf(await build(w, node, [receipt(node, await now())], { totalCharge: 101n }), [terms(node)])],
      ["a wrong receipts root", "SettlementRootMismatch", async () => settlementOf(await build(w, node, [receipt(node, await now())], { receiptsRoot: bytes32("x") }), [terms(node)])],
      ["a wrong channels root", "SettlementRootMismatch", async () => settlementOf(await build(w, node, [receipt(node, await now())], { channelsRoot: bytes32("x") }), [terms(node)])],
      ["a wrong count", "SettlementCountMismatch", async () => settlementOf(await build(w, node, [receipt(node, await now())], { count: 2 }), [terms(node)])],
      ["too many channels", "SettlementBadHeader", async () => settlementOf(await build(w, node, [receipt(node, await now())], { channels: 2 }), [terms(node)])],
      ["terms of another hash", "SettlementBadTerms", async () => settlementOf(await build(w, node, [receipt(node, await now())]), [terms(node, { feeBpsCap: 1 })])],
      ["terms under another policy", "SettlementBadTerms", async () => {
        const t = terms(node, { policyId: bytes32("policy") });
        return settlementOf(await build(w, node, [receipt(node, await now(), { termsHash: termsHash(t) })]), [t]);
      }],
      ["private terms", "SettlementBadTerms", async () => {
        const t = terms(node, { settlementMode: 1 });
        return settlementOf(await build(w, node, [receipt(node, await now(), { termsHash: termsHash(t) })]), [t]);
      }],
      ["ZKML terms without a proof", "SettlementProofMissing", async () => {
        const t = terms(node, { verification: 2 });
        return settlementOf(await build(w, node, [receipt(node, await now(), { termsHash: termsHash(t) })]), [t]);
      }],
      ["a proof of another receipt", "SettlementProofContext", async () => {
        const t = terms(node, { verification: 2 });
        const built = await build(w, node, [receipt(node, await now(), { termsHash: termsHash(t) })]);
        return settlementOf(built, [t], { 0: { proof: "0x01", publicInputs: [1n, 2n, 3n] } });
      }],
      ["a forged header signature", "SettlementBadHeaderSignature", async () => {
        const built = await build(w, node, [receipt(node, await now())]);
        return { ...settlementOf(built, [terms(node)]), signature: secpSigner("stranger").sign(built.hash) };
      }],
      ["a forged receipt signature", "SettlementBadReceiptSignature", async () => {
        const honest = await build(w, node, [receipt(node, await now())]);
        const s = settlementOf(honest, [terms(node)]);
        s.items[0]!.signature = secpSigner("stranger").sign(honest.hash);
        return s;
      }],
    ];
    for (const [title, error, make] of bad) {
      it(`${title}: refused by name`, async () => {
        await expect(w.settlement.settle(await make())).to.be.revertedWithCustomError(w.settlement, error);
      });
    }

    it("one value has one digest: dirty upper bits in calldata are refused, field by field", async () => {
      const built = await build(w, node, [receipt(node, await w.now())]);
      const clean = {
        receiptDigest: w.settlement.interface.encodeFunctionData("receiptDigest", [built.receipts[0]!]),
        headerHash: w.settlement.interface.encodeFunctionData("headerHash", [built.header]),
      };
      // Words of both structs that are narrower than 32 bytes.
      const narrow = { receiptDigest: [7, 8, 9, 10, 11, 12, 13], headerHash: [2, 6, 7, 8, 9, 10, 13] };
      for (const name of ["receiptDigest", "headerHash"] as const) {
        const to = w.addresses.InferenceSettlement;
        expect(await w.ethers.provider.call({ to, data: clean[name] })).to.have.length(66);
        for (const word of narrow[name]) {
          const at = 10 + 64 * word;
          const data = `${clean[name].slice(0, at)}01${clean[name].slice(at + 2)}`;
          await expect(w.ethers.provider.call({ to, data }), `${name} word ${word}`).to.be.revertedWithCustomError(w.settlement, "DigestDirtyBits");
        }
      }
    });

    it("receipts out of order: refused", async () => {
      const built = await build(w, node, line(node, await w.now(), 2));
      const s = settlementOf(built, [terms(node)]);
      s.items.reverse();
      await expect(w.settlement.settle(s)).to.be.revertedWithCustomError(w.settlement, "SettlementOrder");
    });

    it("vanilla: posted with a lock instead, for its window", async () => {
      const t = terms(node, { verification: 4 });
      const built = await build(w, node, [receipt(node, await w.now(), { termsHash: termsHash(t) })]);
      await settle(built, [t]);
      expect(await status(built)).to.equal(BatchStatus.Posted);
      expect((await w.registry.bond(node.nodeId)).locked).to.equal(w.parameters.settlement.minLock);
    });

    it("S9 settleMany: one bad settlement blocks no other", async () => {
      const other = await w.addNode(Role.Inference);
      const time = await w.now();
      const good = await build(w, node, line(node, time, 1));
      const bad = await build(w, other, [receipt(other, time, { outcome: 9 })]);
      const next = assemble(w, node, line(node, time, 1, { cumulativeBefore: 100n, sequence: 1n }), { nonce: 2n, prevHeader: good.hash });
      const fragment = w.settlement.interface.getFunction("settle").inputs[0]!;
      const encode = (s: unknown) => AbiCoder.defaultAbiCoder().encode([fragment], [s]);
      const calls = [settlementOf(good, [terms(node)]), settlementOf(bad, [terms(other)]), settlementOf(next, [terms(node)])].map(encode);
      const reason = w.settlement.interface.getError("SettlementBadReceipt")!.selector;
      await expect(w.settlement.settleMany(calls)).to.emit(w.settlement, "SettleSkipped").withArgs(1n, reason);
      expect([await status(good), await status(bad), await status(next)]).to.deep.equal([BatchStatus.Final, BatchStatus.None, BatchStatus.Final]);
    });
  });

  describe("batch", () => {
    it("posted with its lock, final after both clocks with a full bond, lock back", async () => {
      const built = await build(w, node, line(node, await w.now(), 5));
      const { free } = await w.registry.bond(node.nodeId);
      await expect(post(built, true)).to.emit(w.settlement, "HeaderPosted");
      const lock = await w.settlement.lockOf(built.header.totalCharge, true);
      const bond = await w.registry.bond(node.nodeId);
      expect([bond.free, bond.locked]).to.deep.equal([free - lock, lock]);
      await expect(w.settlement.finalize(built.header)).to.be.revertedWithCustomError(w.settlement, "SettlementNotYet");
      await elapse(w);
      await w.settlement.finalize(built.header);
      expect(await status(built)).to.equal(BatchStatus.Final);
      expect((await w.registry.bond(node.nodeId)).free).to.equal(free);
      await expect(w.settlement.finalize(built.header)).to.be.revertedWithCustomError(w.settlement, "SettlementInvalidTransition");
    });

    it("under-bonded and uncertified: cannot become final; void after T_cert, lock back", async () => {
      const built = await build(w, node, line(node, await w.now(), 2));
      await post(built);
      await expect(w.settlement.annul(built.header)).to.be.revertedWithCustomError(w.settlement, "SettlementNothingToAnnul");
      await elapse(w);
      await expect(w.settlement.finalize(built.header)).to.be.revertedWithCustomError(w.settlement, "SettlementInvalidTransition")
        .withArgs(built.hash, BatchStatus.Posted, BatchStatus.Final);
      await w.settlement.annul(built.header);
      expect(await status(built)).to.equal(BatchStatus.RejectedNoFault);
      expect((await w.registry.bond(node.nodeId)).locked).to.equal(0n);
    });

    it("inclusion: each leaf proves itself, a bent one does not", async () => {
      const built = await build(w, node, line(node, await w.now(), 5));
      await post(built);
      const tree = positionalTree(built.leaves);
      for (let i = 0; i < 5; i++) {
        expect(await w.settlement.verifyInclusion(built.header, built.receipts[i]!, built.signatures[i]!, i, tree.path(i))).to.equal(BigInt(BatchStatus.Posted));
      }
      await expect(w.settlement.verifyInclusion(built.header, { ...built.receipts[0]!, charge: 1n }, built.signatures[0]!, 0, tree.path(0)))
        .to.be.revertedWithCustomError(w.settlement, "SettlementRootMismatch");
    });

    it("a key compromised since before the posting voids it, without a slash", async () => {
      const built = await build(w, node, line(node, await w.now(), 2));
      await post(built, true);
      const { postedAt } = await w.settlement.batch(built.header);
      await w.registry.connect(node.operator).reportCompromise(node.nodeId, node.keyId, postedAt);
      await elapse(w);
      await expect(w.settlement.finalize(built.header)).to.be.revertedWithCustomError(w.settlement, "SettlementCompromised");
      const { free, locked } = await w.registry.bond(node.nodeId);
      await w.settlement.annul(built.header);
      expect(await status(built)).to.equal(BatchStatus.RejectedNoFault);
      expect((await w.registry.bond(node.nodeId)).free).to.equal(free + locked);
    });

    it("rejected by an arbiter: lock slashed; reposted once, within its time", async () => {
      const arbiter = w.settlement.connect(await w.acting("FaultCourt"));
      const built = await build(w, node, line(node, await w.now(), 3));
      await post(built);
      const { locked } = await w.registry.bond(node.nodeId);
      await arbiter.reject(built.header, 2, w.relayer.address);
      expect(await status(built)).to.equal(BatchStatus.Rejected);
      expect((await w.registry.bond(node.nodeId)).locked).to.equal(0n);
      expect(await w.registry.reward(w.relayer.address)).to.equal((locked * 30n) / 100n);
      const rest = await build(w, node, built.receipts.slice(0, 2), {}, built.hash);
      await w.settlement.repost(built.header, rest.header, rest.signature, false);
      expect(await status(built)).to.equal(BatchStatus.Reposted);
      expect(await status(rest)).to.equal(BatchStatus.Posted);
      await expect(w.settlement.repost(built.header, rest.header, rest.signature, false))
        .to.be.revertedWithCustomError(w.settlement, "SettlementInvalidTransition");
      await expect(w.settlement.reject(rest.header, 1, w.relayer.address)).to.be.revertedWithCustomError(w.settlement, "SettlementNotArbiter");
    });

    it("garbage headers are refused by name", async () => {
      const receipts = line(node, await w.now(), 2);
      const cases: [Partial<Built["header"]>, string][] = [
        [{ count: 0 }, "SettlementBadHeader"], [{ channels: 0 }, "SettlementBadHeader"], [{ blobId: ZERO }, "SettlementBadHeader"],
        [{ contentHash: ZERO }, "SettlementBadHeader"], [{ receiptsRoot: ZERO }, "SettlementBadHeader"], [{ format: 0 }, "SettlementBadHeader"],
        [{ nonce: 2n }, "SettlementNonce"], [{ prevHeader: bytes32("x") }, "SettlementPrevHeader"], [{ minIssuedAt: 1n }, "SettlementTooOld"],
        [{ totalCharge: (1n << 128n) - 1n }, "SettlementBadHeader"],
      ];
      for (const [change, error] of cases) {
        await expect(post(await build(w, node, receipts, change)), JSON.stringify(Object.keys(change))).to.be.revertedWithCustomError(w.settlement, error);
      }
    });

    it("a guardian's pause stops intake only, ends by itself, and cannot be repeated at once", async () => {
      const pending = await build(w, node, line(node, await w.now(), 1));
      await post(pending, true);
      const snapshot = await w.networkHelpers.takeSnapshot();
      await w.settlement.pauseIntake();
      const next = await build(w, node, line(node, await w.now(), 1, { cumulativeBefore: 100n, sequence: 1n }), {}, pending.hash);
      await expect(post(next)).to.be.revertedWithCustomError(w.settlement, "SettlementPaused");
      await expect(w.settlement.pauseIntake()).to.be.revertedWithCustomError(w.settlement, "SettlementPauseTooSoon");
      await elapse(w);
      await w.settlement.finalize(pending.header);
      expect(await status(pending)).to.equal(BatchStatus.Final);
      await snapshot.restore();
    });
  });

  describe("committee", () => {
    it("seats, rotation, a quorum certifies in one transaction, finality after the window", async () => {
      const full: FullNode[] = [];
      for (let i = 0; i < 3; i++) full.push(await w.addNode(Role.Full));
      const epoch = await seat(w, full);
      const members = await membersOf(w, epoch);
      expect(members.map((m) => m.signer)).to.deep.equal(full.map((f) => f.authorizer.address).sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1)));

      const built = await build(w, node, line(node, await w.now(), 4));
      await post(built);
      const digest = leafCheckDigest({ headerHash: built.hash, committeeEpoch: epoch }, domainOf(w));
      const bySeat = members.map(({ signer }) => full.find(({ authorizer }) => authorizer.address === signer)!);
      const quorum = (...seats: number[]) => quorumOf(w, epoch, digest, seats.map((seat) => bySeat[seat]!));
      expect(await recoverAddress({ hash: digest, signature: (await quorum(0)).signatures })).to.equal(members[0]!.signer);
      await expect(w.settlement.certify(built.header, epoch, members, await quorum(0))).to.be.revertedWithCustomError(w.settlement, "SettlementNotCertifiable");
      await expect(w.settlement.certify(built.header, epoch, members.slice(1), await quorum(0, 1))).to.be.revertedWithCustomError(w.committee, "CommitteeWrongList");
      await expect(w.settlement.certify(built.header, epoch + 1n, members, await quorum(0, 1))).to.be.revertedWithCustomError(w.committee, "CommitteeDeadEpoch");
      await expect(w.settlement.certify(built.header, epoch, members, { ...(await quorum(0, 1)), signers: 5n })).to.revert(w.ethers);
      await expect(w.settlement.certify(built.header, epoch, members, await quorum(0, 2))).to.emit(w.settlement, "BatchCertified");
      expect(await status(built)).to.equal(BatchStatus.Certified);
      await elapse(w);
      await w.settlement.finalize(built.header);
      expect(await status(built)).to.equal(BatchStatus.Final);
    });
  });
});
