import { expect } from "chai";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Hex, createWalletClient, http, keccak256, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { systemClock } from "../../../keepers/clock/index.ts";
import { blobIds, startWalrusServer, walrusClient, type WalrusServer } from "../../../keepers/walrus/index.ts";
import { encodeBatch } from "../../../sdk/batch/index.ts";
import { integerPublication } from "../../../sdk/models/integer.ts";
import { manifestHash, manifestOf, verifyPackage } from "../../../sdk/models/manifest.ts";
import { publishModel } from "../../../sdk/models/publish.ts";
import { modelById } from "../../../sdk/network/models.ts";
import { chainAccess } from "../../../sdk/network/network.ts";
import { sealPayload } from "../../../sdk/payload/index.ts";
import { requestHash, responseHash } from "../../../sdk/protocol/commitments.ts";
import { Role, Verification } from "../../../sdk/protocol/enums.ts";
import { receiptDigest } from "../../../sdk/protocol/receipt.ts";
import { receiptToJson } from "../../../sdk/receipts/wire.ts";
import { tiny } from "../../circuits/setup/tools.ts";
import { world as paymentWorld } from "../../payments/fixture.ts";
import { build, domainOf, line, receipt } from "../../settlement/builder.ts";
import { type RpcServer, rpcServer } from "../../utils/rpc-server.ts";
import { settlementWorld, type World } from "../../utils/settlement-world.ts";
import { runOg } from "./run.ts";

const KEY = keccak256(toHex("og test publisher"));
const publisher = privateKeyToAccount(KEY);

