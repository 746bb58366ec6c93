/** What OpenAI clients send, checked; and the one way in which this server says no. */
import { z } from "zod";

/** An error in OpenAI's shape: clients turn it into their own classes by status. */
export class ApiError extends Error {
  readonly status: 400 | 401 | 404 | 413 | 500;
  readonly code: string;
  readonly param: string | null;

  constructor(status: ApiError["status"], code: string, message: string, param: string | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }

  body(): object {
    const type = this.status >= 500 ? "server_error" : "invalid_request_error";
    return { error: { message: this.message, type, param: this.param, code: this.code } };
  }
}

const MAX_TOKENS = 1_024;

const sampling = {
  model: z.string(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  seed: z.int().nullish(),
  max_tokens: z.int().min(1).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(4)]).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  n: z.literal(1, { error: "only one choice a request is made here" }).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullish(),
  user: z.string().nullish(),
};

const part = z.looseObject({ type: z.literal("text", { error: "only text parts are understood" }), text: z.string() });
const content = z.union([z.string(), z.array(part)]);
const called = z.looseObject({ name: z.string(), arguments: z.string() });
const toolCall = z.looseObject({ id: z.string(), type: z.literal("function"), function: called });

const message = z.discriminatedUnion("role", [
  z.looseObject({ role: z.literal(["system", "developer", "user"]), content }),
  z.looseObject({ role: z.literal("assistant"), content: content.nullish(), tool_calls: z.array(toolCall).nullish() }),
  z.looseObject({ role: z.literal("tool"), content, tool_call_id: z.string() }),
]);

const tool = z.looseObject({
  type: z.literal("function", { error: "only functions are understood" }),
  function: z.looseObject({
    name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
    description: z.string().optional(),
    parameters: z.record(z.string(), z.unknown()).optional(),
  }),
});

const chat = z.looseObject({
  ...sampling,
  messages: z.array(message).min(1),
  max_completion_tokens: z.int().min(1).nullish(),
  tools: z.array(tool).max(128).nullish(),
  tool_choice: z
    .union([
      z.literal(["none", "auto", "required"]),
      z.looseObject({ type: z.literal("function"), function: z.looseObject({ name: z.string() }) }),
    ])
    .nullish(),
  response_format: z
    .looseObject({ type: z.literal("text", { error: "this model cannot promise JSON; only text is offered" }) })
    .nullish(),
});

const completion = z.looseObject({ ...sampling, prompt: z.union([z.string(), z.array(z.string()).length(1)]) });

export type ChatRequest = z.infer<typeof chat>;
export type ChatMessage = ChatRequest["messages"][number];
export type Tool = z.infer<typeof tool>;
export type CompletionRequest = z.infer<typeof completion>;

export function parseChat(body: unknown): ChatRequest {
  return parse(chat, body);
}

export function parseCompletion(body: unknown): CompletionRequest {
  return parse(completion, body);
}

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const path = issue.path.join(".");
  throw new ApiError(400, "invalid_request", path ? `${path}: ${issue.message}` : issue.message, path || null);
}

/** A message's text, its parts joined. */
export function textOf(message: ChatMessage): string {
  const value = message.content ?? "";
  return typeof value === "string" ? value : value.map((p) => p.text).join("\n");
}

/** The limits of an answer, with defaults. */
export function limitsOf(request: ChatRequest | CompletionRequest): { maxTokens: number; stops: string[] } {
  const asked = ("max_completion_tokens" in request ? (request as ChatRequest).max_completion_tokens : null) ?? request.max_tokens;
  const stop = request.stop ?? [];
  return { maxTokens: Math.min(asked ?? 256, MAX_TOKENS), stops: (typeof stop === "string" ? [stop] : stop).filter((s) => s.length > 0) };
}
