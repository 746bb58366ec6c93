import { type ChatAnswer, Outcome, ResponseKind, chatContent, committedRequest, finishCode } from "../../../sdk/protocol/index.ts";
import { ChatAssembler, wholeAnswer } from "../../../sdk/openai/assemble.ts";
import { isRecord } from "../../../sdk/openai/events.ts";
import type { Usage } from "../../../sdk/payments/tariff.ts";
import type { ChatBody, CompletionBody } from "./body.ts";
import type { ServedModel } from "./catalog.ts";
import { GatewayError } from "./errors.ts";

/** What an answer of the upstream amounts to. */
export interface GeneratedAnswer {
  answer: ChatAnswer;
  finishReason: string | undefined;
  usage: Usage;
}

/** The request as the upstream gets it: its own name of the model, and an output limit that the price was computed for. */
export function upstreamBody(body: ChatBody | CompletionBody, model: ServedModel): Record<string, unknown> {
  const { stream: _stream, stream_options: _options, max_completion_tokens: _limit, ...rest } = body;
  return { ...rest, model: model.upstreamModel ?? model.name, max_tokens: outputLimit(body, model) };
}

/** Most output tokens of this request. */
export function outputLimit(body: ChatBody | CompletionBody, model: ServedModel): number {
  return Math.min(body.max_completion_tokens ?? body.max_tokens ?? model.maxOutputTokens, model.maxOutputTokens);
}

/**
 * Upper bound of the input's tokens: no tokenizer makes more tokens than there are bytes, and each message adds a few of its own.
 * The ceiling is what may be charged at most; the charge counts what the model really used.
 */
export function inputBound(body: ChatBody | CompletionBody): bigint {
  const text = "messages" in body ? JSON.stringify([body.messages, body.tools ?? null]) : JSON.stringify(body.prompt);
  const messages = "messages" in body ? (body.messages as unknown[]).length : 1;
  return BigInt(Buffer.byteLength(text) + 16 * messages);
}

/** Reads a whole answer of either route. @throws GatewayError UPSTREAM_FAILED when it has no choice. */
export function readAnswer(response: Record<string, unknown>): GeneratedAnswer {
  const read = wholeAnswer(response);
  if (!read) throw new GatewayError(502, "UPSTREAM_FAILED", "The model's answer has no choice. Nothing was charged; try again.");
  return { ...read, usage: readUsage(response.usage) ?? { input: 0n, output: 0n } };
}

/** Follows a stream as it passes by. */
export class StreamCollector {
  /** Chunks with content that went out: what is charged when the client hangs up before the model states its usage. */
  flushed = 0n;
  #usage: Usage | undefined;
  readonly #message = new ChatAssembler();

  add(chunk: Record<string, unknown>): void {
    this.#usage = readUsage(chunk.usage) ?? this.#usage;
    if (this.#message.add(chunk).grew) this.flushed += 1n;
  }

  /** @param whole False when the client left before the end. */
  result(whole: boolean): GeneratedAnswer {
    const stated = this.#usage ?? { input: 0n, output: this.flushed };
    const usage = whole ? stated : { input: stated.input, output: this.flushed };
    return { answer: this.#message.answer(), finishReason: whole ? this.#message.finishReason : undefined, usage };
  }
}

/** Facts of a generated answer for its receipt; the charge is added by the caller. */
export function chatFacts(model: ServedModel, body: ChatBody | CompletionBody, { answer, finishReason, usage }: GeneratedAnswer, whole: boolean) {
  return {
    modelId: model.modelId,
    request: committedRequest(body),
    content: chatContent(answer),
    kind: ResponseKind.Chat,
    finish: finishCode(whole ? finishReason : undefined),
    outcome: whole ? Outcome.Complete : Outcome.Partial,
    inputUnits: usage.input,
    outputUnits: usage.output + (usage.reasoning ?? 0n),
  };
}

function readUsage(value: unknown): Usage | undefined {
  if (!isRecord(value)) return undefined;
  const details = isRecord(value.completion_tokens_details) ? value.completion_tokens_details : {};
  const reasoning = unitCount(details.reasoning_tokens);
  const output = unitCount(value.completion_tokens);
  // OpenAI counts reasoning into completion_tokens; a tariff prices it on its own.
  return { input: unitCount(value.prompt_tokens), output: output > reasoning ? output - reasoning : 0n, ...(reasoning > 0n ? { reasoning } : {}) };
}

/** A count of units as the upstream states it; 0 for anything that is not one. */
function unitCount(value: unknown): bigint {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? BigInt(value) : 0n;
}
