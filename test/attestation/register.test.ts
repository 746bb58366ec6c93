/** `og attest register` against a running registry: what an operator types, what the chain then holds, what a refusal says. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";

import { attestCommand } from "../../sdk/cli/attest.ts";
import { type Admission, type Candidate, admissionWorld } from "./admission.ts";

describe("og attest register", () => {
  let a: Admission;
  let rpc: { url: string; close: () => void };
  let directory: string;
  before(async () => {
    a = await admissionWorld();
    rpc = await a.serve();
    directory = mkdtempSync(join(tmpdir(), "og-register-"));
    const { request } = await a.candidate();
    await a.approve((await a.tdxImage(a.quoted(request))).imageId);
    await a.approve((await a.nitroImage(await a.documentOf(request))).imageId);
  });
  after(() => {
    rpc.close();
    rmSync(directory, { recursive: true });
  });

  const file = (name: string, content: Uint8Array): string => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };

  async function og(path: string, node: Candidate, more: readonly string[] = [], key = node.operator.privateKey) {
    let [out, error, code] = ["", "", 0];
    const io = {
      print: (line: string) => void (out += `${line}\n`),
      fail: (line: string) => void (error += `${line}\n`),
      setExitCode: (value: number) => void (code = value),
      env: { OG_DEV_PRIVATE_KEY: key },
    };
    const args = ["register", path, "--rpc", rpc.url, "--registry", a.w.addresses.NodeRegistry, "--node", node.nodeId,
      "--public-key", node.signer.publicKey, "--nonce-block", String(node.nonceBlock), ...more];
    await attestCommand(io).parseAsync(args, { from: "user" });
    return { out, error, code };
  }

  const nitro = ["--verifier", "", "--root", ""];
  before(() => {
    nitro[1] = a.addresses.NitroVerifier!;
    nitro[3] = a.nitroRoot;
  });

  it("registers a Nitro document: the node's key epoch is open, and it is active", async () => {
    const node = await a.candidate();
    const path = file("nitro.bin", await a.documentOf(node.request));
    const dry = await og(path, node, [...nitro, "--dry-run", "--operator", node.operator.address]);
    expect(dry.out).to.contain("nothing was sent");
    expect(await a.w.registry.isActive(node.nodeId)).to.equal(false);
    const { out, error, code } = await og(path, node, nitro);
    expect(error).to.equal("");
    expect(out).to.contain("registered in 0x");
    expect(code).to.equal(0);
    expect(await a.w.registry.isActive(node.nodeId)).to.equal(true);
    const { keyId } = await a.w.registry.node(node.nodeId);
    expect((await a.w.registry.key(keyId)).signer).to.equal(a.w.ethers.computeAddress(node.signer.publicKey));
    expect((await og(path, node, nitro)).error).to.contain("refused by the registry: this evidence was registered before (replay)");
  });

  it("registers a quote as the machine gives it, and evidence as a driver makes it", async () => {
    for (const form of ["quote", "evidence"]) {
      const node = await a.candidate();
      const evidence = a.quoted(node.request);
      const content = form === "quote" ? a.wholeQuoteFor(node.request) : evidence;
      const { error, code } = await og(file(`${form}.bin`, content), node);
      expect(error).to.equal("");
      expect(code).to.equal(0);
      expect(await a.w.registry.isActive(node.nodeId)).to.equal(true);
    }
  });

  it("says in words why the registry refuses", async () => {
    const [node, other] = [await a.candidate(), await a.candidate()];
    const good = file("good.bin", a.quoted(node.request));
    const foreign = file("foreign.bin", a.quoted(other.request));
    const debug = a.quoted(node.request, (draft) => (draft.signed[48 + 120] = 1));
    const image = a.quoted(node.request, ({ signed }) => (signed[48 + 472] = 0x77));
    const broken = Uint8Array.from(a.quoted(node.request));
    broken[200] = broken[200]! ^ 1;
    const refusals: [Promise<{ error: string; code: number }>, string][] = [
      [og(foreign, node), "the evidence binds another public key"],
      [og(file("foreign-quote.bin", a.wholeQuoteFor(other.request)), node), "the report data is not the hash of the claims"],
      [og(file("debug.bin", debug), node), "debug mode"],
      [og(file("image.bin", image), node), "is not approved for workload"],
      [og(file("broken.bin", broken), node), "the quote is not signed by its attestation key"],
      [og(good, { ...node, nonceBlock: 1 }), "of another block, operator or chain"],
      [og(good, { ...node, nonceBlock: 1_000_000 }), "is not a recent one"],
      [og(good, node, ["--operator", node.operator.address], other.operator.privateKey), "is neither operator nor payment authorizer"],
      [og(file("nitro-other.bin", await a.documentOf(other.request)), node, nitro), "binds another public key"],
      [og(good, { ...node, nodeId: `0x${"12".repeat(32)}` }), "the registry knows no node"],
      [og(good, node, ["--key-type", "3"]), "are no public key of type 3"],
    ];
    // One nonce block for all: in turn, and soon.
    for (const [call, words] of refusals) {
      const { error, code } = await call;
      expect(error).to.contain("refused").and.to.contain(words);
      expect(code).to.equal(1);
    }
    expect(await a.w.registry.isActive(node.nodeId)).to.equal(false);
  });

  it("says what it does not understand", async () => {
    const node = await a.candidate();
    const good = file("fine.bin", a.quoted(node.request));
    const misused: [Promise<{ error: string; code: number }>, string][] = [
      [og(join(directory, "absent"), node), "There is no file"],
      [og(good, { ...node, nodeId: "0x12" }), "--node: 0x12 is not 32 bytes"],
      [og(good, node, ["--registry", "0x12"]), "is not an address"],
      [og(good, node, ["--key-type", "x"]), "is not a number"],
    ];
    for (const [call, words] of misused) {
      const { error, code } = await call;
      expect(error).to.contain(words);
      expect(code).to.equal(2);
    }
  });
});
