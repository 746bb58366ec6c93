/** The full node: follows both chains, checks every batch, signs what it saw, carries certificates, serves the ledger. */
import { join } from "node:path";
import { type Abi, type Hex, keccak256, toHex } from "viem";
import { Role as ProtocolRole } from "../../../sdk/protocol/index.ts";
import { iCommitteeAbi } from "../../../types/abi/ICommittee.ts";
import { iFaultCourtAbi } from "../../../types/abi/IFaultCourt.ts";
import { iFullNodeRewardsAbi } from "../../../types/abi/IFullNodeRewards.ts";
import { groth16FoldAbi } from "../../../types/abi/Groth16Fold.ts";
import { iInferenceSettlementAbi } from "../../../types/abi/IInferenceSettlement.ts";
import { iPaymentEscrowAbi } from "../../../types/abi/IPaymentEscrow.ts";
import { iSettlementInboxAbi } from "../../../types/abi/ISettlementInbox.ts";
import { createFollower, followerMigration } from "../../chain/index.ts";
import type { Deployment } from "../../config/index.ts";
import { type HttpServer, serve, type TlsIdentity, withExplorer } from "../../http/index.ts";
import type { ProvingModel } from "../../proving/program.ts";
import { bestProver } from "../../proving/provers.ts";
import { type PolicyRule, rulesFor } from "../../signer/index.ts";
import type { WalrusClient } from "../../walrus/index.ts";
import { demandRules } from "../demands/index.ts";
import { type EvidenceMaker, createNodeIdentity, nodeRules } from "../node/index.ts";
import type { Platform, Role } from "../platform.ts";
import { indexSettlements } from "./calldata.ts";
import { taskRunner } from "./batch-check.ts";
import { openSharedChecks, type SharedChecks } from "./shared-checks.ts";
import { createAccuser } from "./accuse.ts";
import { createBatchChecker } from "./check.ts";
import { committeeWork } from "./committee.ts";
import { createFullDemands } from "./data-demands.ts";
import { applyChanges, readLog } from "./events.ts";
import { createFoldGuard } from "./fold-guard.ts";
import { createDisputeDesk } from "./disputes.ts";
import { createHandover } from "./handover.ts";
import { createHealthMetrics } from "./health.ts";
import { createHeartbeatRelay } from "./heartbeats.ts";
import { createInboxGuard } from "./inbox-guard.ts";
import { createJudge } from "./judge.ts";
import { ledgerApi } from "./ledger-api.ts";
import { createPeers } from "./peers.ts";
import { loadPrograms } from "./programs.ts";
import { askNode, createPreimages } from "./preimages.ts";
import { createPunisher } from "./punish.ts";
import { createRetention } from "./retention.ts";
import { createCarrier } from "./release.ts";
import { createRewards } from "./rewards.ts";
import { statementStore } from "./statements.ts";
import { fullStore } from "./store.ts";
import { createVerifyPool } from "./verify-pool.ts";
import { createWatcher } from "./watch.ts";

export { taskRunner } from "./batch-check.ts";
export { checkWorkerFields, fullFields } from "./fields.ts";
export { openSharedChecks } from "./shared-checks.ts";
export { createVerifyPool } from "./verify-pool.ts";

export interface FullRoleOptions {
  walrus: WalrusClient;
  blobDir: string;
  checkWorkers: number;
  /** PostgreSQL URL of the queue shared with check workers; empty for none. */
  postgres: string;
  leaderMs: number;
  firstCommittee: number;
  exchangeMs: number;
  /** Other nodes' heartbeats: how many make a transaction (0: none are carried), and how long one waits for others. */
  relaySize: number;
  relayWaitMs: number;
  /** JSON file of `int` programs whose wrong answers this node proves; empty for none. */
  courtModels: string;
  /** Directory of a built explorer; empty for none. */
  explorer?: string;
  proof: { deadlineMs: number; memoryMb: number };
  mirrorRetentionMs: number;
  demandAfterMs: number;
  demandsPerHeader: number;
  maxDemandBond: bigint;
  listen: { host: string; port: number };
  /** Public URL; default: where the server listens. */
  endpoint?: string;
  tls: TlsIdentity;
  node: { payout: `0x${string}`; policyId: `0x${string}`; bond: bigint; nodeId?: `0x${string}`; makeEvidence: EvidenceMaker; heartbeatMs: number; relays?: readonly `0x${string}`[] };
}

