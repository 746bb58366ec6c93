import { expect } from "chai";
import { type Log, keccak256 } from "viem";
import { readFileSync } from "node:fs";
import { BatchStatus, Role, type InferenceReceipt, type Terms, prevHeaderOf, slotNumberOf, termsHash } from "../../sdk/protocol/index.ts";
import { runs } from "../utils/deep.ts";
import { Random } from "../utils/random.ts";
import { p256Signer, rsaSigner } from "../utils/signers.ts";
import { type World, bytes32, secpSigner, settlementWorld } from "../utils/settlement-world.ts";
import { type Built, PLAIN, build, line, receipt, runSettlement, settlementOf, terms } from "./builder.ts";

describe("InferenceSettlement, runs", () => {
  let w: World;
  let node: Awaited<ReturnType<World["addNode"]>>;
  before(async () => {
    w = await settlementWorld();
  });
  beforeEach(async () => {
    node = await w.addNode(Role.Inference);
  });

  /** All that a settlement leaves behind. */
  async function trace(built: Built, call: () => Promise<{ wait(): Promise<{ logs: readonly { topics: readonly string[]; data: string }[] } | null> }>) {
    const logs = (await (await call()).wait())!.logs.map(({ topics, data }) => ({ topics: [...topics], data }) as unknown as Log);
    const [{ status, fullBond, openDemands }, [slot]] = await Promise.all([w.settlement.batch(built.header), w.settlement.numberedSlot(node.nodeId, slotNumberOf(built.header))]);
    expect(status).to.equal(BigInt(BatchStatus.Final));
    const lines = await Promise.all(built.stretches.map(({ paymentId }) => w.settlement.line(node.nodeId, paymentId)));
    return JSON.stringify({ logs: logs.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)), status, slot, fullBond, openDemands, lines, tip: await w.settlement.tip(node.nodeId) }, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
  }

  /** Both calls from the same state: header, state and events must be the same. */
  async function expectSame(receipts: InferenceReceipt[], slot = 0) {
    const built = await build(w, node, receipts, { ...PLAIN, slot });
    // Receipts of a single call are young, and a chain goes by the wall's clock: however long the machine took to sign them, a second has passed.
    await w.networkHelpers.time.setNextBlockTimestamp((await w.now()) + 1n);
    const snapshot = await w.networkHelpers.takeSnapshot();
    const general = await trace(built, () => w.settlement.settle(settlementOf(built, [terms(node)])));
    await snapshot.restore();
    await w.networkHelpers.time.setNextBlockTimestamp((await w.now()) + 1n);
    expect(await trace(built, () => w.settlement.settleRun(runSettlement(built, terms(node))))).to.equal(general);
    await snapshot.restore();
  }

  it("S8 a run leaves what `settle` leaves: same header, state and events, over one and several payments", async () => {
    for (const counts of [[1], [5], [2, 1, 3]]) {
      const now = await w.now();
      await expectSame(counts.flatMap((count, i) => line(node, now - BigInt(i), count, { paymentId: bytes32(`p${i}`), cumulativeBefore: 7n * BigInt(i), sequence: BigInt(i) })));
    }
  });

  for (const [name, make] of [["secp256k1", secpSigner], ["P-256", p256Signer], ["RSA-PSS", rsaSigner]] as const) {
    it(`S8 random runs of 1 to 20 receipts over 1 to 6 payments, ${name}`, async () => {
      const random = new Random(name.length);
      const wide = (bits: number) => BigInt(random.next()) * (1n << BigInt(bits - 32)) + BigInt(random.next());
      node = await w.addNode(Role.Inference, { signer: make(`random ${name}`) });
      for (let i = 0; i < runs(5, 100); i++) {
        const now = await w.now();
        const payments = Array.from({ length: 1 + random.below(6) }, () => ({ paymentId: keccak256(random.bytes(32)), end: wide(120), sequence: wide(60) }));
        const count = Math.max(payments.length, 1 + random.below(20));
        const receipts = Array.from({ length: count }, (_, j) => {
          const payment = payments[j < payments.length ? j : random.below(payments.length)]!;
          const outcome = 1 + random.below(3);
          const own = {
            outcome, charge: outcome === 3 ? 0n : random.below(4) === 0 ? wide(110) : BigInt(random.below(1_000)), inputUnits: wide(63), outputUnits: wide(63),
            requestHash: keccak256(random.bytes(32)), responseHash: keccak256(random.bytes(32)), paymentId: payment.paymentId, cumulativeBefore: payment.end, sequence: payment.sequence++,
          };
          payment.end += own.charge;
          return receipt(node, now - BigInt(random.below(25)), own);
        });
        await expectSame(receipts, random.below(2) * random.next());
      }
    });
  }

  it("S2 a run continues the node's chain and its lines; nothing settles twice, in whichever call", async () => {
    const first = await build(w, node, line(node, await w.now(), 2), PLAIN);
    const run = runSettlement(first, terms(node));
    await w.settlement.settleRun(run);
    await expect(w.settlement.settleRun(run)).to.be.revertedWithCustomError(w.settlement, "SettlementAlreadySettled").withArgs(0n, bytes32("payment"), 200n, 2n);
    const again = await build(w, node, first.receipts);
    await expect(w.settlement.settle(settlementOf(again, [terms(node)]))).to.be.revertedWithCustomError(w.settlement, "SettlementAlreadySettled");
    const second = await build(w, node, line(node, await w.now(), 1, { cumulativeBefore: 200n, sequence: 2n }), { ...PLAIN, prevHeader: prevHeaderOf(first.hash, 0n) });
    await w.settlement.settleRun(runSettlement(second, terms(node)));
    expect(await w.settlement.status(second.header)).to.equal(BigInt(BatchStatus.Final));
    expect(await w.settlement.line(node.nodeId, bytes32("payment"))).to.deep.equal([300n, 3n]);
  });

  it("a header that was signed for another place in the chain: refused", async () => {
    const later = await build(w, node, line(node, await w.now(), 1), { ...PLAIN, nonce: 2n, prevHeader: prevHeaderOf(bytes32("x"), 0n) });
    await expect(w.settlement.settleRun(runSettlement(later, terms(node)))).to.be.revertedWithCustomError(w.settlement, "SettlementBadHeaderSignature");
  });

  for (const [name, make] of [["P-256", p256Signer], ["RSA-PSS", rsaSigner]] as const) {
    it(`${name} keys sign runs, too`, async () => {
      node = await w.addNode(Role.Inference, { signer: make("run") });
      const built = await build(w, node, line(node, await w.now(), 2), PLAIN);
      await w.settlement.settleRun(runSettlement(built, terms(node)));
      expect(await w.settlement.status(built.header)).to.equal(BigInt(BatchStatus.Final));
    });
  }

  it("a receipt that its key did not sign, in a header that it did: refused", async () => {
    const built = await build(w, { ...node, signer: { ...node.signer, sign: secpSigner("stranger").sign } }, line(node, await w.now(), 1), PLAIN);
    const run = runSettlement({ ...built, signature: node.signer.sign(built.hash) }, terms(node));
    await expect(w.settlement.settleRun(run)).to.be.revertedWithCustomError(w.settlement, "SettlementBadReceiptSignature");
  });

  it("too old, from the future, and under another image policy: refused", async () => {
    const at = async (time: bigint, t: Terms = terms(node)) => {
      const built = await build(w, node, [receipt(node, time, { termsHash: termsHash(t) })], PLAIN);
      return w.settlement.settleRun(runSettlement(built, t));
    };
    await expect(at((await w.now()) - w.parameters.settlement.maxAge - 10n)).to.be.revertedWithCustomError(w.settlement, "SettlementTooOld");
    await expect(at((await w.now()) + 100n)).to.be.revertedWithCustomError(w.settlement, "SettlementFromTheFuture");
    await expect(at(await w.now(), terms(node, { policyId: bytes32("other") }))).to.be.revertedWithCustomError(w.settlement, "SettlementBadTerms").withArgs(0n, "policyId");
  });

  it("the part of the contract works only inside of it, in a storage of the same layout", async () => {
    const built = await build(w, node, line(node, await w.now(), 1));
    const part = await w.ethers.getContractAt("IndividualSettlement", await w.settlement.PART());
    await expect(part.settle(settlementOf(built, [terms(node)]))).to.be.revertedWithCustomError(part, "SettlementIsPart").withArgs(w.addresses.InferenceSettlement);
    const layout = (name: string) => storageOf(name).map(({ label, slot, offset, type }) => `${slot}.${offset} ${label} ${type.replace(/\)\d+/g, ")")}`);
    expect(layout("InferenceSettlement").slice(0, layout("IndividualSettlement").length)).to.deep.equal(layout("IndividualSettlement"));
    expect(layout("IndividualSettlement").length).to.be.greaterThan(4);
  });
});

interface Slot {
  label: string;
  slot: string;
  offset: number;
  type: string;
}

/** Storage of a contract, as the compiler laid it out. */
function storageOf(name: string): Slot[] {
  const { buildInfoId, inputSourceName } = JSON.parse(readFileSync(`artifacts/contracts/settlement/${name}.sol/${name}.json`, "utf8")) as { buildInfoId: string; inputSourceName: string };
  const { output } = JSON.parse(readFileSync(`artifacts/build-info/${buildInfoId}.output.json`, "utf8")) as { output: { contracts: Record<string, Record<string, { storageLayout: { storage: Slot[] } }>> } };
  return output.contracts[inputSourceName]![name]!.storageLayout.storage;
}
