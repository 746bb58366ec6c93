/** The data node as a process. `node keepers/bin/data.ts --check-config` shows its configuration; docs/operator/config.md explains it. */
import { runKeeper } from "../app/index.ts";
import { commonFields } from "../config/index.ts";
import { createDataRole, dataFields, dataRules } from "../roles/data/index.ts";
import { nodeFields, nodeSetup } from "../roles/node/index.ts";

await runKeeper(
  {
    name: "data",
    fields: { ...commonFields, ...nodeFields, ...dataFields },
    rules: dataRules,
    async build(platform, config) {
      const { feeds, sourceTimeoutMs, listen, endpoint } = config;
      return createDataRole(platform, { feeds, sourceTimeoutMs, listen, endpoint, ...(await nodeSetup(platform, config)) });
    },
  },
  process.env,
  process.argv.slice(2),
);
