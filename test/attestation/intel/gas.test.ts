import { readFileSync, writeFileSync } from "node:fs";

import { expect } from "chai";
import { network } from "hardhat";

import { measureTdx } from "../../../scripts/bench/attestation/tdx.ts";

/** Committed figures. `OG_SNAPSHOT=write` writes them anew; the commit says why they changed. */
const SNAPSHOT = new URL("gas.snapshot.json", import.meta.url);

describe("Intel: gas", () => {
  it("a TDX quote stays below what was asked for, and does not grow unseen", async () => {
    const { quote, verify } = await measureTdx(network);
    expect(verify).to.be.at.most(250_000);
    if (quote !== "Intel 2025") {
      console.log("      snapshot not compared: ../shared/vectors/tdx is not here");
      return;
    }
    if (process.env["OG_SNAPSHOT"] === "write") writeFileSync(SNAPSHOT, `${JSON.stringify({ verify }, null, 2)}\n`);
    const committed = JSON.parse(readFileSync(SNAPSHOT, "utf8")) as { verify: number };
    expect(verify).to.be.at.most(committed.verify * 1.01);
  });
});
