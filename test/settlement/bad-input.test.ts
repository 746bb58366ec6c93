/** What cannot be true is refused, or stands under a bond until it is challenged or annulled: never final. */
import { expect } from "chai";
import { type Hex, concatHex, keccak256 } from "viem";
import { BatchStatus, FaultKind, Role, encodeEvidence, headerHash, positionalTree, receiptDigest, receiptLeaf } from "../../sdk/protocol/index.ts";
import { type World, ZERO, bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { PLAIN, build, domainOf, line, settlementOf, terms } from "./builder.ts";
import { elapse } from "./quorum.ts";

describe("settlement, bad input is never final", () => {
  let w: World;
  let node: Awaited<ReturnType<World["addNode"]>>;
  before(async () => {
    w = await settlementWorld();
  });
  beforeEach(async () => {
    node = await w.addNode(Role.Inference);
  });

  it("receipts and headers of another contract or chain: refused", async () => {
    const now = await w.now();
    for (const [title, domain] of [["contract", { ...domainOf(w), verifyingContract: w.addresses.FaultCourt }], ["chain", { ...domainOf(w), chainId: 1 }]] as const) {
      const receipts = line(node, now, 1);
      const own = await build(w, node, receipts, PLAIN);
      const foreign = receipts.map((r) => node.signer.sign(receiptDigest(r, domain)));
      const leaves = receipts.map((r, i) => receiptLeaf(receiptDigest(r, domainOf(w)), foreign[i]!));
      const mended = await build(w, node, receipts, { ...PLAIN, receiptsRoot: positionalTree(leaves).root });
      const signed = { ...own, header: mended.header, hash: mended.hash, signature: mended.signature, signatures: foreign };
      await expect(w.settlement.settle(settlementOf(signed, [terms(node)])), title).to.be.revertedWithCustomError(w.settlement, "SettlementBadReceiptSignature");

      const batch = await build(w, node, receipts);
      const elsewhere = node.signer.sign(headerHash(batch.header, domain));
      await expect(w.settlement.postBatch(batch.header, elsewhere, true), title).to.be.revertedWithCustomError(w.settlement, "SettlementBadHeaderSignature");
      await expect(w.settlement.settle({ ...settlementOf(own, [terms(node)]), signature: node.signer.sign(headerHash(own.header, domain)) }), title)
        .to.be.revertedWithCustomError(w.settlement, "SettlementBadHeaderSignature");
      // In a batch nobody looks at once: the court does.
      const { header } = await build(w, node, receipts, { receiptsRoot: positionalTree(leaves).root });
      const evidence = encodeEvidence({ leaf: { receipt: receipts[0]!, signature: foreign[0]!, index: 0n, path: [] } });
      expect(await w.court.check(header, FaultKind.BadSignature, evidence), title).to.equal(true);
    }
  });

  it("a tree whose inner nodes are said to be its leaves opens to no receipt, for no index and no path", async () => {
    const built = await build(w, node, line(node, await w.now(), 4));
    const inner = (left: number) => keccak256(concatHex(["0x01", built.leaves[left]!, built.leaves[left + 1]!]));
    const [left, right] = [inner(0), inner(2)];
    const { header } = await build(w, node, built.receipts, { count: 2, receiptsRoot: positionalTree([left, right]).root });
    for (let leaf = 0; leaf < 4; leaf++) {
      for (const [index, sibling] of [[0, right], [1, left]] as const) {
        const path: Hex[] = [sibling];
        const [receipt, signature] = [built.receipts[leaf]!, built.signatures[leaf]!];
        await expect(w.settlement.verifyInclusion(header, receipt, signature, index, path)).to.be.revertedWithCustomError(w.settlement, "SettlementRootMismatch");
        const evidence = encodeEvidence({ leaf: { receipt, signature, index: BigInt(index), path } });
        await expect(w.court.check(header, FaultKind.BadSignature, evidence)).to.revert(w.ethers);
      }
      const whole = positionalTree(built.leaves).path(leaf);
      await expect(w.settlement.verifyInclusion(header, built.receipts[leaf]!, built.signatures[leaf]!, leaf & 1, whole)).to.be.revertedWithCustomError(w.settlement, "TreeBadProofShape");
    }
  });

  it("a leaf shown as an inner node, an inner node as a leaf, and paths of the wrong length: refused", async () => {
    const built = await build(w, node, line(node, await w.now(), 4));
    await w.settlement.postBatch(built.header, built.signature, true);
    const path = positionalTree(built.leaves).path(2);
    const show = (index: number, siblings: readonly string[]) => w.settlement.verifyInclusion(built.header, built.receipts[2]!, built.signatures[2]!, index, [...siblings]);
    expect(await show(2, path)).to.equal(BigInt(BatchStatus.Posted));
    for (const siblings of [path.slice(1), [...path, ZERO], []]) await expect(show(2, siblings)).to.be.revertedWithCustomError(w.settlement, "TreeBadProofShape");
    for (const index of [4, 2 ** 32]) await expect(show(index, path)).to.be.revertedWithCustomError(w.settlement, "TreeBadProofShape");
    for (const [index, siblings] of [[3, path], [0, path], [2, [...path].reverse()], [1, path]] as const) {
      await expect(show(index, siblings)).to.be.revertedWithCustomError(w.settlement, "SettlementRootMismatch");
    }
    // One leaf more or less is another root: the count is in it.
    await expect(w.settlement.verifyInclusion({ ...built.header, count: 3 }, built.receipts[2]!, built.signatures[2]!, 2, path)).to.be.revertedWithCustomError(w.settlement, "SettlementRootMismatch");
  });

  it("garbage roots and a count that the leaves do not have: posted under a bond, and no one can make them final but by their data", async () => {
    const built = await build(w, node, line(node, await w.now(), 2), { receiptsRoot: bytes32("garbage"), channelsRoot: bytes32("more"), count: 1_000_000 });
    await w.settlement.postBatch(built.header, built.signature, false);
    await elapse(w);
    await expect(w.settlement.finalize(built.header)).to.be.revertedWithCustomError(w.settlement, "SettlementInvalidTransition");
    await w.settlement.annul(built.header);
    expect(Number(await w.settlement.status(built.header))).to.equal(BatchStatus.RejectedNoFault);
  });
});
