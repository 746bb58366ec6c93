import { expect } from "chai";
import type { Hex } from "viem";
import { BatchStatus, FaultKind, type InferenceReceipt, Role, encodeEvidence, receiptDigest, termsHash } from "../../sdk/protocol/index.ts";
import { type World, ZERO, bytes32, secpSigner, settlementWorld } from "../utils/settlement-world.ts";
import { build, domainOf, line, receipt } from "./builder.ts";
import { type FaultBench, faultBench } from "./fault-bench.ts";
import { certify, type FullNode, seat } from "./quorum.ts";

describe("faults before the court", () => {
  let w: World;
  let node: FullNode;
  let bench: FaultBench;
  before(async () => {
    w = await settlementWorld();
  });
  beforeEach(async () => {
    node = await w.addNode(Role.Inference);
    bench = faultBench(w, node);
  });

  it("a proved fault rejects and slashes; a copy without a commitment does not, nor a proof without a fault", async () => {
    const built = await build(w, node, await bench.valid(21));
    const forged = bench.forge(built, { receipts: [{ ...built.receipts[0]!, responseHash: bytes32("other answer") }, ...built.receipts.slice(1)], keepSignatures: true });
    await bench.post(forged);
    const evidence = { leaf: bench.parts(forged).leaf(0) };
    const { bytes, salt, prove } = await bench.report(forged, FaultKind.BadSignature, evidence);
    const copier = (await w.ethers.getSigners())[2]!;
    await expect(w.court.connect(copier).prove(forged.header, FaultKind.BadSignature, bytes, salt)).to.be.revertedWithCustomError(w.court, "FaultCourtNoCommitment");
    const { locked } = await w.registry.bond(node.nodeId);
    const before = await w.registry.reward(w.relayer.address);
    await expect(prove()).to.emit(w.court, "FaultProved").withArgs(forged.hash, FaultKind.BadSignature, w.relayer.address);
    expect(Number(await w.settlement.status(forged.header))).to.equal(BatchStatus.Rejected);
    expect((await w.registry.reward(w.relayer.address)) - before).to.equal((locked * 30n) / 100n);

    const honest = await build(w, node, await bench.valid(22), {}, forged.hash);
    await bench.post(honest);
    const { prove: proveNothing } = await bench.report(honest, FaultKind.BadSignature, { leaf: bench.parts(honest).leaf(0) });
    await expect(proveNothing()).to.be.revertedWithCustomError(w.court, "FaultCourtNoFault");
    const { prove: proveElsewhere } = await bench.report(honest, FaultKind.BadSignature, evidence);
    await expect(proveElsewhere()).to.revert(w.ethers);
  });

  it("a leaf shown as an inner node, a path of the wrong length and an index outside do not open", async () => {
    const built = await build(w, node, line(node, await w.now(), 4, { paymentId: bytes32("shapes"), termsHash: termsHash(bench.under.terms) }));
    const good = bench.parts(built).leaf(1);
    for (const leaf of [{ ...good, path: good.path.slice(1) }, { ...good, path: [...good.path, ZERO] }, { ...good, index: 4n }, { ...good, index: 2n }, { ...good, index: 0n, path: good.path.slice(1) }]) {
      await expect(w.court.check(built.header, FaultKind.BadSignature, encodeEvidence({ leaf }))).to.revert(w.ethers);
    }
  });

  it("S6 a fault after Certified slashes the signers", async () => {
    const full: FullNode[] = [];
    for (let i = 0; i < 3; i++) full.push(await w.addNode(Role.Full));
    const epoch = await seat(w, full);
    const nodes = await w.committee.memberNodes(epoch);
    const built = await build(w, node, await bench.valid(31));
    const forged = bench.forge(built, { receipts: [{ ...built.receipts[0]!, charge: built.receipts[0]!.charge + 1n }, ...built.receipts.slice(1)], keepSignatures: true });
    await bench.post(forged);
    await certify(w, forged, epoch, full.filter(({ nodeId }) => nodes.indexOf(nodeId) < 2));
    const stakes = await Promise.all(nodes.map(async (id) => (await w.registry.bond(id)).free));
    const { prove } = await bench.report(forged, FaultKind.BadSignature, { leaf: bench.parts(forged).leaf(0) });
    await prove();
    const after = await Promise.all(nodes.map(async (id) => (await w.registry.bond(id)).free));
    expect(stakes.map((stake, i) => stake - after[i]!)).to.deep.equal([w.parameters.committee.falseStatementSlash, w.parameters.committee.falseStatementSlash, 0n]);
  });

  describe("equivocation", () => {
    it("two receipts for one place, or two headers for one nonce: B_eq once per key epoch", async () => {
      const now = await w.now();
      const sign = (r: InferenceReceipt) => node.signer.sign(receiptDigest(r, domainOf(w))) as Hex;
      const a = receipt(node, now);
      const b = { ...a, responseHash: bytes32("other") };
      const far = { ...a, cumulativeBefore: 1_000n, sequence: 9n };
      await expect(w.court.proveReceiptEquivocation(a, sign(a), far, sign(far))).to.be.revertedWithCustomError(w.court, "FaultCourtNoFault");
      await expect(w.court.proveReceiptEquivocation(a, sign(a), a, sign(a))).to.be.revertedWithCustomError(w.court, "FaultCourtNoFault");
      await expect(w.court.proveReceiptEquivocation(a, sign(a), b, secpSigner("x").sign(ZERO))).to.be.revertedWithCustomError(w.court, "FaultCourtNoFault");
      const { free } = await w.registry.bond(node.nodeId);
      await w.court.proveReceiptEquivocation(a, sign(a), b, sign(b));
      expect(free - (await w.registry.bond(node.nodeId)).free).to.equal(w.parameters.court.equivocationBond);
      const one = await build(w, node, [a]);
      const two = await build(w, node, [far]);
      await expect(w.court.proveHeaderEquivocation(one.header, one.signature, two.header, two.signature)).to.be.revertedWithCustomError(w.court, "FaultCourtAlreadySlashed");
      await w.networkHelpers.time.increase(Number(w.parameters.court.evidenceTime));
      await expect(w.court.proveReceiptEquivocation(a, sign(a), b, sign(b))).to.be.revertedWithCustomError(w.court, "FaultCourtTooOld");
    });
  });
});
