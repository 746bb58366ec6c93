import { expect } from "chai";
import { seededRandom } from "../../keepers/clock/index.ts";
import { DEVNET_TIMES } from "../../scripts/deploy/payment.ts";
import * as protocol from "../../sdk/protocol/index.ts";
import { type Channel, type World, WHOLE, world } from "./fixture.ts";

/** The watermark in ten lines: who every unit of the line went to, and up to where it is dated. */
interface Model {
  claimed: bigint;
  owners: ("node" | "payer")[];
  mark: bigint;
}

describe("E2 E3 the watermark against a model, random traces", () => {
  let w: World;
  before(async () => {
    w = await world();
  });

  for (const seed of [1, 2, 3]) {
    it(`seed ${seed}: 60 steps`, async () => {
      const random = seededRandom(seed);
      const upTo = (n: number) => Math.floor(random() * (n + 1));
      const channel: Channel = await w.open({ deposit: 1_000_000n, terms: w.terms({ royaltyBps: 0, feeBpsCap: 0 }) });
      const model: Model = { claimed: 0n, owners: [], mark: 0n };
      const settled = () => BigInt(model.owners.length);
      const give = (to: bigint, who: "node" | "payer") => {
        while (settled() < to) model.owners.push(who);
        // A closed mark is followed by the next one at once when money above it was seen.
        if (model.mark <= settled()) model.mark = model.claimed > settled() ? model.claimed : settled();
      };
      const start = await w.credit(w.payout);
      for (let step = 0; step < 60; step++) {
        const action = upTo(5);
        if (action <= 1) {
          model.claimed += BigInt(1 + upTo(40));
          await w.claim(channel, model.claimed);
          if (model.mark <= settled()) model.mark = model.claimed;
        } else if (action === 2) {
          const cumulative = BigInt(upTo(Number(model.claimed) + 10));
          await w.escrow.ack(channel.paymentId, cumulative, await w.signAck(channel, cumulative));
          if (cumulative > settled()) give(cumulative < model.claimed ? cumulative : model.claimed, "node");
        } else if (action <= 4) {
          const from = BigInt(upTo(Number(settled()) + 3));
          const to = from + BigInt(1 + upTo(30));
          const final = action === 3;
          const stretches = [w.stretch(channel, from, to)];
          const { header } = w.headerOf(stretches);
          await w.finalise(header, final ? protocol.BatchStatus.Final : protocol.BatchStatus.Rejected);
          await (final ? w.escrow.release(header, stretches, WHOLE) : w.escrow.refundRejected(header, stretches, WHOLE));
          if (from <= settled() && to > settled()) give(to < model.claimed ? to : model.claimed, final ? "node" : "payer");
        } else if (model.mark > settled()) {
          await w.networkHelpers.time.increase(DEVNET_TIMES.refund + DEVNET_TIMES.stopMax + 1);
          await w.escrow.refundExpired(channel.paymentId);
          give(model.mark, "payer");
        }
        const money = await w.money(channel);
        expect([money.settledUpTo, money.totalClaimed, money.held], `step ${step}`).to.deep.equal([settled(), model.claimed, model.claimed - settled()]);
        expect(money.mark, `mark at step ${step}`).to.equal(model.mark > settled() ? model.mark : 0n);
      }
      const count = (who: string) => BigInt(model.owners.filter((owner) => owner === who).length);
      expect((await w.credit(w.payout)) - start).to.equal(count("node"));
      expect(await w.credit(channel.payer)).to.equal(count("payer"));
    });
  }
});
