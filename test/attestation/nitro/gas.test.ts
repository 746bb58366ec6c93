import { expect } from "chai";
import { network } from "hardhat";

import { measureNitro } from "../../../scripts/bench/attestation/nitro.ts";

describe("Nitro: gas", () => {
  it("stays below what was asked for, each in one transaction", async () => {
    const cost = await measureNitro(network);
    expect(cost.cold).to.be.at.most(4_500_000);
    expect(cost.newNode).to.be.at.most(3_500_000);
    expect(cost.documentOnly).to.be.at.most(2_200_000);
    expect(cost.proverSeconds).to.be.lessThan(3);
  });
});
