import { expect } from "chai";
import { ChannelBook } from "../../keepers/payments/book.ts";
import { type Store, groupedTransactions, openStore } from "../../keepers/storage/index.ts";
import { type SimulatedClock, simulatedClock } from "../../keepers/clock/index.ts";
import { type World, world } from "./fixture.ts";
import { type TestNode, type WireReceipt, payer, startNode, view } from "./node.ts";

/** A store that counts its transactions and can refuse the next commit. */
function watched(): { store: Store; commits: () => number; failNext: () => void } {
  const store = openStore(":memory:");
  let commits = 0;
  let failing = false;
  const transaction: Store["transaction"] = (work) =>
    store.transaction(() => {
      const result = work();
      commits++;
      if (failing) {
        failing = false;
        throw new Error("disk full");
      }
      return result;
    });
  return { store: { ...store, transaction }, commits: () => commits, failNext: () => (failing = true) };
}

describe("group commit", () => {
  it("what arrives together shares one commit; what throws takes only itself back", async () => {
    const { store, commits } = watched();
    store.run("CREATE TABLE t (n INTEGER PRIMARY KEY)");
    const grouped = groupedTransactions(store);
    const insert = (n: number, fail = false) =>
      grouped(() => {
        store.run("INSERT INTO t VALUES (?)", n);
        if (fail) throw new Error(`no ${n}`);
        return n;
      });
    const results = await Promise.allSettled([insert(1), insert(2, true), insert(3), insert(3)]);
    expect(results.map(({ status }) => status)).to.deep.equal(["fulfilled", "rejected", "fulfilled", "rejected"]);
    expect(store.all<{ n: number }>("SELECT n FROM t").map(({ n }) => n)).to.deep.equal([1, 3]);
    expect(commits()).to.equal(1);
    await insert(4);
    expect(commits()).to.equal(2);
  });

  it("nobody is told of success when the commit fails, and nothing of it stays", async () => {
    const { store, failNext } = watched();
    store.run("CREATE TABLE t (n INTEGER PRIMARY KEY)");
    const grouped = groupedTransactions(store);
    failNext();
    const results = await Promise.allSettled([1, 2].map((n) => grouped(() => store.run("INSERT INTO t VALUES (?)", n))));
    expect(results.map(({ status }) => status)).to.deep.equal(["rejected", "rejected"]);
    expect(store.all("SELECT * FROM t")).to.deep.equal([]);
    await grouped(() => store.run("INSERT INTO t VALUES (3)"));
    expect(store.all("SELECT * FROM t")).to.have.length(1);
  });

  it("a sequence is reserved once for each lock, whatever shares its commit", async () => {
    const book = new ChannelBook(openStore(":memory:"), () => 0);
    const ids = Array.from({ length: 4 }, (_, i) => `0x${String(i + 1).repeat(64)}`);
    const channel = (id: string) => ({
      channelId: id, channelConfig: { payer: "0x00" } as never, chargedCumulativeAmount: "0", signedMaxClaimable: "10", signature: "0x", balance: "100",
      totalClaimed: "0", withdrawRequestedAt: 0, refundNonce: 0, lastRequestTimestamp: 0,
    });
    for (const round of [0, 1, 2]) {
      await Promise.all(ids.map((id) => book.updateChannel(id, () => ({ ...channel(id), pendingRequest: { pendingId: `${id} ${round}`, signedMaxClaimable: "10", expiresAt: 1 } }))));
      expect(ids.map((id) => book.reservationOf(`${id} ${round}`).sequence)).to.deep.equal([0, 1, 2, 3].map(() => BigInt(round)));
      await Promise.all(ids.map((id) => book.updateChannel(id, (current) => ({ ...current!, pendingRequest: undefined }))));
    }
  });
});

describe("the book follows the chain", () => {
  let w: World;
  let node: TestNode;
  let clock: SimulatedClock;
  before(async () => {
    w = await world();
    clock = simulatedClock(1, Date.now());
    node = await startNode(w, { chainMaxAgeMs: 10_000, clock });
  });
  after(() => node.close());

  const buy = async (post: Awaited<ReturnType<typeof payer>>["post"]) => {
    const answer = await post({ charge: 5 });
    if (answer.response.ok) return answer.confirm(view(((await answer.response.json()) as { receipt: WireReceipt }).receipt));
    throw new Error(await answer.response.text());
  };

  it("a withdrawal is seen in its block, refused without asking the chain, and forgotten when a reorganisation drops it", async () => {
    const { post, signer } = await payer(w, node);
    const { paymentId } = await buy(post);
    await node.gate.watch.step();
    const undo = await w.networkHelpers.takeSnapshot();
    await w.networkHelpers.impersonateAccount(signer.address);
    await w.networkHelpers.setBalance(signer.address, 10n ** 18n);
    await w.channels.connect(await w.ethers.getSigner(signer.address)).initiateWithdraw(node.gate.book.bookedOf(paymentId)!.channelConfig, 10_000n);
    expect(node.urgent).to.not.include(paymentId);
    await node.gate.watch.step();
    expect(node.urgent).to.include(paymentId);
    expect(await buy(post).catch((error: Error) => error.message)).to.contain("begun to withdraw");

    await undo.restore();
    await w.networkHelpers.mine(3);
    await node.gate.watch.step();
    expect((await buy(post)).charge).to.equal(5n);
  });

  it("requests on a known channel make no call to the chain, until its copy is old", async () => {
    const { post } = await payer(w, node);
    await buy(post);
    await node.gate.watch.step();
    const before = node.calls();
    await buy(post);
    await buy(post);
    expect(node.calls()).to.equal(before);
    await clock.advance(10_001);
    await buy(post);
    expect(node.calls()).to.be.greaterThan(before);
  });

  it("a claim and a deposit made elsewhere are in the book after the next step", async () => {
    const { post } = await payer(w, node);
    const { paymentId } = await buy(post);
    const booked = node.gate.book.bookedOf(paymentId)!;
    await w.escrow.register(booked.channelConfig, node.terms, booked.clientNonce!);
    await w.escrow.connect(w.authorizer).claim([{ voucher: { channel: booked.channelConfig, maxClaimableAmount: booked.signedMaxClaimable }, signature: booked.signature, totalClaimed: 5n }], "0x");
    await node.gate.watch.step();
    expect(node.gate.book.bookedOf(paymentId)!.totalClaimed).to.equal("5");
    expect((await buy(post)).cumulativeBefore).to.equal(5n);
  });
});
