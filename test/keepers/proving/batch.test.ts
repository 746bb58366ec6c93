import { expect } from "chai";
import fc from "fast-check";

import { statementHash } from "../../../circuits/setup/encode.ts";
import { batchArguments, bisect, inOrder, planBatch } from "../../../keepers/proving/batch.ts";
import type { BatchItem } from "../../../keepers/proving/batch.ts";

const RULES = { size: 4, maxWaitMs: 1_000, marginMs: 200 };
const item = (n: number, more: Partial<BatchItem> = {}): BatchItem => ({ id: `r${n}`, proof: "0xaa", publicInputs: [BigInt(n), 1n, 2n], readyAt: 0, deadline: 10_000, ...more });

describe("Batches of proofs", () => {
  it("wait for company", () => {
    const plan = planBatch([item(1), item(2)], RULES, 10);
    expect([plan.send.length, plan.rest.length]).to.deep.equal([0, 2]);
  });

  it("leave when full, with the most urgent items", () => {
    const items = [1, 2, 3, 4, 5].map((n) => item(n, { deadline: 10_000 - n }));
    const plan = planBatch(items, RULES, 10);
    expect(plan.send.map(({ id }) => id).sort()).to.deep.equal(["r2", "r3", "r4", "r5"]);
    expect(plan.rest.map(({ id }) => id)).to.deep.equal(["r1"]);
  });

  it("leave when the oldest has waited enough, or a deadline is near", () => {
    expect(planBatch([item(1)], RULES, 1_000).send).to.have.length(1);
    expect(planBatch([item(1, { deadline: 500 })], RULES, 300).send).to.have.length(1);
    expect(planBatch([], RULES, 1_000).send).to.have.length(0);
  });

  it("stand in the contract's order and never repeat a statement", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 12 }), (numbers) => {
        const items = numbers.map((n, i) => item(n, { id: `${i}` }));
        const { send, duplicates, rest } = planBatch(items, { ...RULES, size: 3 }, 1_000);
        const hashes = send.map(({ publicInputs }) => statementHash(publicInputs));
        expect(hashes).to.deep.equal([...new Set(hashes)].sort());
        expect(send.length + duplicates.length + rest.length).to.equal(items.length);
      }),
    );
  });

  it("become the contract's arguments", () => {
    const [first, second] = inOrder([item(1), item(2)]);
    expect(batchArguments([first!, second!])).to.deep.equal({ proofs: "0xaaaa", publicInputs: [...first!.publicInputs, ...second!.publicInputs] });
  });

  it("are split until the bad items stand alone, in few calls", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 64 }), fc.array(fc.nat(63), { maxLength: 4 }), async (size, badOnes) => {
        const items = Array.from({ length: size }, (_, i) => i);
        const expected = [...new Set(badOnes.filter((n) => n < size))].sort((a, b) => a - b);
        let calls = 0;
        const { good, bad } = await bisect(items, (part) => {
          calls++;
          return Promise.resolve(!part.some((n) => expected.includes(n)));
        });
        expect(bad).to.deep.equal(expected);
        expect([...good, ...bad].sort((a, b) => a - b)).to.deep.equal(items);
        expect(calls).to.be.at.most(1 + 2 * expected.length * Math.ceil(Math.log2(Math.max(2, size))));
      }),
    );
  });
});
