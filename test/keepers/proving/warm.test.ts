import { writeFileSync, mkdirSync } from "node:fs";

import { expect } from "chai";

import { codeOf } from "./tools.ts";
import { until } from "../../utils/until.ts";
import { CACHE, tiny, tinyWitness } from "../../circuits/setup/tools.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { createProver } from "../../../keepers/proving/prover.ts";
import type { ProvingTask } from "../../../keepers/proving/prover.ts";
import { wasmProver } from "../../../keepers/proving/provers.ts";
import { openWarmChild } from "../../../keepers/proving/warm.ts";
import { LIMITS } from "../../utils/limits.ts";

const FOLDER = `${CACHE}/warm`;

/** Answers each line with its process id and the line, after obeying it. */
const OBEDIENT = `
  require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
    if (line === "hang") return;
    if (line === "crash") process.exit(9);
    if (line === "endless") return setInterval(() => process.stdout.write("x".repeat(1 << 16)), 1);
    if (line === "swell") return setInterval(() => (globalThis.kept ??= []).push(Buffer.alloc(32 << 20, 1)), 5);
    process.stdout.write(process.pid + " " + line + "\\n");
  }).on("close", () => process.exit(0));`;

describe("A warm prover's process", () => {
  const open = (idleMs?: number) => openWarmChild(process.execPath, ["-e", OBEDIENT], idleMs);
  const pidOf = async (answer: Promise<string>) => Number((await answer).split(" ")[0]);
  const alive = (pid: number) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  const gone = (pid: number) => until(`the end of process ${pid}`, () => !alive(pid));

  it("answers many questions, one at a time and in order", async () => {
    const child = open();
    const answers = await Promise.all(["a", "b", "c"].map((line) => child.ask(line, LIMITS)));
    expect(new Set(answers.map((answer) => answer.split(" ")[0])).size).to.equal(1);
    expect(answers.map((answer) => answer.split(" ")[1])).to.deep.equal(["a", "b", "c"]);
  });

  for (const [line, limits, code] of [
    ["hang", { ...LIMITS, deadlineMs: 300 }, "retryable proving.deadline"],
    ["crash", LIMITS, "retryable proving.crashed"],
    ["endless", LIMITS, "fatal proving.bad_output"],
    ["swell", { ...LIMITS, memoryMb: 300 }, "fatal proving.memory"],
  ] as const) {
    it(`that does "${line}" is killed, and the next question has a new one`, async function () {
      if (line === "swell" && process.platform !== "linux") return this.skip();
      const child = open();
      const first = await pidOf(child.ask("a", LIMITS));
      expect(await codeOf(child.ask(line, limits))).to.equal(code);
      await gone(first);
      expect(await pidOf(child.ask("b", LIMITS))).to.not.equal(first);
    });
  }

  it("is stopped by the keeper's signal, before and while it works", async () => {
    const child = open();
    const controller = new AbortController();
    const asked = child.ask("hang", { ...LIMITS, signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    expect(await codeOf(asked)).to.equal("retryable proving.aborted");
    expect(await codeOf(child.ask("a", { ...LIMITS, signal: controller.signal }))).to.equal("retryable proving.aborted");
    expect(await codeOf(openWarmChild(`${FOLDER}/none`, []).ask("a", LIMITS))).to.equal("fatal proving.no_prover");
  });

  it("ends when it has had nothing to do for a while, and comes back", async () => {
    const child = open(50);
    const first = await pidOf(child.ask("a", LIMITS));
    await gone(first);
    expect(await pidOf(child.ask("b", LIMITS))).to.not.equal(first);
  });

  describe("with the default prover", () => {
    let task: ProvingTask;

    before(async () => {
      mkdirSync(FOLDER, { recursive: true });
      const circuit = await tiny();
      const witness = `${FOLDER}/good.wtns`;
      writeWitness(witness, tinyWitness(7n, 12n, 15n));
      task = { zkey: circuit.files.zkey, witness, key: circuit.key, publicInputs: [7n, 27n, 180n] };
    });

    it("a bad key or witness is an answer, not its end: the next proof comes", async () => {
      const { readFileSync } = await import("node:fs");
      const bytes = readFileSync(task.zkey);
      const cut = `${FOLDER}/cut.zkey`;
      // The header is whole, so it gets as far as the prover.
      writeFileSync(cut, bytes.subarray(0, bytes.length - 200));
      expect(await codeOf(wasmProver().prove({ ...task, zkey: cut }, LIMITS))).to.match(/proving\.(bad_file|crashed)/);
      const field = `${FOLDER}/field.wtns`;
      const wtns = readFileSync(task.witness);
      wtns[12 + 12 + 4]! ^= 1;
      writeFileSync(field, wtns);
      expect(await codeOf(wasmProver().prove({ ...task, witness: field }, LIMITS))).to.equal("retryable proving.crashed");
      expect((await wasmProver().prove(task, LIMITS)).prover).to.equal("wasm");
    });

    it("a key that is replaced under its name is read anew", async () => {
      const { copyFileSync } = await import("node:fs");
      const { makeDevelopmentKey } = await import("../../../circuits/setup/development.ts");
      const { readVerifyingKey } = await import("../../../circuits/setup/zkey.ts");
      const { compile } = await import("../../circuits/setup/tools.ts");
      const zkey = `${FOLDER}/replaced.zkey`;
      copyFileSync(task.zkey, zkey);
      await wasmProver().prove({ ...task, zkey }, LIMITS);
      await makeDevelopmentKey(compile("tiny8"), zkey, { tau: 3n, alpha: 4n, beta: 5n, gamma: 1n, delta: 6n });
      await wasmProver().prove({ ...task, zkey, key: readVerifyingKey(zkey) }, LIMITS);
    });

    it("an answer that says what went wrong is retryable, a text that is none is not", async () => {
      const saying = (text: string) => createProver({ name: "fake", command: process.execPath, args: ["-e", `process.stdin.once("data", () => console.log(${JSON.stringify(text)}))`], warm: true });
      expect(await codeOf(saying('{"error":"out of luck"}').prove(task, LIMITS))).to.equal("retryable proving.crashed");
      for (const text of ["null", "[]", "{}", "no"]) expect(await codeOf(saying(text).prove(task, LIMITS)), text).to.equal("fatal proving.bad_output");
    });
  });
});
