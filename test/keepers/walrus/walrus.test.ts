import { spawn } from "node:child_process";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { expect } from "chai";

import { blobIds, fromWire, startWalrusServer, toWire } from "../../../keepers/walrus/index.ts";
import { encodedLength } from "../../../keepers/walrus/http.ts";
import { tempFolder } from "../../utils/folder.ts";
import { refusalOf } from "../../utils/refusal.ts";
import { bytesOf, walrusRig, type WalrusRig } from "./rig.ts";

describe("walrus", () => {
  let rig: WalrusRig;
  let ids: WalrusRig["ids"];
  let clock: WalrusRig["clock"];
  let server: WalrusRig["server"];
  let client: WalrusRig["client"];
  before(async () => {
    rig = await walrusRig();
    ({ ids, clock, server, client } = rig);
  });
  after(() => rig.close());

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
      expect(await refusalOf(own.of(bytesOf("another")))).to.include({ code: "walrus.encoder_closed" });
    });

    it("are refused, as worth another try, when too many wait", async () => {
      const small = blobIds({ maxPending: 1 });
      const first = small.of(bytesOf("one"));
      first.catch(() => undefined);
      expect(await refusalOf(small.of(bytesOf("two")))).to.include({ code: "walrus.encoder_busy", family: "retryable" });
      await small.close();
      expect(await refusalOf(first)).to.include({ code: "walrus.encoder_closed" });
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
      rig.time.now += 86_400_000;
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
      const folder = tempFolder("walrus");
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
    });

    it("runs as a process and ends on SIGTERM", async () => {
      const folder = tempFolder("walrus");
      const file = fileURLToPath(new URL("../../../keepers/bin/walrus.ts", import.meta.url));
      const child = spawn(process.execPath, [file, "--directory", folder], { stdio: ["ignore", "pipe", "inherit"] });
      const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
      for await (const line of createInterface(child.stdout)) {
        const { url } = JSON.parse(line) as { url: string };
        expect(await (await fetch(`${url}/status`)).text()).to.equal("OK");
        child.kill("SIGTERM");
      }
      expect(await ended).to.equal(0);
    });
  });
});
