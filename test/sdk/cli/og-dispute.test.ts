import { expect } from "chai";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Hex } from "viem";
import { systemClock } from "../../../keepers/clock/index.ts";
import type { ProvingModel } from "../../../keepers/proving/program.ts";
import { blobIds, startWalrusServer, walrusClient, type WalrusServer } from "../../../keepers/walrus/index.ts";
import { disputedHeader, fullNodes, handInDispute } from "../../../sdk/network/disputes.ts";
import { readDispute } from "../../../sdk/network/dispute-file.ts";
import { Role } from "../../../sdk/protocol/enums.ts";
import { tempFolder } from "../../utils/folder.ts";
import { bytes32, ZERO } from "../../utils/settlement-world.ts";
import { type RpcServer, rpcServer } from "../../utils/rpc-server.ts";
import { type FullRig, fullRig } from "../../keepers/support/full-rig.ts";
import { tlsDoor } from "../../keepers/support/tls-door.ts";
import { blobsInMemory } from "../../keepers/support/poster.ts";
import { NAME, type WordModel, wordModel, type WordNode, wordNode } from "../../keepers/support/word-node.ts";
import { runOg } from "./run.ts";

/** The command line as a payer calls it: processes of their own, over HTTPS to the nodes that the registry names. */
describe("og infer and og dispute, from the lie to the rejected header", () => {
  let rig: FullRig;
  let made: WordModel;
  let node: WordNode;
  let walrus: WalrusServer;
  let dir: string;
  let payerKey: Hex;
  const servers: RpcServer[] = [];
  const ids = blobIds();

  before(async () => {
    dir = tempFolder("og-dispute");
    made = await wordModel();
    walrus = await startWalrusServer({ directory: join(dir, "walrus"), blobIds: ids, clock: systemClock() });
    const { blobId } = await walrusClient({ publisher: walrus.url, aggregators: [walrus.url], blobIds: ids, clock: systemClock() }).store(made.bytes);
    const programs = new Map<Hex, ProvingModel>();
    const blobs = blobsInMemory();
    rig = await fullRig({ walrus: blobs, programs, members: 1, behindSeconds: 300 });
    await rig.addMember(undefined, { served: true });
    await rig.round(["seat"]);
    node = await wordNode(rig, made, blobs, blobId);
    programs.set(node.modelId, made);
    await node.attestCeremony();
    payerKey = (await node.payer()).privateKey;
    for (const send of [rig.world.provider, rig.paymentChain.provider]) servers.push(await rpcServer((method, params) => send.request({ method, params }) as Promise<unknown>));
    writeFileSync(join(dir, "settlement.json"), JSON.stringify({ chainId: rig.world.chainId, contracts: rig.world.addresses }));
    writeFileSync(join(dir, "payment.json"), JSON.stringify({ chainId: rig.paymentChain.chain.id, contracts: rig.payment }));
    writeNetwork({ walrus: { publisher: walrus.url, aggregators: [walrus.url] } });
  });
  after(async () => {
    for (const server of servers) await server.close();
    await walrus?.close();
    await ids.close();
    await node?.stop();
    await rig.stop();
  });

  function writeNetwork(more: object, name = "og.json"): string {
    const [settlement, payment] = ["settlement", "payment"].map((chain, i) => ({ rpcUrl: servers[i]!.url, addresses: join(dir, `${chain}.json`) }));
    writeFileSync(join(dir, name), JSON.stringify({ settlement, payment, ...more }));
    return join(dir, name);
  }
  const og = (...args: string[]) => runOg(args, { dir, key: payerKey });
  const inputs = JSON.stringify({ x: { shape: [1, 4], data: [0.25, -0.5, 0.125, 0.75] } });
  const infer = (...more: string[]) => og("infer", NAME, inputs, "--verification", "vanilla", "--node", node.node.nodeId, ...more);
  const saved = () => (existsSync(join(dir, "disputes")) ? readdirSync(join(dir, "disputes")).map((name) => join(dir, "disputes", name)) : []);
  const domain = () => ({ chainId: rig.world.chainId, verifyingContract: rig.world.addresses.InferenceSettlement });

  it("og infer runs the program here and says so; the opt-out says what it gives away; without the program it asks nothing", async () => {
    const { code, out, err } = await infer();
    expect(code, err).to.equal(0);
    expect(out).to.match(/^y \[1, 3\] = /).and.contain("recourse  run here too, with the same answer; a wrong one would have been a fault on chain");
    expect(node.seen.at(-1)).to.have.property("words");
    const opted = await infer("--no-recourse");
    expect(opted.out).to.contain("recourse  none, the answer was taken as it came: it was asked in tensors, as you chose");
    expect(node.seen.at(-1)).to.have.property("inputs");
    const asked = node.seen.length;
    const bare = await infer("--network", writeNetwork({}, "bare.json"));
    expect(bare.code).to.equal(1);
    expect(bare.err).to.contain("names no Walrus store").and.contain("--no-recourse");
    expect(node.seen.length).to.equal(asked);
  });

  let file: string;
  it("a lie is saved, for its owner alone, with nothing of the payer but what opens the request", async () => {
    node.lies.words = (words) => [words[0]! ^ 1n, ...words.slice(1)];
    const { code, err } = await infer();
    node.lies.words = null;
    expect(code).to.equal(1);
    expect(saved()).to.have.length(1);
    file = saved()[0]!;
    expect(err).to.contain(`og dispute ${file}`);
    expect(statSync(file).mode & 0o777).to.equal(0o600);
    const content = JSON.parse(readFileSync(file, "utf8")) as object;
    expect(Object.keys(content)).to.have.members(["format", "chainId", "settlement", "digest", "receipt", "signature", "opening"]);
    expect(readFileSync(file, "utf8")).to.not.contain(payerKey.slice(2));
  });

  it("refuses, before anything is shown: no file, no dispute, another chain, changed fields, a signature that is not the node's", async () => {
    const content = JSON.parse(readFileSync(file, "utf8")) as { receipt: object; opening: { words: string[] } };
    const spoiled = (change: object): string => {
      writeFileSync(join(dir, "spoiled.json"), JSON.stringify({ ...content, ...change }));
      return join(dir, "spoiled.json");
    };
    writeFileSync(join(dir, "text.json"), "not JSON");
    const missing = await og("dispute", join(dir, "missing.json"));
    expect([missing.code, missing.err.includes("missing.json cannot be read: ENOENT")]).to.deep.equal([1, true]);
    expect(() => readDispute(join(dir, "text.json"), domain())).to.throw("cannot be read");
    for (const [change, reason] of [
      [{ format: "x" }, "is no dispute"], [{ chainId: 1 }, "give --network for the other one"], [{ signature: "0x12" }, "has no signature"], [{ opening: {} }, "has no opening"], [{ receipt: {} }, "holds no receipt"],
      [{ receipt: { ...content.receipt, charge: "1" } }, "was changed"], [{ opening: { ...content.opening, words: [bytes32("w")] } }, "was changed"], [{ digest: ZERO }, "was changed"],
    ] as const) expect(() => readDispute(spoiled(change), domain())).to.throw(reason);
    const forged = await og("dispute", spoiled({ signature: `0x${"11".repeat(65)}` }));
    expect([forged.code, forged.err]).to.deep.equal([1, `og: ${join(dir, "spoiled.json")} convicts nobody: its signature is not by a key that the registry holds for node ${node.node.nodeId}. Nothing was shown to anybody.\n`]);
    expect(rig.members[0]!.desk.of(readDispute(file, domain()).digest)).to.equal(undefined);
  });

  it("handed to every full node, those that cannot be reached named; then posted, proved, rejected, and told each time by the chain", async () => {
    // One more, active and nowhere to be found.
    const lost = await rig.world.addNode(Role.Full);
    const given = await og("dispute", file);
    expect(given.code, given.err).to.equal(0);
    expect(given.out).to.match(new RegExp(`${rig.members[0]!.node.nodeId}  wrong +pending`)).and.match(new RegExp(`${lost.nodeId}  - +- +https://node.invalid`));
    expect(given.out).to.contain("1 of 2 full nodes hold it to be wrong").and.contain("header    none that a full node holds");

    while (await node.settle({ everything: true }));
    await rig.round(["check"]);
    const posted = await og("dispute", "status", file);
    expect(posted.out).to.match(/header {4}0x[0-9a-f]{64} Posted: a proof rejects it until \d{4}-/);

    const member = rig.members[0]!;
    const { dispute, digest } = readDispute(file, domain());
    const hash = member.store.leafByDigest(digest)!.headerHash;
    for (let i = 0; i < 3 && member.store.header(hash)!.status !== 4; i++) {
      await member.desk.step();
      await rig.world.networkHelpers.mine(1);
      await member.follower.step();
    }
    const rejected = await og("dispute", "status", file, "--json");
    expect(rejected.code, rejected.err).to.equal(0);
    expect(JSON.parse(rejected.out)).to.deep.include({ digest, header: { hash, status: "Rejected" } });
    expect((await handInDispute(node.access, dispute)).map(({ output }) => output)).to.have.members(["wrong", null]);
  });

  it("a full node that lies about header, path or verdict is not believed", async () => {
    const { dispute, digest } = readDispute(file, domain());
    const honest = await fullNodes(node.access);
    const door = await tlsDoor();
    try {
      const liar = { ...honest[0]!, nodeId: bytes32("liar"), endpoint: door.reach.endpoint, tlsSpkiHash: door.reach.tlsSpkiHash };
      const truth = (await (await rig.members[0]!.api(new Request(`https://in.process/ledger/receipts/${digest}`))).json()) as { path: Hex[]; batch: { header: Record<string, unknown> } };
      for (const shown of [
        {}, null, [], { ...truth, path: [] }, { ...truth, path: "x" }, { ...truth, index: -1 }, { ...truth, index: 10 ** 6 }, { ...truth, batch: { header: { ...truth.batch.header, nonce: "99" } } },
        { ...truth, batch: { header: { ...truth.batch.header, receiptsRoot: ZERO } } }, { ...truth, path: Array.from({ length: 33 }, () => ZERO) },
      ]) {
        door.opens(() => Response.json(shown));
        expect(await disputedHeader(node.access, digest, dispute.signature, [liar]), JSON.stringify(shown)).to.equal(null);
      }
      door.opens(() => Response.json(truth));
      expect((await disputedHeader(node.access, digest, dispute.signature, [liar]))!.status).to.equal("Rejected");
      door.opens(() => new Response("x".repeat(300_000)));
      expect((await handInDispute(node.access, dispute, [liar]))[0]).to.include({ output: null, reason: "the answer has 300000 bytes, more than 262144" });
    } finally {
      await door.server.close(0);
    }
  });
});
