import { type ChatAnswer, Outcome, ResponseKind, chatContent, committedRequest, finishCode } from "../../../sdk/protocol/index.ts";
import type { Usage } from "../../../sdk/payments/tariff.ts";
import type { ChatBody, CompletionBody } from "./body.ts";
import type { ServedModel } from "./catalog.ts";
import { GatewayError } from "./errors.ts";
import { isRecord, unitCount } from "./json.ts";

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
  const choice: unknown = Array.isArray(response.choices) ? response.choices[0] : undefined;
  if (!isRecord(choice)) throw new GatewayError(502, "UPSTREAM_FAILED", "The model's answer has no choice. Nothing was charged; try again.");
  const message = isRecord(choice.message) ? choice.message : { content: choice.text };
  const answer: ChatAnswer = { content: typeof message.content === "string" ? message.content : null };
  if (Array.isArray(message.tool_calls) && message.tool_calls.length > 0) answer.tool_calls = message.tool_calls;
  const finishReason = typeof choice.finish_reason === "string" ? choice.finish_reason : undefined;
  return { answer, finishReason, usage: readUsage(response.usage) ?? { input: 0n, output: 0n } };
}

/** Puts a stream's chunks together again as they pass by. */
export class StreamCollector {
  /** Chunks with content that went out: what is charged when the client hangs up before the model states its usage. */
  flushed = 0n;
  #content: string | null = null;
  #finishReason: string | undefined;
  #usage: Usage | undefined;
  readonly #calls = new Map<number, { id: string; type: string; function: { name: string; arguments: string } }>();

  add(chunk: Record<string, unknown>): void {
    this.#usage = readUsage(chunk.usage) ?? this.#usage;
    const choice: unknown = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined;
    if (!isRecord(choice)) return;
    if (typeof choice.finish_reason === "string") this.#finishReason = choice.finish_reason;
    const delta = isRecord(choice.delta) ? choice.delta : { content: choice.text };
    if (typeof delta.content === "string") {
      this.#content = (this.#content ?? "") + delta.content;
      if (delta.content !== "") this.flushed += 1n;
    }
    for (const call of Array.isArray(delta.tool_calls) ? delta.tool_calls : []) if (isRecord(call)) this.#addCall(call);
  }

  /** @param whole False when the client left before the end. */
  result(whole: boolean): GeneratedAnswer {
    const answer: ChatAnswer = { content: this.#content };
    if (this.#calls.size > 0) answer.tool_calls = [...this.#calls].sort(([a], [b]) => a - b).map(([, call]) => call);
    const stated = this.#usage ?? { input: 0n, output: this.flushed };
    const usage = whole ? stated : { input: stated.input, output: this.flushed };
    return { answer, finishReason: whole ? this.#finishReason : undefined, usage };
  }

  #addCall(call: Record<string, unknown>): void {
    const index = typeof call.index === "number" ? call.index : 0;
    const known = this.#calls.get(index) ?? { id: "", type: "function", function: { name: "", arguments: "" } };
    if (typeof call.id === "string") known.id = call.id;
    if (isRecord(call.function)) {
      if (typeof call.function.name === "string") known.function.name += call.function.name;
      if (typeof call.function.arguments === "string") {
        known.function.arguments += call.function.arguments;
        this.flushed += 1n;
      }
    }
    this.#calls.set(index, known);
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
