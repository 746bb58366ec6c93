/** A quote and collateral that the project makes itself: the contract is tested without the vectors, too. */
import { expect } from "chai";
import { network } from "hardhat";

import { DevelopmentPlatform } from "../../../keepers/attestation/development/intel.ts";
import { joinEvidence, openQuote, reportDataFor, splitEvidence, verifyIntel } from "../../../sdk/attestation/intel/index.ts";
import { measureTdx } from "../../../scripts/bench/attestation/tdx.ts";
import { IntelChain } from "./chain.ts";

const NOW = 1_800_000_000;
const hash = (byte: string): `0x${string}` => `0x${byte.repeat(32)}`;
const claims = { publicKeyHash: hash("01"), userDataHash: hash("02"), nonceHash: hash("03") };

describe("Intel: a quote under a development root", () => {
  const platform = new DevelopmentPlatform(NOW);
  let chain: IntelChain;

  before(async () => {
    chain = await IntelChain.at(NOW, platform.root);
    await chain.record(platform.bundle());
  });

  for (const version of [4, 5]) {
    it(`version ${version} verifies, with the same facts from contract and twin`, async () => {
      const evidence = joinEvidence(platform.seal(platform.draft({ version })));
      const { attestation } = verifyIntel(evidence, { collateral: chain.twin, now: await chain.now() });
      const found = await chain.attestation(evidence);
      for (const [name, value] of Object.entries(attestation)) {
        const onChain: unknown = found[name as keyof typeof attestation];
        expect(onChain, name).to.equal(typeof value === "number" ? BigInt(value) : value);
      }
      expect(attestation).to.include({ teeType: 2, tcbStatus: 0, debug: false, attestedAt: 0n });
    });
  }

  it("carries three hashes in 64 bytes of report data, and nothing else passes for them", async () => {
    const parts = platform.seal(platform.draft({ reportData: reportDataFor(claims) }));
    const bytes = new Uint8Array(Buffer.concat(Object.values(claims).map((value) => Buffer.from(value.slice(2), "hex"))));
    const evidence = joinEvidence({ ...parts, claims: bytes });
    const { attestation } = verifyIntel(evidence, { collateral: chain.twin, now: await chain.now() });
    expect(attestation).to.include(claims);
    expect(await chain.verdict(evidence)).to.equal("ok");
    expect((await chain.attestation(evidence)).nonceHash).to.equal(claims.nonceHash);
    for (const at of [0, 40, 95]) {
      const other = joinEvidence({ ...parts, claims: bytes.map((byte, index) => (index === at ? byte ^ 1 : byte)) });
      expect(await chain.verdict(other)).to.equal("TdxClaims");
    }
    // Without claims it is a quote like any other: its report data is one field.
    expect((await chain.attestation(joinEvidence(parts))).publicKeyHash).to.equal(`0x${"00".repeat(32)}`);
  });

  it("takes evidence apart and joins it again", () => {
    const evidence = joinEvidence(platform.seal(platform.draft({ version: 5 })));
    expect(joinEvidence(splitEvidence(evidence))).to.deep.equal(evidence);
    expect(() => openQuote(evidence)).to.throw();
  });

  it("takes no hints", async () => {
    const evidence = `0x${Buffer.from(joinEvidence(platform.seal(platform.draft()))).toString("hex")}`;
    const { verifier } = chain.deployed;
    await chain.connection.ethers.provider.getBlockNumber();
    const refusal: unknown = await verifier.verify.staticCall(evidence, "0x00").catch((error: unknown) => error);
    expect(String(refusal)).to.contain("TdxHints");
  });

  it("costs at most 250,000 gas, the whole transaction", async () => {
    const { verify } = await measureTdx(network);
    expect(verify).to.be.below(250_000);
  });
});
