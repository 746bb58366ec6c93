/** Answers that break off on their way: a connection is nobody's lie, and nothing waits for what will not come. */
import { expect } from "chai";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { InferenceClient } from "../../sdk/client/client.ts";
import type { PaidResponse } from "../../sdk/payments/types.ts";

const event = (json: object) => `data: ${JSON.stringify(json)}\n\n`;
const piece = (content: string) => event({ choices: [{ index: 0, delta: { content } }] });

describe("an inference client whose connection breaks", () => {
  let answer: (response: ServerResponse) => void;
  const server = createServer((_request, response) => answer(response));
  let url: string;
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  /** A client over real HTTP; what it says of each payment is written down. */
  function client() {
    const said: { reason: string; poison: boolean }[] = [];
    const fetchPaid = async (to: string, init: RequestInit): Promise<PaidResponse> => ({
      response: await fetch(to, { method: "POST", body: init.body as string }), paymentId: "0x01", ceiling: 9n, cumulativeBefore: 0n, termsHash: "0x02",
      confirm: () => Promise.reject(new Error("there is no receipt")),
      reject: (reason, { poison = false } = {}) => Promise.resolve(void said.push({ reason, poison })),
    });
    const session = { url: (path: string) => url + path, info: { nodeId: "0x03" } };
    return { said, client: new InferenceClient({ session, payments: { fetch: fetchPaid }, domain: { chainId: 1, verifyingContract: "0x04" } } as never) };
  }

  it("in the middle of a stream: the reader hears of it, the payment is given up, the channel stays", async () => {
    answer = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(piece("half an"), () => response.destroy());
    };
    const { client: it, said } = client();
    const stream = await it.chatStream({ model: "m", messages: [] });
    const heard: string[] = [];
    const failure = await (async () => {
      for await (const text of stream) heard.push(text);
    })().catch((error: unknown) => error);
    expect([heard, failure instanceof Error, said.map(({ poison }) => poison)]).to.deep.equal([["half an"], true, [false]]);
    expect(await stream.verified.catch((error: unknown) => error)).to.equal(failure);
  });

  it("a reader who leaves a stream gives the payment up as well", async () => {
    answer = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(piece("enough") + piece(" and more"));
    };
    const { client: it, said } = client();
    const stream = await it.chatStream({ model: "m", messages: [] });
    for await (const text of stream) if (text === "enough") break;
    expect(said).to.deep.equal([{ reason: "the stream was left before its receipt came", poison: false }]);
    expect(String(await stream.verified.catch((error: unknown) => error))).to.contain("INTERRUPTED");
  });

  it("a body that is cut off leaves the channel open; one that came whole and is no answer closes it", async () => {
    answer = (response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
      response.write('{"choices":[', () => response.destroy());
    };
    const cut = client();
    expect(String(await cut.client.chat({ model: "m", messages: [] }).catch((error: unknown) => error))).to.contain("INTERRUPTED");
    expect(cut.said.map(({ poison }) => poison)).to.deep.equal([false]);

    answer = (response) => void response.writeHead(200, { "content-type": "application/json" }).end('{"choices":[');
    const broken = client();
    expect((await broken.client.chat({ model: "m", messages: [] }).catch((error: unknown) => error)) instanceof SyntaxError).to.equal(true);
    expect(broken.said.map(({ poison }) => poison)).to.deep.equal([true]);
  });
});
