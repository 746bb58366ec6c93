/** The network as the page sees it. */
import { type PublicClient, createPublicClient, http } from "viem";
import { type ChainAccess, chainAccess } from "../../sdk/network/network.ts";
import type { ProtocolDomain } from "../../sdk/protocol/domain.ts";
import type { ChainConfig, ExplorerConfig } from "../config.ts";
import type { Checker } from "./verify/checker.ts";

export interface Chain extends ChainAccess {
  startBlock: bigint;
  has(contract: string): boolean;
}

export interface Net {
  name: string;
  settlement: Chain;
  payment: Chain | null;
  /** Of receipts and headers. */
  domain: ProtocolDomain;
  aggregators: readonly string[];
  ledgers: readonly string[];
  fetch: typeof fetch;
  /** Seconds; the reader's clock, for "ago" only. */
  now: () => bigint;
  /** A checker for one page; off the page's thread where there are workers. */
  checker: () => Checker;
}

export interface Outside {
  fetch: typeof fetch;
  now: () => bigint;
  checker: () => Checker;
}

export function openNet(config: ExplorerConfig, outside: Outside): Net {
  const settlement = open("settlement", config.settlement, outside);
  return {
    name: config.name,
    settlement,
    payment: config.payment && open("payment", config.payment, outside),
    domain: { chainId: settlement.chain.id, verifyingContract: settlement.address("InferenceSettlement") },
    aggregators: config.aggregators,
    ledgers: config.ledgers,
    ...outside,
  };
}

function open(name: string, { rpcUrl, deployment, startBlock }: ChainConfig, { fetch }: Outside): Chain {
  const access = chainAccess(name, rpcUrl, deployment);
  // A page asks for many small things at once: they travel together.
  const transport = http(rpcUrl, { batch: { batchSize: 40, wait: 4 }, retryCount: 1, timeout: 20_000, fetchFn: fetch });
  const client = createPublicClient({ chain: access.chain, transport }) as PublicClient;
  return { ...access, client, startBlock, has: (contract) => deployment.contracts[contract] !== undefined };
}
