import { mkdirSync, writeFileSync } from "node:fs";

import { expect } from "chai";

import { R } from "../../../circuits/setup/field.ts";
import { verifyProof } from "../../../circuits/setup/verify.ts";
import { decodeProof } from "../../../circuits/setup/encode.ts";
import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { isKeeperError } from "../../../keepers/errors/index.ts";
import { runChild } from "../../../keepers/proving/child.ts";
import { createProver } from "../../../keepers/proving/prover.ts";
import type { ProvingTask } from "../../../keepers/proving/prover.ts";
import { bestProver, nativeProver, snarkjsProver } from "../../../keepers/proving/provers.ts";
import { CACHE, compile, tiny, tinyWitness } from "../../circuits/setup/tools.ts";
import type { Tiny } from "../../circuits/setup/tools.ts";

const LIMITS = { deadlineMs: 60_000, memoryMb: 2_000 };
const FOLDER = `${CACHE}/proving`;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (isKeeperError(error)) return `${error.family} ${error.code}`;
    throw error;
  }
  return "no error";
}

describe("Proving", () => {
  let circuit: Tiny;
  let task: ProvingTask;

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

  it("returns a proof that it has verified", async () => {
    const proven = await snarkjsProver().prove(task, LIMITS);
    expect(proven.prover).to.equal("snarkjs");
    expect(verifyProof(circuit.key, proven.publicInputs, decodeProof(proven.proof))).to.equal(true);
  });

  it("proves with the native prover where it was built", async function () {
    const native = nativeProver();
    if (!native) {
      console.log("      skipped: no native prover here (npm run build:prover)");
      return this.skip();
    }
    const proven = await native.prove(task, LIMITS);
    expect(verifyProof(circuit.key, proven.publicInputs, decodeProof(proven.proof))).to.equal(true);
  });

  it("falls back to snarkjs when there is no native prover", () => {
    expect(bestProver(`${FOLDER}/nothing-here`).name).to.equal("snarkjs");
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
      expect(await codeOf(snarkjsProver().prove({ ...task, publicInputs: [8n, 27n, 180n] }, LIMITS))).to.equal("fatal proving.other_statement");
      expect(await codeOf(snarkjsProver().prove({ ...task, publicInputs: [7n + R, 27n, 180n] }, LIMITS))).to.equal("fatal proving.other_statement");
    });

    it("a proof from a witness that breaks the circuit", async () => {
      const wires = tinyWitness(7n, 12n, 15n);
      wires[6] = 5n;
      expect(await codeOf(snarkjsProver().prove(withWitness(wires), LIMITS))).to.equal("fatal proving.invalid_proof");
    });

    it("a proof under a key that is not the registered one", async () => {
      const zkey = `${FOLDER}/other.zkey`;
      await makeDevelopmentKey(compile("tiny8"), zkey, { tau: 3n, alpha: 4n, beta: 5n, gamma: 1n, delta: 6n });
      expect(readVerifyingKey(zkey)).to.not.deep.equal(circuit.key);
      expect(await codeOf(snarkjsProver().prove({ ...task, zkey }, LIMITS))).to.equal("fatal proving.invalid_proof");
    });

    it("output that is not a proof", async () => {
      for (const output of ["", "no", "{}", '{"proof":{},"publicSignals":[]}', '{"proof":{"pi_a":["x"],"pi_b":[],"pi_c":[]},"publicSignals":[]}']) {
        expect(await codeOf(node(`process.stdout.write(${JSON.stringify(output)})`).prove(task, LIMITS)), output).to.equal("fatal proving.bad_output");
      }
    });
  });

  describe("stops a prover", () => {
    it("at its deadline, with everything it started", async () => {
      const marker = `${FOLDER}/survivor-${process.pid}`;
      const script = `require("child_process").spawn(process.execPath, ["-e", "setTimeout(() => require('fs').writeFileSync('${marker}', ''), 1500)"]); setInterval(() => {}, 1000)`;
      expect(await codeOf(node(script).prove(task, { ...LIMITS, deadlineMs: 500 }))).to.equal("retryable proving.deadline");
      await new Promise((resolve) => setTimeout(resolve, 1_800));
      expect((await import("node:fs")).existsSync(marker)).to.equal(false);
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
