import { Hono } from "hono";
import { type Hex, isHex } from "viem";
import type { ZodType } from "zod";
import type { Offer, SignedAck } from "../../../sdk/payments/types.ts";
import { ProgramKind, SettlementMode, Verification, nameOf } from "../../../sdk/protocol/index.ts";
import type { Quote } from "../../payments/types.ts";
import { type ChatBody, type CompletionBody, readBody, readChoice, schemas } from "./body.ts";
import { type ChatDeps, chatRoute } from "./chatRoute.ts";
import { GatewayError, asGatewayError } from "./errors.ts";
import { type InferDeps, inferRoute } from "./inferRoute.ts";
import type { ReceiptKey } from "./key.ts";
import { type Choice, quoteFor } from "./serve.ts";

export interface GatewayDeps extends ChatDeps, InferDeps {
  /** Current key epoch. */
  key: () => ReceiptKey;
  /** Offer for a quote: terms, tariff, ceiling. */
  offer(quote: Quote): Promise<Offer>;
  /** Attestation document over a client's nonce. */
  attest(nonce: Uint8Array): Promise<Uint8Array>;
  /** Why the node takes no work now; undefined when it does. */
  notReady(): string | undefined;
  /** Why the node takes no work now whose money would be held; undefined when it does. */
  heldIntake(): string | undefined;
  maxBodyBytes: number;
}

