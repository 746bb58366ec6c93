/**
 * Writes test/protocol/vectors.json: one example of every signed or hashed object with its digest, by the SDK (viem).
 * The tests check the same figures in Solidity and with ethers' own EIP-712 encoder. Run after a deliberate change.
 */
import { writeFileSync } from "node:fs";
import { keccak256, toBytes } from "viem";
import * as protocol from "../../sdk/protocol/index.ts";

const id = (label: string) => keccak256(toBytes(label));
const domain = { chainId: 713370, verifyingContract: "0x5e771e0000000000000000000000000000000001" } as const;

const receipt: protocol.InferenceReceipt = {
  nodeId: id("node"),
  keyId: id("key"),
  modelId: id("model"),
  termsHash: id("terms"),
  requestHash: protocol.requestHash(id("salt"), { model: "credit", inputs: { x: [1, 2.5, -3e-7] } }),
  responseHash: protocol.responseHash(id("salt"), protocol.ResponseKind.Chat, protocol.Finish.Stop, '{"content":"yes €"}'),
  paymentId: id("payment"),
  cumulativeBefore: 2n ** 127n + 5n,
  charge: 12_345n,
  inputUnits: 42n,
  outputUnits: 7n,
  sequence: 3n,
  issuedAt: 1_790_000_000n,
  outcome: protocol.Outcome.Complete,
};
const terms: protocol.Terms = {
  nodeId: id("node"),
  payout: "0x1111111111111111111111111111111111111111",
  settlementMode: protocol.SettlementMode.Batch,
  verification: protocol.Verification.Tee,
  tariffHash: id("tariff"),
  policyId: id("policy"),
  royaltyTo: "0x2222222222222222222222222222222222222222",
  royaltyBps: 250,
  feeBpsCap: 500,
  inbox: "0x3333333333333333333333333333333333333333",
};
const stretch: protocol.ChannelStretch = {
  paymentChainId: 713371n,
  escrow: "0x4444444444444444444444444444444444444444",
  paymentId: id("payment"),
  from: 5n,
  to: 12_350n,
  firstLeaf: 0,
  leafCount: 1,
  prefixTotal: 12_345n,
};
const header: protocol.BatchHeader = {
  nodeId: id("node"),
  keyId: id("key"),
  nonce: 9n,
  prevHeader: id("previous"),
  receiptsRoot: id("receipts"),
  channelsRoot: id("channels"),
  count: 3,
  channels: 2,
  totalCharge: 99_999n,
  minIssuedAt: 1_790_000_000n,
  maxIssuedAt: 1_790_000_060n,
  blobId: id("blob"),
  contentHash: id("content"),
  format: 1,
};
const leafCheck: protocol.LeafCheck = { headerHash: id("header"), committeeEpoch: 4n };
const finality: protocol.Finality = {
  paymentChainId: 713371n,
  inbox: terms.inbox,
  committeeEpoch: 4n,
  headerHash: id("header"),
  slot: id("slot"),
  channelsRoot: id("channels"),
  status: protocol.BatchStatus.Final,
  settledAt: 1_790_000_100n,
  validUntil: 1_790_259_300n,
};
const heartbeat: protocol.Heartbeat = { nodeId: id("node"), blockNumber: 77n, blockHash: id("block") };
const rotation: protocol.Rotation = { paymentChainId: 713371n, inbox: terms.inbox, epoch: 5n, listHash: id("list"), validUntil: 1_790_259_300n };
const ack: protocol.Ack = { paymentId: id("payment"), cumulative: 12_350n };
const run: protocol.Run = {
  terms,
  keyId: id("key"),
  modelId: id("model"),
  slot: 0x01020304,
  stretches: [
    { paymentId: id("payment a"), paymentChainId: 713371n, escrow: "0x4444444444444444444444444444444444444444", cumulativeBefore: 2n ** 127n + 5n, sequence: 3n, count: 2 },
    { paymentId: id("payment b"), paymentChainId: 2n ** 64n - 1n, escrow: "0x5555555555555555555555555555555555555555", cumulativeBefore: 0n, sequence: 2n ** 63n, count: 1 },
  ],
  signature: `0x${"a1".repeat(65)}`,
  items: [1, 2, 3].map((n) => ({
    requestHash: id(`request ${n}`), responseHash: id(`response ${n}`), charge: BigInt(n) << 100n, inputUnits: BigInt(n) << 40n, outputUnits: BigInt(7 * n), issuedAt: 1_790_000_000n + BigInt(n),
    outcome: n, place: 3 - n, signature: `0x${`b${n}`.repeat(65)}` as const,
  })),
};
const leaves = [1, 2, 3, 4, 5].map((n) => id(`leaf ${n}`));
const signature = "0x1234";
const digest = protocol.receiptDigest(receipt, domain);

const vectors = {
  generator: "scripts/generate/protocol-vectors.ts",
  domain,
  receipt: { value: receipt, digest },
  receiptLeaf: { digest, signature, leaf: protocol.receiptLeaf(digest, signature) },
  terms: { value: terms, hash: protocol.termsHash(terms), clientNonce: id("nonce"), salt: protocol.channelSalt(protocol.termsHash(terms), id("nonce")) },
  header: { value: header, digest: protocol.headerHash(header, domain) },
  stretch: { value: stretch, leaf: protocol.stretchLeaf(stretch) },
  leafCheck: { value: leafCheck, digest: protocol.leafCheckDigest(leafCheck, domain) },
  finality: { value: finality, digest: protocol.finalityDigest(finality, domain) },
  heartbeat: { value: heartbeat, digest: protocol.heartbeatDigest(heartbeat, domain) },
  rotation: { value: rotation, digest: protocol.rotationDigest(rotation, domain) },
  ack: { value: ack, digest: protocol.ackDigest(ack, domain) },
  run: { value: run, bytes: protocol.encodeRun(run) },
  trees: leaves.map((_, n) => ({ leaves: leaves.slice(0, n + 1), root: protocol.positionalTree(leaves.slice(0, n + 1)).root })),
};
writeFileSync("test/protocol/vectors.json", JSON.stringify(vectors, (_, value) => (typeof value === "bigint" ? value.toString() : value), 2) + "\n");
