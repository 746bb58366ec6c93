import { expect } from "chai";
import { type Hex, hashTypedData } from "viem";
import { Role } from "../../sdk/protocol/index.ts";
import { type World, ZERO, bytes32, settlementWorld } from "../utils/settlement-world.ts";

const types = {
  Observation: [
    { name: "feedId", type: "bytes32" },
    { name: "round", type: "uint64" },
    { name: "nodeId", type: "bytes32" },
    { name: "keyId", type: "bytes32" },
    { name: "value", type: "int256" },
    { name: "observedAt", type: "uint64" },
    { name: "evidenceHash", type: "bytes32" },
    { name: "salt", type: "bytes32" },
  ],
} as const;
const PERIOD = 60;

describe("DataFeeds", () => {
  let w: World;
  before(async () => {
    w = await settlementWorld();
  });
  type DataNode = Awaited<ReturnType<World["addNode"]>>;

  async function createFeed(change: Record<string, unknown> = {}) {
    const definition = {
      name: "ETH/USD", sources: ["https://a.invalid/p#/price"], tlsPins: [ZERO], period: PERIOD, decimals: 8, minOperators: 1, policyId: ZERO,
      maxDeviationBps: 0, maxAge: 2 * PERIOD, ...change,
    };
    const feedId = (await w.feeds.feedIdOf(definition)) as Hex;
    await w.feeds.createFeed(definition);
    return feedId;
  }
  function observation(node: DataNode, feedId: Hex, value: bigint, observedAt: bigint) {
    const message = { feedId, round: observedAt / BigInt(PERIOD), nodeId: node.nodeId, keyId: node.keyId, value, observedAt, evidenceHash: bytes32("e"), salt: bytes32("s") };
    const domain = { name: "OpenGradient", version: "1", chainId: w.chainId, verifyingContract: w.addresses.DataFeeds } as const;
    const digest = hashTypedData({ domain, types, primaryType: "Observation", message });
    return { message, digest, signature: node.signer.sign(digest) };
  }
  /** Moves to `offset` seconds into a new round; @returns its start. */
  async function newRound(offset = 1) {
    const start = ((await w.now()) / BigInt(PERIOD) + 2n) * BigInt(PERIOD);
    await w.networkHelpers.time.increaseTo(start + BigInt(offset));
    return start;
  }

  it("one operator: reveals at once, a contract reads it, stale reverts", async () => {
    const node = await w.addNode(Role.Data);
    const feedId = await createFeed();
    const consumer = await w.ethers.deployContract("FeedConsumer", [w.feeds, feedId]);
    await expect(consumer.getFunction("use")(60)).to.be.revertedWithCustomError(w.feeds, "DataFeedsStale");
    const start = await newRound();
    const seen = observation(node, feedId, -5n, start);
    expect(await w.feeds.observationDigest(seen.message)).to.equal(seen.digest);
    await expect(w.feeds.reveal(seen.message, seen.signature)).to.emit(w.feeds, "AnswerUpdated").withArgs(feedId, start / BigInt(PERIOD), -5n, start, 1n);
    await consumer.getFunction("use")(60);
    expect(await consumer.getFunction("lastValue")()).to.equal(-5n);
    await expect(w.feeds.reveal(seen.message, seen.signature)).to.be.revertedWithCustomError(w.feeds, "DataFeedsRoundClosed");
    await w.networkHelpers.time.increase(3 * PERIOD);
    await expect(w.feeds.readFresh(feedId, PERIOD)).to.be.revertedWithCustomError(w.feeds, "DataFeedsStale");
    await expect(w.feeds.latest(feedId)).to.be.revertedWithCustomError(w.feeds, "DataFeedsStale");
    expect((await w.feeds.peek(feedId)).value).to.equal(-5n);
  });

  it("three operators: commit, reveal, median, as old as the oldest; one observation an operator; candles mark gaps", async () => {
    const nodes = [];
    for (let i = 0; i < 3; i++) nodes.push(await w.addNode(Role.Data));
    const twin = await w.addNode(Role.Data, { operator: nodes[0]!.operator });
    const feedId = await createFeed({ minOperators: 3, name: "three" });
    const start = await newRound();
    const round = start / BigInt(PERIOD);
    const seen = nodes.map((node, i) => observation(node, feedId, [300n, 100n, 200n][i]!, start + BigInt(i)));
    for (const [i, node] of nodes.entries()) await w.feeds.connect(node.authorizer).commit(feedId, round, node.nodeId, seen[i]!.digest);
    await expect(w.feeds.connect(twin.operator).commit(feedId, round, twin.nodeId, bytes32("x"))).to.be.revertedWithCustomError(w.feeds, "DataFeedsAlreadyObserved");
    await expect(w.feeds.commit(feedId, round, twin.nodeId, bytes32("x"))).to.be.revertedWithCustomError(w.feeds, "DataFeedsNotOperator");
    await expect(w.feeds.reveal(seen[0]!.message, seen[0]!.signature)).to.be.revertedWithCustomError(w.feeds, "DataFeedsPhase");
    await w.networkHelpers.time.increaseTo(start + BigInt(PERIOD / 2));
    const copy = observation(nodes[1]!, feedId, 300n, start);
    await expect(w.feeds.reveal(copy.message, copy.signature)).to.be.revertedWithCustomError(w.feeds, "DataFeedsCommitmentMismatch");
    await expect(w.feeds.reveal(seen[0]!.message, seen[1]!.signature)).to.be.revertedWithCustomError(w.feeds, "DataFeedsBadSignature");
    await w.feeds.reveal(seen[0]!.message, seen[0]!.signature);
    await expect(w.feeds.close(feedId, round)).to.be.revertedWithCustomError(w.feeds, "DataFeedsPhase");
    await w.feeds.reveal(seen[1]!.message, seen[1]!.signature);
    await w.feeds.reveal(seen[2]!.message, seen[2]!.signature);
    await w.feeds.close(feedId, round);
    const answer = await w.feeds.latest(feedId);
    expect([answer.value, answer.updatedAt, answer.operators]).to.deep.equal([200n, start, 3n]);

    const candles = await w.feeds.candles(feedId, start - 60n, PERIOD, 3);
    expect(candles.map((c) => [c.rounds, c.close])).to.deep.equal([[0n, 0n], [1n, 200n], [0n, 0n]]);
  });

  it("too few operators: no answer", async () => {
    const node = await w.addNode(Role.Data);
    const feedId = await createFeed({ minOperators: 2, name: "two" });
    const start = await newRound();
    const seen = observation(node, feedId, 1n, start);
    await w.feeds.connect(node.operator).commit(feedId, start / 60n, node.nodeId, seen.digest);
    await w.networkHelpers.time.increaseTo(start + 30n);
    await w.feeds.reveal(seen.message, seen.signature);
    await expect(w.feeds.close(feedId, start / 60n)).to.be.revertedWithCustomError(w.feeds, "DataFeedsTooFewOperators");
  });

  it("a key of another role or policy does not observe", async () => {
    const inference = await w.addNode(Role.Inference);
    const data = await w.addNode(Role.Data);
    const feedId = await createFeed({ name: "roles" });
    const other = await createFeed({ name: "policy", policyId: bytes32("policy") });
    const start = await newRound();
    const wrongRole = observation(inference, feedId, 1n, start);
    await expect(w.feeds.reveal(wrongRole.message, wrongRole.signature)).to.be.revertedWithCustomError(w.registry, "NodeRegistryWrongRole");
    const wrongPolicy = observation(data, other, 1n, start);
    await expect(w.feeds.reveal(wrongPolicy.message, wrongPolicy.signature)).to.be.revertedWithCustomError(w.feeds, "DataFeedsWrongPolicy");
  });

  it("an observation far from the median does not count", async () => {
    const nodes = [];
    for (let i = 0; i < 3; i++) nodes.push(await w.addNode(Role.Data));
    const feedId = await createFeed({ minOperators: 2, name: "deviation", maxDeviationBps: 100 });
    const start = await newRound();
    const seen = nodes.map((node, i) => observation(node, feedId, [10_000n, 10_050n, 20_000n][i]!, start));
    for (const [i, node] of nodes.entries()) await w.feeds.connect(node.operator).commit(feedId, start / 60n, node.nodeId, seen[i]!.digest);
    await w.networkHelpers.time.increaseTo(start + 30n);
    for (const { message, signature } of seen) await w.feeds.reveal(message, signature);
    await w.feeds.close(feedId, start / 60n);
    expect((await w.feeds.peek(feedId)).operators).to.equal(2n);
  });
});
