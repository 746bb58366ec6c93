import { expect } from "chai";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { approveImage, deploySettlementTo } from "../../scripts/deploy/settlement.ts";
import { assignRoles } from "../../scripts/deploy/roles.ts";
import { settlementParameters } from "../../scripts/deploy/parameters.ts";
import { tempFolder } from "../utils/folder.ts";
import { IMAGE, WORKLOAD, ZERO, settlementWorld } from "../utils/settlement-world.ts";

describe("deploying the settlement chain", () => {
  it("a second run sends nothing and keeps every address", async () => {
    const w = await settlementWorld();
    const root = tempFolder("og-deploy");
    const nitroRoot = `0x${"11".repeat(32)}` as const;
    const first = await deploySettlementTo(w.deployer, "test", { root, nitroRoot });
    expect(await w.gate.attach(first.AttestationGate).getFunction("attestationVerifier")(1)).to.equal(first.NitroVerifier);
    const block = await w.ethers.provider.getBlockNumber();
    const second = await deploySettlementTo(w.deployer, "test", { root, nitroRoot });
    expect(second).to.deep.equal(first);
    expect(await w.ethers.provider.getBlockNumber()).to.equal(block);
    const file = JSON.parse(readFileSync(join(root, "31337-test", "addresses.json"), "utf8"));
    expect(file.contracts.InferenceSettlement).to.equal(first.InferenceSettlement);
    expect(file.chainId).to.equal(31337);

    expect(await approveImage(w.deployer, first.MeasurementPolicy, WORKLOAD, IMAGE)).to.equal(true);
    expect(await approveImage(w.deployer, first.MeasurementPolicy, WORKLOAD, IMAGE)).to.equal(false);
  });

  it("roles: guardian pauses and freezes, admin acts after its delay, the deployer is nobody; a second run sends nothing", async () => {
    const w = await settlementWorld();
    const [admin, guardian] = [await w.account(), await w.account()];
    const roles = { admin: admin.address as `0x${string}`, adminDelay: 86_400, guardian: guardian.address as `0x${string}` };
    expect(await assignRoles(w.deployer, w.addresses, roles)).to.equal(8);
    expect(await assignRoles(w.deployer, w.addresses, roles)).to.equal(0);
    await expect(w.registry.setRewardPool(admin.address)).to.be.revertedWithCustomError(w.registry, "AccessManagedUnauthorized");
    await expect(w.settlement.connect(admin).pauseIntake()).to.be.revertedWithCustomError(w.settlement, "AccessManagedUnauthorized");
    await w.settlement.connect(guardian).pauseIntake();
    // Without a pause between two freezes, that would be a veto without an end.
    await expect(w.router.connect(guardian).freezeContradicted(ZERO)).to.be.revertedWithCustomError(w.router, "AccessManagedUnauthorized");
    await expect(w.settlement.connect(guardian).setArbiter(guardian.address, true)).to.be.revertedWithCustomError(w.settlement, "AccessManagedUnauthorized");
    const manager = await w.ethers.getContractAt("AccessManager", w.addresses.AccessManager);
    const data = w.registry.interface.encodeFunctionData("setRewardPool", [admin.address]);
    await expect(w.registry.connect(admin).setRewardPool(admin.address)).to.revert(w.ethers);
    await manager.connect(admin).getFunction("schedule")(w.addresses.NodeRegistry, data, 0);
    await w.networkHelpers.time.increase(86_401);
    await w.registry.connect(admin).setRewardPool(admin.address);
  });

  it("the parameters keep the inequalities of PROTOCOL section 9, on mainnet and on devnets", () => {
    for (const divisor of [1, 1_440]) {
      const { settlement: s, registry: r, committee: c } = settlementParameters(divisor);
      const refund = BigInt(Math.round((7 * 86_400) / divisor));
      expect(refund >= s.maxAge + 2n * (s.window + s.responseTime) + s.repostTime + s.certTime, "T_refund").to.equal(true);
      expect(r.exitDelay > s.maxAge + s.window + s.responseTime + s.repostTime, "exitDelay").to.equal(true);
      expect(r.stakeUnlock >= c.epochLength + c.grace + c.certificateLife, "stakeUnlock").to.equal(true);
    }
  });
});
