/** The life of a keeper process: configuration, platform, role, doors, signals. */
import { systemClock } from "../clock/index.ts";
import { type commonFields, type ConfigOf, type Deployment, type Environment, type Fields, isDevnet, loadConfig, printConfig, secretsOf } from "../config/index.ts";
import { isKeeperError, messageOf } from "../errors/index.ts";
import { createLogger, createRedactor } from "../logger/index.ts";
import { startOps } from "../ops/index.ts";
import type { Platform, Role } from "../roles/platform.ts";
import type { PolicyRule } from "../signer/index.ts";
import { type CommonConfig, createPlatform } from "./platform.ts";
import { platformChecks } from "./health.ts";

export interface KeeperDefinition<F extends Fields & typeof commonFields> {
  name: string;
  fields: F;
  rules(deployments: { settlement: Deployment; payment: Deployment | null }, config: ConfigOf<F>): PolicyRule[];
  /** Builds the role. Nothing has started yet; the chain may be unreachable. */
  build(platform: Platform, config: ConfigOf<F>): Promise<Role> | Role;
}

/** What a stop may take, and what the role asks for beside (`Role.stopMs`); then the process ends anyway. */
const STOP_MS = 8_000;

/** Runs until a signal. Only bin/ calls it: it owns the process. What is fatal at start is said in a sentence, exit code 1. */
export async function runKeeper<F extends Fields & typeof commonFields>(definition: KeeperDefinition<F>, env: Environment, argv: readonly string[]): Promise<void> {
  try {
    await run(definition, env, argv);
  } catch (error) {
    const code = isKeeperError(error) ? error.code : "unexpected";
    process.stderr.write(`${definition.name} cannot run (${code}):\n${isKeeperError(error) ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  }
}

async function run<F extends Fields & typeof commonFields>(definition: KeeperDefinition<F>, env: Environment, argv: readonly string[]): Promise<void> {
  const { name, fields } = definition;
  if (argv.includes("--check-config")) {
    process.stdout.write(`${printConfig(fields, env)}\n`);
    loadConfig(fields, env);
    return;
  }
  const config = loadConfig(fields, env);
  const common = config as unknown as CommonConfig;
  const redact = createRedactor();
  for (const secret of secretsOf(fields, env)) redact.learn(secret);
  const clock = systemClock();
  const logger = createLogger({ level: common.logLevel, redact, base: { keeper: name } });
  const platform = createPlatform({ name, config: common, clock, logger, rules: (deployments) => definition.rules(deployments, config) });
  const role = await definition.build(platform, config);
  const devnet = isDevnet(platform.settlement.chainId);
  let started = false;
  const ops = await startOps({
    ...common.opsListen,
    token: common.opsToken,
    metrics: platform.metrics,
    journal: platform.journal,
    actions: role.actions ?? {},
    ready: { started: () => (started ? null : "starting"), ...platformChecks(platform, { maxHeadAgeS: devnet ? 0 : 120, minBalanceWei: 1n }), ...role.ready },
    status: async () => ({
      keeper: name,
      signer: platform.signer.address,
      settlementChain: platform.settlement.chainId,
      paymentChain: platform.payment?.chainId ?? null,
      jobs: platform.jobs.states(),
      transactions: platform.journal.counts(),
      role: await role.status(),
    }),
  });
  logger.info({ ops: ops.url, signer: platform.signer.address, dataDir: common.dataDir }, "keeper starts");

  let stopping: Promise<void> | null = null;
  const stop = (reason: string) =>
    (stopping ??= (async () => {
      logger.info({ reason }, "keeper stops");
      const late = setTimeout(() => {
        logger.warn({}, "keeper stops without waiting any longer");
        process.exit(0);
      }, STOP_MS + (role.stopMs?.() ?? 0));
      await role.stop();
      await platform.jobs.stop();
      await platform.journal.stop();
      await ops.close(1_000);
      platform.store.close();
      clearTimeout(late);
      logger.info({}, "keeper stopped");
      process.exit(0);
    })());
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void stop(signal));
  // A bug must not leave a half-dead process that looks alive: the supervisor starts it again, and nothing is lost.
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error) => {
      logger.error({ error }, event);
      process.exit(1);
    });
  }

  platform.journal.start();
  await startWithPatience(platform, role, () => stopping !== null);
  if (stopping) return;
  platform.jobs.start();
  started = true;
  logger.info({ status: await role.status() }, "keeper ready");
}

/** A chain that is down at start is waited for; what is fatal ends the process with its reason. */
async function startWithPatience({ clock, logger }: Platform, role: Role, stopped: () => boolean): Promise<void> {
  for (let pauseMs = 500; !stopped(); pauseMs = Math.min(pauseMs * 2, 15_000)) {
    try {
      return await role.start();
    } catch (error) {
      if (stopped()) return;
      if (isKeeperError(error) && error.family === "fatal") throw error;
      logger.warn({ error, pauseMs }, `not started yet: ${messageOf(error)}`);
      await clock.sleep(pauseMs);
    }
  }
}
