import { readFileSync, writeFileSync } from "node:fs";

import { expect } from "chai";

import { heartbeat, heartbeats, revocation } from "../../scripts/bench/settlement/gas.ts";

/** Committed figures. `OG_SNAPSHOT=write` writes them anew; the commit says why they changed. */
const SNAPSHOT = new URL("gas.snapshot.json", import.meta.url);
/** What was asked for. The default policy belongs to the AccessManager, whose roles and delays are read besides. */
const ASKED: Record<string, number> = { heartbeat: 45_000, "heartbeat-20-each": 12_000, "image-revocation": 35_000 };

describe("Registry: gas", () => {
  it("heartbeats and revocation stay below what was asked for, and do not grow unseen", async () => {
    const figures: Record<string, number> = { heartbeat: await heartbeat(), ...(await heartbeats()), ...(await revocation()) };
    for (const [name, bound] of Object.entries(ASKED)) expect(figures[name], name).to.be.at.most(bound);
    if (process.env["OG_SNAPSHOT"] === "write") writeFileSync(SNAPSHOT, `${JSON.stringify(figures, null, 2)}\n`);
    const committed = JSON.parse(readFileSync(SNAPSHOT, "utf8")) as Record<string, number>;
    expect(Object.keys(figures)).to.deep.equal(Object.keys(committed));
    // Zero bytes in keys and signatures are cheaper: a little more or less is chance.
    for (const [name, gas] of Object.entries(figures)) expect(gas, name).to.be.at.most((committed[name] ?? 0) * 1.01);
  });
});
