/** The inference node as a process. `node keepers/bin/inference.ts --check-config` shows its configuration; docs/operator/config.md explains it. */
import { runKeeper } from "../app/index.ts";
import { commonFields } from "../config/index.ts";
import { fatal } from "../errors/index.ts";
import { createInferenceRole, inferenceFields, inferenceRules } from "../roles/inference/index.ts";
import { nodeFields, nodeSetup } from "../roles/node/index.ts";
import { tokenAddress, tokenDomain } from "../payments/token.ts";
import { startUpstream, trainLanguageModel } from "../upstream/index.ts";
import { blobIds, walrusClient } from "../walrus/index.ts";

await runKeeper(
  {
    name: "inference",
    fields: { ...commonFields, ...nodeFields, ...inferenceFields },
    rules: inferenceRules,
    async build(platform, config) {
      const { clock, payment } = platform;
      if (!payment) throw fatal("config.payment", "An inference node needs the payment chain: set OG_PAYMENT_RPC and OG_PAYMENT_ADDRESSES.");
      // Without an upstream the node brings its own: a small demonstration model, clearly not a product.
      const upstreamUrl = config.upstreamUrl ?? (await startUpstream({ model: trainLanguageModel(), clock })).url;
      return createInferenceRole(platform, {
        ...config,
        modelsFile: config.models,
        upstream: { url: upstreamUrl, ...(config.upstreamKey ? { apiKey: config.upstreamKey } : {}) },
        walrus: walrusClient({ publisher: config.walrusPublisher, aggregators: config.walrusAggregators, blobIds: blobIds(), clock, epochs: config.walrusEpochs }),
        storage: { epochs: config.walrusEpochs, epochMs: config.walrusEpochMs, keepMs: config.blobKeepMs },
        token: await tokenDomain(payment.client, tokenAddress(payment.deployment, config.paymentToken)),
        batch: { size: config.batchSize, idleMs: config.batchIdleMs, ageMs: config.batchAgeMs, settleSize: config.settleSize, proofWaitMs: config.proofWaitMs },
        traps: { prize: config.trapPrize, chance: config.trapChance },
        proof: { timeoutMs: config.proofTimeoutMs, memoryMb: config.proofMemoryMb, stopMs: config.proofStopMs },
        ...(await nodeSetup(platform, config)),
      });
    },
  },
  process.env,
  process.argv.slice(2),
);
