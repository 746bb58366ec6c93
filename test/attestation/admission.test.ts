/** Evidence in real formats, through verifier, gate, policy and registry, to a key that settles: R5, R6, R7 end to end. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";

import { DstackEnclave, TdxEnclave } from "../../keepers/attestation/index.ts";
import { requestedReportData } from "../../keepers/attestation/quote.ts";
import { KeyType, Role, heartbeatDigest } from "../../sdk/protocol/index.ts";
import { WORKLOAD, ZERO, bytes32, secpSigner } from "../utils/settlement-world.ts";
import { type Admission, type Candidate, admissionWorld, hex } from "./admission.ts";

const TDX = 2;
const SGX = 3;
const DAY = 86_400;
/** TD_ATTRIBUTES of a TDX body; its first byte is TUD. */
const TUD = 48 + 120;
const RTMR3 = 48 + 472;

describe("Admission of real formats", () => {
  let a: Admission;
  before(async function () {
    a = await admissionWorld();
    const { request } = await a.candidate();
    await a.approve((await a.tdxImage(a.quoted(request))).imageId);
    await a.approve((await a.nitroImage(await a.documentOf(request))).imageId);
  });

  const active = (node: Candidate) => a.w.registry.isActive(node.nodeId);
  const refusedBy = (source: "gate" | "policy" | "registry" | "tdx", call: Promise<unknown>, error: string) =>
    expect(call).to.be.revertedWithCustomError({ gate: a.gate, policy: a.w.policy, registry: a.w.registry, tdx: a.verifiers.tdx }[source], error);

  describe("TDX", () => {
    for (const version of [4, 5]) {
      it(`R5 version ${version}: the key that the report data binds becomes the node's, and its signature settles`, async () => {
        const node = await a.candidate();
        const evidence = a.quoted(node.request, undefined, version);
        const { imageId, validUntil } = await a.tdxImage(evidence);
        await a.approve(imageId);
        await a.attest(node, TDX, evidence);
        const { keyId } = await a.w.registry.node(node.nodeId);
        const key = await a.w.registry.key(keyId);
        expect([key.status, key.teeType, key.imageId, key.validUntil]).to.deep.equal([1n, BigInt(TDX), imageId, BigInt(validUntil)]);
        expect(await active(node)).to.equal(true);
        const now = await a.w.now();
        const [word] = await a.w.policy.signingKey({ registrar: a.w.addresses.NodeRegistry, nodeId: node.nodeId, keyId, role: Role.Inference, minIssuedAt: now, maxIssuedAt: now, aliveAt: now });
        expect([(word >> 160n) & 3n, word & ((1n << 160n) - 1n)]).to.deep.equal([BigInt(KeyType.Secp256k1), BigInt(a.w.ethers.computeAddress(node.signer.publicKey))]);
      });
    }

    it("R5 pitfall 15: report data that binds anything else is refused, field by field", async () => {
      const node = await a.candidate();
      const other = await a.candidate();
      const mixed = (change: Partial<Candidate["request"]>) => a.quoted({ ...node.request, ...change });
      await refusedBy("gate", a.attest(node, TDX, mixed({ publicKey: other.request.publicKey })), "AttestationGateBinding");
      await refusedBy("gate", a.attest(node, TDX, mixed({ userData: other.request.userData })), "AttestationGateBinding");
      await refusedBy("gate", a.attest(node, TDX, mixed({ nonce: other.request.nonce })), "AttestationGateBinding");
      // The claims of the right registration, over a report that says something else.
      const lie = a.platform.seal(a.platform.draft({ reportData: requestedReportData(other.request) }));
      const evidence = a.quoted(node.request);
      const signed = Uint8Array.from(evidence);
      signed.set(lie.signed, findBytes(evidence, lie.signed.subarray(0, 48)));
      await refusedBy("tdx", a.attest(node, TDX, signed), "TdxQuoteSignature");
    });

    it("R5 a changed endpoint, TLS key or HPKE key needs a new attestation", async () => {
      const node = await a.candidate();
      await a.attest(node, TDX, a.quoted(node.request));
      const [tls, hpke] = [bytes32("another TLS key"), bytes32("another HPKE key")];
      const prepared = await a.candidate(node);
      await a.w.registry.connect(node.operator).setEndpoint(node.nodeId, "https://elsewhere.invalid", tls, hpke);
      expect(await active(node)).to.equal(false);
      await refusedBy("gate", a.attest(prepared, TDX, a.quoted(prepared.request)), "AttestationGateBinding");
      const again = await a.candidate(node);
      await a.attest(again, TDX, a.quoted(again.request));
      expect(await active(node)).to.equal(true);
    });

    it("R5 pitfall 13: a trust domain under debug is refused, its image approved or not", async () => {
      const node = await a.candidate();
      const debug = a.quoted(node.request, (draft) => (draft.signed[TUD] = 1));
      const { imageId, debug: seen } = await a.tdxImage(debug);
      expect(seen).to.equal(true);
      await a.approve(imageId);
      await refusedBy("policy", a.attest(node, TDX, debug), "MeasurementPolicyDebug");
    });

    it("R5 an image that nobody approved is refused; one register more or less is another image", async () => {
      const node = await a.candidate();
      const evidence = a.quoted(node.request, ({ signed }) => (signed[RTMR3] = 0x77));
      await refusedBy("policy", a.attest(node, TDX, evidence), "MeasurementPolicyImageNotApproved");
    });

    it("R5 pitfall 15: replayed, in the same bytes or signed anew: once is once", async () => {
      const node = await a.candidate();
      const evidence = a.quoted(node.request);
      const anew = a.quoted(node.request);
      expect(hex(anew)).not.to.equal(hex(evidence));
      await a.attest(node, TDX, evidence);
      await refusedBy("gate", a.attest(node, TDX, evidence), "AttestationGateUsed");
      await refusedBy("gate", a.attest(node, TDX, anew), "AttestationGateUsed");
    });

    it("R5 the nonce's block: too old, or of another operator", async () => {
      const [node, other] = [await a.candidate(), await a.candidate()];
      await refusedBy("gate", a.attest({ ...node, operator: other.operator, nodeId: other.nodeId }, TDX, a.quoted(node.request)), "AttestationGateBinding");
      const late = await a.candidate();
      await a.w.networkHelpers.mine(Number(a.w.parameters.nonceMaxBlocks) + 2);
      await refusedBy("gate", a.attest(late, TDX, a.quoted(late.request)), "AttestationGateNonceBlock");
    });

    it("R5 a quote is no evidence of another type, and a policy takes the types that it names", async () => {
      const node = await a.candidate();
      await refusedBy("gate", a.attest(node, SGX, a.quoted(node.request)), "AttestationGateBinding");
      const owner = await a.w.account();
      await a.w.policy.connect(owner).createPolicy("nitro only", 0, 1 << 1, 1);
      const policyId = (await a.w.policy.policyIdOf(owner.address, "nitro only")) as `0x${string}`;
      const strict = await a.candidate(await a.w.registerNode(Role.Inference, { policyId }));
      await refusedBy("policy", a.attest(strict, TDX, a.quoted(strict.request)), "MeasurementPolicyTeeType");
    });

    it("R7 revocation ends the key at once; the next image's attestation opens a new epoch", async () => {
      const image = (draft: { signed: Uint8Array }, build: number) => void draft.signed.fill(build, 48 + 136, 48 + 184);
      const node = await a.candidate();
      const first = a.quoted(node.request, (draft) => image(draft, 0x41));
      const { imageId } = await a.tdxImage(first);
      await a.approve(imageId);
      await a.attest(node, TDX, first);
      await a.w.policy.revokeImage(ZERO, await a.w.policy.indexOf(ZERO, WORKLOAD, imageId), 0);
      expect(await active(node)).to.equal(false);
      const same = await a.candidate(node);
      await refusedBy("policy", a.attest(same, TDX, a.quoted(same.request, (draft) => image(draft, 0x41))), "MeasurementPolicyImageRevoked");
      const fixed = a.quoted(same.request, (draft) => image(draft, 0x42));
      await a.approve((await a.tdxImage(fixed)).imageId);
      await a.attest(same, TDX, fixed);
      expect(await active(node)).to.equal(true);
      expect((await a.w.registry.node(node.nodeId)).epoch).to.equal(2n);
    });

    it("through the drivers: configfs-tsm and dstack", async () => {
      const directory = mkdtempSync(join(tmpdir(), "og-admission-"));
      const viaKernel = async ({ request }: Candidate) => {
        const path = join(directory, "opengradient");
        mkdirSync(path);
        for (const [name, content] of [["provider", "tdx_guest\n"], ["generation", "7\n"], ["outblob", ""]] as const) writeFileSync(join(path, name), content);
        // The kernel counts the write, and makes a quote over what was written when the quote is read.
        const readQuote = async (file: string) => {
          writeFileSync(file, a.platform.quote(readFileSync(join(path, "inblob"))));
          writeFileSync(join(path, "generation"), "8\n");
          return readFileSync(file);
        };
        return new TdxEnclave({ path: directory, attempts: 1, readQuote }).attest(request);
      };
      const viaAgent = async ({ request }: Candidate) => {
        const server = createServer((incoming, response) => {
          let asked = "";
          incoming.on("data", (chunk: Buffer) => (asked += chunk.toString()));
          incoming.on("end", () => {
            const { report_data: data } = JSON.parse(asked) as { report_data: string };
            response.end(JSON.stringify({ quote: Buffer.from(a.platform.quote(Buffer.from(data, "hex"))).toString("hex") }));
          });
        });
        const socketPath = join(directory, "dstack.sock");
        await new Promise<void>((resolve) => server.listen(socketPath, resolve));
        return new DstackEnclave({ socketPath }).attest(request).finally(() => server.close());
      };
      for (const drive of [viaKernel, viaAgent]) {
        const node = await a.candidate();
        const { document, teeType } = await drive(node);
        await a.attest(node, teeType, document);
        expect(await active(node)).to.equal(true);
      }
      rmSync(directory, { recursive: true });
    });

    it("R6 when the collateral's time is over nothing verifies and the key is stale: anyone takes the node off; newer collateral leads back", async () => {
      const node = await a.candidate();
      await a.attest(node, TDX, a.quoted(node.request));
      const { keyId } = await a.w.registry.node(node.nodeId);
      const { validUntil } = await a.w.registry.key(keyId);
      await a.w.networkHelpers.time.increaseTo(validUntil + 3_600n);
      expect(await active(node)).to.equal(false);
      const blockNumber = (await a.w.ethers.provider.getBlockNumber()) - 1;
      const blockHash = (await a.w.ethers.provider.getBlock(blockNumber))!.hash as `0x${string}`;
      const beat = { nodeId: node.nodeId, blockNumber: BigInt(blockNumber), blockHash };
      const domain = { chainId: a.w.chainId, verifyingContract: a.w.addresses.NodeRegistry };
      const signature = node.signer.sign(heartbeatDigest(beat, domain));
      await refusedBy("registry", a.w.registry.heartbeat(node.nodeId, blockNumber, signature), "NodeRegistryKeyNotValid");
      await a.w.registry.connect(a.w.relayer).demote(node.nodeId);

      const next = await a.candidate(node);
      await expect(a.attest(next, TDX, a.quoted(next.request))).to.be.revertedWithCustomError(a.collateral, "IntelCollateralExpired");
      const now = Number(await a.w.now());
      const dates = { issueDate: iso(now - 60), nextUpdate: iso(now + 20 * DAY) };
      const { platform } = a;
      await a.record({
        certificates: platform.bundle().certificates,
        crls: (["root", "authority"] as const).map((of) => platform.crl(of, { issued: now - 60, until: now + 30 * DAY })),
        statements: [platform.statement("tcbInfo", platform.tcbInfo(undefined, dates)), platform.statement("qeIdentity", platform.qeIdentity(dates))],
      });
      const fresh = await a.candidate(node);
      await a.attest(fresh, TDX, a.quoted(fresh.request));
      expect(await active(node)).to.equal(true);
    });
  });

  describe("Nitro", () => {
    it("R5 admitted, once; debug and another registration refused", async () => {
      const node = await a.candidate();
      const document = await a.documentOf(node.request);
      await a.attestNitro(node, document);
      expect(await active(node)).to.equal(true);
      await refusedBy("gate", a.attestNitro(node, document), "AttestationGateUsed");
      // The envelope is not signed: with a tag before it the bytes are others, and the content is the same.
      await refusedBy("gate", a.attestNitro(node, Uint8Array.of(0xd2, ...document)), "AttestationGateUsed");

      const other = await a.candidate();
      await refusedBy("gate", a.attestNitro(other, await a.documentOf({ ...other.request, userData: node.request.userData })), "AttestationGateBinding");
      const debug = await a.documentOf(other.request, false);
      await a.approve((await a.nitroImage(debug)).imageId);
      await refusedBy("policy", a.attestNitro(other, debug), "MeasurementPolicyDebug");
    });

    it("R6 a key ends with the shortest certificate of its chain; the next document opens the next epoch", async () => {
      const node = await a.candidate();
      await a.attestNitro(node, await a.documentOf(node.request));
      await a.w.networkHelpers.time.increase(3 * 3600 + 1);
      expect(await active(node)).to.equal(false);
      await a.w.registry.connect(a.w.relayer).demote(node.nodeId);
      const next = await a.candidate(node, secpSigner("after three hours"));
      await a.attestNitro(next, await a.documentOf(next.request));
      expect(await active(node)).to.equal(true);
    });
  });
});

const iso = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(".000", "");

function findBytes(haystack: Uint8Array, needle: Uint8Array): number {
  const at = Buffer.from(haystack).indexOf(Buffer.from(needle));
  if (at < 0) throw new Error("the quote's header is not in the evidence");
  return at;
}
