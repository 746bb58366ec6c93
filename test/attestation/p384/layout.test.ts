import { readFileSync } from "node:fs";

import { expect } from "chai";
import { network } from "hardhat";

import { measureP384 } from "../../../scripts/bench/attestation/p384.ts";

const { ethers } = await network.create();

describe("P384: memory and cost", () => {
  it("no two regions overlap at the cap of five signatures", () => {
    const source = readFileSync("contracts/attestation/crypto/P384Layout.sol", "utf8");
    const lines = [...source.matchAll(/constant (\w+) = (0x[0-9a-f]+);/g)];
    const constants: Record<string, number> = Object.fromEntries(lines.map(([, name, value]) => [name, Number(value)]));
    const at = (name: string): number => constants[name] ?? expect.fail(`${name} is not in the layout`);
    const cap = 5;
    const points = 2 + 2 * cap;
    const wordsOf = (prefix: string, names: string[]): [string, number, number][] => names.map((n) => [prefix + n, at(prefix + n), 0x20]);
    const coordinates = wordsOf("ACC_", ["U0", "U1", "UM", "V0", "V1", "VM"]);
    const addend = wordsOf("T_", ["U0", "U1", "UM", "Y0", "Y1", "YM"]);
    const regions: [string, number, number][] = [
      ["Solidity's own", 0, 0x80],
      ...coordinates,
      ...addend,
      ["scalars", at("SCALARS"), points * at("SCALAR_SIZE")],
      ["weights", at("WEIGHTS"), cap * 0x40],
      ["table", at("TABLE"), 32 * cap * at("RECORD_SIZE")],
    ];
    const sorted = regions.sort(([, a], [, b]) => a - b);
    for (const [i, [name, start, size]] of sorted.entries()) {
      const next = sorted[i + 1];
      if (next) expect(start + size, `${name} runs into ${next[0]}`).to.be.at.most(next[1]);
    }
    // Six words in a row are copied as one, and a record holds them, its digit and its scalar.
    expect(at("T_YM") - at("T_U0")).to.equal(0xa0);
    expect(at("ACC_VM") - at("ACC_U0")).to.equal(0xa0);
    expect([at("RECORD_DIGIT"), at("RECORD_SCALAR"), at("RECORD_SIZE")]).to.deep.equal([0xc0, 0xe0, 0x100]);
    // Three words of 128 positions.
    expect(at("SCALAR_SIZE")).to.equal(0x60);
  });

  it("costs at most 0.81 M gas for one signature and 0.435 M each for five, calldata included", async () => {
    const costs = await measureP384(ethers, 1);
    const each = (count: number) => {
      const { execution, calldata } = costs[count - 1]!;
      return (execution + calldata) / count;
    };
    expect(each(1)).to.be.below(810_000);
    expect(each(5)).to.be.below(435_000);
  });
});
