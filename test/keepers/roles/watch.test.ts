import { expect } from "chai";
import type { Hex } from "viem";
import { decideWatch, equivocates, type Seen, type WatchView } from "../../../keepers/roles/full/watch-plan.ts";
import { type InferenceReceipt, receiptDigest } from "../../../sdk/protocol/index.ts";
import { receiptToJson } from "../../../sdk/receipts/wire.ts";
import { foundFault } from "../../settlement/quorum.ts";
import { bytes32, secpSigner } from "../../utils/settlement-world.ts";
import { type FullRig, fullRig } from "../support/full-rig.ts";
import { createPoster, type Poster, blobsInMemory } from "../support/poster.ts";

describe("a payer's receipt against what is posted", () => {
  const receipt = (change: Partial<InferenceReceipt> = {}): InferenceReceipt => ({
    nodeId: bytes32("n"), keyId: bytes32("k"), modelId: bytes32("m"), termsHash: bytes32("t"), requestHash: bytes32("q"), responseHash: bytes32("a"), paymentId: bytes32("p"),
    cumulativeBefore: 100n, charge: 10n, inputUnits: 1n, outputUnits: 1n, sequence: 5n, issuedAt: 1_000n, outcome: 1, ...change,
  });
  const seen = (label: string, change: Partial<InferenceReceipt> = {}): Seen => ({ digest: bytes32(label), receipt: receipt(change), signature: "0x" });
  const view = (change: Partial<WatchView> = {}): WatchView => ({ mine: seen("mine"), others: [], posted: null, stretches: [], now: 1_010n, maxAge: 100n, ...change });
  const stretch = (from: bigint, to: bigint) => ({ headerHash: bytes32("h"), status: "Posted", from, to });

  it("pending, then posted, or expired when no header can take it any more", () => {
    expect(decideWatch(view()).state).to.equal("pending");
    expect(decideWatch(view({ now: 1_101n })).state).to.equal("expired");
    expect(decideWatch(view({ posted: { headerHash: bytes32("h"), status: "Posted" } }))).to.deep.include({ state: "posted", headerHash: bytes32("h") });
  });

  it("omitted: a header covers its place, or begins behind it, without it", () => {
    expect(decideWatch(view({ stretches: [stretch(90n, 120n)] })).state).to.equal("omitted");
    expect(decideWatch(view({ stretches: [stretch(110n, 120n)] })).state).to.equal("omitted");
    expect(decideWatch(view({ stretches: [stretch(0n, 100n)] })).state).to.equal("pending");
  });

  it("equivocation: the same sequence, or charged intervals that overlap; its own copy is none", () => {
    expect(decideWatch(view({ others: [seen("mine")] })).state).to.equal("pending");
    expect(decideWatch(view({ others: [seen("other", { responseHash: bytes32("b") })] }))).to.deep.equal({ state: "equivocated", against: bytes32("other") });
    expect(decideWatch(view({ others: [seen("other", { sequence: 6n, cumulativeBefore: 109n })] })).state).to.equal("equivocated");
    expect(decideWatch(view({ others: [seen("other", { sequence: 6n, cumulativeBefore: 110n })] })).state).to.equal("pending");
    expect(decideWatch(view({ others: [seen("other", { sequence: 6n, charge: 0n })] })).state).to.equal("pending");
    expect(equivocates(receipt(), receipt({ nodeId: bytes32("x") }))).to.equal(false);
    expect(equivocates(receipt(), receipt({ paymentId: bytes32("x") }))).to.equal(false);
  });
});

