/**
 * Tool calls by a plain rule, not by the model: the embedded language model is far too small to choose a tool, and to
 * pretend otherwise would mislead. The rule is enough to carry the field through the whole path, streaming included:
 *
 *   which   the tool that the request forces; otherwise the one whose name shares a word with the last user message
 *   with    for each parameter: an enumerated value that the message names, else its next number, quoted text or name
 */
import { createHash } from "node:crypto";

import { words } from "./model/topics.ts";
import { ApiError, textOf } from "./requests.ts";
import type { ChatRequest, Tool } from "./requests.ts";

export interface ToolCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

type Schema = Record<string, unknown>;

export function toolCall(request: ChatRequest): ToolCall | undefined {
  const tools = request.tools ?? [];
  const choice = request.tool_choice ?? "auto";
  const last = request.messages.at(-1)!;
  const message = textOf([...request.messages].reverse().find((m) => m.role === "user") ?? last);

  let tool: Tool | undefined;
  if (typeof choice === "object") {
    tool = tools.find((t) => t.function.name === choice.function.name);
    if (!tool) throw new ApiError(400, "unknown_tool", `tool_choice names ${choice.function.name}, which is not in tools.`, "tool_choice");
  } else if (choice === "required") {
    if (tools.length === 0) throw new ApiError(400, "missing_tools", "tool_choice is required, but there are no tools.", "tools");
    tool = best(tools, message) ?? tools[0];
  } else if (choice === "auto" && last.role === "user") {
    tool = best(tools, message);
  }
  if (!tool) return undefined;
  const name = tool.function.name;
  const args = JSON.stringify(fill((tool.function.parameters ?? {}) as Schema, reader(message)));
  const id = createHash("sha256").update(JSON.stringify([request.messages, name, args])).digest("hex").slice(0, 24);
  return { id: `call_${id}`, type: "function", function: { name, arguments: args } };
}

function best(tools: readonly Tool[], message: string): Tool | undefined {
  const said = new Set(words(message));
  const shared = (text: string): number => new Set(words(text).filter((word) => said.has(word))).size;
  const ranked = tools
    .map((tool) => {
      const { name, description = "" } = tool.function;
      return { tool, name: shared(name.replace(/[_-]|(?<=[a-z])(?=[A-Z])/g, " ")), about: shared(description) };
    })
    .filter(({ name }) => name > 0)
    .sort((a, b) => b.name - a.name || b.about - a.about);
  return ranked[0]?.tool;
}

interface Reader {
  readonly text: string;
  number(): number | undefined;
  phrase(): string;
}

/** Hands out what the message contains, each thing once. */
function reader(text: string): Reader {
  const numbers = (text.match(/-?\d+(?:\.\d+)?/g) ?? []).map(Number);
  const quoted = [...text.matchAll(/["'“](.+?)["'”]/g)].map((m) => m[1]!);
  // Names: runs of capitalised words after the first word of the message.
  const names = (text.slice(1).match(/(?<=\s)\p{Lu}[\p{L}\p{N}-]*(?:\s\p{Lu}[\p{L}\p{N}-]*)*/gu) ?? []).filter((word) => word !== "I");
  const phrases = [...quoted, ...names];
  return { text, number: () => numbers.shift(), phrase: () => phrases.shift() ?? text.trim() };
}

function fill(schema: Schema, from: Reader, depth = 0): Record<string, unknown> {
  const properties = (schema["properties"] ?? {}) as Record<string, Schema>;
  const required = (schema["required"] ?? Object.keys(properties)) as string[];
  const entries = Object.entries(properties).flatMap(([name, property]) => {
    const found = value(property, from, depth);
    // An option that the message does not name is left out where it may be.
    return found.named || required.includes(name) ? [[name, found.value]] : [];
  });
  return Object.fromEntries(entries) as Record<string, unknown>;
}

function value(schema: Schema, from: Reader, depth: number): { value: unknown; named: boolean } {
  const options = schema["enum"];
  if (Array.isArray(options)) {
    const said = from.text.toLowerCase();
    const named = options.find((option) => said.includes(String(option).toLowerCase()));
    return { value: named ?? options[0], named: named !== undefined };
  }
  switch (schema["type"]) {
    case "integer":
      return { value: Math.trunc(from.number() ?? 0), named: true };
    case "number":
      return { value: from.number() ?? 0, named: true };
    case "boolean":
      return { value: false, named: true };
    case "array":
      return { value: [], named: true };
    case "object":
      return { value: depth < 4 ? fill(schema, from, depth + 1) : {}, named: true };
    default:
      return { value: from.phrase(), named: true };
  }
}
