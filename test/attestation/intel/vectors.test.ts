import { expect } from "chai";

import { TCB_STATUSES, openPck, openQuote, verifyIntel, verifyP256, verifyQuote } from "../../../sdk/attestation/intel/index.ts";
import { openSigned, parseIntelCertificate } from "../../../sdk/attestation/intel/x509.ts";
import { IntelChain } from "./chain.ts";
import { KNOWN_STATUS, SEASONS, quoteVectors, skipWithoutVectors } from "./vectors.ts";

describe("Intel: genuine quotes", () => {
  before(function () {
    skipWithoutVectors(this);
  });

  for (const { title, fmspc, tdx, now, bundle } of SEASONS) {
    const quotes = quoteVectors().filter((quote) => quote.genuine && quote.fmspc === fmspc && quote.tdx === tdx && quote.validFrom < now);
    it(`${title}, ${fmspc}: ${quotes.length} quotes, the same facts from contract and twin`, async () => {
      const chain = await IntelChain.at(now);
      await chain.record(bundle());
      expect(quotes).to.not.be.empty;
      for (const { file, bytes, debug } of quotes) {
        const { evidence } = openQuote(bytes);
        const { attestation, appraisal } = verifyIntel(evidence, { collateral: chain.twin, now: await chain.now() });
        expect(attestation.debug, file).to.equal(debug);
        if (title !== "March 2026" && KNOWN_STATUS[file]) expect(appraisal.status, file).to.equal(KNOWN_STATUS[file]);
        const found = await chain.attestation(evidence);
        for (const [name, value] of Object.entries(attestation)) {
          const onChain: unknown = found[name as keyof typeof attestation];
          expect(onChain, `${file} ${name}`).to.equal(typeof value === "number" ? BigInt(value) : value);
        }
        const gas = await chain.send(evidence);
        expect(gas, file).to.be.below(250_000);
        console.log(`      ${file}: ${TCB_STATUSES[attestation.tcbStatus]}, ${gas} gas`);
      }
    });
  }

  for (const { file, bytes, genuine, validFrom } of quoteVectors()) {
    it(`${file}: ${genuine ? "signatures and chain verify" : "is refused"} without collateral`, () => {
      if (!genuine) {
        expect(() => openQuote(bytes)).to.throw();
        return;
      }
      const { parts, chain } = openQuote(bytes);
      verifyQuote(parts);
      const certificates = chain.map((der) => ({ ...openSigned(der), ...parseIntelCertificate(openSigned(der).tbs) }));
      const pck = openPck(parts, validFrom + 1);
      expect(verifyP256(parts.qeReport, parts.qeSignature, pck.publicKey)).to.equal(true);
      expect(verifyP256(parts.pckTbs, parts.pckSignature, certificates[1]!.publicKey)).to.equal(true);
      expect(pck.authorityKey).to.equal(certificates[1]!.subjectKey);
      expect(certificates[1]!.authorityKey).to.equal(certificates[2]!.subjectKey);
    });
  }

  it("takes high s in every place, as half of the real quotes have it (pitfall 10)", () => {
    const high = 0x7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8n;
    const s = (signature: Uint8Array): bigint => BigInt(`0x${Buffer.from(signature.subarray(32)).toString("hex")}`);
    const genuine = quoteVectors().filter((quote) => quote.genuine);
    const count = (of: "signature" | "qeSignature" | "pckSignature"): number =>
      genuine.filter(({ bytes }) => s(openQuote(bytes).parts[of]) > high).length;
    expect(count("signature")).to.be.above(2);
    expect(count("qeSignature")).to.be.above(2);
    expect(count("pckSignature")).to.be.above(2);
  });
});
