import { expect } from "chai";
import { createNodeIdentity, nodeRules } from "../../../keepers/roles/node/index.ts";
import { Role } from "../../../sdk/protocol/index.ts";
import { refusalOf } from "../../utils/refusal.ts";
import { bytes32, settlementWorld, WORKLOAD, type World, ZERO } from "../../utils/settlement-world.ts";
import { testEvidence, worldPlatform } from "../support/world-platform.ts";

describe("a node's own registration", () => {
  let w: World;
  let platform: Awaited<ReturnType<typeof worldPlatform>>;
  before(async () => {
    w = await settlementWorld();
    platform = await worldPlatform(w, "slow start", nodeRules);
    await w.token.mint(platform.signer.address, w.parameters.registry.minBondInference);
  });
  after(() => platform.stop());

  it("an attestation that does not get through in time is worth another try; the next one is new, and admitted", async () => {
    const show = testEvidence(w, "slow start");
    const keys: string[] = [];
    const identity = createNodeIdentity(platform, {
      role: Role.Inference, workload: WORKLOAD, policyId: ZERO, payout: platform.signer.address, paymentAuthorizer: platform.signer.address, endpoint: "https://node.invalid", tlsSpkiHash: bytes32("tls"),
      hpkeKeyHash: ZERO, bond: 0n, heartbeatMs: 3_600_000,
      async makeEvidence(request) {
        keys.push(Buffer.from(request.publicKey).toString("hex"));
        const evidence = await show(request);
        // The machine, or the chain, is busy for five minutes.
        if (keys.length === 1) await w.networkHelpers.time.increase(300);
        return evidence;
      },
    });
    const { code, family } = await refusalOf(identity.start());
    expect([code, family]).to.deep.equal(["node.late", "retryable"]);
    expect(() => identity.current()).to.throw().with.property("code", "node.not_admitted");
    await identity.start();
    expect(new Set(keys).size).to.equal(2);
    expect(await w.registry.isActive(identity.nodeId())).to.equal(true);
  });
});
