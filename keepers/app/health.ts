import { messageOf } from "../errors/index.ts";
import type { ChainAccess, Platform, ReadyCheck } from "../roles/platform.ts";
import { kv } from "../storage/index.ts";

const MAX_SKEW_S = 30;

export interface HealthLimits {
  /** Seconds without a new block after which the head counts as stuck; 0: not looked at (a devnet mines on demand). */
  maxHeadAgeS: number;
  minBalanceWei: bigint;
}

/** What every keeper needs before it takes work: chains in sight, a store that writes, a signer with money, a sane clock. */
export function platformChecks(platform: Platform, limits: HealthLimits): Record<string, ReadyCheck> {
  const checks: Record<string, ReadyCheck> = {
    store: () => {
      try {
        kv(platform.store).set("ready", String(platform.clock.now()));
        return null;
      } catch (error) {
        return `the store does not write: ${messageOf(error)}`;
      }
    },
    signer: () => {
      const stopped = [...platform.journal.stopped()];
      return stopped.length === 0 ? null : stopped.map(([chainId, reason]) => `chain ${chainId}: ${reason}`).join("; ");
    },
  };
  for (const [name, chain] of [["settlement", platform.settlement], ["payment", platform.payment]] as const) {
    if (!chain) continue;
    checks[`${name}-rpc`] = () => quorum(chain);
    checks[`${name}-head`] = () => head(chain, platform, limits);
    checks[`${name}-balance`] = async () => {
      const balance = await chain.client.getBalance({ address: platform.signer.address });
      return balance >= limits.minBalanceWei ? null : `the signer holds ${balance} wei, less than ${limits.minBalanceWei}`;
    };
  }
  return checks;
}

function quorum(chain: ChainAccess): string | null {
  const health = chain.pool.health();
  const healthy = health.filter((endpoint) => endpoint.healthy).length;
  const needed = Math.min(2, health.length);
  return healthy >= needed ? null : `${healthy} of ${health.length} endpoints answer; ${needed} are needed`;
}

async function head(chain: ChainAccess, { clock }: Platform, { maxHeadAgeS }: HealthLimits): Promise<string | null> {
  const { number, timestamp } = await chain.pool.head();
  const age = Math.floor(clock.now() / 1000) - Number(timestamp);
  // On-demand chains stand still; only public ones have a heart beat to miss.
  if (maxHeadAgeS > 0 && age > maxHeadAgeS) return `block ${number} is ${age} s old`;
  if (maxHeadAgeS > 0 && age < -MAX_SKEW_S) return `the chain is ${-age} s ahead of this clock`;
  return null;
}
