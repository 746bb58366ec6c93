import { expect } from "chai";
import { createRequire } from "node:module";

import { poseidonHash, sponge, spongeHash, spongeWires } from "../../../circuits/compiler/hash/sponge.ts";

interface Reference {
  (inputs: bigint[]): Uint8Array;
  F: { toObject(v: Uint8Array): bigint };
}

describe("circuits/compiler: Poseidon", () => {

  it("agrees with circomlibjs for every width", async () => {
    const { buildPoseidonReference } = createRequire(import.meta.url)("circomlibjs") as { buildPoseidonReference: () => Promise<Reference> };
    const reference = await buildPoseidonReference();
    for (let n = 1; n <= 16; n++) {
      const inputs = Array.from({ length: n }, (_, i) => BigInt(i + 1) ** 50n);
      expect(poseidonHash(inputs), `width ${n + 1}`).to.equal(reference.F.toObject(reference(inputs)));
    }
  });

  it("binds header, salt, order and length", () => {
    const words = Array.from({ length: 26 }, (_, i) => BigInt(i));
    const base = spongeHash(5n, 0n, words);
    expect(spongeHash(6n, 0n, words)).to.not.equal(base);
    expect(spongeHash(5n, 1n, words)).to.not.equal(base);
    expect(spongeHash(5n, 0n, [...words].reverse())).to.not.equal(base);
    expect(spongeHash(5n, 0n, words.slice(1))).to.not.equal(base);
    expect(spongeWires(5n, 0n, words).hash).to.equal(base);
  });

  it("takes 606 products and 85 sums for sixteen elements", () => {
    let [products, sums] = [0, 0];
    sponge(
      { linear: () => 0, product: () => (products++, 0), wire: () => (sums++, 0) }, 0n, 0, new Array<number>(14).fill(0),
    );
    expect([products, sums]).to.deep.equal([606, 85]);
  });
});
