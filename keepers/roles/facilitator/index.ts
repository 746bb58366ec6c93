/** The x402 facilitator on its own: verifies payments and sends them, for servers that have no key on the payment chain. */
import type { Address } from "viem";
import type { Deployment } from "../../config/index.ts";
import { fatal } from "../../errors/index.ts";
import { type HttpServer, serve } from "../../http/index.ts";
import { facilitatorApp } from "../../payments/facilitator-app.ts";
import { journalSender, makeFacilitator } from "../../payments/facilitator.ts";
import { nonceStore } from "../../payments/nonces.ts";
import { facilitatorRules, tokenAddress } from "../../payments/token.ts";
import type { PolicyRule } from "../../signer/index.ts";
import type { Platform, Role } from "../platform.ts";

export { facilitatorFields } from "./fields.ts";

export interface FacilitatorRoleOptions {
  listen: { host: string; port: number };
  token: Address;
  /** Smallest token unit. */
  maxAmount: bigint;
  /** Settlements at a time. */
  maxPending: number;
}

const NO_PAYMENT_CHAIN = "A facilitator needs the payment chain: set OG_PAYMENT_RPC and OG_PAYMENT_ADDRESSES.";

/** What a facilitator's hot key may sign: payments that somebody else has signed for, nothing of its own. */
export function facilitatorRoleRules({ payment }: { payment: Deployment | null }, config: { paymentToken?: Address }): PolicyRule[] {
  if (!payment) throw fatal("config.payment", NO_PAYMENT_CHAIN);
  return facilitatorRules(payment.chainId, tokenAddress(payment, config.paymentToken));
}

export function createFacilitatorRole({ payment, signer, journal, store, logger, metrics }: Platform, options: FacilitatorRoleOptions): Role {
  if (!payment) throw fatal("config.payment", NO_PAYMENT_CHAIN);
  const network = `eip155:${payment.chainId}` as const;
  const facilitator = makeFacilitator({
    network, chainId: payment.chainId, sender: signer.address, tx: journalSender(journal), client: payment.client,
    assets: [options.token], maxAmount: options.maxAmount, nonces: nonceStore(store),
  });
  const app = facilitatorApp(facilitator, { maxPending: options.maxPending, observe: (call, outcome) => metrics.count("facilitator_calls", { call, outcome }) });
  let server: HttpServer | undefined;

  return {
    ready: {},
    status: () => ({ network, token: options.token, url: server?.url ?? null }),
    async start() {
      server ??= await serve({ fetch: app.fetch, ...options.listen });
      logger.info({ url: server.url, network }, "facilitator listens");
    },
    async stop() {
      // What was sent is in the journal, and ends there after the next start.
      await server?.close();
    },
  };
}
