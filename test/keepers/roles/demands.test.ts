import { expect } from "chai";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Hex, keccak256 } from "viem";
import { createFollower, followerMigration } from "../../../keepers/chain/index.ts";
import { systemClock } from "../../../keepers/clock/index.ts";
import { bondFor, createDemandWork, decideDemands, demandRules, type DemandPolicy, type DemandView, type Want } from "../../../keepers/roles/demands/index.ts";
import { createBatchChecker } from "../../../keepers/roles/full/check.ts";
import { createJudge } from "../../../keepers/roles/full/judge.ts";
import { createPreimages } from "../../../keepers/roles/full/preimages.ts";
import { createWatcher } from "../../../keepers/roles/full/watch.ts";
import { createFullDemands } from "../../../keepers/roles/full/data-demands.ts";
import { applyChanges, readLog } from "../../../keepers/roles/full/events.ts";
import { createHeartbeatRelay } from "../../../keepers/roles/full/heartbeats.ts";
import { ledgerApi } from "../../../keepers/roles/full/ledger-api.ts";
import { statementStore } from "../../../keepers/roles/full/statements.ts";
import { type CheckTask, taskRunner } from "../../../keepers/roles/full/batch-check.ts";
import type { SharedChecks, SharedState } from "../../../keepers/roles/full/shared-checks.ts";
import { fullStore } from "../../../keepers/roles/full/store.ts";
import { createVerifyPool, type VerifyPool } from "../../../keepers/roles/full/verify-pool.ts";
import { ownDemands } from "../../../keepers/roles/inference/demands.ts";
import { inferenceLedger } from "../../../keepers/roles/inference/ledger.ts";
import { blobIds, startWalrusServer, walrusClient, type WalrusClient, type WalrusServer } from "../../../keepers/walrus/index.ts";
import { encodeBatch } from "../../../sdk/batch/index.ts";
import { BatchStatus, receiptDigest, Role } from "../../../sdk/protocol/index.ts";
import { build, type Built, domainOf, line } from "../../settlement/builder.ts";
import { settlementWorld, type World, bytes32 } from "../../utils/settlement-world.ts";
import { worldPlatform } from "../support/world-platform.ts";

const hash = bytes32("header");

describe("what a node does about demands", () => {
  const policy: DemandPolicy = { askAfterMs: 1_000, maxPerHeader: 2, turn: (_, since) => since >= 0 };
  const demand: DemandView = { id: 7n, headerHash: hash, mine: false, pending: true, held: false, sinceMs: 0, overdueMs: null };
  const want: Want = { headerHash: hash, count: 1_000, sinceMs: 1_000, open: 0, askedByUs: 0, random: 5n };
  const kinds = (demands: DemandView[], wants: Want[] = []) => decideDemands(demands, wants, policy).map(({ kind }) => kind);

  it("answers what it holds, also late; enforces what nobody answered; closes its own when something else decided", () => {
    expect(kinds([demand])).to.deep.equal([]);
    expect(kinds([{ ...demand, held: true }])).to.deep.equal(["answer"]);
    expect(kinds([{ ...demand, held: true, overdueMs: 5 }])).to.deep.equal(["answer"]);
    expect(kinds([{ ...demand, overdueMs: 5 }])).to.deep.equal(["enforce"]);
    expect(kinds([{ ...demand, pending: false, overdueMs: 5 }])).to.deep.equal([]);
    expect(kinds([{ ...demand, pending: false, mine: true }])).to.deep.equal(["close"]);
  });

  it("waits for its turn, except for what it asked itself", () => {
    const patient = { ...policy, turn: () => false };
    const steps = decideDemands([{ ...demand, held: true }, { ...demand, overdueMs: 5 }, { ...demand, overdueMs: 5, mine: true }], [want], patient);
    expect(steps.map(({ kind }) => kind)).to.deep.equal(["enforce"]);
  });

  it("asks after a while, one at a time, only so often, inside of the tree", () => {
    expect(decideDemands([], [want], policy)).to.deep.equal([{ kind: "ask", headerHash: hash, first: 5, count: 16 }]);
    expect(kinds([], [{ ...want, sinceMs: 999 }])).to.deep.equal([]);
    expect(kinds([], [{ ...want, open: 1 }])).to.deep.equal([]);
    expect(kinds([], [{ ...want, askedByUs: 2 }])).to.deep.equal([]);
    for (let random = 0n; random < 50n; random++) {
      for (const count of [1, 3, 16, 17, 40]) {
        const [step] = decideDemands([], [{ ...want, count, random }], policy);
        expect(step).to.include({ kind: "ask", count: Math.min(16, count) });
        if (step?.kind === "ask") expect(step.first + step.count).to.be.lessThanOrEqual(count);
      }
    }
  });
});

