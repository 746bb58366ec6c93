import { ReadableStream } from "node:stream/web";
import type { ChatRequest } from "../../../sdk/opengradient/evidence.ts";
import type { ChatBody, CompletionBody } from "./body.ts";
import { StreamCollector, chatFacts, inputBound, outputLimit, readAnswer, upstreamBody } from "./chat.ts";
import type { Catalog } from "./catalog.ts";
import { asGatewayError } from "./errors.ts";
import { type EvidenceSigner, evidenceHeaders } from "./evidence.ts";
import { isRecord } from "../../../sdk/openai/events.ts";
import type { IssuedReceipt } from "./receipts.ts";
import { type AdmittedRequest, type Choice, type ServeDeps, admit, quoteFor } from "./serve.ts";
import type { Upstream } from "./upstream.ts";

export interface ChatDeps extends ServeDeps {
  catalog: Catalog;
  upstream: Upstream;
  evidence: EvidenceSigner;
  /** Milliseconds that an answer may take. */
  timeoutMs: number;
}

type Body = ChatBody | CompletionBody;

/** `/v1/chat/completions` and `/v1/completions`: pay, proxy, sign, settle. */
export async function chatRoute(deps: ChatDeps, request: Request, path: string, body: Body, choice: Choice): Promise<Response> {
  const model = deps.catalog.find(body.model, choice.verification, "chat");
  const units = { input: inputBound(body), output: BigInt(outputLimit(body, model)) };
  const entry = await admit(deps, request, body, model, quoteFor(deps.tariff(), model, choice, units));
  if (entry instanceof Response) return entry;
  return body.stream ? streamed(deps, entry, path, body) : whole(deps, entry, path, body);
}

async function whole(deps: ChatDeps, entry: AdmittedRequest, path: string, body: Body): Promise<Response> {
  const { model } = entry;
  let answer: Record<string, unknown>;
  let generated;
  try {
    answer = await deps.upstream.complete(path, upstreamBody(body, model), AbortSignal.timeout(deps.timeoutMs));
    generated = readAnswer(answer);
  } catch (error) {
    const refusal = asGatewayError(error);
    await entry.fail(refusal.code);
    throw refusal;
  }
  const evidence = evidenceOf(deps, body, generated);
  const bodyOf = (issued: IssuedReceipt) => JSON.stringify({ ...answer, model: body.model, opengradient: described(entry, issued), ...evidence });
  const headers = { "content-type": "application/json", ...evidenceHeaders(evidence) };
  const { issued, settlement } = await entry.settle({
    facts: chatFacts(model, body, generated, true),
    usage: generated.usage,
    response: (receipt) => ({ status: 200, headers, body: bodyOf(receipt) }),
  });
  return new Response(bodyOf(issued), { status: 200, headers: { ...headers, ...settlement.headers } });
}

/**
 * Passes chunks on as they come. The receipt stands in the last one, beside `usage`. A client that hangs up is charged for
 * what was flushed; an upstream that fails before its first chunk costs nothing and answers with a proper status.
 */
async function streamed(deps: ChatDeps, entry: AdmittedRequest, path: string, body: Body): Promise<Response> {
  const { model } = entry;
  const stop = new AbortController();
  const source = deps.upstream.stream(path, upstreamBody(body, model), AbortSignal.any([stop.signal, AbortSignal.timeout(deps.timeoutMs)]));
  let next: IteratorResult<Record<string, unknown>>;
  try {
    next = await source.next();
  } catch (error) {
    const refusal = asGatewayError(error);
    await entry.fail(refusal.code);
    throw refusal;
  }

  const collector = new StreamCollector();
  let settled = false;
  const settle = async (wholeAnswer: boolean) => {
    settled = true;
    const generated = collector.result(wholeAnswer);
    const result = await entry.settle({ facts: chatFacts(model, body, generated, wholeAnswer), usage: generated.usage });
    return { ...result, generated };
  };
  const lastFrame = (base: Record<string, unknown>, { issued, settlement, generated }: Awaited<ReturnType<typeof settle>>) =>
    frame({
      ...base,
      opengradient: { ...described(entry, issued), payment: settlement.headers["PAYMENT-RESPONSE"] },
      ...evidenceOf(deps, body, generated),
    });
  const emptyChunk = { object: "chat.completion.chunk", model: body.model, choices: [] };

  async function* frames() {
    try {
      let usageChunk: Record<string, unknown> = emptyChunk;
      for (; !next.done; next = await source.next()) {
        const chunk = { ...next.value, model: body.model };
        collector.add(chunk);
        if (isUsageOnly(chunk)) usageChunk = chunk;
        else yield frame(chunk);
      }
      yield lastFrame(usageChunk, await settle(true));
      yield frame("[DONE]");
    } catch (error) {
      // The upstream failed on the way: what was flushed is charged, the rest is said.
      const refusal = asGatewayError(error);
      deps.log.warn({ code: refusal.code, error }, "a stream was interrupted");
      if (settled) throw error;
      yield lastFrame({ ...emptyChunk, error: { code: refusal.code, message: refusal.message } }, await settle(false));
      yield frame("[DONE]");
    } finally {
      // The client hung up: the stream's consumer ends this generator where it stands.
      stop.abort();
      if (!settled) await settle(false).catch((error: unknown) => deps.log.error({ error }, "a stream that its client left could not be settled"));
    }
  }
  return new Response(ReadableStream.from(frames()) as unknown as BodyInit, { status: 200, headers: { "content-type": "text/event-stream", "cache-control": "no-store" } });
}

const encoder = new TextEncoder();

function frame(value: unknown): Uint8Array {
  return encoder.encode(`data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`);
}

function isUsageOnly(chunk: Record<string, unknown>): boolean {
  return isRecord(chunk.usage) && Array.isArray(chunk.choices) && chunk.choices.length === 0;
}

/** The `opengradient` object of an answer. */
export function described(entry: AdmittedRequest, issued: IssuedReceipt): Record<string, unknown> {
  const { verification, settlementMode } = entry.quote;
  return { ...issued.document, settlement: { mode: settlementMode, verification }, receiptDigest: issued.digest };
}

function evidenceOf(deps: ChatDeps, body: Body, { answer, finishReason }: ReturnType<typeof readAnswer>) {
  const messages = "messages" in body ? body.messages : [{ role: "user", content: body.prompt }];
  return deps.evidence.sign({ ...body, messages } as unknown as ChatRequest, answer, finishReason, Math.floor(deps.clock.now() / 1000));
}
