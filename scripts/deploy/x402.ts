/**
 * The canonical x402 contracts, Permit2 and Multicall3 on a devnet, at their canonical addresses. Public chains have the
 * originals; this refuses to run there.
 */
import { readFileSync } from "node:fs";
import { type Address, type Hex, getAddress } from "viem";
import { type DeployChain, artifact } from "./chain.ts";

export const X402 = {
  channels: "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003",
  erc3009Collector: "0x4020806089470a89826cB9fB1f4059150b550004",
  permit2Collector: "0x4020425FAf3B746C082C2f942b4E5159887B0005",
  exactProxy: "0x402085c248EeA27D92E8b30b2C58ed07f9E20001",
  uptoProxy: "0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002",
  permit2: "0x000000000022D473030F116dDEE9F6B43aC78BA3",
  multicall3: "0xcA11bde05977b3631167028862bE2a173976CA11",
} as const satisfies Record<string, Address>;

const TWINS: Record<Exclude<keyof typeof X402, "permit2">, string> = {
  channels: "X402Channels",
  erc3009Collector: "X402Erc3009Collector",
  permit2Collector: "X402Permit2Collector",
  exactProxy: "X402ExactProxy",
  uptoProxy: "X402UptoProxy",
  multicall3: "MulticallTwin",
};

/** Idempotent: what stands already is left alone. */
export async function placeX402(chain: DeployChain): Promise<typeof X402> {
  for (const [name, contract] of Object.entries(TWINS) as [keyof typeof TWINS, string][]) {
    if (await chain.hasCode(X402[name])) continue;
    // Constructors run where they are deployed; the code is then copied. EIP-712 domains recompute themselves at the new address.
    const { abi, bytecode } = artifact(contract);
    const made = await chain.deploy(abi, bytecode, []);
    await chain.setCode(X402[name], await chain.codeAt(made));
  }
  if (!(await chain.hasCode(X402.permit2))) await chain.setCode(getAddress(X402.permit2), permit2Runtime());
  return X402;
}

/** Permit2's runtime as Uniswap publishes it for tests. */
function permit2Runtime(): Hex {
  const source = readFileSync("node_modules/@uniswap/v4-periphery/lib/permit2/test/utils/DeployPermit2.sol", "utf8");
  const code = /hex"([0-9a-f]+)"/.exec(source)?.[1];
  if (!code) throw new Error("@uniswap/v4-periphery no longer carries Permit2's runtime in DeployPermit2.sol; pin 1.0.3.");
  return `0x${code}`;
}
