import { expect } from "chai";
import { type Hex, keccak256, toBytes } from "viem";
import { prevHeaderOf, Outcome, SettlementMode, Verification, positionalTree, receiptLeaf, rootFromPath, stretchLeaf } from "../../../sdk/protocol/index.ts";
import { inferenceLedger, type PendingReceipt } from "../../../keepers/roles/inference/ledger.ts";
import { type BatchPolicy, buildHeader, planHeader } from "../../../keepers/roles/inference/plan.ts";
import { openStore } from "../../../keepers/storage/index.ts";

const id = (label: string): Hex => keccak256(toBytes(label));
const policy: BatchPolicy = { size: 3, idleMs: 1_000, ageMs: 5_000, settleSize: 2 };
const place = () => ({ paymentChainId: 713371n, escrow: "0x4444444444444444444444444444444444444444" as const });
const payments = [id("a"), id("b")].sort() as [Hex, Hex];

function entry(change: Partial<PendingReceipt> & { payment?: Hex; sequence?: bigint; before?: bigint; charge?: bigint; keyId?: Hex }): PendingReceipt {
  const { payment = payments[0], sequence = 0n, before = 0n, charge = 10n, keyId = id("key"), ...rest } = change;
  const receipt = {
    nodeId: id("node"), keyId, modelId: id("model"), termsHash: id("terms"), requestHash: id("q"), responseHash: id("r"), paymentId: payment,
    cumulativeBefore: before, charge, inputUnits: 1n, outputUnits: 1n, sequence, issuedAt: 1_790_000_000n + sequence, outcome: 1,
  };
  const digest = id(`${payment}${sequence}`);
  return { digest, receipt, signature: "0x1234", settlementMode: SettlementMode.Batch, verification: Verification.Tee, storedAt: 0, ...rest };
}

describe("inference node: what the next header holds", () => {
  it("nothing waits: no header", () => expect(planHeader([], 10_000, policy)).to.equal(undefined));

  it("batch receipts wait for size, silence or age", () => {
    const two = [entry({ storedAt: 0 }), entry({ sequence: 1n, before: 10n, storedAt: 900 })];
    expect(planHeader(two, 1_000, policy)).to.equal(undefined);
    expect(planHeader(two, 1_900, policy)?.receipts.length).to.equal(2);
    expect(planHeader([...two, entry({ sequence: 2n, before: 20n, storedAt: 950 })], 1_000, policy)?.kind).to.equal("batch");
    const trickle = [0, 900, 1_800, 2_700, 3_600, 4_500].map((storedAt, i) => entry({ sequence: BigInt(i), before: BigInt(10 * i), storedAt }));
    expect(planHeader(trickle.slice(0, 2), 900, { ...policy, size: 99 })).to.equal(undefined);
    expect(planHeader(trickle, 5_000, { ...policy, size: 99 })?.kind).to.equal("batch");
  });

  it("individual receipts go at once and before batches, no more than the limit", () => {
    const mixed = [entry({}), ...[1, 2, 3].map((n) => entry({ payment: payments[1], sequence: BigInt(n), before: BigInt(10 * n), settlementMode: SettlementMode.Individual }))];
    const plan = planHeader(mixed, 0, policy)!;
    expect(plan.kind).to.equal("settle");
    expect(plan.receipts.map((item) => item.receipt.sequence)).to.deep.equal([1n, 2n]);
  });

  it("a receipt whose proof is missing waits, and so do the younger ones of its payment, and no others", () => {
    const zk = { settlementMode: SettlementMode.Individual, verification: Verification.Zkml };
    const waiting = [entry({ ...zk }), entry({ ...zk, sequence: 1n, before: 10n, proof: { bytes: "0x01", publicInputs: [1n] } })];
    expect(planHeader(waiting, 0, policy)).to.equal(undefined);
    const other = entry({ ...zk, payment: payments[1], proof: { bytes: "0x01", publicInputs: [1n] } });
    expect(planHeader([...waiting, other], 0, policy)?.receipts).to.deep.equal([other]);
  });

  it("a free answer waits for its proof as well; an error has nothing to prove", () => {
    const free = entry({ settlementMode: SettlementMode.Individual, verification: Verification.Zkml, charge: 0n });
    expect(planHeader([free], 0, policy)).to.equal(undefined);
    const failed = { ...free, receipt: { ...free.receipt, outcome: Outcome.Error } };
    expect(planHeader([failed], 0, policy)?.receipts).to.deep.equal([failed]);
  });

  it("proven receipts wait for company, by number or by time, and others do not wait for them", () => {
    const zk = (n: number) => entry({ settlementMode: SettlementMode.Individual, verification: Verification.Zkml, sequence: BigInt(n), before: BigInt(10 * n), storedAt: n, proof: { bytes: "0x01", publicInputs: [BigInt(n)] } });
    const patient = { ...policy, settleSize: 3, proofWaitMs: 500 };
    expect(planHeader([zk(0), zk(1)], 499, patient)).to.equal(undefined);
    expect(planHeader([zk(0), zk(1)], 500, patient)?.receipts).to.have.length(2);
    expect(planHeader([3, 1, 0, 2].map(zk), 4, patient)?.receipts.map(({ receipt }) => receipt.sequence)).to.deep.equal([0n, 1n, 2n]);
    expect(planHeader([zk(0)], 0, policy)?.receipts).to.have.length(1);
    const tee = entry({ settlementMode: SettlementMode.Individual, payment: payments[1] });
    expect(planHeader([zk(0), tee], 1, patient)?.receipts).to.deep.equal([tee]);
  });

  it("a receipt whose proof failed for good is settled by nobody and holds up nobody", () => {
    const ledger = inferenceLedger(openStore(":memory:"));
    const zk = { settlementMode: SettlementMode.Individual, verification: Verification.Zkml };
    const [first, second] = [entry({ ...zk }), entry({ ...zk, sequence: 1n, before: 10n })];
    for (const each of [first, second]) ledger.add(each);
    ledger.addProof(second.digest, { bytes: "0x01", publicInputs: [1n] });
    expect(planHeader(ledger.pending(10), 0, policy)).to.equal(undefined);
    ledger.failProof(first.digest, "proving.invalid_proof");
    expect(planHeader(ledger.pending(10), 0, policy)?.receipts.map(({ digest }) => digest)).to.deep.equal([second.digest]);
    expect(ledger.find(first.digest)).to.include({ proofError: "proving.invalid_proof" });
  });

  it("one header names one key epoch: the oldest first", () => {
    const old = entry({ keyId: id("old"), storedAt: 1, sequence: 5n, before: 50n });
    const plan = planHeader([entry({ storedAt: 2 }), old], 10_000, policy)!;
    expect(plan.receipts).to.deep.equal([old]);
  });

  it("the header commits to the receipts in tree order, their stretches and sums", () => {
    const receipts = [entry({ sequence: 1n, before: 10n, charge: 7n }), entry({ payment: payments[1] }), entry({}), entry({ sequence: 4n, before: 40n })];
    const plan = planHeader(receipts, 10_000, policy)!;
    const { header, stretches } = buildHeader(plan, { nodeId: id("node"), keyId: id("key"), nonce: 1n, prevHeader: prevHeaderOf(id("0"), 1n) }, place);
    expect(plan.receipts.map(({ receipt }) => receipt.sequence)).to.deep.equal([0n, 1n, 4n, 0n]);
    expect(stretches.map(({ from, to, firstLeaf, leafCount, prefixTotal }) => [from, to, firstLeaf, leafCount, prefixTotal])).to.deep.equal([
      [0n, 17n, 0, 2, 17n],
      [40n, 50n, 2, 1, 27n],
      [0n, 10n, 3, 1, 37n],
    ]);
    expect([header.count, header.channels, header.totalCharge, header.minIssuedAt, header.maxIssuedAt]).to.deep.equal([4, 3, 37n, 1_790_000_000n, 1_790_000_004n]);
    const leaves = plan.receipts.map(({ digest, signature }) => receiptLeaf(digest, signature));
    expect(rootFromPath(leaves[2]!, 2, 4, positionalTree(leaves).path(2))).to.equal(header.receiptsRoot);
    expect(positionalTree(stretches.map(stretchLeaf)).root).to.equal(header.channelsRoot);
  });
});

