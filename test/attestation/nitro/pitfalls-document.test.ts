/** Pitfalls 1 to 5 and 13 to 16 of docs/attestation/pitfalls.md: the document. Each is put to the contract and to its twin. */
import { expect } from "chai";

import { concat } from "../../../keepers/attestation/development/der.ts";
import {
  cborArray,
  cborBytes,
  cborMap,
  cborNull,
  cborOpenMap,
  cborText,
  cborUint,
  head,
} from "../../../keepers/attestation/development/document.ts";
import { keccakHex, toHex, verifyNitro } from "../../../sdk/attestation/nitro/index.ts";
import { NOW, forge, forgedRoot, standardEnvelope, standardPcrs, withField } from "./forge.ts";
import type { Entry, EnvelopeParts, Forgery } from "./forge.ts";
import { Judges } from "./judges.ts";

const root = forgedRoot();
const BREAK = Uint8Array.of(0xff);
const raw = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const openArray = (items: readonly Uint8Array[]): Uint8Array => concat(Uint8Array.of(0x9f), ...items, BREAK);
const pcrEntries = (pcrs: ReadonlyMap<number, Uint8Array>): Entry[] =>
  [...pcrs].map(([index, value]) => [cborUint(index), cborBytes(value)] as const);

describe("Nitro pitfalls: the document", () => {
  let judges: Judges;
  before(async () => {
    judges = await Judges.at(NOW, root);
  });

  const says = async (forgery: Forgery): Promise<string> => judges.verdict(forge(forgery).document);
  const payload = (bytes: Uint8Array): Forgery => ({ payload: () => bytes });
  const field = (key: string, value: Uint8Array | undefined): Forgery => ({ entries: withField(key, value) });
  const envelope = (make: (parts: EnvelopeParts) => Uint8Array): Forgery => ({ envelope: make });

  describe("pitfall 1: an indefinite map since 2025; reserved lengths and floats (base PR 40, 45, 48; Cantina 2025 3.1.2)", () => {
    it("accepts definite and indefinite maps and arrays alike", async () => {
      expect(await says({})).to.equal("ok");
      const { entries } = await parts();
      expect(await says(payload(cborMap(entries)))).to.equal("ok");
      expect(await says(field("pcrs", cborOpenMap(pcrEntries(standardPcrs()))))).to.equal("ok");
      const open = (entry: Entry): Entry => [entry[0], concat(Uint8Array.of(0x9f), entry[1].subarray(1), BREAK)];
      const isBundle = ([key]: Entry): boolean => Buffer.from(key).includes("cabundle");
      const bundled = (all: Entry[]): Entry[] => all.map((entry) => (isBundle(entry) ? open(entry) : entry));
      expect(await says({ entries: bundled })).to.equal("ok");
    });

    for (const info of [28, 29, 30]) {
      it(`refuses additional information ${info} at every place`, async () => {
        for (const major of [0, 2, 3, 4, 5, 6, 7]) {
          expect(await says(field("extra", Uint8Array.of((major << 5) | info, 0)))).to.equal("CborReserved");
        }
        expect(await says(payload(concat(Uint8Array.of(0xa0 | info), new Uint8Array(300))))).to.equal("CborReserved");
      });
    }

    it("refuses floats, unassigned simple values, and indefinite numbers", async () => {
      const extra = (hex: string): Promise<string> => says(field("extra", raw(hex)));
      for (const float of ["f93c00", "fa3f800000", "fb3ff0000000000000"]) expect(await extra(float)).to.equal("CborFloat");
      for (const simple of ["e0", "f3", "f818", "f8ff"]) expect(await extra(simple)).to.equal("CborSimple");
      expect(await says(field("extra", raw("1f")))).to.equal("CborReserved");
      expect(await says(field("extra", raw("df00")))).to.equal("CborReserved");
      expect(await says(field("extra", raw("ff")))).to.equal("CborBreak");
    });

    it("bounds nesting and counts", async () => {
      const nested = (depth: number): Uint8Array => concat(new Uint8Array(depth).fill(0x81), Uint8Array.of(0));
      expect(await says(field("extra", nested(7)))).to.equal("ok");
      expect(await says(field("extra", nested(8)))).to.equal("CborTooDeep");
      expect(await says(field("extra", concat(new Uint8Array(400).fill(0xd8), raw("00"))))).to.equal("CborTooDeep");
      expect(await says(field("extra", cborArray(new Array<Uint8Array>(64).fill(cborUint(0)))))).to.equal("ok");
      expect(await says(field("extra", cborArray(new Array<Uint8Array>(65).fill(cborUint(0)))))).to.equal("CborTooMany");
      expect(await says(field("extra", raw("9bffffffffffffffff")))).to.equal("CborTooMany");
      expect(await says(field("extra", raw("5bffffffffffffffff")))).to.equal("CborTruncated");
      const many = Array.from({ length: 24 }, (_, i) => [cborText(`x${i}`), cborNull] as const);
      expect(await says({ entries: (entries) => [...entries, ...many] })).to.equal("CborTooMany");
    });
  });

  describe("pitfall 2: duplicate and unknown fields (Marlin: the last one wins; base: single assignment)", () => {
    it("refuses every field that appears twice, known or not", async () => {
      for (const key of ["module_id", "timestamp", "pcrs", "certificate", "cabundle", "nonce", "digest"]) {
        const again = (entries: Entry[]): Entry[] => entries.filter(([bytes]) => Buffer.from(bytes).includes(key));
        expect(await says({ entries: (entries) => [...entries, ...again(entries)] })).to.equal("NitroDuplicateField");
      }
      const extra: Entry = [cborText("extra"), cborUint(1)];
      expect(await says({ entries: (entries) => [extra, ...entries, extra] })).to.equal("NitroDuplicateField");
    });

    it("walks over unknown fields whole, wherever they stand", async () => {
      const odd = raw("a3" + "01" + "9f0203ff" + "6161" + "7f61626163ff" + "f5" + "d9d9f7" + "5f4101ff");
      expect(await says({ entries: (entries) => [[cborText("extra"), odd], ...entries] })).to.equal("ok");
      expect(await says(field("a name that is longer than any word of the machine", odd))).to.equal("ok");
      expect(await says(field("extra", raw("bf01ff")))).to.equal("CborBreak");
      expect(await says(field("extra", raw("7f4161ff")))).to.equal("CborType");
    });

    it("tells a key from the same key with a zero byte, and wants keys to be text", async () => {
      expect(await says(field("nonce\0", cborNull))).to.equal("ok");
      expect(await says({ entries: (entries) => [...entries, [cborUint(1), cborNull]] })).to.equal("CborType");
    });

    it("refuses what follows the payload's map, the document, or is cut off", async () => {
      expect(await says({ payload: (bytes) => concat(bytes, Uint8Array.of(0)) })).to.equal("CborTrailing");
      expect(await says(envelope((all) => concat(standardEnvelope(all), Uint8Array.of(0))))).to.equal("CborTrailing");
      expect(await says({ payload: (bytes) => bytes.subarray(0, -1) })).to.equal("CborTruncated");
      expect(await says(envelope((all) => standardEnvelope(all).subarray(0, -1)))).to.equal("CborTruncated");
      expect(await judges.verdict(new Uint8Array())).to.equal("CborTruncated");
    });

    it("refuses a number of the signed part that is not in its shortest form", async () => {
      expect(await says(field("timestamp", raw("1b0000000000000001")))).to.equal("CborNotMinimal");
      expect(await says(field("extra", raw("1817")))).to.equal("CborNotMinimal");
      expect(await says(field("extra", raw("590001ff")))).to.equal("CborNotMinimal");
    });
  });

  describe("pitfall 3: the PCR map is sparse (Cantina 2026 3.1.1: PCR8 reverted; Marlin breaks off early)", () => {
    const withPcrs = (indices: readonly number[]): Forgery => ({
      pcrs: new Map(indices.map((i) => [i, new Uint8Array(48).fill(i + 1)])),
    });

    it("accepts 3, 16, 17 and 32 of them, in any order, with gaps", async () => {
      expect(await says(withPcrs([0, 1, 2]))).to.equal("ok");
      expect(await says({ pcrs: standardPcrs(17) })).to.equal("ok");
      expect(await says(withPcrs(Array.from({ length: 32 }, (_, i) => 31 - i)))).to.equal("ok");
      expect(await says(withPcrs([8, 2, 31, 0, 4, 1]))).to.equal("ok");
    });

    it("takes PCR8 into the image when it is there, zeros when it is not", async () => {
      const imageOf = (forgery: Forgery): string => verifyNitro(forge(forgery).document, { root, now: NOW }).attestation.imageId;
      const [plain, signed] = [imageOf(withPcrs([0, 1, 2])), imageOf(withPcrs([8, 0, 1, 2]))];
      expect(plain).not.to.equal(signed);
      const expected = concat(...[1, 2, 3, 9].map((fill) => new Uint8Array(48).fill(fill)));
      expect(signed).to.equal(keccakHex(expected));
    });

    it("refuses index 32, an index twice, a PCR that is not 48 bytes, and an image that is not measured", async () => {
      expect(await says(withPcrs([0, 1, 2, 32]))).to.equal("NitroPcrIndex");
      const twice = pcrEntries(standardPcrs(3));
      expect(await says(field("pcrs", cborMap([...twice, ...twice])))).to.equal("NitroDuplicatePcr");
      expect(await says({ pcrs: new Map([[0, new Uint8Array(32)]]) })).to.equal("NitroPcrLength");
      for (const missing of [0, 1, 2]) {
        expect(await says(withPcrs([0, 1, 2, 3].filter((i) => i !== missing)))).to.equal("NitroMissingPcr");
      }
      expect(await says(field("pcrs", cborMap([])))).to.equal("NitroMissingPcr");
      const tooMany = concat(head(5, 33), ...pcrEntries(standardPcrs(32)).flat(), raw("1820"), cborBytes(new Uint8Array(48)));
      expect(await says(field("pcrs", tooMany))).to.equal("CborTooMany");
    });
  });

  describe("pitfall 4: optional fields are null, absent or empty; 512 or 1,024 bytes (Cantina 2026 3.2.5; nitrite PR 5)", () => {
    it("tells absent and null from empty", async () => {
      const hashes = (forgery: Forgery) => verifyNitro(forge(forgery).document, { root, now: NOW }).attestation;
      const zero = `0x${"00".repeat(32)}`;
      for (const [key, name] of [["public_key", "publicKeyHash"], ["user_data", "userDataHash"], ["nonce", "nonceHash"]] as const) {
        expect(hashes(field(key, undefined))[name]).to.equal(zero);
        expect(hashes(field(key, cborNull))[name]).to.equal(zero);
        expect(hashes(field(key, cborBytes(new Uint8Array())))[name]).to.equal(keccakHex(new Uint8Array()));
        for (const value of [undefined, cborNull, cborBytes(new Uint8Array()), cborBytes(new Uint8Array(1024))]) {
          expect(await says(field(key, value))).to.equal("ok");
        }
        expect(await says(field(key, cborBytes(new Uint8Array(1025))))).to.equal("NitroFieldLength");
        expect(await says(field(key, raw("f7")))).to.equal("CborType");
        expect(await says(field(key, cborText("text")))).to.equal("CborType");
        expect(await says(field(key, raw("5f4101ff")))).to.equal("CborIndefinite");
      }
    });

    it("refuses a required field that is absent, null, empty or of another type", async () => {
      for (const key of ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"]) {
        expect(await says(field(key, undefined))).to.equal("NitroMissingField");
        expect(await says(field(key, cborNull))).to.equal("CborType");
      }
      expect(await says(field("module_id", cborText("")))).to.equal("NitroFieldLength");
      expect(await says(field("cabundle", cborArray([])))).to.equal("NitroFieldLength");
      expect(await says(field("certificate", cborBytes(new Uint8Array(1025))))).to.equal("NitroFieldLength");
      for (const digest of ["SHA256", "SHA512", "sha384", "SHA384 ", ""]) {
        expect(await says(field("digest", cborText(digest)))).to.equal("NitroDigest");
      }
      expect(await says(field("timestamp", cborUint(0)))).to.equal("NitroTimestamp");
      expect(await says(field("timestamp", raw("20")))).to.equal("CborType");
    });
  });

  describe("pitfall 5: only header and payload are signed; the envelope may be re-encoded (Cantina 2026 3.2.4)", () => {
    const wide = (bytes: Uint8Array): Uint8Array => concat(Uint8Array.of(0x5a, 0, 0, bytes.length >> 8, bytes.length & 0xff), bytes);
    const items = (all: EnvelopeParts) => [cborBytes(all.header), cborMap([]), cborBytes(all.payload), cborBytes(all.signature)];

    for (const [title, make] of [
      ["tag 18", (all) => concat(Uint8Array.of(0xd2), standardEnvelope(all))],
      ["an indefinite array", (all) => openArray(items(all))],
      ["lengths that are not minimal", (all) => cborArray([wide(all.header), cborMap([]), wide(all.payload), wide(all.signature)])],
      ["an unprotected header", (all) => cborArray(items(all).with(1, cborMap([[cborUint(4), cborBytes(Uint8Array.of(1, 2))]])))],
      ["an indefinite unprotected header", (all) => cborArray(items(all).with(1, raw("bf0402ff")))],
    ] as const satisfies readonly (readonly [string, (all: EnvelopeParts) => Uint8Array])[]) {
      it(`means the same with ${title}, so that no hash of a document is an identity`, async () => {
        const { document } = forge(envelope(make));
        expect(await judges.verdict(document)).to.equal("ok");
        expect(keccakHex(document)).not.to.equal(keccakHex(forge().document));
      });
    }

    it("wants the protected header to be a1013822 and nothing else", async () => {
      for (const header of ["", "a0", "a1013823", "a10126", "a201382204412a", "bf013822ff", "a10139002200".slice(0, 10), "a101382200"]) {
        expect(await says(envelope((all) => standardEnvelope({ ...all, header: raw(header) })))).to.equal("CoseAlgorithm");
      }
    });

    it("refuses another tag, shape, or length of the signature", async () => {
      expect(await says(envelope((all) => concat(Uint8Array.of(0xd1), standardEnvelope(all))))).to.equal("CoseTag");
      expect(await says(envelope((all) => concat(raw("d2d2"), standardEnvelope(all))))).to.equal("CborType");
      expect(await says(envelope((all) => cborArray(items(all).slice(0, 3))))).to.equal("CoseShape");
      expect(await says(envelope((all) => cborArray([...items(all), cborNull])))).to.equal("CoseShape");
      expect(await says(envelope((all) => openArray([...items(all), cborNull])))).to.equal("CoseShape");
      expect(await says(envelope((all) => openArray(items(all).slice(0, 3))))).to.equal("CborBreak");
      expect(await says(envelope((all) => cborArray(items(all).with(1, cborNull))))).to.equal("CborType");
      for (const length of [0, 32, 48, 64, 95, 97, 144]) {
        const signature = new Uint8Array(length);
        expect(await says(envelope((all) => standardEnvelope({ ...all, signature })))).to.equal("CoseSignatureLength");
      }
      for (const length of [0, 255, 65536]) {
        expect(await says(envelope((all) => standardEnvelope({ ...all, payload: new Uint8Array(length) })))).to.equal("CosePayloadLength");
      }
      const chunked = envelope((all) => cborArray(items(all).with(2, concat(raw("5f"), cborBytes(all.payload), BREAK))));
      expect(await says(chunked)).to.equal("CborIndefinite");
    });
  });

  it("pitfall 13: a debug enclave verifies and says that it is one (Cantina 2026 3.2.1; Taiko, June 2026)", async () => {
    const zero = { pcrs: new Map(Array.from({ length: 16 }, (_, i) => [i, new Uint8Array(48)])) };
    const { document } = forge(zero);
    expect(await judges.verdict(document)).to.equal("ok");
    expect((await judges.attestation(document)).debug).to.equal(true);
    for (const index of [0, 1, 2]) {
      const pcrs = new Map(zero.pcrs).set(index, new Uint8Array(48).fill(1));
      expect((await judges.attestation(forge({ pcrs }).document)).debug).to.equal(false);
    }
  });

  it("pitfall 14: the document's milliseconds come out as seconds (Marlin compared the two)", async () => {
    const { document } = forge({ timestamp: 1_738_281_600_999 });
    expect((await judges.attestation(document)).attestedAt).to.equal(1_738_281_600n);
  });

  it("pitfall 15: what makes a document unique is inside: chain, registry and operator through the nonce, module, time", async () => {
    const a = await judges.attestation(forge({ nonce: new Uint8Array(32).fill(1) }).document);
    const b = await judges.attestation(forge({ nonce: new Uint8Array(32).fill(2) }).document);
    expect(a.nonceHash).not.to.equal(b.nonceHash);
    expect(a.deviceId).to.equal(keccakHex(new TextEncoder().encode("i-0a1b2c3d4e5f60718-enc0123456789abcdef")));
  });

  it("pitfall 16: public key and user data are opaque here: their hashes come out, the registry fixes their form", async () => {
    for (const publicKey of [new Uint8Array(33), new Uint8Array(65), new Uint8Array(294), new TextEncoder().encode("dummy")]) {
      const found = await judges.attestation(forge({ publicKey, userData: publicKey }).document);
      expect([found.publicKeyHash, found.userDataHash]).to.deep.equal([keccakHex(publicKey), keccakHex(publicKey)]);
    }
  });

  it("wants hints that name a certificate, and no flag that it does not know", async () => {
    const { document } = forge();
    await judges.accept(document);
    for (const hints of ["0x", "0x01", "0x0000", "0x0600", "0x0102", "0xff00"] as const) {
      expect(await judges.contractVerdict(document, hints)).to.equal("NitroHints");
    }
    for (const hints of ["0x0200", "0x0300", "0x0500"] as const) {
      expect(await judges.contractVerdict(document, hints)).to.equal("NitroNotCached");
    }
    expect(toHex(document)).to.match(/^0x84/);
  });

  async function parts(): Promise<{ entries: Entry[] }> {
    let entries: Entry[] = [];
    forge({ entries: (all) => (entries = all) });
    return { entries };
  }
});
