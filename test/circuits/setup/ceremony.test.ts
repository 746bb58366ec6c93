import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";

import { expect } from "chai";
import * as snarkjs from "snarkjs";
import { artifacts } from "hardhat";

import { closeCeremony, contribute, startCeremony } from "../../../circuits/setup/ceremony.ts";
import { readPhaseTwo } from "../../../circuits/setup/contributions.ts";
import type { Deployed } from "../../../circuits/setup/deployed.ts";
import { DEVELOPMENT_TRAPDOOR, keyPoints, makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { makeDevelopmentPtau } from "../../../circuits/setup/development-ptau.ts";
import { openFixedBase } from "../../../circuits/setup/fixed-base.ts";
import { setUpForDevelopment, writePapers } from "../../../circuits/setup/manifest.ts";
import type { SetupFiles } from "../../../circuits/setup/manifest.ts";
import { readR1cs } from "../../../circuits/setup/r1cs.ts";
import { SetupBroken } from "../../../circuits/setup/setup-broken.ts";
import { verifySetup } from "../../../circuits/setup/verify-setup.ts";
import type { SetupClaim } from "../../../circuits/setup/verify-setup.ts";
import { checkKey } from "../../../circuits/setup/verifying-key.ts";
import { readVerifyingKey, writeZkey } from "../../../circuits/setup/zkey.ts";
import type { G1 } from "../../../circuits/setup/zkey.ts";
import { readSection, readSections, SetupFileError } from "../../../circuits/setup/sections.ts";
import { deploy } from "../../settlement/groth16/tools.ts";
import { CACHE, closeSnarkjs, compile } from "./tools.ts";

const FOLDER = `${CACHE}/ceremony`;
const BROKEN = `${CACHE}/ceremony-broken`;
const SOURCES = ["test/circuits/setup/circuits/Tiny.circom", "test/circuits/setup/circuits/tiny8.circom"];
const BEACON = "0f".repeat(32);

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof SetupBroken) return error.code;
    throw error;
  }
  return "holds";
}

