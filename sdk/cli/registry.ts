import { Command } from "commander";
import type { Hex } from "viem";
import { activeNodes, nodeById, registryKey } from "../network/nodes.ts";
import { Role, type Value } from "../protocol/enums.ts";
import { NETWORK_OPTION, openNetwork, printTable } from "./network.ts";

/** `og node`: who serves. */
export function nodeCommand(): Command {
  const node = new Command("node").description("nodes in the registry");
  node
    .command("list")
    .description("active nodes of all roles")
    .option(...NETWORK_OPTION)
    .action(async ({ network }: { network?: string }) => {
      const { settlement } = await openNetwork(network);
      const nodes = (await Promise.all(Object.values(Role).map((role: Value<typeof Role>) => activeNodes(settlement, role)))).flat();
      printTable(["node", "role", "status", "heartbeat", "endpoint"], nodes.map((info) => [info.nodeId, info.role, info.status, String(info.lastHeartbeat), info.endpoint]));
    });
  node
    .command("show <nodeId>")
    .description("everything that the registry holds of a node, and its key")
    .option(...NETWORK_OPTION)
    .action(async (nodeId: string, { network }: { network?: string }) => {
      const { settlement } = await openNetwork(network);
      const info = await nodeById(settlement, nodeId as Hex);
      for (const [name, value] of Object.entries(info)) console.log(`${name.padEnd(18)} ${String(value)}`);
      if (BigInt(info.keyId) === 0n) return;
      const key = await registryKey(settlement, info.keyId, BigInt(Math.floor(Date.now() / 1000)));
      console.log(`${"key".padEnd(18)} ${key.publicKey}, ${key.valid ? "valid now" : "NOT valid now"}`);
    });
  return node;
}
