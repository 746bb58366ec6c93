import { expect } from "chai";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { approveImage, deploySettlementTo } from "../../scripts/deploy/settlement.ts";
import { settlementParameters } from "../../scripts/deploy/parameters.ts";
import { IMAGE, WORKLOAD, settlementWorld } from "../utils/settlement-world.ts";

describe("deploying the settlement chain", () => {
  it("a second run sends nothing and keeps every address", async () => {
    const w = await settlementWorld();
    const root = mkdtempSync(join(tmpdir(), "og-deploy-"));
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
