import { expect } from "chai";
import { type ChannelStretch, FaultKind, type InferenceReceipt, type Terms, encodeEvidence, termsHash, Role } from "../../sdk/protocol/index.ts";
import { mostFor } from "../../sdk/payments/tariff.ts";
import { type World, bytes32, settlementWorld } from "../utils/settlement-world.ts";
import { type Built, build, line, receipt } from "./builder.ts";
import { type FaultBench, faultBench, price } from "./fault-bench.ts";
import type { FullNode } from "./quorum.ts";

describe("faults: what is one, and what is none", () => {
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

  it("S11 valid batches survive every report that can be made", async () => {
    const before: Built[] = [];
    for (let seed = 1; seed <= 5; seed++) {
      const built = await build(w, node, await bench.valid(seed));
      await bench.post(built);
      expect(await bench.proved(built, before), `seed ${seed}`).to.deep.equal([]);
      before.push(built);
    }
  });

  it("S13 a receipt with any one field changed is proved by its signature", async () => {
    const built = await build(w, node, await bench.valid(11));
    for (const field of Object.keys(built.receipts[0]!) as (keyof InferenceReceipt)[]) {
      const changed = { ...built.receipts[0]! } as unknown as Record<string, unknown>;
      const value = changed[field];
      changed[field] = typeof value === "string" ? bytes32(`changed ${field}`) : typeof value === "bigint" ? value + 1n : (value as number) + 1;
      const receipts = [changed as unknown as InferenceReceipt, ...built.receipts.slice(1)];
      const forged = bench.forge(built, { receipts, keepSignatures: true });
      expect(await w.court.check(forged.header, FaultKind.BadSignature, encodeEvidence({ leaf: bench.parts(forged).leaf(0) })), field).to.equal(true);
    }
  });

  it("S13 a stretch with any one field changed is proved (its escrow and chain are the escrow's own check)", async () => {
    const built = await build(w, node, await bench.valid(3));
    expect(built.stretches.length).to.be.greaterThan(2);
    for (const [j, stretch] of built.stretches.entries()) {
      for (const field of ["paymentId", "from", "to", "firstLeaf", "leafCount", "prefixTotal"] as const) {
        const value = stretch[field];
        const changed = { ...stretch, [field]: typeof value === "string" ? bytes32("changed") : typeof value === "bigint" ? value + 1n : value + 1 };
        const stretches = built.stretches.map((s, i) => (i === j ? (changed as ChannelStretch) : s));
        expect(await bench.proved(bench.forge(built, { stretches }), [], true), `${j} ${field}`).to.have.length.greaterThan(0);
      }
    }
  });

  it("S13 a header whose total or times do not fit its receipts is proved", async () => {
    const built = await build(w, node, await bench.valid(4));
    const cases: [Partial<Built["header"]>, string][] = [
      [{ totalCharge: built.header.totalCharge + 1n }, "StretchTotal"], [{ totalCharge: built.header.totalCharge - 1n }, "StretchTotal"],
      [{ minIssuedAt: built.header.minIssuedAt + 1n }, "OutOfTime"], [{ maxIssuedAt: built.header.maxIssuedAt - 1n }, "OutOfTime"],
    ];
    for (const [header, kind] of cases) expect(await bench.proved(bench.forge(built, { header })), JSON.stringify(Object.keys(header))).to.include(kind);
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
      const receipts = line(node, await w.now(), 4, { paymentId: bytes32(title), termsHash: termsHash(bench.under.terms), charge: mostFor(price, 10n, 20n) });
      const built = await build(w, node, receipts);
      expect(await bench.proved(bench.forge(built, { receipts: lie(built.receipts) }))).to.include(kind);
    });
  }

  const badTerms: [string, Partial<Terms>, keyof typeof FaultKind][] = [
    ["another node's terms", { nodeId: bytes32("x") }, "WrongTerms"], ["terms that ask for a proof", { verification: 2 }, "WrongTerms"],
    ["private terms", { settlementMode: 1 }, "WrongTerms"], ["another image policy", { policyId: bytes32("x") }, "WrongTerms"],
    ["another royalty", { royaltyBps: 5 }, "Royalty"],
  ];
  for (const [title, change, kind] of badTerms) {
    it(`signed lie: ${title} -> ${kind}`, async () => {
      bench.under.terms = { ...bench.under.terms, ...change };
      const built = await build(w, node, [bench.priced(receipt(node, await w.now(), { paymentId: bytes32(title) }))]);
      expect(await bench.proved(built)).to.include(kind);
    });
  }

  it("S11 a free answer and a charged one at one place of a line: two leaves, told apart by their sequence, no fault", async () => {
    const [first, free, last] = line(node, await w.now(), 3, { paymentId: bytes32("tie"), termsHash: termsHash(bench.under.terms), charge: mostFor(price, 10n, 20n) });
    const built = await build(w, node, [first!, { ...free!, charge: 0n }, { ...last!, cumulativeBefore: free!.cumulativeBefore }]);
    expect(await bench.proved(built)).to.deep.equal([]);
  });

  it("two batches that cover the same interval: the later one falls, the earlier stands: its checkers were right", async () => {
    const receipts = line(node, await w.now(), 3, { paymentId: bytes32("overlap"), termsHash: termsHash(bench.under.terms), charge: 100n, inputUnits: 100n });
    const first = await build(w, node, receipts);
    await bench.post(first);
    const second = await build(w, node, receipts.slice(1), {}, first.hash);
    await bench.post(second);
    expect(await bench.proved(second, [first])).to.deep.equal(["Overlap"]);
    expect(await bench.proved(first, [second])).to.deep.equal([]);
  });
});
