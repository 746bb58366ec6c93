import { existsSync, readFileSync } from "node:fs";
import type { Hex } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";
import { systemClock } from "../../keepers/clock/index.ts";
import { loadKey } from "../../keepers/signer/index.ts";
import { type WalrusClient, blobIds, walrusClient } from "../../keepers/walrus/index.ts";
import { type ChainAccess, type Network, assertChain, chainAccess, parseDeployment } from "../network/network.ts";

/** Where a network is: the content of `og.json`, written by `npm run demo -- --keep` and by an operator by hand. */
export interface NetworkFile {
  settlement: { rpcUrl: string; addresses: string };
  payment: { rpcUrl: string; addresses: string };
  /** Walrus publisher and aggregators. */
  walrus?: { publisher: string; aggregators: string[] };
}

/** Where the file is looked for when `--network` is not given. */
const PLACES = ["og.json", ".devnet/og.json"];

/** A command that was called wrongly or before something is set up: what, why and what to do. */
export class CliError extends Error {
  override readonly name = "CliError";
}

/** @throws CliError when no file is found or it is not a network file. */
export function readNetworkFile(path?: string): NetworkFile {
  const file = path ?? process.env.OG_NETWORK ?? PLACES.find((place) => existsSync(place));
  if (!file) throw new CliError(`No network: give --network FILE or OG_NETWORK, or start one here with "npm run demo -- --keep". Looked for ${PLACES.join(" and ")}.`);
  try {
    const network = JSON.parse(readFileSync(file, "utf8")) as NetworkFile;
    if (!network.settlement?.rpcUrl || !network.payment?.rpcUrl) throw new Error("it names no settlement or payment chain");
    return network;
  } catch (error) {
    throw new CliError(`${file} is not a network file: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

/** Opens both chains and asks each endpoint for its chain id. */
export async function openNetwork(path?: string): Promise<Network & { file: NetworkFile }> {
  const file = readNetworkFile(path);
  const open = (name: string, { rpcUrl, addresses }: NetworkFile["settlement"]): ChainAccess =>
    chainAccess(name, rpcUrl, parseDeployment(JSON.parse(readFileSync(addresses, "utf8"))));
  const network = { settlement: open("settlement", file.settlement), payment: open("payment", file.payment), file };
  await Promise.all([assertChain(network.settlement), assertChain(network.payment)]);
  return network;
}

/** The caller's key: a keystore, or on devnets a raw key; never a flag. */
export function callerKey(chainIds: readonly number[]): PrivateKeyAccount {
  const { OG_KEYSTORE: keystore = "", OG_KEYSTORE_PASSWORD_FILE: keystorePasswordFile = "", OG_DEV_PRIVATE_KEY: dev } = process.env;
  return privateKeyToAccount(loadKey({ keystore, keystorePasswordFile, ...(dev ? { devPrivateKey: dev as Hex } : {}) }, chainIds));
}

/** Prints a table: a head line and rows, columns as wide as their widest cell. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)));
  for (const row of [head, ...rows]) console.log(row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
}

/** `--network`, the same for every command. */
export const NETWORK_OPTION = ["--network <file>", "network file; default og.json or .devnet/og.json"] as const;

/** The network's Walrus store. `close` ends the worker that computes blob ids. @throws CliError when the file names none. */
export function walrusStore(walrus: NetworkFile["walrus"], maxBytes?: number): { blobs: WalrusClient; close(): Promise<void> } {
  if (!walrus) throw new CliError('The network file names no Walrus store: add "walrus": {"publisher": URL, "aggregators": [URL]}.');
  const ids = blobIds();
  return { blobs: walrusClient({ ...walrus, blobIds: ids, clock: systemClock(), ...(maxBytes ? { maxBytes } : {}) }), close: () => ids.close() };
}