describe("og against live chains", () => {
  let w: World;
  let p: Awaited<ReturnType<typeof paymentWorld>>;
  let dir: string;
  let walrus: WalrusServer;
  const servers: RpcServer[] = [];
  const ids = blobIds();

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "og-cli-"));
    [w, p] = [await settlementWorld(), await paymentWorld()];
    walrus = await startWalrusServer({ directory: join(dir, "walrus"), blobIds: ids, clock: systemClock() });
    for (const chain of [w, p]) servers.push(await rpcServer((method, params) => chain.ethers.provider.send(method, params)));
    await w.networkHelpers.setBalance(publisher.address, 10n ** 20n);
    const addresses = (name: string, chainId: number, contracts: object) => {
      const file = join(dir, `${name}.json`);
      writeFileSync(file, JSON.stringify({ chainId, contracts }));
      return file;
    };
    writeFileSync(join(dir, "og.json"), JSON.stringify({
      settlement: { rpcUrl: servers[0]!.url, addresses: addresses("settlement", w.chainId, w.addresses) },
      payment: { rpcUrl: servers[1]!.url, addresses: addresses("payment", 713371, p.addresses) },
      walrus: { publisher: walrus.url, aggregators: [walrus.url] },
    }));
  });
  after(async () => {
    for (const server of servers) await server.close();
    await walrus?.close();
    await ids.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const og = (...args: string[]) => runOg(args, { dir, key: KEY });
  const idIn = (out: string): Hex => /^model\s+(0x[0-9a-f]{64})$/m.exec(out)![1] as Hex;
  const settlement = () => chainAccess("settlement", servers[0]!.url, { chainId: w.chainId, contracts: w.addresses as unknown as Record<string, Hex> });

  let first: Hex;
  it("publishes a float model with a royalty; the same again sends nothing", async () => {
    const file = join(dir, "model.onnx");
    writeFileSync(file, "graph and weights");
    const args = ["model", "publish", file, "--name", "scorer", "--model-version", "1.0.0", "--licence", "Apache-2.0", "--royalty-bps", "250"];
    const published = await og(...args);
    expect(published.code, published.err).to.equal(0);
    first = idIn(published.out);
    const info = await modelById(settlement(), first);
    expect(info).to.include({ name: "scorer", version: "1.0.0", licence: "Apache-2.0", royaltyBps: 250, royaltyTo: publisher.address, kind: "Float", deprecated: false });
    expect(info.manifestHash).to.equal(manifestHash(manifestOf("float", readFileSync(file), info.vkHash)));
    const again = await og(...args);
    expect(idIn(again.out)).to.equal(first);
    expect(again.out).to.include("sent   nothing");
  });

  it("publishes an integer program from its circuit folder, with its key", async () => {
    const circuit = await tiny();
    const folder = join(dir, "circuit");
    mkdirSync(folder);
    for (const name of ["proving.zkey", "verifying-key.json", "setup.json"]) copyFileSync(join(".cache/zk/test/tiny8", name), join(folder, name));
    copyFileSync(circuit.r1cs, join(folder, "model.r1cs"));
    writeFileSync(join(folder, "public.json"), JSON.stringify({ b: 1, a: [2] }));
    const incomplete = await og("model", "publish", folder, "--name", "prover", "--model-version", "1.0.0-int");
    expect(incomplete.code).to.equal(1);
    expect(incomplete.err).to.include("graph.json");
    writeFileSync(join(folder, "graph.json"), '{"nodes":[]}');
    const published = await og("model", "publish", folder, "--name", "prover", "--model-version", "1.0.0-int");
    expect(published.code, published.err).to.equal(0);
    const info = await modelById(settlement(), idIn(published.out));
    expect(info).to.include({ kind: "Int", setupLevel: 0, vkHash: circuit.files.manifest.vkHash });
    expect(info.methods).to.have.members(["Zkml", "TeeAndZkml", "Vanilla"]);
    const { bytes } = await integerPublication(folder);
    const version = { ...info, kind: "int" as const };
    expect(verifyPackage(bytes, version).every(({ ok }) => ok)).to.equal(true);
    expect(verifyPackage(bytes, { ...version, vkHash: `0x${"11".repeat(32)}` }).find(({ ok }) => !ok)?.name).to.equal("manifest");
    const renewed = await og("model", "renew", info.modelId, "--epochs", "10");
    expect(renewed.code, renewed.err).to.equal(0);
    expect(renewed.out).to.match(/kept until epoch \d+/);
    const file = join(dir, "prover.json");
    expect((await og("model", "download", info.modelId, file)).code).to.equal(0);
    expect(readFileSync(file).equals(bytes)).to.equal(true);
  });

  it("shows, deprecates with a successor, lists; a stranger's version it cannot deprecate", async () => {
    const file = join(dir, "model2.onnx");
    writeFileSync(file, "better weights");
    const second = idIn((await og("model", "publish", file, "--name", "scorer", "--model-version", "2.0.0")).out);
    expect((await og("model", "deprecate", first, "--successor", second)).code).to.equal(0);
    const shown = await og("model", "show", first);
    for (const text of [`successor      ${second}`, `series         ${first} (this)`, `series         ${second}`, "royaltyBps     250"]) expect(shown.out).to.include(text);
    expect((await og("model", "list")).out).to.match(new RegExp(`${first}.*deprecated`));
    const foreign = await w.models.connect(w.relayer).publishModel({
      name: "x", version: "1", programHash: keccak256("0x01"), kind: 1, blobId: keccak256("0x02"), contentHash: keccak256("0x03"), manifestHash: keccak256("0x04"), circuitHash: `0x${"00".repeat(32)}`, weightsHash: `0x${"00".repeat(32)}`, methods: 2, vkHash: `0x${"00".repeat(32)}`,
      royaltyTo: `0x${"00".repeat(20)}`, royaltyBps: 0, licence: "MIT",
    });
    await foreign.wait();
    const [all] = await w.models.models(0, 100);
    const refused = await og("model", "deprecate", all.at(-1)!);
    expect(refused.code).to.equal(1);
    expect(await w.models.isDeprecated(all.at(-1)!)).to.equal(false);
  });

  it("a package that is not what its publisher stated is refused, and nothing is written", async () => {
    const wallet = createWalletClient({ chain: settlement().chain, transport: http(servers[0]!.url), account: publisher });
    const blobs = walrusClient({ publisher: walrus.url, aggregators: [walrus.url], blobIds: ids, clock: systemClock() });
    const bytes = new TextEncoder().encode("other weights than the program's");
    const { modelId } = await publishModel(settlement(), wallet, publisher, blobs, { name: "liar", version: "1", kind: "float", programHash: keccak256("0x05"), bytes, methods: [Verification.Tee], licence: "MIT" });
    const file = join(dir, "liar.onnx");
    const refused = await og("model", "download", modelId, file);
    expect(refused.code).to.equal(1);
    expect(refused.err).to.include("another program hash");
    expect(existsSync(file)).to.equal(false);
  });

  it("bad arguments get a sentence", async () => {
    const cases: [string[], string][] = [
      [["model", "show", "0x12"], "is not a modelId"],
      [["model", "publish", join(dir, "nowhere"), "--name", "x", "--model-version", "1"], "does not exist"],
      [["model", "publish", join(dir, "model.onnx"), "--name", "x", "--model-version", "1", "--methods", "zkml"], "this source offers tee, vanilla"],
      [["model", "publish", join(dir, "model.onnx"), "--name", "x", "--model-version", "1", "--royalty-bps", "3001"], "0 to 3000"],
    ];
    const answers = await Promise.all(cases.map(([args]) => og(...args)));
    for (const [index, { code, err }] of answers.entries()) {
      expect(code).to.equal(1);
      expect(err).to.include(cases[index]![1]);
    }
  });

  it("verifies a batch from its blob, says what it cannot check; a batch that lies ends with exit code 1", async () => {
    const node = await w.addNode(Role.Inference);
    const blobs = walrusClient({ publisher: walrus.url, aggregators: [walrus.url], blobIds: ids, clock: systemClock() });
    const post = async (change: { totalCharge?: bigint }) => {
      const receipts = line(node, await w.now(), 12, { paymentId: keccak256(toHex(`cli ${change.totalCharge}`)) });
      const draft = await build(w, node, receipts);
      const bytes = await encodeBatch({ ...draft.header, leaves: draft.receipts.map((receipt, i) => ({ receipt, signature: draft.signatures[i]! })), stretches: draft.stretches });
      const { blobId } = await blobs.store(bytes);
      const built = await build(w, node, receipts, { blobId, contentHash: keccak256(bytes), ...change });
      await w.settlement.postBatch(built.header, built.signature, false);
      return built.hash;
    };
    const good = await og("verify", "batch", await post({}));
    expect(good.code, good.err).to.equal(0);
    for (const words of ["Posted on chain", "the node's own, valid", "12 of 12 checked", "both as the header says", "not checked without the payers' salts"]) expect(good.out).to.include(words);
    const bad = await og("verify", "batch", await post({ totalCharge: 7n }));
    expect(bad.code).to.equal(1);
    expect(bad.out).to.match(/FAULT\s+sum/);
  });

  it("payload: makes a key, opens what was sealed to it and holds it against the receipt; another's key, receipt or content is refused", async () => {
    const [mine, other] = [join(dir, "payer.key"), join(dir, "other.key")];
    const [made, stranger] = await Promise.all([og("payload", "key", mine), og("payload", "key", other)]);
    expect([made.code, stranger.code], made.err).to.deep.equal([0, 0]);
    expect(statSync(mine).mode & 0o777).to.equal(0o600);
    const publicKey: Hex = `0x${Buffer.from(made.out.trim(), "base64url").toString("hex")}`;
    const blobs = walrusClient({ publisher: walrus.url, aggregators: [walrus.url], blobIds: ids, clock: systemClock() });
    const salt = keccak256(toHex("payload salt"));
    const content = { request: { messages: [{ role: "user", content: "a secret prompt" }] }, response: { kind: 1, finish: 1, content: "a secret answer" }, salt };
    const node = await w.addNode(Role.Inference);
    const [now, domain] = [await w.now(), domainOf(w)];
    const signed = receipt(node, now, { requestHash: requestHash(salt, content.request), responseHash: responseHash(salt, 1, 1, content.response.content) });
    const file = (name: string, of: typeof signed, wrap: (json: object) => object = (json) => json) => {
      const path = join(dir, `${name}.json`);
      const { kind, finish } = content.response;
      writeFileSync(path, JSON.stringify(wrap({ receipt: receiptToJson(of), signature: node.signer.sign(receiptDigest(of, domain)), salt, response: { kind, finish } })));
      return path;
    };
    const seal = async (of: typeof signed, sealed: object) => (await blobs.store(await sealPayload(publicKey, receiptDigest(of, domain), sealed as typeof content))).blobId;
    const blobId = await seal(signed, content);
    const good = file("receipt", signed);
    const open = (blob: string, path: string, key = mine) => og("payload", "open", blob, path, "--key", key);

    const forms = [file("answer", signed, (json) => ({ id: "chat", opengradient: json })), file("evidence", signed, (json) => ({ receipt: json }))];
    for (const { code, out, err } of await Promise.all(forms.map((path) => open(blobId, path)))) {
      expect(code, err).to.equal(0);
      expect(JSON.parse(out)).to.deep.equal(content);
      expect(err).to.include("what the receipt commits to");
    }

    const later = { ...signed, sequence: 1n };
    const lie = { ...content, response: { ...content.response, content: "another answer" } };
    writeFileSync(join(dir, "none.key"), "0x12");
    writeFileSync(join(dir, "none.json"), "{");
    const cases: [Promise<{ code: number; out: string; err: string }>, RegExp][] = [
      [open(blobId, good, other), /cannot be opened: another key/],
      [open(blobId, file("later", later)), /of another receipt/],
      [open("0x12", good), /is not a blob id/],
      [open(blobId, join(dir, "nowhere.json")), /nowhere\.json does not exist/],
      [open(blobId, join(dir, "none.json")), /is not JSON/],
      [open(blobId, good, join(dir, "none.key")), /holds no secret key/],
      [og("payload", "key", mine), /name another file/],
    ];
    for (const [run, words] of cases) {
      const { code, out, err } = await run;
      expect([code, out], err).to.deep.equal([1, ""]);
      expect(err).to.match(words);
      expect(err).not.to.include("secret answer");
    }
    // Content is shown with the refusal: it is the payer's evidence.
    const lied = await open(await seal(signed, lie), good);
    expect(lied.code).to.equal(1);
    expect(JSON.parse(lied.out)).to.deep.equal(lie);
    expect(lied.err).to.match(/another answer\. The node sealed/);
  });

  it("health: every invariant that is a view holds on both chains; a broken one is named and the exit code says so", async () => {
    const node = await w.addNode(Role.Inference);
    const built = await build(w, node, line(node, await w.now(), 3));
    await w.settlement.postBatch(built.header, built.signature, false);
    const channel = await p.open();
    const healthy = await og("health", "--json");
    expect(healthy.code, healthy.out + healthy.err).to.equal(0);
    const findings = JSON.parse(healthy.out) as { chain: string; id: string; ok: boolean; left: string; right: string; about: string }[];
    const checked = (chain: string) => [...new Set(findings.filter((finding) => finding.chain === chain && /^[A-Z]\d+$/.test(finding.id)).map(({ id }) => id))].sort();
    expect(checked("settlement")).to.deep.equal(["R4", "R5", "R6", "R7", "R8", "R9", "S1", "S12", "S2", "S4", "S7"]);
    expect(checked("payment")).to.deep.equal(["E1", "E2", "E5", "E6", "E9"]);
    expect(findings.find(({ id, about }) => id === "S2" && about.includes(built.hash))).to.include({ ok: true, left: "1", right: "1" });
    expect(findings.find(({ id }) => id === "R5" )).to.include({ ok: true });
    expect(channel.paymentId).to.have.length(66);

    // Bond tokens vanish from the registry: what no call can do, a broken token could.
    const slot = await w.token.balanceOf(w.addresses.NodeRegistry);
    await w.networkHelpers.impersonateAccount(w.addresses.NodeRegistry);
    await w.networkHelpers.setBalance(w.addresses.NodeRegistry, 10n ** 18n);
    await w.token.connect(await w.ethers.getSigner(w.addresses.NodeRegistry)).transfer(w.relayer.address, slot);
    const broken = await og("health");
    expect(broken.code).to.equal(1);
    expect(broken.out).to.match(/S7\s+BROKEN/);
  });
});
