import { type Hex, concatHex, keccak256, numberToHex, toBytes } from "viem";
import { PythonFloat, pythonJson } from "./pythonJson.ts";

/**
 * The receipt format of today's OpenGradient network, for its clients. It is evidence beside our own receipt: it binds
 * neither model version, price, payer nor chain, so it never moves money.
 */
export interface ChatMessage {
  role: string;
  content?: unknown;
  tool_calls?: unknown;
  tool_call_id?: string;
}

export interface ChatRequest {
  model: string;
  messages: ChatMessage[];
  temperature?: number;
  max_tokens?: number;
  stop?: unknown;
  tools?: unknown;
  response_format?: unknown;
  web_search?: unknown;
}

/** teeId = keccak256(DER SubjectPublicKeyInfo). */
export function teeId(publicKeyDer: Uint8Array): Hex {
  return keccak256(publicKeyDer);
}

/** The text that `inputHash` commits to. Optional fields stand in it only when the request has them. */
export function canonicalRequest(request: ChatRequest): string {
  const optional = ["max_tokens", "stop", "tools", "response_format", "web_search"] as const;
  const canonical: Record<string, unknown> = {
    model: request.model,
    messages: request.messages.map(canonicalMessage),
    temperature: new PythonFloat(request.temperature ?? 0),
  };
  for (const field of optional) if (request[field] !== undefined && request[field] !== null) canonical[field] = request[field];
  return pythonJson(canonical);
}

export function inputHash(request: ChatRequest): Hex {
  return keccak256(toBytes(canonicalRequest(request)));
}

/** @param output Assistant's text, or its tool calls when the answer ended with `finish_reason: "tool_calls"`. */
export function outputHash(output: string | unknown[]): Hex {
  return keccak256(toBytes(typeof output === "string" ? output : pythonJson(output)));
}

/** The 32 bytes that the enclave signs: RSA-PSS, SHA-256, MGF1-SHA-256, salt 32. @param timestamp Seconds. */
export function evidenceMessage(input: Hex, output: Hex, timestamp: bigint): Hex {
  return keccak256(concatHex([input, output, numberToHex(timestamp, { size: 32 })]));
}

function canonicalMessage(message: ChatMessage): Record<string, unknown> {
  switch (message.role) {
    case "system":
    case "developer":
      return { role: "system", content: message.content };
    case "assistant":
      return { role: "assistant", content: message.content || "", ...(message.tool_calls ? { tool_calls: message.tool_calls } : {}) };
    case "tool":
      return { role: "tool", content: message.content, tool_call_id: message.tool_call_id };
    default:
      return { role: message.role, content: message.content };
  }
}
