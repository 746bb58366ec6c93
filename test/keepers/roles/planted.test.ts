import { expect } from "chai";
import type { Hex } from "viem";
import { leafCheckStatement } from "../../../keepers/roles/full/statements.ts";
import { BatchStatus, FaultKind, type InferenceReceipt, nameOf, receiptDigest, termsHash } from "../../../sdk/protocol/index.ts";
import { foundFault } from "../../settlement/quorum.ts";
import { bytes32, secpSigner } from "../../utils/settlement-world.ts";
import { type FullRig, fullRig } from "../support/full-rig.ts";
import { type Bend, createPoster, type Poster, blobsInMemory } from "../support/poster.ts";

/** The role's own checker, accuser, committee work and punisher; chains and blob store are real, nothing is told to the nodes. */
describe("full nodes find what is planted, by themselves", () => {
  let rig: FullRig;
  let poster: Poster;
  const shown = new Map<Hex, unknown>();
  before(async () => {
    const walrus = blobsInMemory();
    rig = await fullRig({ walrus, askTerms: async (_node, hash) => shown.get(hash) ?? null });
    for (let i = 0; i < 3; i++) await rig.addMember();
    poster = await createPoster(rig.world, walrus);
    await rig.round(["seat"]);
    await rig.round(["seat"]);
  });
  after(() => rig.stop());

  const status = async (hash: Hex) => nameOf(BatchStatus, Number((await rig.world.batchOf(hash)).status));
  const work = async () => {
    await rig.round(["check", "accuse", "sign", "certify"]);
    await rig.round(["check", "accuse", "sign", "certify"]);
  };
  const verdict = (hash: Hex) => rig.members.map(({ store }) => store.check(hash)?.verdict);
  const signed = (hash: Hex) => rig.members.filter(({ statements }) => statements.about(hash).some(({ kind }) => kind === "leafCheck")).length;

  it("an honest batch is certified by all, and nobody accuses", async () => {
    const { hash } = await poster.post();
    await work();
    expect([await status(hash), verdict(hash), signed(hash)]).to.deep.equal(["Certified", ["valid", "valid", "valid"], 3]);
  });

  /** The later half of the receipts belongs to another payment, above every other one in the order of the tree. */
  const secondPayment = (r: InferenceReceipt, i: number): Partial<InferenceReceipt> => (i < 3 ? {} : { paymentId: `0xff${bytes32(`second ${r.paymentId}`).slice(4)}` });
  const stranger = secpSigner("stranger");
  /** A lie about a stretch is a lie about the total as well, and that is looked at first. */
  const plants: [string, Bend, keyof typeof FaultKind][] = [
    ["a signature of another key", { leaves: (leaves) => leaves.map((leaf, i) => (i === 3 ? { ...leaf, signature: stranger.sign(receiptDigest(leaf.receipt, poster.domain)) } : leaf)) }, "BadSignature"],
    ["one unit above the tariff", { receipt: (r, i) => (i === 4 ? { charge: r.charge + 1n } : {}) }, "Overcharge"],
    ["a charged error", { receipt: (_, i) => (i === 2 ? { outcome: 3 } : {}) }, "BadOutcome"],
    ["a receipt outside of the header's time", { receipt: (r, i) => (i === 1 ? { issuedAt: r.issuedAt - 50n } : {}) }, "OutOfTime"],
    ["a sequence that comes twice", { receipt: (_, i) => (i === 5 ? { sequence: 4n } : {}) }, "Order"],
    ["another image policy in the terms", { terms: { policyId: bytes32("other policy") } }, "WrongTerms"],
    ["private terms", { terms: { settlementMode: 1 } }, "WrongTerms"],
    ["a royalty that the model does not have", { terms: { royaltyTo: "0x3333333333333333333333333333333333333333", royaltyBps: 100 } }, "Royalty"],
    ["a gap that a stretch hides", { receipt: (r, i) => (i === 3 ? { cumulativeBefore: r.cumulativeBefore + 7n } : {}), stretches: (s) => [{ ...s[0]!, to: s[1]!.to, leafCount: 6, prefixTotal: s[1]!.prefixTotal }] }, "StretchTotal"],
    ["a stretch that ends too late", { stretches: (s) => [{ ...s[0]!, to: s[0]!.to + 9n }] }, "StretchTotal"],
    ["a first stretch that ends too late", { receipt: secondPayment, stretches: (s) => [{ ...s[0]!, to: s[0]!.to + 9n }, s[1]!] }, "StretchTotal"],
    ["a second stretch that begins too early", { receipt: secondPayment, stretches: (s) => [s[0]!, { ...s[1]!, from: s[1]!.from - 1n }] }, "StretchEnd"],
    ["a running total that is not the sum", { stretches: (s) => [{ ...s[0]!, prefixTotal: s[0]!.prefixTotal + 1n }] }, "StretchTotal"],
  ];
  for (const [title, bend, kind] of plants) {
    it(`${title}: found, proved as ${kind}, signed by nobody`, async () => {
      const late = kind === "OutOfTime" ? { header: { minIssuedAt: await rig.world.now(), maxIssuedAt: (await rig.world.now()) + 20n } } : {};
      const { hash } = await poster.post({ ...bend, ...late });
      await work();
      expect(await status(hash)).to.equal("Rejected");
      expect(verdict(hash)).to.deep.equal(["faulty", "faulty", "faulty"]);
      expect(signed(hash)).to.equal(0);
      const [proved] = await rig.world.court.queryFilter(rig.world.court.filters.FaultProved(hash));
      expect(nameOf(FaultKind, Number(proved!.args.kind))).to.equal(kind);
      expect(rig.members.map(({ node }) => node.authorizer.address)).to.include((await foundFault(rig.world, hash))!.finder);
    });
  }

  it("two batches over the same part of a line: the later one is rejected, its checkers and the earlier one's keep their stake", async () => {
    const first = await poster.post({ payment: "overlapping" });
    await work();
    const second = await poster.post({ payment: "overlapping", count: 3 });
    await work();
    expect([await status(first.hash), await status(second.hash)]).to.deep.equal(["Certified", "Rejected"]);
    expect(await rig.world.committee.queryFilter(rig.world.committee.filters.FalseStatementProved())).to.have.length(0);
  });

  it("the finder of a planted header has its prize after the planter has told", async () => {
    const { world: w } = rig;
    const traps = await w.ethers.getContractAt("Traps", w.addresses.Traps);
    const planter = poster.node.operator;
    const salt = bytes32("secret");
    const { minPrize } = (await traps.getFunction("params").staticCall()) as { minPrize: bigint };
    await w.token.mint(planter.address, 2n * minPrize);
    await w.token.connect(planter).approve(w.addresses.Traps, 2n * minPrize);
    const built = await poster.build({ receipt: (r, i) => (i === 0 ? { charge: r.charge + 1n } : {}) });
    const commitment = w.ethers.keccak256(w.ethers.AbiCoder.defaultAbiCoder().encode(["address", "bytes32", "bytes32"], [planter.address, built.hash, salt]));
    await traps.connect(planter).getFunction("plant").send(commitment, minPrize);
    await w.settlement.postBatch(built.header, built.signature, false);
    await work();
    expect(await status(built.hash)).to.equal("Rejected");
    const { finder, opening } = (await foundFault(w, built.hash))!;
    const before = await w.token.balanceOf(finder);
    await traps.connect(planter).getFunction("reveal").send(built.header, salt, finder, opening);
    expect((await w.token.balanceOf(finder)) - before).to.equal(minPrize);
  });

  it("S6 a member that signs without looking is shown to the chain by the others, though its signature was in no certificate", async () => {
    const { world: w } = rig;
    const blind = rig.members[2]!;
    const { hash } = await poster.post({ receipt: (r, i) => (i === 0 ? { charge: r.charge + 1n } : {}) });
    const epoch = await w.committee.currentEpoch();
    const { digest } = leafCheckStatement(hash, epoch, rig.domain);
    const signature = { digest, signer: blind.node.authorizer.address, signature: blind.node.authorizer.signingKey.sign(digest).serialized };
    for (const member of rig.members.slice(0, 2)) {
      await member.follower.step();
      const body = JSON.stringify({ signatures: [signature] });
      expect((await member.api(new Request("https://in.process/committee/signatures", { method: "POST", headers: { "content-type": "application/json" }, body }))).status).to.equal(200);
    }
    const before = (await w.registry.bond(blind.node.nodeId)).free;
    await work();
    await rig.round(["punish"]);
    await rig.round(["punish"]);
    expect(before - (await w.registry.bond(blind.node.nodeId)).free).to.equal(w.parameters.committee.falseStatementSlash);
  });

  it("what cannot be judged is signed by nobody and accused by nobody: no terms, a model that is not published, a vanilla answer of an int program", async () => {
    const bare = await poster.post({ book: null });
    const unpublished = await poster.post({ receipt: () => ({ modelId: bytes32("unpublished") }) });
    await work();
    const vanilla = await poster.post({ receipt: () => ({ modelId: poster.integer }), terms: { verification: 4 } });
    await work();
    for (const { hash } of [bare, unpublished, vanilla]) {
      expect([await status(hash), verdict(hash), signed(hash)]).to.deep.equal(["Posted", ["unjudged", "unjudged", "unjudged"], 0]);
    }
  });

  it("looked at again when the answer may have come: terms that were shown late are judged and signed for; what no answer can decide is left alone", async () => {
    const terms = { feeBpsCap: 499 };
    const late = await poster.post({ book: null, terms });
    const vanilla = await poster.post({ receipt: () => ({ modelId: poster.integer }), terms: { verification: 4 } });
    await work();
    expect([verdict(late.hash)[0], verdict(vanilla.hash)[0], signed(late.hash)]).to.deep.equal(["unjudged", "unjudged", 0]);
    const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? item.toString() : item)));
    shown.set(termsHash({ ...poster.terms, ...terms }), json({ terms: { ...poster.terms, ...terms }, tariff: poster.tariff }));
    await work();
    expect(verdict(late.hash)[0], "not at once").to.equal("unjudged");
    rig.wall.ahead += 301_000;
    const soon = rig.members[0]!.store.judgeable(rig.members[0]!.platform.clock.now(), 100).map(({ hash }) => hash);
    expect([soon.includes(late.hash), soon.includes(vanilla.hash)]).to.deep.equal([true, false]);
    await work();
    expect([await status(late.hash), verdict(late.hash), signed(late.hash)]).to.deep.equal(["Certified", ["valid", "valid", "valid"], 3]);
  });

  it("a blob of format 1 is certified when its node shows the terms; shown terms that hash to something else are worth nothing", async () => {
    const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? item.toString() : item)));
    const hash = termsHash(poster.terms);
    shown.set(hash, json({ terms: { ...poster.terms, feeBpsCap: 1 }, tariff: poster.tariff }));
    const lied = await poster.post({ book: null });
    await work();
    expect(await status(lied.hash)).to.equal("Posted");
    shown.set(hash, json({ terms: poster.terms, tariff: poster.tariff }));
    const told = await poster.post({ book: null });
    await work();
    expect(await status(told.hash)).to.equal("Certified");
    const dear = await poster.post({ book: null, receipt: (r, i) => (i === 1 ? { charge: r.charge + 1n } : {}) });
    await work();
    expect(await status(dear.hash), "an overcharge in an old blob too").to.equal("Rejected");
  });
});
