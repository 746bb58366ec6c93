import { sha384 } from "@noble/hashes/sha2.js";
import { expect } from "chai";
import { network } from "hardhat";

import { generatorTable } from "../../../scripts/lib/p384Table.ts";
import { InvalidSignature, encodeSignatures, proveBatch, proveSingle, type Signature } from "../../../sdk/attestation/p384/index.ts";
import { isValid, lyingHints } from "./forge.ts";
import { loadWycheproof, type Case } from "./wycheproof.ts";

const { ethers } = await network.create();
const LIMIT = 2n ** 384n;

function signatureOf({ x, y, message, r, s }: Case): Signature | undefined {
  if (r === undefined || s === undefined || r >= LIMIT || s >= LIMIT || x >= LIMIT || y >= LIMIT) return undefined;
  return { x, y, e: BigInt(`0x${Buffer.from(sha384(message)).toString("hex")}`), r, s };
}

describe("P384 and Wycheproof", () => {

  const seen = new Map<string, boolean>();
  for (const file of ["ecdsa_secp384r1_sha384_p1363_test", "ecdsa_secp384r1_sha384_test"]) {
    it(`accepts every valid case and no invalid one: ${file}`, async function () {
      const cases = loadWycheproof(file, 48);
      if (!cases) {
        console.log("      skipped: ../shared/vectors/wycheproof is absent");
        return this.skip();
      }
      const kernel = await ethers.deployContract("P384", [generatorTable()]);
      for (const one of cases) {
        const signature = signatureOf(one);
        if (!signature) {
          expect(one.valid, `${one.id}: a strict parser refuses it`).to.equal(false);
          continue;
        }
        const encoded = encodeSignatures([signature]);
        // The two files share most of their numbers.
        if (seen.get(encoded) === one.valid) continue;
        seen.set(encoded, one.valid);
        expect(isValid(signature), `${one.id}: other implementation`).to.equal(one.valid);
        if (one.valid) {
          await kernel.verify(encoded, proveSingle(signature));
        } else {
          expect(() => proveSingle(signature), one.id).to.throw(InvalidSignature);
          await expect(kernel.verify(encoded, lyingHints(signature)), one.id).to.revert(ethers);
        }
      }
    });
  }

  it("accepts the valid cases in batches of five, whose keys and numbers are contrived", async function () {
    const cases = loadWycheproof("ecdsa_secp384r1_sha384_p1363_test", 48)?.filter((one) => one.valid);
    if (!cases) return this.skip();
    const kernel = await ethers.deployContract("P384", [generatorTable()]);
    for (let i = 0; i < cases.length; i += 5) {
      const batch = cases.slice(i, i + 5).map((one) => signatureOf(one)!);
      await kernel.verify(encodeSignatures(batch), proveBatch(batch));
    }
  });

  it("agrees with a slow verifier that shares nothing with it, on every 60th case", async function () {
    const cases = loadWycheproof("ecdsa_secp384r1_sha384_test", 48);
    if (!cases) return this.skip();
    // Under the rules before the cap on a transaction's gas: it needs some 25 M.
    const prague = await network.create({ override: { hardfork: "prague", blockGasLimit: 100_000_000n } });
    const oracle = await prague.ethers.deployContract("P384Oracle");
    for (const [i, one] of cases.entries()) {
      const signature = signatureOf(one);
      if (!signature || i % 60 !== 0) continue;
      expect(await oracle.verify(encodeSignatures([signature])), one.id).to.equal(one.valid);
    }
  });
});
