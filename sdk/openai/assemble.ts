import type { ChatAnswer } from "../protocol/answers.ts";
import { isRecord } from "./events.ts";

interface ToolCall {
  id: string;
  type: string;
  function: { name: string; arguments: string };
}

/**
 * Puts the message of a streamed chat (or completion) together again. Node and client use it, so that both commit to the
 * same bytes.
 */
export class ChatAssembler {
  finishReason: string | undefined;
  #content: string | null = null;
  readonly #calls = new Map<number, ToolCall>();

  /** @returns Text that the chunk adds, and whether it adds anything at all. */
  add(chunk: Record<string, unknown>): { text: string; grew: boolean } {
    const choice: unknown = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined;
    if (!isRecord(choice)) return { text: "", grew: false };
    if (typeof choice.finish_reason === "string") this.finishReason = choice.finish_reason;
    const delta = isRecord(choice.delta) ? choice.delta : { content: choice.text };
    const text = typeof delta.content === "string" ? delta.content : "";
    if (typeof delta.content === "string") this.#content = (this.#content ?? "") + text;
    let grew = text !== "";
    for (const call of Array.isArray(delta.tool_calls) ? delta.tool_calls : []) if (isRecord(call)) grew = this.#addCall(call) || grew;
    return { text, grew };
  }

  answer(): ChatAnswer {
    const calls = [...this.#calls].sort(([a], [b]) => a - b).map(([, call]) => call);
    return calls.length > 0 ? { content: this.#content, tool_calls: calls } : { content: this.#content };
  }

  #addCall(delta: Record<string, unknown>): boolean {
    const index = typeof delta.index === "number" ? delta.index : 0;
    const call = this.#calls.get(index) ?? { id: "", type: "function", function: { name: "", arguments: "" } };
    this.#calls.set(index, call);
    if (typeof delta.id === "string") call.id = delta.id;
    if (!isRecord(delta.function)) return false;
    if (typeof delta.function.name === "string") call.function.name += delta.function.name;
    if (typeof delta.function.arguments !== "string") return false;
    call.function.arguments += delta.function.arguments;
    return true;
  }
}

/** The message of a whole chat, or the text of a whole completion; undefined when the answer has no choice. */
export function wholeAnswer(response: Record<string, unknown>): { answer: ChatAnswer; finishReason: string | undefined } | undefined {
  const choice: unknown = Array.isArray(response.choices) ? response.choices[0] : undefined;
  if (!isRecord(choice)) return undefined;
  const message = isRecord(choice.message) ? choice.message : { content: choice.text };
  const answer: ChatAnswer = { content: typeof message.content === "string" ? message.content : null };
  if (Array.isArray(message.tool_calls) && message.tool_calls.length > 0) answer.tool_calls = message.tool_calls;
  return { answer, finishReason: typeof choice.finish_reason === "string" ? choice.finish_reason : undefined };
}
