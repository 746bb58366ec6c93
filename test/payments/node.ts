/** A paid HTTP node in miniature: the gate behind Hono, an upstream that answers what the body asks for, receipts without a key. */
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import type { AddressInfo } from "node:net";
import { type Address, type Hex, createPublicClient, createWalletClient, custom, keccak256, toHex } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { localAccount } from "../../sdk/crypto/index.ts";
import { systemClock } from "../../keepers/clock/index.ts";
import { localFacilitator, makeFacilitator, walletSender } from "../../keepers/payments/facilitator.ts";
import { type Gate, type GateOptions, paymentGate } from "../../keepers/payments/gate.ts";
import { openStore } from "../../keepers/storage/index.ts";
import { paymentClient } from "../../sdk/payments/client.ts";
import { bodyHashOf } from "../../sdk/payments/wire.ts";
import type { GateRequest, PaidRequest } from "../../keepers/payments/types.ts";
import { SettlementMode, type Terms } from "../../sdk/protocol/index.ts";
import { freshKey } from "../utils/keys.ts";
import { type World, id } from "./fixture.ts";

export const MNEMONIC = "test test test test test test test test test test test junk";
export const account = (index: number) => mnemonicToAccount(MNEMONIC, { addressIndex: index });

export interface TestNode {
  url: string;
  gate: Gate;
  facilitator: ReturnType<typeof makeFacilitator>;
  handled: () => number;
  /** Ends a request that was told to "hold": an answer before its start, a stream after its first piece. */
  letGo(): void;
  urgent: string[];
  terms: Terms;
  authorizer: ReturnType<typeof account>;
  client: ReturnType<typeof createPublicClient>;
  tx: ReturnType<typeof walletSender>;
  /** Calls to the chain by the node's gate and facilitator. */
  calls(): number;
  close(): Promise<void>;
}

