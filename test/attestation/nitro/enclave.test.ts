import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";

import { DevelopmentAuthority, NitroEnclave, SimulatedEnclave, createRoot, loadRoot } from "../../../keepers/attestation/index.ts";
import { AWS_NITRO_ROOT, explainNitro, keccakHex, openNitro, rootFor, verifyNitro } from "../../../sdk/attestation/nitro/index.ts";
import { parseCoseSign1, parseNitroDocument } from "../../../sdk/attestation/nitro/index.ts";
import { callFor, chainAt, deployNitro } from "./chain.ts";
import { refusalOf } from "../../utils/refusal.ts";

const NOW = 1_800_000_000;
const request = { publicKey: new Uint8Array(65).fill(4), userData: new Uint8Array(32).fill(5), nonce: new Uint8Array(32).fill(6) };
const pcrs = new Map([0, 1, 2].map((index) => [index, new Uint8Array(48).fill(index + 1)]));

function enclaveOn(authority: DevelopmentAuthority, moduleId = "i-0123456789abcdef0-enc0123456789abcdef", now = NOW) {
  return new SimulatedEnclave({ authority, moduleId, pcrs, now: () => now * 1000 });
}

const codeOf = async (work: Promise<unknown>): Promise<string> => (await refusalOf(work)).code;

