import type { ChildProcess } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { inferenceFields } from "../../keepers/roles/inference/index.ts";
import { account, type Person, privateKey } from "./accounts.ts";
import type { LocalChain } from "./chains.ts";
import { DEV_IMAGE, type DeployedNetwork, devnetPath } from "./deploy.ts";
import { type ProcessGroup, STOP_MS } from "./processes.ts";

export interface KeeperContext {
  processes: ProcessGroup;
  settlement: LocalChain;
  payment: LocalChain;
  network: DeployedNetwork;
  walrusUrl: string;
  devRoot: string;
  modelsFile: string;
}

export interface RunningKeeper {
  name: string;
  /** Loopback port of /livez, /readyz, /metrics, /status and /tx. */
  opsUrl: string;
  process: ChildProcess;
}

/** Token of the local keepers' operator doors. */
export const OPS_TOKEN = "devnet";

/** Starts one keeper as a process and waits until it says that it is ready. */
export async function startKeeper(context: KeeperContext, role: "inference" | "data" | "full", person: Person, opsPort: number): Promise<RunningKeeper> {
  const { processes, settlement, payment, network } = context;
  const dataDir = devnetPath("data", person);
  await mkdir(dataDir, { recursive: true });
  const opsUrl = `http://127.0.0.1:${opsPort}`;
  const env: Record<string, string> = {
    OG_DATA_DIR: dataDir,
    OG_OPS_LISTEN: `127.0.0.1:${opsPort}`,
    OG_OPS_TOKEN: OPS_TOKEN,
    OG_SETTLEMENT_RPC: settlement.rpcUrl,
    OG_PAYMENT_RPC: payment.rpcUrl,
    OG_SETTLEMENT_ADDRESSES: network.settlementFile,
    OG_PAYMENT_ADDRESSES: network.paymentFile,
    OG_DEV_PRIVATE_KEY: privateKey(person),
    OG_ENCLAVE: "simulated",
    OG_DEV_ROOT: context.devRoot,
    OG_DEV_IMAGE: DEV_IMAGE,
    OG_WALRUS_AGGREGATORS: context.walrusUrl,
    // A devnet's chain mines at once: what is in a block stays there.
    OG_CONFIRMATIONS: "1",
    OG_POLL_MS: "250",
    OG_CHECK_WORKERS: "1",
    ...ROLE_ENV[role](context),
  };
  const child = await processes.start({
    name: person,
    command: [process.execPath, "--disable-warning=ExperimentalWarning", `keepers/bin/${role}.ts`],
    env,
    timeout: 120_000,
    // It waits for the proofs of receipts whose key dies with it.
    ...(role === "inference" ? { stopMs: STOP_MS + Number(process.env.OG_PROOF_STOP_MS ?? inferenceFields.proofStopMs.default) } : {}),
    ready: async () => (await fetch(`${opsUrl}/readyz`)).ok,
  });
  return { name: person, opsUrl, process: child };
}

const ROLE_ENV: Record<"inference" | "data" | "full", (context: KeeperContext) => Record<string, string>> = {
  inference: ({ modelsFile, walrusUrl, network }) => ({
    OG_MODELS: modelsFile,
    OG_WALRUS_PUBLISHER: walrusUrl,
    OG_PAYOUT: account("nodePayout").address,
    OG_VAULT: network.vault,
    // A devnet's channel may be withdrawn after 15 minutes, the channel contract's own minimum.
    OG_WITHDRAW_DELAY: "900",
    OG_BATCH_IDLE_MS: "6000",
    OG_BATCH_AGE_MS: "15000",
    OG_CLAIM_AGE_MS: "2000",
  }),
  data: () => ({}),
  full: () => ({ OG_LEADER_MS: "1000", OG_EXCHANGE_MS: "500" }),
};
