import { type Hex, numberToHex } from "viem";
import { Finish, canonicalJson } from "./commitments.ts";

/**
 * What requestHash and responseHash commit to, for each route; docs/engineer/gateway.md. Node and client share this file:
 * a difference in one byte would make an honest receipt look forged.
 */

/** A request's body without what only steers the transport. */
export function committedRequest(body: Record<string, unknown>): Record<string, unknown> {
  const { stream: _stream, stream_options: _options, ...committed } = body;
  return committed;
}

/** The assistant's message of a chat, or the text of a completion. */
export interface ChatAnswer {
  content: string | null;
  tool_calls?: unknown[];
}

/** Committed bytes of a chat's answer. */
export function chatContent({ content, tool_calls }: ChatAnswer): string {
  return canonicalJson(tool_calls && tool_calls.length > 0 ? { content, tool_calls } : { content });
}

/** Committed bytes of `/v1/infer`'s answer. */
export function tensorContent(outputs: Record<string, unknown>): string {
  return canonicalJson(outputs);
}

/**
 * A request or an answer of an `int` program in words: the public inputs of its proofs. It has one text, so a contract can open
 * it (contracts/libraries/WordAnswers.sol) and a wrong answer is a fault.
 */
export function wordList(words: readonly bigint[]): Hex[] {
  return words.map((word) => numberToHex(word, { size: 32 }));
}

/** Code of an OpenAI `finish_reason`. */
export function finishCode(reason: string | null | undefined): number {
  switch (reason) {
    case "stop":
      return Finish.Stop;
    case "length":
      return Finish.Length;
    case "tool_calls":
      return Finish.ToolCalls;
    case "content_filter":
      return Finish.ContentFilter;
    default:
      return Finish.Aborted;
  }
}

