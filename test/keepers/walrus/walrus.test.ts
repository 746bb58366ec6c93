import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { expect } from "chai";
import { keccak256 } from "viem";

import { isKeeperError } from "../../../keepers/errors/index.ts";
import { blobIds, fromWire, startWalrusServer, toWire, walrusClient } from "../../../keepers/walrus/index.ts";
import type { WalrusClient, WalrusServer } from "../../../keepers/walrus/index.ts";
import { encodedLength } from "../../../keepers/walrus/http.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

async function failure(work: Promise<unknown>): Promise<{ code: string; family: string; details: Record<string, unknown> }> {
  try {
    await work;
  } catch (error: unknown) {
    if (isKeeperError(error)) return { code: error.code, family: error.family, details: { ...error.details } };
    throw error;
  }
  throw new Error("expected a failure");
}

describe("walrus", () => {
  const ids = blobIds();
  let directory: string;
  let server: WalrusServer;
  let now = 20_000 * 86_400_000;
  const clock = { now: () => now, sleep: () => Promise.resolve() };
  const closers: (() => Promise<unknown>)[] = [];

  const client = (publisher: string, aggregators: string[], more: object = {}): WalrusClient =>
    walrusClient({ publisher, aggregators, blobIds: ids, clock, pauseMs: 1, ...more });

  /** A peer that answers as told. */
  async function peer(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
    const listening = await new Promise<Server>((resolve) => {
      const starting = createServer(answer).listen(0, "127.0.0.1", () => resolve(starting));
    });
    closers.push(() => {
      listening.closeAllConnections();
      return new Promise((resolve) => listening.close(resolve));
    });
    return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  }

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "walrus-"));
    server = await startWalrusServer({ directory, blobIds: ids, clock, maxBytes: 100_000 });
  });
  after(async () => {
    await Promise.all(closers.map((close) => close()));
    await server.close();
    await ids.close();
    await rm(directory, { recursive: true, force: true });
  });

  describe("blob ids", () => {
    it("are the network's own: two that its documentation shows", async () => {
      expect(toWire(await ids.of(bytesOf("some other string")))).to.equal("M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk");
      expect(toWire(await ids.of(bytesOf("some string")))).to.equal("9k95lgtG9iPU8yk_wYz8m8CUY1snveemF8ypfpBLUUg");
    });

    it("go to the wire and back; other spellings are refused", async () => {
      const wire = "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk";
      expect(toWire(fromWire(wire))).to.equal(wire);
      for (const bad of ["", "abc", wire + "=", wire.slice(0, 42) + "l", wire.replace("_", "/"), `${wire}x`]) {
        expect(() => fromWire(bad), bad).to.throw().with.property("code", "walrus.bad_blob_id");
      }
      expect(() => toWire("0x1234")).to.throw().with.property("code", "walrus.bad_blob_id");
    });

    it("do not block the event loop, and a known content is not computed again", async () => {
      let ticks = 0;
      const timer = setInterval(() => ticks++, 1);
      const own = blobIds();
      const id = await own.of(bytesOf("counted while encoding"));
      clearInterval(timer);
      // One tick would come if the thread had been held until the end.
      expect(ticks).to.be.greaterThan(2);
      await own.close();
      expect(await own.of(bytesOf("counted while encoding")), "no encoder is left to compute it").to.equal(id);
      expect(await failure(own.of(bytesOf("another")))).to.include({ code: "walrus.encoder_closed" });
    });

    it("are refused, as worth another try, when too many wait", async () => {
      const small = blobIds({ maxPending: 1 });
      const first = small.of(bytesOf("one"));
      first.catch(() => undefined);
      expect(await failure(small.of(bytesOf("two")))).to.include({ code: "walrus.encoder_busy", family: "retryable" });
      await small.close();
      expect(await failure(first)).to.include({ code: "walrus.encoder_closed" });
    });
  });

  describe("the local store", () => {
    const put = (body: string | Uint8Array, query = "epochs=3&permanent=true") =>
      fetch(`${server.url}/v1/blobs?${query}`, { method: "PUT", body: body as BodyInit });

    it("answers in the publisher's shape, and a second time with alreadyCertified", async () => {
      const first = (await (await put("some other string")).json()) as { newlyCreated: Record<string, never> };
      expect(first).to.have.nested.property("newlyCreated.blobObject.blobId", "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk");
      expect(first).to.have.nested.property("newlyCreated.blobObject.size", 17);
      expect(first).to.have.nested.property("newlyCreated.blobObject.encodingType", "RS2");
      expect(first).to.have.nested.property("newlyCreated.blobObject.storage.storageSize", 66_034_000);
      expect(first).to.have.nested.property("newlyCreated.blobObject.deletable", false);
      expect(first).to.have.nested.property("newlyCreated.resourceOperation.registerFromScratch.epochsAhead", 3);
      const second = (await (await put("some other string")).json()) as object;
      expect(second).to.have.nested.property("alreadyCertified.blobId", "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk");
      expect(second).to.have.nested.property("alreadyCertified.endEpoch", 20_003);
      expect(second).to.have.nested.property("alreadyCertified.event.txDigest").that.is.a("string");
    });

    it("knows what a blob takes on the network", () => {
      // Both sizes stand in the network's documentation.
      expect(encodedLength(17)).to.equal(66_034_000);
      expect(encodedLength(1_782_224)).to.equal(72_040_000);
    });

    it("stores the same content once when many callers come at once", async () => {
      const answers = await Promise.all(Array.from({ length: 5 }, async () => (await put("all at once")).json()));
      expect(answers.filter((a) => "newlyCreated" in (a as object))).to.have.length(1);
      expect(answers.filter((a) => "alreadyCertified" in (a as object))).to.have.length(4);
    });

    it("gives the bytes back, with any value of byte", async () => {
      const bytes = Uint8Array.from({ length: 1024 }, (_, i) => i % 256);
      const { newlyCreated } = (await (await put(bytes)).json()) as { newlyCreated: { blobObject: { blobId: string } } };
      const response = await fetch(`${server.url}/v1/blobs/${newlyCreated.blobObject.blobId}`);
      expect(response.headers.get("content-type")).to.equal("application/octet-stream");
      expect(new Uint8Array(await response.arrayBuffer())).to.deep.equal(bytes);
    });

    it("lets a deletable blob become permanent", async () => {
      expect(await (await put("first deletable", "epochs=3")).json()).to.have.nested.property("newlyCreated.blobObject.deletable", true);
      expect(await (await put("first deletable")).json()).to.have.nested.property("newlyCreated.blobObject.deletable", false);
      expect(await (await put("first deletable", "epochs=3")).json()).to.have.property("alreadyCertified");
    });

    it("forgets a blob when its epochs are over", async () => {
      const short = (await (await put("short-lived", "epochs=1")).json()) as { newlyCreated: { blobObject: { blobId: string } } };
      const url = `${server.url}/v1/blobs/${short.newlyCreated.blobObject.blobId}`;
      expect((await fetch(url)).status).to.equal(200);
      now += 86_400_000;
      expect((await fetch(url)).status).to.equal(404);
    });

    const refusals: readonly (readonly [string, () => Promise<Response>, number, string])[] = [
      ["an unknown blob", () => fetch(`${server.url}/v1/blobs/${"A".repeat(43)}`), 404, "NOT_FOUND"],
      ["a malformed id", () => fetch(`${server.url}/v1/blobs/nonsense`), 400, "INVALID_ARGUMENT"],
      ["zero epochs", () => put("x", "epochs=0"), 400, "INVALID_ARGUMENT"],
      ["too many epochs", () => put("x", "epochs=54"), 400, "INVALID_ARGUMENT"],
      ["both deletable and permanent", () => put("x", "deletable=true&permanent=true"), 400, "INVALID_ARGUMENT"],
      ["a flag that is none", () => put("x", "permanent=yes"), 400, "INVALID_ARGUMENT"],
      ["a blob that is too large", () => put("x".repeat(100_001)), 413, "PAYLOAD_TOO_LARGE"],
      ["another route", () => fetch(`${server.url}/v2/blobs`), 404, "NOT_FOUND"],
    ];
    for (const [what, call, code, name] of refusals) {
      it(`refuses ${what} with ${code}`, async () => {
        const response = await call();
        const body = (await response.json()) as { error: Record<string, unknown> };
        expect(response.status).to.equal(code);
        expect(body.error).to.include({ code, status: name });
        expect(body.error["message"]).to.be.a("string").and.match(/\.$/);
      });
    }

    it("keeps blobs across a restart, clears cut-off writes, and does not serve damaged bytes", async () => {
      const folder = await mkdtemp(join(tmpdir(), "walrus-"));
      const start = () => startWalrusServer({ directory: folder, blobIds: ids, clock });
      const first = await start();
      const { blobId } = await client(first.url, [first.url]).store(bytesOf("survives"));
      await first.close();
      await writeFile(join(folder, "half.blob.1.0.tmp"), "half a bl");
      const second = await start();
      expect(await client(second.url, [second.url]).read(blobId)).to.deep.equal(bytesOf("survives"));
      expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).to.deep.equal([]);
      await writeFile(join(folder, `${toWire(blobId)}.blob`), "sabotage");
      expect((await fetch(`${second.url}/v1/blobs/${toWire(blobId)}`)).status).to.equal(500);
      await second.close();
      await rm(folder, { recursive: true });
    });

    it("runs as a process and ends on SIGTERM", async () => {
      const folder = await mkdtemp(join(tmpdir(), "walrus-"));
      const file = fileURLToPath(new URL("../../../keepers/bin/walrus.ts", import.meta.url));
      const child = spawn(process.execPath, [file, "--directory", folder], { stdio: ["ignore", "pipe", "inherit"] });
      const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
      for await (const line of createInterface(child.stdout)) {
        const { url } = JSON.parse(line) as { url: string };
        expect(await (await fetch(`${url}/status`)).text()).to.equal("OK");
        child.kill("SIGTERM");
      }
      expect(await ended).to.equal(0);
      await rm(folder, { recursive: true });
    });
  });

  describe("the client", () => {
    it("stores, reads back, and storing again is harmless", async () => {
      const walrus = client(server.url, [server.url]);
      const bytes = bytesOf("a batch of leaves");
      const first = await walrus.storeAndReadBack(bytes, { epochs: 2 });
      expect(first).to.include({ size: bytes.length, newlyCreated: true });
      const again = await walrus.storeAndReadBack(bytes, { epochs: 2 });
      expect(again).to.deep.equal({ ...first, newlyCreated: false });
      expect(await walrus.read(first.blobId)).to.deep.equal(bytes);
      expect(await walrus.read(first.blobId, { contentHash: keccak256(bytes) })).to.deep.equal(bytes);
    });

    it("refuses other bytes than the blob's and takes them from the next aggregator", async () => {
      const bytes = bytesOf("the true bytes");
      const { blobId } = await client(server.url, [server.url]).store(bytes);
      let asked = 0;
      const liar = await peer((_, response) => {
        asked++;
        response.end("forged");
      });
      expect(await client(server.url, [liar, server.url]).read(blobId)).to.deep.equal(bytes);
      expect(await client(server.url, [liar, server.url]).read(blobId, { contentHash: keccak256(bytes) })).to.deep.equal(bytes);
      expect(asked).to.equal(2);
      const error = await failure(client(server.url, [liar], { attempts: 2 }).read(blobId));
      expect(error).to.include({ code: "walrus.corrupted", family: "retryable" });
      expect(asked).to.equal(4);
    });

    it("refuses a publisher that answers with another id, or stores another size", async () => {
      const other = "9k95lgtG9iPU8yk_wYz8m8CUY1snveemF8ypfpBLUUg";
      const liar = await peer((_, response) =>
        response.end(JSON.stringify({ alreadyCertified: { blobId: other, event: { txDigest: "x", eventSeq: "0" }, endEpoch: 9 } })),
      );
      const error = await failure(client(liar, [server.url]).store(bytesOf("mine")));
      expect(error).to.include({ code: "walrus.wrong_blob_id", family: "fatal" });
      const storage = { startEpoch: 1, endEpoch: 2, storageSize: 1 };
      const short = await peer((_, response) =>
        response.end(JSON.stringify({ newlyCreated: { blobObject: { id: "0x1", blobId: other, size: 3, deletable: false, storage } } })),
      );
      expect(await failure(client(short, [server.url], { attempts: 1 }).store(bytesOf("mine")))).to.include({ code: "walrus.wrong_size" });
    });

    it("tries again after 503, 429, a cut connection and nonsense, then succeeds", async () => {
      let call = 0;
      const moody = await peer((request, response) => {
        call++;
        if (call === 1) return response.writeHead(503).end("{}");
        if (call === 2) return response.writeHead(429).end();
        if (call === 3) return request.socket.destroy();
        if (call === 4) return response.end("<html>welcome</html>");
        void fetch(`${server.url}${request.url}`, { method: "PUT", body: "patience" })
          .then((answer) => answer.text())
          .then((text) => response.end(text));
      });
      const stored = await client(moody, [server.url], { attempts: 5 }).store(bytesOf("patience"));
      expect(stored.newlyCreated).to.equal(true);
      expect(call).to.equal(5);
    });

    it("gives up at once on what cannot succeed", async () => {
      let calls = 0;
      const strict = await peer((_, response) => {
        calls++;
        response.writeHead(413).end("too large");
      });
      expect(await failure(client(strict, [server.url]).store(bytesOf("x")))).to.include({ code: "walrus.too_large", family: "fatal" });
      expect(calls).to.equal(1);
      const tight = client(server.url, [server.url], { maxBytes: 3 });
      expect(await failure(tight.store(bytesOf("four")))).to.include({ code: "walrus.too_large", family: "fatal" });
      expect(() => client(server.url, [])).to.throw().with.property("code", "walrus.no_aggregator");
    });

    it("does not hang on a silent endpoint, nor take an endless answer", async () => {
      const silent = await peer(() => undefined);
      const endless = await peer((_, response) => {
        const pour = (): void => {
          while (response.write("x".repeat(16_384)));
        };
        response.on("drain", pour);
        pour();
      });
      const { blobId } = await client(server.url, [server.url]).store(bytesOf("found in the end"));
      const walrus = client(server.url, [silent, endless, server.url], { readTimeoutMs: 2_000, maxBytes: 50_000 });
      expect(await walrus.read(blobId)).to.deep.equal(bytesOf("found in the end"));
      const hopeless = client(server.url, [silent, endless], { readTimeoutMs: 2_000, maxBytes: 50_000, attempts: 1 });
      const error = await failure(hopeless.read(blobId));
      const codes = (error.details["attempts"] as { code: string }[]).map((a) => a.code);
      expect(error.code).to.equal("walrus.unavailable");
      expect(codes).to.deep.equal(["walrus.timeout", "walrus.answer_too_long"]);
    });

    it("tells a missing blob from an unreachable store", async () => {
      const missing = `0x${"11".repeat(32)}` as const;
      expect(await failure(client(server.url, [server.url], { attempts: 1 }).read(missing))).to.include({ code: "walrus.not_found" });
      const nobody = "http://127.0.0.1:9";
      expect(await failure(client(nobody, [nobody], { attempts: 1 }).read(missing))).to.include({ code: "walrus.unavailable" });
      expect(await failure(client(nobody, [nobody], { attempts: 1 }).store(bytesOf("x")))).to.include({ code: "walrus.unreachable" });
    });
  });

  it("downloads into a file: whole or not at all, past liars, never more than the limit", async () => {
    const bytes = bytesOf("streamed ".repeat(5_000));
    const { blobId } = await client(server.url, [server.url]).store(bytes);
    const liar = await peer((_, response) => response.end("something else"));
    const file = join(directory, "download.bin");
    expect(await client(server.url, [liar, server.url]).download(blobId, file, { contentHash: keccak256(bytes) })).to.deep.equal({ size: bytes.length });
    expect(new Uint8Array(await readFile(file))).to.deep.equal(bytes);
    const other = join(directory, "other.bin");
    expect((await failure(client(server.url, [liar], { attempts: 1 }).download(blobId, other, { contentHash: keccak256(bytes) }))).code).to.equal("walrus.corrupted");
    expect((await failure(client(server.url, [server.url], { attempts: 1, maxBytes: 1_000 }).download(blobId, other, { contentHash: keccak256(bytes) }))).code).to.equal("walrus.unavailable");
    expect((await readdir(directory)).filter((name) => name.startsWith("other.bin"))).to.not.include("other.bin");
  });
});
