import { readFileSync } from "node:fs";

import { expect } from "chai";
import * as snarkjs from "snarkjs";

import { makeDevelopmentKey } from "../../../circuits/setup/development.ts";
import { decodeProof, encodeProof, toSnarkjs, vkHash } from "../../../circuits/setup/encode.ts";
import { Q, R } from "../../../circuits/setup/field.ts";
import { readManifest } from "../../../circuits/setup/manifest.ts";
import { verifyProof } from "../../../circuits/setup/verify.ts";
import { developmentKeySource } from "../../../scripts/generate/development-key.ts";
import { CACHE, closeSnarkjs, compile, proveTiny, tiny, tinyWitness } from "./tools.ts";
import type { Proven, Tiny } from "./tools.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";

describe("Development set-up", () => {
  let circuit: Tiny;
  let proven: Proven;

  before(async () => {
    circuit = await tiny();
    proven = await proveTiny(circuit.files.zkey, 7n, 12n, 15n);
  });
  after(closeSnarkjs);

  it("makes a key that snarkjs proves with and accepts", async () => {
    expect(proven.inputs).to.deep.equal([7n, 27n, 180n]);
    expect(await snarkjs.groth16.verify(toSnarkjs(circuit.key), proven.inputs.map(String), proven.proof)).to.equal(true);
  });

  it("exports the key that snarkjs exports", async () => {
    const ours = JSON.parse(readFileSync(circuit.files.verifyingKey, "utf8")) as Record<string, unknown>;
    const theirs = await snarkjs.zKey.exportVerificationKey(circuit.files.zkey);
    for (const name of Object.keys(ours)) expect(ours[name], name).to.deep.equal(theirs[name]);
  });

  it("is deterministic and says what it is", async () => {
    await makeDevelopmentKey(circuit.r1cs, `${CACHE}/again.zkey`);
    expect(readFileSync(`${CACHE}/again.zkey`).equals(readFileSync(circuit.files.zkey))).to.equal(true);
    const manifest = readManifest(`${CACHE}/tiny8`);
    expect(manifest).to.include({ level: 0, rows: 20, publicInputs: 3, vkHash: vkHash(circuit.key) });
    expect(manifest.warning).to.match(/forge/);
  });

  it("makes a key for 16,000 rows", async () => {
    expect((await makeDevelopmentKey(compile("ladder"), `${CACHE}/ladder.zkey`)).rows).to.equal(16_000);
  });

  it("keeps the contract's copy of the development points current", async () => {
    expect(await developmentKeySource()).to.equal(readFileSync("contracts/verifiers/DevelopmentKey.sol", "utf8"));
  });

  it("binds a public input that no constraint mentions", async () => {
    const inputs = [...proven.inputs];
    inputs[0] = 8n;
    expect(await snarkjs.groth16.verify(toSnarkjs(circuit.key), inputs.map(String), proven.proof)).to.equal(false);
  });

  it("refuses a witness that is not one", () => {
    const bad = tinyWitness(7n, 12n, 15n);
    bad[4] = R;
    expect(() => writeWitness(`${CACHE}/bad.wtns`, bad)).to.throw("wire 4");
    bad[4] = 12n;
    bad[0] = 2n;
    expect(() => writeWitness(`${CACHE}/bad.wtns`, bad)).to.throw("first wire");
  });

  it("encodes proofs both ways", () => {
    const { pi_a, pi_b, pi_c } = proven.proof;
    expect(decodeProof(encodeProof(proven.proof))).to.deep.include({ pi_a, pi_b, pi_c });
  });

  describe("the TypeScript verifier agrees with snarkjs", () => {
    it("on a valid proof", () => expect(verifyProof(circuit.key, proven.inputs, proven.proof)).to.equal(true));

    for (const index of [0, 1, 2]) {
      it(`on public input ${index} plus one, zero and plus the field's order`, () => {
        for (const change of [(v: bigint) => v + 1n, () => 0n, (v: bigint) => v + R]) {
          const inputs = proven.inputs.map((value, i) => (i === index ? change(value) : value));
          expect(verifyProof(circuit.key, inputs, proven.proof)).to.equal(false);
        }
      });
    }

    it("on points that are off the curve, past the field, at infinity, or not numbers", () => {
      const change = (part: Partial<Proven["proof"]>) => verifyProof(circuit.key, proven.inputs, { ...proven.proof, ...part });
      const [x, y] = proven.proof.pi_a.map(BigInt) as [bigint, bigint];
      expect(change({ pi_a: [String(x), String(y + 1n), "1"] })).to.equal(false);
      expect(change({ pi_a: [String(x + Q), String(y), "1"] })).to.equal(false);
      expect(change({ pi_a: ["0", "0", "1"] })).to.equal(false);
      expect(change({ pi_a: ["0x01", "2", "1"] })).to.equal(false);
      expect(change({ pi_c: proven.proof.pi_a })).to.equal(false);
      expect(change({ pi_b: [["1", "2"], ["3", "4"], ["1", "0"]] })).to.equal(false);
      expect(change({ pi_b: [] })).to.equal(false);
    });
  });
});
