import { expect } from "chai";
import { keccak256 } from "viem";
import { Role } from "../../sdk/protocol/index.ts";
import { type World, IMAGE, WORKLOAD, ZERO, bytes32, encodeAttestation, secpSigner, settlementWorld } from "../utils/settlement-world.ts";

/** NodeStatus of INodeRegistry. */
const Status = { None: 0, Registered: 1, Active: 2, Dead: 3, Draining: 4, Exiting: 5, Exited: 6, Jailed: 7, Banned: 8 } as const;

describe("NodeRegistry, attestation and revocation", () => {
  let w: World;
  before(async () => {
    w = await settlementWorld();
  });

  const bend = [
    ["another key", { publicKeyHash: bytes32("x") }, "AttestationGateBinding"],
    ["another registration", { userDataHash: bytes32("x") }, "AttestationGateBinding"],
    ["another nonce", { nonceHash: bytes32("x") }, "AttestationGateBinding"],
    ["another TEE type", { teeType: 1 }, "AttestationGateBinding"],
    ["too old", { attestedAt: 1n }, "AttestationGateStale"],
    ["from the future", { attestedAt: 1n << 40n }, "AttestationGateStale"],
    ["expired chain", { validUntil: 1n }, "AttestationGateExpired"],
    ["debug build", { debug: true }, "MeasurementPolicyDebug"],
    ["unknown image", { imageId: bytes32("x") }, "MeasurementPolicyImageNotApproved"],
    ["TCB status", { tcbStatus: 3 }, "MeasurementPolicyTcbStatus"],
  ] as const;
  for (const [title, change, error] of bend) {
    it(`R5 ${title}: refused`, async () => {
      const node = await w.registerNode(Role.Inference);
      const signer = secpSigner(title);
      const { attestation, params } = await w.attestationFor(node, signer);
      const source = error.startsWith("Attestation") ? w.gate : w.policy;
      await expect(w.registry.connect(node.operator).attest(node.nodeId, params, encodeAttestation({ ...attestation, ...change }), "0x"))
        .to.be.revertedWithCustomError(source, error);
    });
  }

  it("R5 the same evidence is admitted once", async () => {
    const node = await w.registerNode(Role.Inference);
    const { attestation, params } = await w.attestationFor(node, secpSigner("once"));
    await w.registry.connect(node.operator).attest(node.nodeId, params, encodeAttestation(attestation), "0x");
    await expect(w.registry.connect(node.operator).attest(node.nodeId, params, encodeAttestation(attestation), "0x"))
      .to.be.revertedWithCustomError(w.gate, "AttestationGateUsed");
  });

  it("R5 an old nonce block is refused", async () => {
    const node = await w.registerNode(Role.Inference);
    const { attestation, params } = await w.attestationFor(node, secpSigner("old nonce"));
    await w.networkHelpers.mine(300);
    await expect(w.registry.connect(node.operator).attest(node.nodeId, params, encodeAttestation(attestation), "0x"))
      .to.be.revertedWithCustomError(w.gate, "AttestationGateNonceBlock");
  });

  it("R9 a public key belongs to one node ever", async () => {
    const signer = secpSigner("shared");
    const first = await w.addNode(Role.Inference, { signer });
    const second = await w.registerNode(Role.Inference);
    const { attestation, params } = await w.attestationFor(second, signer);
    await expect(w.registry.connect(second.operator).attest(second.nodeId, params, encodeAttestation(attestation), "0x"))
      .to.be.revertedWithCustomError(w.registry, "NodeRegistryPublicKeyTaken")
      .withArgs(keccak256(signer.publicKey), first.nodeId);
  });

  it("a new epoch retires the one before, whose receipts keep their grace", async () => {
    const node = await w.addNode(Role.Inference);
    const { keyId } = await w.attest(node, secpSigner("epoch 2"));
    expect(keyId).not.to.equal(node.keyId);
    const old = await w.registry.key(node.keyId);
    expect(old.status).to.equal(2n);
    const grace = w.parameters.registry.postGrace;
    expect(await w.registry.keyValidAt(node.keyId, old.endedAt - 1n, old.endedAt + grace)).to.equal(true);
    expect(await w.registry.keyValidAt(node.keyId, old.endedAt - 1n, old.endedAt + grace + 1n)).to.equal(false);
    expect(await w.registry.keyValidAt(node.keyId, old.endedAt, old.endedAt)).to.equal(false);
  });

  const states: [string, string, (node: Awaited<ReturnType<World["addNode"]>>) => Promise<unknown>][] = [
    ["a valid key", "Expired", async () => {}],
    ["a retired key", "Retired", (node) => w.attest(node, secpSigner(`retired ${node.nodeId}`))],
    ["a key of a node that moved", "Retired", (node) => w.registry.connect(node.operator).setEndpoint(node.nodeId, "https://moved.invalid", bytes32("tls"), ZERO)],
    ["a compromised key", "Compromised", async (node) => w.registry.connect(node.operator).reportCompromise(node.nodeId, node.keyId, await w.now())],
    ["a retired key, compromised afterwards", "Compromised", async (node) => {
      await w.attest(node, secpSigner(`both ${node.nodeId}`));
      await w.registry.connect(node.operator).reportCompromise(node.nodeId, node.keyId, await w.now());
    }],
    ["a revoked image's key", "Retired", async () => w.policy.revokeImage(ZERO, await w.policy.indexOf(ZERO, WORKLOAD, IMAGE), 0)],
    ["a retired key whose image is revoked later", "Retired", async (node) => {
      await w.attest(node, secpSigner(`later ${node.nodeId}`));
      await w.networkHelpers.time.increase(50);
      await w.policy.revokeImage(ZERO, await w.policy.indexOf(ZERO, WORKLOAD, IMAGE), 0);
    }],
    ["a compromised image's key", "Compromised", async () => w.policy.revokeImage(ZERO, await w.policy.indexOf(ZERO, WORKLOAD, IMAGE), await w.now())],
  ];
  for (const [title, why, reach] of states) {
    it(`R5 R7 what verifiers read of ${title} is what the registry says of it, at every second that matters`, async () => {
      const snapshot = await w.networkHelpers.takeSnapshot();
      const node = await w.addNode(Role.Inference);
      await w.networkHelpers.time.increase(100);
      await reach(node);
      const grace = w.parameters.registry.postGrace;
      const key = await w.registry.key(node.keyId);
      const image = await w.policy.image(ZERO, WORKLOAD, IMAGE);
      const end = [key.validUntil, key.endedAt, image.revokedAt].filter((time) => time !== 0n).reduce((a, b) => (a < b ? a : b));
      const statuses = { Expired: 3n, Retired: 2n, Compromised: 4n } as Record<string, bigint>;
      let taken = 0;
      for (const issuedAt of [key.validFrom - 31n, key.validFrom - 30n, key.validFrom, end - 1n, end, end + 1n]) {
        for (const postedAt of [issuedAt, end + grace, end + grace + 1n]) {
          const use = { registrar: w.addresses.NodeRegistry, nodeId: node.nodeId, keyId: node.keyId, role: Role.Inference, minIssuedAt: issuedAt, maxIssuedAt: issuedAt, aliveAt: postedAt - grace };
          const label = `issued ${issuedAt - key.validFrom} s after the start and ${end - issuedAt} s before the end, posted ${postedAt - end} s after it`;
          const valid = await w.registry.keyValidAt(node.keyId, issuedAt, postedAt);
          if (valid) {
            taken++;
            const [word, prefix] = await w.policy.signingKey(use);
            expect([word & ((1n << 160n) - 1n), prefix], label).to.deep.equal([BigInt(key.signer), `0x${"00".repeat(16)}`]);
          } else if (why === "Compromised" || postedAt > end + grace) {
            await expect(w.policy.signingKey(use), label).to.be.revertedWithCustomError(w.registry, "NodeRegistryKeyNotValid").withArgs(node.keyId, statuses[why]!);
          } else {
            await expect(w.policy.signingKey(use), label).to.be.revertedWithCustomError(w.registry, "NodeRegistryIssuedOutside").withArgs(node.keyId, issuedAt, key.validFrom, end);
          }
        }
      }
      expect(taken).to.equal(why === "Compromised" ? 0 : 6);
      await snapshot.restore();
    });
  }

  it("R9 a key counts for its own node, role and registry: nobody's word about it stands in another's room", async () => {
    const node = await w.addNode(Role.Inference);
    const other = await w.addNode(Role.Inference);
    const now = await w.now();
    const use = { registrar: w.addresses.NodeRegistry, nodeId: node.nodeId, keyId: node.keyId, role: Role.Inference as number, minIssuedAt: now, maxIssuedAt: now, aliveAt: now };
    const [word] = await w.policy.signingKey(use);
    await expect(w.policy.signingKey({ ...use, nodeId: other.nodeId })).to.be.revertedWithCustomError(w.registry, "NodeRegistryKeyNotOfNode").withArgs(node.keyId, other.nodeId);
    await expect(w.policy.signingKey({ ...use, role: Role.Data })).to.be.revertedWithCustomError(w.registry, "NodeRegistryWrongRole").withArgs(node.nodeId, Role.Inference, Role.Data);
    const stranger = w.policy.connect(w.relayer);
    await stranger.setSigningKey(node.nodeId, node.keyId, word + 1n);
    await stranger.setSigningKey(other.nodeId, node.keyId, word);
    expect((await w.policy.signingKey(use))[0]).to.equal(word);
    await expect(w.policy.signingKey({ ...use, nodeId: other.nodeId })).to.be.revertedWithCustomError(w.registry, "NodeRegistryKeyNotOfNode");
    expect((await w.policy.signingKey({ ...use, registrar: w.relayer.address }))[0]).to.equal(word + 1n);
  });

  it("R7 revoking an image is O(1), ends its keys, and cannot be undone", async () => {
    const image = bytes32("image to revoke");
    await w.policy.approveImage(ZERO, WORKLOAD, image);
    const node = await w.registerNode(Role.Inference);
    const { attestation, params } = await w.attestationFor(node, secpSigner("revoked"));
    await w.registry.connect(node.operator).attest(node.nodeId, params, encodeAttestation({ ...attestation, imageId: image }), "0x");
    const { keyId } = await w.registry.node(node.nodeId);
    const since = await w.now();
    const number = await w.policy.indexOf(ZERO, WORKLOAD, image);
    await w.policy.revokeImage(ZERO, number, since);
    expect((await w.registry.key(keyId)).status).to.equal(4n);
    expect(await w.registry.compromisedSince(keyId)).to.equal(since);
    expect(await w.registry.isActive(node.nodeId)).to.equal(false);
    await w.registry.demote(node.nodeId);
    expect((await w.registry.node(node.nodeId)).status).to.equal(BigInt(Status.Registered));
    await expect(w.policy.approveImage(ZERO, WORKLOAD, image)).to.be.revertedWithCustomError(w.policy, "MeasurementPolicyImageRevoked");
    await expect(w.policy.revokeImage(ZERO, number, since + 1n)).to.be.revertedWithCustomError(w.policy, "MeasurementPolicyImageRevoked");
  });
});
