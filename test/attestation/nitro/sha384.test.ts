import { createHash } from "node:crypto";

import { expect } from "chai";
import { network } from "hardhat";

import { runs } from "../../utils/deep.ts";
import { Random } from "../../utils/random.ts";

const { ethers } = await network.create();

/** Bytes that differ at every position, so that a swapped or repeated block shows. */
const message = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 167 + (i >> 8) * 31 + length) & 0xff);

describe("Sha384", () => {
  const expected = (data: Uint8Array): string => createHash("sha384").update(data).digest("hex");
  const joined = (result: { high: string; low: string }): string => result.high.slice(2) + result.low.slice(2);

  async function deploy() {
    return ethers.deployContract("Sha384");
  }

  it("agrees with the platform's hash on every length from 0 to 300 bytes", async () => {
    const sha384 = await deploy();
    for (let length = 0; length <= 300; length++) {
      const data = message(length);
      expect(joined(await sha384.digest(data)), `length ${length}`).to.equal(expected(data));
    }
  });

  it("agrees around every edge of a block up to the size of a document", async () => {
    const sha384 = await deploy();
    for (const blocks of [3, 4, 8, 36, 37]) {
      for (const offset of [-18, -17, -16, -1, 0, 1]) {
        const data = message(blocks * 128 + offset);
        expect(joined(await sha384.digest(data))).to.equal(expected(data));
      }
    }
  });

  it("agrees on all ones and all zeros, where carries and empty words would show", async () => {
    const sha384 = await deploy();
    for (const fill of [0x00, 0xff, 0x80, 0x01]) {
      for (const length of [111, 112, 127, 128, 129, 4461]) {
        const data = new Uint8Array(length).fill(fill);
        expect(joined(await sha384.digest(data))).to.equal(expected(data));
      }
    }
  });

  it("goes on from a state that the other kernel left", async () => {
    const sha384 = await deploy();
    // The state before the first block is in the standard; no block absorbed is the whole message.
    const initial = [
      0xcbbb9d5dc1059ed8n, 0x629a292a367cd507n, 0x9159015a3070dd17n, 0x152fecd8f70e5939n,
      0x67332667ffc00b31n, 0x8eb44a8768581511n, 0xdb0c2e0d64f98fa7n, 0x47b5481dbefa4fa4n,
    ] as const;
    const data = message(1000);
    const dirty = initial.map((word) => word | (0xabcdn << 64n)) as unknown as typeof initial;
    expect(joined(await sha384.resume([...initial], data, 0))).to.equal(expected(data));
    expect(joined(await sha384.resume([...dirty], data, 0))).to.equal(expected(data));
  });

  it("costs at most 21,600 gas a block", async () => {
    const sha384 = await deploy();
    const cost = async (blocks: number): Promise<bigint> => {
      const data = new Uint8Array(blocks * 128 - 17).fill(0);
      return sha384.digest.estimateGas(data);
    };
    const [few, many] = [await cost(4), await cost(36)];
    // Zero bytes are 4 gas each in calldata.
    const each = (many - few) / 32n - 128n * 4n;
    expect(each).to.be.lessThan(21_600n);
  });
});

describe("Sha384Pair", () => {
  const digest = (data: Uint8Array): string => createHash("sha384").update(data).digest("hex");

  async function deploy() {
    return ethers.deployContract("Sha384Pair", [await ethers.deployContract("Sha384")]);
  }

  let pair: Awaited<ReturnType<typeof deploy>>;
  before(async () => {
    pair = await deploy();
  });

  async function agrees(longest: Uint8Array, others: readonly Uint8Array[]): Promise<void> {
    const expected = [longest, ...others].map(digest).join("");
    expect(await pair.digests(longest, [...others])).to.equal(`0x${expected}`);
  }

  it("agrees with the platform's hash on a document and one to seven certificates", async () => {
    const tbs = [410, 536, 671, 584, 517, 480, 600].map(message);
    for (let count = 0; count <= tbs.length; count++) await agrees(message(4421), tbs.slice(0, count));
  });

  it("agrees on every length of the other around the edges of a block", async () => {
    for (const length of [0, 1, 110, 111, 112, 113, 127, 128, 129, 239, 240, 241, 255, 256, 257, 300]) {
      await agrees(message(512), [message(length)]);
    }
  });

  it("agrees where the longest ends with the others, before them, or just behind", async () => {
    for (const length of [0, 1, 111, 112, 127, 128, 129, 143, 144, 239, 240, 255, 256, 257, 383, 384, 385]) {
      await agrees(message(length), [message(100), message(200)]);
      await agrees(message(length), [message(240)]);
    }
  });

  it("agrees on all ones beside all zeros, where a carry would pass from lane to lane", async () => {
    for (const [a, b] of [[0xff, 0], [0, 0xff], [0xff, 0xff], [0x80, 0x7f]] as const) {
      await agrees(new Uint8Array(2000).fill(a), [new Uint8Array(700).fill(b), new Uint8Array(700).fill(a)]);
    }
  });

  it("agrees on random bytes", async function () {
    this.timeout(1_200_000);
    const random = new Random(384);
    for (let run = 0; run < runs(20, 1_000); run++) {
      const others = Array.from({ length: random.below(5) }, () => random.bytes(random.below(700)));
      await agrees(random.bytes(random.below(4_000)), others);
    }
  });

  it("costs at most 29,000 gas for two blocks", async () => {
    const cost = async (blocks: number): Promise<bigint> =>
      pair.digests.estimateGas(new Uint8Array(5_000), [new Uint8Array(blocks * 128 - 17)]);
    // A block more beside the longest is a block less for the other kernel; zero bytes are 4 gas each.
    const each = ((await cost(36)) - (await cost(4))) / 32n - 128n * 4n + 21_549n;
    expect(each).to.be.lessThan(29_000n);
  });
});
