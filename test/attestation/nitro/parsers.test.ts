/** The parsers alone, contract and twin, on inputs that a whole document would stop at its door. */
import { expect } from "chai";
import { network } from "hardhat";

import { CborReader } from "../../../sdk/attestation/nitro/cbor.ts";
import { DerReader } from "../../../sdk/attestation/nitro/der.ts";
import { NitroError, openCertificate, parseCertificate } from "../../../sdk/attestation/nitro/index.ts";
import { runs } from "../../utils/deep.ts";
import { Random } from "../../utils/random.ts";
import { forge } from "./forge.ts";

const { ethers } = await network.create();
const CHUNK = 200;
const raw = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));

type Call = "skip" | "time" | "unsigned" | "certificate";

describe("Nitro parsers", function () {
  this.timeout(1_200_000);

  /** Names of errors, by what the contract and the twin said. */
  async function compare(call: Call, inputs: readonly Uint8Array[], twin: (input: Uint8Array) => unknown[], extra: unknown[] = []) {
    const harness = await ethers.deployContract("ParserHarness");
    const counts = new Map<string, number>();
    for (let at = 0; at < inputs.length; at += CHUNK) {
      const part = inputs.slice(at, at + CHUNK);
      const data = part.map((input) => harness.interface.encodeFunctionData(call as never, [input, ...extra] as never));
      const outcomes = await harness.each(data);
      for (const [index, input] of part.entries()) {
        const outcome = outcomes[index]!;
        const { error } = outcome;
        const name = error === "0x00000000" ? "ok" : (harness.interface.getError(error)?.name ?? `undeclared ${error}`);
        const expected = attempt(() => twin(input));
        const hex = Buffer.from(input).toString("hex");
        expect(name, hex).to.equal(expected.name);
        if (expected.values) {
          const found = [...harness.interface.decodeFunctionResult(call as never, outcome.result)].map(String);
          expect(found, hex).to.deep.equal(expected.values.map(String));
        }
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
    }
    return counts;
  }

  function attempt(work: () => unknown[]): { name: string; values?: unknown[] } {
    try {
      return { name: "ok", values: work() };
    } catch (error: unknown) {
      if (error instanceof NitroError) return { name: error.code };
      throw error;
    }
  }

  /** CBOR that is mostly well formed: an item of any type, with an error here and there. */
  function item(random: Random, depth: number): Uint8Array {
    const major = random.pick([0, 1, 2, 3, 4, 5, 6, 7]);
    const info = random.pick([0, 1, 2, 3, 4, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 31]);
    const size = info >= 24 && info < 28 ? 1 << (info - 24) : 0;
    const small = new Uint8Array(size).map((_, i) => (i === size - 1 ? random.below(40) : 0));
    const argument = random.below(3) === 0 ? random.bytes(size) : small;
    const first = Uint8Array.of((major << 5) | info);
    const parts = [first, argument];
    const count = info === 31 ? random.below(4) : size > 0 ? Math.min(argument.at(-1) ?? 0, 40) : info;
    if ((major === 2 || major === 3) && info !== 31) parts.push(random.bytes(count));
    else if (major > 1 && major < 7 && depth < 10) {
      const items = major === 6 ? 1 : Math.min(major === 5 ? 2 * count : count, depth < 2 ? 6 : 1);
      for (let i = 0; i < items; i++) parts.push(item(random, depth + 1));
    }
    if (info === 31 && random.below(8) !== 0) parts.push(Uint8Array.of(0xff));
    return new Uint8Array(Buffer.concat(parts));
  }

  for (const strict of [true, false]) {
    it(`walk over the same CBOR, ${strict ? "strictly" : "as it comes"}`, async () => {
      const random = new Random(strict ? 0xc0b0 : 0xc0b1);
      const inputs = Array.from({ length: runs(1_000, 20_000) }, () => {
        const bytes = item(random, 0);
        return random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
      });
      const counts = await compare(
        "skip",
        inputs,
        (input) => {
          const reader = new CborReader(input, strict);
          reader.skip();
          return [reader.position];
        },
        [strict],
      );
      expect(counts.get("ok")).to.be.greaterThan(inputs.length / 10);
      expect(counts.size).to.be.greaterThan(5);
    });
  }

  it("read the same times, every day that exists and many that do not", async () => {
    const random = new Random(0x71e5);
    const two = (value: number): string => String(value).padStart(2, "0");
    const inputs = Array.from({ length: runs(2_000, 40_000) }, () => {
      const general = random.below(2) === 0;
      const year = general ? two(random.pick([19, 20, 21, 23, 24, 99])) + two(random.below(100)) : two(random.below(100));
      const day = two(random.below(13)) + two(random.pick([0, 1, 15, 28, 29, 30, 31, 32]));
      const clock = two(random.pick([0, 11, 23, 24])) + two(random.pick([0, 59, 60])) + two(random.pick([0, 59, 60]));
      let text = `${year}${day}${clock}Z`;
      const cut = random.below(text.length);
      if (random.below(10) === 0) text = text.slice(0, cut) + random.pick(["/", ":", "z", "-1", ""]) + text.slice(cut + 1);
      return new Uint8Array(Buffer.concat([Uint8Array.of(general ? 0x18 : 0x17, text.length), Buffer.from(text)]));
    });
    const counts = await compare("time", inputs, (input) => {
      const reader = new DerReader(input);
      return [reader.time(), reader.position];
    });
    expect(counts.get("ok")).to.be.greaterThan(inputs.length / 20);
  });

  it("read the same integers", async () => {
    const random = new Random(0x1e7);
    const inputs = Array.from({ length: runs(1_000, 10_000) }, () => {
      const content = random.bytes(random.below(6)).map((byte) => random.pick([byte, 0, 0x7f, 0x80, 0xff]));
      const length = random.below(10) === 0 ? random.below(256) : content.length;
      return new Uint8Array(Buffer.concat([Uint8Array.of(random.below(20) === 0 ? random.below(256) : 2, length), content]));
    });
    await compare("unsigned", inputs, (input) => [`0x${Buffer.from(new DerReader(input).unsigned()).toString("hex")}`]);
  });

  it("read the same certificates when any byte is another", async () => {
    const random = new Random(0x509);
    const tbs = forge().chain.map((der) => openCertificate(der).tbs);
    const inputs = Array.from({ length: runs(2_000, 20_000) }, () => {
      const bytes = Uint8Array.from(random.pick(tbs));
      // The outermost length is the envelope's matter.
      for (let left = random.pick([1, 1, 1, 2]); left > 0; left--) {
        bytes[4 + random.below(bytes.length - 4)] = random.pick([random.below(256), 0, 1, 0x80, 0x81, 0xff]);
      }
      return bytes;
    });
    const counts = await compare("certificate", inputs, (input) => {
      const { notBefore, notAfter, authority, pathLength, keyUsage } = parseCertificate(input);
      return [notBefore, notAfter, authority, pathLength, keyUsage];
    });
    expect(counts.get("ok")).to.be.greaterThan(inputs.length / 10);
    expect(counts.size).to.be.greaterThan(10);
  });

  it("count days from the first to the last", async () => {
    const time = (text: string): Uint8Array => raw(`18${(text.length).toString(16).padStart(2, "0")}${Buffer.from(text).toString("hex")}`);
    const inputs = ["19700101000000Z", "19991231235959Z", "20000229000000Z", "21000228235959Z", "99991231235959Z"].map(time);
    await compare("time", inputs, (input) => [new DerReader(input).time(), input.length]);
  });
});
