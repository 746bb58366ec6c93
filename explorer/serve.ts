/**
 * `npm run explorer [-- --network FILE] [--port N] [--host H] [--name TEXT] [--ledger URL ...]`: builds the page and serves it.
 * Without --network: og.json or .devnet/og.json, which `npm run demo -- --keep` writes.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { messageOf } from "../keepers/errors/index.ts";
import { CliError, readNetworkFile } from "../sdk/cli/network.ts";
import { assertChain, chainAccess, parseDeployment } from "../sdk/network/network.ts";
import { buildExplorer, DIST } from "./build.ts";
import type { ChainConfig } from "./config.ts";
import { serveExplorer } from "./server/serve.ts";

const PORT = "8700";

async function chain(name: string, { rpcUrl, addresses }: { rpcUrl: string; addresses: string }): Promise<ChainConfig> {
  const json = JSON.parse(readFileSync(addresses, "utf8")) as { startBlock?: unknown };
  const deployment = parseDeployment(json);
  await assertChain(chainAccess(name, rpcUrl, deployment));
  return { rpcUrl, deployment, startBlock: BigInt(Number(json.startBlock ?? 0) || 0) };
}

try {
  const { values } = parseArgs({ options: { network: { type: "string" }, port: { type: "string", default: PORT }, host: { type: "string", default: "127.0.0.1" }, name: { type: "string", default: "devnet" }, ledger: { type: "string", multiple: true } } });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new CliError(`--port must be 0 to 65535, not "${values.port}".`);
  const file = readNetworkFile(values.network);
  const [settlement, payment] = await Promise.all([chain("settlement", file.settlement), chain("payment", file.payment)]);
  await buildExplorer();
  const server = await serveExplorer({ directory: DIST, host: values.host, port, name: values.name, settlement, payment, aggregators: file.walrus?.aggregators ?? [], ...(values.ledger ? { ledgers: values.ledger } : {}) });
  console.log(`Explorer of chains ${settlement.deployment.chainId} and ${payment.deployment.chainId}: ${server.url}/   (Ctrl-C ends it)`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void server.close(500).then(() => process.exit(0)));
} catch (error) {
  console.error(`The explorer cannot start: ${messageOf(error)}`);
  process.exitCode = 2;
}
