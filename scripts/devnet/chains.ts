import { type Chain, createPublicClient, defineChain, http } from "viem";
import type { ProcessGroup } from "./processes.ts";

/** Chain ids of the two local networks; never those of a public chain. hardhat.config.ts has the same. */
export const SETTLEMENT_CHAIN_ID = 713370;
export const PAYMENT_CHAIN_ID = 713371;

/** Seed phrase of the local chains' funded accounts: Hardhat's default, known to everyone. */
export const DEV_MNEMONIC = "test test test test test test test test test test test junk";

export interface LocalChain {
  name: "settlement" | "payment";
  chain: Chain;
  rpcUrl: string;
}

/** viem's description of one of the local chains. */
export function localChain(name: LocalChain["name"], rpcUrl: string): LocalChain {
  const chain = defineChain({
    id: name === "settlement" ? SETTLEMENT_CHAIN_ID : PAYMENT_CHAIN_ID,
    name: `opengradient-${name}-devnet`,
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
    testnet: true,
  });
  return { name, chain, rpcUrl };
}

/** Starts one of the two chains as a Hardhat node with JSON-RPC on loopback. */
export async function startChain(processes: ProcessGroup, name: LocalChain["name"], port: number): Promise<LocalChain> {
  const local = localChain(name, `http://127.0.0.1:${port}`);
  const client = createPublicClient({ chain: local.chain, transport: http() });
  await processes.start({
    name: `chain-${name}`,
    command: ["hardhat", "node", "--network", name, "--hostname", "127.0.0.1", "--port", String(port)],
    ready: async () => (await client.getChainId()) === local.chain.id,
  });
  return local;
}
