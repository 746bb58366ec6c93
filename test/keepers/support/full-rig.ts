/** Full nodes over two simulated chains: the role's own parts, joined as the role joins them, stepped by hand. Peers speak through each other's real request handlers. */
import { network } from "hardhat";
import { type Address, type Hex, custom, defineChain } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { clientOver, createFollower, createPool, type Follower, followerMigration, moneyClientOver, type RpcEndpoint, RpcAnswerError } from "../../../keepers/chain/index.ts";
import { type Clock, systemClock } from "../../../keepers/clock/index.ts";
import type { Deployment } from "../../../keepers/config/index.ts";
import { retryable } from "../../../keepers/errors/index.ts";
import { silentLogger } from "../../../keepers/logger/index.ts";
import { createMetrics } from "../../../keepers/metrics/index.ts";
import { createJobs } from "../../../keepers/jobs/index.ts";
import { type Accuser, createAccuser } from "../../../keepers/roles/full/accuse.ts";
import { type BatchChecker, createBatchChecker } from "../../../keepers/roles/full/check.ts";
import { indexSettlements } from "../../../keepers/roles/full/calldata.ts";
import { type CommitteeWork, committeeWork } from "../../../keepers/roles/full/committee.ts";
import { applyChanges, readLog } from "../../../keepers/roles/full/events.ts";
import { createDisputeDesk, type DisputeDesk } from "../../../keepers/roles/full/disputes.ts";
import { createHandover, type Handover } from "../../../keepers/roles/full/handover.ts";
import { fullRules } from "../../../keepers/roles/full/index.ts";
import { createHeartbeatRelay, type HeartbeatRelay, type RelayOptions } from "../../../keepers/roles/full/heartbeats.ts";
import { createInboxGuard, type InboxGuard } from "../../../keepers/roles/full/inbox-guard.ts";
import { createJudge, type Judge } from "../../../keepers/roles/full/judge.ts";
import { ledgerApi } from "../../../keepers/roles/full/ledger-api.ts";
import { type AskTerms, createPreimages, type Preimages } from "../../../keepers/roles/full/preimages.ts";
import type { Peer, Peers } from "../../../keepers/roles/full/peers.ts";
import { createPunisher, type Punisher } from "../../../keepers/roles/full/punish.ts";
import { type Carrier, createCarrier } from "../../../keepers/roles/full/release.ts";
import { createRewards, type Rewards } from "../../../keepers/roles/full/rewards.ts";
import { type Signature, type StatementStore, statementStore } from "../../../keepers/roles/full/statements.ts";
import { type FullStore, fullStore } from "../../../keepers/roles/full/store.ts";
import { createVerifyPool, type VerifyPool } from "../../../keepers/roles/full/verify-pool.ts";
import { createWatcher, type Watcher } from "../../../keepers/roles/full/watch.ts";
import type { ChainAccess, Platform } from "../../../keepers/roles/platform.ts";
import type { ProvingModel } from "../../../keepers/proving/program.ts";
import { bestProver } from "../../../keepers/proving/provers.ts";
import { localSigner } from "../../../keepers/signer/index.ts";
import { kvMigration, openStore } from "../../../keepers/storage/index.ts";
import { createJournal } from "../../../keepers/tx/index.ts";
import type { WalrusClient } from "../../../keepers/walrus/index.ts";
import { type DeployChain, deployChain } from "../../../scripts/deploy/chain.ts";
import { bootstrapInbox, DEVNET_TIMES, deployPayment, type PaymentAddresses, type PaymentTimes } from "../../../scripts/deploy/payment.ts";
import type { SettlementParameters } from "../../../scripts/deploy/parameters.ts";
import { type ProtocolDomain, Role } from "../../../sdk/protocol/index.ts";
import type { SettlementInbox } from "../../../types/contracts/index.js";
import { tempFolder } from "../../utils/folder.ts";
import { settlementWorld, type TestNode, type World } from "../../utils/settlement-world.ts";
import { type TlsDoor, tlsDoor } from "./tls-door.ts";
import { PATIENCE } from "./world-platform.ts";

