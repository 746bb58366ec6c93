import { expect } from "chai";
import { DEVNET_TIMES } from "../../scripts/deploy/payment.ts";
import { claimCall } from "../../keepers/payments/calls.ts";
import * as protocol from "../../sdk/protocol/index.ts";
import { type Channel, type World, SETTLEMENT, WHOLE, eachAnew, id, world } from "./fixture.ts";

const T = DEVNET_TIMES;
const PACKED = "0x";

describe("PaymentEscrow: invariants by number", () => {
  let w: World;
  eachAnew(async () => (w = await world()));

  /** All that money can show of itself: lines, credits, what is set aside, balances. */
  async function ledger(channels: readonly Channel[]) {
    const lines = await Promise.all(channels.map(async (channel) => [...(await w.escrow.lineOf(channel.paymentId))]));
    const people = [w.payout, w.royaltyTo, w.admin, ...channels.map(({ payer }) => payer)];
    const credits = await Promise.all(people.map((one) => w.credit(one)));
    const balances = await Promise.all([...people.map(({ address }) => address), w.addresses.PaymentEscrow].map((one) => w.token.balanceOf(one)));
    const shares = await w.escrow.sharesOf(protocol.termsHash(w.terms()), w.addresses.TestDollar);
    const { used } = await w.escrow.releaseCap(1n, w.addresses.TestDollar);
    return { lines, credits, balances, shares: [...shares], used };
  }

  const packed = async (channel: Channel, to: bigint) =>
    w.authorizer.sendTransaction({ to: w.addresses.PaymentEscrow, data: claimCall([(await w.row(channel, to)) as never], PACKED) });
  const pastRefund = () => w.networkHelpers.time.increase(T.refund + T.stopMax + 1);

  describe("E7 the same twice has no effect", () => {
    it("claims: plain, packed, both after each other, the same row twice in one call", async () => {
      const channel = await w.open();
      await packed(channel, 500n);
      const before = await ledger([channel]);
      await packed(channel, 500n);
      await w.claim(channel, 500n);
      await w.escrow.connect(w.authorizer).claim([await w.row(channel, 500n), await w.row(channel, 400n)], "0x");
      expect(await ledger([channel])).to.deep.equal(before);
      const twice = [await w.row(channel, 700n), await w.row(channel, 700n)];
      expect(await w.escrow.connect(w.authorizer).claim.staticCall(twice, "0x")).to.deep.equal([1n, 1n]);
      await w.escrow.connect(w.authorizer).claim(twice, "0x");
      expect((await w.money(channel)).totalClaimed).to.equal(700n);
    });

    it("private channels: a row twice in one call pays once", async () => {
      const channel = await w.open({ terms: w.terms({ settlementMode: protocol.SettlementMode.Private }) });
      await w.escrow.connect(w.authorizer).claim([await w.row(channel, 1_000n), await w.row(channel, 1_000n), await w.row(channel, 600n)], "0x");
      expect(await w.credit(w.payout)).to.equal(880n);
      await packed(channel, 1_000n);
      expect(await w.credit(w.payout)).to.equal(880n);
    });

    it("certificate, leaf, release, Ack", async () => {
      const channels = [await w.open(), await w.open()];
      for (const channel of channels) await w.claim(channel, 1_000n);
      const stretches = channels.map((channel) => w.stretch(channel, 0n, 600n));
      const { header, places } = w.headerOf(stretches);
      await w.finalise(header);
      await w.escrow.release(header, stretches, WHOLE);
      const before = await ledger(channels);
      await w.finalise(header);
      await w.escrow.release(header, stretches, WHOLE);
      await w.escrow.release(header, [stretches[1]!], places(1));
      await w.escrow.connect(w.authorizer).release(header, [stretches[0]!], places(0));
      expect(await ledger(channels)).to.deep.equal(before);
      // A leaf twice in one call is no place of the tree.
      await expect(w.escrow.release(header, [stretches[0]!, stretches[0]!], { indices: [0, 0], path: [] })).to.be.revertedWithCustomError(w.declared, "TreeBadProofShape");
      // Two headers that cover the same interval pay once.
      const again = w.headerOf(stretches);
      await w.finalise(again.header);
      await w.escrow.release(again.header, stretches, WHOLE);
      expect(await ledger(channels)).to.deep.equal(before);
      const signature = await w.signAck(channels[0]!, 800n);
      await w.escrow.ack(channels[0]!.paymentId, 800n, signature);
      const acked = await ledger(channels);
      await w.escrow.ack(channels[0]!.paymentId, 800n, signature);
      await w.escrow.ack(channels[0]!.paymentId, 500n, await w.signAck(channels[0]!, 500n));
      expect(await ledger(channels)).to.deep.equal(acked);
    });

    it("refunds, collect, withdraw", async () => {
      const channel = await w.open();
      await w.claim(channel, 1_000n);
      const stretches = [w.stretch(channel, 0n, 300n)];
      const { header } = w.headerOf(stretches);
      await w.finalise(header, protocol.BatchStatus.Rejected);
      await w.escrow.refundRejected(header, stretches, WHOLE);
      await w.escrow.ack(channel.paymentId, 500n, await w.signAck(channel, 500n));
      await pastRefund();
      await w.escrow.refundExpired(channel.paymentId);
      await w.collect();
      await w.escrow.withdraw(w.royaltyTo.address, w.addresses.TestDollar);
      const before = await ledger([channel]);
      await w.escrow.refundRejected(header, stretches, WHOLE);
      await w.collect();
      await pastRefund();
      await expect(w.escrow.refundExpired(channel.paymentId)).to.be.revertedWithCustomError(w.escrow, "EscrowNothingHeld");
      await expect(w.escrow.withdraw(w.royaltyTo.address, w.addresses.TestDollar)).to.be.revertedWithCustomError(w.escrow, "EscrowNothingToWithdraw");
      await w.escrow.sync([channel.paymentId, channel.paymentId]);
      expect(await ledger([channel])).to.deep.equal(before);
    });
  });

  describe("E14 every held unit becomes payable to someone, by a call that anyone may make", () => {
    it("within 2 x T_refund + T_stopMax, though the inbox says nothing at all", async () => {
      const channel = await w.open();
      await w.claim(channel, 300n);
      const start = await w.networkHelpers.time.latest();
      // Claimed a moment later, above the mark: the unit that waits longest.
      await w.claim(channel, 1_000n);
      await w.networkHelpers.time.increaseTo(start + T.refund + T.stopMax);
      await w.escrow.connect(w.relayer).refundExpired(channel.paymentId);
      await w.networkHelpers.time.increaseTo(start + 2 * T.refund + T.stopMax + 10);
      await w.escrow.connect(w.relayer).refundExpired(channel.paymentId);
      expect(await w.credit(channel.payer)).to.equal(1_000n);
    });

    it("nor do silences that come again and again stretch it", async () => {
      const channel = await w.open();
      await w.claim(channel, 300n);
      const start = await w.networkHelpers.time.latest();
      await w.claim(channel, 1_000n);
      const { header } = w.headerOf([w.stretch(channel, 0n, 1n)]);
      const zero = `0x${"00".repeat(32)}` as const;
      // Somebody looks every 15 seconds.
      const end = start + 2 * T.refund + T.stopMax + 2 * 15;
      // Heard once in five T_silent: four fifths of the time the clock stands still.
      let heard = start;
      for (let now = start, beats = 1n; now + 20 < end; now = await w.networkHelpers.time.latest()) {
        await w.networkHelpers.time.increase(15);
        if (now - heard > 5 * T.silence) {
          await w.inbox.record(await w.certificate(header, { headerHash: zero, slot: zero, channelsRoot: zero, status: 0, settledAt: beats++ }));
          heard = now;
        }
        const { amount } = await w.lens.previewRefund(w.addresses.PaymentEscrow, channel.paymentId);
        if (amount > 0n) await w.escrow.connect(w.relayer).refundExpired(channel.paymentId);
      }
      await w.networkHelpers.time.increaseTo(end);
      if ((await w.money(channel)).held > 0n) await w.escrow.connect(w.relayer).refundExpired(channel.paymentId);
      expect(await w.credit(channel.payer)).to.equal(1_000n);
    });

    it("a claim past the escrow counts from the call that looks after it, anyone's", async () => {
      const channel = await w.open();
      await w.channels.connect(w.authorizer).claim([await w.row(channel, 400n)]);
      await w.escrow.connect(w.relayer).sync([channel.paymentId]);
      await pastRefund();
      await w.escrow.connect(w.relayer).refundExpired(channel.paymentId);
      expect(await w.credit(channel.payer)).to.equal(400n);
    });

    it("a line wider than one mark is decided mark by mark", async () => {
      const whole = 2n ** 88n + 500n;
      const channel = await w.open({ deposit: whole });
      await packed(channel, whole);
      expect((await w.money(channel)).mark).to.equal(2n ** 88n - 1n);
      await pastRefund();
      await w.escrow.connect(w.relayer).refundExpired(channel.paymentId);
      await pastRefund();
      await w.escrow.connect(w.relayer).refundExpired(channel.paymentId);
      expect(await w.credit(channel.payer)).to.equal(whole);
    });
  });

  describe("a bad node gains nothing", () => {
    it("that claims its ceilings: what no receipt covers goes back", async () => {
      const channel = await w.open();
      // 700 were delivered and posted; the voucher's ceiling is 1,000.
      await w.escrow.connect(w.authorizer).claim([await w.row(channel, 1_000n, 1_000n)], "0x");
      const stretches = [w.stretch(channel, 0n, 700n)];
      const { header } = w.headerOf(stretches);
      await w.finalise(header);
      await w.escrow.release(header, stretches, WHOLE);
      await pastRefund();
      await w.escrow.refundExpired(channel.paymentId);
      expect([await w.credit(w.payout), await w.credit(channel.payer)]).to.deep.equal([616n, 300n]);
    });

    it("that posts nothing: all goes back", async () => {
      const channel = await w.open();
      await packed(channel, 1_000n);
      await pastRefund();
      await w.escrow.refundExpired(channel.paymentId);
      expect([await w.credit(w.payout), await w.credit(channel.payer)]).to.deep.equal([0n, 1_000n]);
    });

    it("that calls held money private: the salt knows better, and default terms are always held", async () => {
      const held = await w.open({ register: false });
      const terms = { ...held.terms!, settlementMode: protocol.SettlementMode.Private };
      await expect(w.escrow.connect(w.authorizer).register(held.config, terms, held.clientNonce)).to.be.revertedWithCustomError(w.escrow, "EscrowWrongSalt");
      const stock = await w.open({ register: false, salt: `0x${"00".repeat(32)}` });
      await expect(w.escrow.register(stock.config, terms, stock.clientNonce)).to.be.revertedWithCustomError(w.escrow, "EscrowWrongSalt");
      await w.escrow.connect(w.authorizer).setDefaultTerms(terms);
      await w.escrow.registerDefault(stock.config);
      await packed(stock, 1_000n);
      expect(await w.credit(w.payout)).to.equal(0n);
      expect((await w.money(stock)).held).to.equal(1_000n);
    });
  });

  it("E15 a certificate for another settlement contract or chain carries no quorum here", async () => {
    const channel = await w.open();
    const { header } = w.headerOf([w.stretch(channel, 0n, 1n)]);
    const good = await w.certificate(header);
    for (const over of [{ chainId: 1 }, { verifyingContract: w.payout.address as `0x${string}` }]) {
      const domain = protocol.eip712Domain({ ...SETTLEMENT, ...over });
      let signatures = "0x";
      for (const member of w.committee) signatures += (await member.signTypedData(domain, { Finality: [...protocol.statementTypes.Finality] }, good.finality)).slice(2);
      await expect(w.inbox.record({ ...good, quorum: { signers: 7n, signatures } })).to.be.revertedWithCustomError(w.inbox, "CommitteeWrongSigner");
    }
  });

  it("rows in another layout than every encoder's are refused, packed ones must be whole", async () => {
    const channel = await w.open();
    const data = w.escrow.interface.encodeFunctionData("claim", [[await w.row(channel, 100n), await w.row(channel, 200n)], "0x"]);
    // Words: selector | offset | offset | length | two row offsets. Both offsets at the first row: the second is never read as meant.
    const words = data.slice(10).match(/.{64}/g)!;
    words[4] = words[3]!;
    const call = { to: w.addresses.PaymentEscrow, data: `${data.slice(0, 10)}${words.join("")}`, from: w.authorizer.address };
    await expect(w.ethers.provider.call(call)).to.be.revertedWithCustomError(w.escrow, "EscrowBadRows");
    const shape = { receiverAuthorizer: w.authorizer.address, token: w.addresses.TestDollar, withdrawDelay: 86_400 };
    await expect(w.escrow.claimPacked(shape, `0x${"11".repeat(148)}`, "0x")).to.be.revertedWithCustomError(w.escrow, "EscrowBadRows").withArgs(148);
    expect(await w.escrow.claimPacked.staticCall(shape, "0x", "0x")).to.deep.equal([]);
    await expect(w.escrow.release(w.headerOf([w.stretch(channel, 0n, 1n)]).header, [], WHOLE)).to.be.revertedWithCustomError(w.escrow, "EscrowNoVerdict");
    expect(id("x")).to.have.length(66);
  });
});
