import { expect } from "chai";
import type { Address, Hex } from "viem";
import {
  BatchStatus, type ChannelStretch, type Evidence, FaultKind, type InferenceReceipt, type LeafProof, Role, type StretchProof, type Terms,
  encodeEvidence, faultCommitment, nameOf, positionalTree, receiptDigest, receiptLeaf, stretchLeaf, termsHash,
} from "../../sdk/protocol/index.ts";
import { type Price, mostFor, priceHash, tariffHash } from "../../sdk/payments/tariff.ts";
import { Random } from "../utils/random.ts";
import { type World, ZERO, bytes32, secpSigner, settlementWorld } from "../utils/settlement-world.ts";
import { type Built, assemble, build, domainOf, line, receipt, terms } from "./builder.ts";
import { certify, type FullNode, seat } from "./quorum.ts";

const price: Price = { modelId: bytes32("model"), perRequest: 10n, perMillionInput: 1_000_000n, perMillionOutput: 4_000_000n, perMillionReasoning: 0n };
const tariff = { chainId: 713371n, token: "0x7070707070707070707070707070707070707070" as Address, prices: [price] };

describe("faults", () => {
  let w: World;
  let node: Awaited<ReturnType<World["addNode"]>>;
  let batchTerms: Terms;
  before(async () => {
    w = await settlementWorld();
  });
  beforeEach(async () => {
    node = await w.addNode(Role.Inference);
    batchTerms = terms(node, { settlementMode: 2, tariffHash: tariffHash(tariff) });
  });

  const priced = (r: InferenceReceipt): InferenceReceipt => ({ ...r, termsHash: termsHash(batchTerms), charge: mostFor(price, r.inputUnits, r.outputUnits) });

  /** Some payments, each a line with gaps, in random shape. */
  async function valid(seed: number): Promise<InferenceReceipt[]> {
    const random = new Random(seed);
    const now = await w.now();
    const receipts: InferenceReceipt[] = [];
    for (let p = 0; p <= random.below(4); p++) {
      let at = BigInt(random.below(1_000));
      for (let i = 0; i <= random.below(5); i++) {
        const r = priced(receipt(node, now - BigInt(random.below(20)), {
          paymentId: bytes32(`payment ${seed} ${p}`), sequence: BigInt(i), cumulativeBefore: at, inputUnits: BigInt(random.below(50)), outputUnits: BigInt(random.below(50)),
        }));
        receipts.push(r);
        at += r.charge + (random.below(3) === 0 ? 7n : 0n);
      }
    }
    return receipts;
  }

  /** A batch whose trees hold these parts, whatever they say; header and receipts signed by the node unless `keepSignatures`. */
  function forge(built: Built, change: { receipts?: InferenceReceipt[]; stretches?: ChannelStretch[]; keepSignatures?: boolean; header?: Partial<Built["header"]> }): Built {
    const domain = domainOf(w);
    const receipts = change.receipts ?? built.receipts;
    const signatures = change.keepSignatures ? built.signatures : receipts.map((r) => node.signer.sign(receiptDigest(r, domain)));
    const stretches = change.stretches ?? built.stretches;
    const leaves = receipts.map((r, i) => receiptLeaf(receiptDigest(r, domain), signatures[i]!));
    const forged = assemble(w, node, built.receipts, {
      ...built.header, receiptsRoot: positionalTree(leaves).root, channelsRoot: positionalTree(stretches.map(stretchLeaf)).root, ...change.header,
    });
    return { ...forged, receipts, signatures, leaves, stretches };
  }

  function parts(built: Built) {
    const receiptTree = positionalTree(built.leaves);
    const stretchTree = positionalTree(built.stretches.map(stretchLeaf));
    const leaf = (i: number): LeafProof => ({ receipt: built.receipts[i]!, signature: built.signatures[i]!, index: BigInt(i), path: receiptTree.path(i) });
    const stretch = (i: number): StretchProof => ({ stretch: built.stretches[i]!, index: BigInt(i), path: stretchTree.path(i) });
    return { leaf, stretch };
  }

  /** Every report that can be made about a batch. */
  function* reports(built: Built, others: Built[] = []): Generator<[number, Evidence]> {
    const { leaf, stretch } = parts(built);
    const L = built.receipts.length;
    const S = built.stretches.length;
    for (let j = 0; j < S; j++) {
      for (const kind of [FaultKind.StretchShape, FaultKind.StretchTotal]) yield [kind, { stretch: stretch(j) }];
      if (j + 1 < S) yield [FaultKind.StretchLink, { stretchPair: { left: stretch(j), right: stretch(j + 1) } }];
      for (let i = 0; i < L; i++) {
        yield [FaultKind.StretchEnd, { edge: { stretch: stretch(j), leaf: leaf(i) } }];
        if (i + 1 < L) yield [FaultKind.StretchInside, { inside: { stretch: stretch(j), left: leaf(i), right: leaf(i + 1) } }];
      }
      for (const other of others) {
        for (let k = 0; k < other.stretches.length; k++) yield [FaultKind.Overlap, { overlap: { here: stretch(j), other: other.header, there: parts(other).stretch(k) } }];
      }
    }
    for (let i = 0; i < L; i++) {
      for (const kind of [FaultKind.BadSignature, FaultKind.WrongNode, FaultKind.OutOfTime, FaultKind.BadOutcome]) yield [kind, { leaf: leaf(i) }];
      if (i + 1 < L) yield [FaultKind.Order, { leafPair: { left: leaf(i), right: leaf(i + 1) } }];
      for (const kind of [FaultKind.WrongTerms, FaultKind.Royalty]) yield [kind, { terms: { leaf: leaf(i), terms: batchTerms } }];
      yield [FaultKind.Overcharge, { tariff: { leaf: leaf(i), terms: batchTerms, ...tariff, priceHashes: [priceHash(price)], index: 0n, price } }];
    }
  }

  /** Kinds that are proved; evidence that does not open counts as none. */
  async function proved(built: Built, others: Built[] = [], first = false): Promise<string[]> {
    const found = new Set<string>();
    for (const [kind, evidence] of reports(built, others)) {
      const ok = await w.court.check(built.header, kind, encodeEvidence(evidence)).catch(() => false);
      if (ok) found.add(nameOf(FaultKind, kind));
      if (ok && first) break;
    }
    return [...found];
  }

  const post = (built: Built) => w.settlement.postBatch(built.header, built.signature, false);

  it("S11 valid batches survive every report that can be made", async () => {
    const before: Built[] = [];
    for (let seed = 1; seed <= 5; seed++) {
      const built = await build(w, node, await valid(seed));
      await post(built);
      expect(await proved(built, before), `seed ${seed}`).to.deep.equal([]);
      before.push(built);
    }
  });

  it("S13 a receipt with any one field changed is proved by its signature", async () => {
    const built = await build(w, node, await valid(11));
    for (const field of Object.keys(built.receipts[0]!) as (keyof InferenceReceipt)[]) {
      const changed = { ...built.receipts[0]! } as unknown as Record<string, unknown>;
      const value = changed[field];
      changed[field] = typeof value === "string" ? bytes32(`changed ${field}`) : typeof value === "bigint" ? value + 1n : (value as number) + 1;
      const receipts = [changed as unknown as InferenceReceipt, ...built.receipts.slice(1)];
      const forged = forge(built, { receipts, keepSignatures: true });
      expect(await w.court.check(forged.header, FaultKind.BadSignature, encodeEvidence({ leaf: parts(forged).leaf(0) })), field).to.equal(true);
    }
  });

  it("S13 a stretch with any one field changed is proved (its escrow and chain are the escrow's own check)", async () => {
    const built = await build(w, node, await valid(3));
    expect(built.stretches.length).to.be.greaterThan(2);
    for (const [j, stretch] of built.stretches.entries()) {
      for (const field of ["paymentId", "from", "to", "firstLeaf", "leafCount", "prefixTotal"] as const) {
        const value = stretch[field];
        const changed = { ...stretch, [field]: typeof value === "string" ? bytes32("changed") : typeof value === "bigint" ? value + 1n : value + 1 };
        const stretches = built.stretches.map((s, i) => (i === j ? (changed as ChannelStretch) : s));
        expect(await proved(forge(built, { stretches }), [], true), `${j} ${field}`).to.have.length.greaterThan(0);
      }
    }
  });

  it("S13 a header whose total or times do not fit its receipts is proved", async () => {
    const built = await build(w, node, await valid(4));
    const cases: [Partial<Built["header"]>, string][] = [
      [{ totalCharge: built.header.totalCharge + 1n }, "StretchTotal"], [{ totalCharge: built.header.totalCharge - 1n }, "StretchTotal"],
      [{ minIssuedAt: built.header.minIssuedAt + 1n }, "OutOfTime"], [{ maxIssuedAt: built.header.maxIssuedAt - 1n }, "OutOfTime"],
    ];
    for (const [header, kind] of cases) expect(await proved(forge(built, { header })), JSON.stringify(Object.keys(header))).to.include(kind);
  });

  const lies: [string, keyof typeof FaultKind, (r: InferenceReceipt[]) => InferenceReceipt[]][] = [
    ["a receipt of another node", "WrongNode", (r) => [{ ...r[0]!, nodeId: bytes32("x") }, ...r.slice(1)]],
    ["an unknown outcome", "BadOutcome", (r) => [{ ...r[0]!, outcome: 7 }, ...r.slice(1)]],
    ["a charged error", "BadOutcome", (r) => [{ ...r[0]!, outcome: 3 }, ...r.slice(1)]],
    ["two receipts swapped", "Order", (r) => [r[1]!, r[0]!, ...r.slice(2)]],
    ["a receipt twice", "Order", (r) => [r[0]!, r[0]!, ...r.slice(2)]],
    ["two answers in one place of a line", "Order", (r) => [r[0]!, { ...r[0]!, responseHash: bytes32("other answer") }, ...r.slice(2)]],
    ["a free answer behind the charged one of its place", "Order", (r) => [r[0]!, { ...r[1]!, sequence: 2n }, { ...r[1]!, charge: 0n }, r[3]!]],
    ["overlapping intervals", "Order", (r) => [r[0]!, { ...r[1]!, cumulativeBefore: r[1]!.cumulativeBefore - 1n }, ...r.slice(2)]],
    ["a sequence that does not rise", "Order", (r) => [r[0]!, { ...r[1]!, sequence: 0n }, ...r.slice(2)]],
    ["a gap inside of a stretch", "StretchInside", (r) => [r[0]!, { ...r[1]!, cumulativeBefore: r[1]!.cumulativeBefore + 1n, charge: r[1]!.charge - 1n }, ...r.slice(2)]],
    ["a charge above the tariff", "Overcharge", (r) => [...r.slice(0, -1), { ...r.at(-1)!, charge: r.at(-1)!.charge + 1n }]],
  ];
  for (const [title, kind, lie] of lies) {
    it(`signed lie: ${title} -> ${kind}`, async () => {
      const receipts = line(node, await w.now(), 4, { paymentId: bytes32(title), termsHash: termsHash(batchTerms), charge: mostFor(price, 10n, 20n) });
      const built = await build(w, node, receipts);
      expect(await proved(forge(built, { receipts: lie(built.receipts) }))).to.include(kind);
    });
  }

  const badTerms: [string, Partial<Terms>, keyof typeof FaultKind][] = [
    ["another node's terms", { nodeId: bytes32("x") }, "WrongTerms"], ["terms that ask for a proof", { verification: 2 }, "WrongTerms"],
    ["private terms", { settlementMode: 1 }, "WrongTerms"], ["another image policy", { policyId: bytes32("x") }, "WrongTerms"],
    ["another royalty", { royaltyBps: 5 }, "Royalty"],
  ];
  for (const [title, change, kind] of badTerms) {
    it(`signed lie: ${title} -> ${kind}`, async () => {
      batchTerms = { ...batchTerms, ...change };
      const built = await build(w, node, [priced(receipt(node, await w.now(), { paymentId: bytes32(title) }))]);
      expect(await proved(built)).to.include(kind);
    });
  }

  it("S11 a free answer and a charged one at one place of a line: two leaves, told apart by their sequence, no fault", async () => {
    const [first, free, last] = line(node, await w.now(), 3, { paymentId: bytes32("tie"), termsHash: termsHash(batchTerms), charge: mostFor(price, 10n, 20n) });
    const built = await build(w, node, [first!, { ...free!, charge: 0n }, { ...last!, cumulativeBefore: free!.cumulativeBefore }]);
    expect(await proved(built)).to.deep.equal([]);
  });

  it("two batches that cover the same interval: the later one falls, the earlier stands: its checkers were right", async () => {
    const receipts = line(node, await w.now(), 3, { paymentId: bytes32("overlap"), termsHash: termsHash(batchTerms), charge: 100n, inputUnits: 100n });
    const first = await build(w, node, receipts);
    await post(first);
    const second = await build(w, node, receipts.slice(1), {}, first.hash);
    await post(second);
    expect(await proved(second, [first])).to.deep.equal(["Overlap"]);
    expect(await proved(first, [second])).to.deep.equal([]);
  });

  async function report(built: Built, kind: number, evidence: Evidence) {
    const [, reporter] = await w.ethers.getSigners();
    const bytes = encodeEvidence(evidence);
    const salt = bytes32("salt");
    await w.court.connect(reporter!).commit(faultCommitment(reporter!.address as Address, built.hash, kind, bytes, salt));
    return { reporter: reporter!, bytes, salt, prove: () => w.court.connect(reporter!).prove(built.header, kind, bytes, salt) };
  }

  it("a proved fault rejects and slashes; a copy without a commitment does not, nor a proof without a fault", async () => {
    const built = await build(w, node, await valid(21));
    const forged = forge(built, { receipts: [{ ...built.receipts[0]!, responseHash: bytes32("other answer") }, ...built.receipts.slice(1)], keepSignatures: true });
    await post(forged);
    const evidence = { leaf: parts(forged).leaf(0) };
    const { bytes, salt, prove } = await report(forged, FaultKind.BadSignature, evidence);
    const copier = (await w.ethers.getSigners())[2]!;
    await expect(w.court.connect(copier).prove(forged.header, FaultKind.BadSignature, bytes, salt)).to.be.revertedWithCustomError(w.court, "FaultCourtNoCommitment");
    const { locked } = await w.registry.bond(node.nodeId);
    const before = await w.registry.reward(w.relayer.address);
    await expect(prove()).to.emit(w.court, "FaultProved").withArgs(forged.hash, FaultKind.BadSignature, w.relayer.address);
    expect(Number(await w.settlement.status(forged.header))).to.equal(BatchStatus.Rejected);
    expect((await w.registry.reward(w.relayer.address)) - before).to.equal((locked * 30n) / 100n);

    const honest = await build(w, node, await valid(22), {}, forged.hash);
    await post(honest);
    const { prove: proveNothing } = await report(honest, FaultKind.BadSignature, { leaf: parts(honest).leaf(0) });
    await expect(proveNothing()).to.be.revertedWithCustomError(w.court, "FaultCourtNoFault");
    const { prove: proveElsewhere } = await report(honest, FaultKind.BadSignature, evidence);
    await expect(proveElsewhere()).to.revert(w.ethers);
  });

  it("a leaf shown as an inner node, a path of the wrong length and an index outside do not open", async () => {
    const built = await build(w, node, line(node, await w.now(), 4, { paymentId: bytes32("shapes"), termsHash: termsHash(batchTerms) }));
    const good = parts(built).leaf(1);
    for (const leaf of [{ ...good, path: good.path.slice(1) }, { ...good, path: [...good.path, ZERO] }, { ...good, index: 4n }, { ...good, index: 2n }, { ...good, index: 0n, path: good.path.slice(1) }]) {
      await expect(w.court.check(built.header, FaultKind.BadSignature, encodeEvidence({ leaf }))).to.revert(w.ethers);
    }
  });

  it("S6 a fault after Certified slashes the signers", async () => {
    const full: FullNode[] = [];
    for (let i = 0; i < 3; i++) full.push(await w.addNode(Role.Full));
    const epoch = await seat(w, full);
    const nodes = await w.committee.memberNodes(epoch);
    const built = await build(w, node, await valid(31));
    const forged = forge(built, { receipts: [{ ...built.receipts[0]!, charge: built.receipts[0]!.charge + 1n }, ...built.receipts.slice(1)], keepSignatures: true });
    await post(forged);
    await certify(w, forged, epoch, full.filter(({ nodeId }) => nodes.indexOf(nodeId) < 2));
    const stakes = await Promise.all(nodes.map(async (id) => (await w.registry.bond(id)).free));
    const { prove } = await report(forged, FaultKind.BadSignature, { leaf: parts(forged).leaf(0) });
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

  describe("demands", () => {
    const posted = async () => {
      const built = await build(w, node, await valid(41));
      await post(built);
      return built;
    };

    it("answered by anyone, who is paid; the window grew once; open demands hold finality", async () => {
      const built = await posted();
      const bond = await w.demands.bondFor(2);
      await expect(w.demands.ask(built.header, 1, 0, 2, { value: 0n })).to.be.revertedWithCustomError(w.demands, "DemandsBond");
      await expect(w.demands.ask(built.header, 1, 0, 17, { value: bond * 20n })).to.be.revertedWithCustomError(w.demands, "DemandsBadRange");
      const count = Math.min(2, built.receipts.length);
      await w.demands.ask(built.header, 1, 0, count, { value: bond });
      const id = (await w.demands.demandCount()) - 1n;
      expect((await w.settlement.batch(built.header)).openDemands).to.equal(1n);
      expect((await w.settlement.batch(built.header)).extension).to.equal(w.parameters.settlement.responseTime);
      const { leaf } = parts(built);
      const answer = Array.from({ length: count }, (_, i) => leaf(i));
      await expect(w.demands.answerReceipts(id, built.header, [...answer].reverse())).to.revert(w.ethers);
      const paid = (await w.demands.demand(id)).bond;
      await w.demands.connect(w.relayer).answerReceipts(id, built.header, answer);
      expect(await w.demands.credit(w.relayer.address)).to.be.greaterThanOrEqual(paid);
      expect((await w.settlement.batch(built.header)).openDemands).to.equal(0n);
      await expect(w.demands.enforce(id, built.header)).to.be.revertedWithCustomError(w.demands, "DemandsNotOpen");
      await w.demands.connect(w.relayer).withdraw();
    });

    it("the last receipt of a payment, or that there is none", async () => {
      const built = await posted();
      const { leaf, stretch } = parts(built);
      const last = built.stretches.length - 1;
      const end = (j: number) => built.stretches[j]!.firstLeaf + built.stretches[j]!.leafCount - 1;
      const ask = async (paymentId: Hex) => {
        await w.demands.askLast(built.header, paymentId, { value: await w.demands.bondFor(3) });
        return (await w.demands.demandCount()) - 1n;
      };
      await w.demands.answerLast(await ask(built.stretches[last]!.paymentId), built.header, { stretches: [stretch(last)], leaf: [leaf(end(last))] });
      await w.demands.answerLast(await ask(`0x${"00".repeat(32)}`), built.header, { stretches: [stretch(0)], leaf: [] });
      await w.demands.answerLast(await ask(`0x${"ff".repeat(32)}`), built.header, { stretches: [stretch(last)], leaf: [] });
      const id = await ask(built.stretches[last]!.paymentId);
      await expect(w.demands.answerLast(id, built.header, { stretches: [stretch(last)], leaf: [] })).to.be.revertedWithCustomError(w.demands, "DemandsBadAnswer");
    });

    it("unanswered at T_resp: rejected, the asker has bond and reward", async () => {
      const built = await posted();
      const { locked } = await w.registry.bond(node.nodeId);
      const asker = (await w.ethers.getSigners())[3]!;
      await w.demands.connect(asker).ask(built.header, 2, 0, 1, { value: await w.demands.bondFor(1) });
      const id = (await w.demands.demandCount()) - 1n;
      await expect(w.demands.enforce(id, built.header)).to.be.revertedWithCustomError(w.demands, "DemandsNotYet");
      await w.networkHelpers.time.increase(Number(w.parameters.settlement.responseTime) + 1);
      await w.networkHelpers.mine(Number(w.parameters.settlement.windowBlocks) + 1);
      await w.demands.enforce(id, built.header);
      expect(Number(await w.settlement.status(built.header))).to.equal(BatchStatus.Rejected);
      expect(await w.demands.credit(asker.address)).to.be.greaterThan(0n);
      expect(await w.registry.reward(asker.address)).to.equal((locked * 30n) / 100n);
    });

    it("at most 16 open; none after the window", async () => {
      const built = await posted();
      const value = await w.demands.bondFor(1);
      for (let i = 0; i < 16; i++) await w.demands.ask(built.header, 1, 0, 1, { value: value * 2n });
      await expect(w.demands.ask(built.header, 1, 0, 1, { value: value * 2n })).to.be.revertedWithCustomError(w.settlement, "SettlementTooManyDemands");
      const late = await build(w, node, [priced(receipt(node, await w.now(), { paymentId: bytes32("late") }))], {}, built.hash);
      await post(late);
      await w.networkHelpers.time.increase(Number(w.parameters.settlement.window));
      await expect(w.demands.ask(late.header, 1, 0, 1, { value: value * 2n })).to.be.revertedWithCustomError(w.settlement, "SettlementTooLate");
    });
  });
});
