/** `og attest`, called as the command line calls it. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";

import { DevelopmentPlatform } from "../../keepers/attestation/development/intel.ts";
import { DevelopmentAuthority, SimulatedEnclave, createRoot } from "../../keepers/attestation/index.ts";
import { keccakHex } from "../../sdk/attestation/nitro/index.ts";
import { attestCommand } from "../../sdk/cli/attest.ts";
import { forge, standardEnvelope, withField } from "./nitro/forge.ts";
import type { CertificateEdit, Forgery } from "./nitro/forge.ts";

const NOW = 1_800_000_000;
const request = { publicKey: new Uint8Array(65).fill(4), userData: new Uint8Array(32).fill(5), nonce: new Uint8Array(32).fill(6) };
const pem = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString("base64")}\n-----END CERTIFICATE-----\n`;

async function og(...args: string[]): Promise<{ out: string; error: string; code: number }> {
  let [out, error, code] = ["", "", 0];
  const io = {
    print: (line: string) => void (out += `${line}\n`),
    fail: (line: string) => void (error += `${line}\n`),
    setExitCode: (value: number) => void (code = value),
    env: {},
  };
  await attestCommand(io).parseAsync(args, { from: "user" });
  return { out, error, code };
}

describe("og attest", () => {
  let directory: string;
  before(() => (directory = mkdtempSync(join(tmpdir(), "og-attest-"))));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const file = (name: string, content: Uint8Array | string): string => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };

  describe("Nitro", () => {
    const authority = new DevelopmentAuthority(createRoot(NOW));
    const make = async (measured: boolean): Promise<Uint8Array> => {
      const pcrs = new Map(measured ? [0, 1, 2].map((index) => [index, new Uint8Array(48).fill(index + 1)]) : []);
      const enclave = new SimulatedEnclave({ authority, moduleId: "i-0123456789abcdef0-enc0123456789abcdef", pcrs, now: () => NOW * 1000 });
      return (await enclave.attest(request)).document;
    };
    const at = ["--at", String(NOW)];

    it("verifies under the root that it is given, as file or as hash, in three encodings", async () => {
      const document = await make(true);
      const root = file("root.pem", pem(authority.root.certificate));
      const der = file("root.der", authority.root.certificate);
      for (const [name, content] of [
        ["a.bin", document],
        ["a.hex", `0x${Buffer.from(document).toString("hex")}\n`],
        ["a.b64", Buffer.from(document).toString("base64")],
      ] as const) {
        for (const pinned of [root, der, keccakHex(authority.root.certificate)]) {
          const { out, code } = await og("verify", file(name, content), ...at, "--root", pinned);
          expect(out).to.contain("verified");
          expect(code).to.equal(0);
        }
      }
    });

    it("says in words why not", async () => {
      const document = await make(true);
      const path = file("b.bin", document);
      const root = keccakHex(authority.root.certificate);
      const cases: [string[], string][] = [
        [[path, ...at], "the chain does not start at the pinned root"],
        [[path, "--at", "2040-01-01", "--root", root], "is valid from"],
        [[file("c.bin", document.subarray(0, 300)), ...at, "--root", root], "ends in the middle"],
        [[file("d.bin", await make(false)), ...at, "--root", root], "debug mode"],
      ];
      for (const [args, reason] of cases) {
        const { error, code } = await og("verify", ...args);
        expect(error).to.contain(`refused: `);
        expect(error).to.contain(reason);
        expect(code).to.equal(1);
      }
      expect((await og("verify", file("e.bin", await make(false)), ...at, "--root", root, "--allow-debug")).code).to.equal(0);
    });

    describe("every class of bad input has its words", () => {
      const signedPart = (edit: (payload: Uint8Array) => Uint8Array): Forgery => ({ payload: edit });
      const extra = (...value: number[]): Forgery => ({ entries: withField("extra", Uint8Array.from(value)) });
      const onLeaf = (edit: CertificateEdit): Forgery => ({ certificates: { 4: edit } });
      const p256Key = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ type: "spki", format: "der" });
      const cases: [string, Forgery, string][] = [
        ["indefinite", { entries: withField("nonce", Uint8Array.of(0x5f, 0x41, 0, 0xff)) }, "a string in pieces"],
        ["nested", extra(...new Array<number>(40).fill(0x81), 0), "nested too deeply"],
        ["oversized", { userData: new Uint8Array(1_025) }, "longer than the device makes it"],
        ["too many entries", extra(0x98, 0x41, ...new Array<number>(65).fill(0)), "more entries than any real document"],
        ["duplicated", { entries: (entries) => [...entries, entries[0]!] }, "appears twice"],
        ["non-minimal", extra(0x18, 0x01), "not written in its shortest form"],
        ["trailing", signedPart((payload) => Uint8Array.of(...payload, 0)), "left over at the end"],
        ["wrong curve", onLeaf({ parts: () => ({ publicKey: new Uint8Array(p256Key) }) }), "a key is not on the curve P-384"],
        ["wrong algorithm", { envelope: (parts) => standardEnvelope({ ...parts, header: Uint8Array.of(0xa1, 0x01, 0x26) }) }, "the algorithm is not ES384"],
        ["expired", onLeaf({ options: { notAfter: NOW - 1 } }), "is valid from"],
        ["future", onLeaf({ options: { notBefore: NOW + 60 } }), "is valid from"],
        ["wrong signature", onLeaf({ signer: generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey }), "the signature of certificate 4 is wrong"],
      ];
      for (const [title, forgery, words] of cases) {
        it(title, async () => {
          const { document, root } = forge(forgery);
          const { error, code } = await og("verify", file("forged.bin", document), ...at, "--root", root);
          expect(error).to.contain("refused: ").and.to.contain(words);
          expect(code).to.equal(1);
        });
      }

      it("truncated, at any length, in verify and in inspect", async () => {
        const { document, root } = forge();
        for (const length of [1, 8, 80, 400, 2_000, document.length - 1]) {
          for (const args of [["verify", ...at, "--root", root], ["inspect"]]) {
            const { out, error, code } = await og(args[0]!, file("cut.bin", document.subarray(0, length)), ...args.slice(1));
            expect(error + out).to.contain("ends in the middle");
            expect(code).to.equal(1);
          }
        }
      });

      it("revoked, by the id that a good verification prints", async () => {
        const { document, root } = forge();
        const path = file("good.bin", document);
        const { out } = await og("verify", path, ...at, "--root", root);
        const [id] = /0x[0-9a-f]{64}(?=\) is valid)/.exec(out.split("\n").find((line) => line.includes("validity-3"))!)!;
        for (const list of [id, file("revoked.txt", `${id}\n`)]) {
          const { error, code } = await og("verify", path, ...at, "--root", root, "--revoked", list);
          expect(error).to.contain("refused: ").and.to.contain("a certificate has been revoked");
          expect(code).to.equal(1);
        }
        expect((await og("verify", path, "--revoked", "0x12")).code).to.equal(2);
      });
    });

    it("inspects without judging the root", async () => {
      const { out, code } = await og("inspect", file("f.bin", await make(true)));
      expect(out).to.contain("PCR0 = 0101").and.to.contain("not judged");
      expect(code).to.equal(0);
    });
  });

  describe("Intel", () => {
    const platform = new DevelopmentPlatform(NOW);
    const [tcb, qe] = [platform.tcbInfo(), platform.qeIdentity()].map((value) => JSON.stringify(value)) as [string, string];
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
    const signature = (kind: "tcbInfo" | "qeIdentity", json: string): string => hex(platform.statement(kind, json).signature);
    const signers = pem(platform.certificate("signer")) + pem(platform.rootCertificate);
    const collateral = {
      pck_crl_issuer_chain: pem(platform.certificate("authority")) + pem(platform.rootCertificate),
      root_ca_crl: hex(platform.crl("root")),
      pck_crl: hex(platform.crl("authority")),
      tcb_info_issuer_chain: signers,
      tcb_info: tcb,
      tcb_info_signature: signature("tcbInfo", tcb),
      qe_identity_issuer_chain: signers,
      qe_identity: qe,
      qe_identity_signature: signature("qeIdentity", qe),
    };
    const quote = platform.quote(new Uint8Array(64).fill(9));
    const root = ["--root", platform.root];

    it("verifies a quote with its collateral", async () => {
      const with_ = ["--collateral", file("collateral.json", JSON.stringify(collateral))];
      const { out, code } = await og("verify", file("quote.bin", quote), "--at", String(NOW), ...root, ...with_);
      expect(out).to.contain("together UpToDate").and.to.contain("verified");
      expect(code).to.equal(0);
    });

    it("says in words why not", async () => {
      const path = file("quote.bin", quote);
      const good = file("collateral.json", JSON.stringify(collateral));
      const forged = file("forged.json", JSON.stringify({ ...collateral, tcb_info: tcb.replace("UpToDate", "Revoked") }));
      const broken = Uint8Array.from(quote);
      broken[300] = (broken[300] as number) ^ 1;
      const cases: [string[], string, number][] = [
        [[path, "--at", String(NOW), ...root], "without collateral", 1],
        [[path, "--at", String(NOW), "--collateral", good], "root", 1],
        [[path, "--at", String(NOW + 40 * 86_400), ...root, "--collateral", good], "next update", 1],
        [[path, "--at", String(NOW), ...root, "--collateral", forged], "wrong signature", 1],
        [[file("broken.bin", broken), "--at", String(NOW), ...root, "--collateral", good], "not signed by its attestation key", 1],
        [[path, "--at", "yesterday", ...root], "neither a date", 2],
        [[path, "--collateral", join(directory, "none"), ...root], "There is no file", 2],
        [[file("text", "hello there"), "--at", String(NOW)], "neither a Nitro document nor an Intel quote", 2],
      ];
      for (const [args, reason, expected] of cases) {
        const { error, code } = await og("verify", ...args);
        expect(error).to.contain(reason);
        expect(code, error).to.equal(expected);
      }
    });

    it("inspects without collateral", async () => {
      const { out, code } = await og("inspect", file("quote.bin", quote));
      expect(out).to.contain(`MRTD = ${"22".repeat(48)}`);
      expect(code).to.equal(0);
    });
  });
});
