import { expect } from "chai";

import { AWS_NITRO_ROOT, verifyNitro } from "../../../sdk/attestation/nitro/index.ts";
import { callFor, chainAt, deployNitro } from "./chain.ts";
import { nitroVectors, skipWithoutVectors } from "./vectors.ts";

describe("Nitro: genuine documents", () => {
  before(function () {
    skipWithoutVectors(this);
  });

  for (const { file, bytes, genuine, now, debug, validTo } of nitroVectors()) {
    it(`${file} is ${genuine ? "verified at its own time" : "refused"}`, async () => {
      const connection = await chainAt(now);
      const deployed = await deployNitro(connection);
      const check = () => verifyNitro(bytes, { root: AWS_NITRO_ROOT, now });
      if (!genuine) {
        expect(check).to.throw("NitroSignature");
        return;
      }
      const { attestation } = check();
      expect(attestation.debug).to.equal(debug);
      expect(attestation.validUntil).to.equal(BigInt(validTo));

      const call = await callFor(deployed, bytes, AWS_NITRO_ROOT);
      await connection.networkHelpers.time.setNextBlockTimestamp(now);
      const found = await deployed.verifier.verify.staticCall(call.evidence, call.hints, { blockTag: "pending" });
      for (const [name, value] of Object.entries(attestation)) {
        const onChain: unknown = found[name as keyof typeof attestation];
        expect(onChain, name).to.equal(typeof value === "number" ? BigInt(value) : value);
      }
      await deployed.verifier.verify(call.evidence, call.hints);
    });
  }
});
