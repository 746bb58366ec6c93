import { expect } from "chai";
import { type Hex, keccak256, toHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { createFollower, createPool, followerMigration } from "../../../keepers/chain/index.ts";
import { simulatedClock } from "../../../keepers/clock/index.ts";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { decideFeed } from "../../../keepers/roles/data/decide.ts";
import { at, median, observeSources, toInteger } from "../../../keepers/roles/data/sources.ts";
import { assembleQuorum, leafCheckStatement, myTurn, statementStore } from "../../../keepers/roles/full/statements.ts";
import { fullStore } from "../../../keepers/roles/full/store.ts";
import { decideNode, KeyStatus, type NodeSnapshot, NodeStatus } from "../../../keepers/roles/node/index.ts";
import { openStore } from "../../../keepers/storage/index.ts";
import type { BatchHeader } from "../../../sdk/protocol/index.ts";
import { fakeChain } from "../support/fake-chain.ts";
import { codeOf } from "../support/code-of.ts";

const hash = (text: string): Hex => keccak256(toHex(text));

describe("a node's next step", () => {
  const wish = { endpoint: "https://a", tlsSpkiHash: hash("tls"), renewBefore: 100n };
  const key = { publicKeyHash: hash("key"), status: KeyStatus.Valid as number, validUntil: 10_000n };
  const node = { status: NodeStatus.Active as number, endpoint: "https://a", tlsSpkiHash: hash("tls"), lastHeartbeat: 990n, key };
  const snapshot = (change: Partial<NonNullable<NodeSnapshot["node"]>> = {}, more: Partial<NodeSnapshot> = {}): NodeSnapshot => ({
    headNumber: 1_000n, headTime: 5_000n, heartbeatBlocks: 300n, ownPublicKeyHash: hash("key"), node: { ...node, ...change }, ...more,
  });
  const kind = (seen: NodeSnapshot) => decideNode(seen, wish).kind;

  it("registers, moves, attests, beats, rests", () => {
    expect(kind({ ...snapshot(), node: null })).to.equal("register");
    expect(kind(snapshot({ endpoint: "https://b" }))).to.equal("setEndpoint");
    expect(kind(snapshot({ tlsSpkiHash: hash("other") }))).to.equal("setEndpoint");
    expect(kind(snapshot({ key: null }))).to.equal("attest");
    for (const status of [KeyStatus.Retired, KeyStatus.Expired, KeyStatus.Compromised]) expect(kind(snapshot({ key: { ...key, status } }))).to.equal("attest");
    expect(kind(snapshot({}, { ownPublicKeyHash: null })), "a restarted process has lost its key").to.equal("attest");
    expect(kind(snapshot({ key: { ...key, validUntil: 5_099n } }))).to.equal("attest");
    expect(kind(snapshot({ lastHeartbeat: 899n }))).to.equal("heartbeat");
    expect(kind(snapshot({ status: NodeStatus.Dead }))).to.equal("heartbeat");
    expect(kind(snapshot())).to.equal("none");
  });

  it("with relays: handed in at a third of the time until death, sent by itself at a half, and at once when dead", () => {
    const relayed = (change: Partial<NonNullable<NodeSnapshot["node"]>>) => decideNode(snapshot(change), { ...wish, relayed: true }).kind;
    expect(relayed({ lastHeartbeat: 900n })).to.equal("none");
    expect(relayed({ lastHeartbeat: 899n })).to.equal("handIn");
    expect(relayed({ lastHeartbeat: 850n })).to.equal("handIn");
    expect(relayed({ lastHeartbeat: 849n })).to.equal("heartbeat");
    expect(relayed({ status: NodeStatus.Dead, lastHeartbeat: 899n })).to.equal("heartbeat");
  });

  it("a jailed, exiting, exited or banned node takes no work", () => {
    for (const status of [NodeStatus.Exiting, NodeStatus.Exited, NodeStatus.Jailed, NodeStatus.Banned]) expect(kind(snapshot({ status }))).to.equal("stop");
  });
});

describe("a data node's next steps", () => {
  const base = { period: 10n, minOperators: 2 };

  it("commits in the first half, reveals from the second, closes after the next round", () => {
    expect(decideFeed({ ...base, now: 103n, rounds: [] })).to.deep.equal([{ kind: "observe", round: 10n, commit: true }]);
    expect(decideFeed({ ...base, now: 105n, rounds: [] })).to.deep.equal([]);
    const rounds = [{ round: 10n, state: "committed" as const }];
    expect(decideFeed({ ...base, now: 104n, rounds })).to.deep.equal([]);
    for (const now of [105n, 119n]) expect(decideFeed({ ...base, now, rounds })[0]).to.deep.equal({ kind: "reveal", round: 10n });
    expect(decideFeed({ ...base, now: 126n, rounds })).to.deep.equal([{ kind: "miss", round: 10n }]);
    expect(decideFeed({ ...base, now: 126n, rounds: [{ round: 10n, state: "revealed" }] })).to.deep.equal([{ kind: "close", round: 10n }]);
  });

  it("what was signed and not committed is committed while there is time, and lost afterwards: never a second value", () => {
    const rounds = [{ round: 10n, state: "signed" as const }];
    expect(decideFeed({ ...base, now: 104n, rounds })).to.deep.equal([{ kind: "commit", round: 10n }]);
    expect(decideFeed({ ...base, now: 106n, rounds })).to.deep.equal([{ kind: "miss", round: 10n }]);
  });

  it("alone, it observes and reveals at once", () => {
    expect(decideFeed({ period: 10n, minOperators: 1, now: 108n, rounds: [] })).to.deep.equal([{ kind: "observe", round: 10n, commit: false }]);
    expect(decideFeed({ period: 10n, minOperators: 1, now: 108n, rounds: [{ round: 10n, state: "signed" }] })).to.deep.equal([{ kind: "reveal", round: 10n }]);
  });

  it("numbers digit by digit, rounded half away from zero", async () => {
    const cases: [unknown, number, bigint][] = [["1234.5678", 8, 123456780000n], [0.1, 1, 1n], ["-1.25", 1, -13n], ["1.24", 1, 12n], ["1e3", 2, 100_000n], ["123456789012345678901234.5", 1, 1234567890123456789012345n], ["2.5e-1", 2, 25n]];
    for (const [value, decimals, expected] of cases) expect(toInteger(value, decimals), String(value)).to.equal(expected);
    for (const value of ["", "NaN", "0x10", null, {}, "1e400", "--1"]) expect(await codeOf(() => toInteger(value, 2)), String(value)).to.equal("data.not_a_number");
    expect(median([5n, 1n, 9n, 7n])).to.equal(5n);
    expect(at({ a: [{ "b/c": 3 }] }, "/a/0/b~1c")).to.equal(3);
    expect(await codeOf(() => at({}, "/constructor"))).to.equal("data.pointer");
  });

  it("most of the sources must answer; garbage and dead ones do not count", async () => {
    const answers: Record<string, string> = { "https://a/": '{"p":"1.00"}', "https://b/": '{"p":"1.02"}', "https://c/": "<html>", "https://d/": '{"p":"9"}' };
    const fake = (async (url: string) => new Response(answers[url] ?? "", { status: url in answers ? 200 : 500 })) as unknown as typeof fetch;
    const observe = (...hosts: string[]) => observeSources({ sources: hosts.map((host) => `https://${host}/#/p`), tlsPins: [], decimals: 2 }, { timeoutMs: 1_000, allowPlain: false, fetch: fake });
    expect(await observe("a", "b", "c")).to.include({ value: 100n, answered: 2 });
    expect(await codeOf(() => observe("a", "c"))).to.equal("data.sources");
    expect(await codeOf(() => observeSources({ sources: ["http://a/#/p"], tlsPins: [], decimals: 2 }, { timeoutMs: 1_000, allowPlain: false, fetch: fake }))).to.equal("data.sources");
  });
});

describe("committee statements", () => {
  const accounts = [1, 2, 3, 4].map((index) => privateKeyToAccount(hash(`member ${index}`))).sort((a, b) => (BigInt(a.address) < BigInt(b.address) ? -1 : 1));
  const epoch = { epoch: 1n, members: accounts.slice(0, 3).map(({ address }) => ({ signer: address as Hex, stake: 10n })), nodeIds: [] };
  const statement = leafCheckStatement(hash("header"), 1n, { chainId: 1, verifyingContract: `0x${"11".repeat(20)}` });
  const signed = async (index: number) => ({ digest: statement.digest, signer: accounts[index]!.address, signature: await accounts[index]!.sign({ hash: statement.digest }) });

  it("a quorum is two thirds of the stake, bits ascending by seat", async () => {
    expect(assembleQuorum(epoch, [await signed(2)])).to.equal(null);
    const quorum = assembleQuorum(epoch, [await signed(2), await signed(0), await signed(3)])!;
    expect(quorum.signers).to.equal(0b101n);
    expect(quorum.signatures).to.equal((await signed(0)).signature + (await signed(2)).signature.slice(2));
  });

  it("takes a member's own signature and nothing else", async () => {
    const store = statementStore(withTables());
    const isMember = (who: string) => epoch.members.some(({ signer }) => signer.toLowerCase() === who.toLowerCase());
    await store.receive(await signed(1), isMember, 0);
    await store.receive(await signed(1), isMember, 0);
    expect(store.signatures(statement.digest)).to.have.length(1);
    expect(await codeOf(async () => store.receive(await signed(3), isMember, 0))).to.equal("full.not_a_member");
    expect(await codeOf(async () => store.receive({ ...(await signed(0)), signer: accounts[2]!.address }, isMember, 0))).to.equal("full.bad_signature");
    const malformed = { ...(await signed(0)), signature: `${(await signed(0)).signature.slice(0, 130)}00` as Hex };
    expect(await codeOf(() => store.receive(malformed, isMember, 0))).to.equal("full.bad_signature");
  });

  it("every member gets its turn, one after the other", () => {
    const turns = [0, 1, 2].map((seat) => [0, 1_000, 2_000].find((since) => myTurn(hash("x"), seat, 3, since, 1_000)));
    expect([...turns].sort()).to.deep.equal([0, 1_000, 2_000]);
    expect(myTurn(hash("x"), -1, 3, 1e9, 1_000)).to.equal(false);
  });
});

function withTables() {
  const store = openStore(":memory:");
  fullStore(store);
  return store;
}

describe("K4: the ledger under reorganisations", () => {
  const header = (nonce: bigint): BatchHeader => ({
    nodeId: hash("node"), keyId: hash("key"), nonce, prevHeader: hash("p"), receiptsRoot: hash("r"), channelsRoot: hash("c"), count: 1, channels: 1, totalCharge: 1n,
    minIssuedAt: 1n, maxIssuedAt: 1n, blobId: hash("blob"), contentHash: hash("content"), format: 1,
  });

  it("a rollback takes headers and statuses back, and what the chain says afterwards counts", () => {
    const store = fullStore(openStore(":memory:"));
    const at = (block: bigint, status: number) => store.addTransition({ headerHash: hash("h"), status, block, logIndex: 0, txHash: hash(`t${block}`) });
    store.addHeader({ hash: hash("h"), kind: "batch", header: header(1n), fullBond: false, postedBlock: 10n, txHash: hash("t") });
    at(10n, 1);
    at(12n, 2);
    at(15n, 3);
    expect(store.header(hash("h"))!.status).to.equal(3);
    store.rollback(14n);
    expect(store.header(hash("h"))).to.include({ status: 2, statusBlock: 12n });
    store.rollback(9n);
    expect(store.header(hash("h"))).to.equal(undefined);
    expect(store.unchecked(10)).to.have.length(0);
  });

  it("the follower finds the common block, rolls back and follows the other branch; rows and cursor are one transaction", async () => {
    const chain = fakeChain();
    const clock = simulatedClock(5);
    const store = openStore(":memory:");
    store.migrate(followerMigration);
    const seen: { block: number; hash: string }[] = [];
    let failOnce = false;
    const follower = createFollower({
      name: "t", store, logger: silentLogger, addresses: [], startBlock: 1n, reorgDepth: 20, chunk: 3n,
      pool: createPool({ chainId: 31337, endpoints: [chain.endpoint("a", clock)], clock, logger: silentLogger }),
      apply: (_logs, upTo) => {
        if (failOnce) throw new Error("disk full");
        seen.push({ block: Number(upTo.number), hash: upTo.hash });
      },
      rollback: (block) => void seen.splice(0, seen.length, ...seen.filter((item) => item.block <= Number(block))),
    });
    chain.mine(10);
    expect(await follower.step()).to.equal(10n);
    chain.reorg(3);
    await follower.step();
    expect(follower.position()!.hash).to.equal(chain.blocks.at(-1)!.hash);
    expect(seen.every(({ block, hash: blockHash }) => chain.blocks[block]!.hash === blockHash)).to.equal(true);
    chain.mine(1);
    failOnce = true;
    const before = follower.position();
    await follower.step().catch(() => {});
    expect(follower.position()).to.deep.equal(before);
    failOnce = false;
    await follower.step();
    expect(follower.position()!.number).to.equal(BigInt(chain.blocks.length - 1));
  });

  it("a reorganisation deeper than allowed stops with a reason instead of guessing", async () => {
    const chain = fakeChain();
    const clock = simulatedClock(5);
    const store = openStore(":memory:");
    store.migrate(followerMigration);
    const follower = createFollower({
      name: "t", store, logger: silentLogger, addresses: [], startBlock: 1n, reorgDepth: 4, chunk: 2n,
      pool: createPool({ chainId: 31337, endpoints: [chain.endpoint("a", clock)], clock, logger: silentLogger }), apply: () => {}, rollback: () => {},
    });
    chain.mine(30);
    await follower.step();
    chain.reorg(20);
    expect(await codeOf(() => follower.step())).to.equal("chain.deep_reorg");
  });
});
