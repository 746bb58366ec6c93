import { expect } from "chai";
import * as protocol from "../../sdk/protocol/index.ts";
import { DEVNET_TIMES } from "../../scripts/deploy/payment.ts";
import { type World, WHOLE, eachAnew, id, world } from "./fixture.ts";

const Status = { Settled: 1, NotRegistered: 2, WrongPlace: 3, WrongNode: 4, Gap: 5, Empty: 6, CapReached: 7, TokenImpaired: 8 };

describe("PaymentEscrow, what releases money", () => {
  let w: World;
  eachAnew(async () => (w = await world()));

  describe("release by certificate", () => {
    it("pays stretches of a final header, with paths or as a whole list, and previews agree item by item", async () => {
      const many = [await w.open(), await w.open(), await w.open()];
      for (const channel of many) await w.claim(channel, 1_000n);
      const stretches = many.map((channel, i) => w.stretch(channel, 0n, 300n + BigInt(i)));
      const { header, hash, places } = w.headerOf(stretches);
      await expect(w.escrow.release(header, stretches, WHOLE)).to.be.revertedWithCustomError(w.escrow, "EscrowNoVerdict").withArgs(hash);
      await w.finalise(header);
      const [statuses, splits] = await w.lens.previewRelease(w.addresses.PaymentEscrow, header, stretches);
      expect(statuses).to.deep.equal([Status.Settled, Status.Settled, Status.Settled].map(BigInt));
      await w.escrow.release(header, [stretches[1]!], places(1));
      expect(await w.credit(w.payout)).to.equal(splits[1]!.net);
      expect(await w.escrow.release.staticCall(header, stretches, WHOLE)).to.deep.equal([Status.Settled, Status.Empty, Status.Settled].map(BigInt));
      await w.escrow.release(header, stretches, WHOLE);
      expect(await w.credit(w.payout)).to.equal(splits.reduce((sum, split) => sum + split.net, 0n));
      expect((await w.money(many[0]!)).held).to.equal(700n);
    });

    it("E4 E15 without the right verdict nothing moves", async () => {
      const channel = await w.open();
      await w.claim(channel, 1_000n);
      const stretches = [w.stretch(channel, 0n, 1_000n)];
      const { header } = w.headerOf(stretches);
      await w.finalise(header, protocol.BatchStatus.Rejected);
      await expect(w.escrow.release(header, stretches, WHOLE)).to.be.revertedWithCustomError(w.escrow, "EscrowWrongVerdict");
      const other = w.headerOf(stretches);
      await w.finalise(other.header);
      await expect(w.escrow.release(other.header, [w.stretch(channel, 0n, 999n)], other.places(0))).to.be.revertedWithCustomError(w.escrow, "EscrowNotInRoot");
      await expect(w.escrow.release(other.header, [w.stretch(channel, 0n, 999n)], WHOLE)).to.be.revertedWithCustomError(w.escrow, "EscrowNotInRoot");
      await expect(w.escrow.release(other.header, [], WHOLE)).to.be.revertedWithCustomError(w.escrow, "EscrowLengthMismatch");
      await expect(w.escrow.release(other.header, stretches, { indices: [0, 0], path: [] })).to.be.revertedWithCustomError(w.escrow, "EscrowLengthMismatch");
      await expect(w.escrow.refundRejected(other.header, stretches, WHOLE)).to.be.revertedWithCustomError(w.escrow, "EscrowWrongVerdict");
    });

    it("another node's header decides nothing; nor does another chain, escrow or unknown channel", async () => {
      const channel = await w.open();
      await w.claim(channel, 1_000n);
      const stranger = w.headerOf([w.stretch(channel, 0n, 1_000n)], { nodeId: id("other node") });
      await w.finalise(stranger.header);
      expect(await w.escrow.release.staticCall(stranger.header, [w.stretch(channel, 0n, 1_000n)], WHOLE)).to.deep.equal([BigInt(Status.WrongNode)]);
      const unknown = await w.open({ register: false });
      const stretches = [
        w.stretch(channel, 0n, 10n, { paymentChainId: 1n }), w.stretch(channel, 0n, 10n, { escrow: w.payout.address as `0x${string}` }), w.stretch(unknown, 0n, 10n),
      ];
      const { header } = w.headerOf(stretches);
      await w.finalise(header);
      expect(await w.escrow.release.staticCall(header, stretches, WHOLE)).to.deep.equal([Status.WrongPlace, Status.WrongPlace, Status.NotRegistered].map(BigInt));
    });

    it("a stretch above the watermark waits, or the node gives the gap up", async () => {
      const channel = await w.open();
      await w.claim(channel, 1_000n);
      const stretches = [w.stretch(channel, 400n, 900n)];
      const { header } = w.headerOf(stretches);
      await w.finalise(header);
      expect(await w.escrow.release.staticCall(header, stretches, WHOLE)).to.deep.equal([BigInt(Status.Gap)]);
      await expect(w.escrow.connect(w.relayer).skipGap(channel.config, header, stretches, WHOLE)).to.be.revertedWithCustomError(w.escrow, "EscrowNotNode");
      await w.escrow.connect(w.authorizer).skipGap(channel.config, header, stretches, WHOLE);
      expect(await w.credit(channel.payer)).to.equal(400n);
      const money = await w.money(channel);
      expect([money.settledUpTo, money.held]).to.deep.equal([900n, 100n]);
      await expect(w.escrow.connect(w.payout).skipGap(channel.config, header, stretches, WHOLE)).to.be.revertedWithCustomError(w.escrow, "EscrowNotAGap");
    });

    it("E5 stays under the epoch's cap, previews included", async () => {
      const cap = (await w.escrow.releaseCap(1n, w.addresses.TestDollar)).cap;
      expect(cap).to.equal(1_000_000_000n);
      const channel = await w.open({ deposit: cap + 10n });
      await w.claim(channel, cap + 10n);
      const stretches = [w.stretch(channel, 0n, 10n), w.stretch(channel, 10n, cap + 1n), w.stretch(channel, 10n, cap)];
      const { header } = w.headerOf(stretches);
      await w.finalise(header);
      const want = [Status.Settled, Status.CapReached, Status.Settled].map(BigInt);
      expect((await w.lens.previewRelease(w.addresses.PaymentEscrow, header, stretches))[0]).to.deep.equal(want);
      expect(await w.escrow.release.staticCall(header, stretches, WHOLE)).to.deep.equal(want);
      await w.escrow.release(header, stretches, WHOLE);
      expect((await w.escrow.releaseCap(1n, w.addresses.TestDollar)).used).to.equal(cap);
    });

    it("a rejected batch is the payers'", async () => {
      const channel = await w.open();
      await w.claim(channel, 1_000n);
      const stretches = [w.stretch(channel, 0n, 600n)];
      const { header } = w.headerOf(stretches);
      await w.finalise(header, protocol.BatchStatus.RejectedNoFault);
      await w.escrow.refundRejected(header, stretches, WHOLE);
      expect(await w.credit(channel.payer)).to.equal(600n);
      expect(await w.escrow.refundRejected.staticCall(header, stretches, WHOLE)).to.deep.equal([BigInt(Status.Empty)]);
    });
  });

  describe("refundExpired", () => {
    const T = DEVNET_TIMES;

    it("E8 not before T_refund of alive time; then up to the mark, and the next mark opens", async () => {
      const channel = await w.open();
      await w.claim(channel, 300n);
      await w.claim(channel, 500n);
      // Beats keep the clock running.
      let settledAt = 1n;
      const { header } = w.headerOf([w.stretch(channel, 0n, 1n)]);
      const beat = async () => {
        await w.inbox.record(await w.certificate(header, { headerHash: `0x${"00".repeat(32)}`, slot: `0x${"00".repeat(32)}`, channelsRoot: `0x${"00".repeat(32)}`, status: 0, settledAt: settledAt++ }));
      };
      for (let t = 0; t < T.refund - 60; t += 50) {
        await w.networkHelpers.time.increase(50);
        await beat();
        await expect(w.escrow.refundExpired(channel.paymentId)).to.be.revertedWithCustomError(w.escrow, "EscrowTooEarly");
      }
      await w.networkHelpers.time.increase(60);
      expect((await w.lens.previewRefund(w.addresses.PaymentEscrow, channel.paymentId)).amount).to.equal(300n);
      await expect(w.escrow.connect(w.relayer).refundExpired(channel.paymentId)).to.emit(w.escrow, "Refunded").withArgs(`0x${"00".repeat(32)}`, [[channel.paymentId, 0n, 300n]]);
      expect(await w.credit(channel.payer)).to.equal(300n);
      const money = await w.money(channel);
      expect([money.settledUpTo, money.held, money.mark]).to.deep.equal([300n, 200n, 500n]);
    });

    it("the clock stands still while the inbox is silent, T_stopMax at most", async () => {
      const channel = await w.open();
      await w.claim(channel, 300n);
      await w.networkHelpers.time.increase(T.refund + T.stopMax - 60);
      await expect(w.escrow.refundExpired(channel.paymentId)).to.be.revertedWithCustomError(w.escrow, "EscrowTooEarly");
      await w.networkHelpers.time.increase(61);
      await w.escrow.refundExpired(channel.paymentId);
      await expect(w.escrow.refundExpired(channel.paymentId)).to.be.revertedWithCustomError(w.escrow, "EscrowNothingHeld");
    });
  });

  it("private terms are released at claim", async () => {
    const channel = await w.open({ terms: w.terms({ settlementMode: protocol.SettlementMode.Private }) });
    await w.claim(channel, 1_000n);
    expect(await w.credit(w.payout)).to.equal(880n);
    expect((await w.money(channel)).held).to.equal(0n);
  });
});
