import { mkdirSync } from "node:fs";

import { bn254 } from "@noble/curves/bn254.js";
import { expect } from "chai";
import { buildBn128 } from "ffjavascript";

import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { mod, R, rootOfUnity, writeScalar } from "../../../circuits/setup/field.ts";
import { verifyProof } from "../../../circuits/setup/verify.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { FIELD, openArithmetic } from "../../../keepers/proving/wasm/arithmetic.ts";
import { loadKey } from "../../../keepers/proving/wasm/groth16.ts";
import { loadPoints, openMultiexp } from "../../../keepers/proving/wasm/multiexp.ts";
import { divide } from "../../../keepers/proving/wasm/share.ts";
import { openTransform } from "../../../keepers/proving/wasm/transform.ts";
import { CACHE, compile } from "../../circuits/setup/tools.ts";
import { Random } from "../../utils/random.ts";

describe("The default prover's arithmetic", () => {
  const scalarBytes = (values: readonly bigint[]) => {
    const bytes = new Uint8Array(values.length * FIELD);
    values.forEach((value, i) => writeScalar(new DataView(bytes.buffer), i * FIELD, value));
    return bytes;
  };
  async function open() {
    const curve = await buildBn128(true);
    return { curve, arithmetic: await openArithmetic(await WebAssembly.compile(curve.tm.code)) };
  }

  it("sums multiples of points as another library does: zeros, ones, small, negative and full scalars, points at infinity", async () => {
    const { curve, arithmetic } = await open();
    const random = new Random(5);
    const full = () => mod(BigInt(`0x${Buffer.from(random.bytes(40)).toString("hex")}`));
    const edges = [0n, 1n, 2n, R - 1n, R - 2n, (R - 1n) / 2n, (R + 1n) / 2n, 2n ** 32n, 2n ** 253n, R - 2n ** 200n];
    const multiexp = openMultiexp(arithmetic);
    for (const [group, kind] of [["G1", 1], ["G2", 2]] as const) {
      const { BASE } = bn254[group].Point;
      const multiples = Array.from({ length: 60 }, (_, i) => BigInt(i === 7 || i === 30 ? 0 : i + 1));
      const encoded = multiples.map((m) => {
        const zero = new Uint8Array(64 * kind);
        if (m === 0n) return zero;
        const { x, y } = BASE.multiply(m).toAffine() as { x: unknown; y: unknown };
        const plain = (v: unknown) => (kind === 1 ? (v as bigint) : [(v as { c0: bigint }).c0, (v as { c1: bigint }).c1]);
        return curve[group].fromObject([plain(x), plain(y)]).slice(0, 64 * kind);
      });
      const points = loadPoints(arithmetic, kind, Uint8Array.from(Buffer.concat(encoded)));
      expect(points.present).to.have.length(58);
      const lists = [multiples.map(() => 0n), multiples.map(() => 1n), multiples.map((_, i) => edges[i % edges.length]!), multiples.map(full), multiples.map((_, i) => (i % 3 ? mod(BigInt(random.below(2000) - 1000)) : full()))];
      for (const [i, scalars] of lists.entries()) {
        const expected = mod(scalars.reduce((sum, value, j) => sum + value * multiples[j]!, 0n));
        const got = curve[group].toObject(curve[group].toAffine(multiexp.sum(points, scalarBytes(scalars))));
        const wanted = expected === 0n ? curve[group].zero : curve[group].timesFr(encoded[0]!, curve.Fr.e(expected));
        expect(got, `${group} list ${i}`).to.deep.equal(curve[group].toObject(curve[group].toAffine(wanted)));
      }
    }
  });

  for (const exponent of [1, 2, 5]) {
    it(`carries values over 2^${exponent} points to the coset between them`, async () => {
      const { arithmetic } = await open();
      const { call, grow, memory } = arithmetic;
      const size = 2 ** exponent;
      const random = new Random(exponent);
      const coefficients = Array.from({ length: size }, () => mod(BigInt(`0x${Buffer.from(random.bytes(40)).toString("hex")}`)));
      const at = (x: bigint) => coefficients.reduceRight((sum, value) => mod(sum * x + value), 0n);
      const points = (first: bigint) => Array.from({ length: size }, (_, i) => mod(first * Array(i).fill(rootOfUnity(exponent)).reduce<bigint>((p, w: bigint) => mod(p * w), 1n)));
      const transform = openTransform(arithmetic, exponent);
      const pointer = grow(size * FIELD);
      new Uint8Array(memory.buffer).set(scalarBytes(points(1n).map(at)), pointer);
      for (let i = 0; i < size; i++) call.frm_toMontgomery!(pointer + i * FIELD, pointer + i * FIELD);
      transform.toCoset(pointer);
      for (let i = 0; i < size; i++) call.frm_fromMontgomery!(pointer + i * FIELD, pointer + i * FIELD);
      expect(new Uint8Array(memory.buffer).slice(pointer, pointer + size * FIELD)).to.deep.equal(scalarBytes(points(rootOfUnity(exponent + 1)).map(at)));
    });
  }

  it("divides all wires among threads, fewer to those that transform more", () => {
    for (const forms of [[3], [2, 1], [1, 1, 1], [1, 1, 1, 0, 0]]) {
      const counts = divide(10_000, 14, forms);
      expect(counts.reduce((sum, count) => sum + count, 0)).to.equal(10_000);
      forms.forEach((count, i) => forms.forEach((other, j) => expect(count < other && counts[i]! + 1 < counts[j]!).to.equal(false)));
    }
  });

  it("proves with any number of threads, public inputs on the border between two of them", async () => {
    mkdirSync(CACHE, { recursive: true });
    const zkey = `${CACHE}/wasm-universal.zkey`;
    await makeDevelopmentKey(compile("universal"), zkey, { tau: 31n, alpha: 32n, beta: 33n, gamma: 1n, delta: 34n });
    const [WORDS, x] = [70, R - 12_345n];
    const words = Array.from({ length: WORDS }, (_, j) => (j % 4 === 0 ? 0n : j % 4 === 1 ? 1n : mod(BigInt(j) * (j % 2 ? -3n : 2n ** 190n))));
    const powers: bigint[] = [];
    for (let j = 0; j < WORDS; j++) powers.push(j === 0 ? mod(x * x) : mod(powers[j - 1]! * x));
    const terms = powers.map((power, j) => mod(power * words[j]!));
    const publicInputs = [99n, mod(x * x), mod(terms.reduce((sum, term) => sum + term, 0n)), ...words];
    const path = `${CACHE}/wasm-universal.wtns`;
    writeWitness(path, [1n, ...publicInputs, x, ...powers, ...terms]);
    for (const threads of [1, 2, 3, 5]) {
      const key = await loadKey(zkey, threads);
      try {
        for (let i = 0; i < 2; i++) {
          const { proof, publicSignals } = await key.prove(path);
          expect(publicSignals).to.deep.equal(publicInputs.map(String));
          expect(verifyProof(readVerifyingKey(zkey), publicInputs, proof), `${threads} threads`).to.equal(true);
        }
      } finally {
        await key.close();
      }
    }
  });
});
