/** What the stock stack leaves open, one test each, and every way to send a wrong payment. */
import { wrapFetchWithPayment } from "@x402/fetch";
import { x402Client } from "@x402/core/client";
import { decodePaymentRequiredHeader, decodePaymentResponseHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentPayload, PaymentRequired, PaymentRequirements } from "@x402/core/types";
import { toClientEvmSigner } from "@x402/evm";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/client";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { UptoEvmScheme } from "@x402/evm/upto/client";
import { expect } from "chai";
import { type Hex, parseSignature, serializeSignature, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { checkOffer } from "../../sdk/payments/offers.ts";
import { objection } from "../../keepers/payments/facilitator.ts";
import { facilitatorApp } from "../../keepers/payments/facilitator-app.ts";
import { termsFromJson } from "../../sdk/payments/wire.ts";
import { SettlementMode, channelSalt, termsHash } from "../../sdk/protocol/index.ts";
import type { ChannelConfig } from "../../sdk/payments/types.ts";
import { channelIdOf } from "../../sdk/payments/voucher.ts";
import { until } from "../utils/until.ts";
import { freshKey } from "../utils/keys.ts";
import { type World, id, world } from "./fixture.ts";
import { type TestNode, type WireReceipt, payer, startNode, view } from "./node.ts";

const SECP_N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

describe("gaps of the stock stack, closed", () => {
  let w: World;
  let node: TestNode;
  before(async () => {
    w = await world();
    node = await startNode(w, { exposureCap: 5_000n });
  });
  after(() => node.close());

  const post = (body: object, headers: Record<string, string> = {}, route = "chat") =>
    fetch(`${node.url}/v1/${route}`, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } });
  const required = async (body: object): Promise<PaymentRequired> => decodePaymentRequiredHeader((await post(body)).headers.get("PAYMENT-REQUIRED")!);
  const codeOf = async (response: Response) => ((await response.json()) as { error: { code: string } }).error.code;

  async function stock() {
    const account = privateKeyToAccount(freshKey());
    await w.token.mint(account.address, 1_000_000n);
    const signer = toClientEvmSigner(account as never, node.client as never);
    const network = `eip155:${w.chainId}` as const;
    const scheme = new BatchSettlementEvmScheme(signer);
    const client = new x402Client().register(network, scheme).register(network, new UptoEvmScheme(signer)).register(network, new ExactEvmScheme(signer)).setSpendControls(false);
    const pay = async (body: object, name: string): Promise<PaymentPayload> => {
      const offer = await required(body);
      return client.createPaymentPayload({ ...offer, accepts: offer.accepts.filter((accept) => accept.scheme === name) });
    };
    return { account, client, pay, scheme };
  }
  const send = (payment: PaymentPayload, body: object, route?: string) => post(body, { "PAYMENT-SIGNATURE": encodePaymentSignatureHeader(payment) }, route);

  it("an unmodified official client opens a channel, pays, and finds its way after a stream that told it nothing", async () => {
    const { client } = await stock();
    const paid = wrapFetchWithPayment(fetch, client);
    const call = (body: object) => paid(`${node.url}/v1/chat`, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
    const first = await call({ charge: 100 });
    expect(first.status).to.equal(200);
    const settled = decodePaymentResponseHeader(first.headers.get("PAYMENT-RESPONSE")!);
    expect(settled.transaction).to.match(/^0x/);
    expect((settled.extra as { chargedAmount: string }).chargedAmount).to.equal("100");
    await (await call({ charge: 50, stream: true, chunks: 1 })).text();
    const third = (await (await call({ charge: 25 })).json()) as { receipt: WireReceipt };
    expect(third.receipt.cumulativeBefore).to.equal("150");
  });

  it("two nodes behind one escrow and one authorizer: a stock payer has one channel with both, ours one with each", async () => {
    const { pay, account } = await stock();
    const { channelConfig } = (await pay({ charge: 1 }, "batch-settlement")).payload as unknown as { channelConfig: ChannelConfig };
    const idWith = (salt: Hex) => channelIdOf({ ...channelConfig, payer: account.address, salt }, w.chainId);
    const [here, there] = [node.terms, { ...node.terms, nodeId: id("another node") }].map((terms) => termsHash(terms)) as [Hex, Hex];
    const nonce = id("client nonce");
    // Nothing of a stock channel names the node: what both were promised could be claimed once.
    expect(channelConfig.salt).to.equal(`0x${"00".repeat(32)}`);
    expect(idWith(channelSalt(here, nonce))).not.to.equal(idWith(channelSalt(there, nonce)));
  });

  it("one payment sent six times at once runs the handler once", async () => {
    const { pay } = await stock();
    for (const scheme of ["upto", "exact"]) {
      const body = { charge: 10, hold: true, tag: scheme };
      const payment = await pay(body, scheme);
      const before = node.handled();
      const statuses: number[] = [];
      const sent = Array.from({ length: 6 }, async () => statuses.push((await send(payment, body)).status));
      // All six are under way before the first is answered.
      await until("one of the six in the handler", () => node.handled() > before);
      node.letGo();
      await Promise.all(sent);
      expect(statuses.sort(), scheme).to.deep.equal([200, 409, 409, 409, 409, 409]);
      expect(node.handled() - before, scheme).to.equal(1);
      expect(await codeOf(await send(payment, body)), scheme).to.equal("PAYMENT_REUSED");
    }
  });

  it("a payment for one body or route is not taken for another at the same price", async () => {
    const { pay } = await stock();
    for (const scheme of ["upto", "exact"]) {
      const payment = await pay({ charge: 1, prompt: "a" }, scheme);
      expect((await send(payment, { charge: 1, prompt: "b" })).status, scheme).to.equal(402);
      const elsewhere = await send(payment, { charge: 1, prompt: "a" }, "infer");
      expect([elsewhere.status, await codeOf(elsewhere)], scheme).to.deep.equal([402, "PAYMENT_INVALID"]);
      expect((await send(payment, { charge: 1, prompt: "a" })).status, scheme).to.equal(200);
    }
  });

  it("a body travels once when the requirement is known", async () => {
    let sent = 0;
    const counting: typeof fetch = (...args) => {
      sent++;
      return fetch(...args);
    };
    const { post: paid } = await payer(w, node, { fetch: counting });
    for (let i = 0; i < 3; i++) {
      const answer = await paid({ charge: 5 });
      await answer.confirm(view(((await answer.response.json()) as { receipt: WireReceipt }).receipt));
    }
    expect(sent).to.equal(4);
    // A dearer request is quoted anew, once.
    const dear = await paid({ charge: 5, ceiling: 2_000 });
    expect(dear.response.status).to.equal(200);
    await dear.reject("enough");
    expect(sent).to.equal(6);
  });

  it("a payer with too much delivered and unclaimed waits", async () => {
    const { post: paid } = await payer(w, node);
    let last: Response | undefined;
    for (let i = 0; i < 5; i++) {
      const answer = await paid({ charge: 1_000 });
      last = answer.response;
      if (!answer.response.ok) break;
      await answer.confirm(view(((await answer.response.clone().json()) as { receipt: WireReceipt }).receipt));
    }
    const exposed = await paid({ charge: 1 });
    expect(last!.status).to.equal(200);
    expect([exposed.response.status, await codeOf(exposed.response)]).to.deep.equal([429, "EXPOSURE_LIMIT"]);
  });

  it("a channel for other terms than the request has is refused", async () => {
    const { post: paid } = await payer(w, node);
    const answer = await paid({ charge: 1 });
    await answer.confirm(view(((await answer.response.json()) as { receipt: WireReceipt }).receipt));
    const { pay } = await stock();
    const payment = await pay({ charge: 1 }, "batch-settlement");
    const salted = structuredClone(payment) as PaymentPayload & { payload: { channelConfig: { salt: Hex } } };
    salted.payload.channelConfig.salt = `0x${"12".repeat(32)}`;
    const refused = await send(salted, { charge: 1 });
    expect([refused.status, await codeOf(refused)]).to.deep.equal([402, "TERMS_MISMATCH"]);
  });

  it("a forged offer is refused by the client before anything is signed", async () => {
    const offer = await required({ charge: 1 });
    const policy = {
      network: `eip155:${w.chainId}` as const, tokens: [w.addresses.TestDollar], escrows: [w.addresses.PaymentEscrow], inboxes: [w.addresses.SettlementInbox],
      minWithdrawDelay: 86_400, maxCharge: 10_000n, maxRoyaltyBps: 1_000,
    };
    await checkOffer(offer, "batch-settlement", policy);
    const evil = "0x000000000000000000000000000000000000dEaD";
    type Change = (requirements: PaymentRequirements & { extra: Record<string, unknown> & { terms: Record<string, unknown> } }) => void;
    const forgeries: Record<string, Change> = {
      payTo: (r) => (r.payTo = evil), asset: (r) => (r.asset = evil), scheme: (r) => (r.network = "eip155:1"), amount: (r) => (r.amount = "10001"),
      withdrawDelay: (r) => (r.extra.withdrawDelay = 86_399), receiverAuthorizer: (r) => (r.extra.receiverAuthorizer = "nobody"),
      termsHash: (r) => (r.extra.terms.payout = evil), terms: (r) => delete r.extra.terms.nodeId,
    };
    for (const [field, change] of Object.entries(forgeries)) {
      const forged = structuredClone(offer);
      change(forged.accepts[0] as never);
      const error = await checkOffer(forged, "batch-settlement", policy).then(() => undefined, (reason: unknown) => reason as { field: string });
      expect(error?.field, field).to.equal(field);
    }
    for (const amount of ["0", "-1", "1e3", ""]) {
      const forged = structuredClone(offer);
      forged.accepts[0]!.amount = amount;
      expect(await checkOffer(forged, "batch-settlement", policy).then(() => "taken", () => "refused"), amount).to.equal("refused");
    }
    await checkOffer(offer, "upto", policy).then(() => expect.fail("unprotected"), (error: Error) => expect(error.message).to.contain("unprotected"));
    // Private terms are well formed, but they release at claim: the user has to be asked.
    const quiet = structuredClone(offer);
    const extra = quiet.accepts[0]!.extra as { terms: Record<string, unknown>; termsHash: Hex };
    extra.terms.settlementMode = SettlementMode.Private;
    extra.termsHash = termsHash(termsFromJson(extra.terms));
    await checkOffer(quiet, "batch-settlement", policy).then(() => expect.fail("private"), (error: { field: string }) => expect(error.field).to.equal("settlementMode"));
    await checkOffer(quiet, "batch-settlement", { ...policy, allowPrivate: true });
  });

  describe("verify vectors: refused by server and facilitator alike", () => {
    type Exact = PaymentPayload & { payload: { signature: Hex; authorization: Record<"from" | "to" | "value" | "validAfter" | "validBefore" | "nonce", string> } };
    const now = () => Math.floor(Date.now() / 1_000);
    const vectors: Record<string, (p: Exact) => void> = {
      "value + 1": (p) => (p.payload.authorization.value = String(BigInt(p.payload.authorization.value) + 1n)),
      "value - 1": (p) => (p.payload.authorization.value = String(BigInt(p.payload.authorization.value) - 1n)),
      "value 0": (p) => (p.payload.authorization.value = "0"),
      "other recipient": (p) => (p.payload.authorization.to = p.payload.authorization.from),
      "other payTo": (p) => (p.accepted.payTo = p.payload.authorization.from),
      "other asset": (p) => (p.accepted.asset = p.payload.authorization.from),
      "other network": (p) => (p.accepted.network = "eip155:1"),
      "amount 0": (p) => (p.accepted.amount = "0"),
      "amount - 1": (p) => (p.accepted.amount = String(BigInt(p.accepted.amount) - 1n)),
      expired: (p) => (p.payload.authorization.validBefore = String(now() - 1)),
      future: (p) => (p.payload.authorization.validAfter = String(now() + 100_000)),
      "swapped from": (p) => (p.payload.authorization.from = w.relayer.address),
      "other nonce": (p) => (p.payload.authorization.nonce = toHex(1n, { size: 32 })),
      "flipped v": (p) => {
        const { r, s, yParity } = parseSignature(p.payload.signature);
        p.payload.signature = serializeSignature({ r, s, yParity: 1 - yParity });
      },
      "high s": (p) => {
        const { r, s, yParity } = parseSignature(p.payload.signature);
        p.payload.signature = serializeSignature({ r, s: toHex(SECP_N - BigInt(s), { size: 32 }), yParity: 1 - yParity });
      },
      "no signature": (p) => (p.payload.signature = "0x"),
    };
    for (const [name, change] of Object.entries(vectors)) {
      it(name, async () => {
        const { pay, account } = await stock();
        const body = { charge: 1, vector: name };
        const good = (await pay(body, "exact")) as Exact;
        const bad = structuredClone(good);
        change(bad);
        const handled = node.handled();
        expect((await send(bad, body)).status).to.be.oneOf([402, 409]);
        const app = facilitatorApp(node.facilitator);
        for (const path of ["/verify", "/settle"]) {
          const call = { x402Version: 2, paymentPayload: bad, paymentRequirements: good.accepted };
          const answer = await app.request(path, { method: "POST", body: JSON.stringify(call), headers: { "Content-Type": "application/json" } });
          const { isValid, success } = (await answer.json()) as { isValid?: boolean; success?: boolean };
          expect(isValid ?? success, path).to.equal(false);
        }
        expect([node.handled(), await w.token.balanceOf(account.address)]).to.deep.equal([handled, 1_000_000n]);
        expect((await send(good, body)).status).to.equal(200);
      });
    }

    it("a voucher of a wrong domain, signer or amount moves no channel", async () => {
      const { pay, account } = await stock();
      const good = (await pay({ charge: 1 }, "batch-settlement")) as PaymentPayload & { payload: { voucher: { signature: Hex; maxClaimableAmount: string } } };
      for (const change of [
        (p: typeof good) => (p.payload.voucher.maxClaimableAmount = "999"),
        (p: typeof good) => {
          const { r, s, yParity } = parseSignature(p.payload.voucher.signature);
          p.payload.voucher.signature = serializeSignature({ r, s, yParity: 1 - yParity });
        },
      ]) {
        const bad = structuredClone(good);
        change(bad);
        expect((await send(bad, { charge: 1 })).status).to.equal(402);
      }
      expect(await w.token.balanceOf(account.address)).to.equal(1_000_000n);
    });

    it("a facilitator that is called alone compares amounts and assets", async () => {
      const { pay } = await stock();
      const good = await pay({ charge: 1 }, "upto");
      const limits = { network: `eip155:${w.chainId}`, assets: [w.addresses.TestDollar], maxAmount: 5_000n };
      const cases: [Partial<PaymentRequirements>, "verify" | "settle", string | undefined][] = [
        [{}, "verify", undefined], [{ amount: "0" }, "settle", undefined], [{ amount: "999" }, "settle", undefined], [{ amount: "999" }, "verify", "invalid_amount"],
        [{ amount: "1001" }, "settle", "invalid_amount"], [{ asset: w.relayer.address }, "verify", "invalid_asset"], [{ payTo: w.relayer.address }, "verify", "invalid_recipient"],
        [{ network: "eip155:1" }, "verify", "invalid_network"], [{ scheme: "exact" }, "verify", "invalid_scheme"], [{ amount: "-1" }, "settle", "invalid_amount"],
      ];
      for (const [over, phase, want] of cases) {
        expect(objection(good, { ...good.accepted, ...over }, phase, limits), JSON.stringify(over)).to.equal(want);
      }
      expect(objection(good, good.accepted, "verify", { ...limits, maxAmount: 999n })).to.equal("amount_above_limit");
    });

    it("malformed calls of the facilitator are 400, and a settled payment is settled once", async () => {
      const app = facilitatorApp(node.facilitator);
      const call = (path: string, body: string) => app.request(path, { method: "POST", body, headers: { "Content-Type": "application/json" } });
      for (const body of ["", "[]", "{}", '{"x402Version":1}', '{"x402Version":2,"paymentPayload":{}}']) {
        expect((await call("/verify", body)).status, body).to.equal(400);
        expect((await call("/settle", body)).status, body).to.equal(400);
      }
      expect(((await (await app.request("/supported")).json()) as { kinds: unknown[] }).kinds).to.have.length(3);
      const { pay, account } = await stock();
      const payment = await pay({ charge: 1 }, "exact");
      const settle = async () => (await (await call("/settle", JSON.stringify({ x402Version: 2, paymentPayload: payment, paymentRequirements: payment.accepted }))).json()) as { success: boolean };
      const results = await Promise.all([settle(), settle()]);
      expect(results.some(({ success }) => success)).to.equal(true);
      expect(await w.token.balanceOf(account.address)).to.equal(999_000n);
    });
  });

  describe("last, for it moves the clock", () => {
  it("a deposit is made in chain time: 400 s and more ahead of the wall", async () => {
    await w.networkHelpers.time.increase(4_000);
    const { post: paid } = await payer(w, node);
    const answer = await paid({ charge: 5 });
    expect(answer.response.status).to.equal(200);
    await answer.confirm(view(((await answer.response.json()) as { receipt: WireReceipt }).receipt));
  });
  });
});
