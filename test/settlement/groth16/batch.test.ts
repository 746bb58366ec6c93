import { expect } from "chai";

import { statementHash } from "../../../circuits/setup/encode.ts";
import { Q, R } from "../../../circuits/setup/field.ts";
import { closeSnarkjs } from "../../circuits/setup/tools.ts";
import { deploy, joined, negated, rerandomise, submissions, withWords, words } from "./tools.ts";
import type { Submission } from "./tools.ts";

describe("Groth16Batch", () => {
  let deployed: Awaited<ReturnType<typeof deploy>>;
  let all: Submission[];

  before(async () => {
    deployed = await deploy();
    all = await submissions(deployed.circuit.files.zkey, 8);
  });
  after(closeSnarkjs);

  const verify = (batch: readonly Submission[]) => {
    const { proofs, inputs } = joined(batch);
    return deployed.verifier.verifyBatch(proofs, inputs);
  };
  const refused = (call: Promise<unknown>, error: string, ...values: unknown[]) =>
    expect(call).to.be.revertedWithCustomError(deployed.verifier, error).withArgs(...values);

  for (const count of [1, 2, 3, 8]) {
    it(`accepts ${count} valid proofs, as one by one`, async () => {
      expect(await verify(all.slice(0, count))).to.equal(true);
      for (const { proof, inputs } of all.slice(0, count)) expect(await deployed.verifier.verify(proof, inputs)).to.equal(true);
    });
  }

  it("accepts re-randomised proofs", async () => {
    expect(await verify(all.map(({ proof, inputs }, i) => ({ proof: rerandomise(proof, BigInt(i + 2)), inputs })))).to.equal(true);
  });

  for (const [title, position] of [["first", 0], ["middle", 4], ["last", 7]] as const) {
    describe(`one bad proof, ${title}, spoils it`, () => {
      const changed = (change: (item: Submission) => Submission) => all.map((item, i) => (i === position ? change(item) : item));
      const point = (changes: (w: bigint[]) => Record<number, bigint>) =>
        verify(changed((item) => ({ ...item, proof: withWords(item.proof, changes(words(item.proof))) })));

      it("C negated", async () => expect(await point((w) => ({ 7: negated(w[7]!) }))).to.equal(false));
      it("A negated", async () => expect(await point((w) => ({ 1: negated(w[1]!) }))).to.equal(false));
      it("A off the curve", async () => expect(await point((w) => ({ 0: (w[0]! + 1n) % Q }))).to.equal(false));
      it("B past the field", async () => expect(await point((w) => ({ 2: w[2]! + Q }))).to.equal(false));
      it("C off the curve", async () => expect(await point((w) => ({ 6: (w[6]! + 1n) % Q }))).to.equal(false));
      it("all points at infinity", async () => expect(await point(() => Object.fromEntries(Array.from({ length: 8 }, (_, i) => [i, 0n])))).to.equal(false));
      it("a neighbour's proof", async () => expect(await verify(changed((item) => ({ ...item, proof: all[position === 0 ? 1 : 0]!.proof })))).to.equal(false));
      it("an input past the field", () => {
        const batch = changed((item) => ({ ...item, inputs: [item.inputs[0]! + R, item.inputs[1]!, item.inputs[2]!] }));
        // The order of statements is checked first; sort again so that only the field is wrong.
        return expect(verify(sorted(batch))).to.be.revertedWithCustomError(deployed.verifier, "Groth16InputNotInField");
      });
    });
  }

  it("rejects errors that cancel each other under equal coefficients", async () => {
    const [first, second] = [all[0]!, all[1]!];
    const [c0, c1] = [words(first.proof), words(second.proof)];
    const swapped = [
      { ...first, proof: withWords(first.proof, { 6: c1[6]!, 7: c1[7]! }) },
      { ...second, proof: withWords(second.proof, { 6: c0[6]!, 7: c0[7]! }) },
    ];
    expect(await verify(swapped)).to.equal(false);
  });

  it("refuses the same statement twice, even with another proof", async () => {
    const copy = { ...all[2]!, proof: rerandomise(all[2]!.proof, 9n) };
    await refused(verify([all[1]!, all[2]!, copy, all[3]!]), "Groth16StatementOrder", 2);
  });

  it("refuses statements out of order", () => refused(verify([all[1]!, all[0]!]), "Groth16StatementOrder", 1));

  it("refuses no proof, part of a proof, or another number of inputs", async () => {
    const { proofs, inputs } = joined(all.slice(0, 2));
    await refused(deployed.verifier.verifyBatch("0x", []), "Groth16ProofLength", 0);
    await refused(deployed.verifier.verifyBatch(proofs.slice(0, -2), inputs), "Groth16ProofLength", 511);
    await refused(deployed.verifier.verifyBatch(proofs, inputs.slice(1)), "Groth16InputCount", 5, 6);
    await refused(deployed.verifier.verifyBatch(proofs, [...inputs, 0n]), "Groth16InputCount", 7, 6);
  });

  it("burns little on a bad point", async () => {
    const bad = all.map((item, i) => (i === 3 ? { ...item, proof: withWords(item.proof, { 6: 1n, 7: 1n }) } : item));
    const { proofs, inputs } = joined(bad);
    const spent = await deployed.verifier.verifyBatch.estimateGas(proofs, inputs);
    const good = joined(all);
    expect(spent).to.be.below(await deployed.verifier.verifyBatch.estimateGas(good.proofs, good.inputs));
  });

  it("never calls a good batch bad for want of gas", async () => {
    const { proofs, inputs } = joined(all.slice(0, 3));
    for (let limit = 60_000n; limit <= 600_000n; limit += 9_000n) {
      const result = await deployed.verifier.verifyBatch.staticCall(proofs, inputs, { gasLimit: limit }).catch(() => "reverted");
      expect(result, `at ${limit}`).to.not.equal(false);
    }
  });
});

function sorted(batch: readonly Submission[]): Submission[] {
  return [...batch].sort((a, b) => (statementHash(a.inputs) < statementHash(b.inputs) ? -1 : 1));
}
