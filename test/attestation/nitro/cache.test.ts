import { expect } from "chai";

import { name } from "../../../keepers/attestation/development/certificate.ts";
import { bitString, integer, sequence } from "../../../keepers/attestation/development/der.ts";
import { cborArray, cborBytes } from "../../../keepers/attestation/development/document.ts";
import { buildNitroCall, buildRememberCalls, certificateId, encodeStatements } from "../../../sdk/attestation/nitro/index.ts";
import { openNitro, toHex, walkChain } from "../../../sdk/attestation/nitro/index.ts";
import { openCertificate, parseCertificate, signatureIntegers } from "../../../sdk/attestation/nitro/index.ts";
import type { Hex } from "../../../sdk/attestation/nitro/index.ts";
import { callFor, deployWithKernel } from "./chain.ts";
import { DAY, NOW, forge, forgedRoot, withField } from "./forge.ts";
import type { Forged, Forgery } from "./forge.ts";
import { Judges } from "./judges.ts";

const root = forgedRoot();
const N = 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n;
const bigint = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
const bytes48 = (value: bigint): Uint8Array => new Uint8Array(Buffer.from(value.toString(16).padStart(96, "0"), "hex"));
const certificateOf = (forged: Forged, index: number) => parseCertificate(openCertificate(forged.chain[index] as Uint8Array).tbs);

