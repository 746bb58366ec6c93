import { expect } from "chai";
import { type Hex, bytesToHex, hexToBytes, keccak256, numberToHex, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { BatchFormatError, type BatchReport, chunkChecker, decodeBatch, encodeBatch, encodeBatchStream, findLast, openLeaves, pathFromLeaves, treeBuilder, verifyBatch } from "../../../sdk/batch/index.ts";
import { leafHasher } from "../../../sdk/batch/leaf.ts";
import { type BatchHeader, type InferenceReceipt, KeyType, positionalTree, receiptDigest, receiptLeaf, stretchLeaf } from "../../../sdk/protocol/index.ts";
import { account, domain, keyId, makeBatch, nodeId, place } from "./make-batch.ts";

/** Of the count in a blob's preamble. */
const COUNT_AT = 12;

const check = (header: BatchHeader, source: Uint8Array): Promise<BatchReport> =>
  verifyBatch({ header, source, recordsPerChunk: 7, parallel: 3, checker: (preamble) => chunkChecker({ domain, preamble, key: { keyType: KeyType.Secp256k1, signer: account.address } }) });

async function formatError(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof BatchFormatError) return error.message;
    throw error;
  }
  return "accepted";
}

describe("batch blob, format 1", () => {
  it("round trip, compressed and plain, whole and in pieces of any size", async () => {
    for (const compress of [true, false]) {
      const { content, leaves, stretches } = await makeBatch(23);
      const blob = await encodeBatch({ ...content, compress });
      for (const size of [1, 50, 100_000]) {
        const pieces = Array.from({ length: Math.ceil(blob.length / size) }, (_, index) => blob.subarray(index * size, (index + 1) * size));
        const decoded = await decodeBatch(pieces);
        expect(decoded.leaves).to.deep.equal(leaves);
        expect(decoded.stretches).to.deep.equal(stretches);
      }
    }
  });

  it("the same content gives the same bytes, streamed or not", async () => {
    const { content } = await makeBatch(12);
    const pieces: Uint8Array[] = [];
    for await (const piece of encodeBatchStream(content)) pieces.push(piece);
    expect(Buffer.concat(pieces).equals(await encodeBatch(content))).to.equal(true);
  });

  it("single leaves and stretches open to the roots, for every shape of the tree", async () => {
    for (const count of [1, 2, 3, 7, 8, 9, 23, 64, 65]) {
      const { header, content, leaves, stretches } = await makeBatch(count);
      const blob = await encodeBatch(content);
      const receiptTree = positionalTree(leaves.map(({ receipt, signature }) => receiptLeaf(receiptDigest(receipt, domain), signature)));
      const channelTree = positionalTree(stretches.map(stretchLeaf));
      const [receiptsAt, stretchesAt] = [leaves.map((_, index) => index), stretches.map((_, index) => index)];
      const opened = await openLeaves(blob, domain, { receipts: receiptsAt, stretches: stretchesAt });
      expect([opened.receiptsRoot, opened.channelsRoot]).to.deep.equal([header.receiptsRoot, header.channelsRoot]);
      for (const index of receiptsAt) expect(opened.leaves[index]).to.deep.equal({ ...leaves[index], index: BigInt(index), path: receiptTree.path(index) });
      for (const index of stretchesAt) expect(opened.stretches[index]).to.deep.equal({ stretch: stretches[index], index: BigInt(index), path: channelTree.path(index) });
    }
    const { content } = await makeBatch(3);
    const blob = await encodeBatch(content);
    expect(await openLeaves(blob, domain, { receipts: [3] }).catch((error: unknown) => error)).to.be.instanceOf(RangeError);
  });

  it("the last receipt of a payment, or the gap where it would stand", async () => {
    const { content, stretches, leaves } = await makeBatch(23);
    const blob = await encodeBatch(content);
    const ids = [...new Set(leaves.map(({ receipt }) => receipt.paymentId))];
    for (const paymentId of ids) {
      const { stretches: shown, leaf } = await findLast(blob, paymentId);
      expect(leaf).to.equal(leaves.findLastIndex(({ receipt }) => receipt.paymentId === paymentId));
      const at = stretches.findLastIndex((stretch) => stretch.paymentId === paymentId);
      expect(shown).to.deep.equal(at + 1 === stretches.length ? [at] : [at, at + 1]);
    }
    const beside = (id: Hex, by: bigint) => numberToHex(BigInt(id) + by, { size: 32 });
    expect(await findLast(blob, beside(ids[0]!, -1n))).to.deep.equal({ stretches: [0], leaf: null });
    expect(await findLast(blob, beside(ids.at(-1)!, 1n))).to.deep.equal({ stretches: [stretches.length - 1], leaf: null });
    const gap = stretches.findLastIndex((stretch) => stretch.paymentId === ids[1]);
    expect(await findLast(blob, beside(ids[1]!, 1n))).to.deep.equal({ stretches: [gap, gap + 1], leaf: null });
  });

  it("digests and leaves from records are the protocol's", async () => {
    const { content, leaves } = await makeBatch(3);
    const blob = await encodeBatch({ ...content, compress: false });
    const hasher = leafHasher(domain, nodeId, keyId);
    leaves.forEach(({ receipt, signature }, index) => {
      const digest = hasher.digest(blob, 84 + index * 290);
      expect(bytesToHex(digest)).to.equal(receiptDigest(receipt, domain));
      expect(bytesToHex(hasher.leaf(digest, hexToBytes(signature)))).to.equal(receiptLeaf(receiptDigest(receipt, domain), signature));
    });
  });

  it("streamed tree and paths are the positional tree's, for 1 to 40 leaves", () => {
    for (let count = 1; count <= 40; count++) {
      const leaves = Array.from({ length: count }, (_, index) => keccak256(numberToHex(index)));
      const tree = positionalTree(leaves);
      const builder = treeBuilder();
      for (const leaf of leaves) builder.add(hexToBytes(leaf));
      expect(bytesToHex(builder.root()), String(count)).to.equal(tree.root);
      const flat = Buffer.concat(leaves.map((leaf) => hexToBytes(leaf)));
      for (let index = 0; index < count; index++) expect(pathFromLeaves(flat, index).map((node) => bytesToHex(node))).to.deep.equal(tree.path(index));
    }
  });

  it("a wrong magic, version, flag, count, a truncated and an overlong body are refused by name", async () => {
    const { content } = await makeBatch(6);
    const blob = await encodeBatch({ ...content, compress: false });
    const edit = (at: number, value: number) => Uint8Array.from(blob, (byte, index) => (index === at ? value : byte));
    expect(await formatError(decodeBatch(edit(0, 1)))).to.match(/begin with OGBATCH/);
    for (const version of [0, 3, 255]) expect(await formatError(decodeBatch(edit(8, version)))).to.match(new RegExp(`format ${version}`));
    expect(await formatError(decodeBatch(edit(9, 8)))).to.match(/flags 8/);
    expect(await formatError(decodeBatch(edit(15, 0)))).to.match(/at least one/);
    expect(await formatError(decodeBatch(blob.subarray(0, 50)))).to.match(/preamble/);
    expect(await formatError(decodeBatch(blob.subarray(0, -1)))).to.match(/announces/);
    expect(await formatError(decodeBatch([blob, new Uint8Array(1)]))).to.match(/longer/);
    expect(await formatError(decodeBatch(blob, 5))).to.match(/more than/);
  });

  it("a count of a million, or of all that 32 bits say, over ten records: cut short by name, and nothing is allocated by the count", async () => {
    const { header, content } = await makeBatch(10);
    for (const compress of [false, true]) {
      const blob = await encodeBatch({ ...content, compress });
      const at = new DataView(blob.buffer, blob.byteOffset);
      expect(at.getUint32(COUNT_AT)).to.equal(10);
      // 2 ** 32 - 1 leaves of 32 bytes each are more than a process can be given.
      for (const count of [1_000_000, 2 ** 32 - 1]) {
        at.setUint32(COUNT_AT, count);
        const { fault } = await check({ ...header, count }, blob);
        expect(fault).to.include({ kind: "format" });
        expect(fault!.detail).to.match(/the body has \d+ bytes; the preamble announces \d+/);
        expect(await formatError(decodeBatch(blob))).to.match(new RegExp(`${count} receipts are more than`));
      }
    }
  });

  it("a compressed body that inflates without end is cut off", async () => {
    const { content } = await makeBatch(2);
    const honest = await encodeBatch(content);
    const bomb = new Response(new Blob([new Uint8Array(50_000_000)]).stream().pipeThrough(new CompressionStream("deflate-raw")));
    const blob = Buffer.concat([honest.subarray(0, 84), new Uint8Array(await bomb.arrayBuffer())]);
    expect(await formatError(decodeBatch(blob))).to.match(/longer than/);
  });

  it("300 random single-byte mutations: refused or a fault, never a crash, never accepted", async () => {
    const { content, header } = await makeBatch(4);
    const plain = await encodeBatch({ ...content, compress: false });
    let state = 7;
    const random = (below: number) => (state = (state * 1_103_515_245 + 12_345) & 0x7fffffff) % below;
    for (let round = 0; round < 300; round++) {
      const blob = plain.slice();
      const at = random(blob.length);
      blob[at] = blob[at]! ^ (1 + random(255));
      const report = await check(header, blob);
      expect(report.ok, `byte ${at}`).to.equal(false);
    }
  });
});

