import { copyFileSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";

import { expect } from "chai";
import * as snarkjs from "snarkjs";
import { artifacts } from "hardhat";

import { closeCeremony, contribute, startCeremony } from "../../../circuits/setup/ceremony.ts";
import { readPhaseTwo } from "../../../circuits/setup/contributions.ts";
import type { Deployed } from "../../../circuits/setup/deployed.ts";
import { DEVELOPMENT_TRAPDOOR, keyPoints, makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { makeDevelopmentPtau } from "../../../circuits/setup/development-ptau.ts";
import { openFixedBase } from "../../../circuits/setup/fixed-base.ts";
import { setUpForDevelopment, sha256File, writePapers } from "../../../circuits/setup/manifest.ts";
import type { SetupFiles } from "../../../circuits/setup/manifest.ts";
import { readR1cs } from "../../../circuits/setup/r1cs.ts";
import { SetupBroken } from "../../../circuits/setup/setup-broken.ts";
import { verifySetup } from "../../../circuits/setup/verify-setup.ts";
import type { SetupClaim } from "../../../circuits/setup/verify-setup.ts";
import { checkKey } from "../../../circuits/setup/verifying-key.ts";
import { readVerifyingKey, writeZkey } from "../../../circuits/setup/zkey.ts";
import type { G1 } from "../../../circuits/setup/zkey.ts";
import { readSection, readSections, SetupFileError, writeSections } from "../../../circuits/setup/sections.ts";
import { compareContributions, levelOf } from "../../../circuits/setup/transcript.ts";
import type { Transcript } from "../../../circuits/setup/transcript.ts";
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
    for (const name of ["Ada", "Blaise", "Carl"]) published.push((await contribute(FOLDER, name, `${name}'s entropy`)).hash);
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

  /** A proving key in the broken folder's place, with every paper rewritten to match it: only what the key itself is can tell. */
  async function forged(make: (zkey: string) => unknown, more: Partial<SetupClaim> = {}): Promise<SetupClaim> {
    const zkey = `${BROKEN}/proving.zkey`;
    const other = changed(() => undefined, more);
    await make(zkey);
    const { manifest } = await writePapers(BROKEN, zkey, { ...closed.manifest, r1csSha256: await sha256File(await other.rederive()) });
    const { contributions, circuitHash } = readPhaseTwo(zkey);
    const { vkHash, zkeySha256, r1csSha256 } = manifest;
    edit("transcript.json", { contributions, circuitHash, vkHash, zkeySha256, r1csSha256 })(BROKEN);
    return other;
  }

  /** The key with its sections' bytes changed. */
  const resectioned = (change: (bytes: Map<number, Buffer>) => void) => (zkey: string) => {
    const sections = readSections(zkey, "zkey");
    const bytes = new Map([...sections.keys()].map((type) => [type, readSection(zkey, sections, type)]));
    change(bytes);
    writeSections(zkey, "zkey", 1, [...bytes].map(([type, content]) => [type, [content]]));
  };

  const swapped = (a: number, b: number) => resectioned((bytes) => {
    const [first, second] = [bytes.get(a)!, bytes.get(b)!];
    bytes.set(a, second).set(b, first);
  });

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

  it("counts a name once: one person is not three", () => {
    const one = (name: string) => ({ kind: "contribution", name, hash: name }) as const;
    const beacon = { kind: "beacon", name: "beacon", hash: "b" } as const;
    expect(levelOf([one("Ada"), one("Blaise"), one("Carl"), beacon])).to.equal(2);
    expect(levelOf([one("Ada"), one("Ada"), one("Carl"), beacon])).to.equal(1);
    expect(levelOf([one("Ada"), one("Blaise"), one("Carl")])).to.equal(1);
  });

  it("compares a transcript with a key that has contributions of the same name", () => {
    const list = ["1", "2", "3"].map((hash) => ({ kind: "contribution", name: "Ada", hash }) as const);
    expect(() => compareContributions({ circuitHash: "", contributions: [...list] }, { contributions: [...list] } as unknown as Transcript)).not.to.throw();
  });

  it("needs only the newest key of those before, and does not go on after its end", async () => {
    rmSync(BROKEN, { recursive: true, force: true });
    cpSync(FOLDER, BROKEN, { recursive: true });
    const refused = (work: Promise<unknown>, text: RegExp) => work.then(() => expect.fail("went on"), (error: unknown) => expect(String(error)).to.match(text));
    await refused(contribute(BROKEN, "Late", "x"), /closed/);
    await refused(closeCeremony(BROKEN, { circuit: "tiny8", sources: SOURCES, ptau, beacon: BEACON, iterationsExponent: 10 }), /closed/);
    for (const file of readdirSync(BROKEN)) if (file !== "0003.zkey" && file !== "circuit.r1cs") rmSync(`${BROKEN}/${file}`);
    await refused(contribute(BROKEN, " ", "x"), /has a name/);
    expect((await contribute(BROKEN, "Dora", "x")).file).to.equal(`${BROKEN}/0004.zkey`);
    for (const [beacon, exponent] of [["0f0", 10], ["zz", 10], ["", 10], [BEACON, 9], [BEACON, 64], [BEACON, NaN]] as const) {
      await refused(closeCeremony(BROKEN, { circuit: "tiny8", sources: SOURCES, ptau, beacon, iterationsExponent: exponent }), /beacon/);
    }
    await refused(closeCeremony(BROKEN, { circuit: "tiny8", sources: ["none.circom"], ptau, beacon: BEACON, iterationsExponent: 10 }), /none\.circom cannot be read/);
    expect(existsSync(`${BROKEN}/proving.zkey`)).to.equal(false);
    await refused(contribute(`${CACHE}/ceremony-none`, "Ada", "x"), /no ceremony/);
  });

  it("leaves nothing behind that looks like a key when a step fails", async () => {
    rmSync(BROKEN, { recursive: true, force: true });
    cpSync(FOLDER, BROKEN, { recursive: true });
    rmSync(`${BROKEN}/transcript.json`);
    truncateSync(`${BROKEN}/0003.zkey`, 5_000);
    await contribute(BROKEN, "Dora", "x").then(() => expect.fail("contributed to half a key"), () => undefined);
    expect(readdirSync(BROKEN).filter((file) => /0004|unfinished/.test(file))).to.deep.equal([]);
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
      const other = `${CACHE}/other.ptau`;
      await makeDevelopmentPtau(other, 6);
      expect(await codeOf(verifySetup({ ...claim, ptau: other }))).to.equal("PTAU_DIFFERS");
      expect(await codeOf(verifySetup({ ...claim, ptau: undefined }))).to.equal("PTAU_MISSING");
    });

    it("the proving key was exchanged", async () => {
      expect(await codeOf(verifySetup(changed((folder) => copyFileSync(`${FOLDER}/0003.zkey`, `${folder}/proving.zkey`))))).to.equal("ZKEY_CHANGED");
    });

    it("the proving key was made by other secrets, with papers to match", async () => {
      const other = await forged((zkey) => makeDevelopmentKey(r1cs, zkey, { tau: 3n, alpha: 4n, beta: 5n, gamma: 1n, delta: 6n }));
      expect(await codeOf(verifySetup(other))).to.equal("ZKEY_NOT_DERIVED");
    });

    it("the proving key is of another circuit, with papers to match", async () => {
      const other = await forged(() => undefined, { rederive: () => Promise.resolve(compile("tiny9")) });
      expect(await codeOf(verifySetup(other))).to.equal("ZKEY_LAYOUT");
    });

    it("two sections of the proving key are swapped, with papers to match", async () => {
      const reason = await verifySetup(await forged(swapped(5, 6))).catch((error: unknown) => error);
      expect(reason).to.include({ code: "ZKEY_NOT_DERIVED" });
      expect(String(reason)).to.match(/A section is not identical/);
      expect(await codeOf(verifySetup(await forged(swapped(5, 7))))).to.equal("ZKEY_LAYOUT");
    });

    it("points of the proving key are other ones, with papers to match", async () => {
      for (const [section, complaint] of [[8, /L section/], [9, /H section/]] as const) {
        const other = await forged(resectioned((bytes) => {
          const points = bytes.get(section)!;
          bytes.set(section, Buffer.concat([points.subarray(64, 128), points.subarray(0, 64), points.subarray(128)]));
        }));
        const reason = await verifySetup(other).catch((error: unknown) => error);
        expect(reason, String(section)).to.include({ code: "ZKEY_NOT_DERIVED" });
        expect(String(reason)).to.match(complaint);
      }
    });

    it("a file is cut off", async () => {
      const cut = (path: string) => truncateSync(path, readFileSync(path).length - 100);
      expect(await codeOf(verifySetup(changed((folder) => cut(`${folder}/proving.zkey`))))).to.equal("ZKEY_CHANGED");
      const zkey = `${BROKEN}/proving.zkey`;
      const other = changed(() => cut(zkey));
      edit("setup.json", { zkeySha256: await sha256File(zkey) })(BROKEN);
      expect(await codeOf(verifySetup(other))).to.equal("ZKEY_FILE");
      expect(await codeOf(verifySetup(changed((folder) => rmSync(`${folder}/proving.zkey`))))).to.equal("ZKEY_FILE");
      copyFileSync(ptau, `${CACHE}/cut.ptau`);
      cut(`${CACHE}/cut.ptau`);
      expect(await codeOf(verifySetup({ ...claim, ptau: `${CACHE}/cut.ptau` }))).to.equal("PTAU_FILE");
      expect(await codeOf(verifySetup({ ...claim, ptau: `${CACHE}/none.ptau` }))).to.equal("PTAU_FILE");
    });

    it("the powers of tau are too few, or not prepared, whatever the transcript says of them", async () => {
      const small = `${CACHE}/small.ptau`;
      await makeDevelopmentPtau(small, 4);
      expect(await codeOf(verifySetup({ ...claim, ptau: small }))).to.equal("PTAU_TOO_SMALL");
      expect(await codeOf(verifySetup({ ...claim, ptau: `${CACHE}/ptau-beacon.ptau` }))).to.equal("PTAU_NOT_PREPARED");
      for (const [file, code] of [[small, "PTAU_TOO_SMALL"], [`${CACHE}/ptau-beacon.ptau`, "PTAU_NOT_PREPARED"], [r1cs, "PTAU_FILE"]] as const) {
        expect(await codeOf(startCeremony(`${CACHE}/ceremony-none`, r1cs, file)), file).to.equal(code);
      }
    });

    it("a contribution is missing from the transcript or from the key, is listed twice, or in another order", async () => {
      const all = readPhaseTwo(`${FOLDER}/proving.zkey`).contributions;
      const [ada, blaise, carl, beacon] = all;
      for (const [list, code] of [
        [[ada, carl, beacon], "CONTRIBUTION_MISSING"],
        [all.slice(0, 3), "CONTRIBUTION_MISSING"],
        [[...all, { ...carl!, hash: "ab".repeat(64) }], "CONTRIBUTION_MISSING"],
        [[ada, blaise, carl, carl, beacon], "CONTRIBUTION_REPEATED"],
        [[blaise, ada, carl, beacon], "CONTRIBUTION_ORDER"],
        [[ada, blaise, beacon, carl], "CONTRIBUTION_ORDER"],
        [[ada, blaise, carl, beacon, beacon], "BEACON_REPEATED"],
      ] as const) {
        expect(await codeOf(verifySetup(changed(edit("transcript.json", { contributions: list }))))).to.equal(code);
      }
      const reason = await verifySetup(changed(edit("transcript.json", { contributions: [ada, carl, beacon] }))).catch(String);
      expect(reason).to.match(/contribution "Blaise" .*number 2 of the key, is missing from the transcript/);
    });

    it("a contribution was taken out of the key's own record, with papers to match", async () => {
      const size = readSection(`${FOLDER}/0001.zkey`, readSections(`${FOLDER}/0001.zkey`, "zkey"), 10).length - 68;
      const other = await forged(resectioned((bytes) => {
        const record = bytes.get(10)!;
        const count = Buffer.alloc(4);
        count.writeUInt32LE(3);
        bytes.set(10, Buffer.concat([record.subarray(0, 64), count, record.subarray(68 + size)]));
      }));
      expect(readPhaseTwo(`${BROKEN}/proving.zkey`).contributions.map(({ name }) => name)).to.deep.equal(["Blaise", "Carl", "beacon"]);
      expect(await codeOf(verifySetup(other))).to.equal("ZKEY_NOT_DERIVED");
    });

    it("the beacon was applied twice", async () => {
      const other = await forged((zkey) => snarkjs.zKey.beacon(`${FOLDER}/proving.zkey`, zkey, "beacon", BEACON, 10));
      expect(await codeOf(verifySetup(other))).to.equal("BEACON_REPEATED");
    });

    it("somebody contributed after the beacon, and level 2 is claimed", async () => {
      const other = await forged((zkey) => snarkjs.zKey.contribute(`${FOLDER}/proving.zkey`, zkey, "Late", "x"));
      expect(await codeOf(verifySetup(other))).to.equal("LEVEL_OVERCLAIMED");
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

    it("the proving key has another number of IC points than the circuit, with papers to match", async () => {
      const fewer = resectioned((bytes) => {
        bytes.get(2)!.writeUInt32LE(2, 76);
        bytes.set(3, bytes.get(3)!.subarray(0, 3 * 64));
      });
      expect(await codeOf(verifySetup(await forged(fewer)))).to.equal("IC_LENGTH");
      const other = changed(() => resectioned((bytes) => bytes.set(3, bytes.get(3)!.subarray(64)))(`${BROKEN}/proving.zkey`));
      edit("setup.json", { zkeySha256: await sha256File(`${BROKEN}/proving.zkey`) })(BROKEN);
      expect(await codeOf(verifySetup(other))).to.equal("ZKEY_FILE");
    });

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
      await writeZkey(ours, circuit, await keyPoints(circuit, { ...DEVELOPMENT_TRAPDOOR, delta: 1n }, base));
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
