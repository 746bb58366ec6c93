import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";

import { expect } from "chai";

import { compileModel, loadModel, readR1cs, readSym, violatedRow, writeArtifacts, type LoadedModel } from "../../../circuits/compiler/index.ts";
import { writeMany } from "../../../circuits/many/circuit.ts";
import { evaluate, flat } from "../../../circuits/many/challenge.ts";
import type { ManyItem, ManyPlace } from "../../../circuits/many/challenge.ts";
import { manyWitness } from "../../../circuits/many/witness.ts";
import type { ManyRequest, ManyWitness } from "../../../circuits/many/witness.ts";
import { setUpForDevelopment } from "../../../circuits/setup/manifest.ts";
import type { Hex } from "../../../circuits/setup/encode.ts";
import { statementHash, word } from "../../../circuits/setup/encode.ts";
import { inverse, mod, R } from "../../../circuits/setup/field.ts";
import { writeWitness } from "../../../circuits/setup/witness.ts";
import { readVerifyingKey } from "../../../circuits/setup/zkey.ts";
import { wasmProver } from "../../../keepers/proving/provers.ts";
import { deploy, negated, withWords, words } from "../../settlement/groth16/tools.ts";
import { mlp } from "../../../circuits/models/zoo.ts";
import { LIMITS } from "../../utils/limits.ts";

const FOLDER = ".cache/zk/test/many";
const SLOTS = 5;

