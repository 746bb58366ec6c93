import { expect } from "chai";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Hex, keccak256, numberToHex } from "viem";
import { fromWire } from "../../../keepers/walrus/index.ts";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { openSharedChecks } from "../../../keepers/roles/full/index.ts";
import type { SharedChecks, SharedVerdict } from "../../../keepers/roles/full/shared-checks.ts";
import { domain, signer, writeBatch } from "../../../scripts/bench/settlement/batch-file.ts";
import { type BatchHeader, headerHash, KeyType } from "../../../sdk/protocol/index.ts";
import { type PostgresServer, postgresBinaries, startPostgres } from "../../utils/postgres.ts";
import { until } from "../../utils/until.ts";

/** Answers with blobs; the first question for the held one is never answered. */
function aggregator(blobs: Map<Hex, Uint8Array>, asked: Map<Hex, number>, held: Hex): Server {
  return createServer((request, response) => {
    const blobId = fromWire(request.url!.split("/").at(-1)!);
    const times = (asked.get(blobId) ?? 0) + 1;
    asked.set(blobId, times);
    if (blobId === held && times === 1) return;
    response.end(blobs.get(blobId));
  });
}

describe("one queue of checks, several workers (PostgreSQL)", () => {
  const binaries = postgresBinaries();
  let postgres: PostgresServer;
  let queue: SharedChecks;
  let server: Server;
  let dir: string;
  const workers: ChildProcess[] = [];
  const blobs = new Map<Hex, Uint8Array>();
  const asked = new Map<Hex, number>();
  /** Six batches that are checked, and one that comes after them. */
  const tasks: { hash: Hex; header: BatchHeader }[] = [];
  const HELD = numberToHex(1, { size: 32 });

  before(async function () {
    if (!binaries) {
      console.log("      no PostgreSQL binaries (initdb, postgres) on this machine");
      this.skip();
    }
    dir = mkdtempSync(join(tmpdir(), "og-shared-"));
    postgres = await startPostgres(binaries);
    for (let index = 1; index <= 7; index++) {
      const file = join(dir, `${index}.bin`);
      const made = await writeBatch(file, 20 + index);
      const bytes = new Uint8Array(readFileSync(file));
      const blobId = numberToHex(index, { size: 32 });
      // The sixth one's sum is wrong.
      const header = { ...made, nonce: BigInt(index), blobId, contentHash: keccak256(bytes), totalCharge: made.totalCharge + (index === 6 ? 1n : 0n) };
      blobs.set(blobId, bytes);
      tasks.push({ hash: headerHash(header, domain), header });
    }
    server = aggregator(blobs, asked, HELD);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    queue = await openSharedChecks(postgres.url, silentLogger);
  });
  after(async () => {
    for (const worker of workers) worker.kill("SIGKILL");
    await queue?.stop();
    server?.closeAllConnections();
    server?.close();
    await postgres?.stop();
    if (dir) rmSync(dir, { recursive: true, force: true });
  });

  function startWorker(name: string): ChildProcess {
    const env = {
      ...process.env, NODE_NO_WARNINGS: "1", OG_POSTGRES: postgres.url, OG_DATA_DIR: join(dir, name), OG_CHECK_WORKERS: "1",
      OG_WALRUS_AGGREGATORS: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    };
    const worker = spawn(process.execPath, ["keepers/bin/check-worker.ts"], { env, stdio: ["ignore", "ignore", "inherit"] });
    workers.push(worker);
    return worker;
  }

  it("one is killed in the middle of a batch: every batch has its one verdict, none is lost", async () => {
    const key = { keyType: KeyType.Secp256k1, signer };
    const add = (index: number) => queue.queue({ ...tasks[index]!, key, domain, nodePolicy: `0x${"00".repeat(32)}` });
    // The first worker gets stuck in the batch whose data does not come.
    const stuck = startWorker("a");
    await add(0);
    await until("the first worker's fetch", () => asked.get(HELD) === 1);
    const other = startWorker("b");
    const six = tasks.slice(0, 6);
    for (const index of six.keys()) await add(index);
    const verdictOf = async (hash: Hex): Promise<SharedVerdict | null> => {
      const state = await queue.state(hash);
      return state.state === "done" ? state.verdict : null;
    };
    await until("the others' verdicts", async () => (await Promise.all(six.slice(1).map(({ hash }) => verdictOf(hash)))).every(Boolean));
    expect(await queue.state(tasks[0]!.hash)).to.deep.equal({ state: "waiting" });

    stuck.kill("SIGKILL");
    await until("the orphaned batch's verdict", async () => (await verdictOf(tasks[0]!.hash)) !== null);
    for (const [index, { hash, header }] of six.entries()) {
      const verdict = (await verdictOf(hash))!;
      expect(verdict.worker, "only one worker was left to finish anything").to.match(new RegExp(`:${other.pid}$`));
      if (index === 5) expect(verdict.fault).to.include({ kind: "sum" });
      else expect(verdict).to.include({ ok: true, fault: null, leaves: header.count });
      expect(asked.get(header.blobId), `fetches of batch ${index}`).to.equal(index === 0 ? 2 : 1);
    }
    // Seen again, queued again: still the one verdict, and no second look before the batch that was queued last.
    for (const index of tasks.keys()) await add(index);
    await until("the last batch's verdict", async () => (await verdictOf(tasks[6]!.hash)) !== null);
    expect([...asked.values()].reduce((sum, times) => sum + times, 0)).to.equal(tasks.length + 1);
  });

  it("a worker that is told to stop ends cleanly", async () => {
    const worker = workers.at(-1)!;
    const ended = new Promise<number | null>((resolve) => worker.once("exit", resolve));
    worker.kill("SIGTERM");
    expect(await ended).to.equal(0);
  });
});
