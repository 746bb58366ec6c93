/** A token's name and decimals: its own word, so bounded. */
import { type Address, parseAbi } from "viem";
import { amount, clean, count } from "../format.ts";
import type { Chain } from "../net.ts";

const abi = parseAbi(["function symbol() view returns (string)", "function decimals() view returns (uint8)"]);

export interface Token {
  address: Address;
  symbol: string;
  /** 0 when the token does not say. */
  decimals: number;
}

export async function readToken({ client }: Chain, address: Address): Promise<Token> {
  const [symbol, decimals] = await Promise.all([
    client.readContract({ address, abi, functionName: "symbol" }).catch(() => "units"),
    client.readContract({ address, abi, functionName: "decimals" }).catch(() => 0),
  ]);
  return { address, symbol: clean(symbol, 12), decimals: decimals <= 36 ? decimals : 0 };
}

export const money = (value: bigint, { symbol, decimals }: Token): string => (decimals === 0 ? `${count(value)} ${symbol}` : `${amount(value, decimals)} ${symbol}`);
