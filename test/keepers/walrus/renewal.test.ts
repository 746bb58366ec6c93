import { expect } from "chai";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keccak256 } from "viem";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { openStore } from "../../../keepers/storage/index.ts";
import { type BlobIds, blobIds, blobRenewal, startWalrusServer, walrusClient, type WalrusServer } from "../../../keepers/walrus/index.ts";
import { codeOf } from "../support/code-of.ts";

const DAY = 86_400_000;

describe("walrus: renewal before the end", () => {
  const ids: BlobIds = blobIds();
  let dir: string;
  let server: WalrusServer;
  let now = 20_000 * DAY;
  const clock = { now: () => now, sleep: () => Promise.resolve(), random: () => 0.5, randomBytes: (length: number) => new Uint8Array(length) };
  const bytes = (text: string) => new TextEncoder().encode(text);

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "renewal-"));
    server = await startWalrusServer({ directory: dir, blobIds: ids, clock, epochSeconds: 86_400 });
  });
  after(async () => {
    await server.close();
    await ids.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it("a wanted blob outlives its epochs, an unwanted one ends, a lost one comes back from the keeper's own data", async () => {
    const walrus = walrusClient({ publisher: server.url, aggregators: [server.url], blobIds: ids, clock, attempts: 1 });
    const renewal = blobRenewal({ store: openStore(":memory:"), walrus, clock, logger: silentLogger, epochs: 3, epochMs: DAY });
    const wanted = bytes("a batch that payers may ask for");
    const unwanted = bytes("a batch that nobody wants any more");
    const [{ blobId }, other] = [await walrus.store(wanted, { epochs: 3 }), await walrus.store(unwanted, { epochs: 3 })];
    renewal.note(blobId, keccak256(wanted), now + 30 * DAY);
    renewal.note(other.blobId, keccak256(unwanted), now + DAY / 2);

    expect(await renewal.renew()).to.deep.equal({ renewed: 0, failed: 0 });
    for (let day = 1; day <= 9; day++) {
      now += DAY;
      await renewal.renew();
      expect(Buffer.from(await walrus.read(blobId, { contentHash: keccak256(wanted) })).equals(wanted), `day ${day}`).to.equal(true);
    }
    expect(renewal.counts()).to.deep.equal({ kept: 1, due: 0 });
    expect(await codeOf(() => walrus.read(other.blobId, { contentHash: keccak256(unwanted) }))).to.equal("walrus.not_found");

    // Nobody renewed for a week: the network has forgotten it, the keeper has not.
    now += 7 * DAY;
    expect(await renewal.renew()).to.deep.equal({ renewed: 0, failed: 1 });
    expect(renewal.counts().due).to.equal(1);
    expect(await renewal.renew(async () => null), "it has no such data").to.deep.equal({ renewed: 0, failed: 1 });
    expect(await renewal.renew(async () => unwanted), "what it has is another blob's").to.deep.equal({ renewed: 0, failed: 1 });
    expect(await codeOf(() => walrus.read(other.blobId, { contentHash: keccak256(unwanted) })), "and is not stored").to.equal("walrus.not_found");
    expect(await renewal.renew(async () => wanted)).to.deep.equal({ renewed: 1, failed: 0 });
    expect(Buffer.from(await walrus.read(blobId, { contentHash: keccak256(wanted) })).equals(wanted)).to.equal(true);
    expect(renewal.counts()).to.deep.equal({ kept: 1, due: 0 });

    now += 30 * DAY;
    await renewal.renew();
    expect(renewal.counts(), "wanted no longer").to.deep.equal({ kept: 0, due: 0 });
  });
});
