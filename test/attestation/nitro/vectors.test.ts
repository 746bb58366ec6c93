import { expect } from "chai";

import { AWS_NITRO_ROOT, buildNitroCall, verifyNitro } from "../../../sdk/attestation/nitro/index.ts";
import { chainAt, deployWithKernel } from "./chain.ts";
import { nitroVectors, skipWithoutVectors } from "./vectors.ts";

/** EIP-7825: no transaction may ask for more. */
const CAP = { gasLimit: 16_777_216n };

describe("Nitro: genuine documents", () => {
  before(function () {
    skipWithoutVectors(this);
  });

  for (const { file, bytes, genuine, now, debug, validTo } of nitroVectors()) {
    it(`${file} is ${genuine ? "verified at its own time" : "refused"}`, async () => {
      const connection = await chainAt(now);
      const { verifier } = await deployWithKernel(connection);
      const check = () => verifyNitro(bytes, { root: AWS_NITRO_ROOT, now });
      if (!genuine) {
        expect(check).to.throw("NitroSignature");
        const refusal: unknown = await buildNitroCall(bytes, { root: AWS_NITRO_ROOT }).catch((error: unknown) => error);
        expect(refusal).to.have.property("code", "NitroSignature");
        return;
      }
      const { attestation } = check();
      expect(attestation.debug).to.equal(debug);
      expect(attestation.validUntil).to.equal(BigInt(validTo));
      const call = await buildNitroCall(bytes, { root: AWS_NITRO_ROOT });

      await connection.networkHelpers.time.increaseTo(now);
      const found = await verifier.verify.staticCall(call.evidence, call.hints, CAP);
      for (const [name, value] of Object.entries(attestation)) {
        const onChain: unknown = found[name as keyof typeof attestation];
        expect(onChain, name).to.equal(typeof value === "number" ? BigInt(value) : value);
      }
      await verifier.verify(call.evidence, call.hints, CAP);
    });
  }
});