describe("Ceremony", () => {
  let r1cs: string;
  let ptau: string;
  let published: string[];
  let closed: SetupFiles & { transcriptHash: string };
  let claim: SetupClaim;

  before(async () => {
    for (const folder of [FOLDER, BROKEN]) rmSync(folder, { recursive: true, force: true });
    r1cs = compile("tiny8");
    // A real phase 1, small: one contribution, one beacon, prepared.
    const curve = await snarkjs.curves.getCurveFromName("bn128");
    const files = ["new", "contributed", "beacon", "prepared"].map((name) => `${CACHE}/ptau-${name}.ptau`) as [string, string, string, string];
    await snarkjs.powersOfTau.newAccumulator(curve, 6, files[0]);
    await snarkjs.powersOfTau.contribute(files[0], files[1], "first", "entropy");
    await snarkjs.powersOfTau.beacon(files[1], files[2], "beacon", BEACON, 10);
    await snarkjs.powersOfTau.preparePhase2(files[2], files[3]);
    ptau = files[3];

    await startCeremony(FOLDER, r1cs, ptau);
    published = [];
    for (const name of ["Ada", "Blaise", "Carl"]) published.push(await contribute(FOLDER, name, `${name}'s entropy`));
    closed = await closeCeremony(FOLDER, { circuit: "tiny8", sources: SOURCES, ptau, beacon: BEACON, iterationsExponent: 10 });
    claim = { directory: FOLDER, sources: SOURCES, rederive: () => Promise.resolve(r1cs), ptau };
  });
  after(closeSnarkjs);

  /** The claim over a copy of the folder, in which something was changed. */
  function changed(change: (folder: string) => void, more: Partial<SetupClaim> = {}): SetupClaim {
    rmSync(BROKEN, { recursive: true, force: true });
    cpSync(FOLDER, BROKEN, { recursive: true });
    change(BROKEN);
    return { ...claim, directory: BROKEN, ...more };
  }
  const edit = (file: string, fields: Record<string, unknown>) => (folder: string) => {
    const path = `${folder}/${file}`;
    writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, "utf8")) as object), ...fields }, null, 2));
  };

  it("of three contributions and a beacon verifies from source to level 2", async () => {
    const report = await verifySetup(claim);
    expect(report).to.include({ level: 2, vkHash: closed.manifest.vkHash, transcriptHash: closed.transcriptHash });
    expect(report.links.join("\n")).to.match(/contribution "Ada".*beacon/);
  });

  it("records the hashes that the contributors saw", () => {
    const { contributions } = readPhaseTwo(`${FOLDER}/proving.zkey`);
    expect(contributions.map(({ hash }) => hash).slice(0, 3)).to.deep.equal(published);
    expect(contributions[3]).to.deep.include({ kind: "beacon", beacon: { value: BEACON, iterationsExponent: 10 } });
  });

  it("is not started over another one", async () => {
    await startCeremony(FOLDER, r1cs, ptau).then(
      () => expect.fail("started"),
      (error: unknown) => expect(String(error)).to.match(/already holds/),
    );
  });

  describe("fails when a link is broken:", () => {
    it("the source was edited", async () => {
      writeFileSync(`${CACHE}/Tiny.circom`, readFileSync(SOURCES[0]!, "utf8") + "\n");
      expect(await codeOf(verifySetup({ ...claim, sources: [`${CACHE}/Tiny.circom`, SOURCES[1]!] }))).to.equal("SOURCE_CHANGED");
    });

    it("the source compiles to another r1cs", async () => {
      expect(await codeOf(verifySetup({ ...claim, rederive: () => Promise.resolve(compile("tiny9")) }))).to.equal("R1CS_DIFFERS");
    });

    it("the powers of tau are other ones, or not given", async () => {
      expect(await codeOf(verifySetup({ ...claim, ptau: `${CACHE}/ptau-beacon.ptau` }))).to.equal("PTAU_DIFFERS");
      expect(await codeOf(verifySetup({ ...claim, ptau: undefined }))).to.equal("PTAU_MISSING");
    });

    it("the proving key was exchanged", async () => {
      expect(await codeOf(verifySetup(changed((folder) => copyFileSync(`${FOLDER}/0003.zkey`, `${folder}/proving.zkey`))))).to.equal("ZKEY_CHANGED");
    });

    it("the proving key was made by other secrets, with papers to match", async () => {
      const zkey = `${BROKEN}/proving.zkey`;
      const other = changed(() => undefined);
      await makeDevelopmentKey(r1cs, zkey, { tau: 3n, alpha: 4n, beta: 5n, gamma: 1n, delta: 6n });
      await writePapers(BROKEN, zkey, closed.manifest);
      expect(await codeOf(verifySetup(other))).to.equal("ZKEY_NOT_DERIVED");
    });

    it("the transcript names other contributors, or is gone", async () => {
      const names = readPhaseTwo(`${FOLDER}/proving.zkey`).contributions.map((one, i) => (i === 0 ? { ...one, name: "Eve" } : one));
      expect(await codeOf(verifySetup(changed(edit("transcript.json", { contributions: names }))))).to.equal("TRANSCRIPT_DIFFERS");
      expect(await codeOf(verifySetup(changed((folder) => rmSync(`${folder}/transcript.json`))))).to.equal("TRANSCRIPT_MISSING");
    });

    it("verifying-key.json is another key, or papers are missing or no papers", async () => {
      const key = JSON.parse(readFileSync(`${FOLDER}/verifying-key.json`, "utf8")) as { IC: string[][] };
      expect(await codeOf(verifySetup(changed(edit("verifying-key.json", { IC: [...key.IC].reverse() }))))).to.equal("VK_DIFFERS");
      for (const file of ["verifying-key.json", "setup.json"]) {
        for (const change of [(path: string) => rmSync(path), (path: string) => writeFileSync(path, "{"), (path: string) => writeFileSync(path, "null")]) {
          const end = await codeOf(verifySetup(changed((folder) => change(`${folder}/${file}`)))).catch((error: unknown) => (error instanceof SetupFileError ? "file" : String(error)));
          expect(["file", "VK_DIFFERS"], `${file}: ${end}`).to.include(end);
        }
      }
      for (const text of ["null", "{}", '{"format":1}']) expect(await codeOf(verifySetup(changed((folder) => writeFileSync(`${folder}/transcript.json`, text))))).to.equal("TRANSCRIPT_DIFFERS");
    });

    it("the manifest names another verifying key", async () => {
      expect(await codeOf(verifySetup(changed(edit("setup.json", { vkHash: `0x${"00".repeat(32)}` }))))).to.equal("VK_DIFFERS");
    });

    for (const [title, secrets, code] of [
      ["delta is the generator", { gamma: 2n, delta: 1n }, "DELTA_IS_GENERATOR"],
      ["gamma equals delta", { gamma: 6n, delta: 6n }, "GAMMA_IS_DELTA"],
    ] as const) {
      it(title, async () => {
        const other = changed(() => undefined);
        await makeDevelopmentKey(r1cs, `${BROKEN}/proving.zkey`, { tau: 3n, alpha: 4n, beta: 5n, ...secrets });
        await writePapers(BROKEN, `${BROKEN}/proving.zkey`, closed.manifest);
        expect(await codeOf(verifySetup(other))).to.equal(code);
      });
    }

    it("nobody has contributed", async () => {
      const other = changed((folder) => copyFileSync(`${FOLDER}/0000.zkey`, `${folder}/proving.zkey`));
      await writePapers(BROKEN, `${BROKEN}/proving.zkey`, closed.manifest);
      expect(await codeOf(verifySetup(other))).to.equal("DELTA_IS_GENERATOR");
    });

    for (const [title, names] of [
      ["two contributions are not three", ["Ada", "Blaise"]],
      ["one contribution is not three", ["Ada"]],
    ] as const) {
      it(title, async () => {
        rmSync(BROKEN, { recursive: true, force: true });
        await startCeremony(BROKEN, r1cs, ptau);
        for (const name of names) await contribute(BROKEN, name, "x");
        const few = await closeCeremony(BROKEN, { circuit: "tiny8", sources: SOURCES, ptau, beacon: BEACON, iterationsExponent: 10 });
        expect(few.manifest.level).to.equal(1);
        const other = { ...claim, directory: BROKEN };
        expect((await verifySetup(other)).level).to.equal(1);
        edit("setup.json", { level: 2 })(BROKEN);
        expect(await codeOf(verifySetup(other))).to.equal("LEVEL_OVERCLAIMED");
      });
    }

    it("there is another number of IC points than the circuit has public inputs, or one of them is zero or repeated", () => {
      const key = readVerifyingKey(`${FOLDER}/proving.zkey`);
      const code = (ic: G1[], publics = 3) => codeOf(Promise.resolve().then(() => checkKey({ ...key, ic }, publics)));
      return Promise.all([
        code(key.ic).then((found) => expect(found).to.equal("holds")),
        code(key.ic, 2).then((found) => expect(found).to.equal("IC_LENGTH")),
        code(key.ic.slice(1)).then((found) => expect(found).to.equal("IC_LENGTH")),
        code([...key.ic.slice(0, 3), [0n, 0n]]).then((found) => expect(found).to.equal("IC_POINT")),
        code([...key.ic.slice(0, 3), key.ic[1]!]).then((found) => expect(found).to.equal("IC_POINT")),
      ]);
    });
  });

  describe("on chain", () => {
    let deployed: Deployed;

    before(async () => {
      const { keys, ethers } = await deploy();
      await (await keys.register(closed.keyBytes)).wait();
      const verifier = await ethers.getContractAt("Groth16Verifier", await keys.verifierOf(closed.manifest.vkHash));
      deployed = {
        getCode: (address) => ethers.provider.getCode(address),
        key: await verifier.key(),
        vkHash: await verifier.vkHash(),
        verifier: await verifier.getAddress(),
        level: Number(await keys.setupLevel(closed.manifest.vkHash)),
        transcriptHash: await keys.transcriptHash(closed.manifest.vkHash),
        artifact: await artifacts.readArtifact("Groth16Verifier"),
      };
    });

    it("code and key are compared", async () => expect((await verifySetup({ ...claim, deployed })).links.at(-1)).to.match(/on chain/));

    it("another contract is found out", async () => {
      expect(await codeOf(verifySetup({ ...claim, deployed: { ...deployed, verifier: deployed.key } }))).to.equal("CODE_DIFFERS");
    });

    it("what the authority attested is compared: another transcript, or more than can be shown", async () => {
      const attested = { ...deployed, level: 2, transcriptHash: closed.transcriptHash };
      expect((await verifySetup({ ...claim, deployed: attested })).links.at(-1)).to.match(/set-up level 2$/);
      expect(await codeOf(verifySetup({ ...claim, deployed: { ...attested, transcriptHash: `0x${"77".repeat(32)}` } }))).to.equal("TRANSCRIPT_DIFFERS");
      const directory = `${CACHE}/ceremony-attested`;
      const development = await setUpForDevelopment(r1cs, directory);
      const { keys, ethers } = await deploy();
      const verifier = await ethers.getContractAt("Groth16Verifier", await keys.verifierOf(development.manifest.vkHash));
      const onChain = { ...attested, getCode: (address: string) => ethers.provider.getCode(address), key: await verifier.key(), vkHash: development.manifest.vkHash, verifier: await verifier.getAddress() };
      expect(await codeOf(verifySetup({ ...claim, directory, ptau: undefined, deployed: onChain }))).to.equal("LEVEL_OVERCLAIMED");
    });

    it("another key is found out", async () => {
      expect(await codeOf(verifySetup({ ...claim, deployed: { ...deployed, key: deployed.verifier } }))).to.equal("KEY_ON_CHAIN_DIFFERS");
      expect(await codeOf(verifySetup({ ...claim, deployed: { ...deployed, vkHash: `0x${"00".repeat(32)}` } }))).to.equal("KEY_ON_CHAIN_DIFFERS");
    });
  });

  describe("a development key", () => {
    it("verifies at level 0 and never above", async () => {
      const directory = `${CACHE}/ceremony-development`;
      await setUpForDevelopment(r1cs, directory);
      const development = { ...claim, directory, ptau: undefined };
      expect((await verifySetup(development)).level).to.equal(0);
      edit("setup.json", { level: 2 })(directory);
      expect(await codeOf(verifySetup(development))).to.equal("LEVEL_OVERCLAIMED");
    });

    it("comes from development powers of tau that snarkjs accepts, point for point", async () => {
      const file = `${CACHE}/development.ptau`;
      await makeDevelopmentPtau(file, 7);
      const [fresh, ours, contributed] = ["snarkjs", "ours", "contributed"].map((name) => `${CACHE}/ptau-${name}.zkey`) as [string, string, string];
      await snarkjs.zKey.newZKey(r1cs, file, fresh);
      const circuit = readR1cs(r1cs);
      const base = openFixedBase(1_000);
      writeZkey(ours, circuit, await keyPoints(circuit, { ...DEVELOPMENT_TRAPDOOR, delta: 1n }, base));
      await base.close();
      for (let section = 1; section <= 9; section++) {
        const [a, b] = [fresh, ours].map((path) => readSection(path, readSections(path, "zkey"), section));
        expect(a!.equals(b!), `section ${section}`).to.equal(true);
      }
      await snarkjs.zKey.beacon(fresh, contributed, "development", BEACON, 10);
      expect(await snarkjs.zKey.verifyFromR1cs(r1cs, file, contributed)).to.equal(true);
    });

    it("also from powers of tau that are just large enough", async () => {
      const file = `${CACHE}/development-tight.ptau`;
      await makeDevelopmentPtau(file, 5);
      await snarkjs.zKey.newZKey(r1cs, file, `${CACHE}/tight-0.zkey`);
      await snarkjs.zKey.beacon(`${CACHE}/tight-0.zkey`, `${CACHE}/tight-1.zkey`, "development", BEACON, 10);
      expect(await snarkjs.zKey.verifyFromR1cs(r1cs, file, `${CACHE}/tight-1.zkey`)).to.equal(true);
    });
  });
});
