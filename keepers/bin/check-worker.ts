/**
 * A worker of a full node: takes batches from the queue in PostgreSQL, checks them, writes the verdicts. Any number may run,
 * on any machine; it needs neither chain nor key. `--check-config` shows its configuration.
 */
import { hostname } from "node:os";
import { join } from "node:path";
import { systemClock } from "../clock/index.ts";
import { loadConfig, printConfig, secretsOf } from "../config/index.ts";
import { isKeeperError, messageOf } from "../errors/index.ts";
import { createLogger, createRedactor } from "../logger/index.ts";
import { checkWorkerFields, createVerifyPool, openSharedChecks, taskRunner } from "../roles/full/index.ts";
import { blobIds, walrusClient } from "../walrus/index.ts";

async function main(): Promise<void> {
  if (process.argv.includes("--check-config")) process.stdout.write(`${printConfig(checkWorkerFields, process.env)}\n`);
  const config = loadConfig(checkWorkerFields, process.env);
  if (process.argv.includes("--check-config")) return;
  const redact = createRedactor();
  for (const secret of secretsOf(checkWorkerFields, process.env)) redact.learn(secret);
  const worker = `${hostname()}:${process.pid}`;
  const logger = createLogger({ level: config.logLevel, redact, base: { keeper: "check-worker", worker } });
  const clock = systemClock();
  const pool = createVerifyPool(config.checkWorkers);
  const walrus = walrusClient({ aggregators: config.walrusAggregators, blobIds: blobIds(), clock, maxBytes: config.maxBlobBytes });
  const queue = await openSharedChecks(config.postgres, logger);
  await queue.work(worker, taskRunner({ walrus, pool, clock, blobDir: join(config.dataDir, "checking", String(process.pid)), keep: false }));
  logger.info({}, "check worker takes batches");
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      // What is under way ends, or goes back to the queue.
      void queue.stop().then(() => pool.stop()).finally(() => process.exit(0));
    });
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`check-worker cannot run (${isKeeperError(error) ? error.code : "unexpected"}):\n${messageOf(error)}\n`);
  process.exit(1);
}
