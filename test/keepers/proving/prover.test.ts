import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";

import { expect } from "chai";
import * as snarkjs from "snarkjs";

import { R } from "../../../circuits/setup/field.ts";
import { verifyProof } from "../../../circuits/setup/verify.ts";
import { decodeProof, toSnarkjs } from "../../../circuits/setup/encode.ts";
import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { runChild } from "../../../keepers/proving/child.ts";
import { createProver, withFallback } from "../../../keepers/proving/prover.ts";
import type { Prover, ProvingTask } from "../../../keepers/proving/prover.ts";
import { bestProver, chooseProver, nativeProver, NATIVE_PROVER, snarkjsProver, wasmProver } from "../../../keepers/proving/provers.ts";
import { codeOf } from "./tools.ts";
import { CACHE, closeSnarkjs, compile, tiny, tinyWitness } from "../../circuits/setup/tools.ts";
import type { Tiny } from "../../circuits/setup/tools.ts";
import { LIMITS } from "../../utils/limits.ts";

const FOLDER = `${CACHE}/proving`;

describe("Proving", () => {
  let circuit: Tiny;
  let task: ProvingTask;

  after(closeSnarkjs);

  const node = (script: string) => createProver({ name: "fake", command: process.execPath, args: ["-e", script] });
  const withWitness = (values: bigint[]): ProvingTask => {
    const witness = `${FOLDER}/changed.wtns`;
    writeWitness(witness, values);
    return { ...task, witness };
  };

  before(async () => {
    mkdirSync(FOLDER, { recursive: true });
    circuit = await tiny();
    const witness = `${FOLDER}/good.wtns`;
    writeWitness(witness, tinyWitness(7n, 12n, 15n));
    task = { zkey: circuit.files.zkey, witness, key: circuit.key, publicInputs: [7n, 27n, 180n] };
  });

  for (const [name, prover] of [["wasm", wasmProver], ["snarkjs", snarkjsProver], ["native", nativeProver]] as const) {
    it(`returns a proof that it has verified: ${name}`, async function () {
      const here = prover();
      if (!here) {
        console.log("      skipped: no native prover here (npm run build:prover)");
        return this.skip();
      }
      const proven = await here.prove(task, LIMITS);
      expect(proven.prover).to.equal(name);
      expect(verifyProof(circuit.key, proven.publicInputs, decodeProof(proven.proof))).to.equal(true);
      expect(await snarkjs.groth16.verify(toSnarkjs(circuit.key), task.publicInputs.map(String), decodeProof(proven.proof))).to.equal(true);
    });
  }

  it("blinds: two proofs of one witness share no point", async () => {
    const [one, two] = [await wasmProver().prove(task, LIMITS), await wasmProver().prove(task, LIMITS)].map(({ proof }) => decodeProof(proof));
    for (const point of ["pi_a", "pi_b", "pi_c"] as const) expect(one![point]).to.not.deep.equal(two![point]);
  });

  it("falls back when there is no native prover, or one that does not run, and says why", async () => {
    expect(bestProver(`${FOLDER}/nothing-here`).name).to.equal("wasm");
    expect(chooseProver(`${FOLDER}/nothing-here`).reason).to.match(/not built \(npm run build:prover\)/);
    const broken = `${FOLDER}/broken-prover`;
    for (const script of ["#!/bin/sh\nexit 127\n", "no program\n"]) {
      writeFileSync(broken, script, { mode: 0o755 });
      expect(chooseProver(broken).prover.name).to.equal("wasm");
      expect(chooseProver(broken).reason).to.match(/broken-prover does not run here: /);
    }
    if (existsSync(NATIVE_PROVER)) expect([chooseProver().prover.name, chooseProver().reason]).to.deep.equal(["native", undefined]);
  });

  it("asks the second prover where the first fails as a program, not where the task is at fault", async () => {
    const crashing = node("process.exit(3)");
    expect((await withFallback(crashing, wasmProver()).prove(task, LIMITS)).prover).to.equal("wasm");
    const second: Prover = { name: "second", prove: () => Promise.reject(new Error("was asked")) };
    expect(await codeOf(withFallback(crashing, second).prove(withWitness([1n, 2n]), LIMITS))).to.equal("fatal proving.wrong_witness");
    expect(await codeOf(withFallback(snarkjsProver(), second).prove({ ...task, publicInputs: [8n, 27n, 180n] }, LIMITS))).to.equal("fatal proving.other_statement");
  });

  describe("refuses before it spends time", () => {
    const never = () => node("process.exit(3)");

    it("a key or witness that is missing, cut off or of another kind", async () => {
      writeFileSync(`${FOLDER}/cut.wtns`, "wtns");
      expect(await codeOf(never().prove({ ...task, zkey: `${FOLDER}/none.zkey` }, LIMITS))).to.equal("fatal proving.bad_file");
      expect(await codeOf(never().prove({ ...task, witness: `${FOLDER}/cut.wtns` }, LIMITS))).to.equal("fatal proving.bad_file");
      expect(await codeOf(never().prove({ ...task, witness: task.zkey }, LIMITS))).to.equal("fatal proving.bad_file");
    });

    it("a witness of another circuit", async () => {
      expect(await codeOf(never().prove(withWitness([1n, 2n, 3n]), LIMITS))).to.equal("fatal proving.wrong_witness");
    });

    it("another number of public inputs", async () => {
      expect(await codeOf(never().prove({ ...task, publicInputs: [7n] }, LIMITS))).to.equal("fatal proving.wrong_witness");
    });
  });

  describe("does not pass on", () => {
    it("a proof of another statement than asked", async () => {
      expect(await codeOf(wasmProver().prove({ ...task, publicInputs: [8n, 27n, 180n] }, LIMITS))).to.equal("fatal proving.other_statement");
      expect(await codeOf(wasmProver().prove({ ...task, publicInputs: [7n + R, 27n, 180n] }, LIMITS))).to.equal("fatal proving.other_statement");
    });

    it("a proof from a witness that breaks the circuit", async () => {
      const wires = tinyWitness(7n, 12n, 15n);
      wires[6] = 5n;
      expect(await codeOf(wasmProver().prove(withWitness(wires), LIMITS))).to.equal("fatal proving.invalid_proof");
    });

    it("a proof under a key that is not the registered one", async () => {
      const zkey = `${FOLDER}/other.zkey`;
      await makeDevelopmentKey(compile("tiny8"), zkey, { tau: 3n, alpha: 4n, beta: 5n, gamma: 1n, delta: 6n });
      expect(readVerifyingKey(zkey)).to.not.deep.equal(circuit.key);
      expect(await codeOf(wasmProver().prove({ ...task, zkey }, LIMITS))).to.equal("fatal proving.invalid_proof");
    });

    it("output that is not a proof", async () => {
      for (const output of ["", "no", "{}", '{"proof":{},"publicSignals":[]}', '{"proof":{"pi_a":["x"],"pi_b":[],"pi_c":[]},"publicSignals":[]}']) {
        expect(await codeOf(node(`process.stdout.write(${JSON.stringify(output)})`).prove(task, LIMITS)), output).to.equal("fatal proving.bad_output");
      }
    });
  });

  describe("stops a prover", () => {
    it("at its deadline, with everything it started", async () => {
      // The prover's own child says that it lives by a connection, which the system closes when it dies.
      const lives: Promise<unknown>[] = [];
      const server = createServer((socket) => void lives.push(once(socket.on("error", () => {}).resume(), "close")));
      await once(server.listen(0, "127.0.0.1"), "listening");
      const inner = `require("net").connect(${(server.address() as AddressInfo).port}, "127.0.0.1"); setInterval(() => {}, 1000)`;
      const script = `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(inner)}]); setInterval(() => {}, 1000)`;
      // A deadline that passes before the child lives shows nothing: then a longer one.
      for (let deadlineMs = 1_000; lives.length === 0; deadlineMs *= 2) {
        expect(await codeOf(node(script).prove(task, { ...LIMITS, deadlineMs }))).to.equal("retryable proving.deadline");
      }
      await Promise.all(lives);
      server.close();
    });

    it("that uses more memory than it may", async function () {
      if (process.platform !== "linux") return this.skip();
      const script = "const kept = []; setInterval(() => kept.push(Buffer.alloc(32 << 20, 1)), 5)";
      expect(await codeOf(node(script).prove(task, { ...LIMITS, memoryMb: 300 }))).to.equal("fatal proving.memory");
    });

    it("that prints without end", async () => {
      expect(await codeOf(runChild("yes", [], LIMITS))).to.equal("fatal proving.bad_output");
    });

    it("when the keeper says so", async () => {
      const controller = new AbortController();
      const running = node("setInterval(() => {}, 1000)").prove(task, { ...LIMITS, signal: controller.signal });
      setTimeout(() => controller.abort(), 100);
      expect(await codeOf(running)).to.equal("retryable proving.aborted");
      expect(await codeOf(node("").prove(task, { ...LIMITS, signal: controller.signal }))).to.equal("retryable proving.aborted");
    });
  });

  it("says that a prover crashed, or was never there", async () => {
    expect(await codeOf(node("process.exit(3)").prove(task, LIMITS))).to.equal("retryable proving.crashed");
    expect(await codeOf(node("process.kill(process.pid, 'SIGSEGV')").prove(task, LIMITS))).to.equal("retryable proving.crashed");
    expect(await codeOf(createProver({ name: "none", command: `${FOLDER}/none`, args: [] }).prove(task, LIMITS))).to.equal("fatal proving.no_prover");
  });
});