type Provider = { request(args: { method: string; params?: readonly unknown[] }): Promise<unknown> };

export interface RigOptions {
  members?: number;
  leaderMs?: number;
  parameters?: (parameters: SettlementParameters) => void;
  times?: PaymentTimes;
  walrus?: WalrusClient;
  /** What an inference node answers about its terms. */
  askTerms?: AskTerms;
  relay?: Partial<RelayOptions>;
  programs?: ReadonlyMap<Hex, ProvingModel>;
  /** Seconds that the settlement chain's clock begins behind the machine's. */
  behindSeconds?: number;
}

export type FullRig = Awaited<ReturnType<typeof fullRig>>;

/** One full node with all its parts. */
export interface Member {
  node: Awaited<ReturnType<World["addNode"]>>;
  platform: Platform;
  domain: ProtocolDomain;
  store: FullStore;
  statements: StatementStore;
  judge: Judge;
  preimages: Preimages;
  follower: Follower;
  work: CommitteeWork;
  handover: Handover;
  checker: BatchChecker;
  accuser: Accuser;
  guard: InboxGuard;
  carrier: Carrier;
  punisher: Punisher;
  rewards: Rewards;
  watcher: Watcher;
  desk: DisputeDesk;
  relay: HeartbeatRelay;
  api(request: Request): Promise<Response>;
  pool: VerifyPool;
  switches: { settlement: { down: boolean }; payment: { down: boolean }; offline: boolean };
}

/** An endpoint straight into a chain of this process; `down` makes it fail like a dead one. */
function inProcess(name: string, provider: Provider, switches: { down: boolean }): RpcEndpoint {
  return {
    name,
    async call(method, params) {
      if (switches.down) throw retryable("chain.endpoint", `${name} is down.`, { endpoint: name });
      try {
        return await provider.request({ method, params });
      } catch (error) {
        const { code, message, data } = error as { code?: number; message: string; data?: unknown };
        throw new RpcAnswerError(code ?? -32603, message, data);
      }
    },
  };
}

const deploymentOf = (chainId: number, contracts: object): Deployment => {
  const known = contracts as Record<string, Address | undefined>;
  return { chainId, startBlock: 0n, has: (name) => known[name] !== undefined, address: (name) => known[name]! };
};

