import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";

import { expect } from "chai";

import { closeCeremony, contribute, startCeremony } from "../../../circuits/setup/ceremony.ts";
import { makeDevelopmentPtau } from "../../../circuits/setup/development-ptau.ts";
import { openFixedBase } from "../../../circuits/setup/fixed-base.ts";
import { lagrangeAt, lagrangeBlocks } from "../../../circuits/setup/field.ts";
import { readR1cs, termsOf } from "../../../circuits/setup/r1cs.ts";
import { openSection, readSection, readSections, streamSections, SetupFileError } from "../../../circuits/setup/sections.ts";
import { verifySetup } from "../../../circuits/setup/verify-setup.ts";
import { deep } from "../../utils/deep.ts";
import { writeLadder } from "./large.ts";
import { CACHE, closeSnarkjs, compile } from "./tools.ts";

const FOLDER = `${CACHE}/streaming`;

describe("Set-up files are read and written in parts", function () {
  this.timeout(3_600_000);
  const at = (name: string) => `${FOLDER}/${name}`;

  before(() => {
    rmSync(FOLDER, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
  });

  it("a section's content does not depend on the parts that it was written and read in", async () => {
    const content = Buffer.from(Array.from({ length: 1_000 }, (_, i) => i % 251));
    async function* parts() {
      for (let i = 0; i < content.length; i += 7) yield await Promise.resolve(content.subarray(i, i + 7));
    }
    await streamSections(at("parts"), "test", 1, [[3, [Buffer.from("abc")]], [4, parts()], [5, []]]);
    const sections = readSections(at("parts"), "test");
    expect([...sections.values()].map(({ type, length }) => [type, length])).to.deep.equal([[3, 3], [4, 1_000], [5, 0]]);
    expect(readSection(at("parts"), sections, 4).equals(content)).to.equal(true);
    for (const chunk of [1, 9, 10, 64, 1_000, 1 << 20]) {
      const reader = openSection(at("parts"), sections, 4, chunk);
      const read = Array.from({ length: 100 }, () => {
        const { buffer, byteOffset, byteLength } = reader.take(10);
        return Buffer.from(new Uint8Array(buffer, byteOffset, byteLength));
      });
      expect(Buffer.concat(read).equals(content), `chunks of ${chunk}`).to.equal(true);
      expect(reader.left).to.equal(0);
      expect(() => reader.take(1)).to.throw(SetupFileError, /middle of an entry/);
      reader.close();
    }
  });

  it("holds no more of a section than its chunk", () => {
    const sections = readSections(at("parts"), "test");
    const reader = openSection(at("parts"), sections, 4, 64);
    for (let i = 0; i < 50; i++) expect(reader.take(20).buffer.byteLength).to.be.at.most(64);
    reader.close();
  });

  it("a circuit's terms are the same in chunks that cut through them", () => {
    const r1cs = readR1cs(compile("tiny9"));
    const whole = [...termsOf(r1cs)];
    for (const chunk of [1, 37, 100]) expect([...termsOf(r1cs, chunk)]).to.deep.equal(whole);
    expect(whole.length).to.be.greaterThan(20);
  });

  it("a circuit that ends in the middle of a row, or has bytes after the last one, is refused", () => {
    const bytes = readFileSync(compile("tiny9"));
    const section = readSections(compile("tiny9"), "r1cs").get(2)!;
    for (const [change, text] of [[-36, /middle of an entry/], [4, /4 bytes after the last row/]] as const) {
      const body = change < 0 ? bytes.subarray(section.offset, section.offset + section.length + change) : Buffer.concat([bytes.subarray(section.offset, section.offset + section.length), Buffer.alloc(change)]);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(body.length));
      writeFileSync(at("odd.r1cs"), Buffer.concat([bytes.subarray(0, section.offset - 8), length, body, bytes.subarray(section.offset + section.length)]));
      expect(() => [...termsOf(readR1cs(at("odd.r1cs")))]).to.throw(SetupFileError, text);
    }
    writeFileSync(at("odd.r1cs"), bytes);
    truncateSync(at("odd.r1cs"), section.offset + 100);
    expect(() => readR1cs(at("odd.r1cs"))).to.throw(SetupFileError, /cut off/);
  });

  it("a Lagrange basis is the same in blocks", () => {
    for (const block of [1, 5, 64, 1_000]) expect([...lagrangeBlocks(987_654_321n, 6, block)].flat()).to.deep.equal(lagrangeAt(987_654_321n, 6));
  });

  it("points come in order, whatever the block, and however many streams are under way", async () => {
    const values = Array.from({ length: 100 }, (_, i) => BigInt(i * i + 1));
    const base = openFixedBase(100, { block: 7 });
    try {
      const whole = [await base.multiply(1, values), await base.multiply(2, values)];
      const streams = [base.stream(1, values), base.stream(2, values), base.stream(1, [])];
      const read: Uint8Array[][] = [];
      for (const stream of streams) {
        const parts: Uint8Array[] = [];
        for await (const part of stream) parts.push(part);
        read.push(parts);
      }
      expect(read.map((parts) => parts.length)).to.deep.equal([15, 15, 0]);
      whole.forEach((points, i) => expect(Buffer.concat(read[i]!).equals(points)).to.equal(true));
    } finally {
      await base.close();
    }
  });

  it("a worker that dies fails what it was asked for", async () => {
    const base = openFixedBase(100, { block: 7 });
    await base.multiply(1, [1n]);
    const pending = base.multiply(1, Array.from({ length: 1_000 }, (_, i) => BigInt(i + 1)));
    await base.close();
    // Either it answered before it ended, or whoever waits is told.
    await pending.then((points) => expect(points.length).to.equal(64_000), (error: unknown) => expect(String(error)).to.match(/ended early/));
    await base.multiply(1, [1n]).then(() => expect.fail("answered"), (error: unknown) => expect(String(error)).to.match(/ended early/));
  });

  it("powers of tau do not depend on the block they were made in", async () => {
    await makeDevelopmentPtau(at("a.ptau"), 5);
    await makeDevelopmentPtau(at("b.ptau"), 5, { block: 3 });
    expect(readFileSync(at("a.ptau")).equals(readFileSync(at("b.ptau")))).to.equal(true);
  });

  it("the circuit of the large test is one", () => {
    writeLadder(at("ladder.r1cs"), 30);
    expect(readR1cs(at("ladder.r1cs"))).to.include({ rows: 30, wires: 32, publics: 1 });
    expect([...termsOf(readR1cs(at("ladder.r1cs")), 50)].length).to.equal(90);
  });

  /** A file with powers up to 2^power, in which only those stand that a circuit of 2^small rows needs; the rest is holes. */
  function sparse(from: string, small: number, to: string, power: number): void {
    const [size, sections] = [2 ** power, readSections(from, "ptau")];
    const lengths = new Map([[2, (2 * size - 1) * 64], [3, size * 128], [4, size * 64], [5, size * 64], [12, (4 * size - 1) * 64], [13, (2 * size - 1) * 128], [14, (2 * size - 1) * 64], [15, (2 * size - 1) * 64]]);
    const file = openSync(to, "w");
    const head = Buffer.from(readFileSync(from).subarray(0, 12));
    writeSync(file, head, 0, 12, 0);
    let offset = 12;
    for (const [type, { length }] of sections) {
      const content = readSection(from, sections, type);
      if (type === 1) content.writeUInt32LE(power, 36);
      const header = Buffer.alloc(12);
      header.writeUInt32LE(type, 0);
      header.writeBigUInt64LE(BigInt(lengths.get(type) ?? length), 4);
      writeSync(file, header, 0, 12, offset);
      // Of section 12 the last domain stops a degree early in the small file: it is not the large one's.
      const valid = type === 12 ? (2 ** (small + 1) - 1) * 64 : length;
      writeSync(file, content, 0, valid, offset + 12);
      offset += 12 + (lengths.get(type) ?? length);
    }
    ftruncateSync(file, offset);
    closeSync(file);
  }

  (deep ? it : it.skip)("powers of tau of more than 4 GiB serve a small circuit", async () => {
    await makeDevelopmentPtau(at("small.ptau"), 8, { trapdoor: { tau: 1_234_567n, alpha: 2_345_678n, beta: 3_456_789n } });
    const ptau = at("huge.ptau");
    sparse(at("small.ptau"), 8, ptau, 22);
    expect(statSync(ptau).size).to.be.greaterThan(2 ** 32);
    const [r1cs, folder, sources] = [compile("tiny8"), at("huge"), ["test/circuits/setup/circuits/tiny8.circom"]];
    await startCeremony(folder, r1cs, ptau);
    for (const name of ["Ada", "Blaise", "Carl"]) await contribute(folder, name, name);
    await closeCeremony(folder, { circuit: "tiny8", sources, ptau, beacon: "0f".repeat(32), iterationsExponent: 10 });
    const { level } = await verifySetup({ directory: folder, sources, ptau, rederive: () => Promise.resolve(r1cs) });
    expect(level).to.equal(2);
    rmSync(ptau);
    await closeSnarkjs();
  });

  /** The bound on memory is a few vectors of the domain's length and the threads of snarkjs; the files of 2^18 rows have 1 GB. */
  const [exponent, mb] = deep ? [18, 2_000] : [9, 1_000];
  it(`a ceremony of 2^${exponent} rows is made and verified in bounded memory`, () => {
    const out = execFileSync(process.execPath, ["--no-warnings", "test/circuits/setup/large.ts", at("large"), String(exponent)], { encoding: "utf8" });
    const report = JSON.parse(out.trim().split("\n").at(-1)!) as Record<string, number>;
    expect(report["level"]).to.equal(2);
    expect(report["verifyMb"], out).to.be.below(mb);
    rmSync(at("large"), { recursive: true });
  });
});
