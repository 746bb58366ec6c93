import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

import { expect } from "chai";
import type { Hex } from "viem";

import { compileModel, writeArtifacts } from "../../../circuits/compiler/index.ts";
import { mlp } from "../../../circuits/models/zoo.ts";
import { encodeKey } from "../../../circuits/setup/encode.ts";
import { setUpForDevelopment } from "../../../circuits/setup/manifest.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { NATIVE_PROVER, nativeProver } from "../../../keepers/proving/provers.ts";
import { openProvingQueue } from "../../../keepers/proving/queue.ts";
import { deliverEnded } from "../../../keepers/roles/inference/proofs.ts";
import { BatchStatus, SettlementMode, Verification, termsHash } from "../../../sdk/protocol/index.ts";
import { CACHE } from "../../circuits/setup/tools.ts";
import { terms } from "../../settlement/builder.ts";
import { ZERO, bytes32 } from "../../utils/settlement-world.ts";
import { settling } from "../support/settling.ts";
import type { RoomConfiguration } from "./room.ts";
import { until } from "../../utils/until.ts";

const FOLDER = `${CACHE}/kill`;
const CIRCUIT = `${FOLDER}/circuit`;
const LIMITS = { timeoutMs: 120_000, memoryMb: 2_000 };
const LEASE_MS = 60_000;

const alive = (pid: number): boolean => {
  try {
    // A zombie that nobody has waited for is dead.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};
const childrenOf = (pid: number): number[] => {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number));
  } catch {
    return [];
  }
};

