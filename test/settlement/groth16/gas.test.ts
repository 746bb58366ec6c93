import { expect } from "chai";

import { measureGas } from "../../../scripts/bench/zk/gas.ts";

/** Budgets of a settlement's zero-knowledge part: whole transactions with bitmap and event, three public inputs of full size. */
describe("Gas of Groth16 settlement", () => {

  it("stays within its budgets", async () => {
    const gas = await measureGas();
    expect(gas.singleSettle, "one proof").to.be.at.most(260_000);
    expect(gas.batchSettleEach[64], "each of 64").to.be.at.most(62_000);
    expect(gas.registerKey, "registering a key").to.be.at.most(1_700_000);
  });
});
