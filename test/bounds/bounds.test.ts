/** Lines of docs/SECURITY-BOUND.md that no other test holds. */
import { expect } from "chai";
import type { Hex } from "viem";
import { BatchStatus, FaultKind, Role, encodeEvidence, faultCommitment, positionalTree, receiptDigest, receiptLeaf } from "../../sdk/protocol/index.ts";
import { world as paymentWorld } from "../payments/fixture.ts";
import { assemble, build, domainOf, line } from "../settlement/builder.ts";
import { bytes32, settlementWorld, type World } from "../utils/settlement-world.ts";

describe("security bound", () => {
  let w: World;
  before(async () => {
    w = await settlementWorld();
  });

  it("batch fraud: who posts a bad batch and reports it itself still loses 0.4 of the lock or more", async () => {
    const node = await w.addNode(Role.Inference);
    const { operator } = node;
    // A charge so high that the lock is its tenth, not the minimum.
    const { minLock, bondPerCharge } = w.parameters.settlement;
    const charge = (5n * minLock) / bondPerCharge;
    const receipts = line(node, await w.now(), 3, { charge });
    const honest = await build(w, node, receipts);
    const bent = honest.receipts.map((receipt, i) => (i === 1 ? { ...receipt, responseHash: bytes32("another answer") } : receipt));
    const tree = positionalTree(bent.map((receipt, i) => receiptLeaf(receiptDigest(receipt, domainOf(w)), honest.signatures[i]!)));
    const forged = assemble(w, node, honest.receipts, { ...honest.header, receiptsRoot: tree.root });
    const lock = await w.settlement.lockOf(forged.header.totalCharge, false);
    expect(lock).to.equal((forged.header.totalCharge * bondPerCharge) / 10n);
    expect(lock > minLock).to.equal(true);
    await w.token.mint(operator.address, lock);
    await w.token.connect(operator).approve(w.registry, lock);
    await w.registry.connect(operator).addBond(node.nodeId, lock);
    const wealth = async () => {
      const { free, locked, exiting } = await w.registry.bond(node.nodeId);
      return free + locked + exiting + (await w.registry.reward(operator.address)) + (await w.token.balanceOf(operator.address));
    };
    const before = await wealth();
    await w.settlement.postBatch(forged.header, forged.signature, false);
    expect(await wealth(), "a lock is a move, not a loss").to.equal(before);

    const evidence = encodeEvidence({ leaf: { receipt: bent[1]!, signature: honest.signatures[1]!, index: 1n, path: tree.path(1) } });
    const salt = bytes32("self");
    const court = w.court.connect(operator);
    await court.commit(faultCommitment(operator.address as Hex, forged.hash, FaultKind.BadSignature, evidence, salt));
    await court.prove(forged.header, FaultKind.BadSignature, evidence, salt);
    expect(Number(await w.settlement.status(forged.header))).to.equal(BatchStatus.Rejected);
    const lost = before - (await wealth());
    expect(lost >= (lock * 4n) / 10n, `lost ${lost} of a lock of ${lock}`).to.equal(true);
    // So fraud with a gain pays only when it is caught with less than gain / (gain + 0.4 lock): at a tenth of the charge
    // locked and the whole charge gained, 1 / 1.04; full nodes check every leaf of every batch.
  });

  it("the lock is never below its minimum nor a tenth of the charge, and the full bond twice the charge", async () => {
    // In units of the bond: what one unit of charge counts for is a parameter.
    const { minLock, bondPerCharge } = w.parameters.settlement;
    for (const charge of [0n, 1n, minLock / bondPerCharge, (10n * minLock) / bondPerCharge, (10n * minLock) / bondPerCharge + 9n, (1_000n * minLock) / bondPerCharge]) {
      const exposure = charge * bondPerCharge;
      const lock = await w.settlement.lockOf(charge, false);
      expect(lock >= minLock && lock * 10n >= exposure, String(charge)).to.equal(true);
      expect((await w.settlement.lockOf(charge, true)) >= 2n * exposure, String(charge)).to.equal(true);
    }
    // A charge whose lock no bond could hold is refused, not rounded down.
    await expect(w.settlement.lockOf(2n ** 100n, true)).to.be.revertedWithCustomError(w.settlement, "SettlementBadHeader");
  });

  it("a committee releases in an epoch at most half of what the smallest quorum loses for it", async () => {
    const p = await paymentWorld();
    const stake = p.members.reduce((sum, member) => sum + member.stake, 0n);
    const quorum = (2n * stake + 2n) / 3n;
    const [cap, used] = await p.escrow.releaseCap(1n, p.addresses.TestDollar);
    expect(used).to.equal(0n);
    // One unit of the token is one unit of stake here.
    expect(cap > 0n && 2n * cap <= quorum, `cap ${cap}, quorum ${quorum}`).to.equal(true);
  });
});
