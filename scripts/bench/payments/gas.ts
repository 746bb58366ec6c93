/** Gas of the escrow's calls in steady state: slots that were used before, balances that are not zero. Whole transactions. */
import { type ClaimCallRow, claimCall } from "../../../keepers/payments/calls.ts";
import { type Channel, type World, WHOLE } from "../../../test/payments/fixture.ts";
import { DEVNET_TIMES } from "../../deploy/payment.ts";

const STEP = 1_000n;

type Sent = Promise<{ wait(): Promise<{ gasUsed: bigint } | null> }>;

export async function gasFigures(w: World, print: (line: string) => void): Promise<Record<string, number>> {
  const many: Channel[] = [];
  for (let i = 0; i < 50; i++) many.push(await w.open({ deposit: 10_000_000n }));
  const [one] = many as [Channel];
  print("50 channels open");
  const gasOf = async (sent: Sent) => Number((await (await sent).wait())!.gasUsed);
  const each = (gas: number) => Math.round(gas / many.length);
  const rowsTo = (to: bigint, channels: readonly Channel[]) => Promise.all(channels.map((channel) => w.row(channel, to)));
  /** As the node sends it. */
  const claim = async (to: bigint, channels: readonly Channel[] = many) =>
    gasOf(w.authorizer.sendTransaction({ to: w.addresses.PaymentEscrow, data: claimCall((await rowsTo(to, channels)) as ClaimCallRow[], "0x") }));
  const certified = async (from: bigint, to: bigint) => {
    const stretches = many.map((channel) => w.stretch(channel, from, to));
    const made = w.headerOf(stretches);
    return { ...made, stretches, record: await gasOf(w.inbox.record(await w.certificate(made.header))) };
  };
  const release = async (from: bigint, to: bigint) => {
    const { header, stretches, record } = await certified(from, to);
    return { record, release: await gasOf(w.escrow.connect(w.relayer).release(header, stretches, WHOLE)) };
  };

  // A first round fills every slot.
  await claim(STEP);
  await release(0n, STEP);
  const claim50 = await claim(2n * STEP);
  const { record, release: release50 } = await release(STEP, 2n * STEP);
  const plain50 = await gasOf(w.escrow.connect(w.authorizer).claim(await rowsTo(3n * STEP, many), "0x"));
  const half = await certified(2n * STEP, 3n * STEP);
  const places = half.places(...Array.from({ length: 25 }, (_, i) => i));
  const release25 = await gasOf(w.escrow.connect(w.relayer).release(half.header, half.stretches.slice(0, 25), places));
  await w.escrow.release(half.header, half.stretches, WHOLE);
  print("claims and releases of 50 measured");

  const ack = async (to: bigint) => gasOf(w.escrow.connect(w.relayer).ack(one.paymentId, to, await w.signAck(one, to)));
  const claim1 = await claim(4n * STEP, [one]);
  const ackRelease = await ack(4n * STEP);
  const late = () => w.networkHelpers.time.increase(DEVNET_TIMES.refund + DEVNET_TIMES.stopMax + 1);
  const refund = async () => gasOf(w.escrow.connect(w.relayer).refundExpired(one.paymentId));
  await claim(5n * STEP, [one]);
  await late();
  await refund();
  await claim(6n * STEP, [one]);
  await late();
  const refundLast = await refund();
  await claim(7n * STEP, [one]);
  await claim(8n * STEP, [one]);
  await late();
  const refundNext = await refund();

  // The channel contract by itself: what a claim costs whoever the receiver is.
  const direct = async (to: bigint, count: number) => gasOf(w.channels.connect(w.authorizer).claim(await rowsTo(to, many.slice(0, count))));
  const channelContract = [await direct(9n * STEP, 1), await direct(10n * STEP, 10), await direct(11n * STEP, 50)] as const;
  return {
    "claim-1": claim1,
    "claim-50-each": each(claim50),
    "claim-50-plain-each": each(plain50),
    "release-50-each": each(release50),
    "release-25-of-50-each": Math.round(release25 / 25),
    "record-certificate": record,
    "ack-release": ackRelease,
    refund: refundLast,
    "refund-next-mark": refundNext,
    "channel-contract-1": channelContract[0],
    "channel-contract-10": channelContract[1],
    "channel-contract-50": channelContract[2],
  };
}
