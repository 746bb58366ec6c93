import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { expect } from "chai";
import { keccak256 } from "viem";

import { refusalOf } from "../../utils/refusal.ts";
import { bytesOf, walrusRig, type WalrusRig } from "./rig.ts";

describe("the walrus client", () => {
  let rig: WalrusRig;
  let directory: WalrusRig["directory"];
  let server: WalrusRig["server"];
  let client: WalrusRig["client"];
  let peer: WalrusRig["peer"];
  before(async () => {
    rig = await walrusRig();
    ({ directory, server, client, peer } = rig);
  });
  after(() => rig.close());

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
    const error = await refusalOf(client(server.url, [liar], { attempts: 2 }).read(blobId));
    expect(error).to.include({ code: "walrus.corrupted", family: "retryable" });
    expect(asked).to.equal(4);
  });

  it("refuses a publisher that answers with another id, or stores another size", async () => {
    const other = "9k95lgtG9iPU8yk_wYz8m8CUY1snveemF8ypfpBLUUg";
    const liar = await peer((_, response) =>
      response.end(JSON.stringify({ alreadyCertified: { blobId: other, event: { txDigest: "x", eventSeq: "0" }, endEpoch: 9 } })),
    );
    const error = await refusalOf(client(liar, [server.url]).store(bytesOf("mine")));
    expect(error).to.include({ code: "walrus.wrong_blob_id", family: "fatal" });
    const storage = { startEpoch: 1, endEpoch: 2, storageSize: 1 };
    const short = await peer((_, response) =>
      response.end(JSON.stringify({ newlyCreated: { blobObject: { id: "0x1", blobId: other, size: 3, deletable: false, storage } } })),
    );
    expect(await refusalOf(client(short, [server.url], { attempts: 1 }).store(bytesOf("mine")))).to.include({ code: "walrus.wrong_size" });
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
    expect(await refusalOf(client(strict, [server.url]).store(bytesOf("x")))).to.include({ code: "walrus.too_large", family: "fatal" });
    expect(calls).to.equal(1);
    const tight = client(server.url, [server.url], { maxBytes: 3 });
    expect(await refusalOf(tight.store(bytesOf("four")))).to.include({ code: "walrus.too_large", family: "fatal" });
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
    const error = await refusalOf(hopeless.read(blobId));
    const codes = (error.details["attempts"] as { code: string }[]).map((a) => a.code);
    expect(error.code).to.equal("walrus.unavailable");
    expect(codes).to.deep.equal(["walrus.timeout", "walrus.answer_too_long"]);
  });

  it("tells a missing blob from an unreachable store", async () => {
    const missing = `0x${"11".repeat(32)}` as const;
    expect(await refusalOf(client(server.url, [server.url], { attempts: 1 }).read(missing))).to.include({ code: "walrus.not_found" });
    const nobody = "http://127.0.0.1:9";
    expect(await refusalOf(client(nobody, [nobody], { attempts: 1 }).read(missing))).to.include({ code: "walrus.unavailable" });
    expect(await refusalOf(client(nobody, [nobody], { attempts: 1 }).store(bytesOf("x")))).to.include({ code: "walrus.unreachable" });
  });

  it("downloads into a file: whole or not at all, past liars, never more than the limit", async () => {
    const bytes = bytesOf("streamed ".repeat(5_000));
    const { blobId } = await client(server.url, [server.url]).store(bytes);
    const liar = await peer((_, response) => response.end("something else"));
    const file = join(directory, "download.bin");
    expect(await client(server.url, [liar, server.url]).download(blobId, file, { contentHash: keccak256(bytes) })).to.deep.equal({ size: bytes.length });
    expect(new Uint8Array(await readFile(file))).to.deep.equal(bytes);
    const other = join(directory, "other.bin");
    expect((await refusalOf(client(server.url, [liar], { attempts: 1 }).download(blobId, other, { contentHash: keccak256(bytes) }))).code).to.equal("walrus.corrupted");
    expect((await refusalOf(client(server.url, [server.url], { attempts: 1, maxBytes: 1_000 }).download(blobId, other, { contentHash: keccak256(bytes) }))).code).to.equal("walrus.unavailable");
    expect((await readdir(directory)).filter((name) => name.startsWith("other.bin"))).to.not.include("other.bin");
  });
});
