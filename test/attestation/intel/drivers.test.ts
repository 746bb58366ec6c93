/** The drivers for Intel machines, against directories and sockets that answer as the kernel and the guest agent do. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";

import { DevelopmentPlatform } from "../../../keepers/attestation/development/intel.ts";
import { DstackEnclave, TdxEnclave } from "../../../keepers/attestation/index.ts";
import { requestedReportData } from "../../../keepers/attestation/quote.ts";
import { verifyIntel } from "../../../sdk/attestation/intel/index.ts";
import { keccakHex } from "../../../sdk/attestation/nitro/index.ts";
import { IntelChain } from "./chain.ts";
import { refusalOf } from "../../utils/refusal.ts";

const NOW = 1_800_000_000;
const request = { publicKey: new Uint8Array(65).fill(4), userData: new Uint8Array(32).fill(5), nonce: new Uint8Array(32).fill(6) };
const platform = new DevelopmentPlatform(NOW);
const good = platform.quote(requestedReportData(request));
const other = platform.quote(new Uint8Array(64));

async function refusal(work: Promise<unknown>): Promise<{ code: string; family: string }> {
  const { code, family } = await refusalOf(work);
  return { code, family };
}

describe("Intel drivers", () => {
  let directory: string;
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "og-tsm-"))));
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  describe("tdx: configfs-tsm", () => {
    /** A report directory; it is not the kernel's, so nothing counts writes but what the test writes. */
    const report = (quote: Uint8Array, { provider = "tdx_guest", generation = "7" } = {}): string => {
      const path = join(directory, "opengradient");
      mkdirSync(path);
      writeFileSync(join(path, "provider"), `${provider}\n`);
      writeFileSync(join(path, "generation"), `${generation}\n`);
      writeFileSync(join(path, "outblob"), quote);
      return path;
    };
    it("says that the machine has none", async () => {
      const enclave = new TdxEnclave({ path: join(directory, "nowhere") });
      expect(await refusal(enclave.attest(request))).to.deep.equal({ code: "ENCLAVE_UNREACHABLE", family: "fatal" });
    });

    it("refuses another provider", async () => {
      report(good, { provider: "sev_guest" });
      const enclave = new TdxEnclave({ path: directory });
      expect(await refusal(enclave.attest(request))).to.deep.equal({ code: "ENCLAVE_ANSWER_BAD", family: "fatal" });
    });

    it("takes the quote when the generation is its own", async () => {
      const path = report(good);
      // The kernel counts the write; here that is done when the quote is read.
      const readQuote = async (file: string) => {
        expect(readFileSync(join(path, "inblob"))).to.deep.equal(Buffer.from(requestedReportData(request)));
        writeFileSync(join(path, "generation"), "8\n");
        return readFileSync(file);
      };
      const enclave = new TdxEnclave({ path: directory, attempts: 1, readQuote });
      const { teeType, document } = await enclave.attest(request);
      expect(teeType).to.equal(2);
      expect(document.length).to.be.above(2_000);
    });

    it("does not trust a quote when the generation is not its own", async () => {
      const path = report(good);
      const enclave = new TdxEnclave({ path: directory, attempts: 2 });
      expect(await refusal(enclave.attest(request))).to.deep.equal({ code: "ENCLAVE_BUSY", family: "retryable" });
      expect(readFileSync(join(path, "inblob"))).to.deep.equal(Buffer.from(requestedReportData(request)));
    });
  });

  describe("dstack: the guest agent's socket", () => {
    let server: Server | undefined;
    afterEach(() => server?.close());
    const agent = async (listener: RequestListener): Promise<DstackEnclave> => {
      const socketPath = join(directory, "dstack.sock");
      server = createServer(listener);
      await new Promise<void>((resolve) => server!.listen(socketPath, resolve));
      return new DstackEnclave({ socketPath, timeoutMs: 60_000 });
    };
    const answer =
      (status: number, body: string): RequestListener =>
      (_, response) =>
        void response.writeHead(status).end(body);
    const hex = (quote: Uint8Array): string => Buffer.from(quote).toString("hex");

    it("asks for its report data and returns evidence that verifies", async () => {
      let asked = "";
      const enclave = await agent((incoming, response) => {
        incoming.on("data", (chunk: Buffer) => (asked += chunk.toString()));
        incoming.on("end", () => {
          expect(incoming.method).to.equal("POST");
          expect(incoming.url).to.equal("/GetQuote");
          response.end(JSON.stringify({ quote: hex(good), event_log: "[]" }));
        });
      });
      const { document, teeType } = await enclave.attest(request);
      expect(teeType).to.equal(2);
      expect(JSON.parse(asked)).to.deep.equal({ report_data: hex(requestedReportData(request)) });

      const chain = await IntelChain.at(NOW, platform.root);
      await chain.record(platform.bundle());
      const { attestation } = verifyIntel(document, { collateral: chain.twin, now: await chain.now() });
      expect(await chain.verdict(document)).to.equal("ok");
      // The same three hashes that the registry asks of a Nitro document.
      expect(attestation.publicKeyHash).to.equal(keccakHex(request.publicKey));
      expect(attestation.userDataHash).to.equal(keccakHex(request.userData));
      expect(attestation.nonceHash).to.equal(keccakHex(request.nonce));
    });

    it("refuses a quote with other report data", async () => {
      const enclave = await agent(answer(200, JSON.stringify({ quote: hex(other) })));
      expect(await refusal(enclave.attest(request))).to.deep.equal({ code: "ENCLAVE_BINDING", family: "fatal" });
    });

    for (const [title, status, body, code, family] of [
      ["an error of the agent", 500, "{}", "ENCLAVE_BUSY", "retryable"],
      ["a refusal", 400, "{}", "ENCLAVE_REFUSED", "fatal"],
      ["no JSON", 200, "<html>", "ENCLAVE_ANSWER_BAD", "fatal"],
      ["null", 200, "null", "ENCLAVE_ANSWER_BAD", "fatal"],
      ["no quote", 200, '{"event_log":""}', "ENCLAVE_ANSWER_BAD", "fatal"],
      ["half a byte", 200, '{"quote":"abc"}', "ENCLAVE_ANSWER_BAD", "fatal"],
      ["something else in hex", 200, '{"quote":"00112233"}', "ENCLAVE_ANSWER_BAD", "fatal"],
    ] as const) {
      it(`knows ${title}`, async () => {
        const enclave = await agent(answer(status, body));
        expect(await refusal(enclave.attest(request))).to.deep.equal({ code, family });
      });
    }

    it("says that there is no agent", async () => {
      const enclave = new DstackEnclave({ socketPath: join(directory, "none.sock") });
      expect(await refusal(enclave.attest(request))).to.deep.equal({ code: "ENCLAVE_UNREACHABLE", family: "retryable" });
    });
  });
});
