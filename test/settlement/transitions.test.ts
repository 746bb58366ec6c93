import { expect } from "chai";
import { BatchStatus, nameOf } from "../../sdk/protocol/index.ts";
import { type World, bytes32 } from "../utils/settlement-world.ts";
import { type Built, build, line } from "./builder.ts";
import { certify, committeeWorld, elapse, type FullNode } from "./quorum.ts";

/** Every state of a header x every call that would move it: only what PROTOCOL section 4 lists is possible. */
describe("forbidden transitions of a header", () => {
  let w: World;
  let node: FullNode;
  let full: FullNode[];
  let arbiter: World["settlement"];
  let counter = 0;
  before(async () => {
    ({ w, node, full } = await committeeWorld({ stakes: [2n] }));
    arbiter = w.settlement.connect(await w.acting("FaultCourt"));
  });

  const fresh = async () => build(w, node, line(node, await w.now(), 2, { paymentId: bytes32(`transition ${counter++}`) }));
  const post = async (fullBond: boolean) => {
    const built = await fresh();
    await w.settlement.postBatch(built.header, built.signature, fullBond);
    return built;
  };

  const states: Record<string, () => Promise<Built>> = {
    None: fresh,
    Posted: () => post(false),
    Certified: async () => {
      const built = await post(false);
      await certify(w, built, 1n, full);
      return built;
    },
    Final: async () => {
      const built = await post(true);
      await elapse(w);
      await w.settlement.finalize(built.header);
      return built;
    },
    Rejected: async () => {
      const built = await post(false);
      await arbiter.reject(built.header, 1, w.relayer.address);
      return built;
    },
    RejectedNoFault: async () => {
      const built = await post(false);
      await arbiter.void(built.header, 0);
      return built;
    },
    Reposted: async () => {
      const built = await states.Rejected!();
      await moves.repost!(built);
      return built;
    },
  };
  const moves: Record<string, (built: Built) => Promise<unknown>> = {
    certify: (built) => certify(w, built, 1n, full),
    finalize: (built) => w.settlement.finalize(built.header),
    annul: (built) => w.settlement.annul(built.header),
    reject: (built) => arbiter.reject(built.header, 1, w.relayer.address),
    void: (built) => arbiter.void(built.header, 1),
    demand: (built) => arbiter.countDemand(built.header, true),
    repost: async (built) => {
      const [nonce, tip] = await w.settlement.tip(node.nodeId);
      const again = await build(w, node, built.receipts.slice(0, 1), { nonce: nonce + 1n, prevHeader: `${tip}${"00".repeat(8)}` as `0x${string}` });
      return w.settlement.repost(built.header, again.header, again.signature, false);
    },
  };
  /** What is possible right after the state was reached. */
  const allowed: Record<string, string[]> = {
    None: [], Posted: ["certify", "reject", "void", "demand"], Certified: ["reject", "void", "demand"], Final: [], Rejected: ["repost"],
    RejectedNoFault: [], Reposted: [],
  };
  /** Refused for now, by time and not by state. */
  const later: Record<string, string[]> = { Posted: ["annul"], Certified: ["annul", "finalize"] };

  for (const [state, reach] of Object.entries(states)) {
    for (const [move, act] of Object.entries(moves)) {
      const may = allowed[state]!.includes(move);
      it(`${state}: ${move} ${may ? "moves" : "is refused"}`, async () => {
        const snapshot = await w.networkHelpers.takeSnapshot();
        const built = await reach();
        expect(nameOf(BatchStatus, Number(await w.settlement.status(built.header)))).to.equal(state);
        if (may) await act(built);
        else if (later[state]?.includes(move)) await expect(act(built)).to.revert(w.ethers);
        else await expect(act(built)).to.be.revertedWithCustomError(w.settlement, "SettlementInvalidTransition");
        await snapshot.restore();
      });
    }
  }

  it("Rejected: no repost after T_repost, nor one that covers more", async () => {
    const built = await states.Rejected!();
    const more = await build(w, node, [...built.receipts, ...line(node, await w.now(), 1, { paymentId: bytes32("more") })], {}, built.hash);
    await expect(w.settlement.repost(built.header, more.header, more.signature, false)).to.be.revertedWithCustomError(w.settlement, "SettlementBadHeader");
    await w.networkHelpers.time.increase(Number(w.parameters.settlement.repostTime) + 1);
    await expect(moves.repost!(built)).to.be.revertedWithCustomError(w.settlement, "SettlementTooLate");
  });
});
