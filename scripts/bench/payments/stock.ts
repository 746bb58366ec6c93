/** The same work by the official packages alone: their HTTP server with their storage, their fetch wrapper. */
import { x402HTTPResourceServer } from "@x402/core/http";
import { x402ResourceServer } from "@x402/core/server";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/server";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import type { AddressInfo } from "node:net";
import { localFacilitator } from "../../../keepers/payments/facilitator.ts";
import type { World } from "../../../test/payments/fixture.ts";
import type { TestNode } from "../../../test/payments/node.ts";

export async function stockServer(w: World, node: TestNode): Promise<{ url: string; close(): void }> {
  const network = `eip155:${w.chainId}` as const;
  const scheme = new BatchSettlementEvmScheme(w.payout.address as `0x${string}`, { receiverAuthorizerSigner: node.authorizer as never });
  const http = new x402HTTPResourceServer(new x402ResourceServer(localFacilitator(node.facilitator, network)).register(network, scheme), {
    "*": {
      accepts: {
        scheme: "batch-settlement", network, payTo: w.payout.address,
        price: { amount: "1000", asset: w.addresses.TestDollar, extra: { name: "Test Dollar", version: "1" } },
      },
    },
  });
  await http.initialize();
  const app = new Hono();
  app.post("/v1/chat", async (c) => {
    const adapter = {
      getHeader: (name: string) => c.req.header(name), getMethod: () => "POST", getPath: () => c.req.path, getUrl: () => c.req.url,
      getAcceptHeader: () => "application/json", getUserAgent: () => "",
    };
    const context = { adapter, path: c.req.path, method: "POST" };
    const result = await http.processHTTPRequest(context);
    if (result.type !== "payment-verified") {
      const { response } = result as Extract<typeof result, { type: "payment-error" }>;
      return new Response(JSON.stringify(response.body ?? {}), { status: response.status, headers: response.headers });
    }
    const settled = await http.processSettlement(result.paymentPayload, result.paymentRequirements, result.declaredExtensions, { request: context }, { amount: "1" });
    return new Response('{"answer":42}', { headers: { ...settled.headers, "Content-Type": "application/json" } });
  });
  app.post("/free", (c) => c.json({ answer: 42 }));
  const server = await new Promise<ReturnType<typeof serve>>((resolve) => {
    const made = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, () => resolve(made));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}
