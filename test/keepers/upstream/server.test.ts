import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { expect } from "chai";
import OpenAI from "openai";

import { startUpstream, trainLanguageModel, upstreamApp } from "../../../keepers/upstream/index.ts";
import type { LanguageModel, UpstreamServer } from "../../../keepers/upstream/index.ts";

const MODEL = "og-demo-lm";
const weather: OpenAI.ChatCompletionFunctionTool = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Current weather of a city",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, days: { type: "integer" }, unit: { type: "string", enum: ["celsius", "fahrenheit"] } },
      required: ["city", "days"],
    },
  },
};

describe("embedded upstream, seen by the unmodified openai client", () => {
  let model: LanguageModel;
  let server: UpstreamServer;
  let client: OpenAI;
  const user = (content: string) => ({ role: "user" as const, content });

  before(async () => {
    model = trainLanguageModel();
    server = await startUpstream({ model, clock: { now: () => 1_763_640_000_000 } });
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  after(() => server.close());

  it("lists its one model, labelled as a demonstration", async () => {
    const models = await client.models.list();
    expect(models.data.map((m) => m.id)).to.deep.equal([MODEL]);
    expect(await client.models.retrieve(MODEL)).to.include({ object: "model", demonstration: true });
  });

  it("answers a chat, with real token counts", async () => {
    const answer = await client.chat.completions.create({ model: MODEL, messages: [user("What is a receipt?")], seed: 4 });
    const text = answer.choices[0]!.message.content!;
    expect(answer).to.include({ object: "chat.completion", model: MODEL, created: 1_763_640_000 });
    expect(answer.choices[0]).to.include({ index: 0, finish_reason: "stop" });
    expect(text).to.match(/^[A-Z]/);
    expect(answer.usage!.completion_tokens).to.equal(model.tokenizer.encode(text).length);
    expect(answer.usage!.prompt_tokens).to.equal(model.tokenizer.encode("<user>\nWhat is a receipt?\n<assistant>\n").length);
    expect(answer.usage!.total_tokens).to.equal(answer.usage!.prompt_tokens + answer.usage!.completion_tokens);
  });

  it("streams the same answer token by token, usage last", async () => {
    const request = { model: MODEL, messages: [user("How does settlement work?")], seed: 9 };
    const whole = await client.chat.completions.create(request);
    const stream = await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } });
    const pieces: string[] = [];
    let finish: string | null = null;
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      const choice = chunk.choices[0];
      if (choice?.delta.content) pieces.push(choice.delta.content);
      finish = choice?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
    }
    expect(pieces.join("")).to.equal(whole.choices[0]!.message.content);
    expect(pieces.length).to.be.greaterThan(5);
    expect(finish).to.equal("stop");
    expect(usage).to.deep.equal(whole.usage);
  });

  it("lets the first token leave while the rest is still being made", async () => {
    let made = 0;
    const counted: LanguageModel = {
      ...model,
      *answer(question, sampling) {
        const tokens = model.answer(question, sampling);
        for (let step = tokens.next(); ; step = tokens.next()) {
          if (step.done) return step.value;
          made++;
          yield step.value;
        }
      },
    };
    // Without a network in between, which may hold pieces back and deliver them together.
    const app = upstreamApp({ model: counted, clock: { now: () => 1_763_640_000_000 } });
    const body = JSON.stringify({ model: MODEL, messages: [user("How does settlement work?")], seed: 9, stream: true });
    const response = await app.request("/v1/chat/completions", { method: "POST", body });
    expect(response.headers.get("content-type")).to.match(/^text\/event-stream/);
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    let text = "";
    while (!/"content":"[^"]/.test(text)) text += decoder.decode((await reader.read()).value, { stream: true });
    const atFirst = made;
    while (!(await reader.read()).done);
    expect(atFirst).to.be.lessThan(made / 2);
  });

  it("obeys max_tokens, stop, seed and temperature", async () => {
    const ask = async (more: object) => {
      const answer = await client.chat.completions.create({ model: MODEL, messages: [user("Explain the escrow")], seed: 2, ...more });
      return { text: answer.choices[0]!.message.content!, finish: answer.choices[0]!.finish_reason, usage: answer.usage! };
    };
    const short = await ask({ max_tokens: 3 });
    expect(short.finish).to.equal("length");
    expect(short.usage.completion_tokens).to.equal(3);
    const full = await ask({});
    const word = full.text.split(" ")[4]!;
    const stopped = await ask({ stop: [word] });
    expect(stopped).to.include({ text: full.text.slice(0, full.text.indexOf(word)), finish: "stop" });
    expect((await ask({})).text).to.equal(full.text);
    const texts = await Promise.all(Array.from({ length: 8 }, async (_, seed) => (await ask({ seed, temperature: 1.2 })).text));
    expect(new Set(texts).size).to.be.greaterThan(1);
    const greedy = await Promise.all([1, 2, 3].map(async (seed) => (await ask({ seed, temperature: 0 })).text));
    expect(new Set(greedy).size).to.equal(1);
  });

  it("never sends a part of a stop sequence, however tokens fall", async () => {
    const messages = [user("Explain the escrow")];
    const full = (await client.chat.completions.create({ model: MODEL, messages, seed: 2 })).choices[0]!.message.content!;
    for (let at = 5; at < 40; at += 7) {
      const stop = full.slice(at, at + 6);
      const stream = await client.chat.completions.create({ model: MODEL, messages, seed: 2, stop, stream: true });
      let text = "";
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
      expect(text).to.equal(full.slice(0, full.indexOf(stop)));
    }
  });

  it("continues a text", async () => {
    const answer = await client.completions.create({ model: MODEL, prompt: "The settlement", max_tokens: 12, seed: 3 });
    expect(answer).to.include({ object: "text_completion", model: MODEL });
    expect(answer.choices[0]!.text).to.match(/^ ?[a-z]/);
    const stream = await client.completions.create({ model: MODEL, prompt: "The settlement", max_tokens: 12, seed: 3, stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.text ?? "";
    expect(text).to.equal(answer.choices[0]!.text);
  });

  describe("tools", () => {
    const ask = { model: MODEL, tools: [weather], messages: [user("What is the weather in New York for 3 days?")] };

    it("calls the tool that the message names, with arguments from its words", async () => {
      const choice = (await client.chat.completions.create(ask)).choices[0]!;
      expect(choice.finish_reason).to.equal("tool_calls");
      const call = choice.message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall;
      expect(call.function.name).to.equal("get_weather");
      expect(JSON.parse(call.function.arguments)).to.deep.equal({ city: "New York", days: 3 });
      expect(call.id).to.match(/^call_/);
    });

    it("streams the same call, which the client puts together", async () => {
      const whole = (await client.chat.completions.create(ask)).choices[0]!.message.tool_calls;
      const final = await client.chat.completions.stream(ask).finalChatCompletion();
      expect(final.choices[0]!.finish_reason).to.equal("tool_calls");
      expect(final.choices[0]!.message.tool_calls).to.have.length(1);
      const call = final.choices[0]!.message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall;
      expect(call.function.arguments).to.equal((whole![0] as OpenAI.ChatCompletionMessageFunctionToolCall).function.arguments);
    });

    it("answers in words after the tool, when no tool fits, and when told to call none", async () => {
      const calls = (await client.chat.completions.create(ask)).choices[0]!.message;
      const tool = { role: "tool" as const, tool_call_id: calls.tool_calls![0]!.id, content: "12 degrees" };
      const after = await client.chat.completions.create({ ...ask, messages: [...ask.messages, calls, tool] });
      expect(after.choices[0]!.message.content).to.equal("The tool answered: 12 degrees");
      const other = await client.chat.completions.create({ ...ask, messages: [user("What is a voucher?")] });
      expect(other.choices[0]!.finish_reason).to.equal("stop");
      const none = await client.chat.completions.create({ ...ask, tool_choice: "none" });
      expect(none.choices[0]!.finish_reason).to.equal("stop");
    });

    it("calls what it is told to call", async () => {
      const messages = [user("What is a voucher?")];
      for (const tool_choice of ["required", { type: "function", function: { name: "get_weather" } }] as const) {
        const choice = (await client.chat.completions.create({ ...ask, messages, tool_choice })).choices[0]!;
        expect(choice.finish_reason).to.equal("tool_calls");
      }
    });
  });

  describe("bad requests", () => {
    const good = { model: MODEL, messages: [user("hi")] };
    const image = { type: "image_url", image_url: { url: "https://example.invalid/x.png" } };
    const cases: readonly (readonly [string, unknown, number, string])[] = [
      ["another model", { ...good, model: "gpt-4" }, 404, "model_not_found"],
      ["no messages", { ...good, messages: [] }, 400, "invalid_request"],
      ["an unknown role", { ...good, messages: [{ role: "boss", content: "hi" }] }, 400, "invalid_request"],
      ["an image", { ...good, messages: [{ role: "user", content: [image] }] }, 400, "invalid_request"],
      ["two choices", { ...good, n: 2 }, 400, "invalid_request"],
      ["a temperature of 3", { ...good, temperature: 3 }, 400, "invalid_request"],
      ["no token", { ...good, max_tokens: 0 }, 400, "invalid_request"],
      ["JSON that cannot be promised", { ...good, response_format: { type: "json_object" } }, 400, "invalid_request"],
      ["a tool that is not there", { ...good, tool_choice: { type: "function", function: { name: "x" } } }, 400, "unknown_tool"],
      ["a required tool without tools", { ...good, tool_choice: "required" }, 400, "missing_tools"],
      ["a prompt beyond its context", { ...good, messages: [user("word ".repeat(20_000))] }, 400, "context_length_exceeded"],
      ["a body that is too large", { ...good, messages: [user("x".repeat(1_100_000))] }, 413, "body_too_large"],
    ];
    for (const [what, body, status, code] of cases) {
      it(`${what}: ${status} ${code}`, async () => {
        try {
          await client.chat.completions.create(body as OpenAI.ChatCompletionCreateParamsNonStreaming);
          expect.fail("was not refused");
        } catch (error: unknown) {
          expect(error).to.be.instanceOf(OpenAI.APIError);
          expect(error).to.include({ status, code });
        }
      });
    }

    it("malformed JSON and unknown routes are answered in the same shape", async () => {
      const post = (path: string, body: string) => fetch(`${server.url}${path}`, { method: "POST", body });
      const malformed = await post("/v1/chat/completions", "{");
      expect(malformed.status).to.equal(400);
      expect(await malformed.json()).to.have.nested.property("error.code", "bad_json");
      const unknown = await post("/v1/embeddings", "{}");
      expect(unknown.status).to.equal(404);
      expect(await unknown.json()).to.have.nested.property("error.code", "unknown_url");
    });

    it("asks for its key where one is set", async () => {
      const locked = await startUpstream({ model, clock: { now: () => 0 }, apiKey: "open sesame" });
      const with_ = (apiKey: string) => new OpenAI({ baseURL: `${locked.url}/v1`, apiKey, maxRetries: 0 }).models.list();
      expect((await with_("open sesame")).data).to.have.length(1);
      expect(await with_("guess").catch((error: unknown) => error)).to.be.instanceOf(OpenAI.AuthenticationError);
      await locked.close();
    });
  });

  it("stops working when the client goes away, and serves the next", async () => {
    const messages = [user("Explain the escrow")];
    const stream = await client.chat.completions.create({ model: MODEL, messages, stream: true });
    for await (const _ of stream) break;
    expect((await client.chat.completions.create({ model: MODEL, messages })).choices[0]!.message.content).to.be.a("string");
  });

  it("serves fifty at once", async () => {
    const messages = [user("Explain the escrow")];
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, seed) => client.chat.completions.create({ model: MODEL, messages, seed })),
    );
    expect(answers.every((a) => a.usage!.completion_tokens > 0)).to.equal(true);
  });

  it("runs as a process and ends on SIGTERM", async () => {
    const file = fileURLToPath(new URL("../../../keepers/bin/upstream.ts", import.meta.url));
    const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
    for await (const line of createInterface(child.stdout)) {
      const { url, hash } = JSON.parse(line) as { url: string; hash: string };
      expect(hash).to.equal(model.hash);
      expect(await (await fetch(`${url}/health`)).json()).to.deep.equal({ status: "OK" });
      child.kill("SIGTERM");
    }
    expect(await ended).to.equal(0);
  });
});
