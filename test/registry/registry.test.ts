import { expect } from "chai";
import { existsSync, readFileSync } from "node:fs";
import { type Hex, keccak256 } from "viem";
import { KeyType, Role, heartbeatDigest, signedHeartbeat } from "../../sdk/protocol/index.ts";
import { IMAGE, type Signer, TEE, WORKLOAD, type World, ZERO, bytes32, encodeAttestation, secpSigner, settlementWorld } from "../utils/settlement-world.ts";
import { p256Signer, rsaSigner } from "../utils/signers.ts";

const Status = { None: 0, Registered: 1, Active: 2, Dead: 3, Draining: 4, Exiting: 5, Exited: 6, Jailed: 7, Banned: 8 } as const;

describe("NodeRegistry", () => {
  let w: World;
  before(async () => {
    w = await settlementWorld();
  });

  async function beat(node: { nodeId: Hex; signer: Signer }, back = 0) {
    const block = (await w.ethers.provider.getBlock((await w.ethers.provider.getBlockNumber()) - back))!;
    const value = { nodeId: node.nodeId, blockNumber: BigInt(block.number), blockHash: block.hash as Hex };
    const digest = heartbeatDigest(value, { chainId: w.chainId, verifyingContract: w.addresses.NodeRegistry });
    return { value, signature: node.signer.sign(digest) };
  }

  describe("key types", () => {
    for (const [name, make] of [["secp256k1", () => secpSigner("a")], ["P-256", () => p256Signer("b")], ["RSA-PSS-2048", rsaSigner]] as const) {
      it(`${name}: attests, signs, and nobody else's signature passes`, async () => {
        const node = await w.addNode(Role.Inference, { signer: make() });
        const digest = bytes32("message");
        const signature = node.signer.sign(digest);
        expect(await w.registry.verifySignature(node.keyId, digest, signature)).to.equal(true);
        expect(await w.registry.verifySignature(node.keyId, bytes32("other"), signature)).to.equal(false);
        const bent = (signature.slice(0, 40) + (signature[40] === "0" ? "1" : "0") + signature.slice(41)) as Hex;
        expect(await w.registry.verifySignature(node.keyId, digest, bent)).to.equal(false);
        expect(await w.registry.verifySignature(node.keyId, digest, "0x")).to.equal(false);
        expect(await w.registry.isActive(node.nodeId)).to.equal(true);
        const { value, signature: mark } = await beat(node);
        await w.registry.heartbeat(node.nodeId, value.blockNumber, mark);
        expect((await w.registry.node(node.nodeId)).lastHeartbeat).to.equal(value.blockNumber);
      });
    }

    it("secp256k1: a signature's twin, another recovery id, a short form and another length are not signatures", async () => {
      const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
      const node = await w.addNode(Role.Inference, { signer: secpSigner("twin") });
      const digest = bytes32("message");
      const good = node.signer.sign(digest);
      const verify = (signature: string) => w.registry.verifySignature(node.keyId, digest, signature);
      expect(await verify(good)).to.equal(true);
      const [r, s, v] = [good.slice(2, 66), BigInt(`0x${good.slice(66, 130)}`), Number(`0x${good.slice(130)}`)];
      const join = (high: bigint, recovery: number) => `0x${r}${high.toString(16).padStart(64, "0")}${recovery.toString(16).padStart(2, "0")}`;
      expect(join(s, v)).to.equal(good);
      for (const bad of [join(order - s, 55 - v), join(order - s, v), join(s, 55 - v), join(s, v - 27), join(s, 29), join(0n, v), `0x${"00".repeat(65)}`, good.slice(0, -2), `${good}00`, "0x"]) {
        expect(await verify(bad), bad).to.equal(false);
      }
    });

    it("OpenGradient's own vector: RSA-PSS over the 32 bytes", async function () {
      const path = "../shared/vectors/opengradient.json";
      if (!existsSync(path)) {
        console.log(`      skipped: ${path} is absent`);
        return this.skip();
      }
      const { public_key_der: publicKey, cases, heartbeat } = JSON.parse(readFileSync(path, "utf8"));
      expect(await w.signatures.isKey(KeyType.RsaPss2048, publicKey)).to.equal(true);
      const holder = await w.signatures.store.staticCall(KeyType.RsaPss2048, publicKey);
      await w.signatures.store(KeyType.RsaPss2048, publicKey);
      for (const { message_hash: message, signature_hex: signature } of [...cases, heartbeat]) {
        expect(await w.signatures.verify(KeyType.RsaPss2048, holder, message, signature)).to.equal(true);
        expect(await w.signatures.verify(KeyType.RsaPss2048, holder, bytes32("other"), signature)).to.equal(false);
      }
    });

    it("malformed keys are refused by name", async () => {
      const node = await w.registerNode(Role.Inference);
      const good = secpSigner("good").publicKey;
      for (const publicKey of ["0x", good.slice(0, -2), good + "00", `0x02${good.slice(4)}`, `0x04${"11".repeat(64)}`] as Hex[]) {
        const { attestation } = await w.attestationFor(node, secpSigner("good"));
        const params = { keyType: KeyType.Secp256k1, publicKey, nonceBlock: await w.ethers.provider.getBlockNumber(), teeType: 9 };
        await expect(w.registry.connect(node.operator).attest(node.nodeId, params, encodeAttestation(attestation), "0x"))
          .to.be.revertedWithCustomError(w.registry, "NodeRegistryBadPublicKey");
      }
    });
  });

  describe("attestation", () => {
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

  describe("heartbeats", () => {
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

  describe("bond and exit", () => {
    it("R4 too little bond: registers, but does not become active", async () => {
      const node = await w.registerNode(Role.Inference, { bond: 1n });
      const { attestation, params } = await w.attestationFor(node, secpSigner("poor"));
      await expect(w.registry.connect(node.operator).attest(node.nodeId, params, encodeAttestation(attestation), "0x"))
        .to.be.revertedWithCustomError(w.registry, "NodeRegistryBondTooSmall");
    });

    it("drain, exit, wait, withdraw: everything comes back, and nothing moves out of order", async () => {
      const node = await w.addNode(Role.Inference);
      const registry = w.registry.connect(node.operator);
      const { free } = await registry.bond(node.nodeId);
      await expect(registry.exit(node.nodeId)).to.be.revertedWithCustomError(w.registry, "NodeRegistryInvalidTransition")
        .withArgs(node.nodeId, Status.Active, Status.Exiting);
      await registry.drain(node.nodeId);
      await expect(w.registry.exit(node.nodeId)).to.be.revertedWithCustomError(w.registry, "NodeRegistryNotOperator");
      await registry.exit(node.nodeId);
      await expect(registry.withdraw(node.nodeId, node.operator.address)).to.be.revertedWithCustomError(w.registry, "NodeRegistryNotYet");
      await w.networkHelpers.time.increase(Number(w.parameters.registry.exitDelay));
      await registry.withdraw(node.nodeId, node.operator.address);
      expect(await w.token.balanceOf(node.operator.address)).to.equal(free);
      expect((await registry.node(node.nodeId)).status).to.equal(BigInt(Status.Exited));
      await expect(registry.drain(node.nodeId)).to.be.revertedWithCustomError(w.registry, "NodeRegistryInvalidTransition");
    });

    it("X2 who locks and slashes is fixed at deployment: settlement all, committee and court slash, nobody else anything", async () => {
      const { nodeId } = await w.addNode(Role.Inference);
      const calls = {
        lockBond: (registry: World["registry"]) => registry.lockBond.staticCall(nodeId, 1n, ZERO),
        unlockBond: (registry: World["registry"]) => registry.unlockBond.staticCall(nodeId, 0n, ZERO),
        slash: (registry: World["registry"]) => registry.slash.staticCall(nodeId, ZERO, 1n, false, w.relayer.address),
      };
      const may: [string, World["admin"], (keyof typeof calls)[]][] = [
        ["admin", w.admin, []], ["Demands", await w.acting("Demands"), []], ["InferenceSettlement", await w.acting("InferenceSettlement"), ["lockBond", "unlockBond", "slash"]],
        ["Committee", await w.acting("Committee"), ["slash"]], ["FaultCourt", await w.acting("FaultCourt"), ["slash"]],
      ];
      for (const [who, signer, allowed] of may) {
        for (const [name, call] of Object.entries(calls)) {
          const answer = call(w.registry.connect(signer));
          if (allowed.includes(name as keyof typeof calls)) await answer;
          else await expect(answer, `${who} ${name}`).to.be.revertedWithCustomError(w.registry, "NodeRegistryNotAuthority").withArgs(await signer.getAddress());
        }
      }
      const named = await w.registry.authorities();
      const { InferenceSettlement, Committee, FaultCourt, Demands, FullNodeRewards } = w.addresses;
      expect([...named]).to.deep.equal([InferenceSettlement, Committee, FaultCourt, Demands, FullNodeRewards]);
    });

    it("S7 slash: split 30 reporter, 40 burn, rest to the pool; jail under the minimum, ban at zero", async () => {
      const settlement = w.registry.connect(await w.acting("InferenceSettlement"));
      const reporter = await w.account();
      const node = await w.addNode(Role.Inference);
      const { free } = await w.registry.bond(node.nodeId);
      const total = await w.registry.bondTotal(Role.Inference);
      await settlement.lockBond(node.nodeId, 1_000n, ZERO);
      const amount = free - w.parameters.registry.minBondInference + 1n;
      const pooled = await w.registry.reward(w.addresses.FullNodeRewards);
      await settlement.slash(node.nodeId, ZERO, amount, true, reporter.address);
      expect((await w.registry.reward(w.addresses.FullNodeRewards)) - pooled).to.equal(amount - (amount * 30n) / 100n - (amount * 40n) / 100n);
      expect(await w.registry.reward(reporter.address)).to.equal((amount * 30n) / 100n);
      expect(await w.registry.bondTotal(Role.Inference)).to.equal(total - amount);
      expect((await w.registry.node(node.nodeId)).status).to.equal(BigInt(Status.Jailed));
      await w.token.mint(w.admin.address, 10n);
      await w.token.approve(w.registry, 10n);
      await w.registry.addBond(node.nodeId, 10n);
      expect((await w.registry.node(node.nodeId)).status).to.equal(BigInt(Status.Registered));
      await settlement.slash(node.nodeId, ZERO, free, true, reporter.address);
      expect((await w.registry.node(node.nodeId)).status).to.equal(BigInt(Status.Banned));
      await w.registry.connect(reporter).withdrawReward();
      expect(await w.token.balanceOf(reporter.address)).to.be.greaterThan(0n);
    });

    it("R2 the operator changes in two steps", async () => {
      const node = await w.addNode(Role.Inference);
      const heir = await w.account();
      await w.registry.connect(node.operator).transferOperator(node.nodeId, heir.address);
      await expect(w.registry.acceptOperator(node.nodeId)).to.be.revertedWithCustomError(w.registry, "NodeRegistryNotOperator");
      await w.registry.connect(heir).acceptOperator(node.nodeId);
      expect((await w.registry.node(node.nodeId)).operator).to.equal(heir.address);
    });
  });

  it("pages of active nodes are bounded and complete", async () => {
    const seen = new Set<string>();
    let cursor = 0n;
    do {
      const [ids, next] = await w.registry.activeNodes(Role.Inference, cursor, 3);
      ids.forEach((nodeId) => seen.add(nodeId));
      cursor = next;
    } while (cursor !== 0n);
    for (const nodeId of seen) expect(await w.registry.isActive(nodeId)).to.equal(true);
    await expect(w.registry.activeNodes(Role.Inference, 0, 101)).to.be.revertedWithCustomError(w.registry, "NodeRegistryLimit");
  });
});
