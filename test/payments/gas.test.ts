import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "chai";
import { gasFigures } from "../../scripts/bench/payments/gas.ts";
import { world } from "./fixture.ts";

/** Committed figures. `OG_SNAPSHOT=write` writes them anew; the commit says why they changed. */
const SNAPSHOT = new URL("gas.snapshot.json", import.meta.url);
const ASKED = { "claim-1": 110_000, "claim-50-each": 28_000, "release-50-each": 14_000, "ack-release": 60_000, refund: 70_000 };
/** The deployed original's, real USDC code, steady state (design/PAYMENTS.md): a claim of 1, 10 and 50 rows. */
const ORIGINAL = { "channel-contract-1": 48_300, "channel-contract-10": 238_000, "channel-contract-50": 1_080_000 };

describe("Payments: gas", () => {
  let figures: Record<string, number>;
  before(async () => {
    figures = await gasFigures(await world(), () => {});
    if (process.env["OG_SNAPSHOT"] === "write") writeFileSync(SNAPSHOT, `${JSON.stringify(figures, null, 2)}\n`);
  });

  for (const [name, most] of Object.entries(ASKED)) {
    it(`${name} is at most ${most.toLocaleString("en")}`, () => expect(figures[name]).to.be.at.most(most));
  }

  it("X5 no call grows unseen", () => {
    const committed = JSON.parse(readFileSync(SNAPSHOT, "utf8")) as Record<string, number>;
    expect(Object.keys(figures)).to.deep.equal(Object.keys(committed));
    for (const [name, gas] of Object.entries(figures)) expect(gas, name).to.be.at.most(committed[name]! * 1.01);
  });

  it("the twin of the channel contract costs what the original costs: one row within 1 %, many rows no less", () => {
    for (const [name, gas] of Object.entries(ORIGINAL)) expect(figures[name]! / gas, name).to.be.within(name.endsWith("-1") ? 0.99 : 1, 1.04);
  });
});
