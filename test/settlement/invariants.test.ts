import { expect } from "chai";
import type { Hex } from "viem";
import { BatchStatus, Role, nameOf } from "../../sdk/protocol/index.ts";
import { Random } from "../utils/random.ts";
import { type World, bytes32, secpSigner, settlementWorld } from "../utils/settlement-world.ts";
import { type Built, build, line, settlementOf, terms } from "./builder.ts";

/** Legal moves of a header; everything else must never be seen. */
const MOVES: Record<number, number[]> = {
  [BatchStatus.None]: [BatchStatus.Posted, BatchStatus.Final],
  [BatchStatus.Posted]: [BatchStatus.Certified, BatchStatus.Final, BatchStatus.Rejected, BatchStatus.RejectedNoFault],
  [BatchStatus.Certified]: [BatchStatus.Final, BatchStatus.Rejected, BatchStatus.RejectedNoFault],
  [BatchStatus.Final]: [], [BatchStatus.RejectedNoFault]: [], [BatchStatus.Rejected]: [BatchStatus.Reposted], [BatchStatus.Reposted]: [],
};
/** Legal moves of a node, by NodeStatus. */
const NODE_MOVES: Record<number, number[]> = {
  1: [2, 4, 7, 8], 2: [1, 3, 4, 7, 8], 3: [1, 2, 4, 7, 8], 4: [5, 8], 5: [6, 8], 6: [], 7: [1, 4, 8], 8: [],
};

interface Actor {
  node: Awaited<ReturnType<World["addNode"]>>;
  sequence: bigint;
  batches: Built[];
}

