import { expect } from "chai";
import type { Hex } from "viem";
import { createNodeIdentity, type HandIn, type NodeIdentity, nodeRules, NodeStatus, relayBlock, relayOf, relayStep } from "../../../keepers/roles/node/index.ts";
import { createHeartbeatRelay } from "../../../keepers/roles/full/heartbeats.ts";
import type { Platform } from "../../../keepers/roles/platform.ts";
import { heartbeatDigest, Role, signedHeartbeat } from "../../../sdk/protocol/index.ts";
import { bytes32, secpSigner, type TestNode, WORKLOAD, ZERO } from "../../utils/settlement-world.ts";
import { until } from "../../utils/until.ts";
import { type FullRig, fullRig } from "../support/full-rig.ts";
import { tlsDoor } from "../support/tls-door.ts";
import { testEvidence, worldPlatform } from "../support/world-platform.ts";

describe("heartbeats for relays", () => {
  it("all nodes name the same block, below the head, near enough to it", () => {
    for (const head of [1n, 17n, 18n, 4_000n]) {
      const block = relayBlock(head, 600n);
      expect(block < head && head - block <= 16n && block % 16n === 0n).to.equal(true);
    }
    expect(relayBlock(0n, 600n)).to.equal(0n);
    expect(relayBlock(100n, 12n), "nodes that are dead soon name every block").to.equal(99n);
  });

  it("the next block goes to the next relay, and every relay has its turn before the node sends itself", () => {
    const relays = ["a", "b", "c"].map(bytes32);
    const step = relayStep(600n);
    const turns = Array.from({ length: 3 }, (_, index) => relayOf(relays, { nodeId: bytes32("n"), blockNumber: BigInt(index) * step }, 600n));
    expect(new Set(turns).size).to.equal(3);
    expect((600n / 2n - 600n / 3n) / step >= 3n).to.equal(true);
  });
});