export async function fullRig(options: RigOptions = {}) {
  const world = await settlementWorld(options.parameters, options.behindSeconds);
  const other = await network.create({ network: "default", override: { chainId: 713371, initialDate: new Date() } });
  const chain = defineChain({ id: 713371, name: "payment", nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 }, rpcUrls: { default: { http: ["http://unused.invalid"] } }, testnet: true });
  const transport = custom({ request: (args) => other.provider.request(args as never) as Promise<unknown> }, { retryCount: 0 });
  const payer: DeployChain = deployChain({ chain, transport, account: mnemonicToAccount("test test test test test test test test test test test junk") });
  const times = options.times ?? DEVNET_TIMES;
  const payment: PaymentAddresses = await deployPayment(payer, { settlement: { chainId: world.chainId, address: world.addresses.InferenceSettlement }, times });
  const inbox = (await other.ethers.getContractAt("SettlementInbox", payment.SettlementInbox)) as unknown as SettlementInbox;
  const deployments = { settlement: deploymentOf(world.chainId, world.addresses), payment: deploymentOf(713371, payment) };
  const domain = { chainId: world.chainId, verifyingContract: world.addresses.InferenceSettlement };
  const members: Member[] = [];
  const doors: TlsDoor[] = [];
  /** Wall time as the members see it: ahead by what the test skipped. */
  const wall = { ahead: 0 };
  const clock: Clock = { ...systemClock(), now: () => Date.now() + wall.ahead };

  /** @param served Over HTTPS, at the endpoint and under the TLS key that the registry then holds; else only within this process. */
  async function addMember(stake?: bigint, { served = false } = {}): Promise<Member> {
    const door = served ? await tlsDoor() : null;
    if (door) doors.push(door);
    const node = await world.addNode(Role.Full, { ...(stake === undefined ? {} : { bond: stake }), ...(door ? { reach: door.reach } : {}) });
    const switches = { settlement: { down: false }, payment: { down: false }, offline: false };
    await other.networkHelpers.setBalance(node.authorizer.address, 10n ** 20n);
    const store = openStore(":memory:");
    store.migrate(kvMigration);
    const access = (deployment: Deployment, provider: Provider, switchOf: { down: boolean }): ChainAccess => {
      const pool = createPool({ chainId: deployment.chainId, endpoints: [inProcess("in process", provider, switchOf)], clock, logger: silentLogger, timeoutMs: PATIENCE });
      return { chainId: deployment.chainId, deployment, pool, client: clientOver(pool), moneyClient: moneyClientOver(pool), confirmations: 1, reorgDepth: 8, pollMs: 20 };
    };
    const settlement = access(deployments.settlement, world.provider as never, switches.settlement);
    const pay = access(deployments.payment, other.provider as never, switches.payment);
    const signer = localSigner(node.authorizer.privateKey as Hex, { rules: fullRules(deployments, { maxDemandBond: 10n ** 18n }), maxFee: 10n ** 19n });
    const limits = { maxFeePerGas: 10n ** 12n, maxTxCost: 10n ** 19n, maxDayCost: 10n ** 21n };
    const journal = createJournal({
      store, clock, logger: silentLogger, leaseTtlMs: PATIENCE,
      chains: [settlement, pay].map(({ pool }) => ({ pool, signer, limits, timing: { confirmations: 1, pollMs: 10 } })),
    });
    journal.start();
    const metrics = createMetrics();
    const platform: Platform = { name: "full", clock, logger: silentLogger, metrics, store, signer, journal, jobs: createJobs({ clock, logger: silentLogger, metrics }), settlement, payment: pay };
    store.migrate(followerMigration);
    const ledger = fullStore(store);
    const statements = statementStore(store);
    const watched = { settlement: deployments.settlement.address("InferenceSettlement"), committee: deployments.settlement.address("Committee") };
    const follower = createFollower({
      name: "settlement", pool: settlement.pool, store, logger: silentLogger, addresses: [watched.settlement, watched.committee], startBlock: 0n, reorgDepth: 8,
      apply: (logs) => applyChanges(ledger, logs.flatMap((log) => readLog(log, watched))), rollback: (block) => ledger.rollback(block),
    });
    const work = committeeWork({ platform, store: ledger, statements, peers: peersOf(node.nodeId), domain, nodeId: () => node.nodeId, leaderMs: options.leaderMs ?? 1, firstCommittee: options.members ?? 3 });
    const handover = createHandover({ platform, store: ledger, statements, work, domain });
    const pool = createVerifyPool(1);
    const judge = createJudge(platform);
    const preimages = createPreimages(platform, options.askTerms ?? (async () => null));
    const checker = createBatchChecker({ platform, store: ledger, walrus: options.walrus!, pool, domain, judge, preimages, blobDir: tempFolder("og-full") });
    const accuser = createAccuser({ platform, store: ledger, domain, preimages, blobPath: checker.blobPath });
    const desk = createDisputeDesk({ platform, store: ledger, domain, preimages, blobPath: checker.blobPath, programs: options.programs ?? new Map(), prover: bestProver(), scratch: tempFolder("og-witness"), limits: { deadlineMs: PATIENCE, memoryMb: 4_096 } });
    const watcher = createWatcher({ platform, store: ledger, domain, preimages, desk });
    const guard = createInboxGuard({ platform, store: ledger });
    const rewards = createRewards({ platform, store: ledger, nodeId: () => node.nodeId, leaderMs: options.leaderMs ?? 1 });
    const carrier = createCarrier(platform, ledger, statements, work);
    const punisher = createPunisher({ platform, store: ledger, statements, domain });
    const relay = createHeartbeatRelay(platform, { size: 20, waitMs: 0, ...options.relay });
    const api = ledgerApi({ store: ledger, statements, watcher, relay, clock, logger: silentLogger, blobPath: checker.blobPath, domain, summary: () => ({}) });
    const member: Member = { node, platform, domain, judge, preimages, store: ledger, statements, follower, work, handover, checker, accuser, guard, carrier, punisher, rewards, watcher, desk, relay, api, switches, pool };
    members.push(member);
    door?.opens(member.api);
    return member;
  }

  function peersOf(self: Hex): Peers {
    const peer = (member: Member): Peer => ({
      nodeId: member.node.nodeId, endpoint: "https://in.process",
      async send(signatures) {
        if (member.switches.offline) return false;
        const request = new Request("https://in.process/committee/signatures", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ signatures }) });
        return (await member.api(request)).ok;
      },
      async fetch(digest) {
        if (member.switches.offline) return [];
        return ((await (await member.api(new Request(`https://in.process/committee/signatures/${digest}`))).json()) as { signatures: Signature[] }).signatures;
      },
    });
    return { of: async (epoch) => members.filter(({ node }) => node.nodeId !== self && epoch.nodeIds.includes(node.nodeId)).map(peer), stop: () => {} };
  }

  const online = () => members.filter(({ switches }) => !switches.offline);

  return {
    world, inbox, payment, members, domain, addMember, peersOf, payer, wall,
    paymentHelpers: other.networkHelpers,
    paymentChain: { ...other, provider: other.provider, chain },
    /** Everybody does what its jobs would do now. */
    async round(parts: readonly ("seat" | "check" | "accuse" | "sign" | "certify" | "finalize" | "handover" | "punish" | "rewards" | "watch")[] = ["seat", "sign", "certify", "finalize", "handover"]) {
      for (const member of online()) {
        await member.follower.step();
        if (parts.includes("seat")) await member.work.keepSeat();
      }
      for (const member of online()) {
        await member.follower.step();
        if (parts.includes("check")) {
          while (await member.checker.step());
          await indexSettlements(member);
        }
        if (parts.includes("accuse")) await member.accuser.step();
        if (parts.includes("sign")) await member.work.signDue();
        if (parts.includes("handover")) await member.handover.step();
      }
      for (const member of online()) await member.work.exchange();
      for (const member of online()) {
        if (parts.includes("certify")) await member.work.carryLeafChecks();
        if (parts.includes("punish")) await member.punisher.step();
        if (parts.includes("rewards")) await member.rewards.step();
        if (parts.includes("watch")) await member.watcher.step();
        if (parts.includes("finalize")) await member.work.finalizeDue();
        if (parts.includes("handover")) await member.handover.step();
        await member.follower.step();
      }
    },
    /** Finality: signed, exchanged, carried to the payment chain. */
    async carry() {
      for (const member of online()) {
        await member.follower.step();
        await member.work.signDue();
      }
      for (const member of online()) await member.work.exchange();
      for (const member of online()) await member.carrier.step();
    },
    /** Both chains' clocks, with a block each. */
    async pass(seconds: number) {
      await world.networkHelpers.time.increase(seconds);
      await other.networkHelpers.time.increase(seconds);
    },
    /** The first members, as many as the rig was made for: seated, in their first epoch, known to the payment chain. */
    async open(count = options.members ?? 3) {
      for (let i = 0; i < count; i++) await addMember();
      for (let i = 0; i < 2; i++) await this.round(["seat"]);
      await this.bootstrap();
    },
    async bootstrap() {
      const epoch = await world.committee.currentEpoch();
      const seats = (await world.committee.members(epoch)).map(({ signer, stake }) => ({ signer: signer as Address, stake }));
      await bootstrapInbox(payer, payment.SettlementInbox, epoch, seats);
    },
    async stop() {
      for (const { platform, pool } of members) {
        await platform.journal.stop();
        await pool.stop();
      }
      for (const { server } of doors) await server.close(0);
    },
  };
}

export type { TestNode, World };
