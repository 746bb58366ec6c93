import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

import { expect } from "chai";

import { openProgress } from "../../../circuits/cli/progress.ts";
import { zkCommand } from "../../../circuits/cli/zk.ts";
import type { ProofFile } from "../../../circuits/cli/commands.ts";
import { R } from "../../../circuits/setup/field.ts";
import { mlp } from "../../../circuits/models/zoo.ts";

const FOLDER = ".cache/zk/test/cli";
const MODEL = `${FOLDER}/model.onnx`;
const OUT = `${FOLDER}/out`;
const RANGE = ["--input", "x=-2:2"];

describe("og zk", () => {

  /** Runs a command line; the exit code it leaves, and what it printed. */
  async function og(...args: string[]): Promise<{ code: number; text: string }> {
    const lines: string[] = [];
    const before = process.exitCode;
    process.exitCode = 0;
    try {
      await zkCommand((line) => lines.push(line)).parseAsync(args, { from: "user" });
      return { code: Number(process.exitCode), text: lines.join("\n") };
    } finally {
      process.exitCode = before;
    }
  }

  before(async () => {
    rmSync(FOLDER, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(MODEL, mlp([6, 4, 2], 3, true));
    writeFileSync(`${FOLDER}/input.json`, JSON.stringify({ x: [[0.1, -0.5, 1, 0, 1.5, -2]] }));
    const compiled = await og("compile", MODEL, OUT, ...RANGE);
    expect(compiled.code, compiled.text).to.equal(0);
    expect(compiled.text).to.match(/level 0: development key/);
  });

  it("explains a model: a bar for each layer, error, time, gas", async () => {
    const { code, text } = await og("explain", MODEL, ...RANGE);
    expect(code).to.equal(0);
    expect(text).to.match(/rows, domain 2\^\d+, 3 public inputs/).and.match(/Relu .*█/).and.match(/error of ".*proved for every input/).and.match(/gas/);
  });

  it("proves two models of one architecture under one set-up, each under its own folded key", async () => {
    const [one, two] = [`${FOLDER}/universal`, `${FOLDER}/retrained`];
    for (const [seed, out, keys] of [[7, one, []], [8, two, ["--no-keys"]]] as const) {
      writeFileSync(`${FOLDER}/u.onnx`, mlp([6, 4, 2], seed));
      const compiled = await og("compile", `${FOLDER}/u.onnx`, out, "--weights", "public", "--weight-range", "b1=1", ...keys);
      expect(compiled.code, compiled.text).to.equal(0);
      expect(compiled.text).to.match(/44 bytes of weights in weights.json/);
    }
    writeFileSync(`${FOLDER}/u.json`, JSON.stringify({ x: [0.1, -0.5, 1, 0, 0.5, -1] }));
    const retrained = ["--weights", `${two}/weights.json`];
    const proved = await og("prove", one, `${FOLDER}/u.json`, ...retrained);
    expect(proved.code, proved.text).to.equal(0);
    const right = await og("verify", one, `${one}/proof.json`, ...retrained);
    expect(right.text).to.match(/^valid/);
    const wrong = await og("verify", one, `${one}/proof.json`);
    expect(wrong.code).to.equal(1);
    expect(wrong.text).to.match(/not valid: the proof is for key 0x/);
    for (const [flags, said] of [[["--weights", "secret"], "write baked, public or committed"], [["--weight-range", "b1=1"], "goes with --weights public"], [["--weights", "public", "--weight-range", "b1=0"], "write NAME=LIMIT"]] as const) {
      const refused = await og("compile", `${FOLDER}/u.onnx`, two, ...flags);
      expect([refused.code, refused.text.includes(said)]).to.deep.equal([1, true]);
    }
  });

  it("compiles a model into layers, proves and verifies the chain, and refuses another output", async () => {
    const folder = `${FOLDER}/chain`;
    const compiled = await og("compile", MODEL, folder, ...RANGE, "--layers", "2", "--output-bits", "20");
    expect(compiled.code, compiled.text).to.equal(0);
    expect(compiled.text).to.match(/layer-1: .* rows/).and.match(/2 layers, vkHash 0x[0-9a-f]{64}, level 0/);
    const proved = await og("prove", folder, `${FOLDER}/input.json`, "--ctx", "77", "--salt", "5");
    expect(proved.code, proved.text).to.equal(0);
    const verified = await og("verify", folder, `${folder}/proof.json`);
    expect(verified.code, verified.text).to.equal(0);
    expect(verified.text).to.match(/^valid/);
    const file = JSON.parse(readFileSync(`${folder}/proof.json`, "utf8")) as { publicInputs: string[] };
    file.publicInputs[2] = `0x${(BigInt(file.publicInputs[2]!) + 1n).toString(16)}`;
    writeFileSync(`${folder}/forged.json`, JSON.stringify(file));
    const forged = await og("verify", folder, `${folder}/forged.json`);
    expect(forged.code).to.equal(1);
    expect(forged.text).to.match(/layer 1 does not prove/);
    writeFileSync(`${folder}/other.json`, JSON.stringify({ ...file, vkHashes: [`0x${"00".repeat(32)}`] }));
    expect((await og("verify", folder, `${folder}/other.json`)).text).to.match(/layer 0 was proved for key 0x00/);
    const setup = await og("verify-setup", folder);
    expect([setup.code, setup.text.match(/set-up level 0/g)?.length], setup.text).to.deep.equal([0, 2]);
    expect((await og("verify-setup", folder, "--onnx", MODEL)).text).to.match(/leave --onnx out/);
    rmSync(`${folder}/layer-1/setup.json`);
    expect((await og("verify-setup", folder)).text).to.match(/layer-1 has no keys yet/);
    expect((await og("compile", MODEL, folder, "--layers", "1")).text).to.match(/at least 2/);
  });

  it("proves an input and verifies the proof", async () => {
    const proved = await og("prove", OUT, `${FOLDER}/input.json`, "--ctx", "77");
    expect(proved.code, proved.text).to.equal(0);
    const verified = await og("verify", OUT, `${OUT}/proof.json`);
    expect(verified.code, verified.text).to.equal(0);
    expect(verified.text).to.match(/^valid\nctx 0x4d, status 0\n/);
    expect(verified.text.split("\n").slice(1)).to.deep.equal(proved.text.split("\n").slice(-2));
  });

  it("does not take a changed proof for valid", async () => {
    const file = JSON.parse(readFileSync(`${OUT}/proof.json`, "utf8")) as ProofFile;
    const changes: [Partial<ProofFile>, RegExp][] = [
      [{ publicInputs: ["0x4e", ...file.publicInputs.slice(1)] }, /not valid: the proof does not prove/],
      [{ vkHash: `0x${"00".repeat(32)}` }, /not valid: the proof is for key/],
      [{ proof: "0x12" }, /refused: .* is not a proof file/],
      [{ publicInputs: [`0x${(BigInt(file.publicInputs[0]!) + R).toString(16)}`, ...file.publicInputs.slice(1)] }, /not valid: public input 0 is not below the field/],
      [{ publicInputs: ["77"] }, /refused: .* is not a proof file/],
    ];
    for (const [change, answer] of changes) {
      writeFileSync(`${FOLDER}/changed.json`, JSON.stringify({ ...file, ...change }));
      const { code, text } = await og("verify", OUT, `${FOLDER}/changed.json`);
      expect([code, answer.test(text)], text).to.deep.equal([1, true]);
    }
  });

  it("verifies the set-up from the published circuit and from the model", async () => {
    for (const more of [[], ["--onnx", MODEL, ...RANGE]]) {
      const { code, text } = await og("verify-setup", OUT, ...more);
      expect(code, text).to.equal(0);
      expect(text).to.match(/set-up level 0/);
    }
    writeFileSync(`${FOLDER}/other.onnx`, mlp([6, 4, 2], 4, true));
    const other = await og("verify-setup", OUT, "--onnx", `${FOLDER}/other.onnx`, ...RANGE);
    expect([other.code, /another circuit[^]*R1CS_DIFFERS/.test(other.text)], other.text).to.deep.equal([1, true]);
  });

  it("leaves the keys out when told so", async () => {
    expect((await og("compile", MODEL, `${FOLDER}/bare`, "--no-keys", ...RANGE)).code).to.equal(0);
    expect(existsSync(`${FOLDER}/bare/model.r1cs`)).to.equal(true);
    expect(existsSync(`${FOLDER}/bare/proving.zkey`)).to.equal(false);
  });

  it("makes no folder for a model that is not there", async () => {
    await og("prove", `${FOLDER}/nowhere`, `${FOLDER}/input.json`);
    expect(existsSync(`${FOLDER}/nowhere`)).to.equal(false);
  });

  it("says on a terminal what it does, takes that away before it prints, and is silent elsewhere", () => {
    for (const isTTY of [true, false]) {
      let shown = "";
      const progress = openProgress({ isTTY, columns: 20, write: (text: string) => ((shown += text), true) } as never);
      progress.step("a step with a very long name");
      progress.clear();
      progress.clear();
      expect(shown).to.equal(isTTY ? "\r\x1b[2K... a step with a v\r\x1b[2K" : "");
    }
  });

  it("leaves no witness behind when it is interrupted", async function () {
    const temporary = `${process.cwd()}/${FOLDER}/temporary`;
    mkdirSync(temporary, { recursive: true });
    const program = `
      import { writeFileSync } from "node:fs";
      const { withTemporary } = await import(${JSON.stringify(new URL("../../../circuits/cli/files.ts", import.meta.url).href)});
      await withTemporary(async (folder) => {
        writeFileSync(folder + "/witness.wtns", "secret");
        console.log(folder);
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      });`;
    const child = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", program], { env: { ...process.env, TMPDIR: temporary }, stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise((resolve) => child.on("close", (_code, signal) => resolve(signal)));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    expect(readdirSync(temporary)).to.have.length(1);
    child.kill("SIGINT");
    expect(await ended).to.equal("SIGINT");
    expect(readdirSync(temporary)).to.deep.equal([]);
  });

  describe("refuses in one line", () => {
    const cases: [string, () => string[], RegExp][] = [
      ["a file that is not there", () => ["explain", `${FOLDER}/none.onnx`], /cannot be read/],
      ["a file that is not a model", () => ["explain", "package.json"], /MODEL_INVALID/],
      ["a range that is none", () => ["explain", MODEL, "--input", "x=1"], /NAME=LOW:HIGH/],
      ["bits that are no number", () => ["explain", MODEL, "--input-bits", "many"], /number of bits/],
      ["a range for an input that is not there", () => ["explain", MODEL, "--input", "z=-1:1"], /no such input, only "x"/],
      ["a folder that cannot be made", () => ["compile", MODEL, MODEL], /cannot be written: there is a file of that name/],
      ["a folder where none can be", () => ["compile", MODEL, "/proc/og-zk/model"], /cannot be written/],
      ["a model that is not there", () => ["prove", `${FOLDER}/nowhere`, `${FOLDER}/input.json`], /nowhere\/graph.json cannot be opened: there is no such file/],
      ["a set-up without keys", () => ["verify-setup", `${FOLDER}/bare`], /has no keys yet/],
      ["a set-up of no circuit", () => ["verify-setup", FOLDER], /holds no model's circuit/],
      ["a circuit without keys", () => ["prove", `${FOLDER}/bare`, `${FOLDER}/input.json`], /has no keys yet/],
      ["a proof for a circuit without keys", () => ["verify", `${FOLDER}/bare`, `${OUT}/proof.json`], /has no keys yet/],
      ["a tensor that the model does not have", () => ["prove", OUT, `${FOLDER}/more.json`], /no input "z", only "x"/],
      ["an input past every number", () => ["prove", OUT, `${FOLDER}/infinite.json`], /not a finite number/],
      ["an input of another shape", () => ["prove", OUT, `${FOLDER}/short.json`], /INPUT_REFUSED/],
      ["an input that is not JSON", () => ["prove", OUT, MODEL], /not JSON/],
      ["an input with words in it", () => ["prove", OUT, `${FOLDER}/words.json`], /not a finite number/],
      ["a context past 248 bits", () => ["prove", OUT, `${FOLDER}/input.json`, "--ctx", `0x${"ff".repeat(32)}`], /below 2\^248/],
      ["a proof file that holds nothing", () => ["verify", OUT, `${FOLDER}/null.json`], /is not a proof file/],
      ["a chain without a registry", () => ["verify-setup", OUT, "--rpc", "http://127.0.0.1:1"], /go together/],
    ];
    for (const [title, args, reason] of cases) {
      it(title, async () => {
        writeFileSync(`${FOLDER}/short.json`, JSON.stringify({ x: [1] }));
        writeFileSync(`${FOLDER}/null.json`, "null");
        writeFileSync(`${FOLDER}/more.json`, JSON.stringify({ x: [1], z: [1] }));
        writeFileSync(`${FOLDER}/infinite.json`, '{"x": [1e999]}');
        writeFileSync(`${FOLDER}/words.json`, JSON.stringify({ x: ["one"] }));
        const { code, text } = await og(...args());
        expect([code, /^refused: /.test(text), reason.test(text)], text).to.deep.equal([1, true, true]);
      });
    }
  });
});
