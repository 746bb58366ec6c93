import { expect } from "chai";
import type { Address } from "viem";
import { systemClock } from "../../keepers/clock/index.ts";
import type { BookedChannel } from "../../keepers/payments/book.ts";
import { type ClaimPolicy, claimScheduler, planClaims } from "../../keepers/payments/claims.ts";
import { deployVault } from "../../scripts/deploy/payment.ts";
import { paymentTotals } from "../../sdk/payments/totals.ts";
import { type World, world } from "./fixture.ts";
import { type TestNode, type WireReceipt, account, payer, startNode, view } from "./node.ts";

const policy: ClaimPolicy = { exposure: 1_000n, ageMs: 60_000, maxGasPrice: 10n, maxRows: 3 };

const channel = (id: string, charged: number, over: Partial<BookedChannel> = {}): BookedChannel => ({
  channelId: id, channelConfig: {} as never, chargedCumulativeAmount: String(charged), signedMaxClaimable: String(charged), signature: "0x", balance: "100000",
  totalClaimed: "0", withdrawRequestedAt: 0, refundNonce: 0, lastRequestTimestamp: 0, registered: true, acked: 0n, unclaimedSince: 0, ...over,
});
const plan = (channels: BookedChannel[], now: number, gasPrice = 1n) =>
  planClaims({ channels, now, gasPrice }, policy).map(({ channel: { channelId }, reason }) => `${channelId} ${reason}`);

describe("claim scheduler", () => {
  it("claims by exposure, age and gas price, and takes the others along", () => {
    expect(plan([channel("a", 999), channel("b", 10)], 59_999)).to.deep.equal([]);
    expect(plan([channel("a", 1_000), channel("b", 10), channel("c", 0)], 0)).to.deep.equal(["a exposure", "b company"]);
    expect(plan([channel("a", 1)], 60_000)).to.deep.equal(["a age"]);
    expect(plan([channel("a", 1)], 60_000, 11n)).to.deep.equal([]);
    // Gas may be dear for long, the payers' withdraw delay does not wait.
    expect(plan([channel("a", 1)], 120_000, 11n)).to.deep.equal(["a age"]);
    expect(plan([channel("a", 5_000), channel("w", 1, { withdrawRequestedAt: 7 })], 0)).to.deep.equal(["w withdrawal", "a exposure"]);
    expect(plan([channel("a", 1_001), channel("b", 1_002), channel("c", 1_003), channel("d", 1_004)], 0)).to.have.length(3);
    expect(plan([channel("a", 1_000, { totalClaimed: "1000" })], 1e9)).to.deep.equal([]);
  });

  describe("against the chain", () => {
    let w: World;
    let node: TestNode;
    let vault: Address;
    before(async () => {
      w = await world();
      vault = await deployVault(w.deployer, { nodeId: w.nodeId, payout: w.payout.address as Address, treasury: w.admin.address as Address, feeBps: 200 });
      node = await startNode(w, { vault });
    });
    after(() => node.close());

    it("registers, claims many payers at once, carries their Acks; the sums balance", async () => {
      const answer = async (post: Awaited<ReturnType<typeof payer>>["post"], body: object, init = {}) => {
        const paid = await post(body, init);
        await paid.confirm(view(((await paid.response.json()) as { receipt: WireReceipt }).receipt));
      };
      const payers = [await payer(w, node), await payer(w, node), await payer(w, node)];
      for (const { post } of payers) {
        await answer(post, { charge: 400 });
        await answer(post, { charge: 300 });
      }
      await answer(payers[0]!.post, { charge: 50 }, { scheme: "upto" });
      await answer(payers[0]!.post, { ceiling: 70, charge: 10 }, { scheme: "exact" });
      const scheduler = claimScheduler({
        book: node.gate.book, clock: systemClock(), client: node.client as never, watch: node.gate.watch, tx: node.tx, chainId: w.chainId, escrow: w.addresses.PaymentEscrow,
        authorizer: node.authorizer as never, sender: account(5).address, policy: { exposure: 2_000n, ageMs: 60_000, maxRows: 50 },
      });
      expect(scheduler.exposure()).to.equal(2_100n);
      expect((await scheduler.run()).transactions).to.deep.equal([]);
      const run = await scheduler.run(true);
      expect([run.claimed.length, run.acked, run.transactions.length, scheduler.exposure()]).to.deep.equal([3, 3, 3, 0n]);
      // Each second voucher carried an Ack for the first 400: they are released, the last 300 are held.
      const source = {
        client: node.client as never, escrow: w.addresses.PaymentEscrow, lens: w.addresses.EscrowLens, token: w.addresses.TestDollar, vaults: [vault],
      };
      const totals = await paymentTotals(source);
      expect(totals).to.deep.equal({ paid: 2_220n, released: 1_056n, fees: 24n, royalties: 120n, held: 900n, refunded: 0n, unprotected: 120n });
      expect((await scheduler.run(true)).transactions).to.deep.equal([]);

      const vaultContract = await w.ethers.getContractAt("NodeVault", vault);
      await vaultContract.withdraw(w.addresses.TestDollar);
      expect(await w.token.balanceOf(w.payout.address)).to.equal(118n);
      await expect(vaultContract.withdraw(w.addresses.TestDollar)).to.be.revertedWithCustomError(vaultContract, "VaultEmpty");
      expect((await paymentTotals(source)).unprotected).to.equal(120n);
    });

    it("a payer that begins to withdraw is refused and claimed at once", async () => {
      const { post, signer } = await payer(w, node);
      const paid = await post({ charge: 123 });
      const payment = await paid.confirm(view(((await paid.response.json()) as { receipt: WireReceipt }).receipt));
      const { channelConfig } = node.gate.book.bookedOf(payment.paymentId)!;
      await w.networkHelpers.impersonateAccount(signer.address);
      await w.networkHelpers.setBalance(signer.address, 10n ** 18n);
      await w.channels.connect(await w.ethers.getSigner(signer.address)).initiateWithdraw(channelConfig, 10_000n);
      const scheduler = claimScheduler({
        book: node.gate.book, clock: systemClock(), client: node.client as never, watch: node.gate.watch, tx: node.tx, chainId: w.chainId, escrow: w.addresses.PaymentEscrow,
        authorizer: node.authorizer as never, sender: account(5).address, policy: { exposure: 1_000_000n, ageMs: 60_000_000, maxRows: 50 },
      });
      const run = await scheduler.run();
      expect(run.claimed.map(({ reason }) => reason)).to.deep.equal(["withdrawal"]);
      const refused = await post({ charge: 1 });
      expect(refused.response.status).to.equal(402);
      expect(await refused.response.text()).to.contain("withdraw");
      expect(node.urgent).to.include(payment.paymentId);
    });
  });
});
