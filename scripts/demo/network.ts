import { http, parseEventLogs } from "viem";
import { activeNodes } from "../../sdk/network/nodes.ts";
import { Role } from "../../sdk/protocol/enums.ts";
import { iCommitteeAbi } from "../../types/abi/ICommittee.ts";
import { iNodeRegistryAbi } from "../../types/abi/INodeRegistry.ts";
import { deployChain } from "../deploy/chain.ts";
import { bootstrapInbox } from "../deploy/payment.ts";
import { account } from "../devnet/accounts.ts";
import { devnetPath } from "../devnet/deploy.ts";
import { startKeeper } from "../devnet/keepers.ts";
import { writeModelsFile } from "../devnet/models.ts";
import { access, type DemoContext, until } from "./context.ts";

/** Starts the five keepers, waits until the registry lists them and the committee sits, and tells the payment chain who sits in it. */
export async function startKeepers(context: DemoContext, opsPorts: number[]) {
  const { processes, settlement, payment, network, walrusUrl, models } = context;
  const modelsFile = devnetPath("models.json");
  await writeModelsFile(modelsFile, models);
  const own = { processes, settlement, payment, network, walrusUrl, devRoot: devnetPath("root.json"), modelsFile };
  const [full1, full2, full3, data, inference] = opsPorts as [number, number, number, number, number];
  context.keepers = await Promise.all([
    startKeeper(own, "full", "full1", full1),
    startKeeper(own, "full", "full2", full2),
    startKeeper(own, "full", "full3", full3),
    startKeeper(own, "data", "data", data),
    startKeeper(own, "inference", "inference", inference),
  ]);

  const chain = access(settlement, network.settlementFile);
  const listed = await Promise.all(Object.values(Role).map((role) => activeNodes(chain, role)));
  const committee = { address: network.settlement.Committee, abi: iCommitteeAbi } as const;
  const epoch = await until("a committee of all three full nodes", async () => {
    const current = await chain.client.readContract({ ...committee, functionName: "currentEpoch" });
    if (current === 0n) return false;
    const members = await chain.client.readContract({ ...committee, functionName: "members", args: [current] });
    return members.length === 3 && { current, members };
  });
  const payments = deployChain({ chain: payment.chain, transport: http(payment.rpcUrl), account: account("deployer") });
  await bootstrapInbox(payments, network.payment.SettlementInbox, epoch.current, epoch.members);

  const attested = await attestations(context);
  const gas = attested.map(({ gasUsed }) => gasUsed);
  const admitted = listed.flat().length;
  return {
    detail: `${admitted} nodes admitted, committee epoch ${epoch.current} with ${epoch.members.length} seats; attestation gas: ${gas.map((used) => used.toLocaleString("en")).join(", ")}`,
    tx: attested.at(-1)?.transactionHash,
    gas: gas.reduce((sum, used) => sum + used, 0n),
    value: undefined,
  };
}

/** Receipts of every admission so far, oldest first. */
async function attestations({ settlement, network }: DemoContext) {
  const { client } = access(settlement, network.settlementFile);
  const logs = await client.getLogs({ address: network.settlement.NodeRegistry, fromBlock: 0n, toBlock: "latest" });
  const opened = parseEventLogs({ abi: iNodeRegistryAbi, eventName: "KeyEpochOpened", logs });
  return Promise.all(opened.map(({ transactionHash }) => client.getTransactionReceipt({ hash: transactionHash })));
}