describe("batch verification", () => {
  it("accepts an honest batch", async () => {
    const { header, content } = await makeBatch(33);
    expect(await check(header, await encodeBatch(content))).to.deep.include({ ok: true, fault: null, leaves: 33 });
  });

  const mutations: [string, (receipt: InferenceReceipt, index: number) => InferenceReceipt, string][] = [
    ["an outcome that does not exist", (receipt, index) => (index === 8 ? { ...receipt, outcome: 4 } : receipt), "outcome"],
    ["an error that was charged", (receipt, index) => (index === 8 ? { ...receipt, outcome: 3 } : receipt), "outcome"],
    ["an interval over the one before", (receipt, index) => (index === 8 ? { ...receipt, cumulativeBefore: receipt.cumulativeBefore - 10n } : receipt), "overlap"],
    ["a sequence that comes twice", (receipt, index) => (index === 8 ? { ...receipt, sequence: receipt.sequence - 1n } : receipt), "order"],
    ["two answers in one place of a line", (receipt, index) => (index === 8 ? { ...receipt, cumulativeBefore: 20n, sequence: 2n } : receipt), "order"],
    ["the same leaf twice", (receipt, index) => (index === 8 ? { ...receipt, requestHash: keccak256(numberToHex(7)), responseHash: keccak256(toHex("r7")), cumulativeBefore: 20n, sequence: 2n, issuedAt: 1_007n } : receipt), "order"],
    ["a receipt out of the header's time", (receipt, index) => (index === 8 ? { ...receipt, issuedAt: 1n } : receipt), "time"],
  ];
  for (const [title, change, kind] of mutations) {
    it(`finds ${title}`, async () => {
      const { header, content } = await makeBatch(15, change);
      const report = await check(header, await encodeBatch(content));
      expect(report.fault?.kind).to.equal(kind);
      expect(report.fault?.index).to.be.a("number");
    });
  }

  it("a free answer and a charged one at one place of a line are told apart by their sequence", async () => {
    const { header, content } = await makeBatch(15, (receipt, index) => (index === 7 ? { ...receipt, charge: 0n } : index === 8 ? { ...receipt, cumulativeBefore: 20n } : receipt));
    expect(await check(header, await encodeBatch(content))).to.deep.include({ ok: true, fault: null });
    const swapped = [...content.leaves];
    const at = swapped.findIndex(({ receipt }) => receipt.charge === 0n);
    [swapped[at], swapped[at + 1]] = [swapped[at + 1]!, swapped[at]!];
    expect((await check(header, await encodeBatch({ ...content, leaves: swapped }))).fault).to.include({ kind: "order", index: at + 1 });
  });

  it("the blob of another header of the same node is not this one's", async () => {
    const [one, other] = [await makeBatch(15), await makeBatch(15, (receipt) => ({ ...receipt, modelId: nodeId }))];
    expect((await check(one.header, await encodeBatch(other.content))).fault?.kind).to.equal("receipts-root");
    const shorter = await makeBatch(14);
    expect((await check(one.header, await encodeBatch(shorter.content))).fault?.kind).to.equal("count");
  });

  it("a receipt that was signed for another chain or another contract is a foreign signature", async () => {
    const { header, leaves, content } = await makeBatch(15);
    for (const foreign of [{ ...domain, chainId: 1 }, { ...domain, verifyingContract: place().escrow }]) {
      const signature = await account.sign({ hash: receiptDigest(leaves[4]!.receipt, foreign) });
      const changed = leaves.map((leaf, index) => (index === 4 ? { ...leaf, signature } : leaf));
      expect((await check(header, await encodeBatch({ ...content, leaves: changed }))).fault).to.include({ kind: "signature", index: 4 });
    }
  });

  it("finds a foreign, malleable or re-labelled signature, at its index", async () => {
    const { header, leaves, content } = await makeBatch(15);
    const stranger = privateKeyToAccount(keccak256("0x07"));
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const honest = leaves[9]!.signature;
    const s = BigInt(`0x${honest.slice(66, 130)}`);
    const flipped = honest.endsWith("1b") ? "1c" : "1b";
    const forged: Hex[] = [
      await stranger.sign({ hash: receiptDigest(leaves[9]!.receipt, domain) }),
      `${honest.slice(0, 66)}${numberToHex(order - s, { size: 32 }).slice(2)}${flipped}` as Hex,
      `${honest.slice(0, 130)}${flipped}` as Hex,
      `${honest.slice(0, 130)}00` as Hex,
    ];
    for (const signature of forged) {
      const changed = leaves.map((leaf, index) => (index === 9 ? { ...leaf, signature } : leaf));
      expect((await check(header, await encodeBatch({ ...content, leaves: changed }))).fault).to.include({ kind: "signature", index: 9 });
    }
  });

  it("finds every wrong field of the header that the data speaks of", async () => {
    const { header, content } = await makeBatch(15);
    const blob = await encodeBatch(content);
    const wrong: [Partial<BatchHeader>, string][] = [
      [{ totalCharge: header.totalCharge + 1n }, "sum"], [{ count: 14 }, "count"], [{ channels: header.channels + 1 }, "count"],
      [{ nodeId: keyId }, "wrong-node"], [{ keyId: nodeId }, "wrong-node"], [{ minIssuedAt: 1_001n }, "time"], [{ maxIssuedAt: 1_001n }, "time"],
      [{ receiptsRoot: nodeId }, "receipts-root"], [{ channelsRoot: nodeId }, "channels-root"],
    ];
    for (const [change, kind] of wrong) expect((await check({ ...header, ...change }, blob)).fault?.kind, kind).to.equal(kind);
  });

  it("finds every wrong field of a stretch", async () => {
    const { header, content, stretches } = await makeBatch(15);
    for (const change of [{ from: 1n }, { to: 1n }, { firstLeaf: 3 }, { leafCount: 9 }, { prefixTotal: 1n }, { paymentId: nodeId }]) {
      const changed = stretches.map((stretch, index) => (index === 2 ? { ...stretch, ...change } : stretch));
      expect((await check(header, await encodeBatch({ ...content, stretches: changed }))).fault).to.include({ kind: "stretch", index: 2 });
    }
    const moved = stretches.map((stretch) => ({ ...stretch, paymentChainId: 1n }));
    expect((await check(header, await encodeBatch({ ...content, stretches: moved }))).fault?.kind).to.equal("channels-root");
  });
});
