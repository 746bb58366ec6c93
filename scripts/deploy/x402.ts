/**
 * The canonical x402 contracts, Permit2 and Multicall3 on a devnet, at their canonical addresses. Public chains have the
 * originals; this refuses to run there.
 */
import { readFileSync } from "node:fs";
import { type Hex, getAddress } from "viem";
import { X402 } from "../../sdk/payments/x402.ts";
import { type DeployChain, artifact } from "./chain.ts";

const TWINS: Record<Exclude<keyof typeof X402, "permit2">, string> = {
  channels: "X402Channels",
  erc3009Collector: "X402Erc3009Collector",
  permit2Collector: "X402Permit2Collector",
  exactProxy: "X402ExactProxy",
  uptoProxy: "X402UptoProxy",
  multicall3: "MulticallTwin",
};

/** Idempotent: what stands already is left alone. @throws Error where an original is missing and no twin may be placed. */
export async function placeX402(chain: DeployChain): Promise<typeof X402> {
  if (!chain.isDevnet) {
    const missing: string[] = [];
    for (const [name, address] of Object.entries(X402)) if (!(await chain.hasCode(address))) missing.push(`${name} ${address}`);
    if (missing.length > 0) {
      throw new Error(`chain ${chain.chainId} lacks ${missing.join(", ")}. Twins are for devnets: deploy where x402, Permit2 and Multicall3 stand.`);
    }
    return X402;
  }
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
