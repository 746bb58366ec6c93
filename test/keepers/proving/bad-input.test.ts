import { mkdirSync } from "node:fs";

import { expect } from "chai";

import { decodeProof } from "../../../circuits/setup/encode.ts";
import type { Hex } from "../../../circuits/setup/encode.ts";
import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { R } from "../../../circuits/setup/field.ts";
import { verifyProof } from "../../../circuits/setup/verify.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { createProver } from "../../../keepers/proving/prover.ts";
import type { Prover, ProvingTask } from "../../../keepers/proving/prover.ts";
import { wasmProver } from "../../../keepers/proving/provers.ts";
import { openProvingQueue } from "../../../keepers/proving/queue.ts";
import type { ProvingQueue } from "../../../keepers/proving/queue.ts";
import { proveNext } from "../../../keepers/proving/worker.ts";
import { openStore } from "../../../keepers/storage/index.ts";
import { CACHE, compile, tiny, tinyWitness } from "../../circuits/setup/tools.ts";
import { LIMITS } from "../../utils/limits.ts";

const FOLDER = `${CACHE}/bad-input`;

/** The queue with its worker and the default prover, as a keeper runs them. After each bad job a good one is proved: the keeper is up. */
describe("A proving keeper, given", () => {
  let good: ProvingTask;
  let other: ProvingTask;
  let queue: ProvingQueue;
  let time: number;

  before(async () => {
    mkdirSync(FOLDER, { recursive: true });
    const { files, key } = await tiny();
    writeWitness(`${FOLDER}/good.wtns`, tinyWitness(7n, 12n, 15n));
    good = { zkey: files.zkey, witness: `${FOLDER}/good.wtns`, key, publicInputs: [7n, 27n, 180n] };
    const zkey = `${FOLDER}/other.zkey`;
    await makeDevelopmentKey(compile("tiny8"), zkey, { tau: 3n, alpha: 4n, beta: 5n, gamma: 1n, delta: 6n });
    other = { ...good, zkey, key: readVerifyingKey(zkey) };
  });

  beforeEach(() => {
    time = 0;
    queue = openProvingQueue(openStore(":memory:"), { capacity: 8, maxAttempts: 2, leaseMs: 60_000, backoffMs: 10 });
  });

  const next = (task: ProvingTask, prover: Prover = wasmProver(), limits = LIMITS) =>
    proveNext({ queue, prover, now: () => time, prepare: () => Promise.resolve(task), encode: ({ proof }) => proof, limits, heartbeatMs: 1_000 });

  /** No result is stored: there is nothing that could be submitted, so nothing is charged. */
  async function refuses(code: string, task: ProvingTask, prover?: Prover, limits?: typeof LIMITS): Promise<void> {
    queue.enqueue("bad", "", time);
    let outcome = await next(task, prover, limits);
    while (queue.get("bad")!.state === "queued") {
      time += 1_000;
      outcome = await next(task, prover, limits);
    }
    expect(outcome).to.include({ kind: "failed", code });
    expect(queue.get("bad")).to.include({ state: "failed", errorCode: code, result: null });
    queue.enqueue("good", "", time);
    expect((await next(good)).kind).to.equal("proven");
    expect(verifyProof(good.key, good.publicInputs, decodeProof(queue.get("good")!.result as Hex))).to.equal(true);
  }

  const program = (script: string) => createProver({ name: "fake", command: process.execPath, args: ["-e", script] });

  it("a proof for another model, refuses it", () => refuses("proving.invalid_proof", { ...good, zkey: other.zkey }));
  it("a witness of another request, refuses it", () => refuses("proving.other_statement", { ...good, publicInputs: [8n, 27n, 180n] }));
  it("a public input past the field, refuses it", () => refuses("proving.other_statement", { ...good, publicInputs: [7n + R, 27n, 180n] }));

  it("a witness that breaks the circuit, refuses it", () => {
    const wires = tinyWitness(7n, 12n, 15n);
    wires[6] = 5n;
    writeWitness(`${FOLDER}/broken.wtns`, wires);
    return refuses("proving.invalid_proof", { ...good, witness: `${FOLDER}/broken.wtns` });
  });

  it("a key file that is gone, refuses it", () => refuses("proving.bad_file", { ...good, zkey: `${FOLDER}/none.zkey` }));

  it("a valid proof of another statement, presented as this one, refuses it", async () => {
    writeWitness(`${FOLDER}/stranger.wtns`, tinyWitness(9n, 12n, 15n));
    const { proof } = await wasmProver().prove({ ...good, witness: `${FOLDER}/stranger.wtns`, publicInputs: [9n, 27n, 180n] }, LIMITS);
    const lie = JSON.stringify({ proof: decodeProof(proof), publicSignals: good.publicInputs.map(String) });
    await refuses("proving.invalid_proof", good, program(`process.stdout.write(${JSON.stringify(lie)})`));
  });

  it("a prover that hangs, kills it at the deadline, tries again, gives up", () => refuses("proving.deadline", good, program("setInterval(() => {}, 1000)"), { ...LIMITS, deadlineMs: 200 }));
  it("the real prover past its deadline, kills it", () => refuses("proving.deadline", good, undefined, { ...LIMITS, deadlineMs: 1 }));
  it("the real prover past its memory, kills it", async function () {
    if (process.platform !== "linux") return this.skip();
    // Less than any process has: it is seen at the latest when the answer comes.
    await refuses("proving.memory", good, undefined, { ...LIMITS, memoryMb: 1 });
  });
  it("a prover that is killed, tries again, gives up", () => refuses("proving.crashed", good, program("process.kill(process.pid, 'SIGKILL')")));
  it("a prover that prints nonsense, refuses it", () => refuses("proving.bad_output", good, program("console.log('proof')")));

  it("a prover that failed once, proves at the second attempt", async () => {
    queue.enqueue("bad", "", time);
    expect(await next(good, program("process.exit(1)"))).to.include({ kind: "failed", code: "proving.crashed" });
    time += 1_000;
    expect((await next(good)).kind).to.equal("proven");
    expect(queue.get("bad")).to.include({ state: "proven", attempts: 2 });
  });
});
