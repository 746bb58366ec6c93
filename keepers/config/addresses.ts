import { readFileSync } from "node:fs";
import { type Address, getAddress, isAddress } from "viem";
import { fatal, messageOf } from "../errors/index.ts";

/** What a keeper reads of a deployment: the only file it takes addresses from. */
export interface Deployment {
  chainId: number;
  /** Hash of block 0, if the deployment recorded it: an endpoint of another chain with the same id is refused. */
  genesisHash?: `0x${string}`;
  /** Block to follow events from. */
  startBlock: bigint;
  /** Address of a contract, by the contract's name. */
  address(name: string): Address;
  has(name: string): boolean;
}

/**
 * Reads `deployments/<chainId>-<name>/addresses.json`. Contracts stand under `contracts`, as `"Name": "0x…"` or
 * `"Name": {"address": "0x…"}`.
 */
export function readDeployment(file: string): Deployment {
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  } catch (error) {
    throw fatal("config.addresses", `${file} cannot be read: ${messageOf(error)}`, { file }, { cause: error });
  }
  const chainId = Number(json.chainId);
  if (!Number.isInteger(chainId) || chainId <= 0) throw fatal("config.addresses", `${file} names no chainId.`, { file });
  const contracts = (json.contracts ?? json) as Record<string, unknown>;
  const find = (name: string): Address | undefined => {
    const entry = contracts[name];
    const value = typeof entry === "object" && entry !== null ? (entry as { address?: unknown }).address : entry;
    return typeof value === "string" && isAddress(value, { strict: false }) ? getAddress(value) : undefined;
  };
  return {
    chainId,
    genesisHash: typeof json.genesisHash === "string" ? (json.genesisHash as `0x${string}`) : undefined,
    startBlock: BigInt((json.startBlock as string | number | undefined) ?? 0),
    has: (name) => find(name) !== undefined,
    address(name) {
      const found = find(name);
      if (!found) throw fatal("config.addresses", `${file} has no address of ${name}.`, { file, name });
      return found;
    },
  };
}
