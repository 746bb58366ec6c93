/** Puts the platform together from the configuration: store, chains, signer, journal, jobs. */
import { join } from "node:path";
import { clientOver, createPool, httpEndpoint, moneyClientOver } from "../chain/index.ts";
import type { Clock } from "../clock/index.ts";
import { type commonFields, type ConfigOf, type Deployment, readDeployment } from "../config/index.ts";
import { fatal } from "../errors/index.ts";
import { createJobs } from "../jobs/index.ts";
import type { Logger } from "../logger/index.ts";
import { createMetrics } from "../metrics/index.ts";
import type { ChainAccess, Platform } from "../roles/platform.ts";
import { loadKey, localSigner, type PolicyRule } from "../signer/index.ts";
import { kv, kvMigration, openStore } from "../storage/index.ts";
import { createJournal } from "../tx/index.ts";

export type CommonConfig = ConfigOf<typeof commonFields>;

export interface PlatformOptions {
  name: string;
  config: CommonConfig;
  clock: Clock;
  logger: Logger;
  /** What this role's hot key may sign. */
  rules(deployments: { settlement: Deployment; payment: Deployment | null }): PolicyRule[];
}

const GWEI = 1_000_000_000n;

export function createPlatform({ name, config, clock, logger, rules }: PlatformOptions): Platform {
  const store = openStore(join(config.dataDir, "keeper.db"));
  store.migrate(kvMigration);
  const access = (role: string, urls: readonly string[], deployment: Deployment): ChainAccess => {
    const pool = createPool({
      chainId: deployment.chainId,
      endpoints: urls.map((url) => httpEndpoint(url)),
      clock,
      logger: logger.child({ part: "chain", chain: deployment.chainId }),
      timeoutMs: config.rpcTimeoutMs,
      genesisHash: deployment.genesisHash,
    });
    bindStore(role, deployment);
    const { confirmations, reorgDepth, pollMs } = config;
    return { chainId: deployment.chainId, deployment, pool, client: clientOver(pool), moneyClient: moneyClientOver(pool), confirmations, reorgDepth, pollMs };
  };

  /** A data directory belongs to one deployment: rows of another would be read as this one's. */
  function bindStore(role: string, deployment: Deployment): void {
    const facts = kv(store);
    const identity = JSON.stringify([deployment.chainId, deployment.genesisHash ?? null]);
    const known = facts.get(`deployment.${role}`);
    if (known !== undefined && known !== identity) {
      throw fatal("storage.other_deployment", `${config.dataDir} belongs to another deployment (${known}); this is ${identity}.`, { role });
    }
    facts.set(`deployment.${role}`, identity);
  }

  const settlementDeployment = readDeployment(config.settlementAddresses);
  const paymentDeployment = config.paymentRpc.length > 0 && config.paymentAddresses ? readDeployment(config.paymentAddresses) : null;
  const settlement = access("settlement", config.settlementRpc, settlementDeployment);
  const payment = paymentDeployment ? access("payment", config.paymentRpc, paymentDeployment) : null;
  const chains = payment ? [settlement, payment] : [settlement];

  const signer = localSigner(loadKey(config, chains.map(({ chainId }) => chainId)), {
    rules: rules({ settlement: settlementDeployment, payment: paymentDeployment }),
    maxFee: config.maxTxCostWei,
  });
  const metrics = createMetrics();
  const limits = { maxFeePerGas: BigInt(config.maxFeeGwei) * GWEI, maxTxCost: config.maxTxCostWei, maxDayCost: config.maxDayCostWei };
  const journal = createJournal({
    store, clock, logger,
    chains: chains.map(({ pool }) => ({ pool, signer, limits, timing: { confirmations: config.confirmations, pollMs: config.pollMs } })),
  });
  metrics.onScrape(() => {
    for (const [state, count] of Object.entries(journal.counts())) metrics.gauge("intents", count, { state });
    for (const chain of chains) {
      metrics.gauge("signer_stopped", journal.stopped().has(chain.chainId) ? 1 : 0, { chain: chain.chainId });
      for (const { name: endpoint, healthy, latencyMs, failures } of chain.pool.health()) {
        metrics.gauge("rpc_healthy", healthy ? 1 : 0, { chain: chain.chainId, endpoint });
        metrics.gauge("rpc_latency_ms", latencyMs, { chain: chain.chainId, endpoint });
        metrics.gauge("rpc_failures", failures, { chain: chain.chainId, endpoint });
      }
    }
    const { rss, heapUsed } = process.memoryUsage();
    metrics.gauge("memory_rss_bytes", rss);
    metrics.gauge("memory_heap_bytes", heapUsed);
  });
  return { name, clock, logger, metrics, store, signer, journal, settlement, payment, jobs: createJobs({ clock, logger, metrics }) };
}
