import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Address, Hex } from "viem";

/** Content of `deployments/<chainId>-<name>/addresses.json`: the only file that keepers take addresses from. */
export interface DeploymentFile {
  chainId: number;
  genesisHash?: Hex;
  /** Block to follow events from. */
  startBlock: number;
  contracts: Record<string, Address>;
}

export function deploymentPath(chainId: number, name: string, root = "deployments"): string {
  return join(root, `${chainId}-${name}`, "addresses.json");
}

/** @returns undefined when there is none, or when it is of another chain (same id, other genesis block). */
export function readDeploymentFile(path: string, genesisHash?: Hex): DeploymentFile | undefined {
  if (!existsSync(path)) return undefined;
  const file = JSON.parse(readFileSync(path, "utf8")) as DeploymentFile;
  return genesisHash && file.genesisHash !== genesisHash ? undefined : file;
}

export function writeDeploymentFile(path: string, file: DeploymentFile): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, `${JSON.stringify(file, null, 2)}\n`);
}
