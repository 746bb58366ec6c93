import { sha256 } from "@noble/hashes/sha2.js";
import { expect } from "chai";
import { hexlify } from "ethers";
import { network } from "hardhat";

import { loadWycheproof } from "./wycheproof.ts";

const { ethers } = await network.create();
const WORD = 2n ** 256n;
const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

describe("P256", () => {
  const caller = async () => ethers.deployContract("P256Caller");

  it("finds the precompile under Osaka rules", async () => {
    expect(await (await caller()).native()).to.equal(true);
  });

  it("does not take an empty 0x100 for a precompile (pitfall 12), and computes in Solidity there", async () => {
    const prague = await network.create({ override: { hardfork: "prague" } });
    const contract = await prague.ethers.deployContract("P256Caller");
    expect(await contract.native()).to.equal(false);
    const [valid] = loadWycheproof("ecdsa_secp256r1_sha256_p1363_test", 32)?.filter((one) => one.valid) ?? [];
    if (!valid) return;
    expect(await contract.verify(sha256(valid.message), valid.r!, valid.s!, valid.x, valid.y)).to.equal(true);
    expect(await contract.verify(sha256(valid.message), valid.r!, valid.s! ^ 1n, valid.x, valid.y)).to.equal(false);
  });

  for (const file of ["ecdsa_secp256r1_sha256_p1363_test", "ecdsa_secp256r1_sha256_test"]) {
    it(`agrees with Wycheproof, ${file}: precompile and Solidity, high s included (pitfall 10)`, async function () {
      const cases = loadWycheproof(file, 32);
      if (!cases) {
        console.log("      skipped: ../shared/vectors/wycheproof is absent");
        return this.skip();
      }
      const contract = await caller();
      let high = 0;
      for (const { id, valid, x, y, message, r, s } of cases) {
        const fits = r !== undefined && s !== undefined && r < WORD && s < WORD;
        const hash = sha256(message);
        const native = fits && (await contract.verify(hash, r, s, x, y));
        expect(native, `${id}: precompile`).to.equal(valid);
        if (!fits) continue;
        if (valid && s > N / 2n) high++;
        expect(await contract.verifySolidity(hash, r, s, x, y), `${id}: Solidity`).to.equal(valid);
      }
      expect(high).to.be.greaterThan(10);
    });
  }

  it("refuses coordinates that are not below p, keys off the curve, r or s out of range, in both", async function () {
    const valid = loadWycheproof("ecdsa_secp256r1_sha256_p1363_test", 32)?.find((one) => one.valid);
    if (!valid) return this.skip();
    const contract = await caller();
    const { x, y, message } = valid;
    const [r, s] = [valid.r!, valid.s!];
    const hash = hexlify(sha256(message));
    const bad: [bigint, bigint, bigint, bigint][] = [
      [0n, s, x, y],
      [r, 0n, x, y],
      [N, s, x, y],
      [r, N, x, y],
      [r, s + N < WORD ? s + N : N + 1n, x, y],
      [r + N < WORD ? r + N : N + 1n, s, x, y],
      [r, s, x, y ^ 1n],
      [r, s, 0n, 0n],
      [r, s, x + P < WORD ? x + P : P, y],
      [r, s, x, y + P < WORD ? y + P : P],
    ];
    for (const [index, tuple] of bad.entries()) {
      expect(await contract.verify(hash, ...tuple), `precompile, case ${index}`).to.equal(false);
      expect(await contract.verifySolidity(hash, ...tuple), `Solidity, case ${index}`).to.equal(false);
    }
  });
});
