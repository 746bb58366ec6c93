import { expect } from "chai";
import { AbiCoder } from "ethers";
import type { Hex } from "viem";
import { settlementsIn } from "../../sdk/network/settlements.ts";
import { Role, type Run, RunEncodingError, decodeRun, encodeRun, headerHash, prevHeaderOf, readRun, runOf } from "../../sdk/protocol/index.ts";
import { runs } from "../utils/deep.ts";
import { Random } from "../utils/random.ts";
import { type World, ZERO, bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { type Built, PLAIN, build, domainOf, line, makeRun, receipt, runSettlement, settlementOf, terms } from "./builder.ts";

const NOBODY = "0x0000000000000000000000000000000000000000";

describe("a run as bytes", () => {
  let w: World;
  let node: Awaited<ReturnType<World["addNode"]>>;
  before(async () => {
    w = await settlementWorld();
  });
  beforeEach(async () => {
    node = await w.addNode(Role.Inference);
  });

  const two = (change: Partial<Run["stretches"][0]>, other: Partial<Run["stretches"][0]> = {}) => (run: Run): Run => ({
    ...run, stretches: [{ ...run.stretches[0]!, ...change }, { ...run.stretches[0]!, ...other }],
  });
  const bad: [string, string, (run: Run) => Run][] = [
    ["an empty stretch", "SettlementOrder", two({ paymentId: ZERO, count: 0 })],
    ["the same payment twice", "SettlementOrder", two({ count: 1 }, { count: 1 })],
    ["payments in descending order", "SettlementOrder", two({ count: 1 }, { count: 1, paymentId: ZERO })],
    ["an unknown outcome", "SettlementBadReceipt", (run) => bend(run, { outcome: 9 })],
    ["no outcome", "SettlementBadReceipt", (run) => bend(run, { outcome: 0 })],
    ["a charged error", "SettlementBadReceipt", (run) => bend(run, { outcome: 3 })],
    ["another answer", "SettlementBadHeaderSignature", (run) => bend(run, { responseHash: bytes32("x") })],
    ["other units", "SettlementBadHeaderSignature", (run) => bend(run, { outputUnits: 21n })],
    ["another place of the money", "SettlementBadHeaderSignature", (run) => ({ ...run, stretches: [{ ...run.stretches[0]!, escrow: NOBODY }] })],
    ["another chain of the money", "SettlementBadHeaderSignature", (run) => ({ ...run, stretches: [{ ...run.stretches[0]!, paymentChainId: 1n }] })],
    ["a receipt's signature by nobody", "SettlementBadHeaderSignature", (run) => bend(run, { signature: `0x${"ff".repeat(65)}` })],
    ["a line that ends beyond 128 bits", "SettlementBadReceipt", (run) => ({ ...run, stretches: [{ ...run.stretches[0]!, cumulativeBefore: (1n << 128n) - 1n }] })],
    ["charges that pass 128 bits together", "SettlementBadReceipt", (run) => bend(run, { charge: (1n << 128n) - 1n })],
    ["sequences that end beyond 64 bits", "SettlementBadReceipt", (run) => ({ ...run, stretches: [{ ...run.stretches[0]!, sequence: (1n << 64n) - 1n }] })],
    ["payments that pass 128 bits together", "SettlementBadHeader", (run) => ({ ...two({ paymentId: ZERO, count: 1 }, { count: 1 })(run), items: run.items.map((item) => ({ ...item, charge: (1n << 128n) - 1n })) })],
    ["other terms", "SettlementBadHeaderSignature", (run) => ({ ...run, terms: { ...run.terms, feeBpsCap: 1 } })],
    ["private terms", "SettlementBadTerms", (run) => ({ ...run, terms: { ...run.terms, settlementMode: 1 } })],
    ["vanilla terms", "SettlementBadTerms", (run) => ({ ...run, terms: { ...run.terms, verification: 4 } })],
    ["terms that ask for a proof", "SettlementBadTerms", (run) => ({ ...run, terms: { ...run.terms, verification: 2 } })],
    ["another slot", "SettlementBadHeaderSignature", (run) => ({ ...run, slot: 7 })],
    ["another key", "NodeRegistryKeyNotOfNode", (run) => ({ ...run, keyId: bytes32("x") })],
    ["another node", "NodeRegistryKeyNotOfNode", (run) => ({ ...run, terms: { ...run.terms, nodeId: bytes32("x") } })],
  ];
  /** Changes the first receipt. */
  function bend(run: Run, change: Partial<Run["items"][0]>): Run {
    return { ...run, items: [{ ...run.items[0]!, ...change }, ...run.items.slice(1)] };
  }
  for (const [title, error, change] of bad) {
    it(`${title}: refused by name`, async () => {
      const built = await build(w, node, line(node, await w.now(), 2), PLAIN);
      const contract = error.startsWith("NodeRegistry") ? w.registry : w.settlement;
      await expect(w.settlement.settleRun(encodeRun(change(makeRun(built, terms(node)))))).to.be.revertedWithCustomError(contract, error);
    });
  }

  /** Writes bytes into an encoded run. */
  const patch = (run: string, at: number, bytes: string) => `${run.slice(0, 2 + 2 * at)}${bytes}${run.slice(2 + 2 * at + bytes.length)}`;
  const cut = (run: string, from: number, to: number) => `${run.slice(0, 2 + 2 * from)}${run.slice(2 + 2 * to)}`;
  const malformed: [string, string, (run: string) => string][] = [
    ["no bytes at all", "SettlementRunLayout", () => "0x"],
    ["a layout of the future", "SettlementRunLayout", (run) => patch(run, 0, "02")],
    ["the head alone", "SettlementRunLength", (run) => cut(run, 239, run.length)],
    ["a byte more", "SettlementRunLength", (run) => `${run}00`],
    ["a byte less", "SettlementRunLength", (run) => run.slice(0, -2)],
    ["more receipts than bytes", "SettlementRunLength", (run) => patch(run, 3, "ffffffff")],
    ["more stretches than bytes", "SettlementRunLength", (run) => patch(run, 1, "ffff")],
    ["longer signatures than bytes", "SettlementRunLength", (run) => patch(run, 7, "ffff")],
    ["no stretches", "SettlementBadHeader", (run) => cut(patch(run, 1, "0000"), 304, 392)],
    ["no receipts", "SettlementBadHeader", (run) => cut(patch(run, 3, "00000000"), 392, run.length)],
    ["stretches of fewer receipts than there are", "SettlementCountMismatch", (run) => patch(run, 364, "00000001")],
    ["stretches of more receipts than there are", "SettlementCountMismatch", (run) => patch(run, 364, "00000003")],
    ["stretches of so many receipts that a sum might overflow", "SettlementCountMismatch", (run) => patch(run, 364, "ffffffff")],
    ["no signatures", "SettlementBadHeaderSignature", (run) => cut(cut(cut(patch(run, 7, "0000"), 671, 736), 499, 564), 239, 304)],
  ];
  for (const [title, error, change] of malformed) {
    it(`X7 ${title}: refused by name`, async () => {
      const built = await build(w, node, line(node, await w.now(), 2), PLAIN);
      const run = change(runSettlement(built, terms(node)));
      await expect(w.settlement.settleRun(run)).to.be.revertedWithCustomError(w.settlement, error);
      expect(() => decodeRun(run as Hex)).to.throw(RunEncodingError);
    });
  }

  it("X7 runs of random bytes, and runs bent at random: a declared error or, if nothing changed, none", async () => {
    const random = new Random(7);
    const built = await build(w, node, [...line(node, await w.now(), 2), ...line(node, await w.now(), 1, { paymentId: bytes32("other") })], PLAIN);
    const good = runSettlement(built, terms(node));
    const bytes = Buffer.from(good.slice(2), "hex");
    const bends: ((copy: Buffer) => Uint8Array)[] = [
      (copy) => copy.subarray(0, random.below(copy.length)),
      (copy) => Buffer.concat([copy, random.bytes(1 + random.below(300))]),
      (copy) => copy.fill(random.bytes(1), random.below(9), 9),
      (copy) => copy.fill(random.bytes(1 + random.below(40)), random.below(copy.length)),
      (copy) => copy.fill(0, 304 + random.below(176), 480),
      (copy) => Buffer.concat([copy.subarray(0, 9), random.bytes(copy.length - 9)]),
      () => random.bytes(random.below(1_000)),
    ];
    for (let i = 0; i < runs(70, 2_000); i++) {
      const bent = `0x${Buffer.from(bends[i % bends.length]!(Buffer.from(bytes))).toString("hex")}`;
      const call = w.provider.request({ method: "eth_call", params: [{ to: w.addresses.InferenceSettlement, data: w.settlement.interface.encodeFunctionData("settleRun", [bent]) }] });
      const data = await call.then(() => null, (error: { data?: unknown }) => String(error.data));
      const error = data === null ? null : (w.settlement.interface.parseError(data) ?? w.registry.interface.parseError(data));
      expect(bent === good ? data === null : error !== null && !["Error", "Panic"].includes(error!.name), `${bent} gave ${data}`).to.equal(true);
    }
  });

  it("the SDK reads back what it wrote, and says when a run cannot say it", async () => {
    const now = await w.now();
    const built = await build(w, node, [...line(node, now, 3), ...line(node, now, 2, { paymentId: bytes32("p") })], PLAIN);
    const signed = built.receipts.map((r, i) => ({ receipt: r, signature: built.signatures[i]! }));
    const bytes = runSettlement(built, terms(node));
    expect(encodeRun(decodeRun(bytes))).to.equal(bytes);
    const back = readRun(makeRun(built, terms(node)), built.header, domainOf(w));
    expect(readRun(decodeRun(bytes), built.header, domainOf(w)).header).to.deep.equal(back.header);
    expect(back.items).to.deep.equal(signed);
    expect(back.signature).to.equal(built.signature);
    expect(headerHash(back.header, domainOf(w))).to.equal(built.hash);
    expect(back.stretches).to.deep.equal(built.stretches);
    for (const receipts of [
      [...line(node, now, 1), ...line(node, now, 1, { cumulativeBefore: 500n, sequence: 1n })], [...line(node, now, 1), ...line(node, now, 1, { cumulativeBefore: 100n, sequence: 5n })],
      [...line(node, now, 1), receipt(node, now, { paymentId: bytes32("q"), modelId: bytes32("other") })],
    ]) {
      const other = await build(w, node, receipts, PLAIN);
      expect(runOf(other, other.receipts.map((r, i) => ({ receipt: r, signature: other.signatures[i]! })), terms(node))).to.equal(null);
    }
  });

  it("full nodes read every settling call: header and receipts of a run, of `settle`, and of many", async () => {
    const first = await build(w, node, line(node, await w.now(), 2), PLAIN);
    const second = await build(w, node, line(node, await w.now(), 1, { cumulativeBefore: 200n, sequence: 2n }), { ...PLAIN, nonce: 2n, prevHeader: prevHeaderOf(first.hash, 0n) });
    const { interface: abi } = w.settlement;
    const whole = [first, second].map((built) => settlementOf(built, [terms(node)]));
    const bytes = whole.map((settlement) => AbiCoder.defaultAbiCoder().encode([abi.getFunction("settle").inputs[0]!], [settlement]));
    const read = (data: string, built: Built, prevHeader: Hex) => settlementsIn(data as Hex, { nonce: built.header.nonce, prevHeader }, domainOf(w)).map(({ header, items }) => [headerHash(header, domainOf(w)), items.length]);
    expect(read(abi.encodeFunctionData("settleRun", [runSettlement(first, terms(node))]), first, ZERO)).to.deep.equal([[first.hash, 2]]);
    // The hash of the header before is what a full node has; the run's header holds 24 bytes of it.
    expect(read(abi.encodeFunctionData("settleProvedRun", [runSettlement(second, terms(node)), "0x", []]), second, first.hash)).to.deep.equal([[second.hash, 1]]);
    expect(read(abi.encodeFunctionData("settle", [whole[0]!]), first, ZERO)).to.deep.equal([[first.hash, 2]]);
    expect(read(abi.encodeFunctionData("settleMany", [bytes]), first, ZERO)).to.deep.equal([[first.hash, 2], [second.hash, 1]]);
    expect(read("0x12345678", first, ZERO)).to.deep.equal([]);
  });
});
