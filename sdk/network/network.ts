import { type Address, type Chain, type PublicClient, createPublicClient, defineChain, getAddress, http, isAddress } from "viem";

/** A deployment's contracts: the content of `deployments/<chainId>-<name>/addresses.json`. */
export interface Deployment {
  chainId: number;
  contracts: Record<string, Address>;
}

/** One of the two chains as the SDK sees it. */
export interface ChainAccess {
  chain: Chain;
  client: PublicClient;
  rpcUrl: string;
  /** @throws NetworkError when the deployment has no such contract. */
  address(contract: string): Address;
}

/** The settlement chain and the payment chain. */
export interface Network {
  settlement: ChainAccess;
  payment: ChainAccess;
}

/** A chain or deployment that is not what it should be; the message says what to do. */
export class NetworkError extends Error {
  readonly code: "BAD_DEPLOYMENT" | "WRONG_CHAIN" | "NOT_DEPLOYED";
  constructor(code: NetworkError["code"], message: string) {
    super(message);
    this.name = "NetworkError";
    this.code = code;
  }
}

/**
 * Reads a deployment from parsed JSON. A contract stands as `"Name": "0x..."` or `"Name": {"address": "0x..."}`.
 * @throws NetworkError naming the first entry that is not an address.
 */
export function parseDeployment(json: unknown): Deployment {
  const { chainId, contracts } = (json ?? {}) as { chainId?: unknown; contracts?: Record<string, unknown> };
  if (typeof chainId !== "number" || typeof contracts !== "object" || contracts === null) {
    throw new NetworkError("BAD_DEPLOYMENT", "The deployment needs a numeric chainId and an object of contracts; give the addresses.json that the deploy script wrote.");
  }
  const addresses: Record<string, Address> = {};
  for (const [name, entry] of Object.entries(contracts)) {
    const value = typeof entry === "object" && entry !== null ? (entry as { address?: unknown }).address : entry;
    if (typeof value !== "string" || !isAddress(value, { strict: false })) {
      throw new NetworkError("BAD_DEPLOYMENT", `The deployment's "${name}" is not an address.`);
    }
    addresses[name] = getAddress(value);
  }
  return { chainId, contracts: addresses };
}

/** Opens one chain. Nothing is sent yet; see `assertChain`. */
export function chainAccess(name: string, rpcUrl: string, deployment: Deployment): ChainAccess {
  const chain = defineChain({
    id: deployment.chainId,
    name,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
  return {
    chain,
    rpcUrl,
    client: createPublicClient({ chain, transport: http(rpcUrl), pollingInterval: 250 }) as PublicClient,
    address(contract) {
      const address = deployment.contracts[contract];
      if (!address) throw new NetworkError("NOT_DEPLOYED", `${contract} is not in the deployment of chain ${deployment.chainId}; has: ${Object.keys(deployment.contracts).join(", ")}.`);
      return address;
    },
  };
}

/** @throws NetworkError when the RPC endpoint serves another chain than the deployment is for. */
export async function assertChain({ chain, client, rpcUrl }: ChainAccess): Promise<void> {
  const served = await client.getChainId();
  if (served !== chain.id) throw new NetworkError("WRONG_CHAIN", `${rpcUrl} serves chain ${served}, but the deployment is for ${chain.id}.`);
}
