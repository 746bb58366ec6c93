import { type Hex, keccak256, toBytes } from "viem";
import { Finish, Outcome, ResponseKind, canonicalJson, committedRequest } from "../../../sdk/protocol/index.ts";
import { type Tariff, type Usage, ceilingOf, chargeWithin, priceFor } from "../../../sdk/payments/tariff.ts";
import type { Clock } from "../../clock/index.ts";
import type { Logger } from "../../logger/index.ts";
import type { GateRequest, PaidRequest, PaymentGate, PlainResponse, Quote, Settlement } from "../../payments/types.ts";
import type { ServedModel } from "./catalog.ts";
import { messageOf } from "../../errors/index.ts";
import { schemas } from "./body.ts";
import { GatewayError } from "./errors.ts";
import type { InferenceLedger } from "./ledger.ts";
import { ENCRYPT_HEADER, type Payloads } from "./payloads.ts";
import type { receiptIssuer } from "./receipts.ts";
import { type AnswerFacts, type IssuedReceipt } from "./receipts.ts";

/** What every paid route needs. */
export interface ServeDeps {
  gate: PaymentGate;
  ledger: InferenceLedger;
  issue: ReturnType<typeof receiptIssuer>;
  tariff: () => Tariff;
  clock: Clock;
  log: Logger;
  /** Sealed payloads of individual settlements. */
  payloads?: Payloads;
}

/** What the client asked for, beside the body. */
export interface Choice {
  verification: number;
  settlementMode: number;
}

/** A request that has been admitted: the payment is reserved and waits for `settle` or `fail`, one of them, once. */
export interface AdmittedRequest {
  paid: PaidRequest;
  quote: Quote;
  model: ServedModel;
  /**
   * Signs the receipt and stores charge, receipt and settlement entry in one transaction. Only then may the answer, or its
   * last event, leave.
   * @param response For an idempotent retry; absent for streams.
   */
  settle(answer: SettledAnswer): Promise<{ issued: IssuedReceipt; settlement: Settlement }>;
  /** The request failed: a receipt over nothing is stored, nothing is charged. */
  fail(reason: string): Promise<void>;
}

export interface SettledAnswer {
  facts: Omit<AnswerFacts, "charge">;
  usage: Usage;
  response?: (issued: IssuedReceipt, charge: bigint) => PlainResponse;
  /** Runs in the same transaction; the proving job is queued here. */
  alongside?: (digest: Hex) => void;
}

/** The quote of a request: what it may cost at most, under which terms. */
export function quoteFor(tariff: Tariff, model: ServedModel, choice: Choice, units: { input: bigint; output: bigint }): Quote {
  const price = priceFor(tariff, model.modelId);
  if (!price) throw new GatewayError(503, "NOT_READY", `"${model.name}" has no price yet. Nothing was charged; ask the operator.`);
  return { ceiling: ceilingOf(price, units.input, units.output), modelId: model.modelId, ...choice, description: `${model.name}, one answer` };
}

/**
 * Takes a request through the payment's door.
 * @returns The answer to send instead (402, a replay), or the admitted request.
 */
export async function admit(
  deps: ServeDeps,
  request: Request,
  body: Record<string, unknown>,
  model: ServedModel,
  quote: Quote,
): Promise<Response | AdmittedRequest> {
  const url = new URL(request.url);
  const gateRequest: GateRequest = {
    method: request.method,
    url: request.url,
    path: url.pathname,
    header: (name) => request.headers.get(name) ?? undefined,
    body,
    bodyHash: keccak256(toBytes(canonicalJson(body))),
    quote,
  };
  const recipient = await deps.payloads?.recipientOf(request.headers.get(ENCRYPT_HEADER), quote.settlementMode);
  takeAck(deps, gateRequest.header("x-og-ack"));
  const admission = await deps.gate.admit(gateRequest);
  if (admission.kind !== "paid") {
    const { status, headers, body: text } = admission.response;
    return new Response(text, { status, headers });
  }
  return admitted(deps, admission.paid, body, model, quote, recipient);
}

/**
 * The Ack that comes with a request accepts what was delivered before; it is worth money, so a bad one is said and not ignored. A good
 * one is stored while the request is admitted; the payer's next one covers it if that fails.
 */
function takeAck(deps: ServeDeps, header: string | undefined): void {
  if (!header) return;
  try {
    const { paymentId, cumulative, signature } = schemas.ack.parse(JSON.parse(Buffer.from(header, "base64").toString()));
    deps.gate
      .acceptAck({ paymentId: paymentId as Hex, cumulative: BigInt(cumulative), signature: signature as Hex })
      .catch((error: unknown) => deps.log.warn({ error, paymentId }, "an Ack could not be stored"));
  } catch (error) {
    throw new GatewayError(400, "BAD_ACK", `X-OG-ACK is not accepted: ${messageOf(error)} Nothing was charged.`);
  }
}

function admitted(deps: ServeDeps, paid: PaidRequest, body: Record<string, unknown>, model: ServedModel, quote: Quote, recipient?: Hex): AdmittedRequest {
  const { verification, settlementMode } = quote;
  const enter = ({ digest, receipt, signature }: IssuedReceipt) =>
    deps.ledger.add({ digest, receipt, signature, settlementMode, verification, storedAt: deps.clock.now() });

  return {
    paid,
    quote,
    model,
    async settle({ facts, usage, response, alongside }) {
      const price = priceFor(deps.tariff(), model.modelId)!;
      const charge = facts.outcome === Outcome.Error ? 0n : chargeWithin(price, usage, paid.ceiling);
      const issued = await deps.issue(paid, { ...facts, charge });
      const settlement = await paid.commit(charge, {
        document: issued.document,
        digest: issued.digest,
        ...(response ? { response: response(issued, charge) } : {}),
        alongside: () => {
          enter(issued);
          alongside?.(issued.digest);
        },
      });
      if (recipient) await deps.payloads!.add(recipient, issued.digest, { request: facts.request, response: { kind: facts.kind, finish: facts.finish, content: facts.content }, salt: issued.document.salt as Hex });
      deps.log.info({ digest: issued.digest, model: model.name, charge, outcome: facts.outcome }, "answered");
      return { issued, settlement };
    },
    async fail(reason) {
      const facts: AnswerFacts = {
        modelId: model.modelId,
        request: committedRequest(body),
        content: canonicalJson({ error: reason }),
        kind: ResponseKind.Chat,
        finish: Finish.Error,
        outcome: Outcome.Error,
        charge: 0n,
        inputUnits: 0n,
        outputUnits: 0n,
      };
      const issued = await deps.issue(paid, facts);
      await paid.release(reason, { document: issued.document, digest: issued.digest, alongside: () => enter(issued) });
      deps.log.warn({ digest: issued.digest, model: model.name, reason }, "failed, nothing charged");
    },
  };
}
