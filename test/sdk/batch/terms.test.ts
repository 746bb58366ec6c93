import { expect } from "chai";
import { type Hex, keccak256, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { BATCH_FORMAT, BatchFormatError, chunkChecker, decodeBatch, encodeBatch, openLeaves, readTerms, type SignedLeaf, type TermsBook, verifyBatch, writeTerms, wrongTerms } from "../../../sdk/batch/index.ts";
import { mostFor, type Price, type Tariff, tariffHash } from "../../../sdk/payments/tariff.ts";
import {
  type BatchHeader, compareReceipts, type InferenceReceipt, KeyType, positionalTree, receiptDigest, receiptLeaf, SettlementMode, stretchesOf, stretchLeaf, type Terms, termsHash, Verification,
} from "../../../sdk/protocol/index.ts";
import { Random } from "../../utils/random.ts";

const domain = { chainId: 31337, verifyingContract: `0x${"51".repeat(20)}` as Hex };
const account = privateKeyToAccount(keccak256("0x01"));
const id = (text: string): Hex => keccak256(toHex(text));
const nodeId = id("node");
const price = (model: string): Price => ({ modelId: id(model), perRequest: 10n, perMillionInput: 2_000_000n, perMillionOutput: 3_000_000n, perMillionReasoning: 5_000_000n });
const prices = ["a", "b"].map(price).sort((x, y) => (x.modelId < y.modelId ? -1 : 1));
const tariff: Tariff = { chainId: 713371n, token: "0x7070707070707070707070707070707070707070", prices };
const terms: Terms = {
  nodeId, payout: "0x1111111111111111111111111111111111111111", settlementMode: SettlementMode.Batch, verification: Verification.Tee, tariffHash: tariffHash(tariff), policyId: id("policy"),
  royaltyTo: "0x2222222222222222222222222222222222222222", royaltyBps: 250, feeBpsCap: 500, inbox: "0x3333333333333333333333333333333333333333",
};
const book: TermsBook = { terms: [terms], tariffs: [tariff] };

async function makeBatch(count: number, change: (receipt: InferenceReceipt, index: number) => Partial<InferenceReceipt> = () => ({})) {
  const key = { nodeId, keyId: id("key") };
  let at = 0n;
  const receipts = Array.from({ length: count }, (_, index): InferenceReceipt => {
    const plain: InferenceReceipt = {
      ...key, modelId: prices[index % 2]!.modelId, termsHash: termsHash(terms), requestHash: id(`q${index}`), responseHash: id(`a${index}`), paymentId: id("payment"), cumulativeBefore: at,
      charge: mostFor(prices[index % 2]!, 3n, 4n), inputUnits: 3n, outputUnits: 4n, sequence: BigInt(index), issuedAt: 1_000n, outcome: 1,
    };
    const receipt = { ...plain, ...change(plain, index) };
    at += receipt.charge;
    return receipt;
  }).sort(compareReceipts);
  const leaves: SignedLeaf[] = await Promise.all(receipts.map(async (receipt) => ({ receipt, signature: await account.sign({ hash: receiptDigest(receipt, domain) }) })));
  const stretches = stretchesOf(receipts, () => ({ paymentChainId: 713371n, escrow: "0x5e5E5e5e5E5e5E5E5e5E5E5e5e5E5E5E5e5E5E5e" }));
  const header: BatchHeader = {
    ...key, nonce: 1n, prevHeader: `0x${"00".repeat(32)}`, receiptsRoot: positionalTree(leaves.map(({ receipt, signature }) => receiptLeaf(receiptDigest(receipt, domain), signature))).root,
    channelsRoot: positionalTree(stretches.map(stretchLeaf)).root, count, channels: stretches.length, totalCharge: at, minIssuedAt: 1_000n, maxIssuedAt: 1_000n,
    blobId: id("blob"), contentHash: id("content"), format: BATCH_FORMAT,
  };
  return { header, content: { ...key, count, leaves, stretches } };
}

const check = (header: BatchHeader, source: Uint8Array, more: object = {}) =>
  verifyBatch({ header, source, recordsPerChunk: 5, parallel: 2, checker: (preamble) => chunkChecker({ domain, preamble, key: { keyType: KeyType.Secp256k1, signer: account.address } }), ...more });

describe("batch blob, format 2: the terms behind the receipts", () => {
  it("round trip, compressed and plain, in pieces of any size; leaves open to the same roots", async () => {
    const { header, content } = await makeBatch(13);
    for (const compress of [true, false]) {
      const blob = await encodeBatch({ ...content, book, compress });
      for (const size of [1, 87, 100_000]) {
        const pieces = Array.from({ length: Math.ceil(blob.length / size) }, (_, index) => blob.subarray(index * size, (index + 1) * size));
        const decoded = await decodeBatch(pieces);
        expect(decoded).to.deep.include({ leaves: content.leaves, stretches: content.stretches, book });
        expect(decoded.preamble.version).to.equal(2);
      }
      const opened = await openLeaves(blob, domain, { receipts: [12], stretches: [0] });
      expect(opened).to.deep.include({ receiptsRoot: header.receiptsRoot, channelsRoot: header.channelsRoot, book });
    }
  });

  it("format 1 is still read, and its charges are not judged; with the terms from elsewhere they are", async () => {
    const { header, content } = await makeBatch(4);
    const old = await encodeBatch(content);
    expect((await decodeBatch(old)).preamble.version).to.equal(1);
    const report = await check({ ...header, format: 1 }, old);
    expect(report).to.deep.include({ ok: true, fault: null });
    expect(report.unjudged).to.match(/not given/);
    expect(await check({ ...header, format: 1 }, old, { book })).to.deep.include({ ok: true, unjudged: null });
  });

  it("a blob of another format than the header says is refused", async () => {
    const { header, content } = await makeBatch(2);
    expect((await check({ ...header, format: 1 }, await encodeBatch({ ...content, book }))).fault).to.include({ kind: "format" });
    expect((await check(header, await encodeBatch(content))).fault).to.include({ kind: "format" });
  });

  it("random books survive the way there and back; cut, lengthened or bent ones are refused or differ, never misread", async () => {
    const random = new Random(7);
    const word = () => `0x${Array.from({ length: 64 }, () => random.below(16).toString(16)).join("")}` as Hex;
    for (let round = 0; round < 20; round++) {
      const some: TermsBook = {
        tariffs: Array.from({ length: random.below(4) }, () => ({ ...tariff, chainId: BigInt(random.below(1e9)), prices: Array.from({ length: random.below(5) }, () => ({ ...price("a"), modelId: word(), perRequest: BigInt(random.below(1e9)) })) })),
        terms: Array.from({ length: random.below(4) }, () => ({ ...terms, nodeId: word(), tariffHash: word(), royaltyBps: random.below(65_536) })),
      };
      const bytes = writeTerms(some);
      expect(readTerms(bytes)).to.deep.equal(some);
      if (bytes.length > 4) expect(() => readTerms(bytes.subarray(0, bytes.length - 1))).to.throw(BatchFormatError);
      expect(() => readTerms(Uint8Array.of(...bytes, 0))).to.throw(BatchFormatError);
      expect(() => readTerms(Uint8Array.of(255, 255, ...bytes))).to.throw(BatchFormatError);
    }
  });

  it("a terms section longer than a mebibyte is neither written nor read", async () => {
    const many = Array.from({ length: 11_000 }, (_, index) => ({ ...price("a"), modelId: toHex(index, { size: 32 }) }));
    expect(() => writeTerms({ terms: [], tariffs: [{ ...tariff, prices: many }] })).to.throw(BatchFormatError, /1048576/);
    const { content } = await makeBatch(1);
    const blob = await encodeBatch({ ...content, book, compress: false });
    new DataView(blob.buffer).setUint32(84, (1 << 20) + 1);
    const error = await decodeBatch(blob).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(BatchFormatError);
  });
});

describe("charges against terms", () => {
  const judged = async (change: Parameters<typeof makeBatch>[1], shown: TermsBook = book, more: object = {}) => {
    const { header, content } = await makeBatch(9, change);
    return check(header, await encodeBatch({ ...content, book: shown }), more);
  };

  it("the tariff's own charge passes, one unit more is an overcharge at its leaf", async () => {
    expect(await judged(() => ({}))).to.deep.include({ ok: true, unjudged: null });
    const report = await judged((receipt, index) => (index === 6 ? { charge: receipt.charge + 1n } : {}));
    expect(report.fault).to.include({ kind: "overcharge", index: 6 });
  });

  it("less than the tariff, and nothing at all, are the node's own business", async () => {
    expect(await judged((receipt, index) => ({ charge: index === 2 ? 0n : receipt.charge - 1n }))).to.deep.include({ ok: true, unjudged: null });
  });

  it("terms, tariff or price that are not given make a batch that nobody signs for, not a fault", async () => {
    for (const shown of [{ terms: [], tariffs: [tariff] }, { terms: [terms], tariffs: [] }, { terms: [terms], tariffs: [{ ...tariff, prices: [prices[0]!] }] }, { terms: [{ ...terms, feeBpsCap: 1 }], tariffs: [tariff] }]) {
      const report = await judged(() => ({}), shown);
      expect(report).to.include({ ok: true });
      expect(report.unjudged).to.be.a("string");
    }
    expect((await judged(() => ({ modelId: id("unlisted") }))).unjudged).to.match(/no price/);
  });

  it("a tariff that is not ascending has no hash: it stands for no terms", async () => {
    expect((await judged(() => ({}), { terms: [terms], tariffs: [{ ...tariff, prices: [...prices].reverse() }] })).unjudged).to.match(/tariff/);
  });

  it("says which models were sold under which terms, at their first leaves", async () => {
    const { uses } = await judged(() => ({}));
    expect(uses.map(({ modelId, leaf }) => [modelId, leaf])).to.deep.equal([[prices[0]!.modelId, 0], [prices[1]!.modelId, 1]]);
  });

  const wrong: [string, Partial<Terms>][] = [
    ["another node's", { nodeId: id("other") }], ["a proof that a batch has not", { verification: Verification.Zkml }], ["both proofs", { verification: Verification.TeeAndZkml }],
    ["private", { settlementMode: SettlementMode.Private }], ["individual", { settlementMode: SettlementMode.Individual }], ["no verification", { verification: 0 }],
    ["an unknown verification", { verification: 9 }], ["another image policy", { policyId: id("other policy") }],
  ];
  for (const [title, change] of wrong) {
    it(`wrong terms are a fault: ${title}`, async () => {
      const bent = { ...terms, ...change };
      const report = await judged(() => ({ termsHash: termsHash(bent) }), { terms: [bent], tariffs: [tariff] }, { nodePolicy: terms.policyId });
      expect(report.fault).to.include({ kind: "terms", index: 0 });
    });
  }

  it("vanilla terms name no image policy; individual settlement of vanilla receipts is a batch's business too", () => {
    expect(wrongTerms(nodeId, { ...terms, verification: Verification.Vanilla, policyId: id("x") }, terms.policyId)).to.equal(null);
    expect(wrongTerms(nodeId, { ...terms, verification: Verification.Vanilla, settlementMode: SettlementMode.Individual }, terms.policyId)).to.equal(null);
  });
});
