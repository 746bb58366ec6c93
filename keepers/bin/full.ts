/** The full node as a process. `node keepers/bin/full.ts --check-config` shows its configuration; docs/operator/config.md explains it. */
import { join } from "node:path";
import { runKeeper } from "../app/index.ts";
import { commonFields } from "../config/index.ts";
import { createFullRole, fullFields, fullRules } from "../roles/full/index.ts";
import { nodeFields, nodeSetup } from "../roles/node/index.ts";
import { blobIds, walrusClient } from "../walrus/index.ts";

await runKeeper(
  {
    name: "full",
    fields: { ...commonFields, ...nodeFields, ...fullFields },
    rules: fullRules,
    async build(platform, config) {
      const { checkWorkers, postgres, leaderMs, firstCommittee, exchangeMs, relaySize, relayWaitMs, courtModels, explorer, proofTimeoutMs, proofMemoryMb, mirrorRetentionMs, demandAfterMs, demandsPerHeader, maxDemandBond, listen, endpoint, dataDir } = config;
      return createFullRole(platform, {
        walrus: walrusClient({ aggregators: config.walrusAggregators, blobIds: blobIds(), clock: platform.clock, maxBytes: config.maxBlobBytes }),
        blobDir: join(dataDir, "blobs"), checkWorkers, postgres, leaderMs, firstCommittee, exchangeMs, relaySize, relayWaitMs, courtModels, explorer, proof: { deadlineMs: proofTimeoutMs, memoryMb: proofMemoryMb }, mirrorRetentionMs, demandAfterMs, demandsPerHeader, maxDemandBond, listen, endpoint, ...(await nodeSetup(platform, config)),
      });
    },
  },
  process.env,
  process.argv.slice(2),
);