describe("inference node: the ledger", () => {
  const header = () => {
    const plan = planHeader([entry({})], 10_000, policy)!;
    return { ...buildHeader(plan, { nodeId: id("node"), keyId: id("key"), nonce: 1n, prevHeader: prevHeaderOf(id("0"), 1n) }, place), kind: plan.kind };
  };

  it("gives back what was stored, big integers included", () => {
    const ledger = inferenceLedger(openStore(":memory:"));
    const stored = entry({ charge: 2n ** 127n });
    ledger.add(stored);
    ledger.addProof(stored.digest, { bytes: "0xabcd", publicInputs: [2n ** 253n] });
    expect(ledger.pending(10)).to.deep.equal([{ ...stored, proof: { bytes: "0xabcd", publicInputs: [2n ** 253n] } }]);
  });

  it("a (payment, sequence) is stored once: a second receipt for it is refused", () => {
    const ledger = inferenceLedger(openStore(":memory:"));
    ledger.add(entry({}));
    expect(() => ledger.add({ ...entry({}), digest: id("another") })).to.throw();
  });

  it("one header a nonce; its receipts wait no longer; private receipts never wait", () => {
    const ledger = inferenceLedger(openStore(":memory:"));
    ledger.add(entry({}));
    ledger.add(entry({ sequence: 1n, settlementMode: SettlementMode.Private }));
    const made = { nonce: 1n, hash: id("h"), signature: "0x01" as Hex, ...header() };
    ledger.addHeader(made, [entry({}).digest]);
    expect(ledger.pending(10)).to.deep.equal([]);
    expect(ledger.lastHeader()).to.deep.equal({ ...made, state: "signed" });
    expect(() => ledger.addHeader({ ...made, hash: id("other") }, [])).to.throw();
    expect(ledger.receiptsOf(1n).map((item) => item.digest)).to.deep.equal([entry({}).digest]);
  });

  it("receipts of a lost key are set aside and counted", () => {
    const ledger = inferenceLedger(openStore(":memory:"));
    ledger.add(entry({ keyId: id("lost") }));
    ledger.add(entry({ sequence: 1n, before: 10n }));
    expect(ledger.setAside(id("lost"))).to.equal(1);
    expect(ledger.pending(10).map((item) => item.receipt.sequence)).to.deep.equal([1n]);
  });
});
