import { expect } from "chai";
import { Role } from "../../sdk/protocol/index.ts";
import { type World, ZERO, encodeAttestation, secpSigner, settlementWorld } from "../utils/settlement-world.ts";

/** NodeStatus of INodeRegistry. */
const Status = { None: 0, Registered: 1, Active: 2, Dead: 3, Draining: 4, Exiting: 5, Exited: 6, Jailed: 7, Banned: 8 } as const;

describe("NodeRegistry, bond and exit", () => {
  let w: World;
  before(async () => {
    w = await settlementWorld();
  });

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

  it("pages of active nodes are bounded and complete", async () => {
    const active: string[] = [];
    for (let i = 0; i < 4; i++) active.push((await w.addNode(Role.Inference)).nodeId);
    await w.registerNode(Role.Inference);
    const seen: string[] = [];
    let cursor = 0n;
    do {
      const [ids, next] = await w.registry.activeNodes(Role.Inference, cursor, 3);
      expect(ids.length).to.be.lessThanOrEqual(3);
      seen.push(...ids);
      cursor = next;
    } while (cursor !== 0n);
    expect(seen).to.include.members(active);
    expect(new Set(seen).size).to.equal(seen.length);
    for (const nodeId of seen) expect(await w.registry.isActive(nodeId)).to.equal(true);
    await expect(w.registry.activeNodes(Role.Inference, 0, 101)).to.be.revertedWithCustomError(w.registry, "NodeRegistryLimit");
  });
});