/** With a packed input word, and with a hashed input. */
for (const [title, width] of [["packed", 4], ["hashed", 24]] as const) {
  describe(`Many inferences in one proof, ${title} inputs`, () => {
    let model: LoadedModel;
    let sym: Map<string, number>;
    let deployed: Awaited<ReturnType<typeof deploy>>;
    let verifier: Awaited<ReturnType<typeof deploy>>["verifier"];
    let place: ManyPlace;
    let keyHash: Hex;
    let prove: (made: ManyWitness) => Promise<Hex>;

    const ascending = (items: ManyItem[]) => [...items].sort((a, b) => (statementHash(flat([a])) < statementHash(flat([b])) ? -1 : 1));
    const requests = (count: number, from = 0): ManyRequest[] =>
      Array.from({ length: count }, (_, i) => ({
        ctx: BigInt(1_000 + from + i),
        values: model.boxes.map(({ lo, hi }, j) => lo + (BigInt((i + from + 1) * (j + 3) * 7919) % (hi - lo + 1n))),
        salt: BigInt(from + i + 1),
      }));

    before(async () => {
      const folder = `${FOLDER}/${title}`;
      mkdirSync(folder, { recursive: true });
      const compiled = compileModel(encodeModel(width), { inputs: { x: { lo: -2, hi: 2 } } });
      expect(compiled.hashedInput).to.equal(title === "hashed");
      await writeArtifacts(compiled, `${folder}/one`);
      await writeMany(`${folder}/one`, `${folder}/many`, SLOTS);
      model = await loadModel(`${folder}/one`);
      sym = readSym(await readFile(`${folder}/many/many.sym`, "utf8"));
      const files = await setUpForDevelopment(`${folder}/many/many.r1cs`, `${folder}/many`);
      const key = readVerifyingKey(files.zkey);
      prove = async (made) => {
        const witness = `${folder}/many.wtns`;
        writeWitness(witness, made.values);
        const { proof } = await wasmProver().prove({ zkey: files.zkey, witness, key, publicInputs: made.publicInputs }, LIMITS);
        return `${proof}${made.suffix.slice(2)}`;
      };

      deployed = await deploy();
      const { keys, ethers } = deployed;
      await (await keys.register(files.keyBytes)).wait();
      keyHash = files.manifest.vkHash;
      await (await keys.registerMany(keyHash, SLOTS)).wait();
      const vkHash = ethers.keccak256(ethers.AbiCoder.defaultAbiCoder().encode(["bytes32", "bytes32", "uint16"], [await keys.MANY_TAG(), keyHash, SLOTS])) as Hex;
      verifier = await ethers.getContractAt("Groth16Verifier", await keys.verifierOf(vkHash));
      place = { chainId: 31337n, verifier: (await verifier.getAddress()) as Hex, vkHash };
    });

    it("satisfies the circuit, whatever the number of items", async () => {
      const r1cs = readR1cs(await readFile(`${FOLDER}/${title}/many/many.r1cs`));
      for (const count of [1, SLOTS - 1, SLOTS]) expect(violatedRow(r1cs, manyWitness(model, sym, SLOTS, requests(count), place).values)).to.equal(-1);
    });

    for (const count of [1, 3, SLOTS]) {
      it(`is accepted for ${count} items, each bound to its request`, async () => {
        const made = manyWitness(model, sym, SLOTS, requests(count), place);
        const proof = await prove(made);
        const inputs = flat(made.items);
        expect(await verifier.verifyBatch(proof, inputs)).to.equal(true);
        for (let i = 0; i < inputs.length; i++) {
          const changed = inputs.map((value, j) => (i === j ? value + 1n : value));
          // Another word is another order, too: either refused by name or not proved.
          const answer = await verifier.verifyBatch(proof, changed).catch((error: Error) => (/Groth16StatementOrder/.test(error.message) ? false : Promise.reject(error)));
          expect(answer, `word ${i}`).to.equal(false);
        }
      });
    }

    it("covers more items with more proofs, and refuses gaps", async () => {
      const more = requests(SLOTS + 1);
      // Items are ordered over the whole batch, then cut into groups.
      const whole = more.map((request) => ({ request, item: manyWitness(model, sym, SLOTS, [request], place).items[0]! }));
      whole.sort((a, b) => (statementHash(flat([a.item])) < statementHash(flat([b.item])) ? -1 : 1));
      const first = manyWitness(model, sym, SLOTS, whole.slice(0, SLOTS).map(({ request }) => request), place);
      const second = manyWitness(model, sym, SLOTS, whole.slice(SLOTS).map(({ request }) => request), place);
      const proofs: Hex = `${await prove(first)}${(await prove(second)).slice(2)}`;
      const inputs = flat([...first.items, ...second.items]);
      expect(await verifier.verifyBatch(proofs, inputs)).to.equal(true);
      await expect(verifier.verifyBatch(proofs, flat(first.items))).to.be.revertedWithCustomError(verifier, "Groth16InputCount");
      await expect(verifier.verifyBatch(proofs.slice(0, 2 + 576), inputs)).to.be.revertedWithCustomError(verifier, "Groth16InputCount");
    });

    describe("refuses or rejects", () => {
      let made: ManyWitness;
      let proof: Hex;

      before(async () => {
        made = manyWitness(model, sym, SLOTS, requests(3), place);
        proof = await prove(made);
      });
      const inputs = () => flat(made.items);

      it("another commitment h: the challenge moves with it", async () => {
        const h = made.publicInputs[2];
        expect(await verifier.verifyBatch(`${proof.slice(0, 514)}${word(h + 1n)}`, inputs())).to.equal(false);
        await expect(verifier.verifyBatch(`${proof.slice(0, 514)}${word(h + R)}`, inputs())).to.be.revertedWithCustomError(verifier, "Groth16InputNotInField");
      });

      it("another list under the same proof: one left out, one repeated, two swapped", async () => {
        expect(await verifier.verifyBatch(proof, inputs().slice(0, 6))).to.equal(false);
        await expect(verifier.verifyBatch(proof, [...inputs(), ...inputs().slice(6)])).to.be.revertedWithCustomError(verifier, "Groth16StatementOrder").withArgs(3);
        await expect(verifier.verifyBatch(proof, [...inputs().slice(3, 6), ...inputs().slice(0, 3)])).to.be.revertedWithCustomError(verifier, "Groth16StatementOrder").withArgs(1);
      });

      it("outputs that were traded between two requests", async () => {
        const items = ascending(made.items.map((item, i) => (i < 2 ? { ...item, out: made.items[1 - i]!.out } : item)));
        expect(items[0]!.out).to.not.equal(items[1]!.out);
        expect(await verifier.verifyBatch(proof, flat(items))).to.equal(false);
      });

      it("a list that was solved for a challenge known in advance", async () => {
        // A challenge that does not depend on what is paid for: another chain's, say. The circuit cannot tell.
        const early = manyWitness(model, sym, SLOTS, requests(SLOTS), { ...place, chainId: 1n });
        const [c, e, h] = early.publicInputs;
        const forged = await prove(early);
        const base = await deployed.ethers.getContractAt("Groth16Verifier", await deployed.keys.verifierOf(keyHash));
        expect(await base.verify(forged.slice(0, 514), [c, e, h])).to.equal(true);
        // One output raised by 1, another lowered by c^2 / c^4: the same e. The sum alone proves nothing.
        const step = inverse(mod(c * c));
        const lies = early.items.map((item, i) => ({ ...item, out: mod(item.out + (i === 0 ? 1n : i === 1 ? -step : 0n)) }));
        expect(evaluate(c, SLOTS, lies)).to.equal(e);
        // Contexts do not enter e: the liar may choose them for the order.
        const ordered = lies.map((item) => ({ ...item }));
        for (let i = 1; i < ordered.length; i++) while (statementHash(flat([ordered[i]!])) <= statementHash(flat([ordered[i - 1]!]))) ordered[i]!.ctx += 1_000_000n;
        expect(evaluate(c, SLOTS, ordered)).to.equal(e);
        // The contract's challenge comes after h and the list.
        expect(await verifier.verifyBatch(forged, flat(ordered))).to.equal(false);
      });

      it("words past the field", async () => {
        for (const [index, lift] of [[6, R], [7, R], [8, R]] as const) {
          const lifted = inputs().map((value, i) => (i === index ? value + lift : value));
          const answer = await verifier.verifyBatch(proof, lifted).catch((error: Error) => error.message);
          expect(answer).to.match(/Groth16InputNotInField|Groth16StatementOrder/);
        }
      });

      it("a forged point, a cut proof, a proof for another contract", async () => {
        const forged = `${withWords(proof.slice(0, 514) as Hex, { 7: negated(words(proof)[7]!) })}${proof.slice(514)}`;
        expect(await verifier.verifyBatch(forged, inputs())).to.equal(false);
        await expect(verifier.verifyBatch(proof.slice(0, -2), inputs())).to.be.revertedWithCustomError(verifier, "Groth16ProofLength");
        await expect(verifier.verifyBatch("0x", [])).to.be.revertedWithCustomError(verifier, "Groth16ProofLength");
        await expect(verifier.verify(proof, inputs())).to.be.revertedWithCustomError(verifier, "Groth16InputCount");
        const elsewhere = manyWitness(model, sym, SLOTS, requests(3), { ...place, chainId: 1n });
        expect(await verifier.verifyBatch(await prove(elsewhere), inputs())).to.equal(false);
      });

      it("in TypeScript: the same statement twice, no item, too many", () => {
        const [one] = requests(1);
        expect(() => manyWitness(model, sym, SLOTS, [one!, one!], place)).to.throw("twice");
        expect(() => manyWitness(model, sym, SLOTS, [], place)).to.throw(RangeError);
        expect(() => manyWitness(model, sym, SLOTS, requests(SLOTS + 1), place)).to.throw(RangeError);
      });
    });

    it("is registered once, over a plain key of three inputs", async () => {
      const { keys, ethers } = deployed;
      await expect(keys.registerMany(keyHash, SLOTS)).to.be.revertedWithCustomError(keys, "Groth16KeyKnown");
      await expect(keys.registerMany(keyHash, 0)).to.be.revertedWithCustomError(keys, "Groth16ManyShape").withArgs(3, 0);
      await expect(keys.registerMany(keyHash, 1_025)).to.be.revertedWithCustomError(keys, "Groth16ManyShape").withArgs(3, 1_025);
      await expect(keys.registerMany(place.vkHash, 2)).to.be.revertedWithCustomError(keys, "Groth16ManyShape");
      await expect(keys.registerMany(ethers.ZeroHash, 2)).to.be.revertedWithCustomError(keys, "Groth16KeyUnknown");
      expect(await keys.setupLevel(place.vkHash)).to.equal(0n);
      expect(await verifier.publicInputCount()).to.equal(3n);
    });
  });
}

function encodeModel(width: number): Uint8Array {
  return mlp([width, 3, 1], 5, true);
}
