import { expect } from "chai";
import { network } from "hardhat";

import { sampleSignature } from "../../../scripts/bench/attestation/p384.ts";
import { generatorTable, generatorTableHash } from "../../../scripts/lib/p384Table.ts";
import { encodeSignatures, InvalidSignature, proveBatch, type Signature } from "../../../sdk/attestation/p384/index.ts";

const { ethers } = await network.create();

describe("P384", () => {
  const kernel = async () => ethers.deployContract("P384", [generatorTable()]);
  const samples = (count: number): Signature[] => Array.from({ length: count }, (_, i) => sampleSignature(i));

  it("pins the table that the script makes, and refuses another", async () => {
    const contract = await kernel();
    expect(await contract.TABLE_HASH()).to.equal(generatorTableHash());
    expect(await ethers.provider.getCode(await contract.tableG())).to.equal(generatorTable());
    const forged = `${generatorTable().slice(0, -2)}00`;
    await expect(ethers.deployContract("P384", [forged])).to.be.revertedWithCustomError(contract, "P384TableUnknown");
  });

  for (let count = 1; count <= 5; count++) {
    it(`accepts ${count} valid signature(s) and answers with its selector`, async () => {
      const contract = await kernel();
      const signatures = samples(count);
      const magic = await contract.verify(encodeSignatures(signatures), proveBatch(signatures));
      expect(magic).to.equal(contract.interface.getFunction("verify").selector);
    });
  }

  for (const count of [1, 2, 5]) {
    it(`refuses ${count} when any public byte or hint byte is another`, async () => {
      const contract = await kernel();
      const signatures = samples(count);
      const encoded = encodeSignatures(signatures);
      const hints = proveBatch(signatures);
      const flip = (data: string, byte: number) => {
        const at = 2 + 2 * byte;
        const value = Number.parseInt(data.slice(at, at + 2), 16) ^ 1;
        return data.slice(0, at) + value.toString(16).padStart(2, "0") + data.slice(at + 2);
      };
      for (let byte = 47; byte < 240 * count; byte += 48) {
        await expect(contract.verify(flip(encoded, byte), hints), `public byte ${byte}`).to.revert(ethers);
      }
      const bytes = (hints.length - 2) / 2;
      for (let byte = 0; byte < bytes; byte += Math.ceil(bytes / 12)) {
        await expect(contract.verify(encoded, flip(hints, byte)), `hint byte ${byte}`).to.revert(ethers);
      }
      await expect(contract.verify(encoded, `${hints}00`)).to.be.revertedWithCustomError(contract, "P384HintsLength");
      await expect(contract.verify(encoded, hints.slice(0, -2))).to.revert(ethers);
    });
  }

  it("takes one to five signatures", async () => {
    const contract = await kernel();
    for (const length of [0, 1, 239, 241, 1440]) {
      await expect(contract.verify(`0x${"00".repeat(length)}`, "0x"))
        .to.be.revertedWithCustomError(contract, "P384SignatureLength")
        .withArgs(length);
    }
  });

  it("has a prover that makes no hints for a signature that does not verify", () => {
    const [signature] = samples(1);
    expect(() => proveBatch([{ ...signature!, e: signature!.e ^ 1n }])).to.throw(InvalidSignature);
  });
});