describe("full nodes take receipts from payers' watchers", () => {
  let rig: FullRig;
  let poster: Poster;
  const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? item.toString() : item)));
  before(async () => {
    const walrus = blobsInMemory();
    rig = await fullRig({ walrus, members: 1, askTerms: async () => json({ terms: poster.terms, tariff: poster.tariff }) });
    await rig.addMember();
    poster = await createPoster(rig.world, walrus);
    await rig.round(["seat"]);
  });
  after(() => rig.stop());

  interface Answer {
    status: number;
    body: { reports?: { digest: Hex; state: { state: string; against?: Hex }; overcharge: string | null }[]; error?: { code: string }; state?: { state: string } };
  }
  const call = async (path: string, body?: unknown): Promise<Answer> => {
    const init = body === undefined ? undefined : { method: "POST", headers: { "content-type": "application/json" }, body: typeof body === "string" ? body : JSON.stringify(body) };
    const response = await rig.members[0]!.api(new Request(`https://in.process${path}`, init));
    return { status: response.status, body: (await response.json()) as Answer["body"] };
  };
  const give = (...items: { receipt: InferenceReceipt; signature: Hex }[]) => call("/watch/receipts", { receipts: items.map(({ receipt, signature }) => ({ receipt: receiptToJson(receipt), signature })) });
  const stateOf = async (digest: Hex) => (await call(`/watch/receipts/${digest}`)).body.state?.state;
  const look = () => rig.round(["check", "sign", "certify", "watch"]);

  it("pending until it is posted, posted afterwards; the same receipt twice is one", async () => {
    const built = await poster.build({ count: 3 });
    const answer = await give(built.leaves[1]!, built.leaves[1]!);
    expect(answer.body.reports!.map(({ state }) => state.state)).to.deep.equal(["pending", "pending"]);
    await rig.world.settlement.postBatch(built.header, built.signature, false);
    await look();
    expect(await stateOf(receiptDigest(built.leaves[1]!.receipt, poster.domain))).to.equal("posted");
  });

  it("left out: the next header of the payment passes its place", async () => {
    const receipts = (await poster.receiptsOf({ count: 3, payment: "left out" })).map(poster.sign);
    await give(receipts[1]!);
    const rest = [receipts[0]!, receipts[2]!];
    const { hash } = await poster.post({ count: 2, payment: "left out", leaves: () => rest });
    await look();
    expect(await stateOf(receiptDigest(receipts[1]!.receipt, poster.domain))).to.equal("omitted");
    expect(await foundFault(rig.world, hash), "leaving out costs the node its money and is no fault").to.equal(undefined);
  });

  it("an overcharge by its own terms is told at once", async () => {
    const [receipt] = await poster.receiptsOf({ count: 1 });
    const answer = await give(poster.sign({ ...receipt!, charge: receipt!.charge + 1n }));
    expect(answer.body.reports![0]!.overcharge).to.match(/tariff allows/);
  });

  it("equivocation is shown to the chain by itself, once a key epoch", async () => {
    const bond = async () => (await rig.world.registry.bond(poster.node.nodeId)).free;
    const pair = async (label: string) => {
      const [receipt] = await poster.receiptsOf({ count: 1, payment: label });
      return [poster.sign(receipt!), poster.sign({ ...receipt!, responseHash: bytes32(`another ${label}`) })] as const;
    };
    const before = await bond();
    const [one, two] = await pair("two answers");
    await give(one);
    const answer = await give(two);
    expect(answer.body.reports![0]!.state.state).to.equal("equivocated");
    await rig.round(["watch"]);
    expect(before - (await bond())).to.equal(rig.world.parameters.court.equivocationBond);
    await give(...(await pair("two more")));
    await rig.round(["watch"]);
    expect(before - (await bond()), "once a key epoch").to.equal(rig.world.parameters.court.equivocationBond);
    const proved = await rig.world.court.queryFilter(rig.world.court.filters.EquivocationProved());
    expect(proved).to.have.length(1);
  });

  it("refused by name: other JSON, none or too many, a foreign signature, an unknown key, a receipt of another chain", async () => {
    const [receipt] = await poster.receiptsOf({ count: 1 });
    const good = poster.sign(receipt!);
    const code = async (answer: Promise<Answer>) => {
      const { status, body } = await answer;
      expect(status).to.equal(400);
      return body.error!.code;
    };
    expect(await code(call("/watch/receipts", { receipts: [] }))).to.equal("watch.bad_receipts");
    expect(await code(call("/watch/receipts", { receipts: Array.from({ length: 65 }, () => ({})) }))).to.equal("watch.bad_receipts");
    expect(await code(call("/watch/receipts", { receipts: [{ receipt: {}, signature: good.signature }] }))).to.equal("watch.bad_receipt");
    expect(await code(call("/watch/receipts", { receipts: [{ receipt: receiptToJson(receipt!), signature: "0x12" }] }))).to.equal("watch.bad_receipt");
    const stranger = secpSigner("somebody");
    expect(await code(give({ receipt: receipt!, signature: stranger.sign(receiptDigest(receipt!, poster.domain)) }))).to.equal("watch.bad_signature");
    expect(await code(give({ receipt: receipt!, signature: poster.node.signer.sign(receiptDigest(receipt!, { ...poster.domain, chainId: 1 })) }))).to.equal("watch.bad_signature");
    expect(await code(give(poster.sign({ ...receipt!, keyId: bytes32("nobody's") })))).to.equal("watch.unknown_key");
    expect((await call(`/watch/receipts/${bytes32("never")}`)).status).to.equal(404);
  });
});