describe("full nodes carry other nodes' heartbeats", () => {
  let rig: FullRig;
  let nodes: TestNode[];
  const stops: (() => Promise<void>)[] = [];
  before(async () => {
    rig = await fullRig({ relay: { size: 20, waitMs: 0 } });
    await rig.addMember();
    await rig.addMember();
    nodes = [];
    for (let i = 0; i < 5; i++) nodes.push(await rig.world.addNode(i % 2 === 0 ? Role.Inference : Role.Data));
  });
  after(async () => {
    for (const stop of stops) await stop();
    await rig.stop();
  });

  const heartbeatBlocks = () => rig.world.parameters.registry.heartbeatBlocks;
  const head = async () => BigInt(await rig.world.ethers.provider.getBlockNumber());
  const lastOf = async (nodeId: Hex): Promise<bigint> => (await rig.world.registry.node(nodeId)).lastHeartbeat;
  const age = () => rig.world.networkHelpers.mine(Number(heartbeatBlocks() / 3n) + 2);
  const domain = () => ({ chainId: rig.world.chainId, verifyingContract: rig.world.addresses.NodeRegistry });

  async function beatOf(node: TestNode, { block, signer = node.signer }: { block?: bigint; signer?: TestNode["signer"] } = {}) {
    const blockNumber = block ?? relayBlock(await head(), heartbeatBlocks());
    const { hash } = (await rig.world.ethers.provider.getBlock(Number(blockNumber)))!;
    return { nodeId: node.nodeId, blockNumber: blockNumber.toString(), signature: signer.sign(heartbeatDigest({ nodeId: node.nodeId, blockNumber, blockHash: hash as Hex }, domain())) };
  }

  async function give(relay: number, beat: unknown): Promise<{ status: number; code?: string; retryAfter: string | null }> {
    const response = await rig.members[relay]!.api(new Request("https://in.process/heartbeats", { method: "POST", body: JSON.stringify(beat) }));
    return { status: response.status, code: ((await response.json()) as { error?: { code: string } }).error?.code, retryAfter: response.headers.get("retry-after") };
  }

  const accepted = async (since: bigint) => (await rig.world.registry.queryFilter(rig.world.registry.filters.HeartbeatsAccepted(), Number(since) + 1)).map(({ args }) => [...args.nodeIds] as Hex[]);

  it("five nodes of two roles in one transaction; a second relay with the same ones sends none", async () => {
    await age();
    const since = await head();
    const beats = await Promise.all(nodes.map((node) => beatOf(node)));
    for (const beat of beats) for (const relay of [0, 1]) expect(await give(relay, beat)).to.deep.include({ status: 200 });
    await rig.members[0]!.relay.step();
    await rig.members[1]!.relay.step();
    for (const { nodeId } of nodes) expect(await lastOf(nodeId)).to.equal(BigInt(beats[0]!.blockNumber));
    expect((await accepted(since)).map((ids) => ids.length)).to.deep.equal([5]);
    expect(rig.members.map(({ relay }) => relay.waiting())).to.deep.equal([0, 0]);
  });

  it("two relays at the same moment: the second transaction finds everything done, and nothing fails", async () => {
    await age();
    const since = await head();
    const beats = await Promise.all(nodes.map((node) => beatOf(node)));
    await rig.world.provider.request({ method: "evm_setAutomine", params: [false] });
    try {
      for (const beat of beats) for (const relay of [0, 1]) await give(relay, beat);
      const sent = [0, 1].map((relay) => rig.members[relay]!.relay.step());
      // Both are in the pool before a block is made.
      await until("two transactions in the pool", async () => {
        const { transactions } = (await rig.world.provider.request({ method: "eth_getBlockByNumber", params: ["pending", false] })) as { transactions: unknown[] };
        return transactions.length >= 2;
      });
      await rig.world.networkHelpers.mine(1);
      await Promise.all(sent);
    } finally {
      await rig.world.provider.request({ method: "evm_setAutomine", params: [true] });
    }
    expect((await accepted(since)).map((ids) => ids.length).sort()).to.deep.equal([0, 5]);
  });

  it("a heartbeat that went bad in the queue keeps none of the others back: a new key, and bad ones of a relay that checks nothing", async () => {
    await age();
    const beats = await Promise.all(nodes.slice(0, 3).map((node) => beatOf(node)));
    for (const beat of beats) expect((await give(0, beat)).status).to.equal(200);
    const renewed = nodes[1]!;
    renewed.signer = secpSigner("renewed");
    await rig.world.attest(renewed as never, renewed.signer);
    const since = await head();
    await rig.members[0]!.relay.step();
    expect(await accepted(since)).to.deep.equal([[nodes[0]!.nodeId, nodes[2]!.nodeId]]);

    // The contract itself skips a stranger's signature, an unknown node and a repeated one.
    await age();
    const good = await beatOf(nodes[3]!);
    const forged = { ...good, nodeId: nodes[4]!.nodeId };
    const list = [forged, { ...good, nodeId: bytes32("nobody") }, good, good].map((beat) => signedHeartbeat(beat.nodeId, beat.signature));
    const before = await head();
    await rig.world.registry.heartbeats(good.blockNumber, list);
    expect(await accepted(before)).to.deep.equal([[nodes[3]!.nodeId]]);
  });

  it("refuses, each with its code: shape, unknown and old blocks, strangers, other signatures, and what comes too often", async () => {
    await age();
    const node = nodes[0]!;
    const good = await beatOf(node);
    for (const bad of [null, {}, { ...good, signature: "0x00" }, { ...good, blockNumber: -1 }, { ...good, nodeId: "0x12" }]) expect((await give(0, bad)).code).to.equal("relay.bad_beat");
    expect((await give(0, { ...good, blockNumber: ((await head()) + 5n).toString() })).code).to.equal("relay.bad_block");
    expect((await give(0, { ...good, blockNumber: "1" })).code).to.equal("relay.bad_block");
    expect((await give(0, { ...good, nodeId: bytes32("nobody") })).code).to.equal("relay.unknown_node");
    expect((await give(0, await beatOf(node, { signer: secpSigner("somebody") }))).code).to.equal("relay.bad_signature");
    expect((await give(0, { ...good, nodeId: nodes[2]!.nodeId })).code).to.equal("relay.bad_signature");
    expect((await give(0, "x".repeat(2_000))).status).to.equal(413);
    expect((await give(0, good)).status).to.equal(200);
    expect((await give(0, good)).code, "the same again").to.equal("relay.too_soon");
    await rig.members[0]!.relay.step();
    expect((await give(0, await beatOf(node, { block: (await head()) - 1n }))).code, "a block later").to.equal("relay.too_soon");
    const keyless = await rig.world.registerNode(Role.Inference);
    expect((await give(0, { ...good, nodeId: keyless.nodeId })).code).to.equal("relay.key");
  });

  it("the queue is bounded, so are questions to the chain, and it outlives a restart", async () => {
    await age();
    const { platform } = rig.members[1]!;
    const small = createHeartbeatRelay(platform, { size: 20, waitMs: 0, capacity: 1, lookUps: 4 });
    await small.receive(await beatOf(nodes[0]!));
    const codeOfGiving = async (beat: unknown) => small.receive(beat).then(() => "taken", (error: { code: string }) => error.code);
    expect(await codeOfGiving(await beatOf(nodes[2]!))).to.equal("relay.full");
    const junk = await beatOf(nodes[3]!, { signer: secpSigner("junk") });
    expect([await codeOfGiving(junk), await codeOfGiving(junk), await codeOfGiving(junk)]).to.deep.equal(["relay.bad_signature", "relay.bad_signature", "relay.busy"]);
    const off = createHeartbeatRelay(platform, { size: 0, waitMs: 0 });
    expect(await off.receive(junk).then(() => "taken", (error: { code: string }) => error.code)).to.equal("relay.off");
    const again = createHeartbeatRelay(platform, { size: 20, waitMs: 0 });
    expect(again.waiting()).to.equal(1);
    await again.step();
    expect(again.waiting()).to.equal(0);
  });

  it("waits for others until the deadline, and not for a block that would be too old", async () => {
    await age();
    const patient = createHeartbeatRelay(rig.members[1]!.platform, { size: 2, waitMs: 3_600_000 });
    const first = await beatOf(nodes[0]!);
    await patient.receive(first);
    await patient.step();
    expect(patient.waiting(), "one of two").to.equal(1);
    await patient.receive(await beatOf(nodes[2]!));
    await patient.step();
    expect(patient.waiting(), "two make a transaction").to.equal(0);
    await age();
    await patient.receive(await beatOf(nodes[3]!));
    await rig.world.networkHelpers.mine(Number(rig.world.parameters.registry.beatMaxBlocks) - 40);
    const since = await head();
    await patient.step();
    expect(await accepted(since)).to.deep.equal([[nodes[3]!.nodeId]]);
  });

  /** A node's own life, as its role runs it. */
  async function living(name: string, relays: readonly Hex[], handIn?: HandIn): Promise<{ identity: NodeIdentity; platform: Platform; look(): Promise<void> }> {
    const { world } = rig;
    const platform = await worldPlatform(world, name, nodeRules);
    stops.push(async () => {
      await platform.jobs.stop();
      await platform.stop();
    });
    await world.token.mint(platform.signer.address, world.parameters.registry.minBondInference);
    const identity = createNodeIdentity(platform, {
      role: Role.Inference, workload: WORKLOAD, policyId: ZERO, payout: platform.signer.address, paymentAuthorizer: platform.signer.address, endpoint: "https://node.invalid", tlsSpkiHash: bytes32("tls"),
      hpkeKeyHash: ZERO, bond: 0n, makeEvidence: testEvidence(world, name), heartbeatMs: 3_600_000, relays, ...(handIn ? { handIn } : {}),
    });
    await identity.start();
    const runs = () => platform.jobs.states().find((job) => job.name === "node")!;
    platform.jobs.start();
    const ran = (count: number) => until(`run ${count} of the node's job`, () => runs().runs >= count);
    await ran(1);
    return {
      identity, platform,
      async look() {
        const before = runs().runs;
        platform.jobs.kick("node");
        await ran(before + 1);
        expect(runs().lastError).to.equal(null);
      },
    };
  }

  it("a relay that says yes and drops it costs one step: the next block goes to the next relay", async () => {
    const honest = rig.members[0]!;
    const dropping = bytes32("drops everything");
    const asked: Hex[] = [];
    const node = await living("handed in", [dropping, honest.node.nodeId], async (relay, beat) => {
      asked.push(relay);
      return relay === dropping || (await give(0, { ...beat, blockNumber: beat.blockNumber.toString() })).status === 200;
    });
    await age();
    const since = await head();
    for (let steps = 0; steps < 2; steps++) {
      await node.look();
      await node.look();
      await rig.world.networkHelpers.mine(16);
    }
    expect(new Set(asked).size, "both, once each: the same block is handed in once").to.equal(2);
    expect(asked.length).to.equal(2);
    await honest.relay.step();
    expect(await accepted(since)).to.deep.equal([[node.identity.nodeId()]]);
    await node.look();
    expect(asked.length, "the chain has it: nothing is due").to.equal(2);
  });

  it("all its relays drop: at half of the time until death it sends its own transaction", async () => {
    let asked = 0;
    const node = await living("alone", [bytes32("drops everything")], async () => ++asked > 0);
    await age();
    await node.look();
    expect(asked).to.equal(1);
    const before = await lastOf(node.identity.nodeId());
    await rig.world.networkHelpers.mine(Number(heartbeatBlocks() / 6n));
    await node.look();
    expect(asked).to.equal(1);
    expect((await lastOf(node.identity.nodeId())) > before).to.equal(true);
    expect(Number((await rig.world.registry.node(node.identity.nodeId())).status)).to.equal(NodeStatus.Active);
  });

  it("over HTTPS, under the TLS keys that the registry holds: one relay lies, one is down, one has another key; the honest one carries it", async () => {
    const { world } = rig;
    const honest = await rig.addMember(undefined, { served: true });
    const [lying, other] = [await tlsDoor(), await tlsDoor()];
    stops.push(async () => void (await Promise.all([lying.server.close(0), other.server.close(0)])));
    const asked = { lying: 0, other: 0 };
    lying.opens(() => Response.json({ taken: ++asked.lying > 0 }));
    other.opens(() => Response.json({ taken: ++asked.other > 0 }));
    const relays = [
      (await world.addNode(Role.Full, { reach: lying.reach })).nodeId,
      (await world.addNode(Role.Full, { reach: { endpoint: "https://127.0.0.1:1", tlsSpkiHash: bytes32("down") } })).nodeId,
      (await world.addNode(Role.Full, { reach: { ...other.reach, tlsSpkiHash: bytes32("another key") } })).nodeId,
      honest.node.nodeId,
    ];
    const node = await living("over HTTPS", relays);
    await age();
    const since = await head();
    for (let steps = 0; steps < relays.length && honest.relay.waiting() === 0; steps++) {
      await node.look();
      await world.networkHelpers.mine(Number(relayStep(heartbeatBlocks())));
    }
    expect([honest.relay.waiting(), asked.other], "nothing goes to a key that is not the relay's").to.deep.equal([1, 0]);
    expect(asked.lying <= 1).to.equal(true);
    await honest.relay.step();
    expect(await accepted(since)).to.deep.equal([[node.identity.nodeId()]]);
    await node.look();
    expect((await world.registry.node(node.identity.nodeId())).lastHeartbeat > since - heartbeatBlocks()).to.equal(true);
  });
});
