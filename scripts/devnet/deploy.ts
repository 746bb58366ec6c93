import { join } from "node:path";
import { type Address, type Hex, concat, createWalletClient, encodeAbiParameters, http, keccak256, parseAbiParameters, toHex } from "viem";
import { loadRoot } from "../../keepers/attestation/index.ts";
import { developmentPcrs } from "../../keepers/roles/node/evidence.ts";
import { testBondAbi } from "../../types/abi/TestBond.ts";
import { testDollarAbi } from "../../types/abi/TestDollar.ts";
import { deployChain, type DeployChain } from "../deploy/chain.ts";
import { deploymentPath, writeDeploymentFile } from "../deploy/files.ts";
import { type PaymentAddresses, deployPayment, deployVault } from "../deploy/payment.ts";
import { type SettlementAddresses, approveImage, deploySettlementTo } from "../deploy/settlement.ts";
import { account, type Person } from "./accounts.ts";
import type { LocalChain } from "./chains.ts";

/** The image that simulated enclaves claim to run. */
export const DEV_IMAGE = "opengradient development image";
export const WORKLOADS = ["og.inference", "og.data", "og.full"] as const;

export interface DeployedNetwork {
  settlement: SettlementAddresses;
  payment: PaymentAddresses;
  vault: Address;
  settlementFile: string;
  paymentFile: string;
  contracts: number;
  lastTransaction?: Hex;
  gas: bigint;
}

/** Bond for each keeper and money for the payer, in whole units of the tokens. */
const BOND = 100_000n * 10n ** 18n;
const DOLLARS = 1_000n * 10n ** 6n;

/** All contracts of both chains, the development root, the development image on the default policy, test money for everyone. */
export async function deployNetwork(settlementChain: LocalChain, paymentChain: LocalChain, devRoot: string): Promise<DeployedNetwork> {
  const deployer = account("deployer");
  const on = ({ chain, rpcUrl }: LocalChain) => deployChain({ chain, transport: http(rpcUrl), account: deployer });
  const [settlement, payment] = [on(settlementChain), on(paymentChain)];
  let contracts = 0;
  const onStep = () => void (contracts += 1);

  const root = loadRoot(devRoot, Math.floor(Date.parse("2026-01-01") / 1000));
  const settled = await deploySettlementTo(settlement, "devnet", { nitroRoot: keccak256(root.certificate), onStep });
  const pcrs = developmentPcrs(DEV_IMAGE);
  const imageId = keccak256(concat([0, 1, 2, 8].map((index) => pcrs.get(index) ?? new Uint8Array(48))));
  for (const workload of WORKLOADS) await approveImage(settlement, settled.MeasurementPolicy, keccak256(toHex(workload)), imageId);
  await mint(settlement, settled.BondToken, testBondAbi, ["inference", "data", "full1", "full2", "full3"], BOND);

  const paid = await deployPayment(payment, {
    settlement: { chainId: settlement.chainId, address: settled.InferenceSettlement },
    unitsPerStake: 1n,
    onStep,
  });
  // The inference node's vault for payments that no escrow protects. Its id is known before it registers.
  const nodeId = keccak256(encodeAbiParameters(parseAbiParameters("uint256, address, address, uint256"), [BigInt(settlement.chainId), settled.NodeRegistry, account("inference").address, 0n]));
  const vault = await deployVault(payment, { nodeId, payout: account("nodePayout").address, treasury: deployer.address, feeBps: 100 });
  onStep();
  const genesis = await payment.client.getBlock({ blockNumber: 0n });
  const paymentFile = deploymentPath(payment.chainId, "devnet");
  writeDeploymentFile(paymentFile, { chainId: payment.chainId, genesisHash: genesis.hash, startBlock: 0, contracts: { ...paid, NodeVault: vault } });
  await mint(payment, paid.TestDollar, testDollarAbi, ["payer"], DOLLARS);

  const gas = (await gasUsed(settlement, deployer.address)) + (await gasUsed(payment, deployer.address));
  return { settlement: settled, payment: paid, vault, settlementFile: deploymentPath(settlement.chainId, "devnet"), paymentFile, contracts, gas };
}

async function mint(chain: DeployChain, token: Address, abi: typeof testBondAbi | typeof testDollarAbi, people: readonly Person[], amount: bigint): Promise<void> {
  for (const person of people) await chain.write(token, abi as never, "mint", [account(person).address, amount]);
}

/** Gas of everything that an account sent since the chain began. */
async function gasUsed(chain: DeployChain, sender: Address): Promise<bigint> {
  const head = await chain.client.getBlockNumber();
  let gas = 0n;
  for (let blockNumber = 0n; blockNumber <= head; blockNumber++) {
    const block = await chain.client.getBlock({ blockNumber, includeTransactions: true });
    for (const transaction of block.transactions) {
      if (transaction.from.toLowerCase() !== sender.toLowerCase()) continue;
      gas += (await chain.client.getTransactionReceipt({ hash: transaction.hash })).gasUsed;
    }
  }
  return gas;
}

/** A wallet of one of the local network's people. */
export function walletOf(person: Person, { chain, rpcUrl }: LocalChain) {
  return createWalletClient({ chain, transport: http(rpcUrl), account: account(person) });
}

/** Where a local network keeps its files. */
export function devnetPath(...parts: string[]): string {
  return join(".devnet", ...parts);
}
