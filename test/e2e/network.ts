/** A small network of real processes for tests: two chains, a blob store, contracts, three full nodes and a data node. */
import type { ChildProcess } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import { type Hex, type PublicClient, createPublicClient, http, keccak256, parseEther, toHex } from "viem";
import { mnemonicToAccount, privateKeyToAccount } from "viem/accounts";
import { loadRoot } from "../../keepers/attestation/index.ts";
import { developmentImageId } from "../../keepers/roles/node/evidence.ts";
import { artifact, type DeployChain, deployChain } from "../../scripts/deploy/chain.ts";
import { deploymentPath, writeDeploymentFile } from "../../scripts/deploy/files.ts";
import { settlementParameters } from "../../scripts/deploy/parameters.ts";
import { bootstrapInbox, deployPayment, DEVNET_TIMES, type PaymentAddresses } from "../../scripts/deploy/payment.ts";
import { approveImage, deploySettlementTo, type SettlementAddresses } from "../../scripts/deploy/settlement.ts";
import { DEV_MNEMONIC, startChain } from "../../scripts/devnet/chains.ts";
import { freePorts } from "../../scripts/devnet/ports.ts";
import { ProcessGroup } from "../../scripts/devnet/processes.ts";
import { tempFolder } from "../utils/folder.ts";

export const IMAGE = "opengradient development image";
export const WORKLOADS = { inference: keccak256(toHex("og.inference")), data: keccak256(toHex("og.data")), full: keccak256(toHex("og.full")) } as const;

export interface TestNetwork {
  dir: string;
  processes: ProcessGroup;
  settlement: DeployChain;
  payment: DeployChain;
  settlementClient: PublicClient;
  addresses: { settlement: SettlementAddresses; payment: PaymentAddresses };
  /** Environment that every keeper gets. */
  env: Record<string, string>;
  walrusUrl: string;
  rpc: { settlement: string; payment: string };
  source: { url: string; set(value: string): void };
  /** Gives an account gas on both chains and bond tokens. */
  fund(address: Hex): Promise<unknown>;
  /** Starts a keeper and waits until it is ready; again with the same name after a kill. */
  startKeeper(role: "full" | "data" | "facilitator", index: number, extra?: Record<string, string>): Promise<{ opsUrl: string; address: Hex; env: Record<string, string> }>;
  /** kill -9 of a keeper, by "role-index". */
  kill(name: string): Promise<void>;
  /** The last lines of every process's log: what a failure has to show. */
  logs(lines?: number): string;
  stop(): Promise<void>;
}

const OPS_TOKEN = "a-token-for-the-tests";
/** Milliseconds in which a process has to serve; as long as `until` waits. */
const PATIENCE = 300_000;

export async function startNetwork(options: { window?: bigint } = {}): Promise<TestNetwork> {
  const dir = tempFolder("og-e2e");
  const processes = new ProcessGroup(join(dir, "logs"), PATIENCE);
  try {
    return await build(dir, processes, options);
  } catch (error) {
    // What did start must not outlive a network that did not.
    await processes.stop();
    throw error;
  }
}

