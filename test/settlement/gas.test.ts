import { readFileSync, writeFileSync } from "node:fs";

import { expect } from "chai";

import { batch, individual } from "../../scripts/bench/settlement/gas.ts";

/** Committed figures. `OG_SNAPSHOT=write` writes them anew; the commit says why they changed. */
const SNAPSHOT = new URL("gas.snapshot.json", import.meta.url);
/** What was asked for. Posts and certificates keep it in a slot that was never used, too; one receipt alone was asked for steady. */
const ASKED: Record<string, number> = {
  "tee-individual": 75_000, "tee-multi-50-each": 20_000, "batch-post": 90_000, "batch-post-new-slot": 90_000, "certificate-7": 120_000,
  "certificate-7-new-slot": 120_000, "receipt-use": 35_000, "bad-leaf-challenge": 200_000,
};

describe("Settlement: gas", () => {
  it("X5 posts, certificates, single receipts and challenges stay below what was asked for, and do not grow unseen", async () => {
    const figures: Record<string, number> = { ...(await individual()), ...(await batch()) };
    for (const [name, bound] of Object.entries(ASKED)) expect(figures[name], name).to.be.at.most(bound);
    if (process.env["OG_SNAPSHOT"] === "write") writeFileSync(SNAPSHOT, `${JSON.stringify(figures, null, 2)}\n`);
    const committed = JSON.parse(readFileSync(SNAPSHOT, "utf8")) as Record<string, number>;
    expect(Object.keys(figures)).to.deep.equal(Object.keys(committed));
    // Zero bytes in ids and signatures are cheaper: a little more or less is chance.
    for (const [name, gas] of Object.entries(figures)) expect(gas, name).to.be.at.most(committed[name]! * 1.01);
  });
});
