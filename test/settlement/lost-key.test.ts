import { expect } from "chai";
import { encodeEvidence, FaultKind, positionalTree, receiptDigest, receiptLeaf, Role } from "../../sdk/protocol/index.ts";
import { secpSigner, settlementWorld } from "../utils/settlement-world.ts";
import { build, domainOf, line } from "./builder.ts";

/** docs/SECURITY-BOUND.md, N5: what an enclave signed and had in no header when it died. */
describe("receipts whose key died before a header stood", () => {
  it("N5 neither the node's next key nor anybody else brings them to the chain: a header of the old key is refused, one of the new key is a fault", async () => {
    const w = await settlementWorld();
    const old = await w.addNode(Role.Inference, { bond: w.parameters.registry.minBondInference * 4n });
    const receipts = line(old, await w.now(), 3);
    const signed = receipts.map((receipt) => old.signer.sign(receiptDigest(receipt, domainOf(w))));
    // The enclave dies; its successor attests a key of its own.
    const signer = secpSigner("the next epoch");
    const { keyId } = await w.attest(old, signer);
    const next = { ...old, keyId, signer };

    const underOld = await build(w, old, receipts);
    await expect(w.settlement.postBatch(underOld.header, signer.sign(underOld.hash), false)).to.be.revertedWithCustomError(w.settlement, "SettlementBadHeaderSignature");

    const leaves = receipts.map((receipt, i) => receiptLeaf(receiptDigest(receipt, domainOf(w)), signed[i]!));
    const underNew = await build(w, next, receipts, { keyId, receiptsRoot: positionalTree(leaves).root });
    await w.settlement.postBatch(underNew.header, signer.sign(underNew.hash), false);
    const evidence = encodeEvidence({ leaf: { receipt: receipts[0]!, signature: signed[0]!, index: 0n, path: positionalTree(leaves).path(0) } });
    expect(await w.court.check(underNew.header, FaultKind.WrongNode, evidence)).to.equal(true);
  });
});