/** What a full node's hot key may sign. */
export function fullRules({ settlement, payment }: { settlement: Deployment; payment: Deployment | null }, { maxDemandBond }: { maxDemandBond: bigint }): PolicyRule[] {
  const rules = [
    ...nodeRules(settlement),
    ...demandRules(settlement, maxDemandBond),
    ...rulesFor(settlement.chainId, settlement.address("InferenceSettlement"), iInferenceSettlementAbi as unknown as Abi, ["certify", "finalize"]),
    ...rulesFor(settlement.chainId, settlement.address("Committee"), iCommitteeAbi as unknown as Abi, ["join", "rotate", "slashFalseLeafCheck", "slashFalseFinality", "slashFalseRotation"]),
    ...(settlement.has("FaultCourt") ? rulesFor(settlement.chainId, settlement.address("FaultCourt"), iFaultCourtAbi as unknown as Abi, ["commit", "prove", "proveReceiptEquivocation"]) : []),
    ...(settlement.has("FullNodeRewards") ? rulesFor(settlement.chainId, settlement.address("FullNodeRewards"), iFullNodeRewardsAbi as unknown as Abi, ["collect", "count", "close", "claim"]) : []),
    ...(settlement.has("Groth16Fold") ? rulesFor(settlement.chainId, settlement.address("Groth16Fold"), groth16FoldAbi as unknown as Abi, ["refute", "withdrawCredit"]) : []),
  ];
  if (!payment?.has("PaymentEscrow")) return rules;
  return [
    ...rules,
    ...rulesFor(payment.chainId, payment.address("PaymentEscrow"), iPaymentEscrowAbi as unknown as Abi, ["release", "refundRejected"]),
    ...rulesFor(payment.chainId, payment.address("SettlementInbox"), iSettlementInboxAbi as unknown as Abi, ["record", "rotate"]),
  ];
}

