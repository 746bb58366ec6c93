import { expect } from "chai";
import { TypedDataEncoder, concat, keccak256, solidityPacked, toUtf8Bytes } from "ethers";
import { readFileSync } from "node:fs";
import { network } from "hardhat";
import { seededRandom } from "../../keepers/clock/index.ts";
import type { ProtocolHarness } from "../../types/contracts/index.js";
import { RunEncodingError, decodeRun, encodeRun, headerTypes, receiptTypes } from "../../sdk/protocol/index.ts";
import { statementTypes } from "../../sdk/protocol/statements.ts";
import { positionalTree, rootFromPath } from "../../sdk/protocol/tree.ts";

const vectors = JSON.parse(readFileSync("test/protocol/vectors.json", "utf8"));
const domain = { name: "OpenGradient", version: "1", ...vectors.domain };
type Fields = Record<string, { name: string; type: string }[]>;
/** The encoder of ethers knows nothing of ours: it is the second opinion on every digest. */
const byEthers = (types: unknown, value: Record<string, unknown>) => TypedDataEncoder.hash(domain, types as Fields, value);

describe("golden vectors: Solidity, SDK and ethers hash the same bytes", () => {
  let harness: ProtocolHarness;
  let separator: string;

  before(async () => {
    const { ethers } = await network.create();
    harness = (await ethers.deployContract("ProtocolHarness")) as unknown as ProtocolHarness;
    separator = await harness.domain(vectors.domain.chainId, vectors.domain.verifyingContract);
  });

  it("domain", () => expect(separator).to.equal(TypedDataEncoder.hashDomain(domain)));

  it("receipt", async () => {
    const { value, digest } = vectors.receipt;
    expect(await harness.receiptDigest(value, separator)).to.equal(digest);
    expect(byEthers(receiptTypes, value)).to.equal(digest);
  });

  it("receipt leaf commits to the signature", async () => {
    const { digest, signature, leaf } = vectors.receiptLeaf;
    expect(await harness.receiptLeaf(digest, signature)).to.equal(leaf);
    expect(keccak256(concat(["0x00", digest, keccak256(signature)]))).to.equal(leaf);
    expect(await harness.receiptLeaf(digest, signature + "00")).not.to.equal(leaf);
  });

  it("terms and channel salt", async () => {
    const { value, hash, clientNonce, salt } = vectors.terms;
    expect(await harness.termsHash(value)).to.equal(hash);
    const types = {
      Terms: ["bytes32 nodeId", "address payout", "uint8 settlementMode", "uint8 verification", "bytes32 tariffHash", "bytes32 policyId",
        "address royaltyTo", "uint16 royaltyBps", "uint16 feeBpsCap", "address inbox"].map((field) => {
        const [type, name] = field.split(" ");
        return { name: name!, type: type! };
      }),
    };
    expect(TypedDataEncoder.hashStruct("Terms", types, value)).to.equal(hash);
    expect(await harness.channelSalt(hash, clientNonce)).to.equal(salt);
  });

  it("header", async () => {
    const { value, digest } = vectors.header;
    expect(await harness.headerHash(value, separator)).to.equal(digest);
    expect(byEthers(headerTypes, value)).to.equal(digest);
  });

  it("stretch", async () => expect(await harness.stretchLeaf(vectors.stretch.value)).to.equal(vectors.stretch.leaf));

  it("run: the packed bytes, by ethers' packer from the table's rows", () => {
    const { value, bytes } = vectors.run;
    const { terms } = value;
    const head: [string, unknown][] = [
      ["uint8", 1], ["uint16", value.stretches.length], ["uint32", value.items.length], ["uint16", 65], ["uint32", value.slot],
      ["bytes32", terms.nodeId], ["address", terms.payout], ["uint8", terms.settlementMode], ["uint8", terms.verification], ["bytes32", terms.tariffHash],
      ["bytes32", terms.policyId], ["address", terms.royaltyTo], ["uint16", terms.royaltyBps], ["uint16", terms.feeBpsCap], ["address", terms.inbox],
      ["bytes32", value.keyId], ["bytes32", value.modelId], ["bytes", value.signature],
    ];
    const stretches: [string, unknown][] = value.stretches.flatMap((stretch: Record<string, unknown>) => [
      ["bytes32", stretch.paymentId], ["uint64", stretch.paymentChainId], ["address", stretch.escrow], ["uint32", stretch.count], ["uint128", stretch.cumulativeBefore], ["uint64", stretch.sequence],
    ]);
    const items: [string, unknown][] = value.items.flatMap((item: Record<string, unknown>) => [
      ["bytes32", item.requestHash], ["bytes32", item.responseHash], ["uint128", item.charge], ["uint64", item.inputUnits], ["uint64", item.outputUnits], ["uint64", item.issuedAt],
      ["uint8", item.outcome], ["uint16", item.place], ["bytes", item.signature],
    ]);
    const rows = [...head, ...stretches, ...items];
    expect(solidityPacked(rows.map(([type]) => type), rows.map(([, field]) => field))).to.equal(bytes);
    const back = decodeRun(bytes);
    expect(encodeRun(back)).to.equal(bytes);
    expect(JSON.parse(JSON.stringify(back, (_, field: unknown) => (typeof field === "bigint" ? String(field) : field)))).to.deep.equal(value);
    expect(encodeRun({ ...back, terms: { ...back.terms, payout: back.terms.payout.toLowerCase() as `0x${string}` } })).to.equal(bytes);
  });

  it("run: what does not fit its field, and bytes of another length or layout, are refused by name", () => {
    const { bytes } = vectors.run as { bytes: `0x${string}` };
    const good = decodeRun(bytes);
    const item = good.items[0]!;
    const stretch = good.stretches[0]!;
    for (const run of [
      { ...good, items: good.items.slice(1) }, { ...good, signature: "0x" as const }, { ...good, items: [{ ...item, signature: "0x1234" as const }, ...good.items.slice(1)] },
      { ...good, items: [{ ...item, charge: 1n << 128n }, ...good.items.slice(1)] }, { ...good, items: [{ ...item, outcome: 256 }, ...good.items.slice(1)] },
      { ...good, items: [{ ...item, inputUnits: -1n }, ...good.items.slice(1)] }, { ...good, keyId: "0x12" as const },
      { ...good, stretches: [{ ...stretch, paymentChainId: 1n << 64n }, good.stretches[1]!] },
    ]) expect(() => encodeRun(run)).to.throw(RunEncodingError);
    const rest = bytes.slice(4);
    for (const bad of [`${bytes}00`, bytes.slice(0, -2), `0x02${rest}`, "0x", "0x01", "0x0", "none", bytes.replace(/^0x010002/, "0x010000"), bytes.replace(/^0x01000200000003/, "0x01000200000000")]) {
      expect(() => decodeRun(bad as `0x${string}`), bad.slice(0, 40)).to.throw(RunEncodingError);
    }
  });

  it("Rotation, Ack", async () => {
    expect(await harness.rotationDigest(vectors.rotation.value, separator)).to.equal(vectors.rotation.digest);
    expect(byEthers({ Rotation: statementTypes.Rotation }, vectors.rotation.value)).to.equal(vectors.rotation.digest);
    expect(await harness.ackDigest(vectors.ack.value, separator)).to.equal(vectors.ack.digest);
    expect(byEthers({ Ack: statementTypes.Ack }, vectors.ack.value)).to.equal(vectors.ack.digest);
  });

  it("LeafCheck, Finality, Heartbeat", async () => {
    expect(await harness.leafCheckDigest(vectors.leafCheck.value, separator)).to.equal(vectors.leafCheck.digest);
    expect(byEthers({ LeafCheck: statementTypes.LeafCheck }, vectors.leafCheck.value)).to.equal(vectors.leafCheck.digest);
    expect(await harness.finalityDigest(vectors.finality.value, separator)).to.equal(vectors.finality.digest);
    expect(byEthers({ Finality: statementTypes.Finality }, vectors.finality.value)).to.equal(vectors.finality.digest);
    expect(await harness.heartbeatDigest(vectors.heartbeat.value, separator)).to.equal(vectors.heartbeat.digest);
    expect(byEthers({ Heartbeat: statementTypes.Heartbeat }, vectors.heartbeat.value)).to.equal(vectors.heartbeat.digest);
  });

  it("trees of 1 to 5 leaves, whole and by every path", async () => {
    for (const { leaves, root } of vectors.trees) {
      expect(await harness.rootOfLeaves(leaves)).to.equal(root);
      const tree = positionalTree(leaves);
      expect(tree.root).to.equal(root);
      for (const [index, leaf] of leaves.entries()) {
        expect(await harness.rootOfPath(leaf, index, leaves.length, tree.path(index))).to.equal(root);
        expect(rootFromPath(leaf, index, leaves.length, tree.path(index))).to.equal(root);
      }
    }
  });

  it("a path of the wrong length, an index outside and an empty list are refused by name", async () => {
    const { leaves } = vectors.trees[4];
    const tree = positionalTree(leaves);
    await expect(harness.rootOfPath(leaves[0], 0, 5, tree.path(0).slice(1))).to.be.revertedWithCustomError(harness, "TreeBadProofShape").withArgs(0, 5, 2);
    await expect(harness.rootOfPath(leaves[0], 5, 5, tree.path(0))).to.be.revertedWithCustomError(harness, "TreeBadProofShape").withArgs(5, 5, 3);
    await expect(harness.rootOfLeaves([])).to.be.revertedWithCustomError(harness, "TreeEmpty");
  });

  it("a multiproof of any leaves leads to the root; another leaf, place, sibling or order does not", async () => {
    const random = seededRandom(5);
    for (let round = 0; round < 40; round++) {
      const count = 1 + Math.floor(random() * 20);
      const leaves = Array.from({ length: count }, (_, i) => keccak256(toUtf8Bytes(`leaf ${round} ${i}`)) as `0x${string}`);
      const tree = positionalTree(leaves);
      const indices = leaves.map((_, i) => i).filter(() => random() < 0.5);
      if (indices.length === 0) indices.push(count - 1);
      const some = indices.map((i) => leaves[i]!);
      const path = tree.paths(indices);
      expect(await harness.rootOfSome(some, indices, count, path)).to.equal(tree.root);
      const wrong = some.with(0, keccak256(some[0]!) as `0x${string}`);
      expect(await harness.rootOfSome(wrong, indices, count, path)).not.to.equal(tree.root);
      await expect(harness.rootOfSome(some, indices, count, [...path, path[0] ?? tree.root])).to.be.revertedWithCustomError(harness, "TreeBadProofShape");
      if (path.length > 0) await expect(harness.rootOfSome(some, indices, count, path.slice(1))).to.be.revertedWithCustomError(harness, "TreeBadProofShape");
      await expect(harness.rootOfSome([...some, some[0]!], [...indices, indices[0]!], count, path)).to.be.revertedWithCustomError(harness, "TreeBadProofShape");
      await expect(harness.rootOfSome(some, indices.with(-1, count), count, path)).to.be.revertedWithCustomError(harness, "TreeBadProofShape");
      expect(() => tree.paths([0, 0])).to.throw(RangeError);
    }
  });

  it("the number of leaves is part of the root: 3 leaves and the same 3 with an absent fourth differ", async () => {
    const leaves = vectors.trees[2].leaves;
    expect(await harness.rootOfLeaves([...leaves, "0x" + "00".repeat(32)])).not.to.equal(vectors.trees[2].root);
  });
});
