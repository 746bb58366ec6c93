import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Hex, http } from "viem";
import { deployChain, artifact } from "../deploy/chain.ts";
import { account } from "./accounts.ts";
import type { LocalChain } from "./chains.ts";
import type { DeployedNetwork } from "./deploy.ts";

/** Seconds a round; a devnet's feed has one operator, so it answers at once. */
const PERIOD = 5;
const DECIMALS = 8;
const NO_PIN: Hex = `0x${"00".repeat(32)}`;

/**
 * An outside source on loopback (the machine may have no network): a price that moves with time. The feed that observes it, and
 * a contract that reads the feed.
 */
export async function startFeed(local: LocalChain, network: DeployedNetwork): Promise<{ id: Hex; url: string; consumer: Hex; stop(): Promise<void> }> {
  const server = createServer((_, response) => {
    const price = 3_000 + 40 * Math.sin(Date.now() / 60_000);
    response.setHeader("content-type", "application/json").end(JSON.stringify({ data: { price: price.toFixed(2) } }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/eth-usd#/data/price`;

  const chain = deployChain({ chain: local.chain, transport: http(local.rpcUrl), account: account("deployer") });
  const definition = {
    name: "ETH/USD (local demonstration source)",
    sources: [url],
    tlsPins: [NO_PIN],
    period: PERIOD,
    decimals: DECIMALS,
    minOperators: 1,
    policyId: NO_PIN,
    maxDeviationBps: 0,
    maxAge: 60,
  };
  const feeds = artifact("DataFeeds").abi;
  const id = (await chain.read(network.settlement.DataFeeds, feeds, "feedIdOf", [definition])) as Hex;
  await chain.write(network.settlement.DataFeeds, feeds, "createFeed", [definition]);
  const { abi, bytecode } = artifact("FeedConsumer");
  const consumer = await chain.deploy(abi, bytecode, [network.settlement.DataFeeds, id]);
  return { id, url, consumer, stop: () => new Promise((resolve) => server.close(() => resolve())) };
}