describe("kill -9 in the middle of a proof", () => {
  let keyBytes: Hex;
  let vkHash: Hex;
  let runs = 0;

  before(async function () {
    // Parents and children are read from /proc.
    if (process.platform !== "linux") return this.skip();
    rmSync(FOLDER, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
    await writeArtifacts(compileModel(mlp([16, 12, 4], 3), { inputs: { x: { lo: -1, hi: 1 } } }), CIRCUIT);
    ({ manifest: { vkHash } } = await setUpForDevelopment(`${CIRCUIT}/model.r1cs`, CIRCUIT));
    keyBytes = encodeKey(readVerifyingKey(`${CIRCUIT}/proving.zkey`));
  });

  /** A node with one receipt that waits for its proof, on a chain that knows the model. */
  async function waiting() {
    const name = `${FOLDER}/${++runs}`;
    mkdirSync(name, { recursive: true });
    const it = await settling(`${name}/keeper.db`);
    const { s, node, store, ledger, add } = it;
    await (await s.ethers.getContractAt("Groth16Keys", s.addresses.Groth16Keys)).getFunction("register")(keyBytes);
    const model = {
      name: "killed", version: "1", programHash: bytes32("program"), kind: 2, blobId: bytes32("blob"), contentHash: bytes32("content"), manifestHash: bytes32("manifest"), circuitHash: ZERO, weightsHash: ZERO,
      methods: 0b11110, vkHash: vkHash as string, royaltyTo: "0x0000000000000000000000000000000000000000", royaltyBps: 0, licence: "MIT",
    };
    const modelId = (await s.models.modelIdOf(s.admin.address, model)) as Hex;
    await s.models.publishModel(model);
    const zk = terms(node, { verification: Verification.Zkml });
    ledger.rememberTerms(termsHash(zk), zk);
    const { digest, receipt } = await add(SettlementMode.Individual, { modelId, termsHash: termsHash(zk), cumulativeBefore: 0n }, Verification.Zkml);
    const queue = openProvingQueue(store, { capacity: 9, maxAttempts: 3, leaseMs: 1, backoffMs: 1 });
    queue.enqueue(digest, JSON.stringify({ digest, modelId, witness: Array.from({ length: 16 }, (_, i) => String(i)) }), Date.now());
    const configuration: RoomConfiguration = {
      database: `${name}/keeper.db`, circuit: CIRCUIT, modelId, scratch: `${name}/witnesses`, prover: "wasm", limits: LIMITS, laterMs: 0,
      context: String(await s.settlement.proofContext(receipt, zk.payout)),
    };
    return { ...it, digest, receipt, queue, configuration };
  }

  const room = (configuration: RoomConfiguration) => spawn(process.execPath, ["--no-warnings", "test/keepers/proving/room.ts", JSON.stringify(configuration)], { stdio: ["ignore", "pipe", "inherit"] });

  /** Runs one pass to its end. */
  async function pass(configuration: RoomConfiguration): Promise<Record<string, unknown>> {
    const process_ = room(configuration);
    let said = "";
    process_.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const code = await new Promise((resolve) => process_.on("close", resolve));
    expect(code, said).to.equal(0);
    return JSON.parse(said.trim().split("\n").at(-1)!) as Record<string, unknown>;
  }

  /** Kills the keeper as soon as its prover runs; the prover's process must follow it. */
  async function killed(configuration: RoomConfiguration): Promise<void> {
    const keeper = room(configuration);
    const ended = new Promise((resolve) => keeper.on("close", (_code, signal) => resolve(signal)));
    let provers: number[] = [];
    await until("a prover", () => (provers = childrenOf(keeper.pid!)).length > 0);
    keeper.kill("SIGKILL");
    expect(await ended).to.equal("SIGKILL");
    for (const prover of provers) await until(`the prover ${prover} of a dead keeper ends`, () => !alive(prover));
  }

  it("the lease ends, the job is taken again, limits hold, one proof is submitted and the receipt charged once; no process is left", async () => {
    const { s, node, sent, queue, store, ledger, digest, receipt, clock, pass: settle, configuration, close } = await waiting();
    try {
      await killed(configuration);
      expect(queue.get(digest)).to.include({ state: "leased", attempts: 1 });
      expect(await pass(configuration), "the lease of the dead one still runs").to.include({ worked: false, leased: 1 });
      expect(await pass({ ...configuration, laterMs: LEASE_MS, limits: { ...LIMITS, timeoutMs: 1 } }), "the deadline holds for whoever takes over").to.include({ worked: true, queued: 1 });
      expect(queue.get(digest)).to.include({ errorCode: "proving.deadline", attempts: 2 });
      expect(await settle({ everything: true }), "nothing to settle without a proof").to.equal(false);
      expect(await pass({ ...configuration, laterMs: 2 * LEASE_MS })).to.include({ worked: true, proven: 1 });
      const proof = ledger.find(digest)!.proof!;
      expect(proof.bytes).to.match(/^0x[0-9a-f]{512}$/);
      expect(existsSync(configuration.scratch) ? readdirSync(configuration.scratch) : [], "the client's input is not kept").to.deep.equal([]);

      await clock.advance(120_000);
      expect(await settle({ everything: true })).to.equal(true);
      const nonce = ledger.find(digest)!.headerNonce!;
      expect(Number(await s.settlement.status(ledger.header(BigInt(nonce))!.header))).to.equal(BatchStatus.Final);
      expect((await s.settlement.line(node.nodeId, receipt.paymentId))[0]).to.equal(receipt.charge);
      // Once more, as after another death: there is nothing to prove and nothing to send.
      expect(await pass({ ...configuration, laterMs: 3 * LEASE_MS })).to.include({ worked: false, proven: 1 });
      await deliverEnded(store, queue, ledger, configuration.scratch);
      expect(ledger.find(digest)!.proof).to.deep.equal(proof);
      await settle({ everything: true });
      expect(sent.filter((data) => data.includes(proof.bytes.slice(2)))).to.have.length(1);
      expect((await s.settlement.line(node.nodeId, receipt.paymentId))[0]).to.equal(receipt.charge);
    } finally {
      await close();
    }
  });

  it("a job whose keeper dies each time is set aside and never charged; one over its memory limit too", async () => {
    const { s, node, sent, queue, ledger, digest, receipt, pass: settle, configuration, close, store, clock } = await waiting();
    try {
      for (let k = 0; k < 3; k++) await killed({ ...configuration, laterMs: k * LEASE_MS });
      expect(await pass({ ...configuration, laterMs: 3 * LEASE_MS })).to.include({ worked: false, failed: 1 });
      expect(ledger.find(digest)).to.include({ proofError: "proving.abandoned", headerNonce: -1 });

      const other = "0x" + "ab".repeat(32);
      store.run("UPDATE receipt SET digest = ?, proof_error = NULL, header_nonce = NULL WHERE digest = ?", other, digest);
      queue.enqueue(other, JSON.stringify({ ...(JSON.parse(queue.get(digest)!.payload) as object), digest: other }), Date.now());
      expect(await pass({ ...configuration, laterMs: 4 * LEASE_MS, limits: { ...LIMITS, memoryMb: 1 } })).to.include({ worked: true, failed: 2 });
      expect(ledger.find(other as Hex)).to.include({ proofError: "proving.memory", headerNonce: -1 });

      await clock.advance(120_000);
      expect(await settle({ everything: true })).to.equal(false);
      expect(sent).to.deep.equal([]);
      expect((await s.settlement.line(node.nodeId, receipt.paymentId))[0]).to.equal(0n);
    } finally {
      await close();
    }
  });

  /** A prover that waits for ever in a read: its key is a pipe that nobody writes to. */
  for (const [name, command] of [
    ["wasm", () => [process.execPath, "--no-warnings", "keepers/proving/wasm/program.ts"]],
    ["snarkjs", (key: string) => [process.execPath, "--no-warnings", "keepers/proving/snarkjs-program.ts", key, key]],
    ["native", (key: string) => [NATIVE_PROVER, key, key]],
  ] as const) {
    it(`the ${name} prover ends with its keeper, also while it is stuck`, async () => {
      // One that was built from older sources does not know prctl.
      if (name === "native" && !(nativeProver() && readFileSync(NATIVE_PROVER).includes("prctl"))) {
        console.log("      native prover skipped: not here, or of older sources (npm run build:prover)");
        return;
      }
      const key = `${FOLDER}/${name}.pipe`;
      execFileSync("mkfifo", [key]);
      const question = `${JSON.stringify({ zkey: key, witness: key, memoryMb: 1_000 })}\\n`;
      writeFileSync(`${FOLDER}/${name}-parent.mjs`, `
        import { spawn } from "node:child_process";
        const [command, ...args] = ${JSON.stringify(command(key))};
        const child = spawn(command, args, { stdio: ["pipe", "ignore", "inherit"], detached: true });
        child.stdin.write(${JSON.stringify(question.replace("\\n", "\n"))});
        console.log(child.pid);
        setInterval(() => {}, 1_000);`);
      const parent = spawn(process.execPath, [`${FOLDER}/${name}-parent.mjs`], { stdio: ["ignore", "pipe", "inherit"] });
      const prover = Number(await new Promise<string>((resolve) => parent.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString()))));
      try {
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        expect(alive(prover), "it waits for its key").to.equal(true);
        parent.kill("SIGKILL");
        await until(`${name} ends`, () => !alive(prover));
      } finally {
        parent.kill("SIGKILL");
        if (alive(prover)) process.kill(prover, "SIGKILL");
      }
    });
  }
});
