import { readFileSync, writeFileSync } from "node:fs";

import { expect } from "chai";
import { network } from "hardhat";

import { measureNitro } from "../../../scripts/bench/attestation/nitro.ts";

/** Committed figures. `OG_SNAPSHOT=write` writes them anew; the commit says why they changed. */
const SNAPSHOT = new URL("gas.snapshot.json", import.meta.url);

describe("Nitro: gas", () => {
  it("stays below what was asked for, each in one transaction, and does not grow unseen", async function () {
    const { document, cold, newNode, documentOnly } = await measureNitro(network);
    expect(cold).to.be.at.most(4_500_000);
    expect(newNode).to.be.at.most(3_500_000);
    expect(documentOnly).to.be.at.most(2_200_000);

    const figures: Record<string, number> = { cold, newNode, documentOnly };
    if (document !== "AWS 2026") {
      console.log("      snapshot not compared: ../shared/vectors/nitro is not here");
      return;
    }
    if (process.env["OG_SNAPSHOT"] === "write") writeFileSync(SNAPSHOT, `${JSON.stringify(figures, null, 2)}\n`);
    const committed = JSON.parse(readFileSync(SNAPSHOT, "utf8")) as Record<string, number>;
    for (const [name, gas] of Object.entries(figures)) expect(gas, name).to.be.at.most((committed[name] as number) * 1.01);
  });
});