describe("Simulated enclave", () => {
  const authority = new DevelopmentAuthority(createRoot(NOW));
  const root = keccakHex(authority.root.certificate);

  it("writes documents that the verifier in TypeScript accepts", async () => {
    const { document, teeType } = await enclaveOn(authority).attest(request);
    const { attestation, document: fields } = verifyNitro(document, { root, now: NOW });
    expect(teeType).to.equal(1);
    expect(attestation.publicKeyHash).to.equal(keccakHex(request.publicKey));
    expect(attestation.userDataHash).to.equal(keccakHex(request.userData));
    expect(attestation.nonceHash).to.equal(keccakHex(request.nonce));
    expect(attestation.attestedAt).to.equal(BigInt(NOW));
    expect(attestation.validUntil).to.equal(BigInt(NOW + 3 * 3600));
    expect(attestation.debug).to.equal(false);
    expect(fields.pcrs.size).to.equal(16);
  });

  it("writes documents that the contract accepts, with the facts that TypeScript finds", async () => {
    const connection = await chainAt(NOW);
    const deployed = await deployNitro(connection, root);
    const { document } = await enclaveOn(authority).attest(request);
    const call = await callFor(deployed, document, root);
    await connection.networkHelpers.time.setNextBlockTimestamp(NOW);
    await connection.networkHelpers.mine();
    const found = await deployed.verifier.verify.staticCall(call.evidence, call.hints);
    const { attestation } = verifyNitro(document, { root, now: NOW });
    expect(found.imageId).to.equal(attestation.imageId);
    expect(found.validUntil).to.equal(attestation.validUntil);
  });

  it("shares region and zone between hosts, and the host between enclaves", async () => {
    const keys = async (moduleId: string) => openNitro((await enclaveOn(authority, moduleId).attest(request)).document, root).keys;
    const [a, sibling, other] = [await keys("i-1-enc1"), await keys("i-1-enc2"), await keys("i-2-enc1")];
    expect(sibling.slice(0, 4)).to.deep.equal(a.slice(0, 4));
    expect(sibling[4]).not.to.equal(a[4]);
    expect(other.slice(0, 3)).to.deep.equal(a.slice(0, 3));
    expect(other[3]).not.to.equal(a[3]);
  });

  it("issues anew what has ended", async () => {
    // An authority of its own: it does not issue for a time that has passed.
    const own = new DevelopmentAuthority(authority.root);
    for (const later of [0, 3 * 3600, 86_400, 6 * 86_400, 20 * 86_400]) {
      const now = NOW + later;
      const { document } = await enclaveOn(own, "i-1-enc1", now).attest(request);
      expect(verifyNitro(document, { root, now }).attestation.validUntil).to.be.greaterThan(BigInt(now));
    }
  });

  it("may be pinned on devnets and nowhere else", () => {
    expect(rootFor(713370, root)).to.equal(root);
    expect(rootFor(8453)).to.equal(AWS_NITRO_ROOT);
    for (const chainId of [1, 10, 8453, 84532, 11155111]) expect(() => rootFor(chainId, root)).to.throw("NitroDevelopmentRoot");
  });

  it("keeps its root in a file, so that all nodes of a devnet pin the same", () => {
    const directory = mkdtempSync(join(tmpdir(), "og-authority-"));
    try {
      const path = join(directory, "authority", "root.json");
      const made = loadRoot(path, NOW);
      expect(keccakHex(loadRoot(path, NOW + 1000).certificate)).to.equal(keccakHex(made.certificate));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("is explained check by check", async () => {
    const { document } = await enclaveOn(authority).attest(request);
    const explained = explainNitro(document, { root, now: NOW });
    expect(explained.ok).to.equal(true);
    const ids = explained.checks.map((check) => check.id);
    expect(ids).to.include.members(["form", "root", "chain", "signature-5", "pcr-0", "debug", "nonce"]);
    const late = explainNitro(document, { root, now: NOW + 4 * 3600 });
    expect(late.ok).to.equal(false);
    expect(late.checks.filter((check) => !check.ok).map((check) => check.id)).to.deep.equal(["validity-4"]);
    expect(explainNitro(document.subarray(0, 100), { root, now: NOW }).checks.at(-1)).to.deep.include({ id: "CborTruncated", ok: false });
  });
});

describe("Nitro enclave over HTTP", () => {
  const authority = new DevelopmentAuthority(createRoot(NOW));

  async function served(answer: (url: URL) => Promise<{ status?: number; body: string }>) {
    const server = createServer((incoming, response) => {
      void answer(new URL(incoming.url ?? "/", "http://localhost")).then(({ status = 200, body }) => response.writeHead(status).end(body));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return { enclave: new NitroEnclave({ url: `http://127.0.0.1:${port}`, timeoutMs: 60_000 }), close: () => server.close() };
  }

  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  const bytes = (text: string | null): Uint8Array => new Uint8Array(Buffer.from(text ?? "", "hex"));

  it("asks as nitriding is asked and hands on the document", async () => {
    const { enclave, close } = await served(async ({ pathname, searchParams }) => {
      expect(pathname).to.equal("/enclave/attestation");
      const asked = {
        nonce: bytes(searchParams.get("nonce")),
        publicKey: bytes(searchParams.get("public_key")),
        userData: bytes(searchParams.get("user_data")),
      };
      return { body: `${base64((await enclaveOn(authority).attest(asked)).document)}\n` };
    });
    try {
      const { document, teeType } = await enclave.attest(request);
      expect(teeType).to.equal(1);
      expect(parseNitroDocument(parseCoseSign1(document).payload).nonce).to.deep.equal(request.nonce);
    } finally {
      close();
    }
  });

  it("refuses a document that carries another nonce", async () => {
    const { enclave, close } = await served(async () => ({
      body: base64((await enclaveOn(authority).attest({ ...request, nonce: new Uint8Array(20) })).document),
    }));
    try {
      expect(await codeOf(enclave.attest(request))).to.equal("ENCLAVE_BINDING");
    } finally {
      close();
    }
  });

  for (const [title, answer, code] of [
    ["HTML", { body: "<html>" }, "ENCLAVE_ANSWER_BAD"],
    ["base64 of something else", { body: "aGVsbG8=" }, "ENCLAVE_ANSWER_BAD"],
    ["more than any document", { body: "A".repeat(40_000) }, "ENCLAVE_ANSWER_BAD"],
    ["an error of the server", { status: 503, body: "" }, "ENCLAVE_BUSY"],
    ["a refusal", { status: 400, body: "bad nonce" }, "ENCLAVE_REFUSED"],
  ] as const) {
    it(`answers ${code} to ${title}`, async () => {
      const { enclave, close } = await served(() => Promise.resolve(answer));
      try {
        expect(await codeOf(enclave.attest(request))).to.equal(code);
      } finally {
        close();
      }
    });
  }

  it("may try again when nobody listens", async () => {
    expect(await codeOf(new NitroEnclave({ url: "http://127.0.0.1:1" }).attest(request))).to.equal("ENCLAVE_UNREACHABLE");
  });
});
