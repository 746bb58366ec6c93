/**
 * The embedded upstream: an OpenAI-compatible server in front of the demonstration language model. The inference node's
 * gateway talks to it as it would to any other upstream; a URL in the configuration replaces it.
 */
import type { Server } from "node:http";
import { setImmediate } from "node:timers/promises";

import { serve } from "@hono/node-server";
import { Hono } from "hono";
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { streamSSE } from "hono/streaming";

import { callTokens, chatAnswer, completionAnswer, usageOf } from "./answers.ts";
import type { Answer } from "./answers.ts";
import type { LanguageModel } from "./model/index.ts";
import { ApiError, parseChat, parseCompletion } from "./requests.ts";
import type { ChatRequest, CompletionRequest } from "./requests.ts";

export interface UpstreamOptions {
  readonly model: LanguageModel;
  readonly clock: { now(): number };
  readonly host?: string;
  readonly port?: number;
  /** When set, requests need it as a bearer token. */
  readonly apiKey?: string;
  readonly maxBodyBytes?: number;
  readonly onError?: (error: unknown) => void;
}

export interface UpstreamServer {
  readonly url: string;
  close(): Promise<void>;
}

export async function startUpstream(options: UpstreamOptions): Promise<UpstreamServer> {
  const app = upstreamApp(options);
  const host = options.host ?? "127.0.0.1";
  // The first answer compiles the code: it is better made before anyone waits for it.
  for (const _ of options.model.answer("receipt", { temperature: 1, topP: 1, seed: 1, maxTokens: 32 }));
  const server = await new Promise<Server>((resolve, reject) => {
    const starting = serve({ fetch: app.fetch, hostname: host, port: options.port ?? 0 }, () => resolve(starting)) as Server;
    starting.on("error", reject);
  });
  const address = server.address();
  return {
    url: `http://${host}:${typeof address === "object" && address ? address.port : options.port}`,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

export function upstreamApp(options: UpstreamOptions): Hono {
  const { model, clock, maxBodyBytes = 1024 * 1024 } = options;
  const seconds = (): number => Math.floor(clock.now() / 1000);
  const fingerprint = `og_demo_${model.hash.slice(2, 12)}`;
  const about = { id: model.name, object: "model", created: 1_763_596_800, owned_by: "opengradient-protocol", demonstration: true };

  const app = new Hono();
  app.onError((error, c) => {
    if (error instanceof ApiError) return c.json(error.body(), error.status);
    options.onError?.(error);
    return c.json(new ApiError(500, "internal", "The server failed; see its log.").body(), 500);
  });
  app.notFound((c) => c.json(new ApiError(404, "unknown_url", `There is nothing at ${c.req.method} ${c.req.path}.`).body(), 404));
  app.use("/v1/*", async (c, next) => {
    if (options.apiKey && c.req.header("authorization") !== `Bearer ${options.apiKey}`) {
      throw new ApiError(401, "invalid_api_key", "The API key is missing or wrong.");
    }
    await next();
  });
  app.use(
    "/v1/*",
    bodyLimit({
      maxSize: maxBodyBytes,
      onError: (c) => {
        // The rest of the body is not read, so the connection cannot serve another request.
        c.header("connection", "close");
        return c.json(new ApiError(413, "body_too_large", `A request may have at most ${maxBodyBytes} bytes.`).body(), 413);
      },
    }),
  );

  app.get("/health", (c) => c.json({ status: "OK" }));
  app.get("/v1/models", (c) => c.json({ object: "list", data: [about] }));
  app.get("/v1/models/:id", (c) => c.json(known(c.req.param("id")) && about));

  app.post("/v1/chat/completions", async (c) => {
    const request = parseChat(await json(c));
    known(request.model);
    const answer = chatAnswer(model, request);
    const head = { id: answer.id, created: seconds(), model: model.name, system_fingerprint: fingerprint };
    return request.stream ? streamChat(c, request, answer, head) : c.json(wholeChat(answer, head));
  });

  app.post("/v1/completions", async (c) => {
    const request = parseCompletion(await json(c));
    known(request.model);
    const answer = completionAnswer(model, request);
    const head = { id: answer.id, created: seconds(), model: model.name, system_fingerprint: fingerprint, object: "text_completion" };
    if (request.stream) return streamCompletion(c, request, answer, head);
    const { text, tokens, finish } = drain(answer);
    const choices = [{ index: 0, text, finish_reason: finish, logprobs: null }];
    return c.json({ ...head, choices, usage: usageOf(answer.promptTokens, tokens) });
  });
  return app;

  function known(id: string): true {
    if (id === model.name) return true;
    throw new ApiError(404, "model_not_found", `The model ${id.slice(0, 80)} does not exist; this server has ${model.name}.`, "model");
  }

  function wholeChat(answer: Answer, head: object): object {
    const object = "chat.completion";
    if (answer.call) {
      const message = { role: "assistant", content: null, refusal: null, tool_calls: [answer.call] };
      const choices = [{ index: 0, message, finish_reason: "tool_calls", logprobs: null }];
      return { ...head, object, choices, usage: usageOf(answer.promptTokens, callTokens(model, answer.call)) };
    }
    const { text, tokens, finish } = drain(answer);
    const choices = [{ index: 0, message: { role: "assistant", content: text, refusal: null }, finish_reason: finish, logprobs: null }];
    return { ...head, object, choices, usage: usageOf(answer.promptTokens, tokens) };
  }

  function streamChat(c: Context, request: ChatRequest, answer: Answer, head: object): Response {
    const chunk = (delta: object, finish: string | null = null): object => {
      return { ...head, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish, logprobs: null }] };
    };
    return events(c, request, answer, head, "chat.completion.chunk", async (send) => {
      if (answer.call) {
        const { id, type, function: called } = answer.call;
        const first = { index: 0, id, type, function: { name: called.name, arguments: "" } };
        await send(chunk({ role: "assistant", content: null, tool_calls: [first] }));
        await send(chunk({ tool_calls: [{ index: 0, function: { arguments: called.arguments } }] }));
        await send(chunk({}, "tool_calls"));
        return callTokens(model, answer.call);
      }
      await send(chunk({ role: "assistant", content: "" }));
      return tokenwise(answer, (text) => send(chunk({ content: text })), (finish) => send(chunk({}, finish)));
    });
  }

  function streamCompletion(c: Context, request: CompletionRequest, answer: Answer, head: object): Response {
    const chunk = (text: string, finish: string | null): object => {
      return { ...head, choices: [{ index: 0, text, finish_reason: finish, logprobs: null }] };
    };
    return events(c, request, answer, head, "text_completion", (send) =>
      tokenwise(answer, (text) => send(chunk(text, null)), (finish) => send(chunk("", finish))),
    );
  }

  function events(
    c: Context,
    request: ChatRequest | CompletionRequest,
    answer: Answer,
    head: object,
    object: string,
    body: (send: (data: object) => Promise<boolean>) => Promise<number>,
  ): Response {
    return streamSSE(
      c,
      async (stream) => {
        const send = async (data: object): Promise<boolean> => {
          await stream.writeSSE({ data: JSON.stringify(data) });
          // A turn of the event loop: what was written leaves now, and others get theirs between two tokens.
          await setImmediate();
          return !stream.aborted;
        };
        const tokens = await body(send);
        if (request.stream_options?.include_usage) {
          await send({ ...head, object, choices: [], usage: usageOf(answer.promptTokens, tokens) });
        }
        await stream.writeSSE({ data: "[DONE]" });
      },
      async (error) => options.onError?.(error),
    );
  }
}

/** Sends text as it is made; stops making it when nobody listens any more. Returns the tokens made. */
async function tokenwise(
  { text }: Answer,
  send: (text: string) => Promise<boolean>,
  end: (finish: string) => Promise<boolean>,
): Promise<number> {
  let tokens = 0;
  for (;;) {
    const step = text.next();
    if (step.done) {
      await end(step.value);
      return tokens;
    }
    tokens = step.value.tokens;
    if (step.value.text && !(await send(step.value.text))) return tokens;
  }
}

function drain({ text }: Answer): { text: string; tokens: number; finish: string } {
  const parts: string[] = [];
  let tokens = 0;
  for (;;) {
    const step = text.next();
    if (step.done) return { text: parts.join(""), tokens, finish: step.value };
    parts.push(step.value.text);
    tokens = step.value.tokens;
  }
}

async function json(c: Context): Promise<unknown> {
  try {
    return JSON.parse(await c.req.text()) as unknown;
  } catch (error: unknown) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(400, "bad_json", "The body is not valid JSON.");
  }
}