describe("NitroVerifier: cache", () => {
  let judges: Judges;
  beforeEach(async () => {
    judges = await Judges.at(NOW, root);
  });

  /** Sends the transaction, with certificates from `first` on proved by signatures. */
  async function send(document: Uint8Array, first = 1, rememberLeaf = false) {
    const call = await callFor(judges.deployed, document, root, first, rememberLeaf);
    return judges.deployed.verifier.verify(call.evidence, call.hints);
  }

  /** What the contract says to a proof that starts at `first`. */
  async function says(document: Uint8Array, first: number): Promise<string> {
    await callFor(judges.deployed, document, root, first);
    return judges.contractVerdict(document, `0x0${first}00`);
  }

  const roles = async (keys: readonly Hex[]): Promise<number[]> =>
    (await judges.deployed.verifier.records([...keys])).map((record) => Number(record.role));

  describe("when a document has been verified", () => {
    it("should remember every authority, and the leaf only on request", async () => {
      const { document } = forge();
      const { keys } = openNitro(document, root);
      await send(document);
      expect(await roles(keys)).to.deep.equal([1, 1, 1, 1, 0]);
      await send(document, 4, true);
      expect(await roles(keys)).to.deep.equal([1, 1, 1, 1, 2]);
      expect(await says(document, 5)).to.equal("ok");
    });

    it("should emit an event for every record, parent named, enough to rebuild the cache", async () => {
      const { document } = forge();
      const { keys } = openNitro(document, root);
      const { verifier } = judges.deployed;
      await send(document, 1, true);
      const events = await verifier.queryFilter(verifier.filters.CertificateVerified());
      expect(events.map(({ args }) => args.chainKey)).to.deep.equal(keys);
      expect(events.map(({ args }) => args.parentKey)).to.deep.equal([`0x${"00".repeat(32)}`, ...keys.slice(0, 4)]);
      const records = await verifier.records([...keys]);
      expect(records.map((record) => record.notAfter)).to.deep.equal(events.map(({ args }) => args.notAfter));
    });

    it("should fold the expiry of ancestors into every record", async () => {
      const forged = forge({ certificates: { 2: { options: { notAfter: NOW + 500 } }, 1: { options: { notBefore: NOW - 5 } } } });
      const { keys } = openNitro(forged.document, root);
      await send(forged.document, 1, true);
      const records = await judges.deployed.verifier.records([...keys]);
      expect(records.map(({ notAfter }) => Number(notAfter) - NOW)).to.deep.equal([10 * DAY, 9 * DAY, 500, 500, 500]);
      expect(records.map(({ notBefore }) => Number(notBefore) - NOW)).to.deep.equal([-DAY, -5, -5, -5, -5]);
    });

    it("pitfall 8: should refuse a cached path once any ancestor has ended", async () => {
      const { document } = forge({ certificates: { 1: { options: { notAfter: NOW + 500 } } } });
      await send(document, 1, true);
      expect(await says(document, 5)).to.equal("ok");
      await judges.connection.networkHelpers.time.increaseTo(NOW + 501);
      for (const first of [2, 3, 4, 5]) expect(await says(document, first)).to.equal("NitroExpired");
    });

    it("should serve a sibling of the same host, zone or region", async () => {
      await send(forge().document);
      const other = (index: number): Forgery => ({ certificates: { [index]: { options: { serial: Uint8Array.of(9) } } } });
      for (const index of [4, 3, 2]) {
        expect(await says(forge(other(index)).document, index)).to.equal("ok");
        expect(await says(forge(other(index)).document, Math.min(index + 1, 5))).to.equal("NitroNotCached");
      }
    });

    it("pitfall 8: should keep one record for (r, s) and (r, n - s)", async () => {
      const forged = forge();
      await send(forged.document);
      const flip = (der: Uint8Array): Uint8Array => {
        const { tbs, signature } = openCertificate(der);
        const rs = signatureIntegers(signature);
        const s = N - bigint(rs.subarray(48));
        const algorithm = new Uint8Array(Buffer.from("300a06082a8648ce3d040303", "hex"));
        return sequence(tbs, algorithm, bitString(0, sequence(integer(rs.subarray(0, 48)), integer(bytes48(s)))));
      };
      const { document } = forge({ certificates: { 3: { der: flip } } });
      expect(openNitro(document, root).keys.slice(0, 4)).to.deep.equal(openNitro(forged.document, root).keys.slice(0, 4));
      expect(await says(document, 4)).to.equal("ok");
      // High s is as good as low s on the way in.
      expect(await judges.verdict(document)).to.equal("ok");
    });

    it("should not serve the same certificate under another parent", async () => {
      await send(forge().document);
      // The zone's signed bytes stay the same; its region is another certificate with the same name and key.
      const { document } = forge({ certificates: { 1: { options: { serial: Uint8Array.of(9) } } } });
      for (const first of [2, 3, 4]) expect(await says(document, first)).to.equal("NitroNotCached");
    });

    it("pitfall 6: should not let a remembered leaf act as an authority, nor an authority as a leaf", async () => {
      const { document } = forge();
      await send(document, 1, true);
      const deeper = forge({ length: 6, certificates: leafAsAuthority() });
      expect(openNitro(deeper.document, root).keys[4]).to.equal(openNitro(document, root).keys[4]);
      expect(await judges.contractVerdict(deeper.document, "0x0500")).to.equal("NitroRole");
      const [top, region, zone, host] = forge().chain.map(cborBytes) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
      const bundle = withField("cabundle", cborArray([top, region, zone]));
      const shallow = forge({ entries: (entries) => withField("certificate", host)(bundle(entries)) });
      expect(await judges.contractVerdict(shallow.document, "0x0400")).to.equal("NitroRole");
    });
  });

  describe("when a chain is longer than the signature kernel's batch", () => {
    it("should be remembered in two calls, and then verified, with the real kernel", async () => {
      const { document } = forge({ length: 8 });
      const { verifier } = await deployWithKernel(judges.connection, root);
      const cap = { gasLimit: 16_777_216n };
      const [first, ...others] = await buildRememberCalls(document, { root });
      expect(others).to.deep.equal([]);
      await verifier.remember(first!.evidence, first!.hints, cap);
      const readRecords = async (keys: readonly Hex[]) => (await verifier.records([...keys])).map(({ role }) => ({ role: Number(role) }));
      const call = await buildNitroCall(document, { root, readRecords });
      expect(call.first).to.equal(6);
      await verifier.verify(call.evidence, call.hints, cap);
      expect(await buildRememberCalls(document, { root, readRecords })).to.deep.equal([]);
    });

    it("should remember part of a chain, a leaf included, only as far as it is proved", async () => {
      const { document } = forge();
      const { verifier, p384 } = judges.deployed;
      const { keys } = openNitro(document, root);
      await expect(verifier.remember(toHex(document), "0x0103")).to.be.revertedWithCustomError(p384, "P384NotClosed");
      const { statements } = walkChain(openNitro(document, root));
      await p384.accept(encodeStatements(statements.slice(0, 2)));
      await verifier.remember(toHex(document), "0x0103");
      expect(await roles(keys)).to.deep.equal([1, 1, 1, 0, 0]);
      await p384.accept(encodeStatements(statements.slice(2, 4)));
      await verifier.remember(toHex(document), "0x0305");
      expect(await roles(keys)).to.deep.equal([1, 1, 1, 1, 2]);
    });

    it("should refuse a span that is empty, reversed or beyond the chain", async () => {
      const { document } = forge();
      const { verifier } = judges.deployed;
      for (const hints of ["0x", "0x01", "0x0002", "0x0101", "0x0201", "0x0106", "0xffff"]) {
        await expect(verifier.remember(toHex(document), hints)).to.be.revertedWithCustomError(verifier, "NitroHints");
      }
    });
  });

  describe("when a certificate is revoked", () => {
    const revoke = async (forged: Forged, index: number) => {
      const { issuer, serial } = certificateOf(forged, index);
      return judges.deployed.verifier.revoke(toHex(issuer), toHex(serial));
    };

    for (const index of [0, 1, 2, 3, 4]) {
      it(`should refuse every path through certificate ${index}, cached or not, and keep refusing`, async () => {
        const forged = forge();
        await send(forged.document, 1, true);
        await revoke(forged, index);
        for (const first of [1, 2, 3, 4, 5]) {
          expect(await judges.contractVerdict(forged.document, `0x0${first}00`), `first ${first}`).to.equal("NitroRevoked");
        }
        // A new certificate with the same issuer and serial number is the same to a revocation list.
        const again = forge({ certificates: { [index]: { options: { notBefore: NOW - 77 } } } });
        if (index > 0) expect(await judges.contractVerdict(again.document)).to.equal("NitroRevoked");
      });
    }

    it("should let paths beside it serve, compared anew once", async () => {
      const forged = forge();
      const beside = forge({ certificates: { 3: { options: { serial: Uint8Array.of(9) } } } });
      await send(forged.document);
      await send(beside.document, 3);
      await revoke(forged, 3);
      expect(await judges.contractVerdict(forged.document, "0x0400")).to.equal("NitroRevoked");
      const { verifier } = judges.deployed;
      const key = openNitro(beside.document, root).keys[3] as Hex;
      expect((await verifier.records([key]))[0]!.revocationEpoch).to.equal(1n);
      await send(beside.document, 4);
      expect((await verifier.records([key]))[0]!.revocationEpoch).to.equal(2n);
      expect(await verifier.revocationEpoch()).to.equal(2n);
    });

    it("should serve again after it was restored", async () => {
      const forged = forge();
      await send(forged.document);
      await revoke(forged, 2);
      const id = certificateId(certificateOf(forged, 2));
      expect(await judges.deployed.verifier.isRevoked(id)).to.equal(true);
      await judges.deployed.verifier.restore(id);
      expect(await says(forged.document, 4)).to.equal("ok");
    });

    it("should say so when there is nothing to do", async () => {
      const forged = forge();
      const { verifier } = judges.deployed;
      const id = certificateId(certificateOf(forged, 2));
      await expect(verifier.restore(id)).to.be.revertedWithCustomError(verifier, "NitroNotRevoked").withArgs(id);
      await expect(revoke(forged, 2)).to.emit(verifier, "CertificateRevoked");
      await expect(revoke(forged, 2)).to.be.revertedWithCustomError(verifier, "NitroAlreadyRevoked").withArgs(id);
    });

    it("should take the word of the access manager only", async () => {
      const { ethers } = judges.connection;
      const [, stranger] = await ethers.getSigners();
      const verifier = judges.deployed.verifier.connect(stranger!);
      await expect(verifier.revoke("0x30", "0x01")).to.be.revertedWithCustomError(verifier, "AccessManagedUnauthorized");
      const id: Hex = `0x${"00".repeat(32)}`;
      await expect(verifier.restore(id)).to.be.revertedWithCustomError(verifier, "AccessManagedUnauthorized");
    });
  });

  /** The chain of five, and below its leaf another certificate that the leaf issues. */
  function leafAsAuthority(): NonNullable<Forgery["certificates"]> {
    const leaf = { subject: name("leaf"), authority: undefined };
    return {
      1: { options: { authority: { pathLength: 2 } } },
      2: { options: { authority: { pathLength: 1 } } },
      3: { options: { authority: { pathLength: 0 } } },
      4: { options: { ...leaf, issuer: name("instance") } as never },
      5: { options: { issuer: name("leaf") } },
    };
  }
});