async function build(dir: string, processes: ProcessGroup, options: { window?: bigint }): Promise<TestNetwork> {
  const ports = await freePorts(20);
  const [settlementChain, paymentChain] = await Promise.all([startChain(processes, "settlement", ports[0]!), startChain(processes, "payment", ports[1]!)]);
  const walrusUrl = `http://127.0.0.1:${ports[2]}`;
  await processes.start({ name: "walrus", command: ["node", "keepers/bin/walrus.ts", "--directory", join(dir, "walrus"), "--port", String(ports[2])], ready: async () => (await fetch(`${walrusUrl}/v1/api`)).status > 0 });

  const deployer = mnemonicToAccount(DEV_MNEMONIC);
  const settlement = deployChain({ chain: settlementChain.chain, transport: http(settlementChain.rpcUrl), account: deployer });
  const payment = deployChain({ chain: paymentChain.chain, transport: http(paymentChain.rpcUrl), account: deployer });
  const devRoot = join(dir, "root.json");
  const root = loadRoot(devRoot, 1_767_225_600);
  const deployments = join(dir, "deployments");
  const parameters = settlementParameters(1_440);
  if (options.window !== undefined) parameters.settlement = { ...parameters.settlement, window: options.window, responseTime: options.window / 2n || 1n, certTime: options.window };
  const settlementAddresses = await deploySettlementTo(settlement, "settlement", { root: deployments, parameters, nitroRoot: keccak256(root.certificate) });
  for (const workload of Object.values(WORKLOADS)) await approveImage(settlement, settlementAddresses.MeasurementPolicy, workload, developmentImageId(IMAGE));
  const paymentAddresses = await deployPayment(payment, { settlement: { chainId: settlement.chainId, address: settlementAddresses.InferenceSettlement }, times: DEVNET_TIMES });
  const genesis = async (chain: DeployChain) => (await chain.client.getBlock({ blockNumber: 0n })).hash;
  const paymentFile = deploymentPath(payment.chainId, "payment", deployments);
  writeDeploymentFile(paymentFile, { chainId: payment.chainId, genesisHash: await genesis(payment), startBlock: 0, contracts: { ...paymentAddresses } });

  let answer = "1234.5678";
  const source: Server = createServer((_request, response) => response.setHeader("content-type", "application/json").end(JSON.stringify({ data: { price: answer } })));
  await new Promise<void>((resolve) => source.listen(0, "127.0.0.1", resolve));

  const env: Record<string, string> = {
    OG_SETTLEMENT_RPC: settlementChain.rpcUrl, OG_PAYMENT_RPC: paymentChain.rpcUrl,
    OG_SETTLEMENT_ADDRESSES: deploymentPath(settlement.chainId, "settlement", deployments), OG_PAYMENT_ADDRESSES: paymentFile,
    OG_POLL_MS: "250", OG_CONFIRMATIONS: "1", OG_ENCLAVE: "simulated", OG_DEV_ROOT: devRoot, OG_DEV_IMAGE: IMAGE, OG_WALRUS_AGGREGATORS: walrusUrl,
    OG_OPS_TOKEN: OPS_TOKEN, OG_LOG_LEVEL: "debug", OG_EXCHANGE_MS: "300", OG_LEADER_MS: "2000", OG_HEARTBEAT_MS: "2000",
  };
  const bondAbi = artifact("TestBond").abi;
  const children = new Map<string, ChildProcess>();
  let funding: Promise<unknown> = Promise.resolve();
  async function fund(address: Hex): Promise<void> {
    for (const url of [settlementChain.rpcUrl, paymentChain.rpcUrl]) await rpc(url, "hardhat_setBalance", [address, toHex(parseEther("100"))]);
    await settlement.write(settlementAddresses.BondToken, bondAbi, "mint", [address, parseEther("100000")]);
  }

  return {
    dir, processes, settlement, payment, env, walrusUrl,
    settlementClient: createPublicClient({ chain: settlementChain.chain, transport: http(settlementChain.rpcUrl) }) as PublicClient,
    addresses: { settlement: settlementAddresses, payment: paymentAddresses },
    rpc: { settlement: settlementChain.rpcUrl, payment: paymentChain.rpcUrl },
    source: { url: `http://127.0.0.1:${(source.address() as AddressInfo).port}/#/data/price`, set: (value) => (answer = value) },
    fund: (address) => (funding = funding.then(() => fund(address))),
    async startKeeper(role, index, extra = {}) {
      const name = `${role}-${index}`;
      const key = keccak256(toHex(`test keeper ${name}`));
      const { address } = privateKeyToAccount(key);
      // One deployer key, one nonce line: funding goes one after the other.
      await (funding = funding.then(() => fund(address)));
      const opsPort = ports[4 + index + { full: 0, data: 8, facilitator: 10 }[role]]!;
      const opsUrl = `http://127.0.0.1:${opsPort}`;
      const full = { ...env, OG_DEV_PRIVATE_KEY: key, OG_DATA_DIR: join(dir, name), OG_OPS_LISTEN: String(opsPort), ...extra };
      children.set(name, await processes.start({ name, command: ["node", `keepers/bin/${role}.ts`], env: full, ready: async () => (await fetch(`${opsUrl}/readyz`)).ok }));
      return { opsUrl, address, env: full };
    },
    async kill(name) {
      const child = children.get(name)!;
      const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGKILL");
      await gone;
    },
    logs: (lines = 15) => globSync(join(dir, "logs", "*.log")).map((file) => `== ${basename(file)}\n${readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n")}`).join("\n"),
    async stop() {
      source.close();
      await processes.stop();
    },
  };
}

export { bootstrapInbox };

export async function rpc(url: string, method: string, params: unknown[] = []): Promise<unknown> {
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }) });
  const { result, error } = (await response.json()) as { result?: unknown; error?: { message: string } };
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
}

export async function status(opsUrl: string): Promise<Record<string, never>> {
  const response = await fetch(`${opsUrl}/status`, { headers: { authorization: `Bearer ${OPS_TOKEN}` } });
  const text = await response.text();
  if (!response.ok) throw new Error(`${opsUrl}/status: ${response.status} ${text}`);
  return JSON.parse(text) as Record<string, never>;
}
