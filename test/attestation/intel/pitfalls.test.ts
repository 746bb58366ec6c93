/** Pitfalls 10, 12, 13, 16, 18 and 19 of docs/attestation/pitfalls.md: quotes. Each is put to the contract and to its twin. */
import { expect } from "chai";
import { network } from "hardhat";

import { concat } from "../../../keepers/attestation/development/der.ts";
import { newKey, rawKey, sgxExtension, signRaw } from "../../../keepers/attestation/development/intel.ts";
import type { CertificateParts, Issued } from "../../../keepers/attestation/development/intel.ts";
import { collateralCalls, joinEvidence, reportDataFor } from "../../../sdk/attestation/intel/index.ts";
import type { QuoteParts } from "../../../sdk/attestation/intel/index.ts";
import { toHex } from "../../../sdk/attestation/nitro/index.ts";
import type { IntelChain } from "./chain.ts";
import { DAY, N, NOW, bytes, evidenceOf, flipped, fresh, good, patched, pckDraft, platform, withBody } from "./pitfalls.ts";

describe("Intel pitfalls", () => {
  let chain: IntelChain;
  const says = (parts: QuoteParts): Promise<string> => chain.verdict(joinEvidence(parts));
  const sealed = (draft: QuoteParts): Promise<string> => says(platform.seal(draft));
  const pck = (edit: (parts: CertificateParts) => Partial<CertificateParts>, issued: Partial<Issued> = {}): Promise<string> =>
    sealed(pckDraft(edit, issued));

  before(async () => {
    chain = await fresh();
  });

  it("pitfall 10: both values of s pass in quote, QE report and PCK; r and s have a range (18 of 35 real quotes have high s)", async () => {
    const parts = good();
    for (const place of ["signature", "qeSignature", "pckSignature"] as const) {
      expect(await says({ ...parts, [place]: flipped(parts[place]) })).to.equal("ok");
      for (const bad of ["00".repeat(64), "00".repeat(32) + "11".repeat(32), "ff".repeat(64), N.toString(16) + "11".repeat(32)]) {
        expect(await says({ ...parts, [place]: bytes(bad) })).to.match(/Signature$/);
      }
    }
    const p = bytes("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    const head = bytes("3059301306072a8648ce3d020106082a8648ce3d03010703420004");
    const spki = (x: Uint8Array): Uint8Array => concat(head, x, new Uint8Array(32).fill(1));
    expect(await pck(() => ({ publicKey: spki(p) }))).to.equal("X509KeyNotReduced");
    expect(await pck(() => ({ publicKey: spki(new Uint8Array(32)) }))).to.equal("TdxQeSignature");
  });

  it("pitfall 12: without 0x100 it computes, and no silence passes for a yes (EIP-7951)", async () => {
    const { ethers, networkHelpers, provider } = await network.create({
      network: "default",
      override: { hardfork: "prague", initialDate: new Date((NOW - 60) * 1000).toISOString() },
    });
    const statements = await ethers.deployContract("IntelStatements");
    const collateral = await ethers.deployContract("IntelCollateral", [platform.root, statements]);
    const verifier = await ethers.deployContract("TdxVerifier", [collateral]);
    expect(await verifier.NATIVE()).to.equal(false);
    await networkHelpers.time.increaseTo(NOW);
    const [sender] = await ethers.getSigners();
    for (const { functionName, args } of collateralCalls(platform.bundle())) {
      const data = collateral.interface.encodeFunctionData(functionName as "upsertCrl", args as unknown as [string]);
      await (await sender!.sendTransaction({ to: await collateral.getAddress(), data, gasLimit: 16_777_216n })).wait();
    }
    const parts = good();
    const call = async (evidence: QuoteParts): Promise<unknown> => {
      const data = verifier.interface.encodeFunctionData("verify", [toHex(joinEvidence(evidence)), "0x"]);
      return provider.request({ method: "eth_call", params: [{ to: await verifier.getAddress(), data, gas: "0xffffff" }, "latest"] });
    };
    await call(parts);
    await call({ ...parts, signature: flipped(parts.signature) });
    for (const [place, name] of [
      ["signature", "TdxQuoteSignature"],
      ["qeSignature", "TdxQeSignature"],
      ["pckSignature", "TdxPckSignature"],
    ] as const) {
      const refusal: unknown = await call({ ...parts, [place]: patched(parts[place], 5, 0x77, 0x66) }).catch((error: unknown) => error);
      expect(String(refusal)).to.contain(name);
    }
    expect(await chain.deployed.verifier.NATIVE()).to.equal(true);
  });

  it("pitfall 13: debug is seen, in each of its bits, and is another image (Taiko, June 2026)", async () => {
    const plain = await chain.attestation(joinEvidence(good()));
    expect(plain.debug).to.equal(false);
    for (const bit of [0x01, 0x02, 0x80]) {
      const found = await chain.attestation(evidenceOf(withBody(platform.draft(), 120, bit)));
      expect(found.debug).to.equal(true);
      expect(found.imageId).to.not.equal(plain.imageId);
    }
    // Every measured field is in the image's name: MRTD, RTMRs, attributes, XFAM, configuration and owners.
    for (const at of [123, 127, 128, 135, 136, 183, 184, 231, 232, 280, 327, 328, 376, 424, 472, 519]) {
      const found = await chain.attestation(evidenceOf(withBody(platform.draft(), at, 0xee)));
      expect(found.imageId, `byte ${at}`).to.not.equal(plain.imageId);
    }
    const service = platform.draft({ version: 5 });
    const [without, with_] = [service, withBody(service, 600, 1)].map(evidenceOf);
    const imageOf = async (evidence: Uint8Array): Promise<string> => (await chain.attestation(evidence)).imageId;
    const images = await Promise.all([without, with_].map((evidence) => imageOf(evidence as Uint8Array)));
    expect(images[0]).to.equal(plain.imageId);
    expect(images[1]).to.not.equal(images[0]);
  });

  it("pitfall 16: report data has one form per use: three hashes under a type, or 64 bytes as they are", async () => {
    const zero = `0x${"00".repeat(32)}` as const;
    const claims = { publicKeyHash: zero, userDataHash: zero, nonceHash: zero };
    const reportData = reportDataFor(claims);
    const parts = platform.seal(platform.draft({ reportData }));
    expect(await says({ ...parts, claims: new Uint8Array(96) })).to.equal("ok");
    // The second half must be empty, or two readings would name one quote.
    const tail = platform.seal(platform.draft({ reportData: patched(reportData, 63, 1) }));
    expect(await says({ ...tail, claims: new Uint8Array(96) })).to.equal("TdxClaims");
    for (const length of [1, 32, 64, 95, 97, 128]) {
      expect(await says({ ...parts, claims: new Uint8Array(length) })).to.equal("TdxLength");
    }
  });

  describe("pitfall 18: body, module, levels", () => {
    it("reads version 5 by its descriptor, and no other size or type", async () => {
      const draft = platform.draft({ version: 5 });
      for (const [type, size] of [[1, 648], [2, 648], [3, 584], [4, 648], [3, 649], [0x103, 648]] as const) {
        const signed = patched(draft.signed, 48, type & 0xff, type >> 8, size & 0xff, size >> 8, 0, 0);
        expect(await sealed({ ...draft, signed }), `${type} ${size}`).to.equal("TdxBody");
      }
      for (const [version, tee] of [[2, 0x81], [3, 0x81], [6, 0x81], [4, 0x82], [4, 1]] as const) {
        const signed = patched(platform.draft().signed, 0, version, 0, 2, 0, tee);
        expect(await sealed({ ...platform.draft(), signed }), `${version} ${tee}`).to.equal("TdxVersion");
      }
      expect(await sealed({ ...platform.draft(), signed: patched(platform.draft().signed, 2, 3) })).to.equal("TdxKeyType");
      expect(await sealed({ ...platform.draft(), signed: patched(platform.draft().signed, 12, 0) })).to.equal("TdxVendor");
    });

    it("wants Intel's module in production: MRSIGNERSEAM and SEAMATTRIBUTES are zero, every byte", async () => {
      for (const at of [64, 87, 88, 111, 112, 119]) expect(await sealed(withBody(platform.draft(), at, 1)), `${at}`).to.equal("TdxModule");
    });

    it("judges the module by its version, and an unknown version not at all", async () => {
      const status = async (svn: number, version: number): Promise<bigint> =>
        (await chain.attestation(evidenceOf(withBody(platform.draft(), 0, svn, version)))).tcbStatus;
      expect(await status(5, 1)).to.equal(0n);
      expect(await status(4, 1)).to.equal(4n);
      expect(await status(1, 1)).to.equal(7n);
      expect(await sealed(withBody(platform.draft(), 0, 5, 9))).to.equal("IntelModuleUnknown");
    });

    it("takes the first level that is reached in all components, and calls less than all of them unsupported", async () => {
      const level = (values: number[], pcesvn: number, status: string, tdx: number[] = []) => {
        const fill = (list: number[]): number[] => [...list, ...new Array<number>(16 - list.length).fill(0)];
        return { sgx: fill(values), tdx: fill(tdx), pcesvn, status };
      };
      // The platform has components 3, 3, 3, PCE 13; the quote TDX 5, 1, 2.
      const cases: [ReturnType<typeof level>[], number][] = [
        [[level([3, 3, 3], 13, "UpToDate")], 0],
        [[level([3, 4], 13, "UpToDate"), level([3, 3], 13, "SWHardeningNeeded")], 1],
        [[level([3, 3, 3], 14, "UpToDate"), level([1], 5, "OutOfDate")], 4],
        [[level([3], 1, "UpToDate", [99, 99, 3]), level([3], 1, "ConfigurationNeeded", [99, 99, 2])], 2],
        [[level([0, 0, 0, 1], 0, "UpToDate")], 7],
        [[level([], 0, "UpToDate", [0, 0, 0, 1])], 7],
      ];
      for (const [levels, expected] of cases) {
        const qe = platform.statement("qeIdentity", platform.qeIdentity());
        const on = await fresh([platform.statement("tcbInfo", platform.tcbInfo(levels)), qe]);
        const evidence = joinEvidence(good());
        expect(await on.verdict(evidence)).to.equal("ok");
        expect((await on.attestation(evidence)).tcbStatus).to.equal(BigInt(expected));
        expect((await on.twinVerdict(evidence)).verified?.attestation.tcbStatus).to.equal(expected);
      }
    });

    it("refuses bytes behind the evidence, and evidence that ends early", async () => {
      const evidence = joinEvidence(good());
      expect(await chain.verdict(concat(evidence, bytes("00")))).to.equal("TdxLength");
      for (const length of [0, 10, 54, 55, 700, 1_300, evidence.length - 1]) {
        expect(await chain.contractVerdict(evidence.subarray(0, length)), `${length}`).to.not.equal("ok");
        expect((await chain.twinVerdict(evidence.subarray(0, length))).verdict, `${length}`).to.not.equal("ok");
      }
    });

    it("wants the SGX extension once, whole and in its profile's form", async () => {
      const without = (parts: CertificateParts) => ({ extensions: parts.extensions.slice(0, 4) });
      expect(await pck(without)).to.equal("TdxNoSgxExtension");
      const twice = ({ extensions }: CertificateParts) => ({ extensions: [...extensions, extensions[4] as Uint8Array] });
      expect(await pck(twice)).to.equal("X509DuplicateExtension");
      const { claims } = platform;
      const bad = [
        sgxExtension({ ...claims, cpuSvn: claims.cpuSvn.slice(1) }),
        sgxExtension({ ...claims, cpuSvn: claims.cpuSvn.map((svn, index) => (index === 2 ? 256 : svn)) }),
        sgxExtension({ ...claims, fmspc: new Uint8Array(5) }),
        sgxExtension({ ...claims, pceId: new Uint8Array(3) }),
      ];
      for (const sgx of bad) expect(await pck(() => ({}), { sgx })).to.equal("TdxSgxExtension");
      expect(await pck(() => ({}), { notAfter: NOW - 1 })).to.equal("TdxPckExpired");
      expect(await pck(() => ({}), { notBefore: NOW + DAY })).to.equal("TdxPckNotYetValid");
      expect(await pck(() => ({}), { authority: true })).to.equal("X509NotLeaf");
    });
  });

  describe("pitfall 19: the quoting enclave", () => {
    it("is Intel's, by signer, product, attributes and MISCSELECT, and not in debug mode", async () => {
      const qe = (at: number, ...values: number[]): Promise<string> =>
        sealed({ ...platform.draft(), qeReport: patched(platform.draft().qeReport, at, ...values) });
      expect(await qe(128, 0xdd)).to.equal("IntelQeIdentity");
      expect(await qe(256, 1)).to.equal("IntelQeIdentity");
      expect(await qe(16, 1)).to.equal("IntelQeIdentity");
      expect(await qe(48, 0x11)).to.equal("ok"); // the mask leaves this bit open
      expect(await qe(48, 0x35)).to.equal("IntelQeIdentity");
      expect(await qe(48, 0x17)).to.equal("TdxQeDebug");
      const old = evidenceOf({ ...platform.draft(), qeReport: patched(platform.draft().qeReport, 258, 3) });
      expect((await chain.attestation(old)).tcbStatus).to.equal(7n);
    });

    it("vouches for the key and the authentication data, whatever their length", async () => {
      for (const length of [0, 1, 31, 33, 500]) {
        expect(await sealed({ ...platform.draft(), auth: new Uint8Array(length).fill(3) })).to.equal("ok");
      }
      const parts = good();
      expect(await says({ ...parts, auth: patched(parts.auth, 0, 0xff) })).to.equal("TdxAttestationKey");
      expect(await says({ ...parts, auth: parts.auth.subarray(1) })).to.equal("TdxAttestationKey");
      const key = newKey();
      const other = { ...parts, attestationKey: rawKey(key), signature: signRaw(parts.signed, key) };
      expect(await says(other)).to.equal("TdxAttestationKey");
      const { qeReport } = platform.seal({ ...parts, attestationKey: rawKey(key) });
      expect(await says({ ...other, qeReport })).to.equal("TdxQeSignature");
      expect(await sealed({ ...platform.draft(), qeReport: patched(platform.draft().qeReport, 383, 1) })).to.equal("TdxAttestationKey");
    });
  });
});
