/**
 * Genuine shapes that the vectors do not hold: every version, report, platform authority, form of TCB information, length and order that
 * Intel's formats allow, drawn at random under a development root. All of them must verify, on chain and in the twin, with equal facts.
 */
import { expect } from "chai";

import { boolean, concat, element, octetString, objectId, sequence, utf8String } from "../../../keepers/attestation/development/der.ts";
import {
  DevelopmentPlatform, certificateParts, encodeCertificateTbs, intelExtension, sgxExtension, wrapSigned,
} from "../../../keepers/attestation/development/intel.ts";
import type { DraftOptions } from "../../../keepers/attestation/development/intel.ts";
import { frameQuote, openQuote, verifyIntel } from "../../../sdk/attestation/intel/index.ts";
import type { IntelAttestation, SignedStatement } from "../../../sdk/attestation/intel/index.ts";
import { runs } from "../../utils/deep.ts";
import { Random } from "../../utils/random.ts";
import { IntelChain } from "./chain.ts";
import { state } from "./pitfalls.ts";

const NOW = 1_800_000_000;
const SEED = 0x736870;
const ARC = "1.2.840.113741.1.13.1";
const DRAFTS: readonly DraftOptions[] = [
  { version: 3 }, { version: 4 }, { version: 4, tdx: false }, { version: 5 }, { version: 5, td10: true }, { version: 5, tdx: false },
];
type Json = Record<string, unknown>;
const shuffled = <T>(random: Random, items: readonly T[]): T[] =>
  items.map((item) => ({ item, at: random.below(1_000_000) })).sort((a, b) => a.at - b.at).map(({ item }) => item);
const mixed = (random: Random, value: Json): Json => Object.fromEntries(shuffled(random, Object.entries(value)));

/** SGX alone: no members of TDX, and in version 2 each component under its own number. */
function sgxInfo(platform: DevelopmentPlatform, version: 2 | 3, edit: Json = {}): Json {
  const { tdxModule: _, tdxModuleIdentities: __, id: ___, ...info } = platform.tcbInfo();
  const flat = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`sgxtcbcomp${String(i + 1).padStart(2, "0")}svn`, i < 2 ? 2 : 0]));
  const listed = { sgxtcbcomponents: Array.from({ length: 16 }, (_, i) => ({ svn: i < 2 ? 2 : 0, category: "BIOS", type: "Early Microcode Update" })) };
  const tcb = { ...(version === 2 ? flat : listed), pcesvn: 5 };
  return { ...(version === 2 ? {} : { id: "SGX" }), ...info, version, tcbLevels: [{ tcb, tcbDate: "2024-03-13T00:00:00Z", tcbStatus: "UpToDate" }], ...edit };
}

/** TCB information and QE identities of both kinds, members in any order, with some that nobody knows. */
function statements(platform: DevelopmentPlatform, random: Random): SignedStatement[] {
  const unknown = { introducedLater: { nested: [{ a: null }, 1, "x", true, []] } };
  const tdx = { ...platform.tcbInfo(), ...unknown, ...(random.below(2) ? { tdxModuleIdentities: [] } : {}) };
  const draft = [
    ["tcbInfo", sgxInfo(platform, random.below(2) ? 2 : 3)], ["tcbInfo", tdx],
    ["qeIdentity", platform.qeIdentity({ id: "QE", isvprodid: 1 })], ["qeIdentity", { ...platform.qeIdentity(), ...unknown }],
  ] as const;
  return draft.map(([kind, value]) => platform.statement(kind, mixed(random, value)));
}

/** As platforms of several packages have it: SGX type, platform instance, configuration. */
function platformExtension(platform: DevelopmentPlatform): Uint8Array {
  const plain = sgxExtension(platform.claims);
  const inside = plain.subarray(plain[1]! < 0x80 ? 2 : plain[1] === 0x81 ? 3 : 4);
  const flags = [1, 2, 3].map((n) => sequence(objectId(`${ARC}.7.${n}`), boolean(true)));
  return sequence(
    inside,
    sequence(objectId(`${ARC}.5`), Uint8Array.of(0x0a, 1, 1)),
    sequence(objectId(`${ARC}.6`), octetString(new Uint8Array(16).fill(9))),
    sequence(objectId(`${ARC}.7`), sequence(...flags)),
  );
}

