/** From a checked request to an answer: prompt, seed, sampling, usage. No HTTP here. */
import { createHash } from "node:crypto";

import type { LanguageModel, Sampling } from "./model/index.ts";
import { ApiError, limitsOf, textOf } from "./requests.ts";
import type { ChatRequest, CompletionRequest } from "./requests.ts";
import { pieces } from "./text.ts";
import type { Finish, Piece } from "./text.ts";
import { toolCall } from "./tools.ts";
import type { ToolCall } from "./tools.ts";

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

export interface Answer {
  readonly id: string;
  readonly promptTokens: number;
  /** Set when the answer is a call instead of text. */
  readonly call?: ToolCall;
  readonly text: Generator<Piece, Finish>;
}

export function chatAnswer(model: LanguageModel, request: ChatRequest): Answer {
  const promptTokens = countPrompt(model, chatPrompt(request));
  const call = toolCall(request);
  if (call) return { id: identify("chatcmpl", request), promptTokens, call, text: nothing() };
  const question = questionOf(request);
  const { maxTokens, stops } = limitsOf(request);
  const sampling = samplingOf(request, maxTokens);
  const last = request.messages.at(-1)!;
  const tokens = last.role === "tool" ? afterTool(textOf(last), model, sampling) : model.answer(question, sampling);
  return { id: identify("chatcmpl", request), promptTokens, text: pieces(tokens, model.tokenizer, stops) };
}

export function completionAnswer(model: LanguageModel, request: CompletionRequest): Answer {
  const prompt = typeof request.prompt === "string" ? request.prompt : request.prompt[0]!;
  const { maxTokens, stops } = limitsOf(request);
  const text = pieces(model.continue(prompt, samplingOf(request, maxTokens)), model.tokenizer, stops);
  return { id: identify("cmpl", request), promptTokens: countPrompt(model, prompt), text };
}

export function usageOf(promptTokens: number, completionTokens: number): Usage {
  return { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: promptTokens + completionTokens };
}

/** Tokens of a tool call, counted on its wire form. */
export function callTokens(model: LanguageModel, call: ToolCall): number {
  return model.tokenizer.encode(`${call.function.name}${call.function.arguments}`).length;
}

/** The conversation as one text: what the prompt's tokens are counted on. */
function chatPrompt({ messages, tools }: ChatRequest): string {
  const lines = messages.map((m) => {
    const calls = m.role === "assistant" && m.tool_calls ? JSON.stringify(m.tool_calls) : "";
    return `<${m.role}>\n${textOf(m)}${calls}\n`;
  });
  return `${tools?.length ? `<tools>\n${JSON.stringify(tools)}\n` : ""}${lines.join("")}<assistant>\n`;
}

function countPrompt(model: LanguageModel, prompt: string): number {
  // A token has at most 32 characters here: an obviously hopeless prompt is not even counted.
  const count = prompt.length > model.contextLength * 32 ? Number.POSITIVE_INFINITY : model.tokenizer.encode(prompt).length;
  if (count <= model.contextLength) return count;
  const message = `The prompt has more than ${model.contextLength} tokens, which is this model's context.`;
  throw new ApiError(400, "context_length_exceeded", message, "messages");
}

/** What the sections are weighed by: the last user message, and the one before it where the last says little. */
function questionOf({ messages }: ChatRequest): string {
  const asked = messages.filter((m) => m.role === "user").map(textOf);
  const last = asked.at(-1) ?? "";
  return last.length < 24 && asked.length > 1 ? `${last}\n${asked.at(-2)}` : last;
}

function samplingOf(request: ChatRequest | CompletionRequest, maxTokens: number): Sampling {
  return {
    temperature: request.temperature ?? 0.7,
    topP: request.top_p ?? 1,
    // Without a seed the request itself is one: the same request has the same answer, which is what verifiers like.
    seed: request.seed ?? Number.parseInt(digest(request).slice(0, 8), 16),
    maxTokens,
    presencePenalty: request.presence_penalty ?? 0,
    frequencyPenalty: request.frequency_penalty ?? 0,
  };
}

/** After a tool's answer: what the tool said, plainly. */
function* afterTool(result: string, model: LanguageModel, { maxTokens }: Sampling): Generator<number, Finish> {
  const said = model.tokenizer.encode(`The tool answered: ${result}`);
  yield* said.slice(0, maxTokens);
  return said.length > maxTokens ? "length" : "stop";
}

function* nothing(): Generator<Piece, Finish> {
  return "stop";
}

/** The request without what only concerns transport. */
function digest(request: object): string {
  const { stream: _stream, stream_options: _options, user: _user, ...rest } = request as Record<string, unknown>;
  return createHash("sha256").update(JSON.stringify(rest)).digest("hex");
}

function identify(prefix: string, request: object): string {
  return `${prefix}-${digest(request).slice(0, 29)}`;
}