export function createFullRole(platform: Platform, options: FullRoleOptions): Role {
  const { settlement, jobs, metrics, clock, logger, store: db } = platform;
  db.migrate(followerMigration);
  const store = fullStore(db);
  const statements = statementStore(db);
  const addresses = { settlement: settlement.deployment.address("InferenceSettlement"), committee: settlement.deployment.address("Committee") };
  const domain = { chainId: settlement.chainId, verifyingContract: addresses.settlement };
  const pool = createVerifyPool(options.checkWorkers);
  const peers = createPeers(platform);
  let shared: SharedChecks | null = null;
  let server: HttpServer | null = null;
  let identity: ReturnType<typeof createNodeIdentity> | null = null;
  const nodeId = () => identity!.nodeId();

  const follower = createFollower({
    name: "settlement", pool: settlement.pool, store: db, logger: logger.child({ part: "follower" }),
    addresses: [addresses.settlement, addresses.committee],
    startBlock: settlement.deployment.startBlock, reorgDepth: settlement.reorgDepth,
    apply: (logs) => applyChanges(store, logs.flatMap((log) => readLog(log, addresses))),
    rollback: (block) => store.rollback(block),
  });
  const judge = createJudge(platform);
  const preimages = createPreimages(platform, askNode(platform));
  const checker = createBatchChecker({ platform, store, walrus: options.walrus, pool, domain, judge, preimages, blobDir: options.blobDir, sharedChecks: () => shared });
  const work = committeeWork({ platform, store, statements, peers, domain, nodeId, leaderMs: options.leaderMs, firstCommittee: options.firstCommittee });
  const accuser = createAccuser({ platform, store, domain, preimages, blobPath: checker.blobPath });
  const demands = createFullDemands(platform, store, checker, domain, options);
  const carrier = createCarrier(platform, store, statements, work);
  const handover = createHandover({ platform, store, statements, work, domain });
  const guard = createInboxGuard({ platform, store });
  const folds = createFoldGuard(platform);
  const rewards = createRewards({ platform, store, nodeId, leaderMs: options.leaderMs });
  const punisher = createPunisher({ platform, store, statements, domain });
  const summary = () => ({ chainId: settlement.chainId, settlement: addresses.settlement, head: follower.position()?.number ?? null, counts: store.counts() });
  const programs = new Map<Hex, ProvingModel>();
  const desk = createDisputeDesk({ platform, store, domain, preimages, blobPath: checker.blobPath, programs, prover: bestProver(), scratch: join(options.blobDir, "..", "witnesses"), limits: options.proof });
  const watcher = createWatcher({ platform, store, domain, preimages, desk });
  const relay = createHeartbeatRelay(platform, { size: options.relaySize, waitMs: options.relayWaitMs });
  const api = ledgerApi({ store, statements, watcher, relay, clock, logger: logger.child({ part: "api" }), blobPath: checker.blobPath, domain, summary });
  const fetch = withExplorer(options.explorer ?? "", api);

  function startJobs(): void {
    jobs.every("follow", settlement.pollMs, async () => {
      const head = await follower.step();
      metrics.gauge("followed_block", Number(head));
    });
    jobs.every("check", settlement.pollMs, () => checker.step());
    jobs.every("index", settlement.pollMs, () => indexSettlements({ platform, store, domain, judge, preimages }));
    jobs.every("accuse", settlement.pollMs * 2, () => accuser.step());
    jobs.every("demands", settlement.pollMs * 2, () => demands.step());
    jobs.every("demand-credit", 3_600_000, () => demands.withdraw());
    jobs.every("seat", settlement.pollMs * 5, () => work.keepSeat());
    jobs.every("sign", settlement.pollMs, () => work.signDue());
    jobs.every("exchange", options.exchangeMs, () => work.exchange());
    jobs.every("certify", options.exchangeMs, () => work.carryLeafChecks());
    jobs.every("finalize", settlement.pollMs * 2, () => work.finalizeDue());
    jobs.every("retention", 600_000, async () => void (await createRetention(platform, store, options.blobDir, options.mirrorRetentionMs)()));
    jobs.every("health", 60_000, createHealthMetrics(platform, store));
    jobs.every("watch", settlement.pollMs * 5, () => watcher.step());
    if (programs.size > 0) jobs.every("disputes", settlement.pollMs * 2, () => desk.step());
    jobs.every("punish", settlement.pollMs * 5, () => punisher.step());
    if (options.relaySize > 0) jobs.every("heartbeats", Math.min(options.relayWaitMs, settlement.pollMs * 2), () => relay.step());
    jobs.every("rewards", settlement.pollMs * 10, () => rewards.step());
    jobs.every("folds", settlement.pollMs * 5, () => folds.step());
    jobs.every("fold-credit", 3_600_000, () => folds.withdraw());
    if (platform.payment) {
      jobs.every("release", options.exchangeMs, () => carrier.step());
      jobs.every("guard", platform.payment.pollMs * 5, () => guard.step());
      jobs.every("handover", options.exchangeMs, () => handover.step());
    }
    jobs.every("prune", 3_600_000, async () => statements.prune(clock.now() - 30 * 86_400_000, clock.now() - 86_400_000));
  }

  return {
    ready: {
      node: () => (identity ? identity.ready() : "not registered yet"),
      ledger: async () => {
        const behind = (await settlement.pool.head()).number - (follower.position()?.number ?? -1n);
        return behind > 10n ? `the ledger is ${behind} blocks behind` : null;
      },
    },
    status: () => ({
      url: server?.url ?? null,
      node: identity?.status() ?? null,
      ...summary(),
      demands: demands.totals(),
      heartbeats: relay.waiting(),
      unavailable: Object.fromEntries(checker.unavailable()),
    }),
    async start() {
      if (options.courtModels && programs.size === 0) for (const [modelId, program] of await loadPrograms(options.courtModels, settlement)) programs.set(modelId, program);
      server ??= await serve({ fetch, ...options.listen, tls: options.tls });
      identity ??= createNodeIdentity(platform, {
        ...options.node, role: ProtocolRole.Full, workload: keccak256(toHex("og.full")), paymentAuthorizer: platform.signer.address,
        endpoint: options.endpoint ?? server.url, tlsSpkiHash: options.tls.spkiHash, hpkeKeyHash: `0x${"00".repeat(32)}`,
      });
      await identity.start();
      if (options.postgres && !shared) {
        shared = await openSharedChecks(options.postgres, logger.child({ part: "queue" }));
        await shared.work(nodeId(), taskRunner({ walrus: options.walrus, pool, clock, blobDir: options.blobDir, keep: true }));
      }
      startJobs();
    },
    async stop() {
      await server?.close(1_000);
      peers.stop();
      await shared?.stop();
      await pool.stop();
    },
  };
}
