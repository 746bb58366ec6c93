import { mkdirSync, rmSync } from "node:fs";

import { expect } from "chai";

import { fatal, isKeeperError, retryable } from "../../../keepers/errors/index.ts";
import { openProvingQueue } from "../../../keepers/proving/queue.ts";
import type { ProvingQueue } from "../../../keepers/proving/queue.ts";
import { openStore } from "../../../keepers/storage/index.ts";
import { proveNext } from "../../../keepers/proving/worker.ts";
import type { WorkerParts } from "../../../keepers/proving/worker.ts";

const LIMITS = { capacity: 4, maxAttempts: 3, leaseMs: 1_000, backoffMs: 100 };

describe("Proving queue", () => {
  let queue: ProvingQueue;

  beforeEach(() => {
    queue = openProvingQueue(openStore(":memory:"), LIMITS);
  });

  it("keeps a job once, however often it is offered", () => {
    expect(queue.enqueue("a", "1", 0)).to.equal(true);
    expect(queue.enqueue("a", "2", 1)).to.equal(false);
    expect(queue.get("a")!.payload).to.equal("1");
  });

  it("gives jobs out in order, each to one worker", () => {
    for (const id of ["a", "b"]) queue.enqueue(id, id, 0);
    expect([queue.lease(0)!.id, queue.lease(0)!.id, queue.lease(0)]).to.deep.equal(["a", "b", undefined]);
  });

  it("gives a job to another worker when the lease runs out, and then listens to that one only", () => {
    queue.enqueue("a", "", 0);
    const first = queue.lease(0)!;
    expect(queue.lease(999)).to.equal(undefined);
    const second = queue.lease(1_000)!;
    expect(second.id).to.equal("a");
    expect(queue.renew(first, 1_001)).to.equal(false);
    expect(queue.complete(first, "late")).to.equal(false);
    expect(queue.fail(first, "LATE", true, 1_001)).to.equal(false);
    expect(queue.complete(second, "proof")).to.equal(true);
    expect(queue.get("a")).to.include({ state: "proven", result: "proof" });
  });

  it("does not take a renewed job away", () => {
    queue.enqueue("a", "", 0);
    const job = queue.lease(0)!;
    expect(queue.renew(job, 900)).to.equal(true);
    expect(queue.lease(1_500)).to.equal(undefined);
  });

  it("tries again what can succeed, later each time, and not for ever", () => {
    queue.enqueue("a", "", 0);
    queue.fail(queue.lease(0)!, "proving.deadline", true, 0);
    expect(queue.lease(99)).to.equal(undefined);
    queue.fail(queue.lease(100)!, "proving.deadline", true, 100);
    expect(queue.lease(299)).to.equal(undefined);
    queue.fail(queue.lease(300)!, "proving.deadline", true, 300);
    expect(queue.get("a")).to.include({ state: "failed", errorCode: "proving.deadline", attempts: 3 });
  });

  it("fails at once what cannot succeed", () => {
    queue.enqueue("a", "", 0);
    queue.fail(queue.lease(0)!, "proving.invalid_proof", false, 0);
    expect(queue.get("a")).to.include({ state: "failed", attempts: 1 });
  });

  it("gives up on a job that kills its workers", () => {
    queue.enqueue("a", "", 0);
    for (let now = 0; now < 3_000; now += 1_000) expect(queue.lease(now)!.id).to.equal("a");
    expect(queue.lease(3_000)).to.equal(undefined);
    expect(queue.get("a")).to.include({ state: "failed", errorCode: "proving.abandoned" });
  });

  it("is bounded, and says so with an error that can be retried", () => {
    for (const id of ["a", "b", "c", "d"]) queue.enqueue(id, "", 0);
    try {
      queue.enqueue("e", "", 0);
      expect.fail("took a fifth job");
    } catch (error) {
      expect(isKeeperError(error) && [error.family, error.code]).to.deep.equal(["retryable", "proving.queue_full"]);
    }
    expect(queue.enqueue("a", "", 0)).to.equal(false);
    expect(queue.counts()).to.deep.equal({ queued: 4, leased: 0, proven: 0, failed: 0 });
  });

  it("tells of every end until somebody has taken it over: proven, failed, and what killed its workers", () => {
    for (const id of ["good", "bad", "deadly"]) queue.enqueue(id, "", 0);
    expect(queue.complete(queue.lease(0)!, "proof")).to.equal(true);
    expect(queue.fail(queue.lease(0)!, "proving.invalid_proof", false, 0)).to.equal(true);
    let time = 0;
    while (queue.lease(time)) time += LIMITS.leaseMs + 1;
    expect(queue.ended(9).map(({ id, state, errorCode }) => [id, state, errorCode])).to.deep.equal([["good", "proven", null], ["bad", "failed", "proving.invalid_proof"], ["deadly", "failed", "proving.abandoned"]]);
    queue.delivered("good");
    expect(queue.ended(9).map(({ id }) => id)).to.deep.equal(["bad", "deadly"]);
  });

  it("survives its process", () => {
    const file = ".cache/zk/test/queue.db";
    mkdirSync(".cache/zk/test", { recursive: true });
    rmSync(file, { force: true });
    const before = openStore(file);
    const first = openProvingQueue(before, LIMITS);
    first.enqueue("a", "payload", 0);
    first.lease(0);
    before.close();
    const after = openStore(file);
    const job = openProvingQueue(after, LIMITS).lease(1_000);
    expect(job).to.include({ id: "a", payload: "payload", attempts: 2 });
    after.close();
  });

  describe("worker", () => {
    let time: number;
    let parts: WorkerParts;
    const proving = (prove: WorkerParts["prover"]["prove"]): WorkerParts => ({ ...parts, prover: { name: "fake", prove } });

    beforeEach(() => {
      time = 0;
      parts = {
        queue,
        prover: { name: "fake", prove: () => Promise.resolve({ proof: "0x01", publicInputs: [], prover: "fake" }) },
        now: () => time,
        prepare: () => Promise.resolve({ zkey: "", witness: "", key: { alpha: [0n, 0n], beta: [[0n, 0n], [0n, 0n]], gamma: [[0n, 0n], [0n, 0n]], delta: [[0n, 0n], [0n, 0n]], ic: [] }, publicInputs: [] }),
        encode: ({ proof }) => proof,
        limits: { deadlineMs: 1_000, memoryMb: 1_000 },
        heartbeatMs: 5,
      };
    });

    it("idles when there is nothing to do", async () => expect(await proveNext(parts)).to.deep.equal({ kind: "idle" }));

    it("stores the proof", async () => {
      queue.enqueue("a", "", 0);
      expect((await proveNext(parts)).kind).to.equal("proven");
      expect(queue.get("a")).to.include({ state: "proven", result: "0x01" });
    });

    it("queues again after a retryable error, not after a fatal one or a defect", async () => {
      const failures: [unknown, string, string][] = [
        [retryable("proving.crashed", ""), "queued", "proving.crashed"],
        [fatal("proving.invalid_proof", ""), "failed", "proving.invalid_proof"],
        [new TypeError("oops"), "failed", "proving.defect"],
      ];
      for (const [error, state, code] of failures) {
        queue.enqueue(code, "", time);
        expect(await proveNext(proving(() => Promise.reject(error as Error)))).to.include({ kind: "failed", code });
        expect(queue.get(code)!.state).to.equal(state);
      }
    });

    it("stops proving when the lease is lost", async () => {
      queue.enqueue("a", "", 0);
      const slow = proving((_task, { signal }) => new Promise((_resolve, reject) => {
        time = 2_000;
        queue.lease(time);
        signal!.addEventListener("abort", () => reject(retryable("proving.aborted", "")));
      }));
      expect((await proveNext(slow)).kind).to.equal("lost");
      expect(queue.get("a")!.state).to.equal("leased");
    });
  });
});
