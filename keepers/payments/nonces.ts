import type { PaymentPayload } from "@x402/core/types";
import { type Address, type Hex, keccak256, toBytes } from "viem";
import { canonicalJson } from "../../sdk/protocol/index.ts";
import type { Store } from "../storage/index.ts";
import { paymentsMigration } from "./schema.ts";

/**
 * Which authorisations were sent, kept by us: there are tokens that take a used nonce again and say nothing.
 * `other` is a second payment under a nonce of an earlier one; `same` is the earlier one again, which its intent sends only once.
 */
export interface NonceStore {
  take(asset: string, payer: string, nonce: string, digest: Hex): "new" | "same" | "other";
}

export function nonceStore(store: Store): NonceStore {
  store.migrate(paymentsMigration);
  return {
    take(asset, payer, nonce, digest) {
      const row = [asset.toLowerCase(), payer.toLowerCase(), nonce.toLowerCase()] as const;
      return store.transaction(() => {
        if (store.run("INSERT INTO pay_nonce VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", ...row, digest) === 1) return "new";
        const known = store.get<{ digest: Hex }>("SELECT digest FROM pay_nonce WHERE asset = ? AND payer = ? AND nonce = ?", ...row);
        return known?.digest === digest ? "same" : "other";
      });
    },
  };
}

/** The authorisation that a payment spends, when it is one that can be spent once. */
export function authorizationOf(payment: PaymentPayload): { payer: Address; nonce: string; digest: Hex } | undefined {
  const payload = payment.payload as {
    authorization?: { from?: unknown; nonce?: unknown };
    permit2Authorization?: { from?: unknown; nonce?: unknown };
  };
  const used = payload.authorization ?? payload.permit2Authorization;
  if (typeof used?.from !== "string" || typeof used.nonce !== "string") return undefined;
  return { payer: used.from as Address, nonce: used.nonce, digest: keccak256(toBytes(canonicalJson(payload))) };
}
