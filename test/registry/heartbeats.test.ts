import { expect } from "chai";
import type { Hex } from "viem";
import { Role, heartbeatDigest, signedHeartbeat } from "../../sdk/protocol/index.ts";
import { type Signer, type World, IMAGE, TEE, WORKLOAD, bytes32, encodeAttestation, secpSigner, settlementWorld } from "../utils/settlement-world.ts";
import { beatOf } from "./beat.ts";

/** NodeStatus of INodeRegistry. */
const Status = { None: 0, Registered: 1, Active: 2, Dead: 3, Draining: 4, Exiting: 5, Exited: 6, Jailed: 7, Banned: 8 } as const;

describe("NodeRegistry, heartbeats", () => {
  let w: World;
  before(async () => {
    w = await settlementWorld();
  });

  const beat = (node: { nodeId: Hex; signer: Signer }, back = 0) => beatOf(w, node, back);

  it("strictly increasing, of a real recent block, by the current key", async () => {
    const node = await w.addNode(Role.Inference);
    const first = await beat(node);
    const send = (blockNumber: bigint, signature: Hex) => w.registry.heartbeat(node.nodeId, blockNumber, signature);
    await send(first.value.blockNumber, first.signature);
    await expect(send(first.value.blockNumber, first.signature)).to.be.revertedWithCustomError(w.registry, "NodeRegistryHeartbeatOld");
    const next = await beat(node);
    await expect(send(next.value.blockNumber, first.signature)).to.be.revertedWithCustomError(w.registry, "NodeRegistryBadSignature");
    const otherHash = heartbeatDigest({ ...next.value, blockHash: bytes32("x") }, { chainId: w.chainId, verifyingContract: w.addresses.NodeRegistry });
    await expect(send(next.value.blockNumber, node.signer.sign(otherHash))).to.be.revertedWithCustomError(w.registry, "NodeRegistryBadSignature");
    await expect(send(next.value.blockNumber + 1_000n, next.signature)).to.be.revertedWithCustomError(w.registry, "NodeRegistryHeartbeatBlock");
    await expect(w.registry.heartbeat(bytes32("nobody"), next.value.blockNumber, next.signature))
      .to.be.revertedWithCustomError(w.registry, "NodeRegistryUnknownNode");
  });

  it("of the key epoch before, or of another node: refused", async () => {
    const [node, other] = [await w.addNode(Role.Inference), await w.addNode(Role.Inference)];
    await w.attest(node, secpSigner("the next epoch's key"));
    const old = await beat(node);
    await expect(w.registry.heartbeat(node.nodeId, old.value.blockNumber, old.signature)).to.be.revertedWithCustomError(w.registry, "NodeRegistryBadSignature");
    const foreign = await beat(other);
    await expect(w.registry.heartbeat(node.nodeId, foreign.value.blockNumber, foreign.signature)).to.be.revertedWithCustomError(w.registry, "NodeRegistryBadSignature");
  });

  it("the same key attested again: what it signed before that is too old", async () => {
    const node = await w.addNode(Role.Inference);
    await w.networkHelpers.mine(2);
    const kept = await beat(node);
    await w.attest(node, node.signer);
    await expect(w.registry.heartbeat(node.nodeId, kept.value.blockNumber, kept.signature)).to.be.revertedWithCustomError(w.registry, "NodeRegistryHeartbeatOld");
  });

  it("without a key that is valid by time: refused, alone and in a batch", async () => {
    const node = await w.registerNode(Role.Inference);
    const signer = secpSigner("short lived");
    const { attestation, params } = await w.attestationFor(node, signer);
    await w.registry.connect(node.operator).attest(node.nodeId, params, encodeAttestation({ ...attestation, validUntil: (await w.now()) + 100n }), "0x");
    await w.networkHelpers.time.increase(200);
    const late = await beat({ ...node, signer }, 1);
    await expect(w.registry.heartbeat(node.nodeId, late.value.blockNumber, late.signature)).to.be.revertedWithCustomError(w.registry, "NodeRegistryKeyNotValid");
    await expect(w.registry.heartbeats(late.value.blockNumber, [signedHeartbeat(node.nodeId, late.signature)]))
      .to.emit(w.registry, "HeartbeatsAccepted").withArgs(late.value.blockNumber, []);
  });

  for (const [title, since] of [["revoked", 0n], ["revoked as compromised", 1n]] as const) {
    it(`under an image that is ${title}: a heartbeat keeps no node serving`, async () => {
      const owner = await w.account();
      const policy = w.policy.connect(owner);
      await policy.createPolicy(title, 0, 1 << TEE, 1);
      const policyId = (await policy.policyIdOf(owner.address, title)) as Hex;
      await policy.approveImage(policyId, WORKLOAD, IMAGE);
      const node = await w.addNode(Role.Inference, { policyId });
      const dead = await w.addNode(Role.Inference, { policyId });
      await w.networkHelpers.mine(Number(w.parameters.registry.heartbeatBlocks) + 2);
      await w.registry.markDead(dead.nodeId);
      const revoked = await w.now();
      await policy.revokeImage(policyId, await policy.indexOf(policyId, WORKLOAD, IMAGE), since && revoked);

      for (const each of [node, dead]) {
        const { value, signature } = await beat(each);
        await w.registry.heartbeat(each.nodeId, value.blockNumber, signature);
        const again = await beat(each);
        await w.registry.heartbeats(again.value.blockNumber, [signedHeartbeat(each.nodeId, again.signature)]);
        expect(await w.registry.isActive(each.nodeId)).to.equal(false);
        const [listed] = await w.registry.activeNodes(Role.Inference, 0, 100);
        expect(listed).not.to.include(each.nodeId);
        const now = await w.now();
        expect(await w.registry.keyValidAt(each.keyId, now, now)).to.equal(false);
        await expect(w.policy.signingKey({ registrar: w.addresses.NodeRegistry, nodeId: each.nodeId, keyId: each.keyId, role: Role.Inference, minIssuedAt: now, maxIssuedAt: now, aliveAt: now - w.parameters.registry.postGrace })).to.be.revertedWithCustomError(
          w.registry, since ? "NodeRegistryKeyNotValid" : "NodeRegistryIssuedOutside",
        );
      }
      expect((await w.registry.node(dead.nodeId)).status).to.equal(BigInt(Status.Dead));
      // Anyone takes the stale one off the list.
      await w.registry.connect(w.relayer).demote(node.nodeId);
      expect((await w.registry.node(node.nodeId)).status).to.equal(BigInt(Status.Registered));
      const last = await beat(node);
      await w.registry.heartbeat(node.nodeId, last.value.blockNumber, last.signature);
      expect((await w.registry.node(node.nodeId)).status).to.equal(BigInt(Status.Registered));
    });
  }

  it("many in one transaction; a bad one is skipped", async () => {
    const nodes: Awaited<ReturnType<World["addNode"]>>[] = [];
    for (let i = 0; i < 5; i++) nodes.push(await w.addNode(Role.Inference));
    await w.networkHelpers.mine(2);
    const beats = [];
    for (const node of nodes) beats.push(await beat(node));
    const signed = beats.map(({ signature }, i) => signedHeartbeat(nodes[i]!.nodeId, signature));
    signed[2] = { ...signed[3]!, nodeId: nodes[2]!.nodeId };
    const tx = await w.registry.heartbeats(beats[0]!.value.blockNumber, signed);
    const accepted = nodes.filter((_, i) => i !== 2).map((n) => n.nodeId);
    await expect(tx).to.emit(w.registry, "HeartbeatsAccepted").withArgs(beats[0]!.value.blockNumber, accepted);
  });

  it("markDead: after the missed blocks, a small fee, no principal; the next heartbeat revives", async () => {
    const node = await w.addNode(Role.Inference);
    await expect(w.registry.markDead(node.nodeId)).to.be.revertedWithCustomError(w.registry, "NodeRegistryStillAlive");
    await w.networkHelpers.mine(Number(w.parameters.registry.heartbeatBlocks) + 2);
    const before = await w.registry.bond(node.nodeId);
    const earned = await w.registry.reward(w.relayer.address);
    await w.registry.connect(w.relayer).markDead(node.nodeId);
    const after = await w.registry.bond(node.nodeId);
    expect(before.free - after.free).to.equal(w.parameters.registry.deadFee);
    expect((await w.registry.reward(w.relayer.address)) - earned).to.equal(w.parameters.registry.deadFee);
    expect(await w.registry.isActive(node.nodeId)).to.equal(false);
    const { value, signature } = await beat(node);
    await w.registry.heartbeat(node.nodeId, value.blockNumber, signature);
    expect(await w.registry.isActive(node.nodeId)).to.equal(true);
  });
});
