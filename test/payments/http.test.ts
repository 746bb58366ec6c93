import { expect } from "chai";
import type { PaidResponse } from "../../sdk/payments/types.ts";
import { type World, WHOLE, world } from "./fixture.ts";
import { type TestNode, type WireReceipt, payer, startNode, view } from "./node.ts";

async function confirmed(answer: PaidResponse) {
  const { receipt } = (await answer.response.json()) as { receipt: WireReceipt };
  return answer.confirm(view(receipt));
}

/** A stream's events; `onFirst` is called when the first has come. */
async function events(response: Response, onFirst: () => void) {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    onFirst();
  }
  return text.split("\n").filter((line) => line.startsWith("data: ")).map((line) => JSON.parse(line.slice(6)) as Record<string, unknown>);
}

describe("paid over HTTP, by the official packages", () => {
  let w: World;
  let node: TestNode;
  before(async () => {
    w = await world();
    node = await startNode(w);
  });
  after(() => node.close());

  it("deposit, three metered requests, one of them streamed; Ack with the next voucher; claim, Ack, certificate", async () => {
    const { signer, client, post } = await payer(w, node);
    const first = await confirmed(await post({ charge: 700 }));
    expect(first.transaction).to.match(/^0x[0-9a-f]{64}$/);
    expect([first.charge, first.cumulativeBefore]).to.deep.equal([700n, 0n]);
    const second = await confirmed(await post({ charge: 300 }));
    expect([second.charge, second.cumulativeBefore, second.transaction]).to.deep.equal([300n, 700n, undefined]);

    // The node makes nothing after the first piece until the payer has it.
    const streamed = await post({ charge: 500, stream: true, hold: true });
    const list = await events(streamed.response, node.letGo);
    expect(list).to.have.length(6);
    const last = list.at(-1) as { receipt: WireReceipt; payment: string };
    expect(last.payment).to.be.a("string");
    await streamed.confirm(view(last.receipt));

    const { paymentId } = first;
    const booked = node.gate.book.bookedOf(paymentId)!;
    expect([booked.chargedCumulativeAmount, booked.ack?.cumulative]).to.deep.equal(["1500", 1_000n]);
    expect(node.gate.storedReceipt(paymentId, BigInt(last.receipt.sequence))).to.deep.equal(last.receipt);

    // The node claims what it charged, not the ceilings, and the escrow releases what the payer acknowledged.
    const config = booked.channelConfig;
    await w.escrow.register(config, node.terms, booked.clientNonce!);
    await w.escrow.connect(w.authorizer).claim([{
      voucher: { channel: config, maxClaimableAmount: booked.signedMaxClaimable }, signature: booked.signature, totalClaimed: 1_500n,
    }], "0x");
    await w.escrow.ack(paymentId, booked.ack!.cumulative, booked.ack!.signature);
    const ack = (await client.ack(paymentId))!;
    expect(ack.cumulative).to.equal(1_500n);
    expect((await w.escrow.lineOf(paymentId)).settledUpTo).to.equal(1_000n);
    expect(config.payer).to.equal(signer.address);

    // The last 500 by certificate.
    const stretches = [{ ...w.stretch({ paymentId } as never, 1_000n, 1_500n) }];
    const { header } = w.headerOf(stretches);
    await w.finalise(header);
    await w.escrow.release(header, stretches, WHOLE);
    expect((await w.escrow.lineOf(paymentId)).settledUpTo).to.equal(1_500n);
  });

  it("a failed request charges nothing and the channel goes on", async () => {
    const { post } = await payer(w, node);
    await confirmed(await post({ charge: 100 }));
    const failed = await post({ fail: true });
    expect(failed.response.status).to.equal(502);
    const next = await confirmed(await post({ charge: 100 }));
    expect(next.cumulativeBefore).to.equal(100n);
  });

  it("six requests at once on one channel: six answers, in order on one line", async () => {
    const { post } = await payer(w, node);
    const payments = await Promise.all(Array.from({ length: 6 }, async (_, i) => confirmed(await post({ charge: 10 + i }))));
    const ends = payments.map((payment) => payment.cumulativeBefore + payment.charge).sort((a, b) => Number(a - b));
    expect(ends.at(-1)).to.equal(75n);
  });

  it("upto: metered under a cap, once; the same payment does not serve again", async () => {
    const { signer, post } = await payer(w, node);
    const vault = await w.token.balanceOf("0x976EA74026E726554dB657fA54763abd0C3a0aa9");
    const payment = await confirmed(await post({ charge: 321 }, { scheme: "upto" }));
    expect([payment.charge, payment.protected]).to.deep.equal([321n, false]);
    expect((await w.token.balanceOf("0x976EA74026E726554dB657fA54763abd0C3a0aa9")) - vault).to.equal(321n);
    expect(await w.token.balanceOf(signer.address)).to.equal(1_000_000n - 321n);
  });

  it("exact: paid upfront, the whole amount", async () => {
    const { signer, post } = await payer(w, node);
    const payment = await confirmed(await post({ charge: 1, ceiling: 900 }, { scheme: "exact" }));
    expect([payment.charge, payment.protected]).to.deep.equal([900n, false]);
    expect(await w.token.balanceOf(signer.address)).to.equal(1_000_000n - 900n);
  });

  it("an idempotency key returns the stored answer; with another body it is a conflict", async () => {
    const { post } = await payer(w, node);
    const key = "key_0123456789abcdef";
    const before = node.handled();
    const first = await post({ charge: 11 }, { idempotencyKey: key });
    const text = await first.response.clone().text();
    await confirmed(first);
    const again = await post({ charge: 11 }, { idempotencyKey: key });
    expect(await again.response.text()).to.equal(text);
    await again.reject("a repetition");
    expect(node.handled()).to.equal(before + 1);
    const other = await post({ charge: 12 }, { idempotencyKey: key });
    expect(other.response.status).to.equal(409);
    expect(((await other.response.json()) as { error: { code: string } }).error.code).to.equal("IDEMPOTENCY_CONFLICT");
    const next = await confirmed(await post({ charge: 1 }));
    expect(next.cumulativeBefore).to.equal(11n);
  });
});