/** Random calls, legal and not, by several nodes; after each one the invariants hold. The seed is in the test's name. */
function walk(seed: number, steps: number): void {
  it(`seed ${seed}: ${steps} random calls keep R1 R3 R4 R6 R7, S1 S2 S4 S7 and X1`, async () => {
    const w = await settlementWorld();
    const court = await w.acting("FaultCourt");
    const random = new Random(seed);
    const actors: Actor[] = [];
    for (let i = 0; i < 3; i++) {
      const node = await w.addNode(Role.Inference);
      actors.push({ node, sequence: 0n, batches: [] });
    }
    const statuses = new Map<Hex, number>();
    const nodeStatuses = new Map<Hex, number>(actors.map(({ node }) => [node.nodeId, 2]));
    const reached = new Set<string>();

    const pick = (a: Actor) => (a.batches.length === 0 ? undefined : random.pick(a.batches));
    const fresh = async (a: Actor) => {
      const count = 1 + random.below(3);
      const receipts = line(a.node, await w.now(), count, { cumulativeBefore: a.sequence * 100n, sequence: a.sequence, paymentId: bytes32(`p ${a.node.nodeId}`) });
      a.sequence += BigInt(count);
      return build(w, a.node, receipts);
    };
    const calls: Record<string, (a: Actor) => Promise<unknown>> = {
      post: async (a) => {
        const built = await fresh(a);
        await w.settlement.postBatch(built.header, built.signature, random.below(2) === 0);
        a.batches.push(built);
      },
      settle: async (a) => {
        const built = await fresh(a);
        await w.settlement.settle(settlementOf(built, [terms(a.node)]));
        a.batches.push(built);
      },
      replay: async (a) => {
        const built = pick(a);
        if (built) await w.settlement.postBatch(built.header, built.signature, false);
      },
      finalize: async (a) => pick(a) && w.settlement.finalize(pick(a)!.header),
      annul: async (a) => pick(a) && w.settlement.annul(pick(a)!.header),
      reject: async (a) => pick(a) && w.settlement.connect(court).reject(pick(a)!.header, 1, w.relayer.address),
      repost: async (a) => {
        const old = pick(a);
        if (!old) return;
        const [nonce, tip] = await w.settlement.tip(a.node.nodeId);
        const again = await build(w, a.node, old.receipts.slice(0, 1), { nonce: nonce + 1n }, `${tip}${"00".repeat(8)}` as Hex);
        await w.settlement.repost(old.header, again.header, again.signature, false);
        a.batches.push(again);
      },
      time: async () => w.networkHelpers.time.increase(random.below(100)),
      blocks: async () => w.networkHelpers.mine(1 + random.below(5)),
      drain: async (a) => random.below(6) === 0 && w.registry.connect(a.node.operator).drain(a.node.nodeId),
      exit: async (a) => w.registry.connect(a.node.operator).exit(a.node.nodeId),
      withdraw: async (a) => w.registry.connect(a.node.operator).withdraw(a.node.nodeId, a.node.operator.address),
      reduce: async (a) => w.registry.connect(a.node.operator).reduceBond(a.node.nodeId, BigInt(random.below(1_000)) * 10n ** 18n),
      slash: async (a) => random.below(4) === 0 && w.registry.connect(court).slash(a.node.nodeId, bytes32("s"), BigInt(random.below(700)) * 10n ** 18n, false, w.relayer.address),
      reward: async () => w.registry.connect(w.relayer).withdrawReward(),
      addBond: async (a) => {
        const amount = BigInt(random.below(500)) * 10n ** 18n;
        await w.token.mint(w.admin.address, amount);
        await w.token.approve(w.registry, amount);
        await w.registry.addBond(a.node.nodeId, amount);
      },
      dead: async (a) => w.registry.connect(w.relayer).markDead(a.node.nodeId),
      compromise: async (a) => random.below(8) === 0 && w.registry.connect(a.node.operator).reportCompromise(a.node.nodeId, a.node.keyId, await w.now()),
      attest: async (a) => {
        const signer = secpSigner(`seed ${seed} ${random.next()}`);
        const { keyId } = await w.attest(a.node, signer);
        a.node = { ...a.node, keyId, signer };
      },
    };

    for (let step = 0; step < steps; step++) {
      const name = random.pick(Object.keys(calls));
      const actor = random.pick(actors);
      try {
        await calls[name]!(actor);
        reached.add(name);
      } catch (error) {
        // X7: whatever is refused is refused by a declared error.
        expect(String(error), `${step} ${name}`).to.match(/custom error|NodeRegistry|Settlement|AttestationGate/);
      }
      await check(`${step} ${name}`);
    }
    expect(reached.size, [...reached].join(" ")).to.be.greaterThan(12);

    async function check(at: string): Promise<void> {
      let total = 0n;
      for (const a of actors) {
        const bond = await w.registry.bond(a.node.nodeId);
        total += bond.free + bond.locked + bond.exiting;
        let locks = 0n;
        const nonces = new Set<bigint>();
        for (const built of a.batches) {
          const entry = await w.settlement.batch(built.header);
          const now = Number(entry.status);
          const before = statuses.get(built.hash) ?? BatchStatus.None;
          if (now !== before) expect(MOVES[before], `S1 ${at}: ${nameOf(BatchStatus, before)} -> ${nameOf(BatchStatus, now)}`).to.include(now);
          statuses.set(built.hash, now);
          nonces.add(built.header.nonce);
          if (now === BatchStatus.Posted || now === BatchStatus.Certified) locks += await w.settlement.lockOf(built.header.totalCharge, entry.fullBond);
          if (now === BatchStatus.Final) expect(entry.openDemands, `S4 ${at}`).to.equal(0n);
        }
        expect(bond.locked, `S4 locks ${at}`).to.equal(locks);
        const [nonce] = await w.settlement.tip(a.node.nodeId);
        expect(nonces.size, `S2 ${at}`).to.equal(a.batches.length);
        expect(nonce, `S2 ${at}`).to.equal(BigInt(a.batches.length));
        const { status } = await w.registry.node(a.node.nodeId);
        const was = nodeStatuses.get(a.node.nodeId)!;
        // A call moves a node at most twice (slash: nothing twice; attest: Registered -> Active).
        if (Number(status) !== was) expect(NODE_MOVES[was], `R3 ${at}: ${was} -> ${status}`).to.include(Number(status));
        nodeStatuses.set(a.node.nodeId, Number(status));
        if (status === 2n) expect(bond.free + bond.locked >= w.parameters.registry.minBondInference, `R4 ${at}`).to.equal(true);
      }
      expect(await w.registry.bondTotal(Role.Inference), `S7 ${at}`).to.equal(total);
      const rewards = (await w.registry.reward(w.relayer.address)) + (await w.registry.reward(w.addresses.FullNodeRewards));
      expect(await w.token.balanceOf(w.registry), `X1 ${at}`).to.equal(total + rewards);
      for (const finding of await w.health.all()) {
        if (!finding.id.startsWith("committee")) expect(finding.ok, `${finding.id} ${at}`).to.equal(true);
      }
    }
  });
}

describe("registry and settlement under random calls", () => {
  for (const seed of [1, 2, 3]) walk(seed, 120);
});
