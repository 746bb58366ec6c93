import { expect } from "chai";

import { retryable } from "../../../keepers/errors/index.ts";
import { batchArguments } from "../../../keepers/proving/batch.ts";
import type { BatchItem } from "../../../keepers/proving/batch.ts";
import { planSubmission } from "../../../keepers/proving/submission.ts";
import { closeSnarkjs } from "../../circuits/setup/tools.ts";
import { R } from "../../../circuits/setup/field.ts";
import { deploy, negated, rerandomise, submissions, withWords, words } from "../../settlement/groth16/tools.ts";

const RULES = { size: 8, maxWaitMs: 1_000, marginMs: 200 };

/** Real proofs, asked of the real contract. */
describe("Submission of proofs", function () {
  this.timeout(60_000);
  let deployed: Awaited<ReturnType<typeof deploy>>;
  let good: BatchItem[];
  let calls: number;

  before(async () => {
    deployed = await deploy();
    good = (await submissions(deployed.circuit.files.zkey, 8)).map(({ proof, inputs }, i) => ({ id: `r${i}`, proof, publicInputs: inputs, readyAt: 0, deadline: 10_000 + i }));
  });
  after(closeSnarkjs);
  beforeEach(() => {
    calls = 0;
  });

  const accepts = async (items: readonly BatchItem[]) => {
    calls++;
    const { proofs, publicInputs } = batchArguments(items);
    return deployed.verifier.verifyBatch(proofs, publicInputs).catch((error: Error) => {
      if (/Groth16\w+\(/.test(error.message)) return false;
      throw error;
    });
  };
  const plan = (items: readonly BatchItem[], now = 1_000) => planSubmission(items, RULES, now, accepts);
  const ids = (items: readonly BatchItem[]) => items.map(({ id }) => id).sort();
  const changed = (index: number, change: (item: BatchItem) => Partial<BatchItem>) => good.map((item, i) => (i === index ? { ...item, ...change(item) } : item));

  it("sends a full batch after one question, in the order that the contract wants", async () => {
    const { send, refused, rest } = await plan([...good].reverse(), 0);
    expect([send.length, refused, rest, calls]).to.deep.equal([8, [], [], 1]);
    const { proofs, publicInputs } = batchArguments(send);
    expect(await deployed.verifier.verifyBatch(proofs, publicInputs)).to.equal(true);
  });

  it("waits for size, age or deadline, and asks nothing meanwhile", async () => {
    expect((await plan(good.slice(0, 3), 500)).rest).to.have.length(3);
    expect(calls).to.equal(0);
    expect((await plan(good.slice(0, 3), 1_000)).send).to.have.length(3);
    expect((await plan(good.slice(0, 3).map((item) => ({ ...item, readyAt: 9_850 })), 9_850)).send).to.have.length(3);
  });

  for (const [title, change] of [
    ["a negated point", (item: BatchItem) => ({ proof: withWords(item.proof, { 7: negated(words(item.proof)[7]!) }) })],
    ["a point off the curve", (item: BatchItem) => ({ proof: withWords(item.proof, { 0: 1n, 1: 1n }) })],
    ["a proof of another request", () => ({ proof: good[0]!.proof })],
    ["a public input past the field", (item: BatchItem) => ({ publicInputs: [item.publicInputs[0]! + R, ...item.publicInputs.slice(1)] })],
  ] as [string, (item: BatchItem) => Partial<BatchItem>][]) {
    it(`refuses ${title} by name and sends the others`, async () => {
      const { send, refused } = await plan(changed(5, change));
      expect(refused.map(({ item, code }) => [item.id, code])).to.deep.equal([["r5", "proving.refused_on_chain"]]);
      expect(ids(send)).to.deep.equal(["r0", "r1", "r2", "r3", "r4", "r6", "r7"]);
      const { proofs, publicInputs } = batchArguments(send);
      expect(await deployed.verifier.verifyBatch(proofs, publicInputs)).to.equal(true);
      expect(calls).to.be.at.most(7);
    });
  }

  it("sends one of two proofs of one statement, and none that is late", async () => {
    const twin = { ...good[2]!, id: "twin", proof: rerandomise(good[2]!.proof, 99n), deadline: 20_000 };
    const { send, refused } = await plan([...good.slice(0, 3), twin, { ...good[4]!, deadline: 900 }]);
    expect(ids(send)).to.deep.equal(["r0", "r1", "r2"]);
    expect(refused.map(({ item, code }) => [item.id, code])).to.deep.equal([["r4", "proving.late"], ["twin", "proving.duplicate"]]);
  });

  it("refuses nothing while the chain cannot be asked", async () => {
    const down = () => Promise.reject(retryable("chain.unreachable", ""));
    expect(await planSubmission(good, RULES, 1_000, down)).to.deep.include({ send: [], refused: [] });
    await planSubmission(good, RULES, 1_000, () => Promise.reject(new TypeError("defect"))).then(
      () => expect.fail("swallowed"),
      (error: unknown) => expect(error).to.be.instanceOf(TypeError),
    );
  });
});
