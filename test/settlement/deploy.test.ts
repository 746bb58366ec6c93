import { expect } from "chai";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { approveImage, deploySettlement, deploySettlementTo } from "../../scripts/deploy/settlement.ts";
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
    await expect(w.gate.setAttestationVerifier(7, admin.address)).to.be.revertedWithCustomError(w.gate, "AccessManagedUnauthorized");
    await expect(w.settlement.connect(admin).pauseIntake()).to.be.revertedWithCustomError(w.settlement, "AccessManagedUnauthorized");
    await w.settlement.connect(guardian).pauseIntake();
    // Without a pause between two freezes, that would be a veto without an end.
    await expect(w.router.connect(guardian).freezeContradicted(ZERO)).to.be.revertedWithCustomError(w.router, "AccessManagedUnauthorized");
    const manager = await w.ethers.getContractAt("AccessManager", w.addresses.AccessManager);
    const data = w.gate.interface.encodeFunctionData("setAttestationVerifier", [7, admin.address]);
    await expect(w.gate.connect(admin).setAttestationVerifier(7, admin.address)).to.revert(w.ethers);
    await manager.connect(admin).getFunction("schedule")(w.addresses.AttestationGate, data, 0);
    await w.networkHelpers.time.increase(86_401);
    await w.gate.connect(admin).setAttestationVerifier(7, admin.address);
  });

  it("a foundation builds for its builder alone, and refuses contracts that the registry does not name", async () => {
    const w = await settlementWorld();
    const foundation = await w.ethers.getContractAt("Foundation", w.addresses.Foundation);
    const code = async (name: string, args: unknown[]) => {
      const factory = await w.ethers.getContractFactory(name);
      return (await factory.getDeployTransaction(...args)).data;
    };
    const { NodeRegistry, AccessManager, SignatureChecker, VerifierRouter, InferenceSettlement, ModelRegistry, BondToken, Committee } = w.addresses;
    const { settlement, committee, court } = w.parameters;
    const cases: [string, unknown[], string, string][] = [
      ["Committee", [NodeRegistry, committee], "CommitteeBadParams", "registry"],
      ["InferenceSettlement", [AccessManager, NodeRegistry, SignatureChecker, VerifierRouter, settlement], "SettlementBadParams", "registry"],
      ["FaultCourt", [NodeRegistry, InferenceSettlement, ModelRegistry, VerifierRouter, court], "FaultCourtBadParams", "settlement"],
      ["Demands", [InferenceSettlement], "DemandsBadParams", "settlement"],
      ["FullNodeRewards", [BondToken, NodeRegistry, Committee, InferenceSettlement, 1n << 40n], "RewardsBadParams", "registry"],
    ];
    const place = await w.ethers.provider.getTransactionCount(foundation);
    for (const [name, args, error, field] of cases) {
      const factory = await w.ethers.getContractFactory(name);
      await expect(foundation.getFunction("build")(await code(name, args)), name).to.be.revertedWithCustomError(factory, error).withArgs(field);
    }
    expect(await w.ethers.provider.getTransactionCount(foundation), "a refused one leaves its place free").to.equal(place);
    await expect(foundation.connect(w.relayer).getFunction("build")("0x")).to.be.revertedWithCustomError(foundation, "FoundationNotBuilder").withArgs(w.relayer.address, w.deployer.deployer);
  });

  it("a run that was cut short goes on where it stopped, and what the foundation built stays", async () => {
    const w = await settlementWorld();
    const steps: string[] = [];
    const stop = new Error("cut");
    const known: Record<string, `0x${string}`> = {};
    const cut = (last: string) => deploySettlement(w.deployer, {
      known,
      onStep: (name, address) => {
        steps.push(name);
        known[name] = address;
        if (name === last) throw stop;
      },
    }).then(() => "whole", (error: unknown) => { if (error !== stop) throw error; return "cut"; });
    for (const last of ["Foundation", "NodeRegistry", "InferenceSettlement", "FaultCourt"]) expect(await cut(last)).to.equal("cut");
    expect(await cut("none")).to.equal("whole");
    const { Foundation: _, ...older } = known;
    expect(await deploySettlement(w.deployer, { known: older }).then(() => "went on", String)).to.match(/not built by a Foundation.*deploy anew/);
    expect(new Set(steps).size, "nothing twice").to.equal(steps.length);
    const named = await (await w.ethers.getContractAt("NodeRegistry", known.NodeRegistry!)).getFunction("authorities")();
    expect([...named]).to.deep.equal(["InferenceSettlement", "Committee", "FaultCourt", "Demands", "FullNodeRewards"].map((name) => known[name]));
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
