import { expect } from "chai";
import { seededRandom } from "../../keepers/clock/index.ts";
import * as protocol from "../../sdk/protocol/index.ts";
import { DEVNET_TIMES } from "../../scripts/deploy/payment.ts";
import { type Channel, type World, WHOLE, id, world } from "./fixture.ts";

describe("previews equal execution, item by item, on random states", () => {
  let w: World;
  before(async () => {
    w = await world();
  });

  /** Lines, refunds and shares, from nothing but the events. */
  async function rebuilt(channels: readonly Channel[]) {
    const settled = new Map<string, bigint>();
    const marks = new Map<string, bigint>();
    const refunds = new Map<string, bigint>();
    const sums = { gross: 0n, fee: 0n, royalty: 0n };
    for (const log of await w.ethers.provider.getLogs({ address: w.addresses.PaymentEscrow, fromBlock: 0 })) {
      const event = w.escrow.interface.parseLog(log);
      if (event?.name === "MarksOpened") for (const [paymentId, mark] of event.args[0] as [string, bigint][]) marks.set(paymentId, mark);
      if (event?.name !== "Released" && event?.name !== "Refunded") continue;
      for (const [paymentId, from, to] of event.args.moves as [string, bigint, bigint][]) {
        expect(from, "each move begins where the last one ended").to.equal(settled.get(paymentId) ?? 0n);
        settled.set(paymentId, to);
        if (event.name === "Refunded") refunds.set(paymentId, (refunds.get(paymentId) ?? 0n) + to - from);
        else sums.gross += to - from;
      }
      if (event.name === "Released") {
        sums.fee += event.args.fee as bigint;
        sums.royalty += event.args.royalty as bigint;
      }
    }
    for (const { paymentId, payer } of channels) {
      const line = await w.escrow.lineOf(paymentId);
      const end = settled.get(paymentId) ?? 0n;
      expect(line.settledUpTo).to.equal(end);
      expect(line.held, "held").to.equal((marks.get(paymentId) ?? 0n) > end ? marks.get(paymentId)! - end : 0n);
      expect(await w.credit(payer)).to.equal(refunds.get(paymentId) ?? 0n);
    }
    expect(await w.credit(w.payout)).to.equal(sums.gross - sums.fee - sums.royalty);
  }

  for (const seed of [11, 12]) {
    it(`seed ${seed}: 12 headers, Acks and refunds`, async () => {
      const random = seededRandom(seed);
      const upTo = (n: number) => Math.floor(random() * (n + 1));
      const other = w.terms({ royaltyBps: 333, feeBpsCap: 77, tariffHash: id(`other ${seed}`) });
      const strange = w.terms({ nodeId: id("another node") });
      const channels: Channel[] = [await w.open(), await w.open({ terms: other }), await w.open(), await w.open({ terms: strange }), await w.open({ register: false })];
      const claimed = channels.map(() => 0n);
      const escrow = w.addresses.PaymentEscrow;
      const earned = async (terms: protocol.Terms) => {
        const { fee, royalty } = await w.escrow.sharesOf(protocol.termsHash(terms), w.addresses.TestDollar);
        return { fee, royalty };
      };
      for (let round = 0; round < 12; round++) {
        for (const [i, channel] of channels.entries()) {
          if (random() < 0.4) continue;
          claimed[i]! += BigInt(1 + upTo(500));
          await w.channels.connect(w.authorizer).claim([await w.row(channel, claimed[i]!)]);
          // Half of them past the escrow: no mark tells of it.
          if (random() < 0.5) await w.escrow.sync([channel.paymentId]);
        }
        const stretches = await Promise.all(Array.from({ length: 1 + upTo(7) }, async () => {
          const channel = channels[upTo(channels.length - 1)]!;
          const { settledUpTo } = await w.escrow.lineOf(channel.paymentId);
          const from = BigInt(Math.max(0, Number(settledUpTo) + upTo(120) - 80));
          return w.stretch(channel, from, from + BigInt(upTo(400)), random() < 0.1 ? { paymentChainId: 1n } : {});
        }));
        const { header } = w.headerOf(stretches);
        await w.finalise(header);
        const [statuses, splits] = await w.lens.previewRelease(escrow, header, stretches);
        expect(await w.escrow.release.staticCall(header, stretches, WHOLE), `round ${round}`).to.deep.equal([...statuses]);
        const before = { net: await w.credit(w.payout), own: await earned(w.terms()), other: await earned(other) };
        await w.escrow.release(header, stretches, WHOLE);
        const sum = (of: "net" | "fee" | "royalty") => splits.reduce((total, split) => total + split[of], 0n);
        const after = { net: await w.credit(w.payout), own: await earned(w.terms()), other: await earned(other) };
        expect(after.net - before.net, `net of round ${round}`).to.equal(sum("net"));
        for (const of of ["fee", "royalty"] as const) {
          expect(after.own[of] + after.other[of] - before.own[of] - before.other[of], `${of} of round ${round}`).to.equal(sum(of));
        }
        for (const split of splits) expect(split.net + split.fee + split.royalty).to.equal(split.gross);

        const acked = channels[upTo(3)]!;
        const cumulative = BigInt(upTo(2_000));
        const preview = await w.lens.previewAck(escrow, acked.paymentId, cumulative);
        const signature = await w.signAck(acked, cumulative);
        expect(await w.escrow.ack.staticCall(acked.paymentId, cumulative, signature)).to.equal(preview.gross);
        await w.escrow.ack(acked.paymentId, cumulative, signature);

        if (random() < 0.5) await w.networkHelpers.time.increase(1 + upTo(DEVNET_TIMES.refund + DEVNET_TIMES.stopMax + 60));
        const waiting = channels[upTo(3)]!;
        const { amount } = await w.lens.previewRefund(escrow, waiting.paymentId);
        if (amount === 0n) await expect(w.escrow.refundExpired(waiting.paymentId)).to.be.revertedWithCustomError(w.escrow, (await w.escrow.lineOf(waiting.paymentId)).held === 0n ? "EscrowNothingHeld" : "EscrowTooEarly");
        else expect(await w.escrow.refundExpired.staticCall(waiting.paymentId)).to.equal(amount);
        if (amount !== 0n) await w.escrow.refundExpired(waiting.paymentId);
      }
      await rebuilt(channels);
    });
  }
});
