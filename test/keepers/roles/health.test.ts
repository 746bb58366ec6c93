import { expect } from "chai";
import { createHealthMetrics } from "../../../keepers/roles/full/health.ts";
import { fullStore } from "../../../keepers/roles/full/store.ts";
import { Role } from "../../../sdk/protocol/index.ts";
import { build, line } from "../../settlement/builder.ts";
import { settlementWorld } from "../../utils/settlement-world.ts";
import { worldPlatform } from "../support/world-platform.ts";

describe("invariants as metrics of a full node", () => {
  it("1 while they hold, 0 for the one that does not", async () => {
    const w = await settlementWorld();
    const node = await w.addNode(Role.Inference);
    const built = await build(w, node, line(node, await w.now(), 2));
    await w.settlement.postBatch(built.header, built.signature, false);
    const platform = await worldPlatform(w, "health", () => []);
    const store = fullStore(platform.store);
    store.addHeader({ hash: built.hash, kind: "batch", header: built.header, fullBond: false, postedBlock: 1n, txHash: built.hash });
    store.addTransition({ headerHash: built.hash, status: 1, block: 1n, logIndex: 0, txHash: built.hash });
    const look = createHealthMetrics(platform, store);
    const value = (id: string) => new RegExp(`invariant_holds\\{id="${id}"\\} (\\d)`).exec(platform.metrics.render())?.[1];
    await look();
    for (const id of ["R4", "R5", "R6", "R7", "R9", "S1", "S2", "S4", "S7"]) expect(value(id), id).to.equal("1");

    // Bond tokens vanish: no call can do that, a broken token could.
    await w.networkHelpers.impersonateAccount(w.addresses.NodeRegistry);
    await w.networkHelpers.setBalance(w.addresses.NodeRegistry, 10n ** 18n);
    await w.token.connect(await w.ethers.getSigner(w.addresses.NodeRegistry)).transfer(w.relayer.address, 1n);
    await look();
    expect(value("S7")).to.equal("0");
    expect(value("R4")).to.equal("1");
    await platform.stop();
  });
});