/** The inference node's public HTTP interface; docs/engineer/gateway.md. */
export function gateway(deps: GatewayDeps): Hono {
  const app = new Hono();

  app.onError((error) => {
    const refusal = asGatewayError(error);
    if (refusal.status >= 500) deps.log.error({ code: refusal.code, error }, "a request failed");
    return refusal.toResponse();
  });
  app.notFound((context) => new GatewayError(404, "UNKNOWN_ROUTE", `There is no ${context.req.method} ${context.req.path}; see GET /v1/models.`).toResponse());

  const open = () => {
    const reason = deps.notReady();
    if (reason) throw new GatewayError(503, "NOT_READY", `The node takes no work now: ${reason}. Nothing was charged; try again.`, undefined, 2);
  };

  /** Private work is paid at the claim; all other money waits for the committee's word, the payer's, or a refund. */
  const openFor = ({ settlementMode }: Choice): void => {
    const reason = settlementMode === SettlementMode.Private ? undefined : deps.heldIntake();
    if (reason) {
      throw new GatewayError(503, "INBOX_SILENT", `The node takes no held payments now: ${reason}. Nothing was charged; try again later, or ask for private settlement.`, undefined, 60);
    }
  };

  const chat = <T extends ChatBody | CompletionBody>(path: string, schema: ZodType<T>) =>
    app.post(path, async ({ req }) => {
      open();
      const choice = readChoice((name) => req.header(name));
      openFor(choice);
      return chatRoute(deps, req.raw, path, await readBody(req.raw, schema, deps.maxBodyBytes), choice);
    });
  chat("/v1/chat/completions", schemas.chat);
  chat("/v1/completions", schemas.completion);

  app.post("/v1/infer", async ({ req }) => {
    open();
    const choice = readChoice((name) => req.header(name));
    openFor(choice);
    return inferRoute(deps, req.raw, await readBody(req.raw, schemas.infer, deps.maxBodyBytes), choice);
  });

  app.get("/v1/models", (context) =>
    context.json({
      object: "list",
      data: deps.catalog.all().map((model) => ({
        id: model.name,
        object: "model",
        owned_by: "opengradient",
        modelId: model.modelId,
        route: model.kind === "chat" ? "/v1/chat/completions" : "/v1/infer",
        verification: model.methods.map((method) => nameOf(Verification, method)),
        program: nameOf(ProgramKind, model.programKind),
      })),
    }),
  );

  app.get("/v1/offer", async (context) => {
    const name = context.req.query("model");
    if (!name) throw new GatewayError(400, "BAD_REQUEST", 'Name a model: /v1/offer?model=NAME&verification=tee&settlement=batch.');
    const wanted: Record<string, string | undefined> = { "x-og-verification": context.req.query("verification"), "x-settlement-type": context.req.query("settlement") };
    const choice = readChoice((header) => wanted[header]);
    const named = deps.catalog.all().find((model) => model.name === name || model.modelId === name);
    const model = deps.catalog.find(name, choice.verification, named?.kind ?? "chat");
    const units = model.runner?.maxUnits ?? { input: 4_096n, output: BigInt(model.maxOutputTokens) };
    const offer = await deps.offer(quoteFor(deps.tariff(), model, choice, units));
    const { nodeId, keyId, keyType, publicKey } = deps.key();
    return json({ offer, modelId: model.modelId, node: { nodeId, keyId, keyType, publicKey } });
  });

  app.get("/v1/terms/:hash", (context) => {
    const hash = context.req.param("hash").toLowerCase() as Hex;
    const book = isHex(hash) ? deps.ledger.bookOf([hash]) : { terms: [], tariffs: [] };
    if (book.terms.length === 0) throw new GatewayError(404, "UNKNOWN_TERMS", "This node has offered no terms with that hash.");
    return json({ terms: book.terms[0], tariff: book.tariffs[0] ?? null });
  });

  app.get("/v1/receipts/:paymentId/:sequence", (context) => {
    const { paymentId, sequence } = context.req.param();
    const stored = isHex(paymentId) && /^\d{1,18}$/.test(sequence) ? deps.gate.storedReceipt(paymentId, BigInt(sequence)) : undefined;
    if (stored === undefined) throw new GatewayError(404, "UNKNOWN_RECEIPT", "This node has no such receipt; receipts are kept for 24 hours.");
    return json(stored);
  });

  app.get("/v1/proofs/:digest", (context) => {
    const digest = context.req.param("digest") as Hex;
    const entry = isHex(digest) ? deps.ledger.find(digest) : undefined;
    if (!entry) throw new GatewayError(404, "UNKNOWN_RECEIPT", "This node has no receipt with that digest.");
    if (entry.proof) return json({ status: "proven", proof: entry.proof.bytes, publicInputs: entry.proof.publicInputs });
    return json(entry.proofError ? { status: "failed", reason: entry.proofError } : { status: "pending" });
  });

  app.get("/v1/payloads/:digest", (context) => {
    const digest = context.req.param("digest").toLowerCase() as Hex;
    const payload = isHex(digest) ? deps.payloads?.find(digest) : undefined;
    if (!payload) throw new GatewayError(404, "UNKNOWN_PAYLOAD", "This node sealed no payload for that receipt; ask for one with X-OG-ENCRYPT-TO.");
    return json(payload);
  });

  app.post("/v1/acks", async ({ req }) => {
    const ack = await readBody(req.raw, schemas.ack, 4_096);
    await deps.gate.acceptAck({ ...ack, cumulative: BigInt(ack.cumulative) } as SignedAck);
    return json({ accepted: true });
  });

  app.get("/enclave/attestation", async (context) => {
    const nonce = context.req.query("nonce") ?? "";
    if (!/^([0-9a-f]{2}){8,64}$/i.test(nonce)) throw new GatewayError(400, "BAD_REQUEST", "nonce needs 8 to 64 bytes as hexadecimal (nitriding clients send 20).");
    return new Response(Buffer.from(await deps.attest(Buffer.from(nonce, "hex"))).toString("base64"));
  });

  app.get("/signing-key", (context) =>
    context.json({
      public_key: deps.evidence.publicKeyPem,
      tee_id: deps.evidence.teeId,
      timestamp: Math.floor(deps.clock.now() / 1000),
      note: "Signs OpenGradient-format evidence. Receipts are signed by the attested key of the registry: see GET /v1/offer.",
    }),
  );

  app.get("/health", (context) => {
    const reason = deps.notReady();
    return reason ? context.json({ status: "NOT_READY", reason }, 503) : context.json({ status: "OK" });
  });

  return app;
}

/** JSON with big integers as decimal strings. */
function json(value: unknown): Response {
  const text = JSON.stringify(value, (_, item) => (typeof item === "bigint" ? item.toString() : item));
  return new Response(text, { headers: { "content-type": "application/json" } });
}
