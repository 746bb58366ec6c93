/** Gas of the escrow's calls in steady state: slots that were used before, balances that are not zero. */
import type { Channel, World } from "../../../test/payments/fixture.ts";
import { DEVNET_TIMES } from "../../deploy/payment.ts";

const ACK = { ack: 50_000n };

export async function gasFigures(w: World, print: (line: string) => void): Promise<Record<string, number>> {
  const many: Channel[] = [];
  for (let i = 0; i < 50; i++) many.push(await w.open());
  print("50 channels open");
  const gasOf = async (sent: Promise<{ wait(): Promise<{ gasUsed: bigint } | null> }>) => Number((await (await sent).wait())!.gasUsed);
  const claimAll = async (to: bigint, channels = many) => {
    const rows = await Promise.all(channels.map((channel) => w.row(channel, to)));
    return gasOf(w.escrow.connect(w.authorizer).claim(rows, "0x"));
  };
  const releaseAll = async (from: bigint, to: bigint) => {
    const stretches = many.map((channel) => w.stretch(channel, from, to));
    const { header } = w.headerOf(stretches);
    const record = await gasOf(w.inbox.record(await w.certificate(header)));
    return { record, release: await gasOf(w.escrow.connect(w.relayer).release(header, stretches, [])) };
  };

  // A first round fills every slot.
  await claimAll(1_000n);
  await releaseAll(0n, 1_000n);
  const claim50 = await claimAll(2_000n);
  const { record, release } = await releaseAll(1_000n, 2_000n);
  const [one] = many as [Channel];
  const claim1 = await claimAll(3_000n, [one]);
  const ack = await gasOf(w.escrow.connect(w.relayer).ack(one.paymentId, 3_000n, await w.signAck(one, 3_000n)));
  await claimAll(ACK.ack, [one]);
  await w.networkHelpers.time.increase(DEVNET_TIMES.refund + DEVNET_TIMES.stopMax + 1);
  await w.escrow.refundExpired(one.paymentId);
  await claimAll(ACK.ack * 2n, [one]);
  await w.networkHelpers.time.increase(DEVNET_TIMES.refund + DEVNET_TIMES.stopMax + 1);
  const refund = await gasOf(w.escrow.connect(w.relayer).refundExpired(one.paymentId));
  return {
    "claim-1": claim1,
    "claim-50-each": Math.round(claim50 / 50),
    "release-50-each": Math.round(release / 50),
    "record-certificate": record,
    "ack-release": ack,
    refund,
  };
}
