import type { RpcPool } from "../chain/index.ts";
import type { FeeLimits } from "./types.ts";

export interface Fees {
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
}

const GWEI = 1_000_000_000n;

/** Room for the base fee to double, plus what the node suggests as a tip. */
export async function suggestFees(pool: RpcPool, baseFee: bigint): Promise<Fees> {
  let tip = GWEI;
  try {
    tip = BigInt(await pool.request<string>("eth_maxPriorityFeePerGas"));
  } catch {
    // Optional method: a gwei is enough of a tip on every chain that we run on.
  }
  return { maxFeePerGas: baseFee * 2n + tip, maxPriorityFeePerGas: tip };
}

/** A replacement must offer at least 10 % more; 15 % stays clear of rounding. Never below today's suggestion. */
export function bumped(last: Fees, suggested: Fees): Fees {
  const up = (fee: bigint) => (fee * 115n) / 100n + 1n;
  const tip = max(up(last.maxPriorityFeePerGas), suggested.maxPriorityFeePerGas);
  return { maxPriorityFeePerGas: tip, maxFeePerGas: max(max(up(last.maxFeePerGas), suggested.maxFeePerGas), tip) };
}

/** Why these fees may not be paid now, or null. */
export function overLimit(fees: Fees, gas: bigint, limits: FeeLimits, spentToday: bigint): string | null {
  const cost = gas * fees.maxFeePerGas;
  if (fees.maxFeePerGas > limits.maxFeePerGas) return `fee ${fees.maxFeePerGas} wei per gas is above the cap ${limits.maxFeePerGas}`;
  if (cost > limits.maxTxCost) return `cost ${cost} wei is above the cap of a transaction ${limits.maxTxCost}`;
  if (spentToday + cost > limits.maxDayCost) return `cost ${cost} wei would pass the cap of a day ${limits.maxDayCost}`;
  return null;
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