describe("demands in keepers, on a chain", () => {
  let w: World;
  let node: Awaited<ReturnType<World["addNode"]>>;
  let dir: string;
  let server: WalrusServer;
  let walrus: WalrusClient;
  let pool: VerifyPool;
  const ids = blobIds();
  const closers: (() => Promise<unknown>)[] = [];

  before(async () => {
    w = await settlementWorld();
    node = await w.addNode(Role.Inference);
    dir = mkdtempSync(join(tmpdir(), "og-demands-"));
    server = await startWalrusServer({ directory: join(dir, "walrus"), blobIds: ids, clock: systemClock() });
    walrus = walrusClient({ publisher: server.url, aggregators: [server.url], blobIds: ids, clock: systemClock(), attempts: 1 });
    pool = createVerifyPool(1);
  });
  after(async () => {
    for (const close of closers) await close();
    await pool.stop();
    await server.close();
    await ids.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** A full node's parts that matter here: ledger, checker, demands. */
  async function fullNode(name: string, sharedChecks?: () => SharedChecks) {
    const platform = await worldPlatform(w, name, (deployment) => demandRules(deployment, 10n ** 17n));
    closers.push(() => platform.stop());
    platform.store.migrate(followerMigration);
    const store = fullStore(platform.store);
    const addresses = { settlement: w.addresses.InferenceSettlement, committee: w.addresses.Committee };
    const follower = createFollower({
      name: "settlement", pool: platform.settlement.pool, store: platform.store, logger: platform.logger, addresses: Object.values(addresses), startBlock: 0n, reorgDepth: 64,
      apply: (logs) => applyChanges(store, logs.flatMap((log) => readLog(log, addresses))), rollback: (block) => store.rollback(block),
    });
    const preimages = createPreimages(platform, async () => null);
    const checker = createBatchChecker({ platform, store, walrus, pool, domain: domainOf(w), judge: createJudge(platform), preimages, blobDir: join(dir, name), sharedChecks });
    const demands = createFullDemands(platform, store, checker, domainOf(w), { demandAfterMs: 0, demandsPerHeader: 1, maxDemandBond: 10n ** 17n, leaderMs: 0 });
    return {
      platform, store, checker, demands, preimages,
      async step() {
        await follower.step();
        while (await checker.step());
        await demands.step();
      },
    };
  }

  let lines = 0;
  /** A posted batch; with data on Walrus or without. */
  async function posted(stored: boolean): Promise<Built> {
    const receipts = line(node, await w.now(), 40, { paymentId: bytes32(`demanded ${lines++}`) });
    const draft = await build(w, node, receipts);
    const bytes = await encodeBatch({ ...draft.header, leaves: draft.receipts.map((receipt, i) => ({ receipt, signature: draft.signatures[i]! })), stretches: draft.stretches });
    const blobId = stored ? (await walrus.store(bytes)).blobId : keccak256(bytes);
    const built = await build(w, node, receipts, { blobId, contentHash: keccak256(bytes) });
    await w.settlement.postBatch(built.header, built.signature, true);
    return built;
  }

  /** Twice today's: enough in the next block too. */
  const bond = async (count: number) => 2n * bondFor(count, (await w.ethers.provider.getBlock("latest"))!.baseFeePerGas!);
  const status = async (header: Hex) => Number((await w.batchOf(header)).status);
  const open = async (header: Hex) => Number((await w.batchOf(header)).openDemands);
  async function responseTimePasses(): Promise<void> {
    await w.networkHelpers.time.increase(Number(w.parameters.settlement.responseTime) + 1);
    await w.networkHelpers.mine(Number(w.parameters.settlement.windowBlocks) + 1);
  }

  it("a keeper prices a bond as the contract does", async () => {
    const built = await posted(false);
    for (const [count, baseFee] of [[1, 1n], [16, 10n ** 6n], [3, 7n * 10n ** 9n]] as const) {
      const needed = bondFor(count, baseFee);
      const ask = async (value: bigint) => {
        await w.networkHelpers.setNextBlockBaseFeePerGas(baseFee);
        return w.demands.ask(built.header, 1, 0, count, { value, maxFeePerGas: baseFee, maxPriorityFeePerGas: 0n, gasLimit: 1_000_000 });
      };
      await expect(ask(needed - 1n)).to.be.revertedWithCustomError(w.demands, "DemandsBond").withArgs(needed - 1n, needed);
      await ask(needed);
    }
  });

  it("data that is nowhere: demanded, not answered in time, rejected; the asker has its bond back", async () => {
    const full = await fullNode("absent");
    const built = await posted(false);
    await full.step();
    expect(full.store.check(built.hash)).to.equal(undefined);
    expect(await open(built.hash)).to.equal(1);
    const paid = (await w.demands.demand((await w.demands.demandCount()) - 1n)).bond;
    await full.step();
    expect(await open(built.hash), "one at a time").to.equal(1);
    expect(await status(built.hash)).to.equal(BatchStatus.Posted);
    await responseTimePasses();
    await full.step();
    expect(await status(built.hash)).to.equal(BatchStatus.Rejected);
    expect(await w.demands.credit(full.platform.signer.address)).to.equal(paid);
    await full.demands.withdraw();
    expect(await w.demands.credit(full.platform.signer.address)).to.equal(0n);
  });

  it("data that is nowhere, but the poster has it: answered from its store, and the batch stands", async () => {
    const full = await fullNode("asks");
    const poster = await worldPlatform(w, "poster", (deployment) => demandRules(deployment));
    closers.push(() => poster.stop());
    const built = await posted(false);
    const ledger = inferenceLedger(poster.store);
    const digests = built.receipts.map((receipt) => receiptDigest(receipt, domainOf(w)));
    built.receipts.forEach((receipt, i) => ledger.add({ digest: digests[i]!, receipt, signature: built.signatures[i]!, settlementMode: 2, verification: 1, storedAt: i }));
    ledger.addHeader({ nonce: built.header.nonce, hash: built.hash, kind: "batch", header: built.header, signature: built.signature, stretches: built.stretches }, digests);
    ledger.setHeaderState(built.header.nonce, "posted");

    await full.step();
    expect(await open(built.hash)).to.equal(1);
    const answering = ownDemands(poster, ledger, domainOf(w));
    await answering.step();
    expect(await open(built.hash)).to.equal(0);
    expect(await w.demands.credit(poster.signer.address)).to.be.greaterThan(0n);
    await responseTimePasses();
    await full.step();
    expect(await status(built.hash)).to.equal(BatchStatus.Posted);
    // The window grew by the time to answer, once; then the batch is final like any other.
    const [time, block] = await w.settlement.finalizableAt(built.header);
    await w.networkHelpers.time.increaseTo(Number(time) + 1);
    await w.networkHelpers.mineUpTo(Number(block) + 1).catch(() => {});
    await w.settlement.finalize(built.header);
    expect(await status(built.hash)).to.equal(BatchStatus.Final);
  });

  it("an honest poster is asleep: a full node answers every kind of demand from its mirror, and is paid", async () => {
    const full = await fullNode("mirror");
    const built = await posted(true);
    await full.step();
    expect(full.store.check(built.hash)?.verdict, "it carries no terms, and holds").to.equal("unjudged");
    // The ledger's proof by place is one that the contract takes.
    const watcher = createWatcher({ platform: full.platform, store: full.store, domain: domainOf(w), preimages: full.preimages, desk: { take: () => "unknown", of: () => undefined } });
    const api = ledgerApi({ watcher, relay: createHeartbeatRelay(full.platform, { size: 0, waitMs: 0 }), store: full.store, statements: statementStore(full.platform.store), clock: full.platform.clock, logger: full.platform.logger, blobPath: full.checker.blobPath, domain: domainOf(w), summary: () => ({}) });
    const page = async (path: string) => (await api(new Request(`http://ledger/ledger/${path}`))).json() as Promise<{ path: Hex[]; digest: Hex; signature: Hex; receipt: object; error?: { code: string } }>;
    const proof = await page(`headers/${built.hash}/receipts/17`);
    expect(proof.digest).to.equal(receiptDigest(built.receipts[17]!, domainOf(w)));
    await w.settlement.verifyInclusion(built.header, built.receipts[17]!, built.signatures[17]!, 17, proof.path);
    expect((await page(`receipts/${proof.digest}`)).path).to.deep.equal(proof.path);
    expect((await page(`headers/${built.hash}/receipts/40`)).error?.code).to.equal("ledger.unknown_receipt");
    expect((await page(`headers/${built.hash}/receipts/x`)).error?.code).to.equal("ledger.bad_index");
    await w.demands.ask(built.header, 1, 3, 16, { value: await bond(16) });
    await w.demands.ask(built.header, 2, 0, 1, { value: await bond(1) });
    await w.demands.askLast(built.header, built.stretches[0]!.paymentId, { value: await bond(3) });
    await w.demands.askLast(built.header, bytes32("nobody's payment"), { value: await bond(3) });
    expect(await open(built.hash)).to.equal(4);
    await full.step();
    expect(await open(built.hash)).to.equal(0);
    expect(await status(built.hash)).to.equal(BatchStatus.Posted);
    expect(await w.demands.credit(full.platform.signer.address)).to.be.greaterThan(0n);
    await full.step();
    expect(full.demands.totals().answered).to.be.greaterThanOrEqual(4);
  });

  it("with a shared queue: waits for a worker's verdict, then indexes; a worker that cannot get the data lets it be demanded", async () => {
    const queued = new Map<Hex, CheckTask>();
    const states = new Map<Hex, SharedState>();
    const queue: SharedChecks = {
      queue: async (task) => void queued.set(task.hash, task),
      state: async (of) => states.get(of) ?? { state: "waiting" },
      work: async () => {},
      stop: async () => {},
    };
    const full = await fullNode("queued", () => queue);
    const [good, absent] = [await posted(true), await posted(false)];
    const check = taskRunner({ walrus, pool, clock: systemClock(), blobDir: join(dir, "worker"), keep: false });
    await full.step();
    expect(queued.get(good.hash)?.header).to.deep.equal(good.header);
    expect(full.store.check(good.hash), "no verdict yet").to.equal(undefined);
    expect(await open(absent.hash)).to.equal(0);

    states.set(good.hash, { state: "done", verdict: { ...(await check(queued.get(good.hash)!)), worker: "worker 1" } });
    states.set(absent.hash, { state: "failing", code: "walrus.not_found", reason: "No aggregator has the blob." });
    await full.step();
    expect(full.store.check(good.hash)).to.include({ verdict: "unjudged", leaves: 40 });
    expect(full.store.leaves(good.hash, 0, 100)).to.have.length(40);
    expect(await open(absent.hash)).to.equal(1);
  });

  it("data that opens to other roots answers nothing, and a bond above the cap is not paid", async () => {
    const platform = await worldPlatform(w, "wrong", (deployment) => demandRules(deployment, 1n));
    closers.push(() => platform.stop());
    const [built, other] = [await posted(false), await posted(false)];
    const bytes = await encodeBatch({ ...other.header, leaves: other.receipts.map((receipt, i) => ({ receipt, signature: other.signatures[i]! })), stretches: other.stretches });
    const before = await w.demands.demandCount();
    const work = createDemandWork(platform, {
      domain: domainOf(w), maxBond: 1n, header: (of) => (of === built.hash ? built.header : undefined), blob: () => () => bytes,
      missing: () => [{ hash: built.hash, header: built.header, since: 0 }], policy: { askAfterMs: 0, maxPerHeader: 1, turn: () => true },
    });
    await work.step();
    expect(await w.demands.demandCount(), "too dear").to.equal(before);
    await w.demands.ask(built.header, 1, 0, 1, { value: await bond(1) });
    await work.step();
    expect(await open(built.hash)).to.equal(1);
  });
});