/** The certificate of a platform: serial number, times, names, extensions, all within Intel's profile. */
function pckTbs(platform: DevelopmentPlatform, random: Random): Uint8Array {
  const serial = BigInt(`0x${Buffer.from(Uint8Array.of(1 + random.below(127), ...random.bytes(random.below(20)))).toString("hex")}`);
  const sgx = random.below(2) ? platformExtension(platform) : undefined;
  const parts = certificateParts(platform.issued("pck", { serial, ...(sgx ? { sgx } : {}) }));
  const points = intelExtension("2.5.29.31", false, sequence(sequence(element(0xa0, element(0xa0, element(0x86, new TextEncoder().encode("https://x.invalid/crl")))))));
  const late = sequence(element(0x17, text("270101000000Z")), element(0x18, text("20510101000000Z")));
  return encodeCertificateTbs({
    ...parts,
    extensions: shuffled(random, random.below(2) ? [...parts.extensions, points] : parts.extensions),
    ...(random.below(3) === 0 ? { validity: late } : {}),
    ...(random.below(3) === 0 ? { subject: sequence(element(0x31, sequence(objectId("2.5.4.3"), utf8String("Intel SGX PCK Certificate ".repeat(5))))) } : {}),
  });
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("Intel: genuine shapes", () => {
  for (const authority of ["Platform", "Processor"] as const) {
    const each = runs(6, 60);
    it(`${authority} CA: ${each * DRAFTS.length} quotes of every version and report verify, with equal facts`, async () => {
      const platform = new DevelopmentPlatform(NOW, authority);
      for (let round = 0; round < each; round += 6) {
        const random = new Random(SEED + round);
        const chain = await IntelChain.at(NOW, platform.root);
        await chain.record(platform.bundle(statements(platform, random)));
        for (const options of DRAFTS) {
          for (let run = 0; run < 6; run++) {
            const draft = platform.draft({ ...options, reportData: random.bytes(64) });
            const auth = random.bytes(random.pick([0, 1, 32, 33, 255, 256, 1_024]));
            const parts = platform.seal({ ...draft, auth, pckTbs: pckTbs(platform, random) });
            const pck = wrapSigned(parts.pckTbs, parts.pckSignature);
            const quote = frameQuote(parts, [pck, platform.certificate("authority"), platform.rootCertificate]);
            // Services hand quotes out in buffers of a fixed size.
            const { evidence } = openQuote(concat(quote, new Uint8Array(random.pick([0, 1, 64, 3_000]))));
            const { attestation } = verifyIntel(evidence, { collateral: chain.twin, now: await chain.now() });
            expect(attestation).to.include({ tcbStatus: 0, debug: false, teeType: parts.tdx ? 2 : 3 });
            const found = await chain.attestation(evidence);
            for (const [name, value] of Object.entries(attestation)) {
              const onChain: unknown = found[name as keyof IntelAttestation];
              expect(onChain, `${JSON.stringify(options)} ${name}`).to.equal(typeof value === "number" ? BigInt(value) : value);
            }
          }
        }
      }
    });
  }

  describe("TCB information of version 2", () => {
    const platform = new DevelopmentPlatform(NOW);
    let chain: IntelChain;
    before(async () => {
      chain = await IntelChain.at(NOW, platform.root);
      await chain.record(platform.bundle([]));
    });
    let said = 0;
    /** Each newer than the one before: what is taken moves the record on. */
    const says = (value: Json) => {
      const issueDate = new Date((NOW - 3_000 + said++) * 1000).toISOString().replace(".000", "");
      return state(chain, platform.statement("tcbInfo", { ...value, issueDate }));
    };
    const level = (edit: (tcb: Json) => Json, version: 2 | 3 = 2): Json => {
      const info = sgxInfo(platform, version);
      const [first] = info["tcbLevels"] as { tcb: Json }[];
      return { ...info, tcbLevels: [{ ...first, tcb: edit(first!.tcb) }] };
    };
    const without = (name: string) => (tcb: Json) => Object.fromEntries(Object.entries(tcb).filter(([key]) => key !== name));

    it("is SGX's, has all sixteen components, and mixes with no other form", async () => {
      expect(await says(sgxInfo(platform, 2))).to.equal("ok");
      expect(await says(sgxInfo(platform, 3))).to.equal("ok");
      expect(await says(sgxInfo(platform, 2, { version: 3 }))).to.equal("IntelStatementMember");
      expect(await says(sgxInfo(platform, 2, { id: "SGX" }))).to.equal("IntelStatementMember");
      expect(await says(sgxInfo(platform, 2, { id: "TDX" }))).to.equal("IntelStatementMember");
      expect(await says(sgxInfo(platform, 2, { version: 1 }))).to.equal("IntelStatementType");
      expect(await says(sgxInfo(platform, 2, { version: 4 }))).to.equal("IntelStatementType");
      expect(await says(sgxInfo(platform, 3, { version: 2, id: undefined }))).to.equal("IntelStatementType");
      expect(await says(level(without("sgxtcbcomp09svn")))).to.equal("IntelStatementMember");
      expect(await says(level(without("pcesvn")))).to.equal("IntelStatementMember");
      expect(await says(level((tcb) => ({ ...tcb, sgxtcbcomp03svn: 256 })))).to.equal("IntelStatementSize");
      const components = Array.from({ length: 16 }, () => ({ svn: 0 }));
      expect(await says(level((tcb) => ({ ...tcb, sgxtcbcomponents: components })))).to.equal("IntelStatementMember");
      expect(await says(level((tcb) => ({ ...tcb, tdxtcbcomponents: components })))).to.equal("IntelStatementMember");
      expect(await says(level((tcb) => ({ ...tcb, sgxtcbcomp01svn: 1 }), 3))).to.equal("IntelStatementMember");
      // Names like these are nobody's: skipped, as any other.
      for (const name of ["sgxtcbcomp00svn", "sgxtcbcomp17svn", "sgxtcbcomp1svn", "sgxtcbcomp01svnx", "sgxtcbcomp0:svn"]) {
        expect(await says(level((tcb) => ({ ...tcb, [name]: 1 }))), name).to.equal("ok");
      }
      const doubled = JSON.stringify(sgxInfo(platform, 2)).replace('"sgxtcbcomp02svn"', '"sgxtcbcomp01svn":1,"sgxtcbcomp02svn"');
      expect(await state(chain, platform.statement("tcbInfo", doubled))).to.equal("IntelStatementMember");
      const { tdxModule } = platform.tcbInfo();
      expect(await says(sgxInfo(platform, 2, { tdxModule }))).to.equal("IntelStatementMember");
    });
  });
});
