import type { x402Facilitator } from "@x402/core/facilitator";
import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { messageOf } from "../errors/index.ts";

export interface FacilitatorAppOptions {
  /** Settlements at a time; beyond it the answer is 429. Default: 64. */
  maxPending?: number;
  /** How a call ended. */
  observe?: (call: "verify" | "settle", outcome: "ok" | "refused" | "overloaded") => void;
}

/** The facilitator over HTTP: POST /verify, POST /settle, GET /supported, with the standard answers. */
export function facilitatorApp(facilitator: x402Facilitator, { maxPending = 64, observe = () => undefined }: FacilitatorAppOptions = {}): Hono {
  let pending = 0;
  const app = new Hono();
  app.use(bodyLimit({ maxSize: 64 * 1_024, onError: (c) => c.json({ error: "request body above 64 KiB" }, 413) }));

  app.get("/supported", (c) => c.json(facilitator.getSupported()));

  app.post("/verify", async (c) => {
    const call = await readCall(c.req.raw);
    if ("problem" in call) return c.json({ isValid: false, invalidReason: "invalid_payload", invalidMessage: call.problem }, 400);
    try {
      const verdict = await facilitator.verify(call.payment, call.requirements);
      observe("verify", verdict.isValid ? "ok" : "refused");
      return c.json(verdict);
    } catch (error) {
      observe("verify", "refused");
      return c.json({ isValid: false, invalidReason: reasonOf(error) });
    }
  });

  app.post("/settle", async (c) => {
    const call = await readCall(c.req.raw);
    if ("problem" in call) return c.json({ success: false, errorReason: "invalid_payload", errorMessage: call.problem, transaction: "", network: "" }, 400);
    if (pending >= maxPending) {
      observe("settle", "overloaded");
      c.header("Retry-After", "2");
      return c.json({ success: false, errorReason: "overloaded", transaction: "", network: call.requirements.network }, 429);
    }
    pending++;
    try {
      const result = await facilitator.settle(call.payment, call.requirements);
      observe("settle", result.success ? "ok" : "refused");
      return c.json(result);
    } catch (error) {
      observe("settle", "refused");
      return c.json({ success: false, errorReason: reasonOf(error), transaction: "", network: call.requirements.network });
    } finally {
      pending--;
    }
  });
  return app;
}

async function readCall(request: Request): Promise<{ payment: PaymentPayload; requirements: PaymentRequirements } | { problem: string }> {
  let body: unknown;
  try {
    body = await request.json();
  } catch {
    return { problem: "The body is not JSON." };
  }
  const { x402Version, paymentPayload, paymentRequirements } = (body ?? {}) as Record<string, unknown>;
  if (x402Version !== 2) return { problem: "x402Version must be 2." };
  if (!isObject(paymentPayload) || !isObject(paymentPayload.payload) || !isObject(paymentPayload.accepted)) return { problem: "paymentPayload lacks payload or accepted." };
  if (!isObject(paymentRequirements) || typeof paymentRequirements.scheme !== "string") return { problem: "paymentRequirements is not an object with a scheme." };
  return { payment: paymentPayload as unknown as PaymentPayload, requirements: paymentRequirements as unknown as PaymentRequirements };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** "Verification aborted: invalid_amount" -> "invalid_amount". */
function reasonOf(error: unknown): string {
  return messageOf(error).replace(/^(Verification|Settlement) aborted: /, "");
}
