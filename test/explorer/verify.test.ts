import { expect } from "chai";
import { type Hex, bytesToHex, encodeFunctionData, hexToBytes, keccak256, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { readClaim } from "../../explorer/app/ledger.ts";
import { checkBatch, leavesOf } from "../../explorer/app/verify/batch.ts";
import { BlobUnavailable, mostBytes } from "../../explorer/app/verify/blob.ts";
import { checkCertificate } from "../../explorer/app/verify/certificate.ts";
import { checkPackage } from "../../explorer/app/verify/package.ts";
import { checkEvidence, type ReceiptEvidence } from "../../explorer/app/verify/receipt.ts";
import { encodeBatch } from "../../sdk/batch/index.ts";
import { manifestHash, manifestOf } from "../../sdk/models/manifest.ts";
import { programHash } from "../../sdk/models/package.ts";
import { type BatchHeader, BatchStatus, committeeListHash, headerHash, KeyType, leafCheckDigest, positionalTree, receiptDigest, receiptLeaf } from "../../sdk/protocol/index.ts";
import { receiptToJson } from "../../sdk/receipts/wire.ts";
import { iInferenceSettlementAbi } from "../../types/abi/IInferenceSettlement.ts";
import { account, domain, keyId, makeBatch, nodeId } from "../sdk/batch/make-batch.ts";

const ZERO = `0x${"00".repeat(32)}` as const;

/** Aggregators by host; what is not here does not answer. */
function aggregators(bodies: Record<string, Uint8Array | number | "silent">): typeof fetch {
  return async (input) => {
    const answer = bodies[new URL(String(input)).host];
    if (answer === undefined) throw new TypeError("fetch failed");
    return typeof answer === "number" ? new Response(null, { status: answer }) : new Response(answer as BodyInit);
  };
}

async function published(count: number) {
  const made = await makeBatch(count);
  const blob = await encodeBatch(made.content);
  const header: BatchHeader = { ...made.header, contentHash: keccak256(blob), blobId: keccak256(toHex("blob id")) };
  return { ...made, header, blob };
}

const jobOf = (header: BatchHeader, hosts: string[]) => ({ header, domain, key: { keyType: KeyType.Secp256k1, signer: account.address }, nodePolicy: ZERO, aggregators: hosts.map((host) => `http://${host}`) });

describe("explorer: a batch is checked here", () => {
  it("every leaf and both roots, and any page of it afterwards", async () => {
    const { header, blob, leaves } = await published(1_300);
    const progress: number[] = [];
    const { verdict, blob: kept } = await checkBatch(jobOf(header, ["honest"]), aggregators({ honest: blob }), ({ leaves: n }) => progress.push(n));
    expect(verdict).to.deep.include({ size: blob.length, source: "http://honest", refused: [] });
    expect(verdict.report).to.deep.include({ ok: true, fault: null, leaves: 1_300 });
    expect(Math.max(...progress)).to.equal(1_300);
    for (const [from, limit] of [[0, 3], [1_022, 5], [1_298, 25]] as const) {
      const page = await leavesOf(kept, domain, from, limit);
      expect(page.map(({ receipt, signature }) => ({ receipt, signature }))).to.deep.equal(leaves.slice(from, from + limit));
      expect(page.map(({ index, digest }) => [index, digest])).to.deep.equal(leaves.slice(from, from + limit).map(({ receipt }, place) => [from + place, receiptDigest(receipt, domain)]));
    }
  });

  it("an aggregator that lies, is cut off, has nothing or is silent is passed over, and named", async () => {
    const { header, blob } = await published(30);
    const tampered = blob.slice();
    tampered[tampered.length - 40]! ^= 1;
    const other = (await published(31)).blob;
    const bodies = { liar: tampered, short: blob.subarray(0, blob.length - 1), other, none: 404, down: 503, flood: new Uint8Array(mostBytes(header) + 1), honest: blob };
    const { verdict } = await checkBatch(jobOf(header, ["liar", "short", "other", "none", "down", "gone", "flood", "honest"]), aggregators(bodies), () => {});
    expect(verdict.report.ok).to.equal(true);
    const reasons = Object.fromEntries(verdict.refused.map(({ url, reason }) => [new URL(url).host, reason]));
    for (const liar of ["liar", "short", "other"]) expect(reasons[liar], liar).to.match(/another content hash/);
    expect(reasons).to.include({ none: "does not have it", down: "HTTP 503", gone: "fetch failed" });
    expect(reasons.flood).to.match(/more than the \d+ bytes that are expected/);
  });

  it("no aggregator with the right bytes is no verdict about the node", async () => {
    const { header, blob } = await published(5);
    const tampered = blob.slice();
    tampered[100]! ^= 1;
    for (const hosts of [["liar"], ["gone"], []]) {
      const error: unknown = await checkBatch(jobOf(header, hosts), aggregators({ liar: tampered }), () => {}).catch((caught: unknown) => caught);
      expect(error, hosts.join()).to.be.instanceOf(BlobUnavailable);
    }
  });

  it("what the header's own bytes show is the node's fault, with the leaf that shows it", async () => {
    const { content, header: honest } = await makeBatch(40);
    const leaves = content.leaves.map((leaf, index) => (index === 17 ? { ...leaf, signature: content.leaves[18]!.signature } : leaf));
    const blob = await encodeBatch({ ...content, leaves });
    const header = { ...honest, contentHash: keccak256(blob) };
    const { verdict } = await checkBatch(jobOf(header, ["honest"]), aggregators({ honest: blob }), () => {});
    expect(verdict.report.fault).to.deep.include({ kind: "signature", index: 17 });
    const garbage = new TextEncoder().encode("<script>alert(1)</script>".repeat(10));
    const { verdict: other } = await checkBatch(jobOf({ ...honest, contentHash: keccak256(garbage) }, ["honest"]), aggregators({ honest: garbage }), () => {});
    expect(other.report.fault).to.deep.include({ kind: "format" });
  });

  it("stops when the reader goes on", async () => {
    const { header, blob } = await published(10);
    const left = new AbortController();
    left.abort(new Error("gone on"));
    const error: unknown = await checkBatch(jobOf(header, ["honest"]), aggregators({ honest: blob }), () => {}, left.signal).catch((caught: unknown) => caught);
    expect(error).to.have.property("message", "gone on");
  });
});

describe("explorer: a model's package", () => {
  const bytes = new TextEncoder().encode("an ONNX file, as far as hashes go");
  const version = { kind: "float" as const, programHash: programHash("float", bytes), contentHash: keccak256(bytes), manifestHash: manifestHash(manifestOf("float", bytes, ZERO)), vkHash: ZERO, circuitHash: ZERO };
  const job = (change: Partial<typeof version>, hosts: string[]) => ({ blobId: keccak256("0x01"), version: { ...version, ...change }, aggregators: hosts.map((host) => `http://${host}`) });
  const from = aggregators({ honest: bytes, liar: bytes.slice(1), none: 404 });

  it("has the registry's hashes, whoever gave it", async () => {
    const { checks, refused, source, size } = await checkPackage(job({}, ["liar", "none", "honest"]), from);
    expect(checks.map(({ name, ok }) => [name, ok])).to.deep.equal([["content", true], ["program", true], ["fold", true], ["manifest", true]]);
    expect([source, size, refused.length]).to.deep.equal(["http://honest", bytes.length, 2]);
  });

  it("or says which it has not", async () => {
    expect((await checkPackage(job({ programHash: keyId }, ["honest"]), from)).checks.filter(({ ok }) => !ok).map(({ name }) => name)).to.deep.equal(["program"]);
    expect((await checkPackage(job({ manifestHash: keyId }, ["honest"]), from)).checks.filter(({ ok }) => !ok).map(({ name }) => name)).to.deep.equal(["manifest"]);
    for (const hosts of [["liar"], ["none"], []]) expect(await checkPackage(job({}, hosts), from).catch((error: unknown) => error), hosts.join()).to.be.instanceOf(BlobUnavailable);
  });
});

describe("explorer: one receipt and its proof", () => {
  async function evidence(index = 3): Promise<ReceiptEvidence> {
    const { header, leaves } = await makeBatch(11);
    const { receipt, signature } = leaves[index]!;
    const tree = positionalTree(leaves.map((leaf) => receiptLeaf(receiptDigest(leaf.receipt, domain), leaf.signature)));
    const key = { nodeId, keyId, keyType: KeyType.Secp256k1, publicKey: account.address, valid: true };
    return { domain, receipt, signature, digest: receiptDigest(receipt, domain), key, header, headerHash: headerHash(header, domain), index, path: tree.path(index), status: BatchStatus.Final };
  }
  const failed = async (change: (honest: ReceiptEvidence) => Partial<ReceiptEvidence>) => {
    const honest = await evidence();
    return (await checkEvidence({ ...honest, ...change(honest) })).filter(({ ok }) => !ok).map(({ id }) => id);
  };

  it("an honest proof holds in every check", async () => expect(await failed(() => ({}))).to.deep.equal([]));

  it("a full node that gives a wrong proof is found out, by the check that it breaks", async () => {
    expect(await failed(({ path }) => ({ path: [ZERO, ...path.slice(1)] }))).to.deep.equal(["inclusion"]);
    expect(await failed(({ path }) => ({ path: path.slice(1) }))).to.deep.equal(["inclusion"]);
    expect(await failed(() => ({ index: 4 }))).to.deep.equal(["inclusion"]);
    expect(await failed(() => ({ index: 0xffff_ffff }))).to.deep.equal(["inclusion"]);
    expect(await failed(({ receipt }) => ({ receipt: { ...receipt, charge: receipt.charge + 1n } }))).to.deep.equal(["digest", "signature", "inclusion"]);
    expect(await failed(() => ({ digest: ZERO }))).to.deep.equal(["digest"]);
    expect(await failed(({ header }) => ({ header: { ...header, receiptsRoot: ZERO } }))).to.deep.equal(["header", "inclusion"]);
  });

  it("so are another key, another node, a compromised key, a header that is not final", async () => {
    expect(await failed(({ key }) => ({ key: { ...key, publicKey: "0x2222222222222222222222222222222222222222" } }))).to.deep.equal(["signature"]);
    expect(await failed(({ key }) => ({ key: { ...key, nodeId: ZERO } }))).to.deep.equal(["key-node"]);
    expect(await failed(({ key }) => ({ key: { ...key, valid: false } }))).to.deep.equal(["key-valid"]);
    for (const status of [BatchStatus.None, BatchStatus.Posted, BatchStatus.Certified, BatchStatus.Rejected, BatchStatus.RejectedNoFault, 99]) expect(await failed(() => ({ status })), String(status)).to.deep.equal(["status"]);
    expect(await failed(() => ({ signature: "0x" }))).to.deep.equal(["signature", "inclusion"]);
  });

  it("a ledger's answer of another form is refused before it is used", async () => {
    const { receipt, signature, path, headerHash: header, index } = await evidence();
    const honest = { header, index, receipt: receiptToJson(receipt), signature, path, batch: { postedBlock: "17" } };
    expect(readClaim(honest, "http://ledger")).to.deep.equal({ ledger: "http://ledger", header, block: 17n, index, receipt, signature, path });
    const bent: [object | null, RegExp][] = [
      [null, /no object/], [[], /no object/], [{ ...honest, path: Array(33).fill(ZERO) }, /path/], [{ ...honest, path: ["<b>"] }, /path/], [{ ...honest, signature: "0xzz" }, /signature/],
      [{ ...honest, signature: `0x${"00".repeat(5_000)}` }, /signature/], [{ ...honest, header: "0x12" }, /header/], [{ ...honest, index: -1 }, /index/], [{ ...honest, index: 1.5 }, /index/], [{ ...honest, receipt: {} }, /nodeId/],
      [{ ...honest, receipt: { ...receiptToJson(receipt), charge: "-1" } }, /charge/],
    ];
    for (const [json, why] of bent) expect(() => readClaim(json, "http://ledger"), JSON.stringify(json)?.slice(0, 80)).to.throw(why);
    expect(readClaim({ ...honest, batch: { postedBlock: "<img>" } }, "http://ledger").block).to.equal(undefined);
  });
});

describe("explorer: a certificate's signatures", () => {
  const seats = ["one", "two", "three"].map((seed) => privateKeyToAccount(keccak256(toHex(seed)))).sort((a, b) => (BigInt(a.address) < BigInt(b.address) ? -1 : 1));
  const members = seats.map(({ address }, index) => ({ signer: address, stake: BigInt(index + 1) * 10n }));
  const hash = keccak256(toHex("header"));

  async function call(signers: readonly number[], change: { epoch?: bigint; list?: typeof members; sign?: (digest: Hex) => Hex } = {}) {
    const { epoch = 4n, list = members } = change;
    const digest = leafCheckDigest({ headerHash: hash, committeeEpoch: 4n }, domain);
    const signatures = await Promise.all(signers.map((index) => seats[index]!.sign({ hash: digest })));
    const quorum = { signers: signers.reduce((bits, index) => bits | (1n << BigInt(index)), 0n), signatures: `0x${signatures.map((text) => text.slice(2)).join("")}` as Hex };
    const { header } = await makeBatch(1);
    return encodeFunctionData({ abi: iInferenceSettlementAbi, functionName: "certify", args: [header, epoch, list, quorum] });
  }
  const listHash = () => committeeListHash(4n, members);

  it("shows who signed and what stands behind them", async () => {
    const checked = checkCertificate(await call([1, 2]), hash, domain, listHash)!;
    expect(checked).to.deep.include({ epoch: 4n, signedStake: 50n, totalStake: 60n, quorum: true, fault: null });
    expect(checked.seats.map(({ signed }) => signed)).to.deep.equal([false, true, true]);
    expect(checkCertificate(await call([0]), hash, domain, listHash)!).to.deep.include({ signedStake: 10n, quorum: false, fault: null });
  });

  it("a forged one does not hold: foreign signature, other header, other list, a signature too many", async () => {
    const honest = await call([1, 2]);
    expect(checkCertificate(honest, ZERO, domain, listHash)!.fault).to.match(/2 of the signatures/);
    expect(checkCertificate(honest, hash, { ...domain, chainId: 1 }, listHash)!.fault).to.match(/2 of the signatures/);
    expect(checkCertificate(await call([1, 2], { epoch: 5n }), hash, domain, () => committeeListHash(5n, members))!.fault).to.match(/2 of the signatures/);
    const richer = members.map((member) => ({ ...member, stake: 1_000n }));
    expect(checkCertificate(await call([1, 2], { list: richer }), hash, domain, listHash)!.fault).to.match(/list of members/);
    const bytes = hexToBytes(honest);
    expect(checkCertificate(bytesToHex(bytes.subarray(0, bytes.length - 65)), hash, domain, listHash)).to.equal(null);
    expect(checkCertificate("0x12345678", hash, domain, listHash)).to.equal(null);
  });
});
