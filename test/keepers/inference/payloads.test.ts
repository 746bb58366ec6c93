import { expect } from "chai";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Hex, hexToBytes, keccak256, toHex } from "viem";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { GatewayError } from "../../../keepers/roles/inference/errors.ts";
import { payloadRoom } from "../../../keepers/roles/inference/payloads.ts";
import { openStore } from "../../../keepers/storage/index.ts";
import { blobIds, startWalrusServer, walrusClient, type WalrusServer } from "../../../keepers/walrus/index.ts";
import { openPayload, payloadKeyPair } from "../../../sdk/payload/index.ts";
import { SettlementMode } from "../../../sdk/protocol/index.ts";

describe("sealed payloads in the inference node", () => {
  const ids = blobIds();
  let dir: string;
  let server: WalrusServer;
  let now = 20_000 * 86_400_000;
  const clock = { now: () => now, sleep: () => Promise.resolve(), random: () => 0.5, randomBytes: (length: number) => new Uint8Array(length) };
  const { secretKey, publicKey } = payloadKeyPair();
  const header = (key: Hex) => Buffer.from(hexToBytes(key)).toString("base64url");
  const digest = keccak256(toHex("receipt"));
  const content = { request: { messages: [{ role: "user", content: "a secret prompt" }] }, response: { kind: 1, finish: 1, content: "a secret answer" }, salt: keccak256(toHex("salt")) };

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "payloads-"));
    server = await startWalrusServer({ directory: dir, blobIds: ids, clock });
  });
  after(async () => {
    await server.close();
    await ids.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const codeOf = async (work: Promise<unknown>) => work.then(() => "taken", (error: unknown) => (error instanceof GatewayError ? error.code : String(error)));

  it("is sealed at once, stored when Walrus takes it, kept by renewal; only the payer reads it", async () => {
    const kept: Hex[] = [];
    let down = true;
    const request: typeof fetch = (input, init) => (down && init?.method === "PUT" ? Promise.resolve(new Response("busy", { status: 503 })) : fetch(input, init));
    const walrus = walrusClient({ publisher: server.url, aggregators: [server.url], blobIds: ids, clock, attempts: 1, fetch: request });
    const store = openStore(":memory:");
    const room = payloadRoom({ store, walrus, clock, log: silentLogger, keepBlob: (blobId) => void kept.push(blobId) });
    const recipient = (await room.recipientOf(header(publicKey), SettlementMode.Individual))!;
    await room.add(recipient, digest, content);
    expect(room.find(digest)).to.deep.equal({ status: "pending" });
    const { sealed } = store.get<{ sealed: Uint8Array }>("SELECT sealed FROM payload WHERE digest = ?", digest)!;
    expect(Buffer.from(sealed).includes("secret")).to.equal(false);

    expect(await room.upload(), "Walrus is busy").to.equal(true);
    expect(room.find(digest)).to.deep.equal({ status: "pending" });
    expect(await room.upload(), "not before its pause").to.equal(false);
    down = false;
    now += 1_000;
    await room.upload();
    const stored = room.find(digest);
    if (stored?.status !== "stored") throw new Error("not stored");
    expect(kept).to.deep.equal([stored.blobId]);
    expect(await openPayload(secretKey, digest, await walrus.read(stored.blobId, { contentHash: stored.contentHash }))).to.deep.equal(content);
    expect(await room.upload(), "nothing is left").to.equal(false);
    expect(room.find(keccak256(toHex("another receipt")))).to.equal(undefined);
  });

  it("a bad key, or a mode that publishes nothing, is refused before anything is charged", async () => {
    const room = payloadRoom({ store: openStore(":memory:"), walrus: walrusClient({ aggregators: [server.url], blobIds: ids, clock }), clock, log: silentLogger, keepBlob: () => {} });
    expect(await room.recipientOf(null, SettlementMode.Batch)).to.equal(undefined);
    for (const bad of ["", "short", `${header(publicKey)}=`, header(`0x${"00".repeat(32)}`), "!".repeat(43)]) {
      expect(await codeOf(room.recipientOf(bad, SettlementMode.Individual)), bad).to.equal("BAD_ENCRYPT_KEY");
    }
    expect(await codeOf(room.recipientOf(header(publicKey), SettlementMode.Batch))).to.equal("BAD_ENCRYPT_KEY");
  });
});
