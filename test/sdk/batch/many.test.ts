import { expect } from "chai";
import { type Hex, hexToBytes, keccak256, numberToHex, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { verifyMany } from "../../../sdk/batch/many.ts";

const account = privateKeyToAccount(keccak256(toHex("many")));
const stranger = privateKeyToAccount(keccak256(toHex("stranger")));
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

async function signed(count: number): Promise<{ digests: Hex[]; signatures: Hex[] }> {
  const digests = Array.from({ length: count }, (_, index) => keccak256(numberToHex(index)));
  return { digests, signatures: await Promise.all(digests.map((hash) => account.sign({ hash }))) };
}

const check = (digests: readonly Hex[], signatures: readonly Hex[]): boolean =>
  verifyMany(account.publicKey, { count: digests.length, digest: (index) => hexToBytes(digests[index]!), signature: (index) => hexToBytes(signatures[index]!) });

describe("many signatures of one key at once", () => {
  it("holds for 1 to 70 honest ones, across all widths of the sum", async () => {
    for (const count of [1, 2, 5, 63, 64, 70]) {
      const { digests, signatures } = await signed(count);
      expect(check(digests, signatures), String(count)).to.equal(true);
    }
  });

  it("does not hold when any single one is wrong", async () => {
    const { digests, signatures } = await signed(20);
    const honest = signatures[7]!;
    const s = BigInt(`0x${honest.slice(66, 130)}`);
    const flip = honest.endsWith("1b") ? "1c" : "1b";
    const wrong: Hex[] = [
      await stranger.sign({ hash: digests[7]! }),
      signatures[8]!,
      `${honest.slice(0, 130)}${flip}` as Hex,
      `${honest.slice(0, 66)}${numberToHex(ORDER - s, { size: 32 }).slice(2)}${honest.slice(130)}` as Hex,
      `${honest.slice(0, 66)}${"00".repeat(32)}${honest.slice(130)}` as Hex,
      `0x${"00".repeat(32)}${honest.slice(66)}`,
      `0x${"ff".repeat(32)}${honest.slice(66)}`,
      // No point of the curve has this x.
      `${numberToHex(5n, { size: 32 })}${honest.slice(66)}` as Hex,
    ];
    for (const [index, signature] of wrong.entries()) expect(check(digests, signatures.map((item, at) => (at === 7 ? signature : item))), `case ${index}`).to.equal(false);
  });

  it("errors that cancel in a plain sum do not cancel under random weights", async () => {
    const { digests, signatures } = await signed(10);
    const swapped = [...signatures];
    [swapped[2], swapped[3]] = [swapped[3]!, swapped[2]!];
    expect(check(digests, swapped)).to.equal(false);
    // s shifted up in one and down in another.
    const shift = (signature: Hex, by: bigint) => `${signature.slice(0, 66)}${numberToHex(BigInt(`0x${signature.slice(66, 130)}`) + by, { size: 32 }).slice(2)}${signature.slice(130)}` as Hex;
    expect(check(digests, signatures.map((item, at) => (at === 4 ? shift(item, 1n) : at === 5 ? shift(item, -1n) : item)))).to.equal(false);
  });

  it("the same point again and again: the sum's exceptional cases", async () => {
    const { digests, signatures } = await signed(1);
    const many = Array.from({ length: 40 }, () => 0);
    expect(check(many.map(() => digests[0]!), many.map(() => signatures[0]!))).to.equal(true);
  });
});
