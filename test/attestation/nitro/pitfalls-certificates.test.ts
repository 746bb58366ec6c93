/** Pitfalls 6 to 10 of docs/attestation/pitfalls.md: the certificates. Each is put to the contract and to its twin. */
import { expect } from "chai";

import {
  basicConstraints,
  extension,
  extensions,
  generateKey,
  keyUsage,
  name,
  publicKeyOf,
} from "../../../keepers/attestation/development/certificate.ts";
import type { TbsParts } from "../../../keepers/attestation/development/certificate.ts";
import { bitString, concat, element, octetString, sequence, utcTime } from "../../../keepers/attestation/development/der.ts";
import { cborArray, cborBytes } from "../../../keepers/attestation/development/document.ts";
import { DAY, NOW, forge, forgedRoot, utf8, withField } from "./forge.ts";
import type { CertificateEdit, Forgery } from "./forge.ts";
import { Judges } from "./judges.ts";

const root = forgedRoot();
const raw = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const LEAF = 4;
const HOST = 3;

describe("Nitro pitfalls: certificates", () => {
  let judges: Judges;
  before(async () => {
    judges = await Judges.at(NOW, root);
  });

  const says = async (forgery: Forgery): Promise<string> => judges.verdict(forge(forgery).document);
  const edited = (index: number, edit: CertificateEdit): Promise<string> => says({ certificates: { [index]: edit } });
  const part = (index: number, change: (parts: TbsParts) => Partial<TbsParts>): Promise<string> => edited(index, { parts: change });
  const listed = (index: number, ...list: Uint8Array[]): Promise<string> => part(index, () => ({ extensions: extensions(...list) }));
  const authority = (pathLength = 0): Uint8Array[] => [basicConstraints({ pathLength }), keyUsage(true)];

  describe("pitfall 6: roles, path lengths, usage, critical extensions, issuer (Marlin: any leaf was an authority; base PR 43)", () => {
    it("wants every authority to be one and to sign certificates", async () => {
      expect(await listed(HOST, basicConstraints(undefined), keyUsage(true))).to.equal("X509NotAuthority");
      expect(await listed(HOST, keyUsage(true))).to.equal("X509NotAuthority");
      expect(await listed(HOST, basicConstraints({ pathLength: 0 }))).to.equal("X509NotAuthority");
      expect(await listed(HOST, basicConstraints({ pathLength: 0 }), keyUsage(false))).to.equal("X509NotAuthority");
      expect(await part(HOST, () => ({ extensions: new Uint8Array() }))).to.equal("X509NotAuthority");
    });

    it("refuses a leaf that acts as an authority, and an authority that acts as a leaf", async () => {
      expect(await edited(HOST, { options: { authority: undefined as never } })).to.equal("X509NotAuthority");
      expect(await edited(LEAF, { options: { authority: {} } })).to.equal("X509NotLeaf");
      expect(await listed(LEAF, basicConstraints(undefined))).to.equal("X509NotLeaf");
      const noSigning = extension("2.5.29.15", true, bitString(1, raw("06")));
      expect(await listed(LEAF, basicConstraints(undefined), noSigning)).to.equal("X509NotLeaf");
    });

    it("accepts a leaf with the key usage that AWS writes, critical or not, and without basic constraints", async () => {
      expect(await listed(LEAF, basicConstraints(undefined), extension("2.5.29.15", false, bitString(6, raw("c0"))))).to.equal("ok");
      expect(await listed(LEAF, keyUsage(false))).to.equal("ok");
      expect(await listed(LEAF, keyUsage(false), basicConstraints(undefined))).to.equal("ok");
    });

    it("counts authorities down from every path length above", async () => {
      for (let length = 2; length <= 8; length++) expect(await says({ length })).to.equal("ok");
      expect(await says({ length: 9 })).to.equal("CborTooMany");
      expect(await edited(1, { options: { authority: { pathLength: 1 } } })).to.equal("NitroPathLength");
      expect(await edited(2, { options: { authority: { pathLength: 0 } } })).to.equal("NitroPathLength");
      // A child may not give itself more than its parent has left, nor forget the limit.
      const open = { 1: { options: { authority: {} } }, 2: { options: { authority: {} } }, 3: { options: { authority: {} } } };
      expect(await says({ certificates: { ...open, 1: { options: { authority: { pathLength: 1 } } } } })).to.equal("NitroPathLength");
      expect(await says({ certificates: open })).to.equal("ok");
    });

    it("reads a path length strictly", async () => {
      const constraints = (hex: string): Uint8Array => extension("2.5.29.19", true, raw(hex));
      const path = (hex: string): Promise<string> => listed(HOST, constraints(hex), keyUsage(true));
      expect(await path("30060101ff020100")).to.equal("ok");
      expect(await path("30060101ff02017f")).to.equal("ok");
      expect(await path("30070101ff02020080")).to.equal("X509PathLength");
      expect(await path("30070101ff02020100")).to.equal("X509PathLength");
      expect(await path("30060101ff0201ff")).to.equal("DerInteger");
      expect(await path("30070101ff02020000")).to.equal("DerInteger");
      expect(await path("30050101ff0200")).to.equal("DerInteger");
      expect(await path("3003020100")).to.equal("X509PathLength");
      expect(await path("30090101ff020100020100")).to.equal("DerTrailing");
    });

    it("refuses a critical extension that it does not know, walks over one that is not critical", async () => {
      const unknown = (critical: boolean): Uint8Array => extension("1.3.6.1.4.1.99999.1", critical, raw("0500"));
      for (const index of [1, HOST]) {
        expect(await listed(index, ...authority(2), unknown(false))).to.equal("ok");
        expect(await listed(index, ...authority(2), unknown(true))).to.equal("X509CriticalExtension");
      }
      expect(await listed(LEAF, keyUsage(false), unknown(true))).to.equal("X509CriticalExtension");
      // Name constraints are critical, and nobody here would honour them.
      expect(await listed(HOST, ...authority(), extension("2.5.29.30", true, raw("3000")))).to.equal("X509CriticalExtension");
      expect(await listed(HOST, ...authority(), extension("2.5.29.14", false, raw("0400")))).to.equal("ok");
    });

    it("refuses an extension that appears twice", async () => {
      expect(await listed(HOST, ...authority(), ...authority())).to.equal("X509DuplicateExtension");
      const key = extension("2.5.29.14", false, raw("0400"));
      expect(await listed(HOST, ...authority(), key, key)).to.equal("X509DuplicateExtension");
    });

    it("wants the issuer's name to be that of the certificate above, byte for byte", async () => {
      for (const index of [1, 2, HOST, LEAF]) {
        expect(await edited(index, { options: { issuer: name("stranger") } })).to.equal("NitroIssuer");
      }
    });

    it("refuses a certificate that another key signed", async () => {
      for (const index of [1, 2, HOST, LEAF]) expect(await edited(index, { signer: generateKey() })).to.equal("NitroSignature");
    });
  });

  describe("pitfall 7: strict DER, dates that exist (Cantina 2025 3.1.3, 3.2.1, 3.2.2; 2026 3.2.2 to 3.2.10)", () => {
    it("refuses lengths that are indefinite, not minimal, or past the parent", async () => {
      const serial = (hex: string): Promise<string> => part(HOST, () => ({ serial: raw(hex) }));
      expect(await serial("02810101")).to.equal("DerLength");
      expect(await serial("0282000101")).to.equal("DerLength");
      expect(await serial("02800100")).to.equal("DerLength");
      expect(await serial("0283000001")).to.equal("DerLength");
      expect(await serial("027f01")).to.not.equal("ok");
      expect(await edited(HOST, { tbs: (tbs) => concat(raw("3083"), Uint8Array.of(0), tbs.subarray(2)) })).to.not.equal("ok");
      expect(await edited(HOST, { der: (der) => concat(der.subarray(0, -1)) })).to.equal("DerTruncated");
      expect(await edited(HOST, { der: (der) => concat(der, raw("00")) })).to.equal("DerTrailing");
    });

    it("refuses integers that are padded, negative, empty or too long", async () => {
      const serial = (hex: string): Promise<string> => part(HOST, () => ({ serial: raw(hex) }));
      expect(await serial("02020001")).to.equal("DerInteger");
      expect(await serial("020180")).to.equal("DerInteger");
      expect(await serial("0200")).to.equal("DerInteger");
      expect(await serial(`0215${"11".repeat(21)}`)).to.equal("X509Serial");
      expect(await serial(`0214${"11".repeat(20)}`)).to.equal("ok");
      expect(await serial("02020080")).to.equal("ok");
      expect(await serial("020100")).to.equal("ok");
    });

    it("knows one true and does not write the default", async () => {
      const critical = (hex: string): Promise<string> =>
        listed(HOST, ...authority(), sequence(raw(`0603551d0e${hex}`), octetString(raw("0400"))));
      expect(await critical("010101")).to.equal("DerBoolean");
      expect(await critical("010100")).to.equal("DerBoolean");
      expect(await critical("0102ffff")).to.equal("DerBoolean");
      expect(await listed(HOST, extension("2.5.29.19", true, raw("3003010101")), keyUsage(true))).to.equal("DerBoolean");
      expect(await listed(LEAF, extension("2.5.29.19", true, raw("3003010100")), keyUsage(false))).to.equal("DerBoolean");
    });

    it("reads key usage as a list of named bits", async () => {
      const usage = (hex: string): Promise<string> => listed(LEAF, extension("2.5.29.15", false, raw(hex)));
      expect(await usage("03020780")).to.equal("ok");
      expect(await usage("03030780" + "80")).to.equal("ok");
      for (const bad of ["030100", "03020880", "03020680", "03020781", "030207", "0302078000", "030300800000", "03040080008001"]) {
        expect(await usage(bad), bad).to.be.oneOf(["DerBitString", "DerTrailing", "DerTruncated"]);
      }
    });

    it("refuses days that do not exist and times that are written otherwise", async () => {
      const spans = (from: string, to: string, tag = 0x17): Promise<string> =>
        part(HOST, () => ({ validity: sequence(element(tag, utf8(from)), element(tag, utf8(to))) }));
      expect(await spans("260101000000Z", "280229235959Z")).to.equal("ok");
      expect(await spans("20260101000000Z", "20990101000000Z", 0x18)).to.equal("ok");
      expect(await spans("700101000000Z", "491231235959Z")).to.equal("ok");
      for (const bad of [
        "280230000000Z",
        "270229000000Z",
        "280431000000Z",
        "280001000000Z",
        "281301000000Z",
        "280100000000Z",
        "280132000000Z",
        "280101240000Z",
        "280101006000Z",
        "280101000060Z",
        "2801010000Z",
        "280101000000",
        "280101000000+",
        "280101000000z",
        "28010100000aZ",
        "2801010000 0Z",
        "28010100000/Z",
        "28010100000:Z",
        "280101000000.5Z",
        "280101000000+0000",
        "690101000000Z",
        "500101000000Z",
      ]) {
        expect(await spans("260101000000Z", bad), bad).to.equal("DerTime");
      }
      for (const bad of ["21000229000000Z", "20280230000000Z", "280101000000Z", "20280101000000.5Z", "19690101000000Z"]) {
        expect(await spans("20260101000000Z", bad, 0x18), bad).to.equal("DerTime");
      }
      expect(await spans("20000229000000Z", "24000229000000Z", 0x18)).to.equal("ok");
      expect(await spans("260101000000Z", "280101000000Z", 0x16)).to.equal("DerTag");
    });

    it("wants children to fill their parents", async () => {
      const more = raw("0500");
      expect(await part(HOST, () => ({ validity: sequence(utcTime(NOW), utcTime(NOW + DAY), more) }))).to.equal("DerTrailing");
      expect(await part(HOST, () => ({ validity: sequence(utcTime(NOW)) }))).to.equal("DerTruncated");
      expect(await part(HOST, ({ extensions: all }) => ({ extensions: concat(all, more) }))).to.equal("DerTrailing");
      expect(await part(HOST, () => ({ extensions: element(0xa3, sequence(...authority()), more) }))).to.equal("DerTrailing");
      expect(await listed(HOST, ...authority(), sequence(raw("0603551d0e"), octetString(raw("0400")), more))).to.equal("DerTrailing");
      expect(await listed(HOST, ...authority(), more)).to.equal("DerTag");
      expect(await edited(HOST, { tbs: (tbs) => concat(tbs, more) })).to.equal("X509Algorithm");
      // Unique identifiers, [1] and [2], have been obsolete for decades.
      expect(await part(HOST, ({ extensions: all }) => ({ extensions: concat(raw("8101ff"), all) }))).to.equal("DerTag");
    });

    it("wants version 3, ECDSA with SHA-384 twice, and a key on P-384", async () => {
      for (const version of ["", "a003020101", "a003020100", "a003020103", "a1030201" + "02"]) {
        expect(await part(HOST, () => ({ version: raw(version) })), version).to.equal("X509Version");
      }
      for (const other of ["300a06082a8648ce3d040302", "300c06082a8648ce3d0403030500", "300d06092a864886f70d01010c0500"]) {
        expect(await part(HOST, () => ({ algorithm: raw(other) })), other).to.equal("X509Algorithm");
        const outer = /300a06082a8648ce3d040303(?=03)/;
        const swap = (der: Uint8Array): Uint8Array => raw(Buffer.from(der).toString("hex").replace(outer, other));
        expect(await edited(HOST, { der: swap })).to.not.equal("ok");
      }
      const p256 = "3059301306072a8648ce3d020106082a8648ce3d030107034200" + "04".repeat(65);
      const compressed = `3046301006072a8648ce3d020106052b81040022033200${"02".repeat(49)}`;
      for (const key of [p256, compressed]) expect(await part(LEAF, () => ({ publicKey: raw(key) }))).to.equal("X509PublicKey");
    });
  });

  describe("pitfall 8: time on every element (Cantina 2026 3.2.8)", () => {
    it("refuses what has ended or not begun, wherever in the chain", async () => {
      for (const index of [1, 2, HOST, LEAF]) {
        expect(await edited(index, { options: { notAfter: NOW - 1 } })).to.equal("NitroExpired");
        expect(await edited(index, { options: { notBefore: NOW + DAY } })).to.equal("NitroNotYetValid");
      }
    });
  });

  describe("pitfall 9: the root is pinned by its hash (2 foreign-root vectors)", () => {
    it("refuses another root with the same name, the same key, or the same everything but a signature", async () => {
      expect(await edited(0, { options: { serial: raw("77") } })).to.equal("NitroForeignRoot");
      expect(await edited(0, { options: { publicKey: publicKeyOf(generateKey()) } })).to.equal("NitroForeignRoot");
      expect(await edited(0, { parts: () => ({}) })).to.equal("NitroForeignRoot");
    });

    it("refuses a bundle that begins lower, or in another order", async () => {
      const { chain } = forge();
      const bundle = (...indices: number[]): Forgery => ({
        certificates: {},
        entries: withField("cabundle", cborArray(indices.map((index) => cborBytes(chain[index] as Uint8Array)))),
      });
      expect(await says(bundle(1, 2, 3))).to.equal("NitroForeignRoot");
      expect(await says(bundle(3, 2, 1, 0))).to.equal("NitroForeignRoot");
      expect(await says(bundle(0, 2, 1, 3))).to.equal("NitroIssuer");
      expect(await says(bundle(0, 1, 3))).to.equal("NitroIssuer");
      expect(await says(bundle(0))).to.equal("NitroIssuer");
    });
  });

  describe("pitfall 10: curve facts (base: coordinates below p; a 192-byte r overwrote the key)", () => {
    it("refuses a coordinate that is not below the field's prime", async () => {
      const p = "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff";
      const spki = "3076301006072a8648ce3d020106052b8104002203620004";
      const one = "00".repeat(47) + "01";
      for (const key of [p + one, one + p, "ff".repeat(48) + one]) {
        expect(await part(LEAF, () => ({ publicKey: raw(spki + key) }))).to.equal("X509KeyNotReduced");
      }
      const below = p.slice(0, -2) + "fe";
      expect(await part(LEAF, () => ({ publicKey: raw(spki + below + one) }))).to.equal("NitroSignature");
    });

    it("refuses r and s that are longer than the curve's order, before they reach the kernel", async () => {
      let tbs = new Uint8Array();
      const algorithm = raw("300a06082a8648ce3d040303");
      const signed = (r: Uint8Array, s: Uint8Array): Promise<string> =>
        edited(HOST, {
          tbs: (bytes) => (tbs = Uint8Array.from(bytes)),
          der: () => sequence(tbs, algorithm, bitString(0, sequence(element(2, r), element(2, s)))),
        });
      const small = raw("01");
      expect(await signed(small, small)).to.equal("NitroSignature");
      expect(await signed(new Uint8Array(49).fill(1), small)).to.equal("X509Signature");
      expect(await signed(small, new Uint8Array(192).fill(1))).to.equal("X509Signature");
      expect(await signed(concat(raw("00"), new Uint8Array(48).fill(0xff)), small)).to.equal("NitroSignature");
      expect(await signed(raw("00"), small)).to.equal("NitroSignature");
    });
  });
});
