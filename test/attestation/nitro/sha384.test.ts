import { createHash } from "node:crypto";

import { expect } from "chai";
import { network } from "hardhat";

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
