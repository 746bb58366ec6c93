import { expect } from "chai";
import { Role } from "../../sdk/protocol/index.ts";
import { type World, bytes32, settlementWorld } from "../utils/settlement-world.ts";

describe("R10 the registry's state, rebuilt from its events alone, is what its getters say", () => {
  let w: World;
  before(async () => {
    w = await settlementWorld();
  });

  it("status, bond, key, operator, endpoint", async () => {
    const nodes = [];
    for (let i = 0; i < 3; i++) nodes.push(await w.addNode(Role.Inference));
    const [a, b, c] = [nodes[0]!, nodes[1]!, nodes[2]!];
    const subject = bytes32("header");
    const settlement = w.registry.connect(await w.acting("InferenceSettlement"));
    await settlement.lockBond(a.nodeId, 500n, subject);
    await settlement.unlockBond(a.nodeId, 200n, subject);
    await w.registry.connect(a.operator).setEndpoint(a.nodeId, "https://moved.invalid", bytes32("tls 2"), bytes32("hpke 2"));
    await settlement.slash(b.nodeId, subject, 7n, false, w.relayer.address);
    await w.registry.connect(b.operator).transferOperator(b.nodeId, a.operator.address);
    await w.registry.connect(a.operator).acceptOperator(b.nodeId);
    await w.networkHelpers.mine(Number(w.parameters.registry.heartbeatBlocks) + 2);
    await w.registry.connect(w.relayer).markDead(b.nodeId);
    await w.registry.connect(c.operator).reduceBond(c.nodeId, 11n);
    await w.registry.connect(c.operator).drain(c.nodeId);
    await w.registry.connect(c.operator).exit(c.nodeId);
    await w.networkHelpers.time.increase(Number(w.parameters.registry.exitDelay));
    await w.registry.connect(c.operator).withdraw(c.nodeId, c.operator.address);

    const state = new Map<string, { status: bigint; operator: string; endpoint: string; keyId: string; free: bigint; locked: bigint; exiting: bigint }>();
    for (const log of await w.registry.queryFilter("*" as never)) {
      const { name, args } = w.registry.interface.parseLog(log as never)!;
      const at = state.get(args.nodeId);
      switch (name) {
        case "NodeRegistered":
          state.set(args.nodeId, { status: 0n, operator: args.operator, endpoint: args.params.endpoint, keyId: `0x${"00".repeat(32)}`, free: 0n, locked: 0n, exiting: 0n });
          break;
        case "NodeStatusChanged": if (at) at.status = args.to; break;
        case "EndpointChanged": at!.endpoint = args.endpoint; break;
        case "OperatorTransferred": at!.operator = args.to; break;
        case "KeyEpochOpened": at!.keyId = args.keyId; break;
        case "KeyEpochRetired": at!.keyId = `0x${"00".repeat(32)}`; break;
        case "BondAdded": at!.free += args.amount; break;
        case "BondLocked": at!.free -= args.amount; at!.locked += args.amount; break;
        case "BondUnlocked": at!.free += args.amount; at!.locked -= args.amount; break;
        case "BondSlashed": at!.free -= args.amount; break; // nothing locked in these slashes
        case "DeadFeePaid": at!.free -= args.amount; break;
        case "BondExiting": at!.free -= args.amount; at!.exiting += args.amount; break;
        case "BondWithdrawn": at!.exiting -= args.amount; break;
      }
    }
    expect(state.size).to.equal(3);
    for (const [nodeId, rebuilt] of state) {
      const [node, bond] = [await w.registry.node(nodeId), await w.registry.bond(nodeId)];
      expect(rebuilt).to.deep.equal({
        status: node.status, operator: node.operator, endpoint: node.endpoint, keyId: node.keyId, free: bond.free, locked: bond.locked, exiting: bond.exiting,
      });
    }
  });
});
