import { type PublicClient, createPublicClient, custom, defineChain } from "viem";
import type { RpcPool } from "./pool.ts";

/** viem over the pool, for typed contract reads. Retries are the pool's. */
export function clientOver(pool: RpcPool): PublicClient {
  return build(pool, (method, params) => pool.request(method, params));
}

/** The same, but every read needs two endpoints that agree. Give block numbers, not "latest": heads differ. */
export function moneyClientOver(pool: RpcPool): PublicClient {
  return build(pool, (method, params) => pool.agree(method, params));
}

function build(pool: RpcPool, request: (method: string, params: readonly unknown[]) => Promise<unknown>): PublicClient {
  const chain = defineChain({
    id: pool.chainId,
    name: `chain ${pool.chainId}`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [] } },
  });
  const transport = custom(
    { request: ({ method, params }: { method: string; params?: unknown }) => request(method, (params as readonly unknown[] | undefined) ?? []) },
    { retryCount: 0 },
  );
  return createPublicClient({ chain, transport, cacheTime: 0 }) as PublicClient;
}
