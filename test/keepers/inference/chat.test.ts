import { expect } from "chai";
import { readBody, readChoice, schemas } from "../../../keepers/roles/inference/body.ts";
import { StreamCollector, inputBound, readAnswer } from "../../../keepers/roles/inference/chat.ts";
import { GatewayError } from "../../../keepers/roles/inference/errors.ts";
import { jsonEvents } from "../../../sdk/openai/events.ts";

const post = (body: string) => new Request("https://node/v1/chat/completions", { method: "POST", body });
const refusal = async (body: string, limit = 10_000) => {
  const error = await readBody(post(body), schemas.chat, limit).catch((caught: unknown) => caught);
  expect(error).to.be.instanceOf(GatewayError);
  return error as GatewayError;
};

describe("inference node: bodies", () => {
  it("takes what OpenAI clients send, and keeps fields that it does not know", async () => {
    const body = { model: "m", messages: [{ role: "user", content: "hi", name: "x" }], top_p: 0.5, tools: [{ type: "function" }] };
    expect(await readBody(post(JSON.stringify(body)), schemas.chat, 10_000)).to.deep.equal(body);
  });

  it("refuses by status, code and field", async () => {
    expect(await refusal("{")).to.include({ status: 400, code: "BAD_JSON" });
    expect(await refusal(`{"model":"m","messages":[]}`)).to.include({ status: 400, code: "BAD_REQUEST" });
    expect((await refusal(`{"messages":[{"role":"user"}]}`)).message).to.include('"model"');
    expect((await refusal(`{"model":"m","messages":[{"role":"user"}],"n":2}`)).message).to.include("one answer a request");
    expect(await refusal(`{"model":"${"x".repeat(200)}"}`, 100)).to.include({ status: 413, code: "BODY_TOO_LARGE" });
  });

  it("reads the choice of verification and settlement, with defaults, and refuses others by code", () => {
    const headers = (values: Record<string, string>) => (name: string) => values[name];
    expect(readChoice(headers({}))).to.deep.equal({ verification: 1, settlementMode: 2 });
    expect(readChoice(headers({ "x-og-verification": "ZKML", "x-settlement-type": "individual" }))).to.deep.equal({ verification: 2, settlementMode: 3 });
    expect(() => readChoice(headers({ "x-settlement-type": "later" }))).to.throw(GatewayError).with.property("code", "BAD_SETTLEMENT_TYPE");
    expect(() => readChoice(headers({ "x-og-verification": "trust me" }))).to.throw(GatewayError).with.property("code", "BAD_VERIFICATION");
  });
});

describe("inference node: answers", () => {
  it("puts a stream with text and tool calls together again", () => {
    const collector = new StreamCollector();
    const delta = (value: object, finish: string | null = null) => collector.add({ choices: [{ index: 0, delta: value, finish_reason: finish }] });
    delta({ role: "assistant", content: "" });
    delta({ content: "Hel" });
    delta({ content: "lo" });
    delta({ tool_calls: [{ index: 0, id: "c1", function: { name: "w", arguments: '{"ci' } }] });
    delta({ tool_calls: [{ index: 0, function: { arguments: 'ty":1}' } }] }, "tool_calls");
    collector.add({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 12, completion_tokens_details: { reasoning_tokens: 5 } } });
    expect(collector.result(true)).to.deep.equal({
      answer: { content: "Hello", tool_calls: [{ id: "c1", type: "function", function: { name: "w", arguments: '{"city":1}' } }] },
      finishReason: "tool_calls",
      usage: { input: 9n, output: 7n, reasoning: 5n },
    });
  });

  it("a stream that was cut is charged for what went out", () => {
    const collector = new StreamCollector();
    for (const content of ["a", "b", "c"]) collector.add({ choices: [{ delta: { content } }] });
    expect(collector.result(false)).to.deep.equal({ answer: { content: "abc" }, finishReason: undefined, usage: { input: 0n, output: 3n } });
  });

  it("an answer without a choice is the upstream's failure", () => {
    expect(() => readAnswer({ choices: [] })).to.throw(GatewayError).with.property("code", "UPSTREAM_FAILED");
  });

  it("what an upstream states as a count and is none counts nothing", () => {
    const usageOf = (prompt: unknown, completion: unknown, reasoning?: unknown) =>
      readAnswer({ choices: [{ message: { content: "x" }, finish_reason: "stop" }], usage: { prompt_tokens: prompt, completion_tokens: completion, completion_tokens_details: { reasoning_tokens: reasoning } } }).usage;
    for (const none of [-1, 0, 1.5, Infinity, NaN, 2 ** 53, "7", 7n, null, undefined, {}]) {
      expect(usageOf(none, 4), String(none)).to.deep.equal({ input: 0n, output: 4n });
      expect(usageOf(3, none, none), String(none)).to.deep.equal({ input: 3n, output: 0n });
    }
    expect(usageOf(3, 4, 9), "more reasoning than output").to.deep.equal({ input: 3n, output: 0n, reasoning: 9n });
  });

  it("the input bound is never below a byte-level tokenizer's count", () => {
    const text = "é€😀 hello".repeat(40);
    const bound = inputBound({ model: "m", messages: [{ role: "user", content: text }] });
    expect(Number(bound)).to.be.greaterThan(Buffer.byteLength(text));
  });

  it("server-sent events survive any cut between chunks", async () => {
    const text = 'data: {"a":"é"}\r\n\r\n: comment\n\ndata: {"b":2}\n\ndata: [DONE]\n\ndata: {"c":3}\n\n';
    const bytes = new TextEncoder().encode(text);
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.slice(i * size, (i + 1) * size));
      const body = new ReadableStream<Uint8Array>({ start(c) { chunks.forEach((chunk) => c.enqueue(chunk)); c.close(); } });
      const seen = [];
      for await (const event of jsonEvents(body)) seen.push(event);
      expect(seen, `cut every ${size}`).to.deep.equal([{ a: "é" }, { b: 2 }]);
    }
  });
});
