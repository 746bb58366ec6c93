import { expect } from "chai";
import { existsSync, readFileSync } from "node:fs";
import type { Hex } from "viem";
import { KeyType, Role } from "../../sdk/protocol/index.ts";
import { type Signer, type World, bytes32, encodeAttestation, secpSigner, settlementWorld } from "../utils/settlement-world.ts";
import { p256Signer, rsaSigner } from "../utils/signers.ts";
import { beatOf } from "./beat.ts";

describe("NodeRegistry, key types", () => {
  let w: World;
  before(async () => {
    w = await settlementWorld();
  });

  const beat = (node: { nodeId: Hex; signer: Signer }, back = 0) => beatOf(w, node, back);

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
