import { type Abi, type Address, type PublicClient, multicall3Abi, parseAbi } from "viem";
import { X402 } from "../../sdk/payments/x402.ts";
import { testDollarAbi } from "../../types/abi/TestDollar.ts";
import { x402ChannelsAbi } from "../../types/abi/X402Channels.ts";
import { x402ExactProxyAbi } from "../../types/abi/X402ExactProxy.ts";
import { x402UptoProxyAbi } from "../../types/abi/X402UptoProxy.ts";
import type { Deployment } from "../config/index.ts";
import { type PolicyRule, rulesFor } from "../signer/index.ts";

/** The token that prices are in, with its EIP-712 domain, as payers sign for it. */
export interface TokenDomain {
  address: Address;
  name: string;
  version: string;
}

/** Which token: the configured one, else the devnet's. */
export function tokenAddress(deployment: Deployment, configured?: Address): Address {
  return configured ?? deployment.address("TestDollar");
}

/** Asks the token for its domain. */
export async function tokenDomain(client: PublicClient, address: Address): Promise<TokenDomain> {
  const abi = parseAbi(["function name() view returns (string)", "function version() view returns (string)"]);
  const [name, version] = await Promise.all((["name", "version"] as const).map((functionName) => client.readContract({ address, abi, functionName })));
  return { address, name: name!, version: version! };
}

/** What a facilitator's key may sign on the payment chain. */
export function facilitatorRules(chainId: number, token: Address): PolicyRule[] {
  const rules = (to: Address, abi: unknown, methods: readonly string[]) => rulesFor(chainId, to, abi as Abi, methods);
  return [
    ...rules(X402.channels, x402ChannelsAbi, ["deposit", "claimWithSignature", "refundWithSignature", "settle", "multicall"]),
    ...rules(X402.uptoProxy, x402UptoProxyAbi, ["settle", "settleWithPermit"]),
    ...rules(X402.exactProxy, x402ExactProxyAbi, ["settle", "settleWithPermit"]),
    // Registrations and Acks of many channels go together.
    ...rules(X402.multicall3, multicall3Abi, ["aggregate3"]),
    ...rules(token, testDollarAbi, ["transferWithAuthorization"]),
  ];
}
