import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

import { expect } from "chai";

import { zkCommand } from "../../../circuits/cli/zk.ts";
import { makeDevelopmentPtau } from "../../../circuits/setup/development-ptau.ts";
import { mlp } from "../../../circuits/models/zoo.ts";

const FOLDER = ".cache/zk/test/ceremony-cli";
const BROKEN = `${FOLDER}/broken`;
const PTAU = `${FOLDER}/powers.ptau`;
const BEACON = "0f".repeat(32);

/** The commands of docs/ceremony.md, as a team types them. */
describe("A ceremony from the command line", () => {
  const node = process.execPath;
  const run = (args: string[], input = ""): string => execFileSync(node, ["--no-warnings", ...args], { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] });
  const ceremony = (...args: string[]) => run(["scripts/ceremony/main.ts", ...args], "entropy");
  /** In this process, as `og zk verify-setup` would in its own. */
  async function verify(directory: string, ...more: string[]): Promise<{ status: number; text: string }> {
    const lines: string[] = [];
    const before = process.exitCode;
    process.exitCode = 0;
    try {
      await zkCommand((line) => lines.push(line)).parseAsync(["verify-setup", directory, "--ptau", PTAU, ...more], { from: "user" });
      return { status: Number(process.exitCode), text: lines.join("\n") };
    } finally {
      process.exitCode = before;
    }
  }

  before(async () => {
    rmSync(FOLDER, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(`${FOLDER}/model.onnx`, mlp([4, 2, 1], 3, true));
    run(["sdk/cli/main.ts", "zk", "compile", `${FOLDER}/model.onnx`, `${FOLDER}/model`, "--no-keys", "--input", "x=-2:2"]);
    // A phase 1 with secrets of its own, so that the key is no development key.
    await makeDevelopmentPtau(PTAU, 10, { trapdoor: { tau: 1_234_567n, alpha: 2_345_678n, beta: 3_456_789n } });
  });

  it("is started, contributed to by three, closed and verified", async () => {
    const folder = `${FOLDER}/model`;
    expect(ceremony("start", folder, `${folder}/model.r1cs`, PTAU)).to.match(/0000\.zkey made/);
    for (const name of ["Ada", "Blaise", "Carl"]) expect(ceremony("contribute", folder, name)).to.match(/Contribution hash, to publish: [0-9a-f]{128}/);
    expect(run(["node_modules/snarkjs/build/cli.cjs", "zkey", "verify", `${folder}/model.r1cs`, PTAU, `${folder}/0003.zkey`])).to.match(/ZKey Ok/);
    expect(ceremony("close", folder, PTAU, BEACON, "10", "model", `${folder}/model.circom`)).to.match(/transcriptHash 0x[0-9a-f]{64}\nlevel 2/);
    expect(ceremony("verify", folder, PTAU, `${folder}/model.circom`)).to.match(/ok {2}set-up level 2/);
    for (const more of [[], ["--onnx", `${FOLDER}/model.onnx`, "--input", "x=-2:2"]]) {
      const { status, text } = await verify(folder, ...more);
      expect(status, text).to.equal(0);
      expect(text).to.match(/ok {2}transcript: contribution "Ada", contribution "Blaise", contribution "Carl", beacon/);
    }
  });

  const edit = (file: string, change: (text: string) => string) => () => writeFileSync(`${BROKEN}/${file}`, change(readFileSync(`${BROKEN}/${file}`, "utf8")));
  const breaks: [string, () => void, string][] = [
    ["the circuit's source", edit("model.circom", (text) => text.replace(/===/, "=== 1 +")), "R1CS_DIFFERS"],
    ["a comment of it", edit("model.circom", (text) => `${text}\n`), "SOURCE_CHANGED"],
    ["the proving key", () => cpSync(`${BROKEN}/0003.zkey`, `${BROKEN}/proving.zkey`), "ZKEY_CHANGED"],
    ["the verifying key", edit("verifying-key.json", (text) => text.replace(/"nPublic": 3/, '"nPublic": 2')), "VK_DIFFERS"],
    ["the manifest's key", edit("setup.json", (text) => text.replace(/"vkHash": "0x../, '"vkHash": "0x00')), "VK_DIFFERS"],
    ["a contributor's name", edit("transcript.json", (text) => text.replace("Ada", "Eve")), "TRANSCRIPT_DIFFERS"],
    ["the transcript's powers of tau", edit("transcript.json", (text) => text.replace(/("sha256": ")../, "$1zz")), "PTAU_DIFFERS"],
    ["the transcript, which is gone", () => rmSync(`${BROKEN}/transcript.json`), "TRANSCRIPT_MISSING"],
    ["the manifest, which is gone", () => rmSync(`${BROKEN}/setup.json`), "has no keys yet"],
  ];
  for (const [title, change, code] of breaks) {
    it(`og zk verify-setup fails by name when something else is ${title}`, async function () {
      if (!existsSync(`${FOLDER}/model/proving.zkey`)) return this.skip();
      rmSync(BROKEN, { recursive: true, force: true });
      cpSync(`${FOLDER}/model`, BROKEN, { recursive: true });
      change();
      const { status, text } = await verify(BROKEN);
      expect(status, text).to.equal(1);
      expect(text).to.match(new RegExp(`^refused: .*${code}`, "m"));
    });
  }
});