export async function startNode(w: World, over: Partial<GateOptions> = {}): Promise<TestNode> {
  let calls = 0;
  const counting = custom({ request: (args) => (calls++, w.connection.provider.request(args as never) as Promise<unknown>) }, { retryCount: 0 });
  const client = createPublicClient({ chain: w.chain, transport: counting, pollingInterval: 20, cacheTime: 0 });
  const sender = account(5);
  const wallet = createWalletClient({ chain: w.chain, transport: w.transport, account: sender });
  const tx = walletSender(client as never, wallet as never);
  const network = `eip155:${w.chainId}` as const;
  const facilitator = makeFacilitator({
    network, chainId: w.chainId, sender: sender.address, tx, client: client as never, assets: [w.addresses.TestDollar],
  });
  const authorizer = account(1);
  const terms = w.terms({ royaltyTo: w.royaltyTo.address as Address });
  const urgent: string[] = [];
  const gate = paymentGate({
    store: openStore(":memory:"), clock: systemClock(), facilitator: localFacilitator(facilitator, network), network, chainId: w.chainId,
    token: w.addresses.TestDollar, tokenName: "Test Dollar", tokenVersion: "1", escrow: w.addresses.PaymentEscrow,
    authorizer: authorizer as never, withdrawDelay: 86_400, vault: account(6).address, minDeposit: 20_000n,
    termsOf: (quote) => ({ ...terms, settlementMode: quote.settlementMode }), exposureCap: 1_000_000n, singleCap: 50_000n, defaultTerms: terms,
    onUrgent: (paymentId) => urgent.push(paymentId), client: client as never, ...over,
  });
  await gate.start();

  let handled = 0;
  let letGo: (() => void) | undefined;
  const held = () => new Promise<void>((resolve) => (letGo = resolve));
  const app = new Hono();
  app.post("/v1/:route", async (c) => {
    const text = await c.req.text();
    const body = JSON.parse(text) as { ceiling?: number; charge?: number; stream?: boolean; chunks?: number; fail?: boolean; hold?: boolean };
    const request: GateRequest = {
      method: "POST", url: c.req.url, path: c.req.path, header: (name) => c.req.header(name), body, bodyHash: bodyHashOf(body),
      quote: { ceiling: BigInt(body.ceiling ?? 1_000), modelId: id("model"), verification: 1, settlementMode: SettlementMode.Batch },
    };
    const ack = c.req.header("x-og-ack");
    if (ack) {
      const { paymentId, cumulative, signature } = JSON.parse(atob(ack)) as { paymentId: Hex; cumulative: string; signature: Hex };
      await gate.acceptAck({ paymentId, cumulative: BigInt(cumulative), signature });
    }
    const admission = await gate.admit(request);
    if (admission.kind !== "paid") {
      const { status, headers, body: answer } = admission.response;
      return new Response(answer, { status, headers });
    }
    handled++;
    const { paid } = admission;
    const charge = BigInt(body.charge ?? 700);
    // Ready to be let go before anybody can have seen anything.
    const hold = body.hold ? held() : undefined;
    if (!body.stream) await hold;
    if (body.fail) {
      await paid.release("upstream failed");
      return c.json({ error: { code: "UPSTREAM_FAILED", message: "no answer" } }, 502);
    }
    const document = receiptOf(paid, charge);
    if (body.stream) {
      return streamSSE(c, async (stream) => {
        for (let i = 0; i < (body.chunks ?? 5); i++) {
          await stream.writeSSE({ data: JSON.stringify({ chunk: i }) });
          if (i === 0) await hold;
        }
        const { headers } = await paid.commit(charge, { document, digest: keccak256(toHex(JSON.stringify(document))) });
        await stream.writeSSE({ data: JSON.stringify({ receipt: document, payment: headers["PAYMENT-RESPONSE"] }) });
      });
    }
    const answer = JSON.stringify({ answer: 42, receipt: document });
    const response = { status: 200, headers: { "Content-Type": "application/json" }, body: answer };
    const { headers } = await paid.commit(charge, { document, digest: keccak256(toHex(answer)), response });
    return new Response(answer, { status: 200, headers: { "Content-Type": "application/json", ...headers } });
  });
  const server = await new Promise<ReturnType<typeof serve>>((resolve) => {
    const made = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, () => resolve(made));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, gate, facilitator, handled: () => handled, letGo: () => letGo?.(), calls: () => calls, urgent, terms, authorizer,
    client: client as never, tx,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

export function receiptOf(paid: PaidRequest, charge: bigint) {
  return {
    paymentId: paid.paymentId, cumulativeBefore: paid.cumulativeBefore.toString(), charge: (paid.scheme === "exact" ? paid.ceiling : charge).toString(),
    sequence: paid.sequence.toString(), termsHash: paid.termsHash,
  };
}

export interface WireReceipt {
  paymentId: Hex;
  cumulativeBefore: string;
  charge: string;
  sequence: string;
  termsHash: Hex;
}

export const view = (receipt: WireReceipt) => ({
  paymentId: receipt.paymentId, cumulativeBefore: BigInt(receipt.cumulativeBefore), charge: BigInt(receipt.charge), termsHash: receipt.termsHash,
});

export async function payer(w: World, node: TestNode, over: Partial<Parameters<typeof paymentClient>[0]> = {}) {
  const signer = localAccount(freshKey());
  await w.token.mint(signer.address, 1_000_000n);
  const client = paymentClient({
    signer: signer as never, chainId: w.chainId, reads: node.client as never,
    policy: {
      network: `eip155:${w.chainId}`, tokens: [w.addresses.TestDollar], escrows: [w.addresses.PaymentEscrow], inboxes: [w.addresses.SettlementInbox],
      minWithdrawDelay: 86_400, maxCharge: 10_000n, allowUnprotected: true,
    },
    ...over,
  });
  const post = (body: object, init: object = {}) =>
    client.fetch(`${node.url}/v1/chat`, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" }, ...init });
  return { signer, client, post };
}
